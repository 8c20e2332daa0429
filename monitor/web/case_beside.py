"""What stands on the page of a case beside what it is about: tags, and passing it on."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from monitor.adapters.sql.acts import write_act
from monitor.adapters.sql.desk import CaseFile, find_case_id, load
from monitor.adapters.sql.people import Session
from monitor.adapters.sql.tags import set_tag, tags_of
from monitor.casework.handing import SKIP_REASONS
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


def beside(request: Request, who: Session, file: CaseFile) -> dict[str, Any]:
    """What the templates beside the case need."""
    desk: Desk = request.app.state.desk
    with desk.store.reading() as connection:
        tags = tags_of(connection, [file.case.case_id]).get(file.case.case_id, [])
    can_skip = file.case.is_open and file.case.assignee in (None, who.person.name)
    return {"tags": tags, "skip_reasons": SKIP_REASONS if can_skip else {}}
