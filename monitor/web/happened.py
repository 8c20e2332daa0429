"""What happened: the payments of a case's subject in and out, the hits on them, and with whom it moves money."""

import csv
import io
from collections.abc import Iterable
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from monitor.adapters.sql.people import journal_look
from monitor.app.activity import Activity, Movement, activity
from monitor.domain.money import format_amount
from monitor.domain.time import format_time, parse_time_us
from monitor.web.desk import Desk
from monitor.web.pages import failed, page
from monitor.web.queue import CaseReader
from monitor.web.records import UNREADABLE, Found, Span, SpanWrong, found_case, opened, span_of, told
from monitor.web.shown import amount_words, minute

router = APIRouter()
SHOWN_MAX, PARTIES_MAX = 1_000, 50
"""Most payments and counterparties on a page; a file has all payments up to the next limit."""
EXPORTED_MAX = 200_000
TIME_MAX = 32
FormText = Annotated[str, Query(max_length=TIME_MAX)]
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
HEAD = ("time_utc", "direction", "amount", "currency", "channel", "status", "other_side", "other_name", "other_country",
        "hits", "transaction_id")  # fmt: skip


@router.get("/cases/{case_id}/payments")
def payments(
    request: Request,
    who: CaseReader,
    case_id: str,
    first: Annotated[FormText, Query(alias="from")] = "",
    until: FormText = "",
) -> Response:
    """Timeline, table and counterparties. The look is journalled."""
    desk: Desk = request.app.state.desk
    found = found_case(desk, who, case_id)
    try:
        span = span_of(first, until, found, desk.now_us())
        journal_look(desk.store, who.person, what="payments_viewed", now_us=desk.wall_us(), case=case_id,
                     **{"from": format_time(span.from_us), "until": format_time(span.until_us)})  # fmt: skip
        seen = _activity(desk, found, span, SHOWN_MAX)
    except (*UNREADABLE, SpanWrong) as error:
        return told(request, who, error)
    hits = hits_of(found)
    return page(
        request, "payments.html", session=who, case=found.case, seen=seen, span=span, hits=hits,
        left_out=seen.movements_total - len(seen.movements), minute=minute, amount=amount_words,
        parties_left_out=seen.counterparties_total - len(seen.counterparties),
        alerts=[(alert["source"]["id"], parse_time_us(alert["event_time"]) // 1000) for alert in found.evidence],
    )  # fmt: skip


@router.get("/cases/{case_id}/payments.csv")
def payments_file(
    request: Request,
    who: CaseReader,
    case_id: str,
    first: Annotated[FormText, Query(alias="from")] = "",
    until: FormText = "",
) -> Response:
    """The payments as a file for spreadsheets. Taking it away is journalled, with how many there are in it."""
    desk: Desk = request.app.state.desk
    found = found_case(desk, who, case_id)
    try:
        span = span_of(first, until, found, desk.now_us())
        seen = _activity(desk, found, span, EXPORTED_MAX)
    except SpanWrong as error:
        return failed(request, 422, str(error))
    except UNREADABLE as error:
        return failed(request, 409, str(error))
    if seen.movements_total > EXPORTED_MAX:
        return failed(request, 422, f"These are {seen.movements_total:,} payments, and a file has at most "
                                    f"{EXPORTED_MAX:,}. Choose a shorter time.")  # fmt: skip
    journal_look(desk.store, who.person, what="payments_exported", now_us=desk.wall_us(), case=case_id,
                 payments=len(seen.movements),
                 **{"from": format_time(span.from_us), "until": format_time(span.until_us)})  # fmt: skip
    name = f"{found.case.case_id[:10]}-{span.first_day}-{span.last_day}.csv"
    return Response(
        csv_of(seen.movements, hits_of(found)), media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )  # fmt: skip


def _activity(desk: Desk, found: Found, span: Span, most: int) -> Activity:
    subject = found.case.subject
    with opened(desk) as records, records.books(found.position) as books:
        return activity(
            books, bytes.fromhex(subject.token), subject.kind, from_us=span.from_us, until_us=span.until_us,
            movements_max=most, parties_max=PARTIES_MAX,
        )  # fmt: skip


def hits_of(found: Found) -> dict[int, tuple[str, ...]]:
    """By log position the rules and models of which an alert of the case names the payment."""
    hits: dict[int, tuple[str, ...]] = {}
    for alert in found.evidence:
        for position in map(int, alert["transactions"]):
            hits[position] = tuple(dict.fromkeys((*hits.get(position, ()), alert["source"]["id"])))
    return hits


def csv_of(movements: Iterable[Movement], hits: dict[int, tuple[str, ...]]) -> str:
    """Payments as CSV (RFC 4180). Amounts are plain decimals; a text that a spreadsheet would compute is made a text.

    >>> csv_of([], {})
    'time_utc,direction,amount,currency,channel,status,other_side,other_name,other_country,hits,transaction_id\\r\\n'
    """
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(HEAD)
    for each in movements:
        amount = "" if each.amount_minor is None else format_amount(each.amount_minor, each.currency)
        cells = (
            format_time(each.booked_us), each.direction, amount, each.currency, each.channel, each.status, each.other,
            each.other_name, each.other_country, " ".join(hits.get(each.position, ())), each.transaction_id,
        )  # fmt: skip
        writer.writerow([_as_text(cell or "") for cell in cells])
    return file.getvalue()


def _as_text(cell: str) -> str:
    """The cell with a mark before it where a spreadsheet would take it for a formula (CWE-1236).

    >>> _as_text("=1+1"), _as_text("Ann")
    ("'=1+1", 'Ann')
    """
    return f"'{cell}" if cell.lstrip(" ").startswith(_FORMULA) else cell
