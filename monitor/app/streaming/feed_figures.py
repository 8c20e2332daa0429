"""Figures of control totals for Prometheus, read from the case store by feed.

A feed is compared once the bank has stated a control total of it, from the first such day on, for the last
:data:`DAYS` days. Of these the day that differs most is shown, so that a difference stays in sight until it is mended.
"""

from collections import defaultdict
from datetime import UTC, datetime

import sqlalchemy as sa

from monitor import metrics as m
from monitor.adapters.sql.feed_totals import read_control_totals, read_totals
from monitor.domain.feed import AWAITED, EQUAL, FEEDS_MAX, MISSING, SUM, Compared, added, compare
from monitor.domain.time import DAY_US, SECOND_US

DAYS = 35
"""As long as a payment may be late."""

Figures = dict[m.Metric, dict[tuple[str, ...], float]]


def feed_figures(connection: sa.Connection, *, now_us: int) -> Figures:
    """Differences, sums that differ and missing days of each feed, at a time in microseconds since 1970 UTC."""
    today = datetime.fromtimestamp(now_us / SECOND_US, UTC).toordinal() - datetime(1970, 1, 1, tzinfo=UTC).toordinal()
    since = today - DAYS
    expected = read_control_totals(connection, since_day=since)
    received = added(read_totals(connection, since_day=since))
    by_day: dict[str, dict[int, list[Compared]]] = defaultdict(lambda: defaultdict(list))
    for each in compare(received, expected, now_us=now_us):
        by_day[each.received.feed][each.received.day].append(each)
    figures: Figures = {m.CONTROL_RECORDS: {}, m.CONTROL_SUMS: {}, m.CONTROL_MISSING: {}}
    for feed in sorted(by_day)[:FEEDS_MAX]:
        days = by_day[feed]
        differences = [sum(_difference(each) for each in compared) for compared in days.values()]
        absent = {day for day, compared in days.items() if all(each.finding == MISSING for each in compared)}
        # A day that is over, on which something came and for which the bank has stated nothing.
        absent |= {
            each.day
            for each in received
            if each.feed == feed and each.payments and each.day not in days and min(days) <= each.day
            and (each.day + 2) * DAY_US <= now_us
        }  # fmt: skip
        figures[m.CONTROL_RECORDS][(feed,)] = float(max(differences, key=abs))
        figures[m.CONTROL_SUMS][(feed,)] = float(max(sum(map(_is_other_sum, compared)) for compared in days.values()))
        figures[m.CONTROL_MISSING][(feed,)] = float(len(absent))
    return figures


def _difference(each: Compared) -> int:
    """Ours less the bank's; nothing while it may still come, and for a day that has not come at all."""
    if each.finding in (AWAITED, MISSING, EQUAL):
        return 0
    return each.received.payments - (each.expected.payments if each.expected is not None else 0)


def _is_other_sum(each: Compared) -> bool:
    return each.finding == SUM
