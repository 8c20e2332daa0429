"""An alert computed again from the recorded history: threshold against actual, and the payments behind it."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from fastapi import APIRouter, Request, Response

from monitor.adapters.sql.desk import CaseUnknown, find_case_id
from monitor.adapters.sql.people import Session, journal_look
from monitor.app.explained import Part
from monitor.app.explaining import AlertUnknown, CannotExplain, Explained
from monitor.app.today import Today
from monitor.casework.journal import canonical_json
from monitor.web.charts import OPS, course_json, path_json, quantile_words, words_of
from monitor.web.desk import Desk, sees
from monitor.web.pages import page
from monitor.web.queue import CaseReader
from monitor.web.records import NO_HISTORY, UNREADABLE, told
from monitor.web.shown import amount_words, minute
from monitor.web.timeline import timeline

router = APIRouter()
PAYMENTS_MAX = 200
"""Most payments of a page; an alert names no more."""


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
    evidence = _evidence(desk, who, case_id, alert_id, what="alert_explained")
    if desk.explain is None:
        return page(request, "told.html", session=who, text=NO_HISTORY)
    explain = desk.explain
    key = ("explained", alert_id, _digest(evidence))
    try:
        found: Explained = desk.places.once(key, lambda: explain(alert_id), keep=lambda each: not each.lost)
    except (AlertUnknown, CannotExplain) as error:
        return told(request, who, error)
    payments = found.payments[-PAYMENTS_MAX:]
    return page(
        request, "explained.html", session=who, found=found, parts=[shown_part(part) for part in found.parts],
        payments=payments, amounts=[amount_words(each.amount_minor, each.currency) for each in payments],
        line=timeline(payments), courses=[(each, course_json(each)) for each in found.courses],
        words=words_of, minute=minute,
        path_drawn=path_json(found.path) if found.path else "", step_amount=amount_words, quantile=quantile_words,
    )  # fmt: skip


@router.get("/cases/{case_id}/alerts/{alert_id}/today")
def today(request: Request, who: CaseReader, case_id: str, alert_id: str) -> Response:
    """Whether the rules of today would still raise the alert, and why. The look is journalled."""
    desk: Desk = request.app.state.desk
    evidence = _evidence(desk, who, case_id, alert_id, what="alert_judged_today")
    if desk.records is None:
        return page(request, "told.html", session=who, text=NO_HISTORY)
    records = desk.records
    try:
        with records() as opened:
            in_force = opened.in_force()

        def judge() -> Today:
            with records() as opened:
                return opened.today(alert_id, in_force)

        found = desk.places.once(("today", alert_id, _digest(evidence), in_force.digest), judge)
    except (*UNREADABLE, AlertUnknown) as error:
        return told(request, who, error)
    return page(request, "today.html", session=who, found=found, parts=[shown_part(part) for part in found.parts])


def _evidence(desk: Desk, who: Session, case_id: str, alert_id: str, *, what: str) -> dict[str, Any]:
    """The stored evidence of an alert of a case that the reader may see, with the look journalled."""
    with desk.store.reading() as connection:
        if find_case_id(connection, alert_id, sees(who.person)) != case_id:
            raise CaseUnknown
    journal_look(desk.store, who.person, what=what, now_us=desk.wall_us(), case=case_id, alert=alert_id)
    evidence = desk.store.evidence(alert_id)
    if evidence is None:
        raise CaseUnknown
    return evidence


def _digest(evidence: dict[str, Any]) -> str:
    return sha256(canonical_json(evidence).encode()).hexdigest()


def shown_part(part: Part) -> ShownPart:
    """A part in words, its actual value, and what that is compared with."""
    joined = {"and": "all of", "or": "at least one of", "not": "not all of"}.get(part.joined or "", "")
    threshold = f"{OPS[part.op]} {words_of(part.threshold)}" if part.op and part.threshold else ""
    actual = words_of(part.actual) if part.actual else ""
    return ShownPart(min(part.depth, 8), "" if joined else part.words, part.truth, joined, actual, threshold)
