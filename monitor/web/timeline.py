"""The payments behind an alert as marks on a line of time: in above it, out below, larger amounts larger.

Pure geometry in units of an SVG's own: a page draws it, and a table beside it says the same to who cannot see it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from monitor.app.explained import Payment
from monitor.domain.time import parse_time_us
from monitor.web.shown import amount_words

WIDTH, HEIGHT, MIDDLE = 1000.0, 150.0, 70.0
MARGIN, RADIUS_MIN, RADIUS_MAX, REACH = 24.0, 3.0, 13.0, 40.0
TICKS = 4


@dataclass(frozen=True, slots=True)
class Mark:
    """A payment: where it stands, how large, and what it says. ``number`` is its row in the table, from 1 on."""

    number: int
    x: float
    y: float
    radius: float
    direction: str
    is_completing: bool
    words: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A time below the line."""

    x: float
    words: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """Marks and ticks within :data:`WIDTH` times :data:`HEIGHT`."""

    marks: tuple[Mark, ...]
    ticks: tuple[Tick, ...]


def timeline(payments: Sequence[Payment]) -> Timeline:
    """The marks of payments; an area is in proportion to the amount, among amounts of one currency.

    Amounts of several currencies are not compared: each has its own largest.
    """
    if not payments:
        return Timeline((), ())
    times = [parse_time_us(each.booked_at) for each in payments]
    first, last = min(times), max(times)
    largest: dict[str, int] = {}
    for each in payments:
        largest[each.currency] = max(largest.get(each.currency, 1), abs(each.amount_minor or 0))

    def x(time_us: int) -> float:
        share = 0.5 if first == last else (time_us - first) / (last - first)
        return round(MARGIN + share * (WIDTH - 2 * MARGIN), 1)

    marks = []
    for number, (each, at) in enumerate(zip(payments, times, strict=True), 1):
        share = abs(each.amount_minor or 0) / largest[each.currency]
        up = -1 if each.direction == "in" else 1
        radius = max(RADIUS_MIN, RADIUS_MAX * sqrt(share))
        amount = amount_words(each.amount_minor, each.currency)
        words = f"{each.booked_at[:16].replace('T', ' ')} UTC, {each.direction}, {amount}"
        y = round(MIDDLE + up * (RADIUS_MAX + REACH * sqrt(share)), 1)
        marks.append(Mark(number, x(at), y, round(radius, 1), each.direction, each.is_completing, words))
    steps = range(TICKS) if first != last else (0,)
    ticks: list[Tick] = []
    for step in steps:
        wanted = first + (last - first) * step // (TICKS - 1)
        _, at = min((abs(time_us - wanted), number) for number, time_us in enumerate(times))
        tick = Tick(x(times[at]), payments[at].booked_at[5:16].replace("T", " "))
        if not ticks or tick.x - ticks[-1].x > WIDTH / (TICKS + 2):
            ticks.append(tick)
    return Timeline(tuple(marks), tuple(ticks))
