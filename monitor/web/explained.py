"""An alert computed again from the recorded history: threshold against actual, and the payments behind it."""

from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from monitor.adapters.sql.desk import CaseUnknown, find_case_id
from monitor.adapters.sql.people import journal_look
from monitor.app.explained import Part
from monitor.app.explaining import AlertUnknown, CannotExplain
from monitor.domain.alert import Quantity
from monitor.engine.sentences import readable
from monitor.web.desk import Desk, sees
from monitor.web.pages import page
from monitor.web.queue import CaseReader
from monitor.web.timeline import amount_words, timeline

router = APIRouter()
PAYMENTS_MAX = 200
"""Most payments of a page; an alert names no more."""
_OPS = {"<": "<", "<=": "≤", ">": ">", ">=": "≥", "==": "=", "!=": "≠"}


@dataclass(frozen=True, slots=True)
class ShownPart:
    """A part of the condition. ``depth`` indents it, 0 to 8."""

    depth: int
    words: str
    truth: str
    joined: str
    actual: str
    threshold: str


@router.get("/cases/{case_id}/alerts/{alert_id}")
def explained(request: Request, who: CaseReader, case_id: str, alert_id: str) -> Response:
    """The alert as it comes out again. The look is journalled."""
    desk: Desk = request.app.state.desk
    with desk.store.reading() as connection:
        if find_case_id(connection, alert_id, sees(who.person)) != case_id:
            raise CaseUnknown
    journal_look(desk.store, who.person, what="alert_explained", now_us=desk.wall_us(), case=case_id, alert=alert_id)
    if desk.explain is None:
        return page(request, "told.html", session=who, text="There is no history beside this store.")
    try:
        found = desk.explain(alert_id)
    except (AlertUnknown, CannotExplain) as error:
        return page(request, "told.html", session=who, text=str(error))
    payments = found.payments[-PAYMENTS_MAX:]
    return page(
        request, "explained.html", session=who, found=found, parts=[shown_part(part) for part in found.parts],
        payments=payments, amounts=[amount_words(each) for each in payments], line=timeline(payments),
    )  # fmt: skip


def shown_part(part: Part) -> ShownPart:
    """A part in words, its actual value, and what that is compared with."""
    joined = {"and": "all of", "or": "at least one of", "not": "not all of"}.get(part.joined or "", "")
    threshold = f"{_OPS[part.op]} {_shown(part.threshold)}" if part.op and part.threshold else ""
    actual = _shown(part.actual) if part.actual else ""
    return ShownPart(min(part.depth, 8), "" if joined else part.words, part.truth, joined, actual, threshold)


def _shown(quantity: Quantity) -> str:
    return readable(quantity.value, quantity.unit, quantity.bound)
