"""Days and hours: the calendars of the booking entities and the hours at which each kind of payment is booked."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from monitor.app.simulate.draws import share_table
from monitor.app.simulate.world import ENTITIES, KINDS
from monitor.domain.time import MINUTE_US

HOUR_PROFILES: dict[str, tuple[int, ...]] = {
    "shop": (2, 1, 1, 1, 1, 2, 5, 14, 22, 28, 36, 44, 58, 52, 44, 44, 52, 66, 70, 58, 44, 30, 16, 6),
    "counter": (0, 0, 0, 0, 0, 0, 1, 2, 10, 40, 55, 60, 50, 45, 50, 55, 48, 25, 8, 4, 2, 1, 0, 0),
    "batch": (30, 40, 30, 20, 20, 60, 90, 40, 20, 15, 10, 10, 10, 10, 10, 10, 10, 8, 6, 5, 5, 5, 8, 12),
    "evening": (4, 2, 1, 1, 1, 2, 5, 12, 20, 24, 28, 32, 36, 34, 30, 32, 38, 46, 54, 58, 56, 46, 28, 12),
    "office": (2, 1, 1, 1, 1, 2, 8, 24, 52, 70, 74, 68, 52, 60, 66, 62, 48, 26, 12, 8, 7, 6, 5, 3),
}
"""Weights of the 24 local hours."""

HOURS_OF_KIND = np.stack(
    [share_table(dict(enumerate(map(float, HOUR_PROFILES[kind.hours])))) for kind in KINDS]
).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Day:
    """One calendar day: its place in the stream, and what it is for each booking entity."""

    number: int
    on: date
    midnight_us: tuple[int, ...]
    is_business: tuple[bool, ...]

    @property
    def is_weekend(self) -> bool:
        return self.on.weekday() >= 5


def holidays(year: int) -> tuple[frozenset[date], ...]:
    """The holidays of each booking entity in ``year`` by fixed month and day.

    >>> date(2026, 1, 1) in holidays(2026)[0]
    True
    """
    return tuple(frozenset(date.fromisoformat(f"{year}-{text}") for text in entity.holidays) for entity in ENTITIES)


def day(start: date, number: int) -> Day:
    """Day ``number`` of a stream that begins on ``start``.

    >>> day(date(2026, 1, 5), 5).is_weekend
    True
    """
    on = start + timedelta(days=number)
    midnights = tuple(
        int(datetime(on.year, on.month, on.day, tzinfo=ZoneInfo(entity.zone)).timestamp()) * 1_000_000
        for entity in ENTITIES
    )
    closed = holidays(on.year)
    return Day(number, on, midnights, tuple(on.weekday() < 5 and on not in days for days in closed))


def last_business_day(on: date) -> date:
    """The last weekday of the month of ``on``.

    >>> last_business_day(date(2026, 1, 5))
    datetime.date(2026, 1, 30)
    """
    last = (on.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    return last - timedelta(days=max(0, last.weekday() - 4))


def times_of_day_us(
    kind: npt.NDArray[np.int8], hour_bits: npt.NDArray[np.int64], rest_bits: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Microseconds after local midnight, whole milliseconds; shape (n,).

    Args:
        kind: Codes of kinds, shape (n,).
        hour_bits: Uniform below 1,024.
        rest_bits: Uniform below 2**32; chooses the moment within the hour.
    """
    hours = HOURS_OF_KIND[kind, hour_bits]
    return hours * (60 * MINUTE_US) + ((rest_bits * 3_600_000) >> 32) * 1_000
