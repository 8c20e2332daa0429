"""First-ever payments: bursts, money carried on, shared payees and an end of silence are named; a shop is spared."""

from typing import Any

import numpy as np
import pytest

from models.contract import DAY_US, ModelError, Reason, Scores, reasons
from models.new_edges import ROWS_MIN, NewEdges

START = 1_700_000_000_000_000
HOUR = DAY_US // 24
SHOP = 30


def payments(rows: list[tuple[int, int, float, float]]) -> dict[str, np.ndarray]:
    """Columns from (payer, payee, days since the start, amount)."""
    payer, payee, days, amount = (np.array(each) for each in zip(*rows, strict=True))
    return {
        "payer": payer.astype(np.int64),
        "payee": payee.astype(np.int64),
        "time_us": START + np.round(days * 86_400).astype(np.int64) * 1_000_000,
        "amount_log": np.log(amount),
        "channel": np.zeros(len(rows), np.int64),
    }


def town(days: int = 100) -> dict[str, np.ndarray]:
    """Twenty people pay the same few payees all the time; a shop is paid by five new customers a day."""
    rng = np.random.default_rng(1)
    rows: list[tuple[int, int, float, float]] = []
    for day in range(days):
        for person in range(20):
            rows.append((person, 20 + (person + int(rng.integers(0, 2))) % 10, day + person / 24, 80.0 + person))
        rows += [(1000 + 5 * day + k, SHOP, day + 0.9 + k / 100, 25.0) for k in range(5)]
    return payments(rows)


def learned() -> NewEdges:
    model = NewEdges(keys_max=5000, log2_blocks=14)
    model.learn_many(town())
    return model


def told(model: NewEdges, scores: Scores, row: int) -> dict[str, Reason]:
    return {each.name: each for each in reasons(model, scores, row)}


def test_many_new_payers_of_a_person_are_a_burst_and_of_a_shop_are_not():
    def nine_new_payers_of(payee: int) -> Any:
        model = learned()
        rows = payments([(3000 + k, payee, 100.2 + k / 10, 50.0) for k in range(9)])
        return told(model, model.score_learn_many(rows, why=True), 8)["new payers of the payee"]

    person, shop = nine_new_payers_of(25), nine_new_payers_of(SHOP)
    assert person.observed == 9
    assert person.expected < 1
    assert person.contribution > 10
    assert shop.observed > person.observed
    assert shop.contribution < person.contribution - 5


def test_money_handed_on_the_next_day_is_carried_on_and_the_chain_grows():
    model = learned()
    chain = payments([(3, 40, 100.2, 9000.0), (40, 41, 101.2, 8600.0), (41, 42, 101.9, 8200.0)])
    scores = model.score_learn_many(chain, why=True)
    first, second = told(model, scores, 0), told(model, scores, 1)
    assert first["carried on"].contribution < 0
    link = second["carried on"]
    assert link.contribution > 4
    assert (round(link.observed, 3), round(link.expected, 3)) == (round(8600 / 9000, 3), 1.0)
    assert scores.values[1] > scores.values[0]


def test_an_amount_that_is_not_the_inflows_is_a_weaker_link():
    def contribution(amount: float) -> float:
        model = learned()
        rows = payments([(3, 40, 100.2, 9000.0), (40, 41, 101.2, amount)])
        return told(model, model.score_learn_many(rows, why=True), 1)["carried on"].contribution

    assert contribution(8600.0) > contribution(6500.0) > contribution(2000.0)
    assert contribution(9050.0) == pytest.approx(contribution(2000.0), abs=1e-3)


def test_two_that_pay_the_same_two_share_payees():
    model = learned()
    rows = payments([(3, 50, 100.1, 70.0), (3, 51, 100.2, 70.0), (4, 50, 100.3, 70.0), (4, 51, 100.4, 70.0)])
    scores = model.score_learn_many(rows, why=True)
    assert "shared payees" not in told(model, scores, 2)
    assert told(model, scores, 3)["shared payees"].observed == 1


def test_silence_is_told_in_days():
    model = learned()
    scores = model.score_many(payments([(3, 23, 140.0, 80.0)]), why=True)
    assert round(told(model, scores, 0)["silence"].observed) == 41


def test_a_payment_to_oneself_is_not_judged():
    model = learned()
    assert model.score_many(payments([(3, 3, 100.0, 80.0), (3, 23, 100.0, 80.0)])).ready.tolist() == [False, True]


def test_nothing_is_ready_before_rates_of_everyone_are_known():
    ready = NewEdges(keys_max=5000, log2_blocks=10).score_learn_many(town()).ready
    assert ready.tolist() == [i >= ROWS_MIN for i in range(len(ready))]


def test_of_two_inflows_the_one_that_was_itself_handed_on_explains_more():
    model = learned()
    rows = payments([(3, 40, 100.2, 9000.0), (40, 41, 101.2, 8600.0), (5, 41, 101.5, 8600.0), (41, 42, 101.9, 8200.0)])
    scores = model.score_learn_many(rows, why=True)
    assert told(model, scores, 3)["carried on"].expected == pytest.approx(0.7)


def test_money_handed_on_over_a_usual_edge_is_still_followed():
    usual = [(40, 41, day, 100.0) for day in range(60, 100, 4)]
    model = learned()
    model.learn_many(payments(usual))
    rows = payments([(3, 40, 100.2, 9000.0), (40, 41, 100.6, 8600.0), (41, 42, 101.0, 8200.0)])
    scores = model.score_learn_many(rows, why=True)
    assert told(model, scores, 2)["carried on"].expected == pytest.approx(0.4)


def test_parts_alone_are_the_contributions_of_the_reasons():
    rows = payments([(3, 40, 100.2, 9000.0), (40, 41, 101.2, 8600.0), (41, 42, 101.9, 8200.0)])
    whole, alone = learned().score_learn_many(rows, why=True), learned().score_learn_parts(rows)
    assert whole.why is not None
    assert alone.why is not None
    assert alone.why.shape == (3, 6, 1)
    assert alone.why[:, :, 0].tobytes() == whole.why[:, :, 0].copy().tobytes()
    assert whole.why[:, 0, 0].any()


def test_too_many_remembered_payments_are_refused():
    with pytest.raises(ModelError, match="give 1 to 128"):
        NewEdges(remembered=129)
