"""The workbench as one application: pages, the door before them, and what is said when something is not allowed."""

from importlib.resources import files
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles

from monitor.adapters.sql.attachments import AttachmentDamaged
from monitor.adapters.sql.desk import CaseUnknown
from monitor.adapters.sql.people import PersonRefused
from monitor.adapters.sql.store import StoreBusy
from monitor.casework.lifecycle import MoveRefused
from monitor.web import (
    case,
    case_beside,
    case_papers,
    case_regroup,
    evidence,
    explained,
    people,
    queue,
    queue_bulk,
    queue_hand,
    queue_views,
    refer,
    sign_in,
    team,
)
from monitor.web.desk import Desk
from monitor.web.door import Forged, NotAllowed, NotIn, guarded, to_the_door
from monitor.web.pages import failed


def make_app(desk: Desk) -> FastAPI:
    """The application over an open store."""
    app = FastAPI(title="aml workbench", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.desk = desk
    app.mount("/static", StaticFiles(directory=str(files("monitor.web") / "static")), name="static")
    for part in _PARTS:
        app.include_router(part.router)
    app.middleware("http")(guarded)
    app.add_exception_handler(NotIn, _not_in)
    for kind, status in _STATUS.items():
        app.add_exception_handler(kind, _told(status))

    @app.get("/healthz")
    def healthz() -> JSONResponse:
        """Whether it answers."""
        return JSONResponse({"live": True})

    @app.get("/robots.txt")
    def robots() -> PlainTextResponse:
        """Nothing here is for search engines."""
        return PlainTextResponse("User-agent: *\nDisallow: /\n")

    return app


_PARTS = (
    sign_in, queue, queue_hand, queue_bulk, queue_views, case, case_beside, case_papers, case_regroup, evidence,
    explained, refer, team, people,
)  # fmt: skip
_STATUS: dict[type[Exception], int] = {
    NotAllowed: 403, Forged: 403, CaseUnknown: 404, AttachmentDamaged: 500, MoveRefused: 409, PersonRefused: 409,
    StoreBusy: 503,
}  # fmt: skip
_WORDS: dict[type[Exception], str] = {
    NotAllowed: "Your role does not include this. Ask an administrator if you need it.",
    Forged: "This page is from an older session. Load it again, and repeat what you did.",
    CaseUnknown: "There is no such case.",
    StoreBusy: "The store is busy. Try again in a moment; nothing was changed.",
}


def _not_in(request: Request, _: Exception) -> Response:
    return to_the_door(request)


def _told(status: int) -> Any:
    def handle(request: Request, error: Exception) -> Response:
        return failed(request, status, _WORDS.get(type(error), str(error)))

    return handle
