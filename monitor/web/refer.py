"""Telling of a customer: a case opened by hand, and what branches refer.

Whoever tells sees their own words again and never what became of them. So a branch learns nothing of a case, and an
analyst nothing of one that they may not see.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from monitor.adapters.sql.people import Session, journal_look
from monitor.adapters.sql.queue import currencies
from monitor.adapters.sql.regrouping import open_by_hand, told_by
from monitor.casework.access import CASES, REFER, may
from monitor.casework.lifecycle import MoveRefused
from monitor.casework.told import TOLD_CHARACTERS_MAX, told_alert
from monitor.domain.alert import Subject
from monitor.domain.money import CURRENCY_CODE, parse_amount_minor
from monitor.domain.vocabulary import SEVERITIES
from monitor.rulebook.typologies import TYPOLOGIES
from monitor.web.desk import Desk, actor, sees
from monitor.web.door import genuine, with_right
from monitor.web.pages import page
from monitor.web.shown import minute

router = APIRouter()
CUSTOMER_CHARACTERS_MAX = 128

Teller = Annotated[Session, Depends(with_right(REFER))]


@router.get("/refer")
def form(request: Request, who: Teller, done: str = "") -> Response:
    """The form, and what the reader told before."""
    desk: Desk = request.app.state.desk
    with desk.store.reading() as connection:
        told = told_by(connection, who.person.name)
        used = currencies(connection)
    journal_look(desk.store, who.person, what="referrals_viewed", now_us=desk.wall_us(), referrals=len(told))
    return page(
        request, "refer.html", session=who, done=done == "yes", typologies=TYPOLOGIES, severities=SEVERITIES,
        currencies=[*used, *sorted(CURRENCY_CODE.keys() - set(used))], characters_max=TOLD_CHARACTERS_MAX,
        told=[(minute(each.at_us), desk.resolve(each.subject.token), each.text) for each in told],
    )  # fmt: skip


@router.post("/refer", dependencies=[Depends(genuine)])
def tell(
    request: Request,
    who: Teller,
    customer: Annotated[str, Form(max_length=CUSTOMER_CHARACTERS_MAX)] = "",
    text: Annotated[str, Form()] = "",
    typology: Annotated[str, Form()] = "behaviour",
    severity: Annotated[str, Form()] = "medium",
    amount: Annotated[str, Form(max_length=40)] = "",
    currency: Annotated[str, Form()] = "",
) -> Response:
    """Tell of a customer. A desk's worker opens a case with it or adds to the open one; a branch refers."""
    desk: Desk = request.app.state.desk
    person = who.person
    token = desk.token_of(customer.strip())
    if token is None:
        raise MoveRefused(
            f"No customer {customer[:40]!r} is known here. Give the identifier as the bank's records have it."
        )
    if currency not in CURRENCY_CODE:
        raise MoveRefused(f"There is no currency {currency[:10]!r}. Choose one of the list.")
    try:
        amount_minor = parse_amount_minor(amount.strip().replace(" ", ""), currency) if amount.strip() else 0
    except ValueError as error:
        raise MoveRefused(
            f"The amount cannot be read: {error}. Write it such as 12500.00, or leave it empty."
        ) from None
    works = may(person.role, CASES)
    alert = told_alert(
        Subject("customer", token), by=person.name, channel="hand" if works else "branch", text=text,
        typology=typology, severity=severity, at_us=desk.now_us(), amount_minor=amount_minor, currency=currency,
    )  # fmt: skip
    # What a branch refers joins whatever is open: who referred it sees neither the case nor whether there is one.
    may_join = sees(person) if works else (lambda _: True)
    case = open_by_hand(desk.store, alert, actor(person), recorded_at_us=desk.wall_us(), sees=may_join)
    return RedirectResponse(f"/cases/{case.case_id}" if works else "/refer?done=yes", status_code=303)
