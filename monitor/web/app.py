"""The workbench as one application: pages, the door before them, and what is said when something is not allowed."""

from importlib.resources import files
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles
from sqlalchemy.exc import DataError
from starlette.exceptions import HTTPException

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
    happened,
    network,
    people,
    queue,
    queue_bulk,
    queue_hand,
    queue_views,
    refer,
    sign_in,
    single_sign_on,
    team,
    who,
)
from monitor.web.api import problems
from monitor.web.api.app import make_api
from monitor.web.desk import Desk
from monitor.web.door import API, Forged, NotAllowed, NotIn, guarded, to_the_door
from monitor.web.pace import TooFast
from monitor.web.pages import failed, page
from monitor.web.recomputing import Busy


def make_app(desk: Desk) -> FastAPI:
    """The application over an open store."""
    app = FastAPI(title="aml workbench", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.desk = desk
    app.mount("/static", StaticFiles(directory=str(files("monitor.web") / "static")), name="static")
    for part in _PARTS:
        app.include_router(part.router)
    app.mount(API.rstrip("/"), make_api(desk))
    app.middleware("http")(guarded)
    app.add_exception_handler(NotIn, _not_in)
    app.add_exception_handler(Busy, _busy)
    app.add_exception_handler(TooFast, _too_fast)
    app.add_exception_handler(HTTPException, _plain)
    app.add_exception_handler(RequestValidationError, _invalid)
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
    sign_in, single_sign_on, queue, queue_hand, queue_bulk, queue_views, case, case_beside, case_papers, case_regroup,
    evidence, explained, happened, network, who, refer, team, people,
)  # fmt: skip
_STATUS: dict[type[Exception], int] = {
    NotAllowed: 403, Forged: 403, CaseUnknown: 404, AttachmentDamaged: 500, MoveRefused: 409, PersonRefused: 409,
    StoreBusy: 503, DataError: 422,
}  # fmt: skip
_WORDS: dict[type[Exception], str] = {
    NotAllowed: "Your role does not include this. Ask an administrator if you need it.",
    Forged: "This page is from an older session. Load it again, and repeat what you did.",
    CaseUnknown: "There is no such case.",
    Busy: "Much is being computed already. Try again in a moment; nothing is lost.",
    StoreBusy: "The store is busy. Try again in a moment; nothing was changed.",
    DataError: "This holds a character that cannot be stored, such as NUL. Leave it out.",
}


_NO_PAGE = "There is no such page."
_INVALID = "A field holds what it cannot hold. Go back and correct it; nothing was changed."


def _not_in(request: Request, _: Exception) -> Response:
    return to_the_door(request)


def _busy(request: Request, _: Exception) -> Response:
    """Said in the place that waits for the answer, with a button to ask again."""
    is_piece = bool(request.headers.get("HX-Request"))
    answer = page(request, "busy.html", status=503) if is_piece else failed(request, 503, _WORDS[Busy])
    answer.headers["Retry-After"] = "5"
    if is_piece:
        answer.headers["HX-Retarget"], answer.headers["HX-Reswap"] = "closest .piece", "innerHTML"
    return answer


def _plain(request: Request, error: Exception) -> Response:
    """No such page, or none that takes this method."""
    assert isinstance(error, HTTPException)
    if (request.url.path + "/").startswith(API):
        return problems.plain(request, error)
    answer = failed(request, error.status_code, _NO_PAGE)
    answer.headers.update(error.headers or {})
    return answer


def _invalid(request: Request, _: Exception) -> Response:
    """A field that is not of its form; what it held is not repeated."""
    return failed(request, 422, _INVALID)


def _too_fast(request: Request, error: Exception) -> Response:
    assert isinstance(error, TooFast)
    answer = failed(request, 429, "Too many requests. Wait a moment, and try again.")
    answer.headers["Retry-After"] = str(error.seconds)
    return answer


def _told(status: int) -> Any:
    def handle(request: Request, error: Exception) -> Response:
        return failed(request, status, _WORDS.get(type(error), str(error)))

    return handle
