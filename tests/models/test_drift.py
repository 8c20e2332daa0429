"""A column that moved shows, and a model that drifts or breaks is frozen and flagged while the others go on."""

from typing import Any

import numpy as np
import pytest
from river import drift

from models.compiled import kernel
from models.contract import Family, Input, ModelError, Scores, State
from models.drift import SHIFTED, STABLE, Condition, Guard, population_stability, stability_by_column
from models.half_space_trees import HalfSpaceTrees
from models.sketch import BUCKETS, bucket_of, count_values


def counts(values: np.ndarray) -> np.ndarray:
    found = np.zeros((1, 1, BUCKETS), np.int64)
    count_values(np.asarray(values, np.float64)[:, None], np.zeros(len(values), np.int64), found)
    return found


def test_stability_is_small_for_the_same_and_large_for_a_moved_column():
    rng = np.random.default_rng(1)
    usual = counts(rng.lognormal(3, 1, 20_000))
    same = stability_by_column(usual, counts(rng.lognormal(3, 1, 20_000)))
    moved = stability_by_column(usual, counts(rng.lognormal(4, 1, 20_000)))
    assert same[0, 0] < STABLE / 5
    assert moved[0, 0] > SHIFTED


@pytest.mark.parametrize("seed", range(5))
def test_stability_is_the_definition_over_tenths(seed: int):
    rng = np.random.default_rng(seed)
    usual, latest = rng.integers(1, 50, 200), rng.integers(1, 50, 200)
    tenth = np.searchsorted(np.arange(1, 10) / 10, (np.cumsum(usual) - usual) / usual.sum(), side="right")
    p = np.array([usual[tenth == k].sum() for k in range(10)]) / usual.sum()
    q = np.array([latest[tenth == k].sum() for k in range(10)]) / latest.sum()
    expected = sum((b - a) * np.log(b / a) for a, b in zip(p, q, strict=True))
    assert population_stability(usual, latest) == pytest.approx(expected, rel=1e-9)


def test_nothing_counted_is_unknown_and_other_shapes_are_refused():
    assert np.isnan(population_stability(np.zeros(5, np.int64), np.ones(5, np.int64)))
    with pytest.raises(ModelError, match="shapes"):
        stability_by_column(np.zeros((1, 2, 3), np.int64), np.zeros((1, 3, 3), np.int64))


def trees() -> HalfSpaceTrees:
    return HalfSpaceTrees((Input("x", family=Family.AMOUNT),), trees=12, height=5, window=300, is_scaled=False)


def rows(n: int, *, moves_at: int, seed: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = np.clip(rng.normal(0.5, 0.02, n), 0, 1)
    x[moves_at:] = rng.random(n - moves_at)
    return {"x": x}


def detector() -> Any:
    return drift.PageHinkley(min_instances=5, delta=0.001, threshold=0.15)


def test_a_model_that_drifts_stops_learning_and_goes_on_scoring():
    guard = Guard(trees(), detector, block=100)
    scores = guard.score_learn_many(rows(4000, moves_at=2000))
    assert guard.condition is Condition.DRIFTED
    assert guard.flag is not None
    assert 2000 < guard.flag.row < 2800
    assert "PageHinkley" in guard.flag.fact
    assert scores.ready[300:].all()
    before = guard.model.state().as_arrays()
    assert guard.score_learn_many(rows(500, moves_at=0)).ready.all()
    assert all(array.tobytes() == before[name].tobytes() for name, array in guard.model.state().as_arrays().items())


def test_a_model_that_does_not_drift_is_left_alone():
    guard = Guard(trees(), detector, block=100)
    plain = trees()
    columns = rows(4000, moves_at=4000)
    assert guard.score_learn_many(columns).values.tobytes() == plain.score_learn_many(columns).values.tobytes()
    assert guard.condition is Condition.WORKS


def test_how_rows_are_cut_changes_neither_scores_nor_where_it_freezes_and_a_restored_guard_goes_on():
    whole, cut = Guard(trees(), detector, block=100), Guard(trees(), detector, block=100)
    columns = rows(3000, moves_at=1500)
    expected = whole.score_learn_many(columns)
    values = []
    for start in range(0, 3000, 7):
        values.append(cut.score_learn_many({"x": columns["x"][start : start + 7]}).values)
        if start % 700 == 0:
            restored = Guard(trees(), detector, block=100)
            restored.restore(State.from_arrays(cut.state().as_arrays()))
            cut = restored
    assert np.concatenate(values).tobytes() == expected.values.tobytes()
    assert whole.flag is not None
    assert cut.flag == whole.flag


class BreaksAt(HalfSpaceTrees):
    """Half-space trees that go wrong at a value of 0.99: a number that is none, or an exception."""

    how = "nan"

    def _run(self, columns: Any, values: Any, ready: Any, why: Any, learn: bool) -> None:
        bad = columns["x"] == 0.99
        if self.how == "raises" and bad.any():
            raise ZeroDivisionError("a division")
        super()._run(columns, values, ready, why, learn)
        values[bad & ready] = np.nan


@pytest.mark.parametrize(("how", "fact"), [("nan", "score nan"), ("raises", "ZeroDivisionError: a division")])
def test_a_model_that_breaks_is_not_ready_and_flagged(how: str, fact: str):
    model = BreaksAt((Input("x"),), trees=4, height=4, window=50, is_scaled=False)
    model.how = how
    guard = Guard(model)
    assert guard.score_learn_many(rows(200, moves_at=200)).ready[50:].all()
    columns = rows(100, moves_at=100)
    columns["x"][40] = 0.99
    scores = guard.score_learn_many(columns, why=True)
    assert guard.condition is Condition.BROKEN
    assert guard.flag is not None
    assert guard.flag.fact == fact
    assert not scores.ready[40:].any()
    assert np.isnan(scores.values[40:]).all()
    if how == "nan":
        assert guard.flag.row == 240
        assert scores.ready[:40].all()
    later = guard.score_learn_many(rows(10, moves_at=10), why=True)
    assert isinstance(later, Scores)
    assert not later.ready.any()


def test_buckets_are_in_the_order_of_values():
    @kernel
    def place(values, out):
        for i in range(len(values)):
            out[i] = bucket_of(values[i])

    rng = np.random.default_rng(2)
    values = np.sort(rng.standard_normal(3000) * 10.0 ** rng.integers(-6, 14, 3000))
    out = np.zeros(3000, np.int64)
    place(values, out)
    assert (np.diff(out) >= 0).all()
    assert len(np.unique(out)) > 500
    assert (out.min(), out.max()) == (0, BUCKETS - 1)
