"""Coming in and leaving, and the choices that need no session: language and colours."""

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from monitor.adapters.sql.people import come_in, leave
from monitor.web.door import COOKIE, InSession, address_of, genuine, set_session
from monitor.web.pages import LANGUAGE_COOKIE, THEME_COOKIE, THEMES, page
from monitor.web.words import LANGUAGES

router = APIRouter()
_YEAR_SECONDS = 365 * 86_400


@router.get("/sign-in")
def form(request: Request) -> Response:
    """The door."""
    return page(request, "sign_in.html", has_failed=False, name="")


@router.post("/sign-in")
def sign_in(request: Request, name: Annotated[str, Form()] = "", password: Annotated[str, Form()] = "") -> Response:
    """Come in with name and password. Why it failed is not told."""
    desk = request.app.state.desk
    if desk.sso is not None and not desk.sso.has_local_users:
        return page(request, "sign_in.html", status=403, has_failed=True, name="")
    if not desk.attempts.allows(address_of(request)):
        return page(request, "sign_in.html", status=429, has_failed=True, name=name)
    token = come_in(desk.store, name=name, password=password, now_us=desk.wall_us())
    if token is None:
        return page(request, "sign_in.html", status=401, has_failed=True, name=name)
    answer = RedirectResponse("/", status_code=303)
    set_session(answer, token, is_secure=desk.is_secure)
    return answer


@router.post("/sign-out", dependencies=[Depends(genuine)])
def sign_out(request: Request, who: InSession) -> Response:
    """Leave; the session ends here too, not in the browser only."""
    desk = request.app.state.desk
    leave(desk.store, who, now_us=desk.wall_us())
    answer = RedirectResponse("/sign-in", status_code=303)
    answer.delete_cookie(COOKIE, httponly=True, secure=desk.is_secure, samesite="strict")
    return answer


@router.get("/choose")
def choose(request: Request, language: str | None = None, theme: str | None = None) -> Response:
    """Choose a language or colours, and go back to the page."""
    came_from = urlsplit(request.headers.get("referer", "/"))
    back = came_from.path if came_from.netloc == request.url.netloc and came_from.path.startswith("/") else "/"
    answer = RedirectResponse("/" + back.lstrip("/") + ("?" + came_from.query if came_from.query else ""), 303)
    secure = request.app.state.desk.is_secure
    if language is not None and language in LANGUAGES:
        answer.set_cookie(LANGUAGE_COOKIE, language, max_age=_YEAR_SECONDS, secure=secure, samesite="lax")
    if theme is not None and theme in THEMES:
        answer.set_cookie(THEME_COOKIE, theme, max_age=_YEAR_SECONDS, secure=secure, samesite="lax")
    return answer
