"""What stands on the page of a case beside what it is about: tags, the checklist, requests, files, passing it on."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from monitor.adapters.sql.acts import write_act
from monitor.adapters.sql.attachments import attached_to
from monitor.adapters.sql.checklists import tick, ticks_of
from monitor.adapters.sql.desk import CaseFile, find_case_id, load
from monitor.adapters.sql.information import requests_of
from monitor.adapters.sql.people import Session
from monitor.adapters.sql.regrouping import moves_of_alerts
from monitor.adapters.sql.tags import set_tag, tags_of
from monitor.casework.access import WORK, may
from monitor.casework.attachments import KINDS
from monitor.casework.checklists import holds, items_of
from monitor.casework.handing import SKIP_REASONS
from monitor.casework.information import ADDRESSEES, ANSWER_DAYS
from monitor.casework.lifecycle import Request as Move
from monitor.casework.priority import due_in_words
from monitor.casework.regrouping import STATES as REGROUPED
from monitor.casework.tags import tag_of
from monitor.web.desk import Desk, actor, sees
from monitor.web.door import genuine
from monitor.web.queue import CaseWorker

router = APIRouter()


@router.post("/cases/{case_id}/tags", dependencies=[Depends(genuine)])
def change_tag(
    request: Request, who: CaseWorker, case_id: str, tag: Annotated[str, Form()] = "", off: Annotated[str, Form()] = ""
) -> Response:
    """Set a tag, or with ``off`` take it off."""
    desk: Desk = request.app.state.desk
    wanted, at_us, name = tag_of(tag), desk.now_us(), who.person.name
    with desk.store.writing() as connection:
        case = load(connection, find_case_id(connection, case_id, sees(who.person)))
        item = set_tag(connection, case, wanted, actor(who.person), is_on=not off, at_us=at_us,
                       recorded_at_us=desk.wall_us())  # fmt: skip
        if item is not None:
            write_act(connection, name, at_us, "untag" if off else "tag", [item])
    return RedirectResponse(f"/cases/{case.case_id}#tags", status_code=303)


@router.post("/cases/{case_id}/checks", dependencies=[Depends(genuine)])
def check(
    request: Request, who: CaseWorker, case_id: str, checked: Annotated[list[str] | None, Form()] = None
) -> Response:
    """Tick items of the checklist without deciding yet."""
    desk: Desk = request.app.state.desk
    with desk.store.writing() as connection:
        case = load(connection, find_case_id(connection, case_id, sees(who.person)))
        given = Move("check", actor(who.person), desk.now_us())
        tick(connection, case, checked or [], given, recorded_at_us=desk.wall_us(),
             lists=desk.store.policy.checklists)  # fmt: skip
    return RedirectResponse(f"/cases/{case.case_id}#decide", status_code=303)


def beside(request: Request, who: Session, file: CaseFile) -> dict[str, Any]:
    """What the templates beside the case need."""
    desk: Desk = request.app.state.desk
    case, now_us = file.case, desk.now_us()
    with desk.store.reading() as connection:
        tags = tags_of(connection, [case.case_id]).get(case.case_id, [])
        ticks = ticks_of(connection, case.case_id)
        asked = requests_of(connection, case.case_id)
        files = attached_to(connection, case.case_id)
        came = [
            (each, each.from_case if each.to_case == case.case_id else each.to_case)
            for each in moves_of_alerts(connection, case.case_id)
        ]
        is_seen = sees(who.person)
        came = [(each, other) for each, other in came if is_seen(load(connection, other))]
    can_skip = case.is_open and case.assignee in (None, who.person.name)
    return {
        "tags": tags, "skip_reasons": SKIP_REASONS if can_skip else {},
        "checklist": [
            (item, done if (done := ticks.get(item.item)) is not None and holds(done, case) else None)
            for item in items_of(case, desk.store.policy.checklists)
        ],
        "asked": [(each, due_in_words(each.due_at_us, now_us), each.is_overdue(now_us)) for each in asked],
        "addressees": ADDRESSEES, "answer_days": ANSWER_DAYS, "files": files, "came": came,
        "can_regroup": case.state in REGROUPED and may(who.person.role, WORK), "file_kinds": ",".join(KINDS),
    }  # fmt: skip
