"""Errors of the REST interface as problem details (RFC 9457): place, fact, reason and remedy, each apart."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from fastapi import FastAPI, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from monitor.adapters.sql.desk import CaseUnknown
from monitor.adapters.sql.people import PersonRefused
from monitor.adapters.sql.repeats import RepeatDiffers
from monitor.adapters.sql.store import StoreBusy
from monitor.casework.lifecycle import MoveRefused
from monitor.web.pace import TooFast

MEDIA_TYPE = "application/problem+json"


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    place: str = Field(description="Where in the request, such as body.note.")
    fact: str


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = Field(description="The kind of problem, for programs: urn:aml:problem: and a word.")
    title: str = Field(description="The kind of problem, for people.")
    status: int
    detail: str = Field(description="Fact and remedy in one text.")
    instance: str = Field(description="The address that was asked for.")
    place: str = Field(description="Where: method and address, or a field of the body.")
    fact: str
    reason: str = Field(description="Why this is refused.")
    remedy: str = Field(description="What to do.")
    faults: list[Fault] = Field(default=[], description="Of a request that is not of the form: each place.")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem."""

    status: int
    word: str
    title: str
    reason: str
    remedy: str


UNKNOWN_CALLER = Kind(
    401, "unauthenticated", "No key, or one that is not in force", "Every request but health bears a key.",
    "Send 'Authorization: Bearer KEY'. A key is made with:  aml keys add NAME --scope SCOPE",
)  # fmt: skip
NOT_ALLOWED = Kind(
    403, "not-allowed", "The key may not do this",
    "Scope of the key and role of its service person must both allow it.",
    "Ask an administrator for a key with the scope that is named.",
)  # fmt: skip
NOT_FOUND = Kind(
    404, "not-found", "Not there", "Nothing of this id is there for this key's service person.",
    "Check the id; GET /v1/cases lists what is there.",
)  # fmt: skip
NO_ENGINE = Kind(
    503, "no-engine", "No engine takes payments here", "Payments go through the one process that owns the run.",
    "Start it with:  aml serve --live  ; ask GET /v1/health when it is ready.",
)  # fmt: skip
_INVALID = Kind(
    422, "invalid", "The request is not of the form", "Each field is checked before anything is done.",
    "Correct what 'faults' names; the form is in /v1/openapi.json.",
)  # fmt: skip
_KINDS: dict[type[Exception], Kind] = {
    CaseUnknown: NOT_FOUND,
    MoveRefused: Kind(
        409, "move-refused", "The life cycle of a case does not allow it",
        "A move depends on the case's state, on role and facts given, and on having seen all its alerts.",
        "Read the case (GET /v1/cases/ID), which also counts as having looked at it, and choose one of its moves.",
    ),
    PersonRefused: Kind(
        409, "person-refused", "This person cannot be given cases", "Cases go to people who work on cases.",
        "Name an active user with the role analyst, senior or officer.",
    ),
    RepeatDiffers: Kind(
        422, "repeat-differs", "The Idempotency-Key was used for another request",
        "One key stands for one request for 24 hours.", "Send the first request unchanged, or use a new key.",
    ),
    StoreBusy: Kind(
        503, "store-busy", "The store is busy", "Another process is writing.",
        "Send the same again in a moment; nothing was changed.",
    ),
    sa.exc.DataError: Kind(
        422, "unstorable", "A value cannot be stored", "The database does not take it.",
        "Leave out NUL characters and numbers beyond 63 bits.",
    ),
}  # fmt: skip
_PLAIN = {
    400: Kind(400, "unreadable", "The request cannot be read", "The body is no JSON in UTF-8.",
              "Send JSON in UTF-8 with the header Content-Type: application/json."),
    404: Kind(404, "no-such-address", "There is no such address", "The interface has no such operation.",
              "See /v1/openapi.json."),
    405: Kind(405, "method-not-allowed", "The address does not take this method",
              "The interface has no such operation.", "The header Allow names the methods that it takes."),
}  # fmt: skip
_TOO_FAST = Kind(
    429, "too-fast", "Too many requests", "Each key, person and address may ask so often in a minute.",
    "Wait for as many seconds as the header Retry-After says.",
)  # fmt: skip
_TOO_LONG = Kind(
    413, "too-long", "The body is too long", "A body is refused unread that has more than 1 MiB or no length.",
    "Send less at once, with the header Content-Length.",
)  # fmt: skip


class Refused(Exception):
    """A request that is refused in the interface itself."""

    def __init__(self, kind: Kind, fact: str, *, place: str | None = None, **more: Any) -> None:
        super().__init__(fact)
        self.kind, self.fact, self.place, self.more = kind, fact, place, more


def problem(
    request: Request,
    kind: Kind,
    fact: str,
    *,
    place: str | None = None,
    faults: Sequence[Fault] = (),
    headers: dict[str, str] | None = None,
    **more: Any,
) -> Response:
    """The answer for a problem."""
    body = Problem(
        type=f"urn:aml:problem:{kind.word}", title=kind.title, status=kind.status, detail=f"{fact} {kind.remedy}",
        instance=request.url.path, place=place or f"{request.method} {request.url.path}", fact=fact,
        reason=kind.reason, remedy=kind.remedy, faults=list(faults),
    )  # fmt: skip
    return JSONResponse(body.model_dump() | more, kind.status, headers=headers, media_type=MEDIA_TYPE)


def too_fast(request: Request, seconds: int) -> Response:
    """Too many requests."""
    headers = {"Retry-After": str(seconds)}
    return problem(request, _TOO_FAST, f"The next one is answered in {seconds} s.", headers=headers)


def too_long(request: Request) -> Response:
    """The body is too long, or does not say how long it is."""
    return problem(request, _TOO_LONG, "The body has more than 1 MiB, or comes in pieces without its length.")


def answer_problems(api: FastAPI) -> None:
    """Let every error of the interface be answered as a problem."""
    for error, kind in _KINDS.items():
        api.add_exception_handler(error, _handler(kind))
    api.add_exception_handler(Refused, _refused)
    api.add_exception_handler(RequestValidationError, _invalid)
    api.add_exception_handler(HTTPException, plain)
    api.add_exception_handler(TooFast, _too_fast)


def _handler(kind: Kind) -> Callable[[Request, Exception], Response]:
    is_told = kind.word not in ("not-found", "unstorable")

    def answer(request: Request, error: Exception) -> Response:
        fact = str(error) if is_told and str(error) else kind.title + "."
        headers = {"Retry-After": "1"} if kind.status == 503 else None
        return problem(request, kind, fact, headers=headers)

    return answer


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    status = error.kind.status
    headers = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "5"}}.get(status)
    return problem(request, error.kind, error.fact, place=error.place, headers=headers, **error.more)


def known_parameters(request: Request) -> None:
    """Raises :class:`Refused` for a parameter that the operation has not: a filter with a slip lets all through."""
    unknown = sorted(set(request.query_params) - _parameters(request.scope["route"].dependant))
    if unknown:
        raise Refused(_INVALID, f"There is no parameter {unknown[0]!r}.", place=f"query.{unknown[0]}")


def _parameters(dependant: Dependant) -> set[str]:
    """The names of the query parameters of an operation and of all that it depends on."""
    return {each.alias for each in dependant.query_params}.union(*map(_parameters, dependant.dependencies))


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = [Fault(place=".".join(map(str, each["loc"])), fact=each["msg"]) for each in error.errors()]
    return problem(request, _INVALID, f"{faults[0].place}: {faults[0].fact}.", place=faults[0].place, faults=faults)


def plain(request: Request, error: Exception) -> Response:
    """What the framework itself answers: no such address, another method, a body that cannot be read."""
    assert isinstance(error, HTTPException)
    kind = _PLAIN.get(error.status_code, Kind(error.status_code, "refused", "Refused", "", ""))
    return problem(request, kind, str(error.detail), headers=dict(error.headers or {}))


def _too_fast(request: Request, error: Exception) -> Response:
    assert isinstance(error, TooFast)
    return too_fast(request, error.seconds)
