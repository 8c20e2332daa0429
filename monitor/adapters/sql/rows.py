"""Between the dataclasses of the core and the rows of the tables."""

from operator import attrgetter
from typing import Any

import msgspec
from sqlalchemy import Row

from monitor.casework.evidence import StoredAlert
from monitor.casework.journal import Entry, Root, canonical_json
from monitor.casework.obligations import obligation_of
from monitor.casework.position import RunPosition
from monitor.domain.alert import Subject
from monitor.domain.case import Case, CaseTypology, Proposal
from monitor.domain.obligation import Obligation

Values = dict[str, Any]
RowValues = tuple[Any, ...]

_LISTS = ("rules", "typologies", "dismissed_typologies", "typologies_seen", "marks")
_STAYING = ("former_case_id", "first_alert_id", "opened_at_us")
_MOVING = (
    "state", "is_open", "need_to_know", "last_alert_at_us", "due_at_us",
    "headline", "severity", "strength", "risk", "novelty", "alert_count",
    "quiet_count", "amount_minor", "currency", "segment", "risk_rating", "booking_entity", "jurisdiction",
    "dismissed_cases", "alerts_seen", "assignee", "snoozed_until_us", "outcome", "closed_at_us",
    "reopened_count", "alerts_after_closing", "lift",
)  # fmt: skip
_PLAIN = tuple(name for name in ("case_id", *_STAYING, *_MOVING) if name != "is_open")
CASE_CHANGES = (*_MOVING, "amounts", *_LISTS, "proposal", "typology")
"""The columns of a case that can change, in the order of :func:`case_changes`."""
CASE_COLUMNS = ("case_id", "subject_kind", "subject_token", *_STAYING, *CASE_CHANGES, "is_latest", "recorded_at_us")
"""All columns of a case, in the order of :func:`case_row`."""
ALERT_COLUMNS = (
    "alert_id", "run", "position", "event_time_us", "judged_at_us", "leg_role", "subject_kind", "subject_token",
    "source_kind", "source_id", "source_version", "source_digest", "title", "typology", "severity", "score", "status",
    "text", "amount_minor", "currency", "transactions_total", "rulebook_digest", "evidence", "evidence_sha256",
    "recorded_at_us",
)  # fmt: skip
"""The columns of an alert, in the order of :func:`alert_row`."""
OBLIGATION_JSON = frozenset({"measures", "transactions", "codes", "inputs", "marks"})
"""The columns of an obligation that hold canonical JSON."""
ENTRY_COLUMNS = tuple(Entry.__slots__)
"""The columns of a journal entry, in the order of :func:`entry_row`."""

_moving = attrgetter(*_MOVING)
_lists = attrgetter(*_LISTS)
_decoded = msgspec.json.Decoder().decode
entry_row = attrgetter(*ENTRY_COLUMNS)


def case_changes(case: Case) -> RowValues:
    """The values of :data:`CASE_CHANGES`."""
    proposal = case.proposal
    return (
        *_moving(case),
        canonical_json(case.amounts),
        *[canonical_json(names) if names else "[]" for names in _lists(case)],
        canonical_json({name: getattr(proposal, name) for name in Proposal.__slots__}) if proposal else None,
        _typology_text(case.typology),
    )


def _typology_text(typology: CaseTypology | None) -> str | None:
    if typology is None:
        return None
    return canonical_json({"name": typology.name, "score": typology.score, "parts": [list(p) for p in typology.parts]})


def _typology_of(text: str | None) -> CaseTypology | None:
    if text is None:
        return None
    stored = _decoded(text)
    return CaseTypology(stored["name"], stored["score"], tuple((rule, gave) for rule, gave in stored["parts"]))


def case_row(case: Case, *, recorded_at_us: int) -> RowValues:
    """The values of :data:`CASE_COLUMNS` of a case that opens."""
    subject = case.subject
    fixed = (case.case_id, subject.kind, subject.token, case.former_case_id, case.first_alert_id, case.opened_at_us)
    return (*fixed, *case_changes(case), True, recorded_at_us)


def case_of(row: Row[Any]) -> Case:
    """The case of a row of ``cases``."""
    stored = row._mapping
    values: Values = {name: stored[name] for name in _PLAIN}
    for name in _LISTS:
        text = stored[name]
        values[name] = () if text == "[]" else tuple(_decoded(text))
    proposal = stored["proposal"]
    return Case(
        subject=Subject(stored["subject_kind"], stored["subject_token"]),
        amounts=_decoded(stored["amounts"]),
        proposal=Proposal(**_decoded(proposal)) if proposal else None,
        typology=_typology_of(stored["typology"]),
        **values,
    )


def alert_row(stored: StoredAlert, *, run: str, recorded_at_us: int) -> RowValues:
    """The values of :data:`ALERT_COLUMNS`."""
    alert, subject, source = stored.alert, stored.alert.subject, stored.alert.source
    return (
        alert.alert_id, run, alert.position, alert.event_time_us, alert.judged_at_us, alert.leg_role,
        subject.kind, subject.token, source.kind, source.id, source.version, source.digest,
        alert.title, alert.typology, alert.severity, alert.score, alert.status, alert.text,
        alert.amount_minor, alert.currency, alert.transactions_total, alert.rulebook_digest,
        stored.evidence, stored.evidence_digest, recorded_at_us,
    )  # fmt: skip


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
        details=msgspec.json.decode(row.details),
    )


def obligation_columns(row: Row[Any]) -> Values:
    """The columns of an obligation as plain values."""
    return {name: _decoded(value) if name in OBLIGATION_JSON else value for name, value in row._mapping.items()}


def obligation_row(row: Row[Any]) -> Obligation:
    """The obligation of a row."""
    columns = obligation_columns(row)
    return obligation_of(columns, columns["transactions"])
