"""Priority: each part lies in 0..1, moves the right way, and says why."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.casework.joining import join_alert, scored, seen
from monitor.casework.policy import DUE_DAYS, CaseworkPolicy, due_at_us
from monitor.casework.priority import (
    due_in_words,
    novelty,
    priority,
    reasons,
    risk,
    strength,
    time_in_words,
    urgency,
)
from monitor.domain.case import Case
from monitor.domain.time import DAY_US, HOUR_US, MINUTE_US
from monitor.domain.vocabulary import RISK_RATINGS, SEVERITIES
from tests.casework.alert_building import START_US, stored

POLICY = CaseworkPolicy()
severities = st.sampled_from(SEVERITIES)
scores = st.floats(-1, 2)
ratings = st.sampled_from([None, *RISK_RATINGS])
typologies = st.sets(st.sampled_from(["a", "b", "c"]), min_size=1)


def a_case(**changes: object) -> Case:
    """A case of one medium alert, opened at ``START_US``."""
    return scored(replace(join_alert(None, stored(), POLICY).case, **changes))  # type: ignore[arg-type]


@given(severities, scores, st.integers(1, 100), ratings)
def test_risk_lies_in_0_to_1_and_never_falls_with_more_rules(severity, score, rules, rating):
    one = strength(severity, score)
    assert 0 < one <= 1
    assert 0 < risk(one, rules, rating) <= risk(one, rules + 1, rating) <= 1


@given(scores, st.integers(1, 20), ratings)
def test_risk_rises_with_severity(score, rules, rating):
    values = [risk(strength(severity, score), rules, rating) for severity in SEVERITIES]
    assert values == sorted(values)
    assert len(set(values)) == 4


def test_risk_rises_with_the_rating_and_unknown_is_not_low():
    values = [risk(0.5, 1, rating) for rating in ("low", None, "high", "prohibited")]
    assert values == sorted(set(values))
    assert risk(0.5, 1, None) == risk(0.5, 1, "medium")


@given(st.integers(0, 10**15), st.integers(1, 10**14), st.lists(st.integers(-(10**14), 10**15), min_size=2))
def test_urgency_never_falls_with_time_and_is_greatest_when_overdue(opened, length, times):
    due = opened + length
    values = [urgency(opened, due, opened + moment) for moment in sorted(times)]
    assert values == sorted(values)
    assert all(0.2 <= value <= 1 for value in values)
    assert urgency(opened, due, due) == 1 > urgency(opened, due, due - 1)


@given(st.integers(1, 30), st.data())
def test_novelty_never_reaches_zero(count, data):
    value = novelty(
        alert_count=count,
        alerts_seen=data.draw(st.integers(0, count)),
        typologies=data.draw(typologies),
        typologies_seen=data.draw(typologies),
        dismissed_cases=data.draw(st.integers(0, 100)),
        dismissed_typologies=data.draw(typologies),
    )
    assert 0.4 * 0.75**4 - 1e-6 <= value <= 1


def test_novelty_falls_when_someone_looks_and_rises_with_each_alert_since():
    fresh = a_case()
    looked = seen(fresh)
    later = [scored(replace(looked, alert_count=looked.alert_count + n)) for n in range(4)]
    assert fresh.novelty == 1
    assert [case.novelty for case in later] == [0.4, 0.7, 0.85, 0.925]


def test_a_new_typology_makes_a_case_wholly_new_again():
    looked = seen(a_case())
    assert scored(replace(looked, alert_count=2, typologies=("structuring", "fan_in"))).novelty == 1


def test_what_was_dismissed_before_is_less_new_and_another_typology_is_not():
    dismissed = a_case(dismissed_cases=2, dismissed_typologies=("structuring",))
    assert dismissed.novelty == 0.5625
    assert scored(replace(dismissed, typologies=("structuring", "fan_in"))).novelty == 1


def test_priority_is_the_product():
    case = a_case(risk_rating="high")
    now_us = START_US + 5 * DAY_US
    expected = case.risk * urgency(case.opened_at_us, case.due_at_us, now_us) * case.novelty
    assert priority(case, now_us) == pytest.approx(expected)
    assert priority(case, case.due_at_us) > priority(case, now_us)


def test_the_reasons_name_what_made_each_part():
    words = reasons(seen(a_case(dismissed_cases=1, dismissed_typologies=("structuring",))), START_US + DAY_US)
    assert words == [
        "Risk 0.35: strongest alert is medium, 1 rule fired, customer rated medium.",
        "Urgency 0.25: due in 14d.",
        "Novelty 0.30: nothing new since the last look; the same was dismissed in 1 earlier case.",
    ]
    assert "overdue 1d" in reasons(a_case(risk_rating=None), START_US + 16 * DAY_US)[1]
    assert "without a rating" in reasons(a_case(risk_rating=None), START_US)[0]


@pytest.mark.parametrize(("severity", "days"), [("low", 30), ("medium", 15), ("high", 5), ("critical", 1)])
def test_due_dates_are_the_documented_ones(severity, days):
    assert DUE_DAYS[severity] == days
    assert due_at_us(START_US, severity, POLICY) == START_US + days * DAY_US


def test_a_bank_can_set_its_own_due_dates():
    policy = CaseworkPolicy(due_us=dict.fromkeys(SEVERITIES, 7 * HOUR_US))
    assert join_alert(None, stored(), policy).case.due_at_us == START_US + 7 * HOUR_US


@pytest.mark.parametrize(
    ("length_us", "words"),
    [(0, "0m"), (59 * MINUTE_US, "59m"), (HOUR_US, "1h"), (DAY_US + HOUR_US, "1d 1h"), (11 * DAY_US + HOUR_US, "11d")],
)
def test_time_is_said_in_its_two_largest_units(length_us, words):
    assert time_in_words(length_us) == words
    assert due_in_words(length_us, 0) == (f"in {words}" if length_us else "overdue 0m")
