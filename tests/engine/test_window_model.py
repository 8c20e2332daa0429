"""Any plan, any limit, pools as small as can be and ordinals that wrap: a table says what its definition says.

The rings grow and shrink under removals, drops and reads of evidence; the state is saved and taken over in between.
"""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.domain.time import DAY_US, HOUR_US, UNKNOWN
from monitor.domain.vocabulary import CALENDARS
from monitor.engine.table import WindowTable
from monitor.engine.windows import BATCH
from monitor.rulebook.plan import DISTINCTS_PER_TABLE_MAX, FILTERS_PER_TABLE_MAX, FieldUse, WindowMeasure
from tests.engine.window_model import ENTER, REMOVE, Leg, Measures, SlowTable, behind, feed, new_table
from tests.strategies.searching import further

AMOUNTS = (FieldUse("amount", "USD"), FieldUse("amount", "EUR"))
CODES = (FieldUse("counterparty"), FieldUse("device"), FieldUse("channel"))
FIRST_ORDINALS = (0, 2**31 - 60, 2**31 - 5, 2**32 - 60, 2**32 - 5)
LAST_CODES = 2**31 - 2_001
OF_AMOUNTS = ("sum", "count_known", "min", "max", "median")


@dataclass(slots=True)
class Shape:
    """What a random table measures."""

    measures: Measures
    filters: int
    amounts: tuple[FieldUse, ...]
    codes: tuple[FieldUse, ...]


def random_shape(rng: np.random.Generator) -> Shape:
    """Some measures, also of tables without distinct counts, without calendars or without amounts, and of full ones."""
    filters = int(rng.choice([1, 2, 3, FILTERS_PER_TABLE_MAX], p=[0.3, 0.3, 0.25, 0.15]))
    amounts, codes = AMOUNTS[: rng.integers(0, 3)], CODES[: rng.integers(0, 4)]
    overs = rng.choice([1, 3, 24, 48, 100], int(rng.integers(1, 4)), replace=False) * HOUR_US
    lengths = [(over, None) for over in overs.tolist()] + [(0, name) for name in CALENDARS if rng.random() < 0.3]
    share = 0.05 if filters > 3 else float(rng.choice([0.1, 0.5, 1.0]))
    kept: list[WindowMeasure] = []
    counted: set[tuple[int, FieldUse]] = set()
    functions = [(name, use) for use in amounts for name in OF_AMOUNTS] + [("distinct", use) for use in codes]
    for number in range(filters):
        kept.append(WindowMeasure("customer", number, lengths[0][0], None, "count", None))
        for (over_us, calendar), (name, use) in [(length, each) for length in lengths for each in functions]:
            is_full = name == "distinct" and len(counted | {(number, use)}) > DISTINCTS_PER_TABLE_MAX
            if rng.random() < share and not is_full:
                counted |= {(number, use)} if name == "distinct" else set()
                kept.append(WindowMeasure("customer", number, over_us, calendar, name, use))
    columns = rng.permutation(len(kept)).tolist()
    return Shape(tuple(zip(kept, columns, strict=True)), filters, amounts, codes)


def random_legs(rng: np.random.Generator, shape: Shape, n: int, *, keys: int, is_crowded: bool) -> list[Leg]:
    """Legs with ties, pairs of one payment, unknown values, repeated removals, sums that wrap, codes at the end."""
    doubt, lacking = rng.choice([0.0, 0.02, 0.3], 2)
    removed, most = rng.choice([0.0, 0.05, 0.3]), int(rng.choice([50, 2**62]))
    last_code, first_code = int(rng.choice([2, 6, 2_000])), int(rng.choice([0, LAST_CODES]))
    legs: list[Leg] = []
    entered: list[Leg] = []
    time_us = position = 0
    while len(legs) < n:
        position, draw = position + 1, rng.random()
        if draw < 0.02:
            time_us += int(rng.integers(0, 60)) * HOUR_US
        elif draw < (0.06 if is_crowded else 0.6):
            time_us += int(rng.integers(0, 8)) * HOUR_US // 4
        if entered and rng.random() < removed:
            first = max(0, len(entered) - 60) if rng.random() < 0.7 else 0
            original = entered[int(rng.integers(first, len(entered)))]
            nothing = dict.fromkeys((*AMOUNTS, *CODES), UNKNOWN)
            one = Leg(REMOVE, original.key, 0, position, original.position, 0, nothing, 0, dict.fromkeys(CALENDARS, 0))
            legs += [one] * int(rng.integers(1, 3))
            continue
        key = int(rng.integers(0, keys))
        for _ in range(2 if rng.random() < 0.1 else 1):
            chances = rng.random(shape.filters)
            bits = np.where(chances < doubt, 2, np.where(chances < 0.6, 1, 0)).tolist()
            mask = sum(bit << 2 * number for number, bit in enumerate(bits))
            values = {use: int(rng.integers(1, most)) for use in shape.amounts}
            values |= {use: first_code + int(rng.integers(0, last_code)) for use in shape.codes}
            values |= {use: UNKNOWN for use in values if rng.random() < lacking}
            day = time_us // DAY_US - int(rng.random() < 0.1)
            periods = {"day": day, "month": day // 30, "date": day - 1, "static_24h": day // 2}
            legs.append(Leg(ENTER, key, time_us, position, 0, mask, values, int(rng.integers(-1, 2)), periods))
            entered.append(legs[-1])
    return legs


def of_another(table: WindowTable, shape: Shape, keys: int) -> WindowTable:
    """The table's state, taken over by a fresh one."""
    saved = {name: np.array(array) for name, array in table.save().items()}
    taken = new_table(shape.measures, shape.filters, events_max=table.events_max, keys=keys)
    taken.load(saved)
    return taken


def compare(seed: int, n: int, *, events_max: int, keys: int, read: float, is_crowded: bool = False) -> int:
    """Run random legs through both tables; returns how many measures were compared."""
    rng = np.random.default_rng(seed)
    shape = random_shape(rng)
    legs = random_legs(rng, shape, n, keys=keys, is_crowded=is_crowded)
    first = int(rng.choice(FIRST_ORDINALS))
    table = new_table(shape.measures, shape.filters, events_max=events_max, first_ordinal=first, keys=keys)
    table.counters[BATCH] = 2**31 - 1 - int(rng.integers(0, 20))
    slow, compared = SlowTable(shape.measures, events_max=events_max), 0
    ends = [*(np.flatnonzero(rng.random(len(legs) - 1) < rng.choice([0.01, 0.1, 1.0])) + 1).tolist(), len(legs)]
    for start, stop in zip([0, *ends[:-1]], ends, strict=True):
        if rng.random() < 0.1:
            table = of_another(table, shape, keys)
        found, bounds = feed(table, legs[start:stop], len(shape.measures))
        for i in range(start, stop):
            expected = slow.take(legs[i])
            if not expected or rng.random() > read:
                continue
            is_last_of_payment = i + 1 == len(legs) or legs[i + 1].position != legs[i].position
            for measure, column in shape.measures:
                said, names = expected[column]
                got = int(found[i - start, column]), bool(bounds[i - start, column])
                assert got in (said, unknown_by_its_sum(shape, expected, measure)), (seed, i, measure)
                if is_last_of_payment and rng.random() < 0.3:
                    assert behind(table, legs[i], measure) == names, (seed, i, measure)
                compared += 1
    assert table.events_held == sum(len(slow.held(key)) for key in slow.keys.values())
    return compared


def unknown_by_its_sum(shape: Shape, expected: dict[int, tuple[tuple[int, bool], list[int]]], measure: WindowMeasure):  # type: ignore[no-untyped-def]
    """Unknown, for a measure of amounts whose sum in the same window does not fit; None for others."""
    if measure.function not in OF_AMOUNTS or measure.function == "sum":
        return None
    like = (measure.filter, measure.over_us, measure.calendar, measure.argument, "sum")
    sums = (c for m, c in shape.measures if (m.filter, m.over_us, m.calendar, m.argument, m.function) == like)
    return (UNKNOWN, False) if any(expected[column][0][1] for column in sums) else None


@settings(max_examples=12, deadline=None, print_blob=True)
@given(seed=st.integers(0, 2**32), events_max=st.sampled_from([1, 2, 5, 12, 40, 100_000]), keys=st.integers(1, 4))
def test_any_table_says_what_its_definition_says(seed: int, events_max: int, keys: int):
    compare(seed, 150, events_max=events_max, keys=keys, read=0.5)


@settings(max_examples=4, deadline=None, print_blob=True)
@given(seed=st.integers(0, 2**32), events_max=st.sampled_from([290, 600, 100_000]))
def test_a_ring_that_is_searched_by_a_table_of_its_values_says_what_the_definition_says(seed: int, events_max: int):
    compare(seed, 1_000, events_max=events_max, keys=1, read=0.02, is_crowded=True)


@pytest.mark.slow
@settings(max_examples=further(20), deadline=None, print_blob=True)
@given(seed=st.integers(0, 2**32), events_max=st.sampled_from([1, 2, 5, 12, 40, 290, 100_000]), n=st.integers(50, 900))
def test_any_table_says_what_its_definition_says_for_long(seed: int, events_max: int, n: int):
    compare(seed, n, events_max=events_max, keys=1 + seed % 4, read=0.1, is_crowded=seed % 2 == 0)


def test_the_comparisons_compare_something():
    assert compare(0, 150, events_max=5, keys=2, read=0.5) > 500
    assert compare(3, 1_000, events_max=600, keys=1, read=0.02, is_crowded=True) > 10
