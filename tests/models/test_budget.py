"""The budget holds on the days to come, an account is alerted once a day, and equal scores have one order."""

import numpy as np
import pytest

from models.budget import Budget, Thresholds, order
from models.contract import DAY_US, ModelError, State, StateError

KEYS = 200


def days_of(days: int, *, start: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Three payments of each account a day; accounts of segment 2 score 20 higher."""
    rng = np.random.default_rng(seed)
    n = days * KEYS * 3
    key = np.tile(np.repeat(np.arange(KEYS), 3), days)
    time_us = (start + np.repeat(np.arange(days), KEYS * 3)) * DAY_US + rng.integers(0, DAY_US, n)
    segment = 1 + key % 2
    return key, time_us, segment, rng.exponential(2.0, n) + 20.0 * (segment == 2)


@pytest.mark.parametrize("budget", [0.001, 0.01, 0.05])
def test_the_budgeted_share_of_account_days_is_alerted_in_each_segment(budget: float):
    model = Budget(segments=3)
    assert not model.decide(*days_of(100, start=1000, seed=1)).any()
    model.use(model.publish(budget, today=1100))
    key, time_us, segment, scores = days_of(200, start=1100, seed=2)
    alerts = model.decide(key, time_us, segment, scores)
    for each in (1, 2):
        share = alerts[segment == each].sum() / (200 * KEYS / 2)
        assert budget / 3 < share < budget * 1.3


def test_an_account_is_alerted_once_a_day_at_its_first_row_above():
    model = Budget(segments=1)
    model.use(Thresholds(1, 0.5, np.array([5.0])))
    key = np.array([0, 0, 0, 1, 0])
    time_us = np.array([0, 1, 2, 3, DAY_US + 1])
    alerts = model.decide(key, time_us, np.zeros(5, np.int64), np.array([4.0, 5.0, 9.0, 6.0, 7.0]))
    assert alerts.tolist() == [False, True, False, True, True]


def test_the_threshold_is_above_all_but_the_budgeted_days():
    model = Budget(segments=1)
    key = np.arange(100)
    model.decide(key, np.full(100, 5 * DAY_US), np.zeros(100, np.int64), np.arange(1.0, 101.0))
    (threshold,) = model.publish(0.05, today=6).values
    assert 95 < threshold <= 98
    assert model.publish(0.05, today=6).values[0] == threshold


def test_a_day_that_is_not_over_is_not_counted():
    model = Budget(segments=1)
    model.decide(np.arange(100), np.full(100, 5 * DAY_US), np.zeros(100, np.int64), np.arange(1.0, 101.0))
    assert np.isinf(model.publish(0.05, today=5).values).all()


def test_scores_that_are_not_ready_are_no_alerts():
    model = Budget(segments=1)
    model.use(Thresholds(1, 0.5, np.array([-np.inf])))
    scores = np.array([np.nan, 0.0])
    assert model.decide(np.arange(2), np.zeros(2, np.int64), np.zeros(2, np.int64), scores).tolist() == [False, True]


def test_how_rows_are_cut_changes_no_alert_and_a_restored_budget_goes_on():
    whole, cut = Budget(segments=3), Budget(segments=3)
    rows = days_of(30, start=0, seed=3)
    for model in (whole, cut):
        model.decide(*days_of(20, start=0, seed=4))
        model.use(model.publish(0.01, today=20))
    expected = whole.decide(*rows)
    first = cut.decide(*(column[:777] for column in rows))
    restored = Budget(segments=3)
    restored.restore(State.from_arrays(cut.state().as_arrays()))
    second = restored.decide(*(column[777:] for column in rows))
    assert expected.sum() > 5
    assert np.concatenate([first, second]).tolist() == expected.tolist()
    with pytest.raises(StateError, match="segments"):
        Budget(segments=4).restore(cut.state())


def test_equal_scores_have_one_order_whatever_order_they_came_in():
    rng = np.random.default_rng(1)
    identifier, scores = np.arange(200), rng.integers(0, 5, 200).astype(np.float64)
    expected = identifier[order(scores, identifier)]
    shuffled = rng.permutation(200)
    assert identifier[shuffled][order(scores[shuffled], identifier[shuffled])].tolist() == expected.tolist()
    assert (np.diff(scores[expected]) <= 0).all()
    first = expected[scores[expected] == 4]
    assert first.tolist() != sorted(first.tolist())


@pytest.mark.parametrize("is_halved", [True, False])
def test_a_lower_normal_is_learnt_in_ten_halvings(is_halved: bool):
    model = Budget(segments=3)
    for month in range(24):
        shift = -15.0 * (month >= 12)
        key, time_us, segment, scores = days_of(30, start=30 * month, seed=month)
        model.decide(key, time_us, segment, scores + shift)
        threshold = model.publish(0.001, today=30 * (month + 1))
        model.use(threshold)
        if is_halved:
            model.forget()
        if month == 11:
            before = threshold.values[1:]
    moved = threshold.values[1:] - before
    assert (moved < -12.0).all() if is_halved else (moved > -3.0).all()


def test_a_higher_normal_is_learnt_in_days_and_rare_scores_keep_their_share():
    model = Budget(segments=1)
    key = np.arange(1000)
    for day in range(20):
        scores = np.where(key < 10, 100.0 + key, 1.0)
        model.decide(key, np.full(1000, day * DAY_US), np.zeros(1000, np.int64), scores)
        (threshold,) = model.publish(0.005, today=day + 1).values
        model.forget()
        assert 104 < threshold <= 106
    assert model.counts.sum() < 2_000


def test_few_counts_are_kept_so_that_there_is_a_threshold():
    model = Budget(segments=3)
    model.decide(*days_of(20, start=0, seed=1))
    model.use(model.publish(0.001, today=20))
    assert np.isfinite(model.thresholds.values).all()
    for _ in range(5):
        model.forget()
    assert model.counts.sum(axis=1).tolist() == [1_000, 1_000, 1_000]
    assert np.isfinite(model.publish(0.001, today=20).values).all()


def test_a_budget_that_is_no_share_is_refused():
    with pytest.raises(ModelError, match=r"0\.001"):
        Budget().publish(20.0, today=1)
