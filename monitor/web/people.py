"""The users, for who keeps them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from monitor.adapters.sql.people import Session, add_person, change_person, listed
from monitor.casework.access import RIGHTS, USERS
from monitor.web.door import genuine, with_right
from monitor.web.pages import page
from monitor.web.shown import minute

router = APIRouter()
Keeper = Annotated[Session, Depends(with_right(USERS))]


@router.get("/users")
def users(request: Request, who: Keeper) -> Response:
    """All users."""
    desk = request.app.state.desk
    with desk.store.reading() as connection:
        found = listed(connection)
    return page(request, "users.html", session=who, people=found, roles=list(RIGHTS), minute=minute,
                now_us=desk.wall_us())  # fmt: skip


@router.post("/users", dependencies=[Depends(genuine)])
def add(
    request: Request,
    who: Keeper,
    name: Annotated[str, Form()] = "",
    full_name: Annotated[str, Form()] = "",
    role: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
) -> Response:
    """Add a user."""
    desk = request.app.state.desk
    add_person(desk.store, name=name.strip(), full_name=full_name.strip(), role=role, password=password,
               by=who.person.name, now_us=desk.wall_us())  # fmt: skip
    return RedirectResponse("/users", status_code=303)


@router.post("/users/{name}", dependencies=[Depends(genuine)])
def change(
    request: Request, who: Keeper, name: str, role: Annotated[str, Form()] = "", active: Annotated[str, Form()] = ""
) -> Response:
    """Change a user's role, or switch it off or on."""
    desk = request.app.state.desk
    change_person(desk.store, name, by=who.person.name, now_us=desk.wall_us(), role=role or None,
                  is_active={"yes": True, "no": False}.get(active))  # fmt: skip
    return RedirectResponse("/users", status_code=303)
