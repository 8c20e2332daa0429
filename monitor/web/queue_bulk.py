"""One act on several cases: a page that says what it would do to each, and the act itself."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response

from monitor.adapters.sql.bulk_acts import BulkAct, do, preview
from monitor.adapters.sql.people import Session
from monitor.casework.bulk import BULK_ACTS
from monitor.casework.lifecycle import MoveRefused, in_words
from monitor.casework.lifecycle import Request as Move
from monitor.casework.reasons import MOVE_REASONS
from monitor.casework.tags import tag_of
from monitor.domain.time import DAY_US
from monitor.web.desk import Desk, actor, check_worker, sees
from monitor.web.door import genuine
from monitor.web.pages import page
from monitor.web.queue import CaseWorker
from monitor.web.queue_hand import to_queue

router = APIRouter()


class Given:
    """The fields of the form: the act and what it needs. Dates count from the moment they are sent."""

    def __init__(
        self,
        act: Annotated[str, Form()] = "",
        assignee: Annotated[str, Form()] = "",
        reason: Annotated[str, Form()] = "",
        days: Annotated[int, Form(ge=0, le=365)] = 0,
        note: Annotated[str, Form()] = "",
        tag: Annotated[str, Form()] = "",
    ) -> None:
        self.act, self.assignee, self.reason = act, assignee, reason
        self.days, self.note, self.tag = days, note, tag

    def fields(self) -> dict[str, str]:
        """The same as hidden fields of the next form."""
        return {name: str(value) for name, value in vars(self).items() if value}


@router.post("/queue/bulk/preview", dependencies=[Depends(genuine)])
def look_at(
    request: Request,
    who: CaseWorker,
    given: Annotated[Given, Depends()],
    case: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """What an act would do to each of the chosen cases. Nothing is changed."""
    desk: Desk = request.app.state.desk
    act = _act(desk, who, given)
    with desk.store.reading() as connection:
        outlooks = preview(connection, case or [], act, desk.store.policy, sees(who.person))
    rows = [
        (each, desk.resolve(each.case.subject.token), in_words(each.case.state), in_words(each.after))
        for each in outlooks
    ]
    return page(request, "queue_preview.html", session=who, rows=rows, given=given, fields=given.fields(),
                ready=sum(each.refusal is None for each in outlooks))  # fmt: skip


@router.post("/queue/bulk", dependencies=[Depends(genuine)])
def act_on(
    request: Request,
    who: CaseWorker,
    given: Annotated[Given, Depends()],
    item: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """Do it to each case that is still as the preview showed it, with one entry of the journal for each."""
    desk: Desk = request.app.state.desk
    done = do(desk.store, [_item(each) for each in item or []], _act(desk, who, given),
              recorded_at_us=desk.wall_us(), sees=sees(who.person))  # fmt: skip
    if not done.refused:
        return to_queue(request, done=done.kind, n=len(done.cases))
    return page(request, "queue_done.html", session=who, done=done)


def _act(desk: Desk, who: Session, given: Given) -> BulkAct:
    if given.act not in BULK_ACTS:
        raise MoveRefused(f"{given.act[:40]!r} is not done to several cases at once. One of: {', '.join(BULK_ACTS)}.")
    now_us = desk.now_us()
    tag = tag_of(given.tag) if given.act in ("tag", "untag") else None
    assignee = (given.assignee or who.person.name) if given.act == "assign" else None
    if assignee is not None:
        check_worker(desk.store, assignee)
    reason = given.reason or None
    if reason is not None and reason not in MOVE_REASONS.get(given.act, {}):
        reason = None
    request = Move(
        given.act, actor(who.person), now_us, note=given.note.strip() or None if given.act in _NOTED else None,
        reason=reason, assignee=assignee, until_us=now_us + given.days * DAY_US if given.act == "snooze" else None,
    )  # fmt: skip
    return BulkAct(request, tag)


_NOTED = ("note", "escalate")


def _item(text: str) -> tuple[str, int]:
    case_id, _, version = text.partition(" ")
    if not version.isdigit() or len(version) > 9:
        raise MoveRefused("The page does not say which version of a case it showed. Choose the cases again.")
    return case_id, int(version)
