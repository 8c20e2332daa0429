"""One case: why it is here, what happened, what was done, and what can be done."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from monitor.adapters.sql.desk import CaseAlert, add_note, look, move
from monitor.adapters.sql.people import CHAIN, Session, workers
from monitor.adapters.sql.queue import QueueRow
from monitor.casework.access import WORK, may
from monitor.casework.lifecycle import MOVES, four_eyes_required, in_words
from monitor.casework.lifecycle import Request as Move
from monitor.casework.priority import priority, reasons_told
from monitor.casework.reasons import CLOSE_REASONS, MOVE_REASONS
from monitor.domain.alert import MODEL
from monitor.domain.case import OUTCOMES
from monitor.domain.time import DAY_US
from monitor.web.case_beside import beside
from monitor.web.charts import Family, families_json, families_of
from monitor.web.desk import SNOOZE_DAYS, Desk, actor, check_worker, sees
from monitor.web.door import genuine
from monitor.web.pages import page
from monitor.web.queue import CaseReader, CaseWorker
from monitor.web.shown import entry_words, minute, moves_of, shown, shown_alert

router = APIRouter()


@router.get("/cases/{case_id}")
def case(request: Request, who: CaseReader, case_id: str) -> Response:
    """The whole case. The look is journalled, and its alerts count as seen by who decides on cases."""
    return _page(request, who, case_id)


@router.post("/cases/{case_id}/notes", dependencies=[Depends(genuine)])
def note(request: Request, who: CaseWorker, case_id: str, text: Annotated[str, Form()] = "") -> Response:
    """Add a note."""
    desk: Desk = request.app.state.desk
    given = Move("note", actor(who.person), desk.now_us(), note=text)
    add_note(desk.store, case_id, given, recorded_at_us=desk.wall_us(), sees=sees(who.person))
    return RedirectResponse(f"/cases/{case_id}#notes", status_code=303)


@router.post("/cases/{case_id}/moves/{name}", dependencies=[Depends(genuine)])
def make_move(
    request: Request,
    who: CaseWorker,
    case_id: str,
    name: str,
    note: Annotated[str, Form()] = "",
    reason: Annotated[str, Form()] = "",
    outcome: Annotated[str, Form()] = "",
    assignee: Annotated[str, Form()] = "",
    days: Annotated[int, Form(ge=0, le=365)] = 0,
    duplicate_of: Annotated[str, Form()] = "",
    then: Annotated[str, Form()] = "",
    version: Annotated[int | None, Form(ge=0)] = None,
    checked: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """Make a move of the life cycle, and go on to the case, the queue, or the next case."""
    desk: Desk = request.app.state.desk
    now_us = desk.now_us()
    if name == "assign":
        check_worker(desk.store, assignee or who.person.name)
    given = Move(
        name, actor(who.person), now_us, note=note.strip() or None, reason=reason or None, outcome=outcome or None,
        assignee=assignee or (who.person.name if name == "assign" else None),
        until_us=now_us + days * DAY_US if days else None, duplicate_of=duplicate_of or None,
    )  # fmt: skip
    after = move(desk.store, case_id, given, recorded_at_us=desk.wall_us(), sees=sees(who.person), version=version,
                 checked=checked or [])  # fmt: skip
    is_seen = sees(who.person)(after)
    place = "/queue" if then == "queue" or not is_seen else f"/cases/{after.case_id}"
    return RedirectResponse(place, status_code=303)


def _families(alert: CaseAlert) -> tuple[Family, ...]:
    """What each family of the anomaly models added; nothing for an alert of a rule."""
    is_of_models = alert.evidence["source"]["kind"] == MODEL
    return families_of(alert.evidence["measures"]) if is_of_models else ()


def _page(request: Request, who: Session, case_id: str) -> Response:
    desk: Desk = request.app.state.desk
    person, now_us = who.person, desk.now_us()
    works = may(person.role, WORK)
    file = look(
        desk.store, case_id, viewer=person.name, at_us=now_us, recorded_at_us=desk.wall_us(), chain=CHAIN, mark=works,
        sees=sees(person),
    )  # fmt: skip
    with desk.store.reading() as connection:
        colleagues = workers(connection)
    case = file.case
    line = shown(
        QueueRow(case, priority(case, now_us), file.new_alerts), now_us=now_us, subject=desk.resolve(case.subject.token)
    )
    return page(
        request,
        "case.html",
        session=who,
        case=case,
        version=file.version,
        line=line,
        reasons=reasons_told(case, now_us) if case.is_open else [],
        alerts=[shown_alert(alert) for alert in reversed(file.alerts)],
        families={alert.alert_id: _families(alert) for alert in file.alerts},
        drawn=families_json,
        notes=file.notes,
        journal=[(minute(entry.at_us), entry.actor, entry.action, entry_words(entry)) for entry in file.journal],
        others=[(other.case_id, in_words(other.state), other.headline) for other in file.other_cases],
        moves=moves_of(case, person.role) if works else [],
        needs={name: MOVES[name].needs for name in MOVES},
        meanings={name: MOVES[name].meaning for name in MOVES},
        outcomes=OUTCOMES,
        close_reasons=CLOSE_REASONS,
        move_reasons=MOVE_REASONS,
        snooze_days=SNOOZE_DAYS,
        needs_second={each: four_eyes_required(case, "close", each, desk.store.policy) for each in OUTCOMES},
        minute=minute,
        colleagues=colleagues,
        **beside(request, who, file),
    )
