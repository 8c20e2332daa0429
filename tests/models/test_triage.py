"""Triage puts what analysts call suspicious first, loses nothing, and says why."""

import numpy as np
import pytest
from river import linear_model, optim, preprocessing

from models.contract import Family, Input, ModelError, State, StateError
from models.triage import DECISIONS_MIN, Triage

FEATURES = (Input("flow", family=Family.FLOW), Input("amount", family=Family.AMOUNT), Input("noise"))


def alerts(n: int, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """One in five is suspicious; those have more flow, innocent ones larger amounts. The untrained score is amount."""
    rng = np.random.default_rng(seed)
    is_suspicious = rng.random(n) < 0.2
    flow = 2.0 * is_suspicious + rng.standard_normal(n)
    amount = 100.0 * (1.5 * ~is_suspicious + rng.standard_normal(n)) + 500.0
    return {"flow": flow, "amount": amount, "noise": rng.standard_normal(n)}, is_suspicious


def trained(n: int = 500, **settings: float) -> Triage:
    model = Triage(FEATURES, **settings)
    columns, decided = alerts(n, seed=1)
    for row in range(n):
        model.learn_decision(columns, row, is_suspicious=bool(decided[row]))
    return model


def looked_at_for_nine_in_ten(order: np.ndarray, is_suspicious: np.ndarray) -> int:
    """False alerts before nine in ten of the suspicious ones were seen."""
    found = np.cumsum(is_suspicious[order])
    stop = int(np.argmax(found >= 0.9 * is_suspicious.sum()))
    return int((~is_suspicious[order][: stop + 1]).sum())


def ordered(model: Triage, columns: dict[str, np.ndarray], waiting: np.ndarray | None = None) -> np.ndarray:
    n = len(columns["flow"])
    return model.order(columns, columns["amount"], np.zeros(n) if waiting is None else waiting, np.arange(n) + 1000)


def test_fewer_than_half_the_false_alerts_come_before_nine_in_ten_of_the_true_ones():
    columns, is_suspicious = alerts(1000, seed=2)
    untrained = looked_at_for_nine_in_ten(ordered(Triage(FEATURES), columns), is_suspicious)
    learned = looked_at_for_nine_in_ten(ordered(trained(), columns), is_suspicious)
    assert learned < untrained / 2


@pytest.mark.parametrize("n", [1, 7, 300])
def test_everything_that_waits_is_in_the_order_once(n: int):
    columns, _ = alerts(n, seed=3)
    waiting = np.arange(n) % 20.0
    for model in (Triage(FEATURES), trained(), trained(explored_share=0.5)):
        assert sorted(ordered(model, columns, waiting).tolist()) == list(range(n))


def test_before_both_decisions_are_known_the_order_is_the_untrained_one():
    model = trained(DECISIONS_MIN)
    assert not model.ready
    columns, _ = alerts(100, seed=4)
    assert ordered(model, columns).tolist() == np.argsort(-columns["amount"]).tolist()
    assert np.isnan(model.score_many(columns).values).all()


def test_what_waited_too_long_stands_first():
    columns, _ = alerts(100, seed=5)
    waiting = np.zeros(100)
    waiting[[17, 80]] = [15.0, 30.0]
    assert ordered(trained(), columns, waiting)[:2].tolist() == [80, 17]


def test_some_places_are_given_by_chance_and_always_the_same():
    columns, _ = alerts(400, seed=6)
    strict, open_minded = ordered(trained(explored_share=0.0), columns), ordered(trained(explored_share=0.1), columns)
    last_half = set(strict[200:].tolist())
    assert len(last_half & set(open_minded[:100].tolist())) >= 3
    assert open_minded.tolist() == ordered(trained(explored_share=0.1), columns).tolist()


def test_reasons_add_up_to_the_log_odds_and_flow_comes_first():
    model = trained()
    row = {"flow": np.array([4.0]), "amount": np.array([500.0]), "noise": np.array([0.0])}
    scores = model.score_many(row, why=True)
    assert scores.why is not None
    assert scores.why[0, :, 0].sum() + model.base == pytest.approx(scores.values[0])
    assert int(scores.why[0, :, 0].argmax()) == 0


def test_the_log_odds_are_those_of_rivers_own_pipeline():
    scaler = preprocessing.StandardScaler()
    classifier = linear_model.LogisticRegression(optim.AdaGrad(0.1), l2=1e-4, intercept_lr=0.05)
    columns, decided = alerts(500, seed=1)
    for row in range(500):
        x = {name: float(column[row]) for name, column in columns.items()}
        scaler.learn_one(x)
        classifier.learn_one(scaler.transform_one(x), bool(decided[row]))
    rows = [{name: float(column[row]) for name, column in columns.items()} for row in range(50)]
    chances = [classifier.predict_proba_one(scaler.transform_one(x)) for x in rows]
    values = trained().score_many(columns).values[:50]
    assert (1 / (1 + np.exp(-values))).tolist() == pytest.approx([each[True] for each in chances])


def test_an_audited_row_speaks_for_those_nobody_looked_at():
    plain, audited = trained(), trained()
    row = {"flow": np.array([-2.0]), "amount": np.array([900.0]), "noise": np.array([0.0])}
    for model, propensity in ((plain, 1.0), (audited, 0.001)):
        for _ in range(5):
            model.learn_decision(row, 0, is_suspicious=True, propensity=propensity)
    assert audited.score_many(row).values[0] > plain.score_many(row).values[0] + 1
    with pytest.raises(ModelError, match="propensity"):
        plain.learn_decision(row, 0, is_suspicious=True, propensity=0.0)


def test_an_unknown_feature_counts_as_the_mean():
    model = trained()
    unknown = {"flow": np.array([np.nan]), "amount": np.array([500.0]), "noise": np.array([np.nan])}
    scores = model.score_many(unknown, why=True)
    assert scores.why is not None
    assert np.isfinite(scores.values[0])
    assert scores.why[0, 0, 0] == pytest.approx(0.0, abs=1e-12)


def test_a_restored_triage_goes_on_bit_for_bit():
    model, again = trained(), Triage(FEATURES)
    again.restore(State.from_arrays(model.state().as_arrays()))
    columns, decided = alerts(100, seed=7)
    for each in (model, again):
        for row in range(50):
            each.learn_decision(columns, row, is_suspicious=bool(decided[row]))
    assert again.score_many(columns).values.tobytes() == model.score_many(columns).values.tobytes()
    assert again.state().arrays["river"].nbytes < again.limit_bytes
    with pytest.raises(StateError, match="features"):
        Triage(FEATURES[:2]).restore(model.state())
