"""Days by which reports are due, counted by hand on a calendar of 2026."""

from datetime import date

import pytest

from monitor.domain.deadline import Deadline
from monitor.domain.obligation import last_day_of, period_text

WEEKEND, LABOUR_DAY = (5, 6), frozenset({date(2026, 5, 1), date(2026, 5, 4), date(2026, 5, 5)})


@pytest.mark.parametrize(
    ("days", "kind", "period_end", "due"),
    [
        (15, "calendar", "2026-05-04", "2026-05-19"),
        (5, "business", "2026-05-06", "2026-05-13"),
        (5, "business", "2026-04-30", "2026-05-12"),
        (10, "business", "2026-05-08", "2026-05-22"),
        (1, "business", "2026-05-09", "2026-05-11"),
        (15, "day_of_next_month", "2026-12-31", "2027-01-15"),
        (15, "day_of_next_month", "2026-01-01", "2026-02-15"),
    ],
)
def test_the_due_date_is_the_one_counted_by_hand(days: int, kind: str, period_end: str, due: str):
    deadline = Deadline(days, kind, "a law")
    counted = deadline.due_on(date.fromisoformat(period_end), weekend=WEEKEND, holidays=LABOUR_DAY)
    assert counted.isoformat() == due


@pytest.mark.parametrize(
    ("kind", "period", "last"),
    [("day", "2026-05-04", "2026-05-04"), ("month", "2026-12", "2026-12-31"), ("month", "2028-02", "2028-02-29"),
     ("static_24h", "2026-12-31", "2027-01-01")],
)  # fmt: skip
def test_a_period_ends_on_its_last_day(kind: str, period: str, last: str):
    assert last_day_of(kind, period).isoformat() == last


def test_december_is_the_twelfth_month_of_its_own_year():
    assert period_text("month", 2026 * 12 + 12) == "2026-12"
    assert period_text("month", 2027 * 12 + 1) == "2027-01"
