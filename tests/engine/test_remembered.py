"""Rows remembered by id, against a dictionary: found, taken, let go of, grown, saved and loaded."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.engine import remembered
from monitor.engine.hashing import EMPTY
from monitor.engine.remembered import FREE, TOP, Remembered, find_row, let_go, take_row, used, with_room

IDS = st.tuples(st.integers(-3, 3), st.integers(0, 40))
MANY = 5000


def take(kept: Remembered, a: int, b: int, value: int) -> Remembered:
    kept = with_room(kept, 1)
    row = find_row(kept.rows, kept.slots, a, b)
    if row < 0:
        row = take_row(*kept, -1 - row, a, b)
    kept.rows[row, 2] = value
    return kept


def held(kept: Remembered) -> dict[tuple[int, int], int]:
    rows = kept.rows[: kept.marks[TOP]]
    return {(int(a), int(b)): int(value) for a, b, value in rows if a != EMPTY}


def found(kept: Remembered, a: int, b: int) -> int | None:
    row = find_row(kept.rows, kept.slots, a, b)
    return int(kept.rows[row, 2]) if row >= 0 else None


@settings(max_examples=200, deadline=None, print_blob=True)
@given(st.lists(st.tuples(st.sampled_from(["take", "let go", "load"]), IDS, st.integers(0, 9)), max_size=120))
def test_it_answers_as_a_dictionary_does(steps: list[tuple[str, tuple[int, int], int]]):
    kept, plain = remembered.empty(3, 1), dict[tuple[int, int], int]()
    for what, (a, b), value in steps:
        if what == "take":
            kept = take(kept, a, b, value)
            plain[a, b] = value
        elif what == "load":
            kept = remembered.loaded(*remembered.saved(kept))
        elif (a, b) in plain:
            let_go(*kept, find_row(kept.rows, kept.slots, a, b))
            del plain[a, b]
        assert used(kept) == len(plain)
    assert held(kept) == plain
    for a in range(-3, 4):
        for b in range(41):
            assert found(kept, a, b) == plain.get((a, b))


def test_what_was_let_go_of_is_used_again_and_a_full_index_stays_searchable():
    kept = remembered.empty(3, 1)
    for number in range(MANY):
        kept = take(kept, 1, number, number)
    for number in range(0, MANY, 2):
        let_go(*kept, find_row(kept.rows, kept.slots, 1, number))
    assert kept.marks[FREE] == MANY // 2
    length = len(kept.rows)
    for number in range(MANY, MANY + MANY // 2):
        kept = take(kept, 1, number, number)
    assert (len(kept.rows), kept.marks[FREE]) == (length, 0)
    assert [found(kept, 1, number) for number in range(8)] == [None, 1, None, 3, None, 5, None, 7]
    assert held(kept) == {(1, n): n for n in (*range(1, MANY, 2), *range(MANY, MANY + MANY // 2))}


def test_rows_grow_by_a_quarter_and_the_index_stays_at_most_five_eighths_full():
    kept, lengths = remembered.empty(3, 1000), set[int]()
    for number in range(MANY):
        kept = take(kept, number, -number, number)
        lengths.add(len(kept.rows))
        assert used(kept) * 8 <= len(kept.slots) * 5
    assert sorted(lengths) == [1000, 1250, 1562, 1952, 2440, 3050, 3812, 4765, 5956]


def test_saved_rows_carry_no_room_to_spare():
    kept = take(take(remembered.empty(3), 1, 1, 5), 2, 2, 6)
    rows, marks = remembered.saved(kept)
    assert rows.tolist() == [[1, 1, 5], [2, 2, 6]]
    again = remembered.loaded(rows, marks)
    assert (found(again, 1, 1), found(again, 2, 2), len(again.rows)) == (5, 6, 2)
    assert np.shares_memory(rows, kept.rows)
    assert not np.shares_memory(again.rows, kept.rows)
