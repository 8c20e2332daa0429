"""Each way of leaving one's own past is named by its own reason, and returning to it is not punished."""

import numpy as np
import pytest

from models.contract import DAY_US, reasons
from models.own_past import EVENTS_MIN, OwnPast

Row = dict[str, np.ndarray]


def payments(n: int, *, seed: int = 1, every_us: int = DAY_US, drift: float = 0.0) -> Row:
    """A customer who pays about e**5 once in a while, in two channels and one corridor."""
    rng = np.random.default_rng(seed)
    return {
        "key": np.zeros(n, np.int64),
        "time_us": 1_700_000_000_000_000 + np.cumsum(rng.uniform(0.5, 1.5, n) * every_us).astype(np.int64),
        "amount_log": 5.0 + 0.3 * rng.standard_normal(n) + drift * np.arange(n),
        "channel": rng.integers(0, 2, n),
        "corridor": np.zeros(n, np.int64),
    }


def next_row(columns: Row, **changes: float) -> Row:
    """An ordinary next payment, a day later, with changes."""
    row = {name: column[-1:].copy() for name, column in columns.items()}
    row["time_us"] = row["time_us"] + DAY_US
    row["amount_log"] = np.array([5.0])
    for name, value in changes.items():
        row[name] = row[name] + np.int64(value) if name == "time_us" else np.array([value], row[name].dtype)
    return row


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"amount_log": 9.0}, "amount"),
        ({"amount_log": 1.0}, "amount"),
        ({"time_us": 200 * DAY_US}, "silence"),
        ({"channel": 5}, "channel"),
        ({"corridor": 3}, "corridor"),
    ],
)
def test_what_changed_is_the_first_reason(changes: dict[str, float], expected: str):
    model, past = OwnPast(), payments(100)
    model.learn_many(past)
    ordinary = model.score_many(next_row(past)).values[0]
    changed = model.score_many(next_row(past, **changes), why=True)
    assert changed.values[0] > ordinary + 2
    assert reasons(model, changed, 0)[0].name == expected


def test_many_payments_in_a_day_are_a_rate():
    model, past = OwnPast(), payments(100)
    model.learn_many(past)
    many = payments(40, seed=2, every_us=DAY_US // 50)
    many["time_us"] += past["time_us"][-1] - many["time_us"][0] + DAY_US
    scores = model.score_learn_many(many, why=True)
    last = reasons(model, scores, 39)
    assert last[0].name in ("rate", "rate shift")
    assert {each.name for each in last[:2]} == {"rate", "rate shift"}
    rate = next(each for each in last if each.name == "rate")
    assert rate.observed > 20
    assert rate.expected < 5


def test_amounts_that_creep_up_are_a_shift_while_none_is_far_out():
    steady, creeping = OwnPast(), OwnPast()
    steady.learn_many(payments(400))
    tail = payments(400, drift=0.01)
    scores = creeping.score_learn_many(tail, why=True)
    last = {each.name: each.contribution for each in reasons(creeping, scores, 399)}
    assert last["amount shift"] > 5
    assert last["amount shift"] > last["amount"]
    calm = steady.score_many(next_row(payments(400)), why=True)
    assert {each.name: each.contribution for each in reasons(steady, calm, 0)}.get("amount shift", 0.0) < 2


def test_one_large_payment_does_not_change_what_is_usual():
    model, past = OwnPast(), payments(100)
    model.learn_many(past)
    large = next_row(past, amount_log=14.0)
    before = model.score_many(next_row(large, amount_log=8.0)).values[0]
    model.learn_many(large)
    after = model.score_many(next_row(large, amount_log=8.0)).values[0]
    assert after > 0.7 * before


def test_the_first_payments_are_not_judged():
    model = OwnPast()
    assert model.score_learn_many(payments(30)).ready.tolist() == [i >= EVENTS_MIN for i in range(30)]


def test_keys_beyond_the_limit_are_not_ready():
    model = OwnPast(keys_max=2)
    rows = payments(60)
    rows["key"] = np.arange(60) % 3
    ready = model.score_learn_many(rows).ready
    assert not ready[rows["key"] == 2].any()
    assert ready[-6:][rows["key"][-6:] < 2].all()
