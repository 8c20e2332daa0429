"""Next, take, skip and undo: who gets which case."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Request, Response

from monitor.adapters.sql.bulk_acts import undo_last
from monitor.adapters.sql.handing import hand_out, skip, take
from monitor.web.desk import Desk, actor, sees, wall_of
from monitor.web.door import genuine
from monitor.web.pages import page
from monitor.web.queue import CaseWorker, line_of, rows_of

router = APIRouter()
NOTHING = {
    "nothing": "Nothing waits that you could take.",
    "limit": "You have as many open cases as you may have. Decide one, put one back, or ask your supervisor.",
}
"""Why *next* hands out nothing."""


@router.post("/queue/next", dependencies=[Depends(genuine)])
def next_case(request: Request, who: CaseWorker) -> Response:
    """Give the reader the most pressing case that is theirs or nobody's, and open it."""
    desk: Desk = request.app.state.desk
    handed = hand_out(
        desk.store, who.person, actor(who.person), now_us=desk.now_us(), recorded_at_us=desk.wall_us(),
        wall=wall_of(who.person),
    )  # fmt: skip
    if handed.case is None:
        return page(request, "told.html", session=who, text=NOTHING[handed.why])
    return Response(status_code=204, headers={"HX-Redirect": f"/cases/{handed.case.case_id}"})


@router.post("/queue/{case_id}/take", dependencies=[Depends(genuine)])
def take_case(request: Request, who: CaseWorker, case_id: str) -> Response:
    """Make a case one's own that is nobody's; the line as it is then."""
    desk: Desk = request.app.state.desk
    after = take(
        desk.store, case_id, actor(who.person), now_us=desk.now_us(), recorded_at_us=desk.wall_us(),
        sees=sees(who.person),
    )  # fmt: skip
    return rows_of(request, who, [line_of(desk, who, after.case_id)])


@router.post("/queue/{case_id}/skip", dependencies=[Depends(genuine)])
def skip_case(request: Request, who: CaseWorker, case_id: str, reason: Annotated[str, Form()] = "") -> Response:
    """Pass a case on with a reason, and go back to the queue."""
    desk: Desk = request.app.state.desk
    skip(
        desk.store, case_id, reason, actor(who.person), now_us=desk.now_us(), recorded_at_us=desk.wall_us(),
        sees=sees(who.person),
    )  # fmt: skip
    return to_queue(request, done="skip", n=1)


@router.post("/queue/undo", dependencies=[Depends(genuine)])
def undo(request: Request, who: CaseWorker) -> Response:
    """Take back the last act."""
    desk: Desk = request.app.state.desk
    done = undo_last(
        desk.store, actor(who.person), now_us=desk.now_us(), recorded_at_us=desk.wall_us(), sees=sees(who.person)
    )
    return to_queue(request, done="undo", n=len(done.cases), left=len(done.refused))


def to_queue(request: Request, **told: object) -> Response:
    """Back to the queue, which then says what was done; for a form and for a piece of a page."""
    place = "/queue?" + urlencode(told)
    if request.headers.get("HX-Request"):
        return Response(status_code=204, headers={"HX-Redirect": place})
    return Response(status_code=303, headers={"Location": place})
