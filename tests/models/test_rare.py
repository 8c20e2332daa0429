"""New is surprising for whom new is rare."""

import numpy as np
import pytest

from models.compiled import kernel
from models.contract import DAY_US, reasons
from models.rare import ROWS_MIN, Rare
from models.seen import hashed, new_counters, see, times_seen, turn


def rows_of(n: int, seed: int = 1) -> dict[str, np.ndarray]:
    """Key 0 is a shop with a new customer in each row, keys 1 to 9 pay the same three again and again."""
    rng = np.random.default_rng(seed)
    key = rng.integers(0, 10, n)
    return {
        "key": key,
        "time_us": 1_700_000_000_000_000 + np.arange(n) * (DAY_US // 100),
        "counterparty": np.where(key == 0, 10_000 + np.arange(n), 100 * key + rng.integers(0, 3, n)),
        "corridor": np.zeros(n, np.int64),
        "device": key.copy(),
    }


def payment(columns: dict[str, np.ndarray], **values: int) -> dict[str, np.ndarray]:
    row = {name: column[-1:].copy() for name, column in columns.items()}
    return row | {name: np.array([value]) for name, value in values.items()}


@pytest.fixture
def learned() -> tuple[Rare, dict[str, np.ndarray]]:
    model, columns = Rare(log2_blocks=12), rows_of(4000)
    model.learn_many(columns)
    return model, columns


def test_a_new_counterparty_surprises_at_a_regular_payer_and_not_at_a_shop(learned):
    model, columns = learned
    shop = model.score_many(payment(columns, key=0, device=0, counterparty=999_999)).values[0]
    regular = model.score_many(payment(columns, key=4, device=4, counterparty=999_999), why=True)
    usual = model.score_many(payment(columns, key=4, device=4, counterparty=401)).values[0]
    assert regular.values[0] > 3
    assert shop < 0.5
    assert usual < 0.1
    first = reasons(model, regular, 0)[0]
    assert (first.name, first.observed) == ("counterparty", 0.0)


@pytest.mark.parametrize(("column", "part"), [("corridor", "corridor"), ("device", "device")])
def test_a_first_country_or_device_is_named(learned, column: str, part: str):
    model, columns = learned
    scores = model.score_many(payment(columns, **{"key": 4, "device": 4, "counterparty": 401, column: 77}), why=True)
    assert reasons(model, scores, 0)[0].name == part


def test_the_first_payment_of_a_key_is_judged_among_all_rows(learned):
    model, columns = learned
    scores = model.score_many(payment(columns, key=12), why=True)
    assert scores.ready.all()
    assert scores.values[0] > 3
    assert reasons(model, scores, 0)[0].name == "first payment"


def test_nothing_is_ready_before_shares_of_all_are_known():
    ready = Rare().score_learn_many(rows_of(ROWS_MIN + 50)).ready
    assert ready.tolist() == [i >= ROWS_MIN for i in range(ROWS_MIN + 50)]


def test_what_was_last_seen_two_generations_ago_is_new_again():
    model = Rare(log2_blocks=10, generation_us=30 * DAY_US)
    columns = rows_of(3000)
    columns["time_us"] = columns["time_us"] // (30 * DAY_US) * (30 * DAY_US) + np.arange(3000)
    model.learn_many(columns)
    again = payment(columns, key=4, device=4, counterparty=401)
    seen = []
    for months in (1, 2):
        later = columns["time_us"][-1:] + months * 30 * DAY_US
        model.learn_many({**again, "time_us": later, "counterparty": np.array([402])})
        why = model.score_many({**again, "time_us": later}, why=True).why
        assert why is not None
        seen.append(float(why[0, 0, 1]))
    assert seen[0] > 0
    assert seen[1] == 0


@kernel
def count(items, counters, out):
    """How often each was seen, then see it."""
    for i in range(len(items)):
        item = hashed(1, items[i], 7)
        out[i] = times_seen(counters, item)
        see(counters, item)


@kernel
def next_generation(counters):
    turn(counters)


def test_with_pairs_for_a_twentieth_of_the_counters_one_new_pair_in_a_hundred_is_taken_for_seen():
    counters, out = new_counters(12), np.zeros(6_500, np.int64)
    count(np.arange(6_500), counters, out)
    fresh = np.zeros(5_000, np.int64)
    for start in range(0, 5_000, 50):
        count(np.arange(10_000 + start, 10_050 + start), counters.copy(), fresh[start : start + 50])
    assert 0.002 < (fresh > 0).mean() < 0.02


def test_counters_never_count_too_little():
    rng = np.random.default_rng(1)
    counters = new_counters(4)
    items, out = rng.integers(0, 300, 2000), np.zeros(2000, np.int64)
    count(items, counters, out)
    exact: dict[int, int] = {}
    for item, seen in zip(items.tolist(), out.tolist(), strict=True):
        assert seen >= exact.get(item, 0)
        exact[item] = exact.get(item, 0) + 1
    next_generation(counters)
    count(items, counters, out)
    assert (out >= 1).all()
    next_generation(counters)
    next_generation(counters)
    count(items[:1], counters, out[:1])
    assert out[0] == 0
