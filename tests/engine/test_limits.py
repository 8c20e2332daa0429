"""At its limit a key reports lower bounds and never more; what is let go, returned or used again stays consistent."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.domain.time import DAY_US, HOUR_US, UNKNOWN
from monitor.engine.layout import CALENDAR_RETENTION_US
from monitor.engine.rings import new_ring_pool
from monitor.engine.table import WindowTable
from tests.engine.engine_logs import new_log
from tests.engine.window_definitions import (
    ENTER,
    FILTERS,
    Stream,
    by_definition,
    feed,
    gone_before,
    inside,
    measures,
    random_stream,
    run,
    table_of,
)
from tests.rulebook.small_rules import paid_in, parameter, rule, window

KEPT = measures((24 * HOUR_US, 48 * HOUR_US), ("day", "month"))
TOTALS = ("count", "sum", "distinct")


def truth(stream: Stream, i: int, measure, gone: set[int]) -> int:  # type: ignore[no-untyped-def]
    """The value without any limit; only what is not unknown by its own fields."""
    return by_definition(stream, i, measure, gone)[0]


@settings(max_examples=40, deadline=None, print_blob=True)
@given(seed=st.integers(0, 2**32), events_max=st.integers(1, 12))
def test_at_its_limit_a_key_claims_nothing_wrong(seed: int, events_max: int):
    rng = np.random.default_rng(seed)
    stream = random_stream(rng, 100, keys=2, span_us=60 * HOUR_US)
    found, bounds = run(table_of(KEPT, events_max=events_max), stream, [])
    gone = gone_before(stream)
    for i in np.flatnonzero(stream.operation == ENTER).tolist():
        for measure, column in KEPT:
            value, real = int(found[i, column]), truth(stream, i, measure, gone[i])
            if measure.function in TOTALS and bounds[i, column]:
                assert value <= real, (seed, i, measure)
            elif value != UNKNOWN:
                assert value == real, (seed, i, measure)


def test_the_limit_is_reached_and_becomes_exact_again_when_time_has_passed():
    stream = random_stream(np.random.default_rng(3), 100, keys=1, span_us=60 * HOUR_US)
    later = random_stream(np.random.default_rng(4), 3, keys=1, span_us=HOUR_US)
    table = table_of(KEPT, events_max=5)
    _, bounds = run(table, stream, [])
    assert bounds[:, 0].sum() > 50
    later.judged_us += 200 * HOUR_US
    later.mask[:], later.operation[:], later.position[:] = 1, ENTER, np.arange(1000, 1003)
    found, bounds = run(table, later, [])
    assert bounds[:, 0].tolist() == [0, 0, 0]
    assert found[:, 0].tolist() == [1, 2, 3]


@settings(max_examples=25, deadline=None, print_blob=True)
@given(seed=st.integers(0, 2**32), events_max=st.integers(1, 12))
def test_the_division_into_batches_changes_nothing_at_the_limit(seed: int, events_max: int):
    stream = random_stream(np.random.default_rng(seed), 100, keys=2, span_us=60 * HOUR_US)
    whole = behind_all(table_of(KEPT, events_max=events_max), stream, 100)
    assert behind_all(table_of(KEPT, events_max=events_max), stream, 1) == whole
    assert behind_all(table_of(KEPT, events_max=events_max), stream, 17) == whole


def behind_all(table: WindowTable, stream: Stream, size: int, kept=KEPT) -> list[object]:  # type: ignore[no-untyped-def]
    """Measures, bounds and the payments behind each, for every leg, entered in batches of ``size``."""
    n = len(stream)
    found, bounds = np.full((n, len(kept)), -7, np.int64), np.zeros((n, len(kept)), np.uint8)
    said: list[object] = []
    for start in range(0, n, size):
        stop = min(start + size, n)
        feed(table, stream, start, stop, found, bounds)
        for i in range(start, stop):
            if stream.operation[i] != ENTER or (i + 1 < n and stream.position[i + 1] == stream.position[i]):
                continue
            for measure, column in kept:
                said.append(
                    (i, column, int(found[i, column]), int(bounds[i, column]), behind(table, stream, i, measure))
                )
    return said


def behind(table: WindowTable, stream: Stream, i: int, measure) -> tuple[list[int], int]:  # type: ignore[no-untyped-def]
    """The payments that the table names behind a measure of leg ``i``."""
    calendar, start_us = -1, int(stream.judged_us[i]) - measure.over_us
    if measure.calendar is not None:
        calendar = table.layout.calendars.index(measure.calendar)
        start_us = int(stream.judged_us[i]) - CALENDAR_RETENTION_US
    columns = (stream.entity, stream.period, stream.position)
    query = (int(stream.key[i]), measure.filter, start_us, calendar, *(int(column[i]) for column in columns))
    return table.events_behind([query], most=500)[0]


@settings(max_examples=25, deadline=None, print_blob=True)
@given(seed=st.integers(0, 2**32), size=st.sampled_from([1, 30, 100]))
def test_the_payments_named_are_those_that_were_counted(seed: int, size: int):
    stream = random_stream(np.random.default_rng(seed), 100, keys=2, span_us=100 * HOUR_US)
    gone, compared = gone_before(stream), 0
    for said in behind_all(table_of(KEPT), stream, size):
        i, column, value, _, (positions, total) = said  # type: ignore[misc]
        measure = KEPT[column][0]
        held = inside(stream, i, measure, gone[i], 2 * measure.filter)
        expected = sorted({int(stream.position[j]) for j in held}, reverse=True)
        assert (positions, total) == (expected, len(expected)), (seed, i, measure)
        if measure.function == "count" and len(expected) == len(held):
            assert total == value
        compared += 1
    assert compared > 500


@pytest.mark.parametrize(("seed", "events_max"), [(1, 1_000_000), (2, 1_000_000), (3, 9)])
def test_a_pool_that_is_packed_again_and_again_changes_nothing(
    seed: int, events_max: int, monkeypatch: pytest.MonkeyPatch
):
    # No calendar: events are let go of after two days, and are read until the batch ends.
    kept = measures((24 * HOUR_US, 48 * HOUR_US))
    stream = random_stream(np.random.default_rng(seed), 400, keys=8, span_us=400 * HOUR_US)
    expected = behind_all(table_of(kept, events_max=events_max), stream, 1, kept)
    monkeypatch.setattr("monitor.engine.table._POOL_WORDS_MIN", 1)
    packed, pack = [], WindowTable._pack_events

    def counted(table: WindowTable) -> None:
        packed.append(table.bytes_used()["events"])
        pack(table)
        assert table.bytes_used()["events"] <= packed[-1]

    monkeypatch.setattr(WindowTable, "_pack_events", counted)
    for size in (7, 100):
        table = table_of(kept, events_max=events_max)
        table.events = new_ring_pool(64)
        assert behind_all(table, stream, size, kept) == expected
    assert len(packed) > 5


@pytest.mark.parametrize("overs", [(24 * HOUR_US,), (24 * HOUR_US, 180 * DAY_US)])
def test_a_reversal_long_after_touches_no_period_of_another_key(overs: tuple[int, ...]):
    """Periods that nothing can reach are used again for other keys while a long window still holds their events."""
    kept = measures(overs, ("day",))
    rng = np.random.default_rng(11)
    n = 3_000
    stream = random_stream(rng, n, keys=3, span_us=400 * DAY_US, step_us=DAY_US // 8)
    found, bounds = run(table_of(kept), stream, list(range(50, n, 50)))
    gone, compared = gone_before(stream), 0
    of_day = [(measure, column) for measure, column in kept if measure.calendar == "day"]
    for i in range(0, n, 7):
        if stream.operation[i] != ENTER:
            continue
        for measure, column in of_day:
            assert (int(found[i, column]), bool(bounds[i, column])) == by_definition(stream, i, measure, gone[i])
            compared += 1
    assert compared > 3_000
    assert len(of_day) == FILTERS * 7


def test_idle_periods_are_let_go_and_blocks_are_used_again():
    kept = measures((24 * HOUR_US,), ("day",))
    table = table_of(kept)
    stream = random_stream(np.random.default_rng(2), 8_000, keys=4, span_us=2_000 * DAY_US, step_us=DAY_US // 4)
    run(table, stream, list(range(40, 8_000, 40)))
    # At most 80 days of four keys, two entities and two business days each, doubled by growth.
    assert len(table.buckets) <= 4 * 2 * 2 * 80 * 2
    assert table.bytes_used()["events"] < 8 * 8_000
    assert table.bytes_used()["blocks"] < 8 * 20_000


def test_an_alert_names_no_payment_of_a_period_that_was_let_go():
    """Places of periods are used again while a long window still holds the events that note them."""
    two = parameter("two", "count", ("2",))
    long = window("365d", {"n": "count()"}, name="long", parameters=(two,))
    made = rule("known(status)", window("day", {"n": "count()"}), parameters=(two,), rule_id="AML-TST-001")
    other = rule("long.n >= two", long, parameters=(two,), rule_id="AML-TST-002")
    log = new_log([made, other])
    log.feed([paid_in(day, f"{day}d") for day in range(300)], range(300))
    of_day = [alert for alert in log.alerts if alert.source.id == made.id]
    assert [alert.transactions for alert in of_day] == [(day,) for day in range(300)]
    assert [alert.transactions_total for alert in of_day] == [1] * 300
