"""Alerts of one subject join its open case; nothing that joins is hidden."""

import json
from dataclasses import replace

import pytest
from hypothesis import given

from monitor.casework.joining import NAMES_KEPT_MAX, hidden_draft, join_alert, scored, seen
from monitor.casework.policy import CaseworkPolicy
from monitor.domain.case import Case, Proposal, case_id
from monitor.domain.time import DAY_US, HOUR_US
from monitor.domain.vocabulary import SEVERITIES
from tests.casework.alert_building import START_US, alert_streams, stored

POLICY = CaseworkPolicy()


def joined(*alerts, case: Case | None = None) -> Case:
    """The case after the alerts."""
    for one in alerts:
        case = join_alert(case, one, POLICY).case
    assert case is not None
    return case


def closed(case: Case, outcome: str) -> Case:
    return replace(case, state=f"closed_{outcome}", outcome=outcome, closed_at_us=START_US)


def test_the_first_alert_opens_a_case_at_the_time_it_was_judged():
    first = stored()
    case = joined(first)
    assert case.case_id == case_id(first.alert.subject, first.alert.alert_id)
    assert (case.state, case.opened_at_us, case.due_at_us) == ("open", START_US, START_US + 15 * DAY_US)
    assert (case.alert_count, case.need_to_know, case.former_case_id) == (1, "standard", None)


@given(alert_streams())
def test_a_case_equals_counting_over_its_alerts(stream):
    alerts = [one for one in stream if one.alert.status != "shadow"]
    if not alerts:
        return
    case, facts = joined(*alerts), [one.alert for one in alerts]
    assert case.alert_count == len(facts)
    assert case.quiet_count == sum(one.status == "quiet" for one in facts)
    assert case.severity == max((one.severity for one in facts), key=SEVERITIES.index)
    assert case.due_at_us == min(one.judged_at_us + POLICY.due_us[one.severity] for one in facts)
    assert set(case.rules) == {one.source.id for one in facts}
    assert set(case.typologies) == {one.typology for one in facts}
    for currency, amount in case.amounts.items():
        assert amount == max(one.amount_minor for one in facts if one.currency == currency)
    assert case.amount_minor == case.amounts[facts[0].currency]
    assert case.last_alert_at_us == facts[-1].judged_at_us
    assert scored(case) == case


def test_the_due_date_only_comes_nearer():
    case = joined(stored(0), stored(1, severity="critical"), stored(2, severity="low"))
    assert case.due_at_us == START_US + HOUR_US + DAY_US


def test_the_headline_is_the_sentence_of_the_strongest_alert_the_latest_of_equals():
    alerts = [stored(0, text="one"), stored(1, text="two", score=0.9), stored(2, text="three", score=0.1)]
    assert joined(*alerts).headline == "two"
    assert joined(*alerts, stored(3, text="four", score=0.9)).headline == "four"


def test_a_shadow_alert_never_touches_a_case():
    with pytest.raises(ValueError, match="joins no case"):
        join_alert(None, stored(status="shadow"), POLICY)


def test_the_journal_fixes_the_evidence_of_a_shadow_alert():
    one = stored(status="shadow")
    assert json.loads(hidden_draft(one, "shadow:r").payload)["evidence_sha256"] == one.evidence_digest


def test_after_closing_a_new_alert_opens_a_case_that_names_the_former():
    former = closed(joined(stored(0)), "reported")
    result = join_alert(former, stored(1), POLICY)
    assert result.is_opened
    assert result.case.former_case_id == former.case_id != result.case.case_id
    assert result.case.dismissed_cases == 0
    assert json.loads(result.draft.payload)["former_case"] == former.case_id


@pytest.mark.parametrize("outcome", ["false_positive", "explained"])
def test_a_dismissed_former_case_makes_the_same_less_new_and_other_things_not(outcome):
    former = closed(joined(stored(0)), outcome)
    assert join_alert(former, stored(1), POLICY).case.novelty == 0.75
    assert join_alert(former, stored(1, typology="fan_in"), POLICY).case.novelty == 1


def test_a_quiet_repeat_after_closing_is_recorded_on_the_closed_case():
    former = closed(joined(stored(0)), "explained")
    result = join_alert(former, stored(1, status="quiet"), POLICY)
    assert not result.is_opened
    assert (result.case.state, result.case.alerts_after_closing) == ("closed_explained", 1)
    assert result.draft.action == "alert_after_closing"


def test_a_quiet_alert_that_no_case_knows_opens_one():
    former = closed(joined(stored(0)), "explained")
    assert join_alert(former, stored(1, status="quiet", rule="AML-FAN-003"), POLICY).is_opened
    assert join_alert(None, stored(1, status="quiet"), POLICY).is_opened


@pytest.mark.parametrize("status", ["new", "quiet"])
@pytest.mark.parametrize(("assignee", "state"), [("ann", "assigned"), (None, "open")])
def test_an_alert_wakes_a_sleeping_case(status, assignee, state):
    asleep = replace(joined(stored(0)), state="snoozed", snoozed_until_us=START_US + DAY_US, assignee=assignee)
    awake = joined(stored(1, status=status), case=asleep)
    assert (awake.state, awake.snoozed_until_us) == (state, None)


def test_an_alert_takes_a_case_out_of_approval():
    proposal = Proposal("reported", "suspicion", "ann", START_US)
    waiting = replace(joined(stored(0)), state="pending_approval", proposal=proposal, need_to_know="restricted")
    result = join_alert(waiting, stored(1), POLICY)
    assert (result.case.state, result.case.proposal, result.case.need_to_know) == ("in_review", None, "restricted")
    assert json.loads(result.draft.payload)["state_before"] == "pending_approval"


def test_the_graver_rating_stays():
    assert joined(stored(0, customer_risk_rating="high"), stored(1, customer_risk_rating="low")).risk_rating == "high"
    assert joined(stored(0, customer_risk_rating=None), stored(1, customer_risk_rating="low")).risk_rating == "low"
    assert joined(stored(0), stored(1, customer_risk_rating=None)).risk_rating == "medium"


def test_names_are_kept_up_to_a_limit_and_counting_goes_on():
    case = joined(*(stored(n, rule=f"R-{n}") for n in range(NAMES_KEPT_MAX + 5)))
    assert (len(case.rules), case.alert_count) == (NAMES_KEPT_MAX, NAMES_KEPT_MAX + 5)


def test_looking_marks_all_alerts_as_seen():
    case = seen(joined(stored(0), stored(1, typology="fan_in")))
    assert (case.alerts_seen, case.typologies_seen) == (2, ("structuring", "fan_in"))
