"""Tails of signals of any scale add up with their weights; a signal that is not ready weighs nothing."""

import numpy as np
import pytest

from models.combination import ROWS_MIN, Combination, TailSnapshot
from models.contract import Family, Input, ModelError, State
from models.sketch import edges

SIGNALS = (Input("a", family=Family.AMOUNT), Input("b", family=Family.RATE))


def columns(n: int, seed: int = 1) -> dict[str, np.ndarray]:
    """Two signals, one a million times the other."""
    rng = np.random.default_rng(seed)
    return {"a": rng.exponential(1.0, n), "b": 1e6 * rng.exponential(1.0, n), "segment": np.zeros(n, np.int64)}


def learned(weights: tuple[float, float] = (1.0, 1.0)) -> Combination:
    model = Combination(SIGNALS, weights, segments=3)
    model.learn_many(columns(5000))
    model.use(model.publish())
    return model


def one(a: float, b: float, segment: int = 0) -> dict[str, np.ndarray]:
    return {"a": np.array([a]), "b": np.array([b]), "segment": np.array([segment])}


@pytest.mark.parametrize("share", [0.5, 0.1, 0.01, 0.001])
def test_a_tail_is_the_share_of_earlier_rows_beyond(share: float):
    model = learned()
    beyond = -np.log(share)
    why = model.score_many(one(beyond, np.nan), why=True).why
    exact = (columns(5000)["a"] > beyond).mean()
    assert why is not None
    assert 10 ** -why[0, 0, 2] == pytest.approx(exact, rel=0.15, abs=2e-4)


def test_scales_do_not_matter_and_weights_do():
    model = learned()
    assert model.score_many(one(5.0, 1e6)).values[0] == pytest.approx(
        model.score_many(one(1.0, 5e6)).values[0], abs=0.1
    )
    model = learned((3.0, 1.0))
    assert model.score_many(one(5.0, 1e6)).values[0] > model.score_many(one(1.0, 5e6)).values[0] + 1


def test_a_usual_row_scores_about_nothing():
    model = learned((2.0, 1.0))
    assert abs(model.score_many(columns(5000, seed=2)).values.mean()) < 0.05


def test_a_signal_that_is_not_ready_leaves_the_word_to_the_others():
    model = learned((1.0, 3.0))
    alone = model.score_many(one(5.0, np.nan)).values[0]
    both = model.score_many(one(5.0, 5e6)).values[0]
    assert alone == pytest.approx(both, abs=0.2)
    assert not model.score_many(one(np.nan, np.nan)).ready[0]


def test_a_segment_with_enough_rows_has_its_own_tails():
    model = Combination(SIGNALS, (1.0, 1.0), segments=3)
    rows = columns(3000)
    rows["segment"] = np.where(np.arange(3000) % 3 == 0, 1, 2)
    rows["a"] = rows["a"] + 100.0 * (rows["segment"] == 1)
    few = columns(ROWS_MIN - 1, seed=3)
    model.learn_many(rows)
    model.use(model.publish())
    high_for_two, usual_for_one = (model.score_many(one(100.0, 1e5, segment)).values[0] for segment in (2, 1))
    assert high_for_two > usual_for_one + 2
    few["segment"][:] = 1
    fresh = Combination(SIGNALS, (1.0, 1.0), segments=3)
    fresh.learn_many(few)
    fresh.use(fresh.publish())
    assert not fresh.score_many(few).ready.any()


def test_equal_values_share_their_tail():
    model = Combination(SIGNALS, (1.0, 1.0))
    rows = columns(1000)
    rows["a"][:] = 7.0
    model.learn_many(rows)
    model.use(model.publish())
    why = model.score_many(one(7.0, 1e6), why=True).why
    assert why is not None
    assert 10 ** -why[0, 0, 2] == pytest.approx(0.5, abs=0.01)


def test_a_snapshot_travels_as_a_record_and_other_signals_are_refused():
    snapshot = learned().publish()
    again = TailSnapshot.from_state(State.from_arrays(snapshot.as_state().as_arrays()))
    assert (again.version, again.signals) == (snapshot.version, snapshot.signals)
    assert np.array_equal(again.counts, snapshot.counts)
    with pytest.raises(ModelError, match="signals"):
        Combination(SIGNALS[:1], (1.0,)).use(snapshot)
    with pytest.raises(ModelError, match="above 0"):
        Combination(SIGNALS, (1.0, 0.0))


def test_signals_side_by_side_are_judged_and_counted_as_columns_are():
    by_columns, by_signals = learned(), learned()
    rows = columns(500, seed=4)
    rows["segment"][::3] = 2
    rows["a"][::7] = np.nan
    expected = by_columns.score_learn_many(rows, why=True)
    got = by_signals.score_learn_signals(np.stack([rows["a"], rows["b"]], axis=1), rows["segment"], why=True)
    assert got.values.tobytes() == expected.values.tobytes()
    assert np.asarray(got.why).tobytes() == np.asarray(expected.why).tobytes()
    assert by_signals.counts.tobytes() == by_columns.counts.tobytes()


def test_tails_are_what_their_definition_says_bucket_by_bucket():
    model = learned()
    counts = model.publish().counts[0, 0]
    n, above = counts.sum(), counts.sum() - np.cumsum(counts)
    for bucket in [*np.flatnonzero(counts)[::40], 0, 3000]:
        value = np.nextafter(edges()[bucket], np.inf)
        why = model.score_many(one(value, np.nan), why=True).why
        assert why is not None
        assert why[0, 0, 2] == -np.log10((above[bucket] + 0.5 * counts[bucket] + 0.5) / (n + 1.0))
