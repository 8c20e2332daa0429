"""Alerts of one subject join its open case; without one they open a case that names the former.

- ``new`` joins the open case of its subject, or opens a case.
- ``quiet`` (a repeat within the rule's quiet period) joins likewise. Where the subject's last case is closed
  and already holds an alert of the same rule, the repeat is recorded there and opens no case: that pattern was
  decided, and to raise it again at once is what the quiet period prevents. It shows as "+n after closing".
- ``shadow`` and ``suppressed`` are stored and never make or join a case.

An alert that joins is never hidden: it wakes a snoozed case, and it sends a case that waits for
approval back to review, because what was proposed was proposed on other facts.

Every function here is a fold over alerts in the order of the log, so the result cannot depend on how they
were cut into commits.
"""

from dataclasses import dataclass, replace

from monitor.casework.control import HIDDEN
from monitor.casework.evidence import StoredAlert
from monitor.casework.journal import Draft, canonical_json
from monitor.casework.learned import UNTRAINED, LearnedOrder
from monitor.casework.lifecycle import ALERT_MOVES
from monitor.casework.policy import CaseworkPolicy, due_at_us
from monitor.casework.priority import novelty, risk, strength
from monitor.casework.typologies import agreement, named
from monitor.domain.alert import Alert
from monitor.domain.case import DISMISSALS, MONITOR, Case, case_id
from monitor.domain.vocabulary import RISK_RATINGS, SEVERITIES

NAMES_KEPT_MAX = 64
"""Rules and typologies that a case lists; further ones join without being listed."""


@dataclass(frozen=True, slots=True)
class Joined:
    """The case after the alert, whether the alert opened it, and the journal entry."""

    case: Case
    is_opened: bool
    draft: Draft


def join_alert(
    latest: Case | None, stored: StoredAlert, policy: CaseworkPolicy, order: LearnedOrder = UNTRAINED
) -> Joined:
    """Fold one alert, new or quiet, into the latest case of its subject (``None``: it has none).

    ``order`` is what decisions have taught so far.

    Raises:
        ValueError: The alert is in shadow or suppressed.
    """
    alert = stored.alert
    if alert.status in HIDDEN:
        raise ValueError(f"alert {alert.alert_id} is a {alert.status} alert and joins no case")
    if latest is not None and latest.is_open:
        case = lifted(_added(latest, alert, policy), order)
        return Joined(case, False, _draft("alert_joined", latest, case, stored))
    if latest is not None and alert.status == "quiet" and alert.source.id in latest.rules:
        case = replace(latest, alerts_after_closing=latest.alerts_after_closing + 1)
        return Joined(case, False, _draft("alert_after_closing", latest, case, stored))
    case = lifted(_opened(latest, alert, policy), order)
    return Joined(case, True, _draft("opened", latest, case, stored))


def hidden_draft(stored: StoredAlert, chain: str) -> Draft:
    """The entry that fixes the evidence of an alert in shadow or suppressed, in a chain of the run."""
    alert = stored.alert
    return Draft(chain, alert.judged_at_us, MONITOR, f"{alert.status}_alert", canonical_json(_alert_facts(stored)))


def scored(case: Case) -> Case:
    """The case with risk and novelty brought up to date with its facts."""
    return replace(
        case,
        risk=risk(case.strength, len(case.rules), case.risk_rating, agreement(case.typology), case.lift),
        novelty=_novelty(case, case.alert_count, case.typologies),
    )


def lifted(case: Case, order: LearnedOrder) -> Case:
    """The case with the risk that a learned order gives it; the untrained one takes a lift away."""
    lift = order.lift(case)
    return case if lift is None and case.lift is None else scored(replace(case, lift=lift))


def _novelty(case: Case, alert_count: int, typologies: tuple[str, ...]) -> float:
    return novelty(
        alert_count=alert_count,
        alerts_seen=case.alerts_seen,
        typologies=typologies,
        typologies_seen=case.typologies_seen,
        dismissed_cases=case.dismissed_cases,
        dismissed_typologies=case.dismissed_typologies,
    )


def seen(case: Case) -> Case:
    """The case after someone has looked at all that is in it."""
    return scored(replace(case, alerts_seen=case.alert_count, typologies_seen=case.typologies))


def _opened(former: Case | None, alert: Alert, policy: CaseworkPolicy) -> Case:
    dismissed = former is not None and former.state in DISMISSALS
    dismissed_cases = former.dismissed_cases + 1 if former and dismissed else 0
    dismissed_typologies = _with(former.dismissed_typologies, *former.typologies) if former and dismissed else ()
    strong = strength(alert.severity, alert.score)
    return Case(
        case_id=case_id(alert.subject, alert.alert_id),
        subject=alert.subject,
        state="open",
        opened_at_us=alert.judged_at_us,
        last_alert_at_us=alert.judged_at_us,
        due_at_us=due_at_us(alert.judged_at_us, alert.severity, policy),
        first_alert_id=alert.alert_id,
        headline=alert.text,
        severity=alert.severity,
        strength=strong,
        risk=risk(strong, 1, alert.customer_risk_rating),
        novelty=novelty(
            alert_count=1,
            alerts_seen=0,
            typologies=(alert.typology,),
            typologies_seen=(),
            dismissed_cases=dismissed_cases,
            dismissed_typologies=dismissed_typologies,
        ),
        rules=(alert.source.id,),
        typologies=(alert.typology,),
        alert_count=1,
        quiet_count=int(alert.status == "quiet"),
        amount_minor=alert.amount_minor,
        currency=alert.currency,
        amounts={alert.currency: alert.amount_minor},
        segment=alert.customer_segment,
        risk_rating=alert.customer_risk_rating,
        booking_entity=alert.booking_entity,
        jurisdiction=alert.jurisdiction,
        former_case_id=former.case_id if former else None,
        dismissed_cases=dismissed_cases,
        dismissed_typologies=dismissed_typologies,
        marks=alert.marks,
        typology=named(policy.groups, (alert.source.id,)),
    )


def _added(case: Case, alert: Alert, policy: CaseworkPolicy) -> Case:
    strong = strength(alert.severity, alert.score)
    strongest = max(strong, case.strength)
    rules, typologies = _with(case.rules, alert.source.id), _with(case.typologies, alert.typology)
    typology = case.typology if rules == case.rules else named(policy.groups, rules)
    rating = _rating(case.risk_rating, alert.customer_risk_rating)
    amounts = case.amounts | {alert.currency: max(alert.amount_minor, case.amounts.get(alert.currency, 0))}
    state = ALERT_MOVES.get(case.state, case.state)
    return replace(
        case,
        state="open" if state == "assigned" and case.assignee is None else state,
        proposal=None,
        snoozed_until_us=None,
        last_alert_at_us=max(case.last_alert_at_us, alert.judged_at_us),
        due_at_us=min(case.due_at_us, due_at_us(alert.judged_at_us, alert.severity, policy)),
        headline=alert.text if strong >= case.strength else case.headline,
        severity=_greatest(SEVERITIES, case.severity, alert.severity),
        strength=strongest,
        risk=risk(strongest, len(rules), rating, agreement(typology)),
        novelty=_novelty(case, case.alert_count + 1, typologies),
        rules=rules,
        typologies=typologies,
        alert_count=case.alert_count + 1,
        quiet_count=case.quiet_count + int(alert.status == "quiet"),
        amount_minor=amounts[case.currency],
        amounts=amounts,
        segment=alert.customer_segment or case.segment,
        risk_rating=rating,
        booking_entity=case.booking_entity or alert.booking_entity,
        jurisdiction=case.jurisdiction or alert.jurisdiction,
        marks=_with(case.marks, *alert.marks),
        typology=typology,
    )


def _with(names: tuple[str, ...], *more: str) -> tuple[str, ...]:
    new = [name for name in dict.fromkeys(more) if name not in names]
    return (*names, *new)[:NAMES_KEPT_MAX] if new else names


def _greatest(order: tuple[str, ...], left: str, right: str) -> str:
    return max(left, right, key=order.index)


def _rating(known: str | None, newer: str | None) -> str | None:
    """The graver of two ratings: a case keeps the rating under which it was most serious."""
    if known is None or newer is None:
        return newer or known
    return _greatest(RISK_RATINGS, known, newer)


def _alert_facts(stored: StoredAlert) -> dict[str, object]:
    alert = stored.alert
    return {
        "alert": alert.alert_id,
        "evidence_sha256": stored.evidence_digest,
        "rule": alert.source.id,
        "severity": alert.severity,
        "status": alert.status,
    }


def _draft(action: str, before: Case | None, after: Case, stored: StoredAlert) -> Draft:
    facts = _alert_facts(stored) | {
        "state": after.state,
        "risk": after.risk,
        "novelty": after.novelty,
        "due_at_us": after.due_at_us,
        "alerts": after.alert_count + after.alerts_after_closing,
    }
    if after.lift is not None:
        facts["lift"] = after.lift
    if action == "opened":
        facts |= {"subject": [after.subject.kind, after.subject.token], "former_case": after.former_case_id}
    elif before is not None and before.state != after.state:
        facts["state_before"] = before.state
    if after.typology is not None and (before is None or before.typology != after.typology or action == "opened"):
        facts |= {"typology": after.typology.name, "typology_score": after.typology.score}
    return Draft(after.case_id, stored.alert.judged_at_us, MONITOR, action, canonical_json(facts))
