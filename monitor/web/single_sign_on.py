"""The pages of single sign-on: to the provider, and back. Why it failed stands in the log and the journal alone."""

import logging
from dataclasses import dataclass
from typing import Annotated, Protocol

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from monitor.adapters.sql.people import PersonRefused, come_in_by_sso, journal_sso_failed
from monitor.web.door import address_of, set_session
from monitor.web.pages import page

router = APIRouter(prefix="/sign-in/sso")
LOG = logging.getLogger(__name__)
WAY_COOKIE, WAY_PATH, WAY_SECONDS = "aml_way", "/sign-in/sso", 600
VALUE_MAX = 4_096


class SsoFailed(Exception):
    """Somebody cannot come in. ``why`` is a word for the journal; the message, without secrets, is for the log."""

    def __init__(self, why: str, message: str) -> None:
        super().__init__(message)
        self.why = why


@dataclass(frozen=True, slots=True)
class Vouched:
    """Whom the provider vouches for: ``subject`` is unique over all providers."""

    subject: str
    name: str
    full_name: str
    role: str


class WayIn(Protocol):
    """A provider (:class:`monitor.web.oidc.SingleSignOn`)."""

    @property
    def has_local_users(self) -> bool:
        """Whether users with a password may come in too."""

    def begin(self) -> tuple[str, str]:
        """Where to send the browser, and what binds the way to it. Raises :class:`SsoFailed`."""

    def finish(self, *, state: str, code: str, error: str, browser: str) -> Vouched:
        """Whom the provider vouches for, when the browser has come back. Raises :class:`SsoFailed`."""


@router.get("")
def begin(request: Request) -> Response:
    """Send the browser to the provider."""
    desk = request.app.state.desk
    if desk.sso is None:
        return RedirectResponse("/sign-in", status_code=303)
    if not desk.attempts.allows(address_of(request)):
        return _failed(request, 429)
    try:
        place, browser = desk.sso.begin()
    except SsoFailed as failure:
        return _told(request, failure)
    answer = RedirectResponse(place, status_code=303)
    answer.set_cookie(WAY_COOKIE, browser, max_age=WAY_SECONDS, path=WAY_PATH, httponly=True, secure=desk.is_secure,
                      samesite="lax")  # fmt: skip
    return answer


@router.get("/back")
def back(
    request: Request,
    state: Annotated[str, Query(max_length=VALUE_MAX)] = "",
    code: Annotated[str, Query(max_length=VALUE_MAX)] = "",
    error: Annotated[str, Query(max_length=VALUE_MAX)] = "",
) -> Response:
    """Let in whom the provider vouches for."""
    desk = request.app.state.desk
    if desk.sso is None:
        return RedirectResponse("/sign-in", status_code=303)
    if not desk.attempts.allows(address_of(request)):
        return _failed(request, 429)
    try:
        who = desk.sso.finish(state=state, code=code, error=error, browser=request.cookies.get(WAY_COOKIE, ""))
        token = come_in_by_sso(desk.store, subject=who.subject, name=who.name, full_name=who.full_name, role=who.role,
                               now_us=desk.wall_us())  # fmt: skip
    except SsoFailed as failure:
        return _told(request, failure)
    except PersonRefused as refused:
        return _told(request, SsoFailed("person", str(refused)))
    # A redirect would still count as coming from the provider's site, and the browser would keep the cookie back.
    answer = page(request, "signed_in.html")
    answer.headers["Refresh"] = "0; url=/"
    set_session(answer, token, is_secure=desk.is_secure)
    answer.delete_cookie(WAY_COOKIE, path=WAY_PATH, httponly=True, secure=desk.is_secure, samesite="lax")
    return answer


def _told(request: Request, failure: SsoFailed) -> Response:
    desk = request.app.state.desk
    LOG.warning("single sign-on failed (%s): %s", failure.why, str(failure).replace("\n", " ").replace("\r", " "))
    journal_sso_failed(desk.store, why=failure.why, now_us=desk.wall_us())
    return _failed(request, 401)


def _failed(request: Request, status: int) -> Response:
    return page(request, "sign_in.html", status=status, has_failed=True, name="")
