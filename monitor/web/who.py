"""Who a case is about: the profile then and now, who belongs to them, and what was known of them before."""

from fastapi import APIRouter, Request, Response

from monitor.adapters.sql.people import journal_look
from monitor.adapters.sql.subjects import alerts_of_subject, cases_of_subjects
from monitor.app.customer import Customer
from monitor.casework.lifecycle import in_words
from monitor.web.desk import Desk, sees
from monitor.web.pages import page
from monitor.web.queue import CaseReader
from monitor.web.records import UNREADABLE, Found, found_case, opened
from monitor.web.shown import minute

router = APIRouter()


@router.get("/cases/{case_id}/who")
def who_it_is(request: Request, who: CaseReader, case_id: str) -> Response:
    """Profile, related parties, earlier alerts and cases. The look is journalled."""
    desk: Desk = request.app.state.desk
    found = found_case(desk, who, case_id)
    journal_look(desk.store, who.person, what="profile_viewed", now_us=desk.wall_us(), case=case_id)
    customer, lost = _customer(desk, found)
    subject, may_see = found.case.subject, sees(who.person)
    with desk.store.reading() as connection:
        alerts = alerts_of_subject(connection, subject.kind, subject.token, may_see)
        tokens = [each.token for each in customer.related if each.token] if customer else []
        theirs = cases_of_subjects(connection, tokens, may_see)
    return page(
        request, "who.html", session=who, case=found.case, customer=customer, lost=lost, minute=minute,
        alerts=alerts, cases=theirs, state=in_words,
    )  # fmt: skip


def _customer(desk: Desk, found: Found) -> tuple[Customer | None, str | None]:
    """The customer as of the newest alert, or why nothing is known of them."""
    try:
        with opened(desk) as records:
            return records.customer(found.evidence[-1], now_us=desk.now_us()), None
    except UNREADABLE as error:
        return None, str(error)
