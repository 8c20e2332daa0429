"""A window table's measures are those of the definition, for any stream and any division into batches."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.domain.time import HOUR_US
from monitor.engine.windows import DISTINCTS_USED, SCANNED_LOG2_MAX
from tests.engine.window_definitions import (
    ENTER,
    REMOVE,
    Stream,
    by_definition,
    gone_before,
    measures,
    random_stream,
    run,
    table_of,
)
from tests.strategies.searching import further

KEPT = measures((24 * HOUR_US, 48 * HOUR_US), ("day",))


def cuts_of(rng: np.random.Generator, n: int) -> list[int]:
    return np.flatnonzero(rng.random(n) < rng.choice([0.02, 0.2, 1.0]))[1:].tolist()


def compare(seed: int, *, n: int, keys: int, span_us: int) -> int:
    rng = np.random.default_rng(seed)
    stream = random_stream(rng, n, keys=keys, span_us=span_us)
    found, bounds = run(table_of(KEPT), stream, cuts_of(rng, n))
    gone, compared = gone_before(stream), 0
    for i in np.flatnonzero(stream.operation == ENTER).tolist():
        for measure, column in KEPT:
            expected = by_definition(stream, i, measure, gone[i])
            assert (int(found[i, column]), bool(bounds[i, column])) == expected, (seed, i, measure)
            compared += 1
    return compared


@settings(max_examples=further(8), deadline=None, print_blob=True)
@given(seed=st.integers(0, 2**32), n=st.integers(2, 90), keys=st.integers(1, 3), days=st.integers(1, 6))
def test_every_measure_is_that_of_the_definition(seed: int, n: int, keys: int, days: int):
    compare(seed, n=n, keys=keys, span_us=days * 24 * HOUR_US)


def test_the_comparison_compares_something():
    assert compare(7, n=150, keys=2, span_us=100 * HOUR_US) > 4000


def crowded(seed: int) -> Stream:
    """A key with a thousand events in a day, from a few and from hundreds of partners, that then falls quiet."""
    rng = np.random.default_rng(seed)
    stream = random_stream(rng, 2_600, keys=2, span_us=26 * HOUR_US, step_us=HOUR_US // 60)
    of_position = np.where(stream.operation == REMOVE, stream.target, stream.position)
    stream.key[:] = np.where(stream.key == 0, 0, 1 + of_position % 39)
    is_known = stream.partner >= 0
    stream.partner[is_known] = np.where(stream.partner < 3, stream.partner, rng.integers(3, 900, len(stream)))[is_known]
    day = 20 * HOUR_US
    stream.judged_us[:] = np.where(stream.judged_us < day, stream.judged_us, day + 3_000 * (stream.judged_us - day))
    stream.period[:] = stream.judged_us // (24 * HOUR_US)
    return stream


@pytest.mark.parametrize("seed", [1, 2])
def test_a_key_with_a_thousand_events_is_measured_as_one_with_ten(seed: int):
    stream = crowded(seed)
    table = table_of(KEPT)
    found, bounds = run(table, stream, cuts_of(np.random.default_rng(seed), len(stream)))
    gone = gone_before(stream)
    for i in [i for i in range(seed, len(stream), 41) if stream.operation[i] == ENTER]:
        for measure, column in KEPT:
            expected = by_definition(stream, i, measure, gone[i])
            assert (int(found[i, column]), bool(bounds[i, column])) == expected, (i, measure)
    # The ring was large, and became a small one again.
    most = max(int(found[:, column].max()) for measure, column in KEPT if measure.function == "count")
    assert most > 2**SCANNED_LOG2_MAX
    assert int(table.counters[DISTINCTS_USED]) == 0


def test_the_division_into_batches_changes_nothing_for_a_key_with_a_thousand_events():
    stream = crowded(3)
    whole, whole_bounds = run(table_of(KEPT), stream, [])
    found, bounds = run(table_of(KEPT), stream, list(range(1, len(stream))))
    is_read = stream.operation == ENTER
    assert np.array_equal(found[is_read], whole[is_read])
    assert np.array_equal(bounds[is_read], whole_bounds[is_read])


@pytest.mark.slow
@settings(max_examples=further(8), deadline=None, print_blob=True)
@given(seed=st.integers(0, 2**32), n=st.integers(2, 300), keys=st.integers(1, 5), days=st.integers(1, 20))
def test_every_measure_is_that_of_the_definition_on_long_streams(seed: int, n: int, keys: int, days: int):
    compare(seed, n=n, keys=keys, span_us=days * 24 * HOUR_US)


@settings(max_examples=30, deadline=None, print_blob=True)
@given(seed=st.integers(0, 2**32))
def test_the_division_into_batches_changes_nothing(seed: int):
    rng = np.random.default_rng(seed)
    stream = random_stream(rng, 120, keys=3, span_us=120 * HOUR_US)
    whole, whole_bounds = run(table_of(KEPT), stream, [])
    for cuts in (list(range(1, 120)), cuts_of(rng, 120)):
        found, bounds = run(table_of(KEPT), stream, cuts)
        is_read = stream.operation == ENTER
        assert np.array_equal(found[is_read], whole[is_read])
        assert np.array_equal(bounds[is_read], whole_bounds[is_read])
