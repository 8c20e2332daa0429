"""The page of the team, for supervisors and auditors: work at hand, what was done, skipping, conflicts, quality."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from monitor.adapters.sql.conflicts import conflicts_of, withdraw
from monitor.adapters.sql.people import CHAIN, PersonRefused, Session, journal_look, workers
from monitor.adapters.sql.quality import draw_sample, review, reviews_seen, samples_drawn, words_of
from monitor.adapters.sql.settings import change_settings
from monitor.adapters.sql.team import Counted, Load, team
from monitor.casework.access import DRAW, PLAN, RESTRICTED, TEAM, may
from monitor.casework.handing import LIMIT_MAX, SKIP_REASONS, plan_of
from monitor.casework.quality import FINDINGS
from monitor.domain.alert import Subject
from monitor.domain.time import DAY_US
from monitor.web.desk import Desk, actor, sees, wall_of
from monitor.web.door import genuine, with_right
from monitor.web.pages import page
from monitor.web.shown import minute

router = APIRouter()
SPANS = (7, 30, 90)
"""Days that the page can count over."""
SKILLS_MAX, SKILL_CHARACTERS_MAX = 20, 60

Watcher = Annotated[Session, Depends(with_right(TEAM))]
Planner = Annotated[Session, Depends(with_right(PLAN))]
Drawer = Annotated[Session, Depends(with_right(DRAW))]


@router.get("/team")
def team_page(request: Request, who: Watcher, days: Annotated[int, Query(ge=1, le=366)] = 30) -> Response:
    """The team over the last days."""
    desk: Desk = request.app.state.desk
    now_us, wall = desk.now_us(), wall_of(who.person)
    with desk.store.reading() as connection:
        found = team(connection, since_us=now_us - days * DAY_US, until_us=now_us, wall=wall)
        people = workers(connection)
        related = conflicts_of(connection)
        reviewed = reviews_seen(connection, wall)
        drawn = samples_drawn(connection) if wall is None else []
    sees_reports = may(who.person.role, RESTRICTED)
    outcomes = ["false_positive", "explained", "inconclusive", *(["reported"] if sees_reports else [])]
    journal_look(desk.store, who.person, what="team_viewed", now_us=desk.wall_us(), days=days)
    return page(
        request, "team.html", session=who, team=found, people=people, days=days, spans=SPANS, outcomes=outcomes,
        plans={each.name: plan_of(each.settings) for each in people}, nobody=Counted(), idle=Load(0, 0),
        skip_reasons=SKIP_REASONS, minute=minute, findings=FINDINGS, reviews=reviewed,
        related=[(each, desk.resolve(each.subject.token)) for each in related],
        samples=[(each, words_of(each)) for each in drawn], limit_max=LIMIT_MAX,
    )  # fmt: skip


@router.post("/team/people/{name}", dependencies=[Depends(genuine)])
def plan(
    request: Request,
    who: Planner,
    name: str,
    limit: Annotated[int, Form(ge=0, le=LIMIT_MAX)] = 0,
    skills: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Set how many open cases a person has at most, and which typologies they know."""
    desk: Desk = request.app.state.desk
    known = list(dict.fromkeys(skills.replace(",", " ").lower().split()))
    if len(known) > SKILLS_MAX or any(len(word) > SKILL_CHARACTERS_MAX or not _is_word(word) for word in known):
        raise PersonRefused(
            f"user {name}: skills are up to {SKILLS_MAX} words of typologies, such as structuring pass_through."
        )
    change_settings(desk.store, name, {"limit": limit, "skills": known or None}, by=who.person.name,
                    now_us=desk.wall_us(), action="work_planned")  # fmt: skip
    return RedirectResponse("/team", status_code=303)


@router.post("/team/conflicts/{name}", dependencies=[Depends(genuine)])
def end_conflict(
    request: Request, who: Planner, name: str, kind: Annotated[str, Form()] = "", token: Annotated[str, Form()] = ""
) -> Response:
    """End a declaration that was made by mistake."""
    desk: Desk = request.app.state.desk
    withdraw(desk.store, name, Subject(kind, token), by=who.person.name, at_us=desk.now_us(),
             recorded_at_us=desk.wall_us(), chain=CHAIN)  # fmt: skip
    return RedirectResponse("/team", status_code=303)


@router.post("/team/samples", dependencies=[Depends(genuine)])
def draw(
    request: Request,
    who: Drawer,
    percent: Annotated[int, Form()] = 0,
    days: Annotated[int, Form(ge=1, le=366)] = 30,
) -> Response:
    """Draw a sample of what was decided over the last days."""
    desk: Desk = request.app.state.desk
    now_us = desk.now_us()
    draw_sample(desk.store, actor(who.person), from_us=now_us - days * DAY_US, until_us=now_us, percent=percent,
                now_us=now_us, recorded_at_us=desk.wall_us())  # fmt: skip
    return RedirectResponse("/team#quality", status_code=303)


@router.post("/team/reviews/{case_id}", dependencies=[Depends(genuine)])
def record_review(
    request: Request,
    who: Planner,
    case_id: str,
    finding: Annotated[str, Form()] = "",
    note: Annotated[str, Form(max_length=20_000)] = "",
) -> Response:
    """Record what the review of a case found."""
    desk: Desk = request.app.state.desk
    review(desk.store, case_id, actor(who.person), finding=finding, note=note, now_us=desk.now_us(),
           recorded_at_us=desk.wall_us(), sees=sees(who.person))  # fmt: skip
    return RedirectResponse("/team#quality", status_code=303)


def _is_word(word: str) -> bool:
    return all(letter.isalnum() or letter in "_-" for letter in word)
