"""Measures equal their slow definition; they know nothing of what comes later, and a restored state goes on alike."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.contract import State, StateError
from models.new_edges import NewEdges
from models.payment_measures import MEASURES, PaymentMeasures
from tests.models.plain_measures import DAY, PlainMeasures

KEYS, REMEMBERED = 9, 5
NAMES = [each.name for each in MEASURES]


def made(keys_max: int = KEYS) -> PaymentMeasures:
    return PaymentMeasures(keys_max=keys_max, remembered=REMEMBERED, log2_blocks=12, generation_us=36_500 * DAY)


def payments(seed: int, rows: int) -> dict[str, Any]:
    """Few accounts and few amounts, so that money is carried on, comes back and meets; several rows at one time."""
    rng = np.random.default_rng(seed)
    amount = rng.choice([4.0, 6.0, 9.0], rows) + rng.choice([0.0, -0.05, -0.2, 0.5], rows)
    amount[rng.random(rows) < 0.05] = np.nan
    gaps = rng.integers(0, 2 * DAY, rows) * rng.integers(0, 2, rows) + 40 * DAY * (rng.random(rows) < 0.02)
    return {
        "payer": rng.integers(0, KEYS, rows),
        "payee": rng.integers(0, KEYS, rows),
        "time_us": 1_700_000_000_000_000 + np.cumsum(gaps),
        "amount_log": amount,
        "channel": rng.integers(0, 10, rows),
    }


def part(columns: dict[str, Any], start: int, stop: int) -> dict[str, Any]:
    return {name: column[start:stop] for name, column in columns.items()}


def same(a: State, b: State) -> bool:
    one, other = a.as_arrays(), b.as_arrays()
    return one.keys() == other.keys() and all(one[name].tobytes() == other[name].tobytes() for name in one)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32), st.integers(1, 250))
def test_each_measure_equals_its_slow_definition(seed: int, rows: int) -> None:
    columns = payments(seed, rows)
    got = made().measure_learn_many(columns)
    plain = PlainMeasures(REMEMBERED)
    for i, row in enumerate(zip(*(column.tolist() for column in columns.values()), strict=True)):
        if row[0] == row[1]:
            assert np.isnan(got[i]).all()
            continue
        expected = plain.measure(*row)
        assert set(NAMES) - set(expected) == set(NAMES[:14])
        for name, value in expected.items():
            np.testing.assert_allclose(got[i, NAMES.index(name)], value, rtol=1e-5, atol=1e-5, err_msg=f"{i} {name}")


def test_the_random_streams_have_links_returns_and_common_sources() -> None:
    got = made().measure_learn_many(payments(3, 2000))
    for name in ("links of money carried on", "back at the origin", "payers of the payee with the payer's source"):
        assert np.nanmax(got[:, NAMES.index(name)]) > 0
    assert np.nanmax(got[:, NAMES.index("links of money carried on")]) > 1


def test_the_evidence_of_new_edges_is_theirs_without_weights() -> None:
    columns = payments(5, 1500)
    edges = NewEdges(keys_max=KEYS, remembered=REMEMBERED, log2_blocks=12, generation_us=36_500 * DAY)
    scores, got = edges.score_learn_many(columns, why=True), made().measure_learn_many(columns)
    assert scores.why is not None
    assert scores.ready.any()
    for number, each in enumerate(edges.parts):
        for place, word in enumerate(("evidence", "observed", "expected")):
            if f"{each.name}: {word}" not in NAMES:
                continue
            value = scores.why[:, number, place] / (NewEdges.weights[number] if place == 0 else 1.0)
            expected = np.where(scores.ready, value, np.nan)
            np.testing.assert_allclose(got[:, NAMES.index(f"{each.name}: {word}")], expected, rtol=1e-6)


def test_how_a_stream_is_cut_changes_no_bit() -> None:
    columns = payments(7, 1300)
    whole, cut = made(), made()
    expected = whole.measure_learn_many(columns)
    ends = [0, 1, 2, 700, 701, 1300]
    got = np.concatenate([cut.measure_learn_many(part(columns, a, b)) for a, b in pairwise(ends)])
    assert got.tobytes() == expected.tobytes()
    assert same(whole.state(), cut.state())


def test_measuring_alone_changes_nothing_and_knows_only_the_past() -> None:
    columns, later = payments(8, 1200), payments(9, 1)
    measured = made(keys_max=5000)
    measured.measure_learn_many(columns)
    before = measured.state()
    later |= {"time_us": columns["time_us"][-1:] + 5, "payer": np.array([3000])}
    alone = measured.measure_many(later)
    assert same(before, measured.state())
    assert measured.measure_learn_many(later).tobytes() == alone.tobytes()
    assert not same(before, measured.state())


def test_a_restored_state_goes_on_bit_for_bit() -> None:
    columns = payments(10, 1500)
    measured, restored = made(), made()
    measured.measure_learn_many(part(columns, 0, 1100))
    restored.restore(State.from_arrays(measured.state().as_arrays()))
    rest = part(columns, 1100, 1500)
    assert restored.measure_learn_many(rest).tobytes() == measured.measure_learn_many(rest).tobytes()
    assert same(measured.state(), restored.state())


def test_a_state_of_other_settings_or_with_an_array_missing_is_refused() -> None:
    state = made().state()
    with pytest.raises(StateError, match="settings"):
        PaymentMeasures(keys_max=KEYS + 1, remembered=REMEMBERED, log2_blocks=12).restore(state)
    with pytest.raises(StateError, match="faded"):
        made().restore(State(state.header, {name: a for name, a in state.arrays.items() if name != "faded"}))


def test_accounts_beyond_the_limit_have_no_measure_and_take_no_memory() -> None:
    columns = payments(11, 500)
    measured = made()
    known = measured.measure_learn_many(columns)
    assert np.isfinite(known[columns["payer"] != columns["payee"], NAMES.index("channel")]).all()
    before = measured.state()
    columns["payee"] = columns["payee"] + KEYS
    assert np.isnan(measured.measure_learn_many(columns)).all()
    assert same(before, measured.state())
    assert measured.bytes_used() <= measured.limit.bytes_max


def test_times_that_go_back_break_nothing() -> None:
    columns = payments(12, 1500)
    columns["time_us"] = columns["time_us"][np.random.default_rng(1).permutation(1500)]
    got = made().measure_learn_many(columns)
    assert not np.isinf(got).any()
    gaps = got[:, [i for i, name in enumerate(NAMES) if "days since the last" in name]]
    assert np.nanmin(gaps) == 0


def test_moving_a_stream_in_time_changes_no_measure() -> None:
    columns = payments(13, 1500)
    moved = {**columns, "time_us": columns["time_us"] + 1000 * DAY}
    np.testing.assert_allclose(made().measure_learn_many(moved), made().measure_learn_many(columns), rtol=1e-6)


def test_renaming_accounts_changes_no_measure() -> None:
    columns = payments(14, 1500)
    renamed = np.random.default_rng(2).permutation(KEYS)
    other = {**columns, "payer": renamed[columns["payer"]], "payee": renamed[columns["payee"]]}
    np.testing.assert_array_equal(made().measure_learn_many(other), made().measure_learn_many(columns))
