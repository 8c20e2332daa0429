"""The queue: cases in order, filtered, searched and handed out."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from monitor.adapters.sql.desk import CaseUnknown, find_case_id
from monitor.adapters.sql.earlier import NOTHING_BEFORE, earlier_of
from monitor.adapters.sql.my_days import my_days
from monitor.adapters.sql.people import Session, journal_look, workers
from monitor.adapters.sql.queue import ORDERS, QueueFilter, QueueRow, ages, count_cases, list_cases, queue_totals
from monitor.adapters.sql.tags import tags_in_use, tags_of
from monitor.casework.access import CASES, REFER, USERS, WORK, may
from monitor.casework.bulk import BULK_ACTS, BULK_MAX
from monitor.casework.handing import SKIP_REASONS
from monitor.casework.reasons import MOVE_REASONS
from monitor.domain.case import CASE_STATES
from monitor.domain.time import DAY_US
from monitor.domain.vocabulary import SEVERITIES
from monitor.web.desk import SNOOZE_DAYS, Desk, sees, wall_of
from monitor.web.door import InSession, with_right
from monitor.web.pages import page
from monitor.web.queue_views import COLUMNS, TEXT_MAX, columns_of, views_of
from monitor.web.shown import ShownCase, shown

router = APIRouter()
ROWS = 50
"""Lines of one piece of the queue; the next is fetched when its end is in sight."""

VIEWS: dict[str, dict[str, Any]] = {
    "open": {},
    "mine": {"is_mine": True},
    "unassigned": {"unassigned": True},
    "today": {"due_within_us": DAY_US},
    "overdue": {"overdue": True},
    "approval": {"states": ("pending_approval",)},
    "snoozed": {"states": ("snoozed",)},
    "answers": {"answer_overdue": True},
    "closed": {"closed": True},
}
"""The filters of the strip above the queue."""
DONE = (*BULK_ACTS, "skip", "undo")
"""What the queue can say that was done."""

CaseReader = Annotated[Session, Depends(with_right(CASES))]
CaseWorker = Annotated[Session, Depends(with_right(WORK))]


@router.get("/")
def home(who: InSession) -> Response:
    """Where a person works: the queue, or what their role has."""
    role = who.person.role
    places = {CASES: "/queue", USERS: "/users", REFER: "/refer"}
    place = next((place for right, place in places.items() if may(role, right)), "/about")
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
    tag: Annotated[str, Query(max_length=TEXT_MAX)] = "",
    q: Annotated[str, Query(max_length=TEXT_MAX)] = "",
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    done: str = "",
    n: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    left: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> Response:
    """The queue, or with ``offset`` its next lines. A search for the id of one case or alert opens that case."""
    desk: Desk = request.app.state.desk
    if q and not offset and (found := _named(desk, who, q)):
        return RedirectResponse(f"/cases/{found}", status_code=303)
    order = order if order in ORDERS else "priority"
    view = view if view in VIEWS else "open"
    wanted = wanted_by(who, view, severity, q, tag)
    now_us, person, is_first = desk.now_us(), who.person, offset == 0
    with desk.store.reading() as connection:
        rows = list_cases(
            connection, wanted, now_us=now_us, viewer=person.name, order=order, limit=ROWS, offset=offset,
            is_reversed=not falling,
        )  # fmt: skip
        lines = _shown(desk, connection, who, rows, now_us)
        around = _around(connection, who, wanted, now_us) if is_first else {}
    journal_look(desk.store, person, what="queue_viewed", now_us=desk.wall_us(), view=view, offset=offset,
                 cases=len(lines))  # fmt: skip
    following = offset + ROWS if len(lines) == ROWS else None
    if not is_first:
        return rows_of(request, who, lines, following)
    return page(
        request, "queue.html", session=who, lines=lines, view=view, views=VIEWS, order=order, falling=falling,
        severity=severity, q=q, tag=tag, severities=SEVERITIES, next_offset=following, columns=columns_of(person),
        all_columns=COLUMNS, saved=views_of(person), done=done if done in DONE else "", n=n, left=left,
        skip_reasons=SKIP_REASONS, snooze_reasons=MOVE_REASONS["snooze"], escalate_reasons=MOVE_REASONS["escalate"],
        bulk_acts=BULK_ACTS, bulk_max=BULK_MAX, snooze_days=SNOOZE_DAYS, **around,
    )  # fmt: skip


@router.get("/queue/count")
def count(
    request: Request,
    who: CaseReader,
    view: str = "open",
    severity: str = "",
    q: str = "",
    tag: str = "",
    known: int = 0,
) -> Response:
    """How many more cases there are than the reader's page knows of; it does not move a line."""
    desk: Desk = request.app.state.desk
    wanted = wanted_by(who, view if view in VIEWS else "open", severity, q[:TEXT_MAX], tag[:TEXT_MAX])
    with desk.store.reading() as connection:
        matching = count_cases(connection, wanted, now_us=desk.now_us())
    return page(request, "queue_more.html", session=who, more=matching - known)


def line_of(desk: Desk, who: Session, case_id: str) -> ShownCase:
    """The line of one case."""
    now_us = desk.now_us()
    with desk.store.reading() as connection:
        wanted = QueueFilter(states=CASE_STATES, text=case_id, wall=wall_of(who.person))
        rows = list_cases(connection, wanted, now_us=now_us, viewer=who.person.name, limit=1)
        (line,) = _shown(desk, connection, who, rows, now_us)
    return line


def rows_of(request: Request, who: Session, lines: list[ShownCase], next_offset: int | None = None) -> Response:
    """Lines of the queue alone, with the columns that the reader chose."""
    return page(request, "queue_rows.html", session=who, lines=lines, next_offset=next_offset,
                columns=columns_of(who.person))  # fmt: skip


def _shown(desk: Desk, connection: Connection, who: Session, rows: list[QueueRow], now_us: int) -> list[ShownCase]:
    tags = tags_of(connection, [row.case.case_id for row in rows])
    earlier = earlier_of(connection, [row.case for row in rows], wall_of(who.person))
    return [
        shown(row, now_us=now_us, subject=desk.resolve(row.case.subject.token),
              tags=tuple(tags.get(row.case.case_id, ())), earlier=earlier.get(row.case.case_id, NOTHING_BEFORE))
        for row in rows
    ]  # fmt: skip


def _around(connection: Connection, who: Session, wanted: QueueFilter, now_us: int) -> dict[str, Any]:
    """What stands around the lines: counts, ages, tags, colleagues, and what the reader did of late."""
    name, wall = who.person.name, wall_of(who.person)
    works = may(who.person.role, WORK)
    return {
        "totals": queue_totals(connection, now_us=now_us, wall=wall, viewer=name),
        "matching": count_cases(connection, wanted, now_us=now_us),
        "ages": ages(connection, wanted, now_us=now_us),
        "tags": tags_in_use(connection, wall),
        "colleagues": workers(connection) if works else [],
        "mine": [
            (days, my_days(connection, name, since_us=now_us - days * DAY_US, until_us=now_us)) for days in (7, 30)
        ] if works else [],
    }  # fmt: skip


def wanted_by(who: Session, view: str, severity: str, text: str, tag: str = "") -> QueueFilter:
    """The filter of a view for a person."""
    given = dict(VIEWS[view])
    if given.pop("is_mine", False):
        given["assignee"] = who.person.name
    return QueueFilter(
        **given,
        severity=severity if severity in SEVERITIES else None,
        text=text.strip() or None,
        tag=tag or None,
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
