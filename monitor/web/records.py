"""What the pieces of a case's page have in common: the case behind the wall, the history, and a span of time."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fastapi import Request, Response

from monitor.adapters.sql.people import Session
from monitor.adapters.sql.subjects import evidence_of_case, visible_case
from monitor.app.explaining import LOST, CannotExplain, Explainer
from monitor.app.rerunning import Evidence
from monitor.domain.case import Case
from monitor.domain.time import DAY_US, format_time, parse_time_us
from monitor.web.desk import Desk, sees
from monitor.web.pages import page

BEFORE_US = 90 * DAY_US
"""How long before a case's first alert payments are shown, unless the reader asks for another time."""
NO_HISTORY = "There is no history beside this store."
UNREADABLE = (*LOST, CannotExplain)


class SpanWrong(Exception):
    """The times asked for are none; the message says what to write."""


@dataclass(frozen=True, slots=True)
class Found:
    """A case that the reader may see, and the evidence of its alerts in the order of joining."""

    case: Case
    evidence: list[Evidence]

    @property
    def position(self) -> int:
        """Where the newest alert's payment stands in the log."""
        return int(self.evidence[-1]["position"])


@dataclass(frozen=True, slots=True)
class Span:
    """A time, µs UTC: from the first on, before the second."""

    from_us: int
    until_us: int

    @property
    def first_day(self) -> str:
        return format_time(self.from_us)[:10]

    @property
    def last_day(self) -> str:
        return format_time(self.until_us - 1)[:10]


def found_case(desk: Desk, who: Session, case_id: str) -> Found:
    """The case with this id. Raises :class:`monitor.adapters.sql.desk.CaseUnknown`."""
    with desk.store.reading() as connection:
        case = visible_case(connection, case_id, sees(who.person))
        return Found(case, evidence_of_case(connection, case_id))


@contextmanager
def opened(desk: Desk) -> Iterator[Explainer]:
    """The history, while a place for computing is held.

    Raises:
        CannotExplain: There is none.
        Busy: No place became free in time.
    """
    if desk.records is None:
        raise CannotExplain(NO_HISTORY)
    with desk.places.turn(), desk.records() as records:
        yield records


def span_of(given_from: str, given_until: str, found: Found, now_us: int) -> Span:
    """The time that is asked for; by default from some time before the first alert until now.

    A day as ``until`` counts as a whole; a time ends there.

    Raises:
        SpanWrong: One of them is no time, or they end before they begin.
    """
    alerts_us = [parse_time_us(each["event_time"]) for each in found.evidence]
    first_us = _time_of(given_from, "from") if given_from else (min(alerts_us) - BEFORE_US) // DAY_US * DAY_US
    if given_until:
        last_us = _time_of(given_until, "until") + (DAY_US if len(given_until) == 10 else 0)
    else:
        last_us = max(now_us, *alerts_us) // DAY_US * DAY_US + DAY_US
    if last_us <= first_us:
        raise SpanWrong("until: it ends before it begins. Give a later end or an earlier beginning.")
    return Span(first_us, last_us)


def _time_of(text: str, name: str) -> int:
    try:
        return parse_time_us(text if "T" in text else f"{text}T00:00:00Z")
    except ValueError:
        raise SpanWrong(f"{name}: {text[:40]!r} is not a time. Write 2026-05-04 or 2026-05-04T09:00:00Z.") from None


def told(request: Request, who: Session, error: Exception) -> Response:
    """Why a piece has nothing to show, in its place."""
    return page(request, "told.html", session=who, text=str(error))
