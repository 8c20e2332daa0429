"""Another customer can move a key far ahead of a payment: nothing is refused, and nothing claimed too much."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.domain.time import DAY_US, HOUR_US
from monitor.engine.admitting import JUDGED
from monitor.engine.ordered import TOP
from monitor.rulebook.plan import FieldUse, WindowMeasure
from monitor.rulebook.reference import PlainSide, PlainTransaction, ReferenceEngine
from monitor.rulebook.rule import Rule
from tests.engine.engine_logs import Log, new_log
from tests.engine.window_model import ENTER, Leg, SlowTable, feed, new_table
from tests.rulebook.small_rules import paid_in, parameter, rule, window
from tests.strategies.plain_streams import stream

ONE = parameter("one", "count", ("1",))
KINDS = ("conductor", "on_behalf_of", "device", "counterparty", "account")


def counting(over: str, by: str, when: str = "known(status)", number: int = 1) -> Rule:
    measures = {"n": "count()", "most": "max(amount)"}
    return rule(when, window(over, measures, by=by, parameters=(ONE,)), subject=by, rule_id=f"AML-TST-{number:03}",
                parameters=(ONE,))  # fmt: skip


def paid(kind: str, position: int, at: str, customer: str, key: str = "K") -> PlainTransaction:
    """A payment of a customer that names the shared key."""
    if kind == "counterparty":
        return paid_in(position, at, customer=customer, sender=key)
    if kind == "account":
        payment = paid_in(position, at, customer=customer)
        return replace(payment, creditor=PlainSide(customer, key, customer))
    return paid_in(position, at, customer=customer, **{kind: key})


def counts(log: Log) -> list[str | None]:
    return [alert.measures["w.n"].value for alert in log.alerts]


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_that_another_customer_moved_ahead_refuses_no_payment_and_its_window_is_exact(kind: str):
    log = new_log([counting("24h", kind)])
    log.feed([paid(kind, 0, "0h", "C1"), paid(kind, 1, "100d", "C2"), paid(kind, 2, "1h", "C1"),
              paid(kind, 3, "100d23h", "C3"), paid(kind, 4, "101d", "C3")])  # fmt: skip
    # The payment of hour 1 is judged at day 100 on this key, is counted there, and leaves a day later.
    assert log.outcomes == [JUDGED] * 5
    assert counts(log) == ["1", "1", "2", "3", "2"]
    assert log.alerts[2].judged_at_us == log.alerts[1].event_time_us
    assert {alert.measures["w.n"].bound for alert in log.alerts} == {"exact"}
    # On no other key was it late: the mark says on which leg.
    assert ["late" in alert.marks for alert in log.alerts] == [False, False, True, False, False]
    assert log.late == [False, False, True, False, False]


@pytest.mark.parametrize("kind", KINDS)
def test_a_period_more_than_35_days_behind_its_keys_clock_is_unknown_however_the_stream_is_cut(kind: str):
    others = [paid(kind, 2 + n, "100d", f"D{n}", f"E{n}") for n in range(70)]
    records = [paid(kind, 0, "0h", "C1"), paid(kind, 1, "100d", "C2"), *others, paid(kind, 72, "1h", "C1"),
               paid(kind, 73, "66d", "C1"), paid(kind, 74, "67d", "C4")]  # fmt: skip
    whole = new_log([counting("month", kind)]).feed(records)
    # The 70 keys in between make the table tidy away what its keys have left behind.
    single = new_log([counting("month", kind)]).feed(records, range(len(records)))
    assert single.said() == whole.said()
    assert single.alerts == whole.alerts
    assert counts(whole)[-3:] == [None, "1", "2"]
    assert whole.alerts[-3].measures["w.n"].bound == "unknown"
    assert whole.alerts[-3].transactions == (72,)


RULES = [
    counting(over, by, when, number)
    for number, (over, by, when) in enumerate(
        [("month", "device", "w.n >= one"), ("day", "account", "w.n >= one"), ("month", "customer", "w.most >= w.most"),
         ("3h", "device", "w.n >= one")], 1
    )
]  # fmt: skip


@settings(max_examples=25, deadline=None, print_blob=True)
@given(seed=st.integers(0, 2**32), days=st.sampled_from([60, 400]))
def test_the_slow_evaluator_knows_as_little(seed: int, days: int):
    records = [each for each in stream(seed, 150, days=days, faults=0.4) if each.transaction_id == f"T{each.position}"]
    verdicts = ReferenceEngine().judge(RULES, records)
    log = new_log(RULES).feed(records, np.flatnonzero(np.random.default_rng(seed).random(len(records)) < 0.5).tolist())
    assert [(a.position, a.source.id) for a in log.alerts] == [(v.position, v.rule_id) for v in verdicts if v.status]
    undecided = [sum(v.rule_id == each.id and v.verdict == "unknown" for v in verdicts) for each in RULES]
    assert log.engine.undecided.sum(axis=1).tolist() == undecided


def test_a_period_that_holds_more_payments_than_its_keys_ring_has_room_for_all_their_amounts():
    """A key that was moved ahead takes payments of one month for years; the ring has let go of the former ones."""
    amount = FieldUse("amount", "USD")
    kept = (
        (WindowMeasure("device", 0, HOUR_US, None, "count", None), 0),
        (WindowMeasure("device", 0, 0, "month", "max", amount), 1),
    )
    table, slow, position = new_table(kept, 1, events_max=50, keys=1), SlowTable(kept, events_max=50), 0
    for visit in range(40):
        legs = [
            Leg(ENTER, 0, visit * 100 * DAY_US + n, position + n, 0, 1, {amount: 7_000 + n}, 0, {"day": 7, "month": 7})
            for n in range(40)
        ]
        position += len(legs)
        found, _ = feed(table, legs, len(kept))
        assert int(table.blocks[TOP]) <= len(table.blocks)
        expected = [slow.take(leg) for leg in legs]
        assert found.tolist() == [[said[column][0][0] for _, column in kept] for said in expected]


@pytest.mark.parametrize("cuts", [(), range(2_000)])
def test_a_key_far_ahead_makes_no_other_key_forget_whom_it_has_seen(cuts: tuple[int, ...]):
    """A payment with a wrong year is one customer's; what the others have seen stays, however the stream is cut."""
    log = new_log([rule("first_seen(counterparty)", window("24h", {"n": "count()"}))])
    first = [paid_in(n, f"{n}m", customer="C1", sender=f"S{n}") for n in range(150)]
    ahead = [paid_in(150, "3000d", customer="C2", sender="S0")]
    more = [paid_in(151 + n, f"{n}m", customer="C3", sender=f"S{n}") for n in range(150)]
    again = [paid_in(301 + n, "20d", customer="C1", sender=f"S{n}") for n in range(150)]
    log.feed([*first, *ahead, *more, *again], cuts)
    assert [alert.position for alert in log.alerts] == list(range(301))


@pytest.mark.parametrize("cuts", [(), range(2_000)])
def test_whom_a_key_has_not_seen_for_two_years_is_let_go_and_new_again(cuts: tuple[int, ...]):
    log = new_log([rule("first_seen(counterparty)", window("24h", {"n": "count()"}))])
    records = [paid_in(n, f"{10 * n}d", sender=f"S{n % 74}") for n in range(1_480)]
    log.feed(records, cuts)
    # 73 payments later are 730 days later; each sender comes back after 74.
    assert len(log.alerts) == len(records)
    if cuts:
        assert len(log.engine.firsts.seen) == 256
