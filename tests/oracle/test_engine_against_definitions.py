"""The engine's measures are those of SQL, and its verdicts those of the slow evaluator, however the stream is cut."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from monitor.domain.alert import Quantity
from monitor.domain.money import parse_amount_minor
from monitor.rulebook.reference import PlainInputs, PlainSide, PlainTransaction, ReferenceEngine
from monitor.rulebook.rule import Rule, Window
from tests.oracle.engine_run import run_engine
from tests.oracle.sql_windows import Bounded, check_against_sql
from tests.oracle.streams import EVERY_MEASURE, RATES, SMALL, SMALL_MINOR, streams, windows
from tests.rulebook.small_rules import START_US, paid_in, parameter, rule, window
from tests.strategies.searching import further

PARAMETERS = {"small": SMALL_MINOR}
NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
"""A smaller example would take minutes to find; a failure becomes a named test below."""
SEEN_BY_ALL = "known(status)"
"""A condition that holds for every leg, whatever its status."""
SHOWN_ROUNDED = ("mean", "middle")
"""Alerts show these rounded; conditions over them are compared below."""


def shown(quantity: Quantity) -> Bounded:
    """A number of an alert as a whole number of minor units or a count."""
    if quantity.value is None:
        return None, "unknown"
    return parse_amount_minor(quantity.value, "USD") if quantity.unit == "USD" else int(quantity.value), quantity.bound


def compare_measures(payments: list[PlainTransaction], kept: Sequence[Window], cuts: Sequence[int]) -> None:
    exact = {name: text for name, text in EVERY_MEASURE.items() if name not in SHOWN_ROUNDED}
    kept = [replace(one, measures=tuple(m for m in one.measures if m.name in exact)) for one in kept]
    for one in kept:
        found = run_engine([rule(SEEN_BY_ALL, one, parameters=(SMALL,))], payments, rates=RATES, cuts=cuts).alerts
        measured = {
            (one.name, m.name): [shown(a.measures[f"{one.name}.{m.name}"]) for a in found] for m in one.measures
        }
        check_against_sql(payments, [one], measured, parameters=PARAMETERS, rates=RATES)


CONDITIONS = (
    "w.n >= three",
    'w.total > small and channel != "card"',
    'w.mean >= w.middle and direction == "credit"',
    "w.most - w.least > small or w.partners < three",
    "not (w.channels == three) and share(w.least, w.total) <= half",
    "multiple_of(amount, one) and w.middle < w.mean",
    'known(counterparty_country) and counterparty_country in ["IR"] or status == "attempted"',
    "ratio(w.total, amount) >= half and w.partners != three",
)
NUMBERS = (
    SMALL, parameter("three", "count", ("3",)), parameter("half", "share", ("0.5",)),
    parameter("one", "USD", ("1.00",)), parameter("hour", "duration", ("1h",)),
)  # fmt: skip


MEMORY = ("since_last() >= hour", "first_seen(counterparty) and w.n <= three")


def rules_over(one: Window, conditions: Sequence[str] = CONDITIONS) -> list[Rule]:
    return [
        rule(text, one, parameters=NUMBERS, quiet="3h", rule_id=f"AML-TST-{number:03}")
        for number, text in enumerate(conditions)
    ]


def compare_verdicts(
    payments: list[PlainTransaction], one: Window, cuts: Sequence[int], conditions: Sequence[str] = CONDITIONS
) -> int:
    rules = rules_over(one, conditions)
    verdicts = ReferenceEngine().judge(rules, payments, PlainInputs(rates=RATES))
    expected = [(v.position, v.leg_role, v.rule_id, v.subject, v.status) for v in verdicts if v.status is not None]
    undecided = {each.id: sum(v.rule_id == each.id and v.verdict == "unknown" for v in verdicts) for each in rules}
    run = run_engine(rules, payments, rates=RATES, cuts=cuts)
    words, roles = {"new": "alert", "quiet": "quiet"}, {"debtor": "debit", "creditor": "credit"}
    found = [
        (a.position, roles[a.leg_role], a.source.id, run.subjects[a.subject.token], words[a.status]) for a in run.alerts
    ]
    assert found == expected
    assert run.undecided == undecided
    return len(expected)


@settings(max_examples=40, deadline=None, phases=NO_SHRINKING)
@given(payments=streams(), one=windows(), cuts=st.lists(st.integers(1, 19)))
def test_measures_of_the_engine_are_those_of_sql(payments: list[PlainTransaction], one: Window, cuts: list[int]):
    compare_measures(payments, [one], cuts)


@settings(max_examples=60, deadline=None, phases=NO_SHRINKING)
@given(payments=streams(), one=windows(), cuts=st.lists(st.integers(1, 19)))
def test_verdicts_of_the_engine_are_those_of_the_slow_evaluator(
    payments: list[PlainTransaction], one: Window, cuts: list[int]
):
    compare_verdicts(payments, one, cuts)


@settings(max_examples=30, deadline=None, phases=NO_SHRINKING)
@given(payments=streams(), cuts=st.lists(st.integers(1, 19)))
def test_what_the_engine_remembers_of_a_customer_is_by_definition(payments: list[PlainTransaction], cuts: list[int]):
    moved = [payment for payment in payments if payment.status not in ("attempted", "rejected")]
    compare_verdicts(moved, window("3h", {"n": "count()"}), cuts, MEMORY)


@pytest.mark.slow
@settings(max_examples=further(100), deadline=None, phases=NO_SHRINKING)
@given(payments=streams(max_size=50), one=windows(), cuts=st.lists(st.integers(1, 49)))
def test_measures_and_verdicts_on_many_longer_streams(payments: list[PlainTransaction], one: Window, cuts: list[int]):
    compare_measures(payments, [one], cuts)
    compare_verdicts(payments, one, cuts)


def test_the_conditions_are_not_vacuous():
    payments = [
        each for n in range(3)
        for each in (_paid(4 * n + k, 4 * n + k, channel) for k, channel in enumerate(("cash", "wire", None, "card")))
    ]  # fmt: skip
    assert compare_verdicts(payments, window("24h", EVERY_MEASURE, parameters=(SMALL,)), [5]) > 10


def _paid(position: int, hour: int, channel: str | None) -> PlainTransaction:
    return paid_in(position, f"{hour}h", f"{1 + position % 4}.00", channel=channel, sender=f"S{position % 3}")


# Streams that failed once ------------------------------------------------------------------------------------


def test_a_reversed_transfer_between_own_accounts_leaves_on_both_sides():
    own = PlainTransaction(0, "T0", START_US, 100, "USD", PlainSide("C1", "C1-1", "C1"), PlainSide("C1", "C1-2", "C1"))
    rows = [own, paid_in(1, "1h", status="reversed", reverses="T0"), paid_in(2, "2h")]
    compare_measures(rows, [window("24h", EVERY_MEASURE)], [])
