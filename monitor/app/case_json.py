"""Cases as JSON objects for other programs. Fields are added, never renamed."""

import json
from collections.abc import Callable
from typing import Any

from monitor.adapters.sql.desk import CaseFile
from monitor.casework.journal import Entry
from monitor.casework.priority import priority, reasons, urgency
from monitor.domain.case import Case
from monitor.domain.money import format_amount
from monitor.domain.time import format_time

Json = dict[str, Any]
Resolve = Callable[[str], str]
"""From a token in hex to what a person may read."""


def case_json(case: Case, *, now_us: int, resolve: Resolve, new_alerts: int | None = None) -> Json:
    """One case with its priority as of ``now_us``."""
    body: Json = {
        "case_id": case.case_id,
        "state": case.state,
        "subject": {"kind": case.subject.kind, "id": resolve(case.subject.token), "token": case.subject.token},
        "priority": round(priority(case, now_us), 6),
        "risk": case.risk,
        "lift": case.lift,
        "urgency": round(urgency(case.opened_at_us, case.due_at_us, now_us), 6),
        "novelty": case.novelty,
        "reasons": reasons(case, now_us),
        "headline": case.headline,
        "severity": case.severity,
        "typologies": list(case.typologies),
        "typology": _typology(case),
        "rules": list(case.rules),
        "alerts": case.alert_count,
        "alerts_quiet": case.quiet_count,
        "alerts_after_closing": case.alerts_after_closing,
        "amounts": {currency: format_amount(amount, currency) for currency, amount in case.amounts.items()},
        "segment": case.segment,
        "risk_rating": case.risk_rating,
        "booking_entity": case.booking_entity,
        "jurisdiction": case.jurisdiction,
        "opened_at": format_time(case.opened_at_us),
        "last_alert_at": format_time(case.last_alert_at_us),
        "due_at": format_time(case.due_at_us),
        "is_overdue": case.is_open and now_us >= case.due_at_us,
        "assignee": case.assignee,
        "need_to_know": case.need_to_know,
        "former_case": case.former_case_id,
        "outcome": case.outcome,
        "closed_at": _time(case.closed_at_us),
        "snoozed_until": _time(case.snoozed_until_us),
        "reopened": case.reopened_count,
        "marks": list(case.marks),
    }
    if case.proposal is not None:
        proposal = case.proposal
        body["proposal"] = {"outcome": proposal.outcome, "reason": proposal.reason, "by": proposal.by}
        body["proposal"]["at"] = format_time(proposal.at_us)
    if new_alerts is not None:
        body["alerts_new"] = new_alerts
    return body


def file_json(file: CaseFile, *, now_us: int, resolve: Resolve) -> Json:
    """The whole case: alerts with evidence, notes, journal."""
    body = case_json(file.case, now_us=now_us, resolve=resolve, new_alerts=file.new_alerts)
    body["alerts_list"] = [{"is_new": alert.is_new, **alert.evidence} for alert in file.alerts]
    body["notes"] = [{"at": format_time(note.at_us), "author": note.author, "text": note.text} for note in file.notes]
    body["journal"] = [entry_json(entry) for entry in file.journal]
    body["other_cases"] = [{"case_id": other.case_id, "state": other.state} for other in file.other_cases]
    return body


def entry_json(entry: Entry) -> Json:
    """One journal entry, payload opened."""
    return {
        "chain": entry.chain,
        "seq": entry.seq,
        "at": format_time(entry.at_us),
        "recorded_at": format_time(entry.recorded_at_us),
        "actor": entry.actor,
        "action": entry.action,
        "payload": json.loads(entry.payload),
        "hash": entry.hash,
        "root": entry.root,
    }


def _typology(case: Case) -> Json | None:
    typology = case.typology
    if typology is None:
        return None
    rules = [{"rule": rule, "gave": gave} for rule, gave in typology.parts]
    return {"name": typology.name, "score": typology.score, "rules": rules}


def _time(time_us: int | None) -> str | None:
    return None if time_us is None else format_time(time_us)
