"""``Idempotency-Key``: a request that is sent again is answered as the first time, and does nothing again."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Request
from fastapi.responses import JSONResponse

from monitor.adapters.sql.api_keys import Caller
from monitor.adapters.sql.desk import find_case_id
from monitor.adapters.sql.repeats import Answer, once, request_digest
from monitor.adapters.sql.store import CaseStore
from monitor.web.desk import Desk, sees

REPLAYED = "Idempotency-Replayed"


@dataclass(frozen=True, slots=True)
class Repeated:
    """The key that a request bears for being sent again, and the digest of the request."""

    key: str | None
    digest: str


async def _repeated(
    request: Request,
    idempotency_key: Annotated[
        str | None,
        Header(
            pattern=r"^[\x21-\x7e]{1,64}$",
            description="1 to 64 visible ASCII characters. The same request with the same key within 24 hours does "
            "nothing and is answered as the first time; another request with it is refused.",
        ),
    ] = None,
) -> Repeated:
    digest = request_digest(request.method, request.url.path, await request.body())
    return Repeated(idempotency_key, digest)


Repeat = Annotated[Repeated, Depends(_repeated)]


def answered_once(
    desk: Desk, who: Caller, repeat: Repeated, act: Callable[[CaseStore], Answer], *, case_id: str
) -> JSONResponse:
    """Answer with what ``act`` gives, or with what it gave before for the same key.

    A kept answer about a case is given only while the case is there for who asks.

    Raises:
        CaseUnknown: It is not there.
    """
    if repeat.key is None:
        return said(act(desk.store))
    with desk.store.reading() as connection:
        find_case_id(connection, case_id, sees(who.person))
    now_us = desk.wall_us()
    return said(once(desk.store, name=who.person.name, key=repeat.key, digest=repeat.digest, now_us=now_us, act=act))


def said(answer: Answer) -> JSONResponse:
    """An answer; a kept one says that it is."""
    return JSONResponse(answer.body, answer.status, headers={REPLAYED: "true"} if answer.is_kept else None)
