"""A column that moved shows, and a model that drifts or breaks is frozen and flagged while the others go on."""

from typing import Any

import numpy as np
import pytest
from river import drift

from models.compiled import kernel
from models.contract import Input, ModelError, Scores, State, StateError
from models.drift import (
    SHIFTED,
    STABLE,
    Condition,
    Guard,
    Watch,
    population_stability,
    stability_by_column,
)
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


def rows(n: int, *, seed: int = 1) -> dict[str, np.ndarray]:
    return {"x": np.clip(np.random.default_rng(seed).normal(0.5, 0.02, n), 0, 1)}


def watch() -> Watch:
    return Watch(("a", "b"), lambda: drift.PageHinkley(min_instances=28, delta=0.05, threshold=2.0))


def day_of(seed: int, shift: float = 0.0, n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """The counts of a day and its means; the first column has moved by ``shift``."""
    values = np.random.default_rng(seed).normal(5.0, 1.0, (n, 2)) + np.array([shift, 0.0])
    found = np.zeros((1, 2, BUCKETS), np.int64)
    count_values(values, np.zeros(n, np.int64), found)
    return found[0], values.mean(axis=0)


def test_a_column_that_moves_is_told_with_its_day_and_the_other_is_not():
    model = watch()
    for day in range(35):
        assert np.isnan(model.stability).all()
        model.add(day, *day_of(day))
    assert (model.stability < STABLE).all()
    for day in range(35, 42):
        model.add(day, *day_of(day, 3.0))
    moved, other = model.drift
    assert moved.stability > SHIFTED
    assert moved.changed_day in range(35, 42)
    assert other.stability < STABLE
    assert other.changed_day is None


def test_what_lasts_becomes_usual_unless_its_reference_is_held():
    free, held = watch(), watch()
    for day in range(80):
        free.add(day, *day_of(day, 3.0 * (day >= 40)))
        held.add(day, *day_of(day, 3.0 * (day >= 40)), held=[0] if day >= 43 else [])
    assert free.stability[0] < STABLE
    assert held.stability[0] > SHIFTED
    assert held.stability[1] < STABLE
    held.start_anew([0])
    assert np.isnan(held.stability[0])
    for day in range(80, 115):
        held.add(day, *day_of(day, 3.0))
    assert held.stability[0] < STABLE


def test_few_rows_say_nothing():
    model = watch()
    for day in range(40):
        model.add(day, *day_of(day, n=70))
    assert np.isnan(model.stability).all()


def test_a_restored_watch_goes_on():
    model, again = watch(), watch()
    for day in range(38):
        model.add(day, *day_of(day, 2.0 * (day > 30)))
    again.restore(State.from_arrays(model.state().as_arrays()))
    assert again.drift == model.drift
    for day in range(38, 60):
        for each in (model, again):
            each.add(day, *day_of(day, 2.0))
    assert again.drift == model.drift
    assert model.drift[0].changed_day is not None
    with pytest.raises(StateError, match="watches"):
        Watch(("a",), lambda: drift.PageHinkley()).restore(model.state())


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
    assert guard.score_learn_many(rows(200)).ready[50:].all()
    columns = rows(100)
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
    later = guard.score_learn_many(rows(10), why=True)
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
