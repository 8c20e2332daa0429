"""Pages: templates with the words of a language, and what every page shows around its own."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from monitor.adapters.sql.people import Session
from monitor.casework.access import may
from monitor.casework.wording import Told
from monitor.web.words import LANGUAGES, said, spelled, told_in

THEMES = ("auto", "light", "dark")
LANGUAGE_COOKIE, THEME_COOKIE = "aml_language", "aml_theme"

_templates = Environment(
    loader=FileSystemLoader(str(files("monitor.web") / "templates")),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def language_of(request: Request) -> str:
    """The language that the reader chose, else what the browser asks for, else English."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    if chosen in LANGUAGES:
        return str(chosen)
    asked = request.headers.get("accept-language", "").lower()
    return "zh-Hans" if asked.startswith("zh") else "en"


def page(
    request: Request, template: str, *, session: Session | None = None, status: int = 200, **values: Any
) -> HTMLResponse:
    """A page, or a piece of one, in the reader's language."""
    language, theme = language_of(request), request.cookies.get(THEME_COOKIE, "auto")

    def put(text: str, **given: object) -> str:
        return said(language, text, **given)

    def tell(sentences: Sequence[Told]) -> list[str]:
        return [told_in(language, each) for each in sentences]

    def time(words: str) -> str:
        return spelled(language, words)

    def can(right: str) -> bool:
        return session is not None and may(session.person.role, right)

    sso = request.app.state.desk.sso
    around = {
        "has_sso": sso is not None, "has_local_users": sso is None or sso.has_local_users,
        "_": put, "tell": tell, "time": time, "can": can, "language": language, "languages": LANGUAGES,
        "session": session, "themes": THEMES,
        "theme": theme if theme in THEMES else "auto", "path": request.url.path, "query_with": _query_with(request),
    }  # fmt: skip
    return HTMLResponse(_templates.get_template(template).render(around | values), status_code=status)


def failed(request: Request, status: int, message: str) -> Response:
    """What went wrong, as a page or as the piece that is shown over one."""
    is_piece = bool(request.headers.get("HX-Request"))
    answer = page(request, "failed_piece.html" if is_piece else "failed.html", status=status, message=message)
    if is_piece:
        answer.headers["HX-Retarget"], answer.headers["HX-Reswap"] = "#told", "innerHTML"
    return answer


def _query_with(request: Request) -> Any:
    """A function that gives the address of this page with some parameters changed; ``None`` takes one out."""

    def changed(**values: object) -> str:
        kept = {name: value for name, value in request.query_params.items() if name not in ("offset", *values)}
        given = {name: str(value) for name, value in values.items() if value is not None}
        return "?" + urlencode(kept | given)

    return changed
