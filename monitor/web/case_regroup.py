"""Merging a case into another, and splitting alerts off it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from monitor.adapters.sql.regrouping import merge, split_off
from monitor.web.desk import Desk, actor, sees
from monitor.web.door import genuine
from monitor.web.queue import CaseWorker

router = APIRouter()


@router.post("/cases/{case_id}/merge", dependencies=[Depends(genuine)])
def merge_into_this(
    request: Request,
    who: CaseWorker,
    case_id: str,
    source: Annotated[str, Form()] = "",
    note: Annotated[str, Form()] = "",
    version: Annotated[int | None, Form(ge=0)] = None,
) -> Response:
    """Merge another case into this one."""
    desk: Desk = request.app.state.desk
    after = merge(desk.store, source, case_id, actor(who.person), note=note.strip(), now_us=desk.now_us(),
                  recorded_at_us=desk.wall_us(), sees=sees(who.person), version=version)  # fmt: skip
    return RedirectResponse(f"/cases/{after.case_id}", status_code=303)


@router.post("/cases/{case_id}/split", dependencies=[Depends(genuine)])
def split_from_this(
    request: Request,
    who: CaseWorker,
    case_id: str,
    alert: Annotated[list[str] | None, Form()] = None,
    note: Annotated[str, Form()] = "",
    version: Annotated[int | None, Form(ge=0)] = None,
) -> Response:
    """Split alerts off this case into a new one."""
    desk: Desk = request.app.state.desk
    after = split_off(desk.store, case_id, alert or [], actor(who.person), note=note.strip(), now_us=desk.now_us(),
                      recorded_at_us=desk.wall_us(), sees=sees(who.person), version=version)  # fmt: skip
    return RedirectResponse(f"/cases/{after.case_id}", status_code=303)
