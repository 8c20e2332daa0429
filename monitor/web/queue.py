"""The queue: cases in order, filtered, searched and handed out."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from monitor.adapters.sql.desk import CaseUnknown, find_case_id, move
from monitor.adapters.sql.people import Session, journal_look
from monitor.adapters.sql.queue import ORDERS, QueueFilter, count_cases, list_cases, queue_totals
from monitor.casework.access import CASES, USERS, WORK, may
from monitor.casework.lifecycle import Request as Move
from monitor.domain.case import CASE_STATES
from monitor.domain.time import DAY_US
from monitor.domain.vocabulary import SEVERITIES
from monitor.web.desk import Desk, actor, sees, wall_of
from monitor.web.door import InSession, genuine, with_right
from monitor.web.pages import page
from monitor.web.shown import ShownCase, shown

router = APIRouter()
ROWS = 50
"""Lines of one piece of the queue; the next is fetched when its end is in sight."""
TEXT_MAX = 200

VIEWS: dict[str, dict[str, Any]] = {
    "open": {},
    "mine": {"is_mine": True},
    "unassigned": {"unassigned": True},
    "today": {"due_within_us": DAY_US},
    "overdue": {"overdue": True},
    "approval": {"states": ("pending_approval",)},
    "snoozed": {"states": ("snoozed",)},
    "closed": {"closed": True},
}
"""The filters of the strip above the queue."""

CaseReader = Annotated[Session, Depends(with_right(CASES))]
CaseWorker = Annotated[Session, Depends(with_right(WORK))]


@router.get("/")
def home(who: InSession) -> Response:
    """Where a person works: the queue, or what their role has."""
    role = who.person.role
    place = "/queue" if may(role, CASES) else "/users" if may(role, USERS) else "/about"
    return RedirectResponse(place, status_code=303)


@router.get("/about")
def about(request: Request, who: InSession) -> Response:
    """For roles that have no page of their own yet."""
    return page(request, "about.html", session=who)


@router.get("/queue")
def queue(
    request: Request,
    who: CaseReader,
    view: str = "open",
    order: str = "priority",
    falling: bool = True,
    severity: str = "",
    q: Annotated[str, Query(max_length=TEXT_MAX)] = "",
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> Response:
    """The queue, or with ``offset`` its next lines. A search for the id of one case or alert opens that case."""
    desk: Desk = request.app.state.desk
    if q and not offset and (found := _named(desk, who, q)):
        return RedirectResponse(f"/cases/{found}", status_code=303)
    order = order if order in ORDERS else "priority"
    view = view if view in VIEWS else "open"
    wanted = wanted_by(who, view, severity, q)
    now_us = desk.now_us()
    with desk.store.reading() as connection:
        rows = list_cases(
            connection, wanted, now_us=now_us, viewer=who.person.name, order=order, limit=ROWS, offset=offset,
            is_reversed=not falling,
        )  # fmt: skip
        is_first = offset == 0
        name = who.person.name
        totals = queue_totals(connection, now_us=now_us, wall=wall_of(who.person), viewer=name) if is_first else None
        matching = count_cases(connection, wanted, now_us=now_us) if is_first else None
    lines = [shown(row, now_us=now_us, subject=desk.resolve(row.case.subject.token)) for row in rows]
    journal_look(desk.store, who.person, what="queue_viewed", now_us=desk.wall_us(), view=view, offset=offset,
                 cases=len(lines))  # fmt: skip
    return page(
        request, "queue.html" if is_first else "queue_rows.html", session=who, lines=lines, totals=totals,
        matching=matching, view=view, views=VIEWS, order=order, falling=falling, severity=severity, q=q,
        severities=SEVERITIES, next_offset=offset + ROWS if len(lines) == ROWS else None,
    )  # fmt: skip


@router.get("/queue/count")
def count(
    request: Request, who: CaseReader, view: str = "open", severity: str = "", q: str = "", known: int = 0
) -> Response:
    """How many more cases there are than the reader's page knows of; it does not move a line."""
    desk: Desk = request.app.state.desk
    wanted = wanted_by(who, view if view in VIEWS else "open", severity, q[:TEXT_MAX])
    with desk.store.reading() as connection:
        matching = count_cases(connection, wanted, now_us=desk.now_us())
    return page(request, "queue_more.html", session=who, more=matching - known)


@router.post("/queue/next", dependencies=[Depends(genuine)])
def hand_out(request: Request, who: CaseWorker) -> Response:
    """Give the reader the most pressing case that is theirs or nobody's, and open it."""
    desk: Desk = request.app.state.desk
    name, now_us = who.person.name, desk.now_us()
    with desk.store.reading() as connection:
        mine = QueueFilter(states=("assigned", "in_review"), assignee=name, wall=wall_of(who.person))
        free = QueueFilter(states=("open",), unassigned=True, wall=wall_of(who.person))
        found = [
            row
            for wanted in (mine, free)
            for row in list_cases(connection, wanted, now_us=now_us, viewer=name, limit=1)
        ]
    if not found:
        return page(request, "told.html", session=who, text="Nothing waits that you could take.")
    chosen = max(found, key=lambda row: row.priority).case
    if chosen.assignee is None:
        taken = Move("assign", actor(who.person), now_us, assignee=name)
        move(desk.store, chosen.case_id, taken, recorded_at_us=desk.wall_us(), sees=sees(who.person))
    return Response(status_code=204, headers={"HX-Redirect": f"/cases/{chosen.case_id}"})


@router.post("/queue/{case_id}/take", dependencies=[Depends(genuine)])
def take(request: Request, who: CaseWorker, case_id: str) -> Response:
    """Assign a case to oneself; the line as it is then."""
    desk: Desk = request.app.state.desk
    given = Move("assign", actor(who.person), desk.now_us(), assignee=who.person.name)
    after = move(desk.store, case_id, given, recorded_at_us=desk.wall_us(), sees=sees(who.person))
    return page(request, "queue_rows.html", session=who, lines=[line_of(desk, who, after.case_id)], next_offset=None)


def line_of(desk: Desk, who: Session, case_id: str) -> ShownCase:
    """The line of one case."""
    now_us = desk.now_us()
    with desk.store.reading() as connection:
        wanted = QueueFilter(states=CASE_STATES, text=case_id, wall=wall_of(who.person))
        (row,) = list_cases(connection, wanted, now_us=now_us, viewer=who.person.name, limit=1)
    return shown(row, now_us=now_us, subject=desk.resolve(row.case.subject.token))


def wanted_by(who: Session, view: str, severity: str, text: str) -> QueueFilter:
    """The filter of a view for a person."""
    given = dict(VIEWS[view])
    if given.pop("is_mine", False):
        given["assignee"] = who.person.name
    return QueueFilter(
        **given,
        severity=severity if severity in SEVERITIES else None,
        text=text.strip() or None,
        wall=wall_of(who.person),
    )


def _named(desk: Desk, who: Session, text: str) -> str | None:
    """The one case whose id, or whose alert's id, begins so."""
    if not text.strip().upper().startswith(("C-", "A-")):
        return None
    try:
        with desk.store.reading() as connection:
            return find_case_id(connection, text, sees(who.person))
    except CaseUnknown:
        return None
