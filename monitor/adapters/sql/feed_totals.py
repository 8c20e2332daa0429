"""Totals of feeds in the store: what each log has counted, and what the bank says it sent.

Figures of a log only grow. So the larger of what is stored and what comes stays, and a record that comes twice, late,
or from a worker that measured its log again changes nothing or mends something. Sums are digits: they can be longer
than 64 bits.
"""

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from monitor.adapters.sql.bulk import insert_rows
from monitor.adapters.sql.ledger import CHUNK
from monitor.adapters.sql.schema import control_totals, feed_totals
from monitor.domain.feed import ControlTotal, FeedTotal

_COLUMNS = ("log", "feed", "day", "currency", "payments", "amount_minor", "refused", "repeated", "recorded_at_us")
_CONTROL = ("feed", "day", "currency", "payments", "amount_minor", "expected_at_us", "source", "recorded_at_us")


def write_totals(connection: sa.Connection, totals: Sequence[tuple[str, FeedTotal]], *, recorded_at_us: int) -> None:
    """Keep the totals of logs, within the caller's transaction."""
    by_log: dict[str, dict[tuple[str, int, str], FeedTotal]] = {}
    for log, total in totals:
        kept = by_log.setdefault(log, {})
        key = (total.feed, total.day, total.currency)
        kept[key] = _larger(kept.get(key, total), total)
    for log, rows in by_log.items():
        stored = _stored(connection, log, {day for _, day, _ in rows})
        changed = {key: _larger(stored[key], row) if key in stored else row for key, row in rows.items()}
        changed = {key: row for key, row in changed.items() if row != stored.get(key)}
        again = [
            {"f": feed, "d": day, "c": currency} for feed, day, currency in changed if (feed, day, currency) in stored
        ]
        if again:
            column = feed_totals.c
            is_it = sa.and_(column.log == log, column.feed == sa.bindparam("f"), column.day == sa.bindparam("d"),
                            column.currency == sa.bindparam("c"))  # fmt: skip
            connection.execute(feed_totals.delete().where(is_it), again)
        rows_in = [
            (log, *key, row.payments, str(row.amount_minor), row.refused, row.repeated, recorded_at_us)
            for key, row in changed.items()
        ]
        insert_rows(connection, feed_totals, _COLUMNS, rows_in)


def read_totals(connection: sa.Connection, *, log: str | None = None, since_day: int | None = None) -> list[FeedTotal]:
    """The totals of all logs or of one, one for each log, feed, day and currency."""
    column = feed_totals.c
    query = sa.select(column.feed, column.day, column.currency, column.payments, column.amount_minor, column.refused,
                      column.repeated)  # fmt: skip
    if log is not None:
        query = query.where(column.log == log)
    if since_day is not None:
        query = query.where(column.day >= since_day)
    return [
        FeedTotal(feed, day, currency, payments, int(amount), refused, repeated)
        for feed, day, currency, payments, amount, refused, repeated in connection.execute(query).all()
    ]


def write_control_totals(
    connection: sa.Connection, totals: Iterable[tuple[ControlTotal, str]], *, recorded_at_us: int
) -> int:
    """Keep the bank's totals, each with where it stands; a later one of a feed, day and currency replaces it.

    Returns:
        How many were there before and are others now.
    """
    given = {(total.feed, total.day, total.currency): (total, source) for total, source in totals}
    replaced = 0
    for feed in sorted({feed for feed, _, _ in given}):
        before = {(feed, each.day, each.currency): each for each in read_control_totals(connection, feed=feed)}
        rows = []
        for key, (total, source) in given.items():
            if key[0] != feed or before.get(key) == total:
                continue
            column = control_totals.c
            is_it = sa.and_(column.feed == feed, column.day == key[1], column.currency == key[2])
            replaced += connection.execute(control_totals.delete().where(is_it)).rowcount
            rows.append((*key, total.payments, str(total.amount_minor), total.expected_at_us, source, recorded_at_us))
        insert_rows(connection, control_totals, _CONTROL, rows)
    return replaced


def read_control_totals(
    connection: sa.Connection, *, feed: str | None = None, since_day: int | None = None
) -> list[ControlTotal]:
    """The bank's totals, of all feeds or of one."""
    column = control_totals.c
    query = sa.select(column.feed, column.day, column.currency, column.payments, column.amount_minor,
                      column.expected_at_us)  # fmt: skip
    if feed is not None:
        query = query.where(column.feed == feed)
    if since_day is not None:
        query = query.where(column.day >= since_day)
    return [
        ControlTotal(feed, day, currency, payments, int(amount), expected_at_us)
        for feed, day, currency, payments, amount, expected_at_us in connection.execute(query).all()
    ]


def _stored(connection: sa.Connection, log: str, days: set[int]) -> dict[tuple[str, int, str], FeedTotal]:
    found = {}
    column = feed_totals.c
    ordered = sorted(days)
    for first in range(0, len(ordered), CHUNK):
        query = sa.select(feed_totals).where(column.log == log, column.day.in_(ordered[first : first + CHUNK]))
        for row in connection.execute(query).all():
            total = FeedTotal(row.feed, row.day, row.currency, row.payments, int(row.amount_minor), row.refused,
                              row.repeated)  # fmt: skip
            found[row.feed, row.day, row.currency] = total
    return found


def _larger(one: FeedTotal, other: FeedTotal) -> FeedTotal:
    return FeedTotal(
        one.feed, one.day, one.currency, max(one.payments, other.payments), max(one.amount_minor, other.amount_minor),
        max(one.refused, other.refused), max(one.repeated, other.repeated),
    )  # fmt: skip
