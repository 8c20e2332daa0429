"""A back-test as one JSON object, for other programs. Identifiers are the source's own."""

from typing import Any

from monitor.app.backtest.comparison import Delta, LostAlert, summary
from monitor.app.backtest.match import CLASSES, Raised
from monitor.app.backtest.replay import Replay
from monitor.casework.intervals import Share, wilson
from monitor.domain.time import DAY_US, format_time

CUSTOMERS_SHOWN_MAX = 100


def replay_json(made: Replay) -> dict[str, Any]:
    """Everything that was found."""
    found = made.comparison
    return {
        "history": made.history,
        "changes": list(made.changes),
        "notes": list(made.notes),
        "payments": made.payments,
        "from": format_time(made.first_us),
        "to": format_time(made.last_us),
        "rulebook_before": made.digest_before,
        "rulebook_after": made.digest_after,
        "summary": summary(found, days=made.days, overrides=made.overrides),
        "blocked": made.is_blocked,
        "unchanged": found.is_unchanged,
        "totals": _delta(found.totals),
        "matched_by": found.how,
        "by_rule": [_delta(each) for each in found.by_rule],
        "by_segment": [_delta(each) for each in found.by_segment],
        "by_customer": [
            _delta(each) | {"name": made.subject(each.name)}
            for each in found.by_customer[:CUSTOMERS_SHOWN_MAX]
            if each.new or each.lost
        ],
        "classes": {
            rule or "all": {kind: {"before": counts[kind][0], "after": counts[kind][1]} for kind in CLASSES}
            for rule, counts in found.classes.items()
        },
        "undecided": {rule: {"before": one, "after": other} for rule, (one, other) in made.undecided.items()},
        "per_day": [
            {"day": format_time(day * DAY_US)[:10], "before": one, "after": other} for day, one, other in found.per_day
        ],
        "decided_alerts": found.decided,
        "against_decisions": [
            {
                "rule": each.rule or "all",
                "precision_before": share_json(each.precision_before),
                "precision_after": share_json(each.precision_after),
                "recall_before": share_json(each.recall_before),
                "recall_after": share_json(each.recall_after),
            }
            for each in found.worth
        ],
        "reported_cases": {"before": share_json(found.cases_before), "after": share_json(found.cases_after)},
        "lost": [_lost(each, made) for each in found.lost],
        "new": [_alert(each, made) for each in found.new],
        "blocking": [_lost(each, made) for each in found.blocking],
        "overrides": [{"by": each.by, "record": each.record} for each in made.overrides],
        "recorded_alerts_reproduced": share_json(found.recorded) if found.recorded is not None else None,
    }


def share_json(share: Share) -> dict[str, Any]:
    """A share with its parts and its 95 % interval."""
    low, high = wilson(share)
    return {
        "found": share.found, "of": share.of, "share": share.value, "low": round(low, 4), "high": round(high, 4)
    }  # fmt: skip


def _delta(delta: Delta) -> dict[str, Any]:
    return {name: getattr(delta, name) for name in Delta.__slots__}


def _alert(alert: Raised, made: Replay) -> dict[str, Any]:
    return {
        "alert_id": alert.alert_id, "rule": alert.rule, "subject": made.subject(alert.subject),
        "segment": alert.segment, "judged_at": format_time(alert.judged_at_us), "position": alert.position,
        "severity": alert.severity, "text": alert.text,
    }  # fmt: skip


def _lost(each: LostAlert, made: Replay) -> dict[str, Any]:
    case = {"case": each.decided.case_id, "case_state": each.decided.state} if each.decided else {}
    return _alert(each.alert, made) | {"reason": each.reason, "still_raised_by": list(each.still)} | case
