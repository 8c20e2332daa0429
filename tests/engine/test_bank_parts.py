"""What other partitions told last is added once, in pieces or again, and what is not known here is left out."""

import numpy as np
import pytest

from monitor.domain.bank_part import BUCKETS, MEASURES_MAX, WHOLE_BANK, BankPart
from monitor.engine.bank_parts import BankParts, part_of

HERE = (b"payments", b"payers..")
INDEX_OF = np.array([-1, 1, 2, 0], np.int32)
"""Segments 1 and 2 have rows; code 3 came when there were too many."""


def histograms(*buckets: tuple[int, int, int]) -> np.ndarray:
    """One customer by segment, measure and bucket, each."""
    found = np.zeros((3, len(HERE), BUCKETS), np.int64)
    for at in buckets:
        found[at] += 1
    return found


def part(
    position: int, *buckets: tuple[int, int, int], names: tuple[bytes, ...] = HERE, codes: tuple[int, ...] = (1, 2)
) -> BankPart:
    return part_of(position, names, np.array([WHOLE_BANK, *codes], np.int32), histograms(*buckets))


def total(parts: BankParts, *own: tuple[int, int, int]) -> list[tuple[int, ...]]:
    """How many customers are where, by the definition."""
    found = parts.merged(histograms(*own))
    return [(*map(int, at), int(found[tuple(at)])) for at in np.argwhere(found)]


def heard(*told: tuple[int, BankPart]) -> BankParts:
    parts = BankParts(HERE)
    for teller, each in told:
        parts.hear(teller, each, INDEX_OF, began=0)
    return parts


def test_parts_of_partitions_add_up_and_the_own_histograms_stay():
    own = histograms((0, 0, 5), (1, 0, 5))
    parts = heard((1, part(9, (0, 0, 5), (2, 0, 5))), (2, part(3, (0, 0, 5), (0, 1, BUCKETS - 1))))
    found = parts.merged(own)
    assert [(*at, int(found[tuple(at)])) for at in np.argwhere(found).tolist()] == [
        (0, 0, 5, 3), (0, 1, BUCKETS - 1, 1), (1, 0, 5, 1), (2, 0, 5, 1),
    ]  # fmt: skip
    assert own.sum() == 2
    assert heard().merged(own) is own


@pytest.mark.parametrize("position", [9, 8, 1])
def test_what_is_not_behind_what_was_told_changes_nothing(position: int):
    parts = heard((1, part(9, (0, 0, 5))), (1, part(position, (0, 0, 7))))
    assert total(parts) == [(0, 0, 5, 1)]


def test_a_later_part_takes_the_place_of_the_one_before_also_where_it_is_empty():
    assert total(heard((1, part(9, (0, 0, 5), (1, 0, 5))), (1, part(10, (0, 0, 6))))) == [(0, 0, 6, 1)]


def test_pieces_of_a_part_may_come_in_any_order_and_again():
    new = part(10, (0, 0, 6), (1, 0, 7), (2, 1, 8))
    pieces = [new.of_segments(0, 1), new.of_segments(1, 3)]
    for order in (pieces, pieces[::-1], [*pieces, *pieces]):
        parts = heard((1, part(9, (0, 0, 5), (1, 0, 5), (2, 0, 5))), *((1, each) for each in order))
        assert total(parts) == [(0, 0, 6, 1), (1, 0, 7, 1), (2, 1, 8, 1)]


def test_measures_go_by_their_names_and_those_of_other_rules_are_left_out():
    names = (b"payers..", b"amounts.")
    assert total(heard((1, part(9, (0, 0, 5), (0, 1, 6), names=names)))) == [(0, 1, 5, 1)]


def test_of_too_many_measures_the_first_are_told():
    names = tuple(number.to_bytes(8, "big") for number in range(MEASURES_MAX + 2))
    found = np.zeros((2, len(names), BUCKETS), np.int64)
    found[1, MEASURES_MAX - 1 :, 7] = 3
    told = part_of(1, names, np.array([WHOLE_BANK, 1], np.int32), found)
    assert told.measures == names[:MEASURES_MAX]
    assert [divmod(int(place), BUCKETS) for place in told.places] == [(2 * MEASURES_MAX - 1, 7)]
    assert told.counts.tolist() == [3]


def test_segments_that_were_too_many_here_count_with_the_whole_bank_only():
    assert total(heard((1, part(9, (0, 0, 5), (1, 0, 5), (2, 0, 5), codes=(3, 2))))) == [(0, 0, 5, 1), (2, 0, 5, 1)]


def test_who_counts_positions_anew_is_heard_and_nothing_of_its_former_life_stays():
    parts = heard((1, part(9, (0, 0, 5), (1, 0, 5), (2, 0, 5))), (2, part(9, (0, 0, 6))))
    parts.hear(1, part(2, (0, 0, 7), (1, 0, 7), codes=(2,)), INDEX_OF, began=70)
    assert total(parts) == [(0, 0, 6, 1), (0, 0, 7, 1), (2, 0, 7, 1)]


def test_a_saved_state_hears_on():
    parts, again = heard((1, part(9, (0, 0, 5), (1, 1, 4))), (2, part(3))), BankParts(HERE)
    again.load(parts.save())
    for each in (parts, again):
        each.hear(1, part(9, (0, 0, 9)), INDEX_OF, began=0)
        each.hear(2, part(4, (2, 0, 1)), INDEX_OF, began=0)
    assert total(parts) == total(again) == [(0, 0, 5, 1), (1, 1, 4, 1), (2, 0, 1, 1)]
