"""The REST interface as an application of its own under ``/v1``: operations, problems, and its document."""

from typing import Any

import sqlalchemy as sa
from fastapi import Depends, FastAPI
from fastapi.responses import JSONResponse

from monitor.domain.transaction import Transaction
from monitor.web.api import alerts, cases, transactions
from monitor.web.api.bodies import Health
from monitor.web.api.key import Here
from monitor.web.api.problems import MEDIA_TYPE, Problem, answer_problems, known_parameters
from monitor.web.desk import Desk

_FAILURES = {
    400: "The body cannot be read.",
    401: "No key, or one that is not in force.",
    403: "Key or role does not allow it.",
    404: "Nothing of this id is there.",
    409: "The state of things does not allow it.",
    413: "The body is too long.",
    422: "The request is not of the form.",
    429: "Too many requests; Retry-After says when to go on.",
    503: "The store is busy, or no engine runs here; Retry-After says when to try again.",
}


def make_api(desk: Desk) -> FastAPI:
    """The interface over an open store; mounted at ``/v1``."""
    failures: dict[int | str, dict[str, Any]] = {
        status: {"model": Problem, "description": words} for status, words in _FAILURES.items()
    }
    api = FastAPI(
        title="AML monitor", version="1", docs_url=None, redoc_url=None, openapi_url=None, responses=failures,
        dependencies=[Depends(known_parameters)],
        description="Cases, alerts, decisions and payments for other programs. Errors are problem details (RFC 9457).",
    )  # fmt: skip
    api.state.desk = desk
    for part in (cases, alerts, transactions):
        api.include_router(part.router)
    answer_problems(api)

    @api.get("/health", response_model=Health, tags=["health"])
    def health(desk: Here) -> Any:
        """Whether the interface and its store answer, and whether payments are taken. It needs no key."""
        engine = "none" if desk.live is None else desk.live.state
        is_well = _answers(desk)
        body = {"live": True, "store": is_well, "engine": engine}
        return JSONResponse(body, 200 if is_well and engine != "failed" else 503)

    @api.get("/openapi.json", include_in_schema=False)
    def document() -> JSONResponse:
        """The document of the interface."""
        return JSONResponse(openapi(api))

    return api


def openapi(api: FastAPI) -> dict[str, Any]:
    """The document (OpenAPI 3.1): problems have their own media type, and addresses begin with ``/v1``."""
    found = api.openapi()
    if "servers" not in found:
        found["servers"] = [{"url": "/v1"}]
        payment = Transaction.model_json_schema(ref_template="#/components/schemas/{model}")
        found["components"]["schemas"] |= payment.pop("$defs", {}) | {"Transaction": payment}
        for operations in found["paths"].values():
            for operation in operations.values():
                for status, answer in operation["responses"].items():
                    if int(status) >= 400:
                        answer["content"] = {MEDIA_TYPE: answer["content"]["application/json"]}
    return found


def _answers(desk: Desk) -> bool:
    try:
        with desk.store.reading() as connection:
            connection.execute(sa.select(1))
    except sa.exc.SQLAlchemyError:
        return False
    return True
