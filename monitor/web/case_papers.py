"""Requests for information and files of a case."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request, Response, UploadFile
from fastapi.responses import RedirectResponse

from monitor.adapters.sql.attachments import attach, content_of
from monitor.adapters.sql.desk import find_case_id
from monitor.adapters.sql.information import ask, end_request
from monitor.adapters.sql.people import journal_look
from monitor.casework.attachments import ATTACHMENT_BYTES_MAX, attachment
from monitor.casework.lifecycle import MoveRefused
from monitor.domain.time import DAY_US
from monitor.web.desk import Desk, actor, sees
from monitor.web.door import genuine
from monitor.web.queue import CaseReader, CaseWorker

router = APIRouter()


@router.post("/cases/{case_id}/requests", dependencies=[Depends(genuine)])
def ask_for(
    request: Request,
    who: CaseWorker,
    case_id: str,
    addressee: Annotated[str, Form()] = "",
    question: Annotated[str, Form()] = "",
    days: Annotated[int, Form(ge=0, le=365)] = 0,
) -> Response:
    """Record that somebody is asked for information, with the day by which the answer is due."""
    desk: Desk = request.app.state.desk
    now_us = desk.now_us()
    found = ask(desk.store, case_id, actor(who.person), addressee=addressee, question=question.strip(),
                due_at_us=now_us + days * DAY_US, now_us=now_us, recorded_at_us=desk.wall_us(),
                sees=sees(who.person))  # fmt: skip
    return RedirectResponse(f"/cases/{found}#requests", status_code=303)


@router.post("/cases/{case_id}/requests/{seq}", dependencies=[Depends(genuine)])
def answer(
    request: Request,
    who: CaseWorker,
    case_id: str,
    seq: int,
    text: Annotated[str, Form()] = "",
    withdraw: Annotated[str, Form()] = "",
) -> Response:
    """Record the answer to a request, or withdraw it."""
    desk: Desk = request.app.state.desk
    found = end_request(desk.store, case_id, seq, actor(who.person), answer=None if withdraw else text.strip(),
                        now_us=desk.now_us(), recorded_at_us=desk.wall_us(), sees=sees(who.person))  # fmt: skip
    return RedirectResponse(f"/cases/{found}#requests", status_code=303)


@router.post("/cases/{case_id}/attachments", dependencies=[Depends(genuine)])
def add_file(request: Request, who: CaseWorker, case_id: str, file: UploadFile | None = None) -> Response:
    """Attach a file."""
    desk: Desk = request.app.state.desk
    if file is None or not file.filename:
        raise MoveRefused("No file was chosen. Choose one.")
    given = attachment(file.filename, file.file.read(ATTACHMENT_BYTES_MAX + 1))
    found = attach(desk.store, case_id, given, actor(who.person), now_us=desk.now_us(),
                   recorded_at_us=desk.wall_us(), sees=sees(who.person))  # fmt: skip
    return RedirectResponse(f"/cases/{found}#files", status_code=303)


@router.get("/cases/{case_id}/attachments/{digest}")
def read_file(request: Request, who: CaseReader, case_id: str, digest: str) -> Response:
    """Hand a file out to be saved, never to be shown by the browser. The look is journalled."""
    desk: Desk = request.app.state.desk
    with desk.store.reading() as connection:
        whole = find_case_id(connection, case_id, sees(who.person))
        found, content = content_of(connection, whole, digest)
    journal_look(desk.store, who.person, what="attachment_read", now_us=desk.wall_us(), case=whole, file=found.sha256)
    return to_save(found.file_name, content)


def to_save(name: str, content: bytes, media_type: str = "application/octet-stream") -> Response:
    """A file for the reader's disk: a browser neither shows nor runs it, whatever is in it."""
    plain = "".join(letter if letter.isascii() and letter not in '"\\%' else "_" for letter in name)
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    return Response(content, media_type=media_type, headers={"Content-Disposition": disposition})
