"""By when an obligation has to be filed, as the law counts: calendar days, business days, a day of the next month.

The period itself does not count: "15 days after" a business day of 4 May ends on 19 May. Business days are those of
the booking entity. An entity that states neither weekend nor holidays has none, so that a deadline may come early
and never late.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta

DEADLINE_KINDS = ("calendar", "business", "day_of_next_month")
DEADLINE_DAYS_MAX = 366


@dataclass(frozen=True, slots=True)
class Deadline:
    """``days`` of ``kind`` after the period; for ``day_of_next_month`` that day of the month after it."""

    days: int
    kind: str
    cite: str

    def due_on(self, last_day: date, *, weekend: Collection[int], holidays: Collection[date]) -> date:
        """The last day on which the report is in time, for a period that ends on ``last_day``.

        ``weekend`` holds weekdays, Monday is 0.

        >>> monday = date(2026, 5, 4)
        >>> Deadline(15, "calendar", "31 CFR 1010.306(a)(1)").due_on(monday, weekend=(5, 6), holidays=()).isoformat()
        '2026-05-19'
        >>> Deadline(5, "business", "a law").due_on(monday, weekend=(5, 6), holidays=(date(2026, 5, 5),)).isoformat()
        '2026-05-12'
        >>> Deadline(15, "day_of_next_month", "a law").due_on(monday, weekend=(), holidays=()).isoformat()
        '2026-06-15'
        """
        if self.kind == "day_of_next_month":
            first = date(last_day.year + last_day.month // 12, last_day.month % 12 + 1, 1)
            return first + timedelta(days=self.days - 1)
        if self.kind == "calendar":
            return last_day + timedelta(days=self.days)
        due, left = last_day, self.days
        while left:
            due += timedelta(days=1)
            left -= due.weekday() not in weekend and due not in holidays
        return due
