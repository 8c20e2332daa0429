"""Cases: the queue with its filters, one case, notes, moves, journal."""

from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Response

from monitor.adapters.sql.api_keys import API_CHAIN, Caller
from monitor.adapters.sql.checklists import ticks_of
from monitor.adapters.sql.desk import CaseFile, CaseUnknown, add_note, find_case_id, look, move
from monitor.adapters.sql.people import journal_look
from monitor.adapters.sql.queue import PLACED_ORDERS, QueueFilter, list_cases, place_of
from monitor.adapters.sql.repeats import Answer
from monitor.adapters.sql.store import CaseStore
from monitor.app.case_json import Json, case_json, entry_json, file_json
from monitor.casework.access import WORK, may
from monitor.casework.checklists import holds, items_of
from monitor.casework.lifecycle import MOVES
from monitor.casework.lifecycle import Request as Move
from monitor.casework.scopes import READ, WORKING, scope_of
from monitor.domain.case import CASE_STATES
from monitor.domain.time import HOUR_US, format_time, parse_time_us
from monitor.domain.vocabulary import SEVERITIES
from monitor.web.api import cursors
from monitor.web.api.bodies import (
    ID_MAX,
    Alerts,
    CaseAfter,
    CasePage,
    CaseWhole,
    Journal,
    MoveGiven,
    Noted,
    NoteGiven,
)
from monitor.web.api.key import Here, caller, let_in, with_scope
from monitor.web.api.repeating import Repeat, answered_once
from monitor.web.desk import Desk, actor, check_worker, sees, wall_of
from monitor.web.shown import moves_of

router = APIRouter(tags=["cases"])
LIMIT_MAX = 200
CaseId = Annotated[
    str, Path(max_length=ID_MAX, description="A case id, or its first characters: at least four behind C-.")
]
if TYPE_CHECKING:
    MoveName = str
else:
    MoveName = Literal[tuple(MOVES)]
Reader = Annotated[Caller, Depends(with_scope(READ))]


def _mover(desk: Here, who: Annotated[Caller, Depends(caller)], name: MoveName) -> Caller:
    """Lets in keys with the scope that a move asks for."""
    return let_in(desk, who, scope_of(name))


@router.get("/cases", response_model=CasePage)
def cases(
    desk: Here,
    who: Reader,
    state: Annotated[list[Literal[CASE_STATES]] | None, Query(max_length=20)] = None,  # type: ignore[valid-type]
    closed: bool = False,
    assignee: Annotated[str | None, Query(max_length=ID_MAX)] = None,
    unassigned: bool = False,
    overdue: bool = False,
    due_within_hours: Annotated[int | None, Query(ge=0, le=100_000)] = None,
    severity: Literal[SEVERITIES] | None = None,  # type: ignore[valid-type]
    typology: Annotated[str | None, Query(max_length=ID_MAX)] = None,
    rule: Annotated[str | None, Query(max_length=ID_MAX)] = None,
    q: Annotated[str | None, Query(max_length=200, description="Words of headline, typology or rules.")] = None,
    order: Literal[PLACED_ORDERS] = "priority",  # type: ignore[valid-type]
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = 50,
    cursor: Annotated[str | None, Query(max_length=cursors.CURSOR_MAX)] = None,
) -> Any:
    """The queue, page by page. Without `state` and `closed`: all open cases but those that sleep.

    Who follows `next_cursor` sees each case that stays as it is exactly once, whatever is decided meanwhile.
    """
    wanted = QueueFilter(
        states=state, closed=closed, assignee=assignee, unassigned=unassigned, overdue=overdue,
        due_within_us=None if due_within_hours is None else due_within_hours * HOUR_US, severity=severity,
        typology=typology, rule=rule, text=q, wall=wall_of(who.person),
    )  # fmt: skip
    asked = cursors.Asked(order, sha256(repr(wanted).encode()).hexdigest()[:16])
    behind = None if cursor is None else cursors.read(cursor, asked)
    now_us = desk.now_us() if behind is None else behind.now_us
    with desk.store.reading() as connection:
        rows = list_cases(
            connection, wanted, now_us=now_us, viewer=who.person.name, order=order, limit=limit + 1,
            after=None if behind is None else behind.place,
        )  # fmt: skip
    shown = rows[:limit]
    journal_look(desk.store, who.person, what="queue_viewed", now_us=desk.wall_us(), chain=API_CHAIN,
                 key=who.key.key_id, cases=len(shown))  # fmt: skip
    following = None
    if len(rows) > limit:
        place = place_of(shown[-1], order)
        following = cursors.written(
            cursors.Cursor(order, asked.filters, now_us, float(place.key), place.due_at_us, place.case_id)
        )
    bodies = [case_json(row.case, now_us=now_us, resolve=desk.resolve, new_alerts=row.new_alerts) for row in shown]
    return {"cases": bodies, "next_cursor": following, "as_of": format_time(now_us)}


@router.get("/cases/{case_id}", response_model=CaseWhole)
def case(desk: Here, who: Reader, case_id: CaseId) -> Any:
    """The whole case. The look is journalled; for who works on cases its alerts count as seen from then on."""
    file = _looked(desk, who, case_id, mark=may(who.person.role, WORK))
    return _whole(desk, who, file)


@router.get("/cases/{case_id}/alerts", response_model=Alerts)
def alerts(desk: Here, who: Reader, case_id: CaseId) -> Any:
    """The alerts of a case with their evidence. They do not count as seen by this."""
    return {"alerts": _alerts(desk, _looked(desk, who, case_id, mark=False))}


@router.get("/cases/{case_id}/journal", response_model=Journal)
def journal(desk: Here, who: Reader, case_id: CaseId) -> Any:
    """What happened to a case, entry by entry, with the hashes of its chain."""
    file = _looked(desk, who, case_id, mark=False)
    there = {file.case.case_id, *(other.case_id for other in file.other_cases)}
    return {"entries": [_entry(desk, who, there, entry_json(entry)) for entry in file.journal]}


@router.post("/cases/{case_id}/notes", status_code=201, response_model=Noted)
def add(
    desk: Here, who: Annotated[Caller, Depends(with_scope(WORKING))], case_id: CaseId, given: NoteGiven, repeat: Repeat
) -> Response:
    """Add a note."""
    now_us = desk.now_us()

    def act(store: CaseStore) -> Answer:
        written = Move("note", actor(who.person), now_us, note=given.text)
        after = add_note(store, case_id, written, recorded_at_us=desk.wall_us(), sees=sees(who.person))
        return Answer(201, {"case_id": after.case_id, "at": format_time(now_us)})

    return answered_once(desk, who, repeat, act, case_id=case_id)


@router.post("/cases/{case_id}/moves/{name}", response_model=CaseAfter)
def make_move(
    desk: Here,
    who: Annotated[Caller, Depends(_mover)],
    case_id: CaseId,
    name: MoveName,
    given: MoveGiven,
    repeat: Repeat,
) -> Response:
    """Make a move of the life cycle: assign, snooze, close, approve and so on.

    What the checklist of the case asks for is ticked before, or together with it (`checked`).
    A `close` that needs a second person becomes a proposal; another person approves it. Whoever closes, proposes or
    approves has read the case after its newest alert.
    """
    now_us = desk.now_us()
    until_us = None if given.until is None else parse_time_us(given.until)
    asked = Move(
        name, actor(who.person), now_us, note=given.note, reason=given.reason, outcome=given.outcome,
        assignee=given.assignee, until_us=until_us, duplicate_of=given.duplicate_of,
    )  # fmt: skip

    def act(store: CaseStore) -> Answer:
        if given.assignee is not None:
            check_worker(store, given.assignee)
        after = move(store, case_id, asked, recorded_at_us=desk.wall_us(), sees=sees(who.person),
                     version=given.version, checked=given.checked)  # fmt: skip
        is_there = sees(who.person)(after)
        body = _summary(case_json(after, now_us=now_us, resolve=desk.resolve)) if is_there else None
        return Answer(200, {"case_id": after.case_id, "case": body})

    return answered_once(desk, who, repeat, act, case_id=case_id)


def _looked(desk: Desk, who: Caller, case_id: str, *, mark: bool) -> CaseFile:
    return look(
        desk.store, case_id, viewer=who.person.name, at_us=desk.now_us(), recorded_at_us=desk.wall_us(),
        chain=API_CHAIN, mark=mark, sees=sees(who.person),
    )  # fmt: skip


def _whole(desk: Desk, who: Caller, file: CaseFile) -> Json:
    body = file_json(file, now_us=desk.now_us(), resolve=desk.resolve)
    there = {other.case_id for other in file.other_cases}
    moves = moves_of(file.case, who.person.role) if may(who.person.role, WORK) else []
    former = file.case.former_case_id if file.case.former_case_id in there else None
    return body | {
        "version": file.version, "checklist": _checklist(desk, file), "former_case": former,
        "alerts_list": _alerts(desk, file), "moves": moves,
    }  # fmt: skip


def _checklist(desk: Desk, file: CaseFile) -> list[Json]:
    """The items of the checklist of a case, and who has ticked them."""
    with desk.store.reading() as connection:
        ticks = ticks_of(connection, file.case.case_id)
    return [
        {"item": each.item, "text": each.words["en"], "outcomes": sorted(each.outcomes),
         "checked_by": done.by if (done := ticks.get(each.item)) is not None and holds(done, file.case) else None}
        for each in items_of(file.case, desk.store.policy.checklists)
    ]  # fmt: skip


def _summary(body: Json) -> Json:
    """A case without its former one, which may not be there for the reader."""
    return {name: value for name, value in body.items() if name != "former_case"}


def _alerts(desk: Desk, file: CaseFile) -> list[Json]:
    """The alerts with whom they are about; the evidence names them by token."""
    found = []
    for alert in file.alerts:
        subject = alert.evidence["subject"]
        told = {"kind": subject["kind"], "id": desk.resolve(subject["id"]), "token": subject["id"]}
        found.append(alert.evidence | {"subject": told, "is_new": alert.is_new})
    return found


def _entry(desk: Desk, who: Caller, there: set[str], entry: Json) -> Json:
    """An entry without the ids of cases that are not there for the reader."""
    payload = dict(entry["payload"])
    for name in ("former_case", "duplicate_of"):
        named = payload.get(name)
        if named is not None and named not in there and not _is_there(desk, who, named):
            del payload[name]
    return entry | {"payload": payload, "payload_is_cut": payload != entry["payload"]}


def _is_there(desk: Desk, who: Caller, case_id: str) -> bool:
    try:
        with desk.store.reading() as connection:
            find_case_id(connection, case_id, sees(who.person))
    except CaseUnknown:
        return False
    return True
