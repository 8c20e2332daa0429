"""The learned order: bounded, by facts of the case alone, and nothing before enough was decided."""

from dataclasses import fields, replace
from math import exp, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.casework.joining import lifted
from monitor.casework.learned import (
    LIFT_MAX,
    LIFT_MIN,
    UNTRAINED,
    LearnedOrder,
    Line,
    fact_names,
    facts_of,
    order_of,
    propensity_of,
    verdict_of,
)
from monitor.casework.orders import SAMPLE_SHARE_DEFAULT, SAMPLED
from monitor.casework.priority import lift_words, reasons, risk
from tests.casework.alert_building import START_US
from tests.casework.test_priority import a_case

CASH = "typology cash"
lines = st.builds(Line, st.sampled_from(fact_names()), st.floats(-50, 50), st.floats(-5, 5), st.floats(0, 5))
orders = st.lists(lines, min_size=1, max_size=8, unique_by=lambda line: line.fact).map(
    lambda found: LearnedOrder(10, 10, tuple(found))
)


@given(orders, st.sampled_from([(), ("cash",), ("cash", "mule")]), st.floats(0.05, 0.95), st.integers(1, 9))
def test_whatever_was_learned_the_risk_stays_within_what_half_and_double_the_suspicion_give(
    order, typologies, strength, rules
):
    case = a_case(typologies=typologies, strength=strength, rules=tuple(f"R-{n}" for n in range(rules)))
    after = lifted(case, order)
    assert after.lift is not None
    assert LIFT_MIN <= after.lift <= LIFT_MAX
    assert 0 < 1 - (1 - case.risk) ** LIFT_MIN - 2e-6 <= after.risk <= 1 - (1 - case.risk) ** LIFT_MAX + 2e-6 <= 1
    kept = {field.name for field in fields(case)} - {"risk", "lift"}
    assert all(getattr(after, name) == getattr(case, name) for name in kept)


def test_an_untrained_order_changes_nothing_and_takes_a_lift_away():
    case = a_case()
    assert lifted(case, UNTRAINED) == case
    trained = lifted(case, LearnedOrder(10, 10, (Line("strength", 1.0, 0.0, 0.5),)))
    assert trained.risk > case.risk
    assert lifted(trained, UNTRAINED) == case


def test_the_lift_is_the_odds_against_an_average_case():
    order = LearnedOrder(10, 10, (Line(CASH, -0.3, 0.25, 0.5), Line("alerts", 0.2, 0.0, 0.0)))
    case = a_case(typologies=("cash",), alert_count=4)
    assert order.contributions(case) == {CASH: pytest.approx(-0.45)}
    assert order.lift(case) == pytest.approx(exp(-0.45), abs=1e-4)
    words = reasons(lifted(case, order), START_US)
    assert lift_words(0.6376) in words
    assert "less often" in lift_words(0.6376)


def test_a_fact_that_hardly_ever_varied_does_not_drown_the_others():
    order = LearnedOrder(10, 10, (Line("strength", 1.0, 0.0, 5e-324), Line("agreement", 1.0, 1.0, 2e-313)))
    assert lifted(a_case(strength=0.5), order).lift == 1.0


def test_the_facts_of_a_case_say_nothing_about_who_the_customer_is():
    case = a_case(typologies=("cash", "mule"), rules=("A", "B"), alert_count=4, quiet_count=1, dismissed_cases=2)
    facts = facts_of(case)
    assert tuple(facts) == fact_names()
    assert {name: value for name, value in facts.items() if value} == {
        "strength": case.strength, "rules": log(2), "alerts": log(4), "repeats": 0.25, "dismissed before": log(3),
        CASH: 1.0, "typology mule": 1.0,
    }  # fmt: skip
    other = replace(case, risk_rating="high", segment="sme", jurisdiction="CN", booking_entity="X", assignee="bob")
    assert facts_of(other) == facts


@pytest.mark.parametrize(
    ("state", "verdict"),
    [("closed_reported", True), ("closed_false_positive", False), ("closed_explained", False),
     ("closed_inconclusive", None), ("closed_duplicate", None), ("escalated", None)],
)  # fmt: skip
def test_which_decisions_say_something(state, verdict):
    assert verdict_of(a_case(state=state)) is verdict


def test_a_case_that_a_sample_brought_stands_for_those_that_were_held_back():
    assert propensity_of(a_case()) == 1.0
    assert propensity_of(a_case(marks=(SAMPLED,))) == SAMPLE_SHARE_DEFAULT
    assert propensity_of(a_case(marks=(SAMPLED,), alert_count=2)) == 1.0


def test_facts_that_another_release_knew_are_left_out():
    order = order_of({CASH: (1.0, 0.0, 1.0), "typology of old": (9.0, 0.0, 1.0)}, 12, 30)
    assert order == LearnedOrder(12, 30, (Line(CASH, 1.0, 0.0, 1.0),))


@given(st.floats(0.01, 0.99), st.integers(1, 20), st.floats(LIFT_MIN, 1.99))
def test_risk_never_falls_with_the_lift(strongest, rules, lift):
    assert 0 < risk(strongest, rules, "low", 0.0, lift) <= risk(strongest, rules, "low", 0.0, lift + 0.01)
    assert risk(strongest, rules, "low", 0.0, 1.0) == risk(strongest, rules, "low")
