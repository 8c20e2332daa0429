"""Conflicts of interest: who declared to be related to which customer. Such a case is never theirs.

A declaration stands for the customer and so for all its cases, also those to come. Who declared it by mistake cannot
take it back; a supervisor does, with their name in the journal.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from monitor.adapters.sql.ledger import append_entries
from monitor.adapters.sql.schema_desk import conflicts
from monitor.adapters.sql.store import CaseStore
from monitor.casework.journal import Draft, canonical_json
from monitor.casework.lifecycle import MoveRefused, Request
from monitor.domain.alert import Subject
from monitor.domain.case import Case

_NOT_THEIRS = ("close", "propose", "approve", "reject", "start", "snooze", "return", "reopen")


@dataclass(frozen=True, slots=True)
class Conflict:
    """A declaration. ``by`` is who entered it."""

    name: str
    subject: Subject
    by: str
    at_us: int


def declare(
    store: CaseStore, name: str, subject: Subject, *, by: str, at_us: int, recorded_at_us: int, chain: str
) -> None:
    """Record that a person is related to a subject; doing so again changes nothing."""
    with store.writing() as connection:
        if is_related(connection, name, subject):
            return
        row = {"name": name, "subject_kind": subject.kind, "subject_token": subject.token, "by": by, "at_us": at_us}
        connection.execute(conflicts.insert(), [row])
        _journal(connection, "conflict_declared", name, subject, by, at_us, recorded_at_us, chain)


def withdraw(
    store: CaseStore, name: str, subject: Subject, *, by: str, at_us: int, recorded_at_us: int, chain: str
) -> None:
    """End a declaration.

    Raises:
        MoveRefused: There is none, or the person wants to end their own.
    """
    if by == name:
        raise MoveRefused(f"user {name}: nobody ends their own declaration. Ask another supervisor.")
    with store.writing() as connection:
        if not connection.execute(conflicts.delete().where(_of(name, subject))).rowcount:
            raise MoveRefused(f"user {name}: there is no such declaration. Load the page again.")
        _journal(connection, "conflict_ended", name, subject, by, at_us, recorded_at_us, chain)


def conflicts_of(connection: sa.Connection, names: Sequence[str] | None = None) -> list[Conflict]:
    """All declarations, or those of some people; by person, the oldest first."""
    query = sa.select(conflicts).order_by(conflicts.c.name, conflicts.c.at_us, conflicts.c.subject_token)
    if names is not None:
        query = query.where(conflicts.c.name.in_(names))
    return [
        Conflict(row.name, Subject(row.subject_kind, row.subject_token), row.by, row.at_us)
        for row in connection.execute(query)
    ]


def is_related(connection: sa.Connection, name: str, subject: Subject) -> bool:
    """Whether a person declared to be related to a subject."""
    return connection.execute(sa.select(conflicts.c.name).where(_of(name, subject))).first() is not None


def check_conflicts(connection: sa.Connection, case: Case, request: Request) -> None:
    """Raises :class:`MoveRefused` where the actor may not decide or get the case, or whom they give it to may not."""
    if request.move in _NOT_THEIRS and is_related(connection, request.actor.name, case.subject):
        raise MoveRefused(
            f"case {case.case_id}: {request.actor.name} declared to be related to the customer, and does not work on "
            "the case. Put it back, or give it to a colleague."
        )
    if request.move == "assign" and request.assignee and is_related(connection, request.assignee, case.subject):
        raise MoveRefused(f"case {case.case_id} cannot go to {request.assignee}. Choose another colleague.")


def _of(name: str, subject: Subject) -> sa.ColumnElement[bool]:
    return sa.and_(
        conflicts.c.name == name,
        conflicts.c.subject_kind == subject.kind,
        conflicts.c.subject_token == subject.token,
    )


def _journal(
    connection: sa.Connection, action: str, name: str, subject: Subject, by: str, at_us: int, recorded_at_us: int,
    chain: str,
) -> None:  # fmt: skip
    payload = canonical_json({"user": name, "subject": [subject.kind, subject.token]})
    append_entries(connection, [Draft(chain, at_us, by, action, payload)], recorded_at_us=recorded_at_us)
