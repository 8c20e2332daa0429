"""Trees as arrays give scikit-learn's scores and reasons that add up; the store is bounded, unbiased, blind to cuts."""

import io
from itertools import pairwise

import numpy as np
import pytest

from models.contract import Family, Input, ModelError, State, StateError, by_family, reasons
from models.refitted import (
    BINS,
    OFFERED,
    STEADY,
    TRUE_MIN,
    LabelledRows,
    Refitted,
    as_trees,
    fitted,
    in_bins,
    probability,
)

FEATURES = (
    Input("amount", unit="ln", family=Family.AMOUNT),
    Input("payers", unit="count", family=Family.COUNTERPARTIES),
    Input("payees", unit="count", family=Family.COUNTERPARTIES),
    Input("noise", family=Family.TIME),
)


def labelled(rows: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """True mostly where payers and payees are many together; some measures are unknown, more often of true rows."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, len(FEATURES))).astype(np.float32)
    odds = 2.5 * (x[:, 1] > 0.3) * (x[:, 2] > 0.3) + 0.8 * x[:, 0] - 2.0
    is_true = rng.random(rows) < probability(odds)
    x[rng.random(x.shape) < 0.05] = np.nan
    x[is_true & (rng.random(rows) < 0.3), 3] = np.nan
    return x, is_true


def made(**settings: int) -> Refitted:
    return Refitted(FEATURES, **{"members": 2, "trees": 12, "true_max": 300, "false_max": 500, **settings})


def learned(**settings: int) -> Refitted:
    model = made(**settings)
    model.learn_labelled(*labelled(3000))
    assert model.refit_if_due(100)
    return model


def same(a: State, b: State) -> bool:
    one, other = a.as_arrays(), b.as_arrays()
    return one.keys() == other.keys() and all(one[name].tobytes() == other[name].tobytes() for name in one)


def test_the_kernel_gives_the_scores_of_scikit_learn() -> None:
    ensemble = pytest.importorskip("sklearn.ensemble")
    x, is_true = labelled(2000)
    x[:, 1] = np.round(x[:, 1] * 2)
    weight = np.random.default_rng(3).uniform(0.5, 4.0, len(x))
    fits = [
        ensemble.HistGradientBoostingClassifier(max_iter=30, early_stopping=False, max_features=0.5, random_state=seed)
        for seed in range(3)
    ]
    for fit in fits:
        fit.fit(x, is_true, sample_weight=weight)
    model = made()
    later, _ = labelled(4000, seed=9)
    later[:, 1] = np.round(later[:, 1] * 4) / 2  # Half of them lie on a threshold.
    for some in (fits[:1], fits):
        model.trees = as_trees(some, x, weight)
        got = model.score_many(later).values
        log_odds = np.mean([fit.decision_function(later) for fit in some], axis=0)
        np.testing.assert_allclose(got, log_odds, rtol=1e-12, atol=1e-12)
    model.trees = as_trees(fits[:1], x, weight)
    chance = fits[0].predict_proba(later)[:, 1]
    np.testing.assert_allclose(probability(model.score_many(later).values), chance, rtol=1e-12)


def test_reasons_add_up_to_the_log_odds_by_measure_and_by_family() -> None:
    model = learned()
    x, _ = labelled(500, seed=5)
    scores = model.score_many(x, why=True)
    assert scores.why is not None
    np.testing.assert_allclose(scores.why[:, :, 0].sum(axis=1) + model.base, scores.values, rtol=1e-9, atol=1e-9)
    assert (scores.why[:, :, 0] < 0).any()
    assert (scores.why[:, :, 0] > 0).any()
    assert model.score_many(x).values.tobytes() == scores.values.tobytes()
    burst = model.score_many(np.array([[0.0, 2.0, 2.0, 0.0]], np.float32), why=True)
    found = by_family(reasons(model, burst, 0))
    assert sum(found.values()) + model.base == pytest.approx(burst.values[0])
    assert max(found, key=lambda family: found[family]) is Family.COUNTERPARTIES


def test_base_is_the_mean_score_of_a_labelled_row_by_weight() -> None:
    model = learned()
    x, _, weight, _ = model.store.rows()
    assert model.base == pytest.approx(np.average(model.score_many(x).values, weights=weight))


def test_a_reason_shows_the_measure_and_its_mean_over_the_store() -> None:
    model = learned()
    x, _, weight, _ = model.store.rows()
    one = np.array([[0.5, 3.0, 2.0, 0.0]], np.float32)
    found = {each.name: each for each in reasons(model, model.score_many(one, why=True), 0)}
    known = ~np.isnan(x[:, 1])
    assert found["payers"].observed == 3.0
    assert found["payers"].expected == pytest.approx(np.average(x[known, 1], weights=weight[known]))


def test_it_tells_true_rows_from_others_it_has_not_seen() -> None:
    x, is_true = labelled(3000, seed=21)
    values = learned(trees=40).score_many(x).values
    assert np.mean(values[is_true][:, None] > values[~is_true][None, :]) > 0.75


def test_probabilities_are_those_of_all_rows_though_few_are_kept() -> None:
    model = made(trees=60, members=1, false_max=400)
    model.learn_labelled(*labelled(8000))
    assert model.refit_if_due(1)
    x, is_true = labelled(8000, seed=22)
    kept = model.store.rows()[1]
    assert kept.mean() > is_true.mean() + 0.1
    assert probability(model.score_many(x).values).mean() == pytest.approx(is_true.mean(), abs=0.05)


def test_the_store_keeps_at_most_so_many_of_each_kind_and_each_stands_for_its_share() -> None:
    store = LabelledRows(len(FEATURES), true_max=50, false_max=70, seed=4)
    x, is_true = labelled(4000)
    store.add(x, is_true)
    kept, of_kind, weight, number = store.rows()
    assert (int(of_kind.sum()), int((~of_kind).sum())) == (50, 70)
    assert weight[of_kind].sum() == pytest.approx(is_true.sum())
    assert weight[~of_kind].sum() == pytest.approx((~is_true).sum())
    np.testing.assert_array_equal(kept, x[number])
    np.testing.assert_array_equal(of_kind, is_true[number])
    assert (np.diff(number) > 0).all()


def test_a_store_that_is_not_full_keeps_all() -> None:
    store = LabelledRows(len(FEATURES), true_max=5000, false_max=5000, seed=4)
    x, is_true = labelled(300)
    store.add(x, is_true)
    kept, of_kind, weight, _ = store.rows()
    np.testing.assert_array_equal(kept, x)
    np.testing.assert_array_equal(of_kind, is_true)
    assert (weight == 1).all()


def test_every_row_is_kept_as_often_as_any_other_whenever_it_came() -> None:
    rows, most, draws = 60, 12, 1500
    x = np.zeros((rows, len(FEATURES)), np.float32)
    is_true = np.arange(rows) % 3 == 0
    kept = np.zeros(rows)
    for seed in range(draws):
        store = LabelledRows(len(FEATURES), true_max=rows, false_max=most, seed=seed)
        for start in range(0, rows, 17):
            store.add(x[start : start + 17], is_true[start : start + 17])
        kept[store.rows()[3]] += 1
    share = most / int((~is_true).sum())
    five_deviations = 5 * np.sqrt(share * (1 - share) / draws)
    assert (np.abs(kept[~is_true] / draws - share) < five_deviations).all()
    assert (kept[is_true] == draws).all()


@pytest.mark.parametrize("cuts", [[0, 3000], [0, 1, 2, 1500, 1500, 2999, 3000]], ids=["whole", "uneven"])
def test_how_labels_are_cut_changes_no_bit(cuts: list[int]) -> None:
    x, is_true = labelled(3000)
    model = made()
    for start, stop in pairwise(cuts):
        model.learn_labelled(x[start:stop], is_true[start:stop])
    assert model.refit_if_due(100)
    assert same(model.state(), learned().state())


def test_it_is_fitted_when_it_is_time_and_both_kinds_are_known() -> None:
    x, is_true = labelled(3000)
    model = made(every_days=14, trees=2)
    assert not model.refit_if_due(5)
    model.learn_labelled(x[~is_true], is_true[~is_true])
    model.learn_labelled(x[is_true][: TRUE_MIN - 1], np.ones(TRUE_MIN - 1, np.bool_))
    assert not model.refit_if_due(6)
    scores = model.score_many(x[:3], why=True)
    assert np.isnan(scores.values).all()
    assert not scores.ready.any()
    assert not np.asarray(scores.why).any()
    model.learn_labelled(x[is_true], is_true[is_true])
    assert model.refit_if_due(7)
    assert model.score_many(x[:3]).ready.all()
    assert [model.refit_if_due(day) for day in (8, 20, 21, 22)] == [False, False, True, False]


def test_labels_alone_change_no_score_before_the_next_fit() -> None:
    model = learned()
    later, _ = labelled(200, seed=6)
    before = model.score_many(later).values
    model.learn_labelled(*labelled(900, seed=7))
    assert model.score_many(later).values.tobytes() == before.tobytes()
    assert model.refit_if_due(200)
    assert model.score_many(later).values.tobytes() != before.tobytes()


def test_a_restored_model_goes_on_bit_for_bit() -> None:
    model, restored = learned(), made()
    file = io.BytesIO()
    np.savez(file, **model.state().as_arrays())  # type: ignore[arg-type]
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        restored.restore(State.from_arrays(dict(arrays)))
    later, is_true = labelled(800, seed=8)
    got, expected = restored.score_many(later, why=True), model.score_many(later, why=True)
    assert got.values.tobytes() == expected.values.tobytes()
    assert np.asarray(got.why).tobytes() == np.asarray(expected.why).tobytes()
    for each in (model, restored):
        each.learn_labelled(later, is_true)
        assert not each.refit_if_due(113)
        assert each.refit_if_due(114)
    assert same(model.state(), restored.state())


def test_a_saved_state_stays_as_it_was() -> None:
    model = learned()
    saved = model.state()
    kept = {name: array.copy() for name, array in saved.as_arrays().items()}
    model.learn_labelled(*labelled(800, seed=8))
    model.refit_if_due(114)
    assert all(kept[name].tobytes() == array.tobytes() for name, array in saved.as_arrays().items())


def test_a_state_of_another_model_or_with_an_array_missing_is_refused() -> None:
    state = made().state()
    with pytest.raises(StateError, match="settings"):
        made(every_days=7).restore(state)
    with pytest.raises(StateError, match=r"trees\.roots"):
        made().restore(State(state.header, {name: a for name, a in state.arrays.items() if name != "trees.roots"}))


def test_memory_stays_within_its_limit() -> None:
    model = made(trees=40)
    for seed in range(4):
        model.learn_labelled(*labelled(6000, seed=seed))
    assert model.refit_if_due(1)
    assert 0 < model.bytes_used() <= model.limit.bytes_max


def test_a_measure_that_nobody_knows_is_passed_over() -> None:
    x, is_true = labelled(2000)
    x[:, 3] = np.nan
    trees = fitted(x, is_true, np.ones(len(x)), members=1, trees=10, seed=1)
    assert set(trees.feature.tolist()) <= {-1, 0, 1, 2}


def test_bins_made_beforehand_give_the_trees_of_scikit_learn() -> None:
    ensemble = pytest.importorskip("sklearn.ensemble")
    x, is_true = labelled(4000)
    x[:, 1] = np.round(x[:, 1] * 3)  # Few different numbers, the others more than there are bins.
    x[:, 2] = np.where(x[:, 2] > 0, np.round(x[:, 2] * 40), x[:, 2])
    weight = np.where(is_true, 1.0, np.random.default_rng(3).uniform(1.0, 4.0))
    got = fitted(x, is_true, weight, members=1, trees=30, seed=5)
    raw = ensemble.HistGradientBoostingClassifier(
        max_iter=30, max_bins=BINS, max_features=OFFERED, l2_regularization=STEADY, early_stopping=False, random_state=5
    ).fit(x, is_true, sample_weight=weight)
    expected = as_trees([raw], x, weight)
    for name in ("feature", "left", "right", "is_unknown_left", "value", "roots", "start"):
        np.testing.assert_array_equal(getattr(got, name), getattr(expected, name), err_msg=name)
    inner = np.isfinite(got.threshold) & (got.feature >= 0)
    assert inner.sum() > 100
    np.testing.assert_array_equal(got.threshold[inner], expected.threshold[inner])


def test_numbers_of_a_bin_share_its_code_and_edges_part_them() -> None:
    x, _ = labelled(3000)
    codes, edges = in_bins(x, np.ones(len(x)), 16)
    for column in range(x.shape[1]):
        known = ~np.isnan(x[:, column])
        own = edges[column][np.isfinite(edges[column])]
        np.testing.assert_array_equal(np.isnan(codes[:, column]), ~known)
        by_hand = [sum(1 for edge in own if edge < number) for number in x[known, column]]
        np.testing.assert_array_equal(codes[known, column], by_hand)
        sizes = np.bincount(codes[known, column].astype(np.int64), minlength=16)
        assert sizes.max() - sizes.min() <= 1


def test_a_true_row_where_none_is_expected_makes_no_step_of_hundreds() -> None:
    rng = np.random.default_rng(8)
    x = rng.standard_normal((20_000, len(FEATURES))).astype(np.float32)
    is_true = (x[:, 0] > 2.5) & (x[:, 1] > 0)
    is_true[rng.choice(len(x), 12, replace=False)] = True  # A few that nothing tells apart.
    weight = np.where(is_true, 1.0, 5.0)
    model = made(trees=150, members=1)
    model.trees = fitted(x, is_true, weight, members=1, trees=150, seed=1)
    later = rng.standard_normal((20_000, len(FEATURES))).astype(np.float32)
    assert np.abs(model.score_many(later).values).max() < 30


def test_rows_that_do_not_fit_are_refused() -> None:
    model = made()
    with pytest.raises(ModelError, match="float32"):
        model.score_many(np.zeros((2, 3), np.float32))
    with pytest.raises(ModelError, match="3 rows and 2 labels"):
        model.learn_labelled(np.zeros((3, 4), np.float32), np.zeros(2, np.bool_))
