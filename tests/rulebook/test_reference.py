"""Verdicts by definition: windows, unknown, lower bounds, parameters, reversals, late records, quiet periods."""

from datetime import date, time
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.time import HOUR_US, parse_time_us
from monitor.rulebook.reference import (
    BankSnapshot,
    PlainEntity,
    PlainInputs,
    PlainRate,
    PlainSide,
    PlainTransaction,
    ReferenceEngine,
    Value,
    Verdict,
    legs_of,
)
from monitor.rulebook.reference.values import compare
from monitor.rulebook.rule import Rule
from tests.rulebook.small_rules import START_US, hours, paid_in, paid_out, parameter, rule, window

COUNTED = rule("w.n > 0", window("24h", {"n": "count()"}))


def judged(one: Rule, *payments: PlainTransaction, inputs: PlainInputs | None = None) -> list[Verdict]:
    """Verdicts with every measure."""
    return ReferenceEngine(in_full=True).judge([one], payments, inputs or PlainInputs())


def numbers(measure: str, *payments: PlainTransaction, inputs: PlainInputs | None = None, **of: Any) -> list[object]:
    """The values of one measure of a 24-hour window at each leg; ``None`` for unknown, ``(x,)`` for at least x."""
    one = rule("w.m == w.m", window(of.pop("over", "24h"), {"m": measure}, **of))
    return [_short(verdict.measures["w.m"]) for verdict in judged(one, *payments, inputs=inputs)]


def _short(value: Value) -> object:
    return (value.value,) if value.bound == "at_least" else value.value


def words(one: Rule, *payments: PlainTransaction, inputs: PlainInputs | None = None) -> list[str]:
    """``alert``, ``quiet``, ``unknown`` or ``.`` for each leg."""
    shown = {"true": "alert", "false": ".", "unknown": "unknown"}
    return [v.status or shown[v.verdict] for v in judged(one, *payments, inputs=inputs)]


# The edge, equal times, late records ---------------------------------------------------------------------


def test_a_payment_exactly_as_old_as_the_window_has_left():
    assert numbers("count()", paid_in(0, "0h"), paid_in(1, "24h")) == [1, 1]
    assert numbers("count()", paid_in(0, "1s"), paid_in(1, "24h")) == [1, 2]


def test_of_equal_times_the_earlier_in_the_log_counts_for_the_later_only():
    assert numbers("count()", paid_in(0, "5h"), paid_in(1, "5h"), paid_in(2, "5h")) == [1, 2, 3]


def test_a_late_payment_is_judged_at_the_clock_of_its_key():
    # The payment of 1 h arrives after that of 24 h 30 min: it enters at 24 h 30 min and stays until 48 h 30 min.
    late = [paid_in(0, "24h30m"), paid_in(1, "1h"), paid_in(2, "48h")]
    assert numbers("count()", *late) == [1, 2, 3]


def test_the_clock_of_one_customer_does_not_move_that_of_another():
    assert numbers("count()", paid_in(0, "48h", customer="C2"), paid_in(1, "0h"), paid_in(2, "24h")) == [1, 1, 1]


def test_a_window_by_account_follows_the_account():
    inward = paid_in(0, "0h")
    other_account = PlainTransaction(1, "T1", START_US, 5, "USD", creditor=PlainSide("C1", "C1-2", "C1"))
    assert numbers("count()", inward, other_account, by="account") == [1, 1]
    assert numbers("count()", inward, other_account, by="customer") == [1, 2]


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 1)), min_size=1, max_size=12))
def test_every_count_equals_counting_by_hand(rows: list[tuple[int, int]]):
    payments = [paid_in(n, f"{hour}h", customer=f"C{who}") for n, (hour, who) in enumerate(rows)]
    clocks: list[tuple[int, int]] = []
    expected = []
    for hour, who in rows:
        clock = max([hour, *(h for h, w in clocks if w == who)])
        clocks.append((clock, who))
        expected.append(sum(1 for h, w in clocks if w == who and clock - 24 < h <= clock))
    assert numbers("count()", *payments) == expected


# Measures and unknown -----------------------------------------------------------------------------------


def test_measures_of_two_payments():
    two = [paid_in(0, "0h", "1.00", sender="A"), paid_in(1, "1h", "2.01", sender="B")]
    seven = ["count()", "sum(amount)", "min(amount)", "max(amount)", "distinct(counterparty)"]
    assert [numbers(text, *two)[1] for text in seven] == [2, 301, 100, 201, 2]
    assert numbers("mean(amount)", *two)[1] == numbers("median(amount)", *two)[1] == Fraction(301, 2)


def test_an_empty_window_counts_nothing_and_has_no_smallest():
    only_debit = {"where": 'direction == "debit"'}
    for text, expected in {"count()": 0, "sum(amount)": 0, "distinct(counterparty)": 0, "min(amount)": None,
                           "max(amount)": None, "mean(amount)": None, "median(amount)": None}.items():  # fmt: skip
        assert numbers(text, paid_in(0, "0h"), **only_debit) == [expected], text


def test_a_filter_that_lacks_its_field_makes_totals_lower_bounds_until_the_payment_leaves():
    rows = [paid_in(0, "0h", channel=None), paid_in(1, "1h"), paid_in(2, "24h")]
    wires = {"where": 'channel == "wire"'}
    assert numbers("count()", *rows, **wires) == [(0,), (1,), 2]
    assert numbers("sum(amount)", *rows, **wires) == [(0,), (10000,), 20000]
    assert numbers("max(amount)", *rows, **wires) == [None, None, 10000]


def test_an_unknown_amount_is_counted_but_not_added():
    rows = [paid_in(0, "0h", "1.00"), paid_in(1, "1h", None)]
    assert numbers("count()", *rows) == [1, 2]
    assert numbers("sum(amount)", *rows) == [100, (100,)]
    assert numbers("median(amount)", *rows) == [100, None]


def test_an_unknown_word_makes_distinct_a_lower_bound():
    assert numbers("distinct(counterparty)", paid_in(0, "0h"), paid_in(1, "1h", sender=None)) == [1, (1,)]


def test_a_lower_bound_decides_what_it_proves():
    three = parameter("three", "count", ("3",))
    rows = [paid_in(n, f"{n}h", channel=None if n == 0 else "wire") for n in range(4)]
    at_least = rule("w.n >= three", window("24h", {"n": "count()"}, where='channel == "wire"'), parameters=(three,))
    below = rule("w.n < three", window("24h", {"n": "count()"}, where='channel == "wire"'), parameters=(three,))
    assert words(at_least, *rows) == ["unknown", "unknown", "unknown", "alert"]
    assert words(below, *rows) == ["unknown", "unknown", "unknown", "."]
    assert judged(at_least, *rows)[0].missing == "channel"


@given(st.integers(-3, 3), st.integers(-3, 3), st.sampled_from(["<", "<=", ">", ">=", "==", "!="]))
def test_a_lower_bound_is_decided_exactly_when_all_larger_numbers_agree(lowest: int, limit: int, op: str):
    outcomes = {compare(op, Value(number), Value(limit)).value for number in range(lowest, 10)}
    expected = outcomes.pop() if len(outcomes) == 1 else None
    assert compare(op, Value.at_least(lowest), Value(limit)).value == expected
    mirrored = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(op, op)
    assert compare(mirrored, Value(limit), Value.at_least(lowest)).value == expected


def test_unknown_is_not_false_and_known_asks():
    lacking = paid_in(0, "0h", channel=None)
    assert words(rule('channel == "cash"'), lacking) == ["unknown"]
    assert words(rule('not channel == "cash"'), lacking) == ["unknown"]
    assert words(rule('channel == "cash" and direction == "debit"'), lacking) == ["."]
    assert words(rule('channel == "cash" or direction == "credit"'), lacking) == ["alert"]
    assert words(rule('channel not in ["cash"]'), lacking, paid_in(1, "1h")) == ["unknown", "alert"]
    assert words(rule('known(channel) and channel == "cash"'), lacking) == ["."]


def test_a_share_of_nothing_is_unknown():
    window_in = window("24h", {"total": "sum(amount)"}, name="a", where='direction == "credit"')
    window_out = window("24h", {"total": "sum(amount)"}, name="b", where='direction == "debit"')
    half = parameter("half", "share", ("0.5",))
    one = rule("share(b.total, a.total) >= half", window_in, window_out, parameters=(half,))
    assert words(one, paid_out(0, "0h", "1.00"), paid_in(1, "1h", "2.01"), paid_out(2, "2h", "0.01")) == [
        "unknown",
        ".",
        "alert",
    ]


# Statuses, reversals, corrections -------------------------------------------------------------------------


def test_an_attempt_counts_only_where_status_is_mentioned():
    rows = [paid_in(0, "0h", status="attempted"), paid_in(1, "1h")]
    assert numbers("count()", *rows) == [0, 1]
    assert numbers("count()", *rows, where='status == "attempted"') == [1, 1]
    assert words(rule('direction == "credit"'), *rows) == [".", "alert"]
    assert words(rule('status == "attempted"'), *rows) == ["alert", "."]


def test_a_reversed_payment_leaves_from_then_on():
    rows = [paid_in(0, "0h"), paid_in(1, "1h"), paid_in(2, "2h", status="reversed", reverses="T0"), paid_in(3, "3h")]
    verdicts = judged(COUNTED, *rows)
    assert [(v.position, v.measures["w.n"].value) for v in verdicts] == [(0, 1), (1, 2), (3, 2)]
    assert verdicts[-1].transactions == (1, 3)


def test_a_correction_replaces_its_original():
    rows = [paid_in(0, "0h", "9.00"), paid_in(1, "1h", "8.00", reverses="T0"), paid_in(2, "2h", "1.00")]
    assert numbers("sum(amount)", *rows) == [900, 800, 900]


# Parameters, jurisdictions, lists, rates, peers -----------------------------------------------------------


def test_the_most_specific_parameter_in_force_applies():
    limit = parameter(
        "limit", "USD", ("1", "2011-03-01"), ("2", "2026-05-05"), ("3", "2011-03-01", None, "US"),
        ("4", "2011-03-01", "retail"), ("5", "2011-03-01", "retail", "US"),
    )  # fmt: skip
    inputs = PlainInputs(entities={"us": PlainEntity(jurisdiction="US"), "gb": PlainEntity(jurisdiction="GB")})
    rows = [
        paid_in(0, "23h", booking_entity="gb"),
        paid_in(1, "24h", booking_entity="gb"),
        paid_in(2, "25h", booking_entity="us"),
        paid_in(3, "26h", booking_entity="gb", segment="retail"),
        paid_in(4, "27h", booking_entity="us", segment="retail"),
    ]
    verdicts = judged(rule("amount > limit", parameters=(limit,)), *rows, inputs=inputs)
    in_force = [verdict.parameters["limit"] for verdict in verdicts]
    assert [row.value if row else None for row in in_force] == [100, 200, 300, 400, 500]


def test_a_segment_is_more_specific_than_a_jurisdiction():
    limit = parameter("limit", "USD", ("3", "2026-01-01", None, "US"), ("4", "2011-03-01", "retail"))
    inputs = PlainInputs(default_entity=PlainEntity(jurisdiction="US"))
    verdict = judged(rule("amount > limit", parameters=(limit,)), paid_in(0, "0h", segment="retail"), inputs=inputs)[0]
    row = verdict.parameters["limit"]
    assert row is not None
    assert row.value == 400


def test_a_parameter_that_is_not_in_force_is_unknown():
    later = parameter("later", "USD", ("1", "2026-05-05"))
    one = rule("amount > later", parameters=(later,))
    assert words(one, paid_in(0, "23h59m59s"), paid_in(1, "24h")) == ["unknown", "alert"]


def test_a_filter_uses_what_was_in_force_when_the_payment_entered():
    limit = parameter("limit", "USD", ("150", "2011-03-01"), ("50", "2026-05-05"))
    small = window("48h", {"n": "count()"}, where="amount <= limit", parameters=(limit,))
    rows = [paid_in(0, "23h"), paid_in(1, "24h"), paid_in(2, "25h", "50")]
    verdicts = judged(rule("w.n == w.n", small, parameters=(limit,)), *rows)
    assert [verdict.measures["w.n"].value for verdict in verdicts] == [1, 1, 2]


def test_a_rule_looks_only_at_its_jurisdictions():
    inputs = PlainInputs(entities={"us": PlainEntity(jurisdiction="US"), "gb": PlainEntity(jurisdiction="GB")})
    rows = [paid_in(0, "0h", booking_entity="us"), paid_in(1, "1h", booking_entity="gb"), paid_in(2, "2h")]
    verdicts = judged(rule('direction == "credit"', jurisdictions=("US",)), *rows, inputs=inputs)
    assert [verdict.position for verdict in verdicts] == [0, 2]


def test_an_amount_is_converted_at_the_last_rate_published_before_it():
    rates = (
        PlainRate(START_US, "EUR", "USD", Fraction(2)),
        PlainRate(START_US + hours(2), "EUR", "USD", Fraction(3)),
    )
    rows = [paid_in(n, f"{n}h", "1.00", currency="EUR") for n in range(4)]
    assert numbers("sum(amount)", *rows, inputs=PlainInputs(rates=rates), over="1h") == [(0,), 200, 200, 300]
    assert numbers("sum(amount)", *rows, inputs=PlainInputs(rates=rates), currency="EUR") == [100, 200, 300, 400]


def test_a_pair_without_rates_is_read_from_the_opposite_pair():
    rates = (PlainRate(START_US, "USD", "EUR", Fraction(1, 4)),)
    assert numbers("sum(amount)", paid_in(0, "1h", "1.00", currency="EUR"), inputs=PlainInputs(rates=rates)) == [400]


def test_a_match_without_a_subject_alerts_nobody():
    nobody = PlainTransaction(0, "T0", START_US, 1, "USD", creditor=PlainSide("C1"))
    verdict = judged(rule('direction == "credit"', subject="account"), nobody)[0]
    assert (verdict.verdict, verdict.status, verdict.subject) == ("true", None, None)


def test_a_list_takes_effect_at_its_position():
    lists = {"risky": ((1, frozenset({"IR"})), (2, frozenset({"KP"})))}
    one = rule("counterparty_country in list.risky", lists={"risky": "country"})
    side, own = PlainSide(account="S", country="IR"), PlainSide("C1", "C1-1", "C1")
    rows = [PlainTransaction(n, f"T{n}", START_US, 1, "USD", debtor=side, creditor=own) for n in range(3)]
    assert words(one, *rows, inputs=PlainInputs(lists=lists)) == ["unknown", "alert", "."]


def test_peers_and_hubs_are_unknown_before_the_first_snapshot():
    one = rule("w.n > peer.w.n.p99 and not peer.is_hub", window("24h", {"n": "count()"}))
    snapshot = BankSnapshot(1, {("retail", "peer.w.n.p99"): 2}, frozenset({"H1"}))
    inputs = PlainInputs(snapshots=((2, snapshot),))
    retail = [paid_in(n, f"{n}h", segment="retail") for n in range(4)]
    hub = [paid_in(n + 4, f"{n}h", segment="retail", customer="H1") for n in range(3)]
    assert words(one, *retail, *hub, inputs=inputs) == ["unknown", "unknown", "alert", "alert", ".", ".", "."]


# Calendar windows -------------------------------------------------------------------------------------------


def test_a_calendar_day_is_that_of_the_booking_entity():
    entity = PlainEntity(zone="America/New_York", cut_off=time(17), rolls=True, holidays=frozenset({date(2026, 5, 5)}))
    inputs = PlainInputs(default_entity=entity)
    # Monday 16:59, Monday 17:00 (rolls over the holiday), Wednesday 12:00, in New York.
    rows = [paid_in(0, "20h59m"), paid_in(1, "21h"), paid_in(2, "64h")]
    assert numbers("count()", *rows, inputs=inputs, over="day") == [1, 1, 2]
    assert numbers("count()", *rows, inputs=inputs, over="month") == [1, 2, 3]


def test_a_calendar_day_is_kept_per_booking_entity():
    rows = [paid_in(n, f"{n}h", booking_entity=entity) for n, entity in enumerate(["us", "gb", "us", None])]
    assert numbers("count()", *rows, over="day") == [1, 1, 2, 1]
    assert numbers("count()", *rows, over="24h") == [1, 2, 3, 4]


def test_a_late_payment_counts_in_its_own_day():
    rows = [paid_in(0, "1h"), paid_in(1, "25h"), paid_in(2, "2h"), paid_in(3, "26h")]
    assert numbers("count()", *rows, over="day") == [1, 1, 2, 2]


# Memory, quiet periods, recomputation ----------------------------------------------------------------------


def test_first_seen_asks_the_holders_memory_of_730_days():
    one = rule("first_seen(counterparty)")
    rows = [paid_in(0, "0h"), paid_in(1, "1h"), paid_in(2, "1h", customer="C2"), paid_in(3, "2h", sender="S2")]
    assert words(one, *rows) == ["alert", ".", "alert", "alert"]
    assert words(one, paid_in(0, "0h"), paid_in(1, "729d"), paid_in(2, "1459d")) == ["alert", ".", "alert"]
    assert words(one, paid_in(0, "0h", status="attempted"), paid_in(1, "1h"))[1] == "alert"
    assert words(one, paid_in(0, "0h", sender=None)) == ["unknown"]


def test_since_last_measures_judged_time_to_the_previous_booked_leg():
    long = parameter("long", "duration", ("90d",))
    one = rule("since_last() >= long", parameters=(long,))
    rows = [paid_in(0, "0h"), paid_in(1, "89d", status="rejected"), paid_in(2, "90d"), paid_in(3, "91d")]
    assert words(one, *rows) == ["unknown", ".", "alert", "."]


def test_a_match_is_quiet_while_the_last_alert_is_younger_than_the_quiet_period():
    one = rule('direction == "credit"', quiet="24h")
    rows = [paid_in(0, "0h"), paid_in(1, "23h59m59s"), paid_in(2, "24h"), paid_in(3, "25h", customer="C2")]
    assert words(one, *rows) == ["alert", "quiet", "alert", "alert"]


def test_an_obligation_is_never_quiet():
    one = rule('direction == "credit"', quiet="24h", kind="obligation")
    assert words(one, paid_in(0, "0h"), paid_in(1, "1h")) == ["alert", "alert"]


def test_a_transfer_between_two_customers_is_judged_for_each():
    payment = PlainTransaction(
        0, "T0", START_US, 1, "USD", debtor=PlainSide("C1", "A1"), creditor=PlainSide("C2", "A2")
    )
    verdicts = judged(rule('counterparty == "A1"'), payment)
    assert [(v.leg_role, v.verdict) for v in verdicts] == [("debit", "false"), ("credit", "true")]


def test_an_alert_is_recomputed_from_the_legs_of_its_subject_alone():
    rows = [paid_in(n, f"{n * 7}h", customer=f"C{n % 2}") for n in range(12)]
    legs = legs_of(rows)
    engine = ReferenceEngine(in_full=True)
    for verdict in engine.judge([COUNTED], rows):
        horizon = START_US + hours(7 * verdict.position - 24)
        own = [leg for leg in legs if leg.own.holder == f"C{verdict.position % 2}"]
        near = [leg for leg in own if horizon < leg.transaction.booked_at_us]
        again = engine.recompute(COUNTED, near, at_position=verdict.position, leg_role="credit")
        assert again == verdict


def test_recomputing_a_leg_that_is_not_there_says_what_to_do():
    with pytest.raises(ValueError, match="position 9, credit: no such leg among the 1 given"):
        ReferenceEngine().recompute(COUNTED, legs_of([paid_in(0, "0h")]), at_position=9, leg_role="credit")


def test_a_verdict_on_a_prefix_is_the_prefix_of_the_verdicts():
    rows = [paid_in(n, f"{(n * 5) % 30}h", channel=None if n % 3 == 0 else "wire") for n in range(12)]
    rows.append(paid_in(12, "31h", status="returned", reverses="T3"))
    one = rule("w.n == w.n", window("24h", {"n": "count()"}, where='channel == "wire"'))
    whole = judged(one, *rows)
    for length in range(len(rows)):
        assert judged(one, *rows[:length]) == [v for v in whole if v.position < length]


def test_times_in_this_file_start_on_a_monday():
    assert parse_time_us("2026-05-04T01:00:00Z") == START_US + HOUR_US


# Who gets in ------------------------------------------------------------------------------------------------


def test_a_repeated_id_and_a_record_that_comes_too_late_are_not_judged():
    rows = [
        paid_in(0, "0h"),
        paid_in(1, "1h", transaction_id="T0"),
        paid_in(2, "35d"),
        paid_in(3, "35d1s"),
        paid_in(4, "0h"),
    ]
    assert [verdict.position for verdict in judged(COUNTED, *rows)] == [0, 2, 3]
    in_time = [*rows[:3], paid_in(3, "0h")]
    assert [verdict.position for verdict in judged(COUNTED, *in_time)] == [0, 2, 3]


def test_a_rule_by_device_judges_one_leg_per_payment_with_a_device():
    one = rule("w.n > 0", window("24h", {"n": "count()"}, by="device"), subject="device")
    payer, payee = PlainSide("C1", "A1"), PlainSide("C2", "A2")
    between = PlainTransaction(0, "T0", START_US, 1, "USD", debtor=payer, creditor=payee, device="D")
    verdicts = judged(one, between, paid_in(1, "1h"), paid_in(2, "2h", customer="C3", device="D"))
    assert [(v.position, v.leg_role, v.subject, v.measures["w.n"].value) for v in verdicts] == [
        (0, "debit", "D", 1),
        (2, "credit", "D", 2),
    ]


def test_each_holder_of_a_joint_account_has_a_leg_and_the_account_one_event():
    joint = PlainSide("C1", "A1", joint=(PlainSide("C2", "A1"),))
    by_both = rule("w.n > 0 or a.n > 0", window("24h", {"n": "count()"}),
                   window("24h", {"n": "count()"}, by="account", name="a"))  # fmt: skip
    rows = [PlainTransaction(n, f"T{n}", START_US, 1, "USD", creditor=joint) for n in range(2)]
    verdicts = judged(by_both, *rows)
    assert [v.subject for v in verdicts] == ["C1", "C2", "C1", "C2"]
    assert [v.measures["w.n"].value for v in verdicts] == [1, 1, 2, 2]
    assert [v.measures["a.n"].value for v in verdicts] == [1, None, 2, None]


def test_an_account_window_moves_the_clock_of_its_account():
    by_account = rule("a.n > 0", window("24h", {"n": "count()"}, by="account", name="a"))
    rows = [
        PlainTransaction(n, f"T{n}", START_US + hours(hour), 1, "USD", creditor=PlainSide(who, "A1"))
        for n, (hour, who) in enumerate([(30, "C1"), (1, "C2"), (50, "C2")])
    ]
    assert [v.measures["a.n"].value for v in judged(by_account, *rows)] == [1, 2, 3]
    assert [leg.judged_us for leg in legs_of(rows, ["customer"])] == [START_US + hours(h) for h in (30, 1, 50)]
