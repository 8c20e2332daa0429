"""Handing out: *next*, *take* and *skip*, each in one transaction, so that two people never get the same case.

Writers of a store go one after the other (:mod:`monitor.adapters.sql.opening`); who comes second sees what the first
has taken.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from monitor.adapters.sql.acts import keep_act
from monitor.adapters.sql.conflicts import check_conflicts, declare
from monitor.adapters.sql.desk import Sees, find_case_id, load, write_decisions
from monitor.adapters.sql.ledger import append_entries, chain_entries
from monitor.adapters.sql.people import CHAIN, Person
from monitor.adapters.sql.queue import HandTo, QueueFilter, Wall, list_cases
from monitor.adapters.sql.schema import cases
from monitor.adapters.sql.schema_desk import case_skips
from monitor.adapters.sql.store import CaseStore
from monitor.casework.handing import SKIP_REASONS, SKIP_US, plan_of
from monitor.casework.journal import Draft, canonical_json
from monitor.casework.lifecycle import MoveRefused, Request, decide
from monitor.casework.undoing import before
from monitor.domain.case import Actor, Case
from monitor.domain.time import format_time

_OWN = ("assigned", "in_review")


@dataclass(frozen=True, slots=True)
class Handed:
    """The case that a person goes on with, or why there is none: ``nothing`` or ``limit``."""

    case: Case | None
    why: str = ""


def hand_out(
    store: CaseStore, person: Person, actor: Actor, *, now_us: int, recorded_at_us: int, wall: Wall | None
) -> Handed:
    """The most pressing case that is the person's own, or nobody's and suits them; the latter becomes theirs.

    Nobody's cases are handed out below the person's limit of open cases only, and never one that they declared a
    conflict with or skipped within :data:`~monitor.casework.handing.SKIP_US`.
    """
    plan, name = plan_of(person.settings), person.name
    to = HandTo(name, now_us - SKIP_US)
    own = QueueFilter(states=_OWN, assignee=name, hand_to=to, wall=wall)
    free = QueueFilter(states=("open",), unassigned=True, hand_to=to, any_typology=plan.skills, wall=wall)
    with store.writing() as connection:
        is_full = open_count(connection, name) >= plan.limit
        rows = [
            row
            for wanted in ((own,) if is_full else (own, free))
            for row in list_cases(connection, wanted, now_us=now_us, viewer=name, limit=1)
        ]
        if not rows:
            return Handed(None, "limit" if is_full else "nothing")
        case = max(rows, key=lambda row: row.priority).case
        if case.assignee is None:
            case = _assign(connection, case, Request("assign", actor, now_us, assignee=name), store, recorded_at_us)
    return Handed(case)


def take(store: CaseStore, text: str, actor: Actor, *, now_us: int, recorded_at_us: int, sees: Sees) -> Case:
    """Make a case one's own that is nobody's; taking what one has already changes nothing.

    Raises:
        CaseUnknown: Nothing or more than one fits.
        MoveRefused: A colleague has it, the person is related to the customer, or its state does not allow it.
    """
    with store.writing() as connection:
        case = load(connection, find_case_id(connection, text, sees))
        if case.assignee == actor.name and case.state in _OWN:
            return case
        if case.assignee is not None and case.assignee != actor.name and case.is_open:
            raise MoveRefused(
                f"case {case.case_id}: {case.assignee} has it{_since(connection, case)}. Nothing was changed. "
                "Ask them, or open the case and assign it there."
            )
        return _assign(connection, case, Request("assign", actor, now_us, assignee=actor.name), store, recorded_at_us)


def skip(
    store: CaseStore, text: str, reason: str, actor: Actor, *, now_us: int, recorded_at_us: int, sees: Sees
) -> Case:
    """Pass a case on: it goes back to the queue where it was one's own, and is not handed to one again for a while.

    With the reason ``conflict`` the person is recorded as related to the customer.

    Raises:
        CaseUnknown: Nothing or more than one fits.
        MoveRefused: There is no such reason, or the case waits for another decision.
    """
    if reason not in SKIP_REASONS:
        raise MoveRefused(f"there is no reason {reason[:40]!r} for skipping. One of: {', '.join(SKIP_REASONS)}.")
    with store.writing() as connection:
        case = load(connection, find_case_id(connection, text, sees))
        if not case.is_open or (case.assignee not in (None, actor.name)):
            raise MoveRefused(f"case {case.case_id} does not wait for {actor.name}: there is nothing to skip.")
        facts = canonical_json({"reason": reason, "role": actor.role})
        (entry,) = append_entries(
            connection, [Draft(case.case_id, now_us, actor.name, "skipped", facts)], recorded_at_us=recorded_at_us
        )
        row = {"case_id": case.case_id, "journal_seq": entry.seq, "name": actor.name, "at_us": now_us, "reason": reason}
        connection.execute(case_skips.insert(), [row])
        if case.assignee == actor.name and case.state in _OWN:
            put_back = Request("unassign", actor, now_us)
            decision = decide(case, put_back, store.policy)
            write_decisions(connection, [(decision, put_back)], recorded_at_us)
            case = decision.case
    if reason == "conflict":
        declare(
            store, actor.name, case.subject, by=actor.name, at_us=now_us, recorded_at_us=recorded_at_us, chain=CHAIN
        )
    return case


def open_count(connection: sa.Connection, name: str) -> int:
    """How many open cases a person has, those that sleep left out."""
    query = sa.select(sa.func.count()).select_from(cases)
    theirs = query.where(cases.c.is_open, cases.c.assignee == name, cases.c.state != "snoozed")
    return int(connection.execute(theirs).scalar_one())


def _assign(connection: sa.Connection, case: Case, request: Request, store: CaseStore, recorded_at_us: int) -> Case:
    check_conflicts(connection, case, request)
    decision = decide(case, request, store.policy)
    (seq,) = write_decisions(connection, [(decision, request)], recorded_at_us)
    keep_act(connection, request, [before(case, seq)])
    return decision.case


def _since(connection: sa.Connection, case: Case) -> str:
    given = [each for each in chain_entries(connection, case.case_id) if each.action in ("assign", "start")]
    return f" since {format_time(given[-1].at_us)[:16].replace('T', ' ')} UTC" if given else ""
