"""The network of a case: who pays whom within two hops of its subject."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from monitor.adapters.sql.people import journal_look
from monitor.adapters.sql.subjects import cases_of_subjects
from monitor.app.around import Network, TooMuchMoney, network
from monitor.domain.time import DAY_US, format_time
from monitor.web.charts import network_json
from monitor.web.desk import Desk, sees
from monitor.web.happened import FormText
from monitor.web.pages import page
from monitor.web.queue import CaseReader
from monitor.web.records import UNREADABLE, Found, Span, SpanWrong, found_case, opened, span_of, told
from monitor.web.shown import amount_words, minute

router = APIRouter()


@router.get("/cases/{case_id}/network")
def around(
    request: Request,
    who: CaseReader,
    case_id: str,
    first: Annotated[FormText, Query(alias="from")] = "",
    until: FormText = "",
) -> Response:
    """The network as a picture and as tables. The look is journalled."""
    desk: Desk = request.app.state.desk
    found = found_case(desk, who, case_id)
    try:
        span = span_of(first, until, found, desk.now_us())
        journal_look(desk.store, who.person, what="network_viewed", now_us=desk.wall_us(), case=case_id,
                     **{"from": format_time(span.from_us), "until": format_time(span.until_us)})  # fmt: skip
        seen = _network(desk, found, span)
    except (*UNREADABLE, SpanWrong, TooMuchMoney) as error:
        return told(request, who, error)
    with desk.store.reading() as connection:
        cases = cases_of_subjects(connection, [node.token for node in seen.nodes], sees(who.person))
    days = sorted({day for edge in seen.edges for day, _, _ in edge.days})
    return page(
        request, "network.html", session=who, case=found.case, seen=seen, span=span, cases=cases, minute=minute,
        amount=amount_words, drawn=network_json(seen),
        first_day=days[0] if days else 0, last_day=days[-1] if days else 0, day=_day,
    )  # fmt: skip


def _network(desk: Desk, found: Found, span: Span) -> Network:
    subject = found.case.subject
    with opened(desk) as records, records.all_books() as logs:
        return network(logs, bytes.fromhex(subject.token), subject.kind, from_us=span.from_us, until_us=span.until_us)


def _day(number: int) -> str:
    return format_time(number * DAY_US)[:10]
