"""What people do with cases: look, note, move. Each act is one transaction with its journal entry.

Whoever decides must have seen what they decide on: a closing, proposal or approval is refused when alerts
joined after the actor's last look.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from monitor.adapters.sql.acts import keep_act
from monitor.adapters.sql.checklists import check_ticked, tick
from monitor.adapters.sql.commit import update_cases
from monitor.adapters.sql.conflicts import check_conflicts
from monitor.adapters.sql.learning import learn
from monitor.adapters.sql.ledger import append_entries, chain_entries
from monitor.adapters.sql.rows import case_of
from monitor.adapters.sql.schema import alerts, case_alerts, case_views, cases, notes
from monitor.adapters.sql.store import CaseStore
from monitor.casework.changes import in_words as changes_in_words
from monitor.casework.changes import since
from monitor.casework.joining import seen
from monitor.casework.journal import Draft, Entry, canonical_json
from monitor.casework.lifecycle import Decision, MoveRefused, Request, decide, note
from monitor.casework.undoing import UNDOABLE, before
from monitor.domain.case import Case

PREFIX_MIN = 4
"""Fewest characters behind ``C-`` that name a case."""
ID_CHARACTERS_MAX = 64
FITTING_MAX = 64
"""Most cases that are looked at to find the one meant."""


Sees = Callable[[Case], bool]
"""Whether who asks may see a case (:func:`monitor.casework.access.may_see`)."""


def everyone(case: Case) -> bool:
    """No wall: for those who hold the database itself."""
    return True


class CaseUnknown(Exception):
    """No case, or more than one, goes by the given id."""


@dataclass(frozen=True, slots=True)
class CaseAlert:
    """An alert of a case, in the order of joining. ``is_new``: it joined since this viewer last looked."""

    seq: int
    alert_id: str
    judged_at_us: int
    status: str
    evidence: dict[str, Any]
    is_new: bool


@dataclass(frozen=True, slots=True)
class Note:
    """A note; ``at_us`` is the time of the act."""

    at_us: int
    author: str
    text: str


@dataclass(frozen=True, slots=True)
class CaseFile:
    """All that is known of a case."""

    case: Case
    alerts: list[CaseAlert]
    notes: list[Note]
    journal: list[Entry]
    other_cases: list[Case]
    """Further cases of the subject, newest first."""
    new_alerts: int

    @property
    def version(self) -> int:
        """The number of the last entry of its chain: what a decision says that it has seen."""
        return self.journal[-1].seq if self.journal else 0


def find_case_id(connection: sa.Connection, text: str, sees: Sees = everyone) -> str:
    """The case id that ``text`` names: whole, its first characters, or the id of one of its alerts.

    Raises:
        CaseUnknown: Nothing fits that who asks may see, or several cases do.
    """
    wanted = text.strip().upper()
    if len(wanted) > ID_CHARACTERS_MAX:
        raise CaseUnknown(f"there is no case {text[:20]}...: an id has at most {ID_CHARACTERS_MAX} characters.")
    if wanted.startswith("A-"):
        query = sa.select(cases).join_from(case_alerts, cases).where(case_alerts.c.alert_id == wanted)
        found = [case for row in connection.execute(query) if sees(case := case_of(row))]
        if not found:
            raise CaseUnknown(f"no case has the alert {text}. Shadow alerts belong to no case.")
        return found[0].case_id
    prefix = wanted if wanted.startswith("C-") else "C-" + wanted
    if len(prefix) < 2 + PREFIX_MIN:
        raise CaseUnknown(f"{text!r} is too short: give at least {PREFIX_MIN} characters of the case id.")
    query = sa.select(cases).where(cases.c.case_id.startswith(prefix, autoescape=True)).order_by(cases.c.case_id)
    fitting = [case.case_id for row in connection.execute(query.limit(FITTING_MAX)) if sees(case := case_of(row))]
    if not fitting:
        raise CaseUnknown(f"there is no case {text}. 'aml cases list' shows what is open, --closed what was decided.")
    if len(fitting) > 1:
        raise CaseUnknown(f"{text} fits several cases: {', '.join(fitting[:4])}. Give more characters.")
    return fitting[0]


def look(
    store: CaseStore,
    text: str,
    *,
    viewer: str,
    at_us: int,
    recorded_at_us: int,
    chain: str,
    mark: bool = True,
    sees: Sees = everyone,
) -> CaseFile:
    """Read the whole case. The look is journalled in the access writer's ``chain``.

    With ``mark`` it counts as seen: the viewer's "+n" starts anew and the case's novelty falls. What the viewer may not
    see is not there.

    Raises:
        CaseUnknown: Nothing or more than one fits ``text``.
        StoreBusy: Another writer does not finish in time.
    """
    with store.writing() as connection:
        case = load(connection, find_case_id(connection, text, sees))
        file = _file(connection, case, viewer)
        file = replace(file, other_cases=[other for other in file.other_cases if sees(other)])
        if mark:
            _mark_seen(connection, case, viewer, at_us)
        payload = canonical_json({"case": case.case_id, "alerts": len(file.alerts), "marked": mark})
        draft = Draft(chain, at_us, viewer, "case_viewed", payload)
        append_entries(connection, [draft], recorded_at_us=recorded_at_us)
    return file


def move(
    store: CaseStore,
    text: str,
    request: Request,
    *,
    recorded_at_us: int,
    sees: Sees = everyone,
    version: int | None = None,
    checked: Sequence[str] = (),
) -> Case:
    """Make a move of the life cycle; returns the case after it.

    With ``version``, that of the page somebody decided on, it is refused when others did something since. ``checked``
    are items of the checklist that are ticked together with the decision.

    Raises:
        CaseUnknown: Nothing or more than one fits ``text``, or ``duplicate_of`` names no case.
        MoveRefused: The life cycle does not allow it, the actor has not seen all alerts or is related to the customer,
            an item of the checklist is open, or the case is no longer as it was shown.
        StoreBusy: Another writer does not finish in time.
    """
    with store.writing() as connection:
        case = load(connection, find_case_id(connection, text, sees))
        if version is not None:
            check_version(connection, case, version, request.actor.name)
        check_conflicts(connection, case, request)
        if request.duplicate_of is not None:
            request = replace(request, duplicate_of=find_case_id(connection, request.duplicate_of, sees))
        if request.move in ("close", "propose", "approve"):
            check_seen(connection, case, request.actor.name)
        if request.move == "reopen":
            _check_latest(connection, case, sees)
        decision = decide(case, request, store.policy)
        if request.move in ("close", "propose"):
            tick(connection, case, checked, request, recorded_at_us=recorded_at_us, lists=store.policy.checklists)
            check_ticked(connection, case, request.outcome or "", lists=store.policy.checklists)
        (seq,) = write_decisions(connection, [(decision, request)], recorded_at_us)
        if request.move in UNDOABLE:
            keep_act(connection, request, [before(case, seq)])
        if case.is_open and not decision.case.is_open:
            learn(connection, decision.case, at_us=request.at_us, recorded_at_us=recorded_at_us)
    return decision.case


def add_note(store: CaseStore, text: str, request: Request, *, recorded_at_us: int, sees: Sees = everyone) -> Case:
    """Add a note to a case in any state.

    Raises:
        CaseUnknown: Nothing or more than one fits ``text``.
        MoveRefused: The note is empty or too long.
        StoreBusy: Another writer does not finish in time.
    """
    with store.writing() as connection:
        case = load(connection, find_case_id(connection, text, sees))
        decision = note(case, request)
        write_decisions(connection, [(decision, request)], recorded_at_us)
    return decision.case


def load(connection: sa.Connection, case_id: str) -> Case:
    """The case with this whole id."""
    return case_of(connection.execute(sa.select(cases).where(cases.c.case_id == case_id)).one())


def write_decisions(
    connection: sa.Connection, made: Sequence[tuple[Decision, Request]], recorded_at_us: int
) -> list[int]:
    """Write cases as they are after decisions, with their entries and notes; returns each entry's number."""
    update_cases(connection, [decision.case for decision, _ in made])
    drafts = [decision.draft for decision, _ in made]
    entries = append_entries(connection, drafts, recorded_at_us=recorded_at_us)
    written = [
        {"case_id": entry.chain, "journal_seq": entry.seq, "at_us": request.at_us, "author": request.actor.name,
         "text": request.note}
        for entry, (_, request) in zip(entries, made, strict=True)
        if request.note is not None
    ]  # fmt: skip
    if written:
        connection.execute(notes.insert(), written)
    return [entry.seq for entry in entries]


def check_version(connection: sa.Connection, case: Case, version: int, name: str) -> None:
    """Raises :class:`MoveRefused` where others did something to a case since a version of it."""
    came = since(chain_entries(connection, case.case_id), version, name)
    if came:
        raise MoveRefused(
            f"case {case.case_id} has changed since your page was loaded: {changes_in_words(came)}. "
            "Nothing was done. Look at it again, then decide."
        )


def _seen_by(connection: sa.Connection, case_id: str, viewer: str) -> int:
    query = sa.select(case_views.c.alerts_seen).where(case_views.c.case_id == case_id, case_views.c.viewer == viewer)
    return connection.execute(query).scalar() or 0


def check_seen(connection: sa.Connection, case: Case, name: str) -> None:
    """Raises :class:`MoveRefused` where a case has alerts that somebody has not looked at."""
    unseen = case.alert_count + case.alerts_after_closing - _seen_by(connection, case.case_id, name)
    if unseen > 0:
        noun = "1 alert" if unseen == 1 else f"{unseen} alerts"
        raise MoveRefused(
            f"case {case.case_id}: {noun} joined that {name} has not looked at. "
            f"Look first:  aml cases show {case.case_id[:10]}"
        )


def _check_latest(connection: sa.Connection, case: Case, sees: Sees) -> None:
    if case.alert_count + case.alerts_after_closing == 0:
        raise MoveRefused(
            f"case {case.case_id} was merged into another, which has its alerts. Split them off there instead."
        )
    query = sa.select(cases.c.case_id).where(
        cases.c.is_latest,
        cases.c.subject_token == case.subject.token,
        cases.c.subject_kind == case.subject.kind,
    )
    latest = connection.execute(query).scalar_one()
    if latest != case.case_id and not sees(load(connection, latest)):
        raise MoveRefused(
            f"case {case.case_id} stays closed. If something new has come up, tell of the customer, or ask an officer."
        )
    if latest != case.case_id:
        raise MoveRefused(
            f"case {case.case_id}: its subject has a later case, {latest}, and one open case at a time. "
            "Work on that one; it names this case as former."
        )


def _mark_seen(connection: sa.Connection, case: Case, viewer: str, at_us: int) -> None:
    update_cases(connection, [seen(case)])
    of_viewer = sa.and_(case_views.c.case_id == case.case_id, case_views.c.viewer == viewer)
    connection.execute(case_views.delete().where(of_viewer))
    count = case.alert_count + case.alerts_after_closing
    values = {"case_id": case.case_id, "viewer": viewer, "alerts_seen": count, "viewed_at_us": at_us}
    connection.execute(case_views.insert(), [values])


def _file(connection: sa.Connection, case: Case, viewer: str) -> CaseFile:
    mine_seen = _seen_by(connection, case.case_id, viewer)
    joined = (
        sa.select(case_alerts.c.seq, alerts.c.alert_id, alerts.c.judged_at_us, alerts.c.status, alerts.c.evidence)
        .join_from(case_alerts, alerts)
        .where(case_alerts.c.case_id == case.case_id)
        .order_by(case_alerts.c.seq)
    )
    listed = [
        CaseAlert(
            row.seq, row.alert_id, row.judged_at_us, row.status, json.loads(row.evidence), is_new=row.seq > mine_seen
        )
        for row in connection.execute(joined)
    ]
    noted = sa.select(notes).where(notes.c.case_id == case.case_id).order_by(notes.c.journal_seq)
    others = (
        sa.select(cases)
        .where(
            cases.c.subject_token == case.subject.token,
            cases.c.subject_kind == case.subject.kind,
            cases.c.case_id != case.case_id,
        )
        .order_by(cases.c.opened_at_us.desc())
    )
    return CaseFile(
        case=case,
        alerts=listed,
        notes=[Note(row.at_us, row.author, row.text) for row in connection.execute(noted)],
        journal=chain_entries(connection, case.case_id),
        other_cases=[case_of(row) for row in connection.execute(others)],
        new_alerts=sum(alert.is_new for alert in listed),
    )
