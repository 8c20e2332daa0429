"""What a person chooses for their queue: columns, and views under names of their own."""

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from monitor.adapters.sql.people import Person, PersonRefused, Session
from monitor.adapters.sql.queue import ORDERS
from monitor.adapters.sql.settings import VIEWS_MAX, change_settings
from monitor.casework.access import CASES
from monitor.domain.vocabulary import SEVERITIES
from monitor.web.door import genuine, with_right

router = APIRouter()
NAME_MAX = 60
TEXT_MAX = 200
COLUMNS = (
    "amount", "customer", "segment", "rating", "alerts", "earlier", "opened", "due", "assignee", "state", "tags",
)  # fmt: skip
"""Columns that can be left out; priority and what it is about always stand there."""
QUERY_KEYS = ("view", "order", "falling", "severity", "tag", "q")
"""What a view keeps."""

_Reader = Annotated[Session, Depends(with_right(CASES))]


def columns_of(person: Person) -> tuple[str, ...]:
    """The columns that a person sees, in their order."""
    chosen = person.settings.get("columns")
    return COLUMNS if chosen is None else tuple(name for name in COLUMNS if name in chosen)


def views_of(person: Person) -> list[dict[str, str]]:
    """The saved views of a person: name and address."""
    saved = person.settings.get("views", [])
    return [{"name": each["name"], "query": "?" + urlencode(_ordered(each["query"]))} for each in saved]


def _ordered(query: dict[str, str]) -> dict[str, str]:
    return {name: query[name] for name in QUERY_KEYS if name in query}


@router.post("/queue/columns", dependencies=[Depends(genuine)])
def choose_columns(request: Request, who: _Reader, column: Annotated[list[str] | None, Form()] = None) -> Response:
    """Choose which columns the queue shows."""
    chosen = [name for name in COLUMNS if name in (column or [])]
    kept = None if len(chosen) == len(COLUMNS) else chosen
    _change(request, who, {"columns": kept})
    return RedirectResponse("/queue", status_code=303)


@router.post("/queue/views", dependencies=[Depends(genuine)])
def save_view(
    request: Request,
    who: _Reader,
    name: Annotated[str, Form()] = "",
    view: Annotated[str, Form()] = "open",
    order: Annotated[str, Form()] = "priority",
    falling: Annotated[str, Form()] = "true",
    severity: Annotated[str, Form()] = "",
    tag: Annotated[str, Form()] = "",
    q: Annotated[str, Form()] = "",
) -> Response:
    """Keep filter, search and order under a name; one of the same name is replaced."""
    name = " ".join(name.split())
    if not 1 <= len(name) <= NAME_MAX or not name.isprintable():
        raise PersonRefused(f"A view has a name of 1 to {NAME_MAX} characters; this one has {len(name)}.")
    query = _kept(view, order, falling, severity, tag, q)
    views = [each for each in who.person.settings.get("views", []) if each["name"] != name]
    if len(views) >= VIEWS_MAX:
        raise PersonRefused(f"There are {VIEWS_MAX} saved views, the most there can be. Delete one first.")
    _change(request, who, {"views": [*views, {"name": name, "query": query}]})
    return RedirectResponse("/queue?" + urlencode(query), status_code=303)


@router.post("/queue/views/delete", dependencies=[Depends(genuine)])
def delete_view(request: Request, who: _Reader, name: Annotated[str, Form()] = "") -> Response:
    """Forget a saved view."""
    views = [each for each in who.person.settings.get("views", []) if each["name"] != name]
    _change(request, who, {"views": views or None})
    return RedirectResponse("/queue", status_code=303)


def _kept(view: str, order: str, falling: str, severity: str, tag: str, q: str) -> dict[str, str]:
    given = {
        "view": view[:NAME_MAX],
        "order": order if order in ORDERS else "priority",
        "falling": "false" if falling == "false" else "true",
        "severity": severity if severity in SEVERITIES else "",
        "tag": tag[:NAME_MAX],
        "q": q[:TEXT_MAX],
    }
    return {name: value for name, value in given.items() if value}


def _change(request: Request, who: Session, changes: dict[str, Any]) -> None:
    desk = request.app.state.desk
    change_settings(desk.store, who.person.name, changes, by=who.person.name, now_us=desk.wall_us())
