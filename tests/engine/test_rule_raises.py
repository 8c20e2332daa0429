"""A rule that raises hides no match, stops no other rule, and its error's message reaches no alert."""

from dataclasses import replace
from typing import Any, cast

import pytest

from monitor.domain.alert import Alert
from monitor.domain.deadline import Deadline
from monitor.engine.rule_errors import RULE_RAISED
from monitor.rulebook.rule import Rule
from tests.engine.engine_logs import batch, new_log, rules
from tests.strategies.plain_streams import stream

RECORDS = stream(5, 300, days=60, joint=True)


class Unspeakable(str):
    """A sentence that cannot be read, and whose error quotes a payment."""

    def __contains__(self, part: object) -> bool:
        raise ValueError("4111 1111 1111 1111")


def broken(rule: Rule, text: object) -> Rule:
    """The rule with a sentence no loader lets through."""
    return replace(rule, alert=replace(rule.alert, text=cast(Any, text)))


def without_rule(alert: Alert) -> dict[str, Any]:
    """What an alert says without having asked its rule."""
    return {
        name: getattr(alert, name)
        for name in ("alert_id", "event_time_us", "judged_at_us", "position", "leg_role", "subject", "source", "title",
                     "severity", "status", "amount_minor", "currency", "jurisdiction", "booking_entity",
                     "profile_version")
    }  # fmt: skip


@pytest.mark.parametrize(
    ("number", "text"),
    [pytest.param(0, None, id="in its sentence"), pytest.param(9, Unspeakable(), id="before its first match")],
)
def test_its_matches_are_raised_with_a_mark_and_other_rules_go_on(number: int, text: object):
    sound, bad = rules(), rules()
    bad[number] = broken(bad[number], text)
    expected, found = new_log(sound).feed(RECORDS), new_log(bad).feed(RECORDS)
    name = bad[number].id
    its = [alert for alert in found.alerts if alert.source.id == name]
    assert len(its) > 2
    assert [without_rule(alert) for alert in its] == [
        without_rule(alert) for alert in expected.alerts if alert.source.id == name
    ]
    assert all(RULE_RAISED in alert.marks for alert in its)
    assert {alert.text for alert in its} == {its[0].text}
    assert "Error at " in its[0].text
    assert "4111" not in its[0].text
    assert [alert for alert in found.alerts if alert.source.id != name] == [
        alert for alert in expected.alerts if alert.source.id != name
    ]
    assert found.engine.hits.tolist() == expected.engine.hits.tolist()


def test_a_step_says_which_rule_raised_how_often_and_where():
    bad = rules()
    bad[0] = broken(bad[0], None)
    log = new_log(bad)
    step = log.engine.step(batch(RECORDS, log.identifiers), log.profiles)
    assert set(step.raised) == {bad[0].id}
    raised = step.raised[bad[0].id]
    assert raised.alerts == sum(alert.source.id == bad[0].id for alert in step.alerts) > 0
    assert isinstance(raised.error, TypeError)
    assert not log.engine.step(batch(RECORDS[:1], log.identifiers), log.profiles).raised


def test_an_obligation_that_raises_keeps_its_duty_where_that_can_be_told():
    deadline = Deadline(15, "calendar", "a law")
    sound = replace(rules()[2], kind="obligation", deadline=deadline)
    expected, found = new_log([sound]).feed(RECORDS), new_log([broken(sound, None)]).feed(RECORDS)
    assert found.alerts
    assert all(RULE_RAISED in alert.marks for alert in found.alerts)
    assert [alert.duty for alert in found.alerts] == [alert.duty for alert in expected.alerts]
    assert None not in [alert.duty for alert in found.alerts]
