"""Between the dataclasses of the core and the rows of the tables."""

import json
from typing import Any

from sqlalchemy import Row

from monitor.casework.evidence import StoredAlert
from monitor.casework.journal import Entry, Root, canonical_json
from monitor.casework.position import RunPosition
from monitor.domain.alert import Subject
from monitor.domain.case import Case, Proposal

Values = dict[str, Any]

_LISTS = ("rules", "typologies", "dismissed_typologies", "typologies_seen", "marks")
_PLAIN = (
    "case_id", "state", "is_open", "need_to_know", "opened_at_us", "last_alert_at_us", "due_at_us",
    "first_alert_id", "former_case_id", "headline", "severity", "strength", "risk", "novelty", "alert_count",
    "quiet_count", "amount_minor", "currency", "segment", "risk_rating", "booking_entity", "jurisdiction",
    "dismissed_cases", "alerts_seen", "assignee", "snoozed_until_us", "outcome", "closed_at_us",
    "reopened_count", "alerts_after_closing",
)  # fmt: skip


def case_values(case: Case) -> Values:
    """The columns of a case but ``is_latest`` and ``recorded_at_us``."""
    values: Values = {name: getattr(case, name) for name in _PLAIN}
    values["subject_kind"] = case.subject.kind
    values["subject_token"] = case.subject.token
    values["amounts"] = canonical_json(case.amounts)
    for name in _LISTS:
        values[name] = canonical_json(getattr(case, name))
    proposal = case.proposal
    values["proposal"] = (
        canonical_json({name: getattr(proposal, name) for name in Proposal.__slots__}) if proposal else None
    )
    return values


def case_of(row: Row[Any]) -> Case:
    """The case of a row of ``cases``."""
    values: Values = {name: getattr(row, name) for name in _PLAIN if name != "is_open"}
    for name in _LISTS:
        values[name] = tuple(json.loads(getattr(row, name)))
    return Case(
        subject=Subject(row.subject_kind, row.subject_token),
        amounts=json.loads(row.amounts),
        proposal=Proposal(**json.loads(row.proposal)) if row.proposal else None,
        **values,
    )


def alert_values(stored: StoredAlert, *, run: str, recorded_at_us: int) -> Values:
    """The columns of an alert."""
    alert = stored.alert
    return {
        "alert_id": alert.alert_id,
        "run": run,
        "position": alert.position,
        "event_time_us": alert.event_time_us,
        "judged_at_us": alert.judged_at_us,
        "leg_role": alert.leg_role,
        "subject_kind": alert.subject.kind,
        "subject_token": alert.subject.token,
        "source_kind": alert.source.kind,
        "source_id": alert.source.id,
        "source_version": alert.source.version,
        "source_digest": alert.source.digest,
        "title": alert.title,
        "typology": alert.typology,
        "severity": alert.severity,
        "score": alert.score,
        "status": alert.status,
        "text": alert.text,
        "amount_minor": alert.amount_minor,
        "currency": alert.currency,
        "transactions_total": alert.transactions_total,
        "rulebook_digest": alert.rulebook_digest,
        "evidence": stored.evidence,
        "evidence_sha256": stored.evidence_digest,
        "recorded_at_us": recorded_at_us,
    }


def entry_values(entry: Entry) -> Values:
    """The columns of a journal entry."""
    return {name: getattr(entry, name) for name in Entry.__slots__}


def entry_of(row: Row[Any]) -> Entry:
    """The journal entry of a row."""
    return Entry(**{name: getattr(row, name) for name in Entry.__slots__})


def root_of(row: Row[Any]) -> Root:
    """The root of a row."""
    return Root(**{name: getattr(row, name) for name in Root.__slots__})


def position_values(position: RunPosition, *, recorded_at_us: int) -> Values:
    """The columns of a run's position."""
    plain = ("run", "file", "offset", "log_position", "clock_us", "snapshot", "finished")
    values: Values = {name: getattr(position, name) for name in plain}
    return values | {"details": canonical_json(dict(position.details)), "recorded_at_us": recorded_at_us}


def position_of(row: Row[Any]) -> RunPosition:
    """The position of a row."""
    return RunPosition(
        run=row.run,
        file=row.file,
        offset=row.offset,
        log_position=row.log_position,
        clock_us=row.clock_us,
        snapshot=row.snapshot,
        finished=row.finished,
        details=json.loads(row.details),
    )
