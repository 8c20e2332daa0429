"""Who is there, and what they may do: sessions, rights, the token against forged requests, and headers.

Every page and action names the right that it asks for (:mod:`monitor.casework.access`); a test walks all of them with
every role. Whoever has not come in is sent to the door, whoever may not see something is told that it is not there.
"""

import hmac
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Form, Header, Request, Response
from fastapi.responses import RedirectResponse

from monitor.adapters.sql.people import SESSION_US, Session, session_of
from monitor.casework.access import may
from monitor.casework.attachments import ATTACHMENT_BYTES_MAX
from monitor.web.api import problems
from monitor.web.pace import TooFast

COOKIE = "aml_session"
REQUESTS_MAX, WINDOW_SECONDS = 30, 60.0
"""Most attempts to come in from one address in that time."""
ADDRESSES_MAX = 10_000
BODY_BYTES_MAX = 1 << 20
"""Most bytes of a form."""
UPLOAD_BYTES_MAX = ATTACHMENT_BYTES_MAX + (64 << 10)
"""Most bytes of a form with a file, where one is taken."""
API = "/v1/"
"""Where the REST interface begins."""
PAYMENTS = "/v1/transactions"
"""Where payments are handed in, which come faster than anything else."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
"""On every answer. No script and no style stands inside a page, and none comes from elsewhere."""


class NotIn(Exception):
    """Nobody has come in, or their session has ended."""


class NotAllowed(Exception):
    """The person has not the right that is asked for."""


class Forged(Exception):
    """The request does not bear the token of the session: it may come from another site."""


def session(request: Request) -> Session:
    """Whoever has come in. Raises :class:`NotIn` or :class:`monitor.web.pace.TooFast`."""
    desk = request.app.state.desk
    token = request.cookies.get(COOKIE)
    found = session_of(desk.store, token, now_us=desk.wall_us()) if token else None
    if found is None:
        raise NotIn
    desk.paces.person.check(found.person.name)
    return found


InSession = Annotated[Session, Depends(session)]


def with_right(right: str) -> Callable[..., Session]:
    """A dependency that lets in who has a right. Raises :class:`NotIn` or :class:`NotAllowed`."""

    def let_in(who: InSession) -> Session:
        if not may(who.person.role, right):
            raise NotAllowed(right)
        return who

    return let_in


def genuine(who: InSession, csrf: Annotated[str, Form()] = "", x_csrf_token: Annotated[str, Header()] = "") -> None:
    """A request that changes something bears the token of its session. Raises :class:`Forged`."""
    if not hmac.compare_digest((x_csrf_token or csrf).encode(), who.csrf.encode()):
        raise Forged


def set_session(answer: Response, token: str, *, is_secure: bool) -> None:
    """Give a browser the cookie of a session: for this site alone, and not for scripts."""
    answer.set_cookie(
        COOKIE, token, max_age=SESSION_US // 1_000_000, httponly=True, secure=is_secure, samesite="strict"
    )  # fmt: skip


def to_the_door(request: Request) -> Response:
    """Send a browser to the door; one that exchanges a piece of a page is told to go there as a whole."""
    if request.headers.get("HX-Request"):
        return Response(status_code=401, headers={"HX-Redirect": "/sign-in"})
    return RedirectResponse("/sign-in", status_code=303)


class Attempts:
    """How often an address has tried to come in of late; so guessing is slow whatever the names are."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at: OrderedDict[str, list[float]] = OrderedDict()

    def allows(self, address: str) -> bool:
        """Count an attempt; whether there were not too many."""
        now = self._clock()
        recent = [at for at in self._at.pop(address, []) if now - at < WINDOW_SECONDS][-REQUESTS_MAX:]
        self._at[address] = [*recent, now]
        while len(self._at) > ADDRESSES_MAX:
            self._at.popitem(last=False)
        return len(recent) < REQUESTS_MAX


def address_of(request: Request) -> str:
    """The address that a request came from; a reverse proxy on this machine says it (X-Forwarded-For)."""
    return request.client.host if request.client else ""


async def guarded(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Headers on every answer; who asks too fast is not answered, and a body that is too long is refused unread."""
    path = request.url.path
    seconds = 0
    if not path.startswith("/static/"):
        paces = request.app.state.desk.paces
        pace = paces.payments_of_address if path == PAYMENTS else paces.address
        seconds = pace.seconds_to_wait(address_of(request))
    length = request.headers.get("content-length", "0")
    longest = UPLOAD_BYTES_MAX if path.endswith("/attachments") else BODY_BYTES_MAX
    is_long = not length.isdigit() or int(length) > longest
    if seconds:
        answer = _turned_away(request, TooFast(seconds))
    elif is_long or "chunked" in request.headers.get("transfer-encoding", ""):
        answer = _turned_away(request, None)
    else:
        answer = await call_next(request)
    for name, value in HEADERS.items():
        answer.headers[name] = value
    if not path.startswith("/static/"):
        answer.headers["Cache-Control"] = "no-store"
    return answer


def _turned_away(request: Request, fast: TooFast | None) -> Response:
    """The answer before anything is read."""
    if request.url.path.startswith(API):
        return problems.too_long(request) if fast is None else problems.too_fast(request, fast.seconds)
    if fast is None:
        return Response("The request is too long.", status_code=413, media_type="text/plain")
    headers = {"Retry-After": str(fast.seconds)}
    return Response(str(fast), status_code=429, media_type="text/plain", headers=headers)
