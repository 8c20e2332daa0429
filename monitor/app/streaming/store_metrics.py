"""Figures of the case store for Prometheus: backlogs by age, time left until cases and obligations are due.

They are read when Prometheus asks, at most once every :data:`KEPT_SECONDS`, in one read transaction. A store that does
not answer shows ``aml_store_readable`` 0 and none of the figures, so that no board goes on with old ones.

Ages and due times are those of the log, and are compared with the clock on the wall: a replay of last year shows cases
that are a year old.
"""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from threading import Lock
from typing import Any

import numpy as np
import sqlalchemy as sa
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from monitor import metrics as m
from monitor.adapters.sql.schema import alerts, case_alerts, cases, obligations
from monitor.adapters.sql.store import CaseStore
from monitor.app.streaming.feed_figures import feed_figures
from monitor.domain.case import OPEN_STATES
from monitor.domain.time import DAY_US, SECOND_US

KEPT_SECONDS = 15.0
"""So long figures are shown again without asking the store."""

Figures = dict[m.Metric, dict[tuple[str, ...], float]]
_AGE_DAYS = (1, 3, 7, 30)
_DUE_DAYS = (0, 1, 3, 7)


class StoreMetrics(Collector):
    """Reads the store; add it to the registry of a worker's book: ``book.registry.register(StoreMetrics(store))``.

    Args:
        store: The open store.
        now_us: The clock on the wall, microseconds since 1970 UTC.
        tick: A clock that never goes back, seconds.
    """

    def __init__(
        self,
        store: CaseStore,
        *,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
        tick: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._now_us, self._tick = store, now_us, tick
        self._lock = Lock()
        self._read_at: float | None = None
        self._figures: Figures = {}

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """For Prometheus: the figures, at most 15 seconds old."""
        with self._lock:
            if self._read_at is None or self._tick() - self._read_at >= KEPT_SECONDS:
                self._read()
            figures = self._figures
        for metric, series in figures.items():
            family = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
            for labels, value in series.items():
                family.add_metric(labels, value)
            yield family

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing: the store is not asked when the collector is registered."""
        return []

    def _read(self) -> None:
        before = self._tick()
        try:
            with self._store.reading() as connection:
                figures = figures_of(connection, now_us=self._now_us())
        except sa.exc.SQLAlchemyError:
            figures = {m.STORE_UP: {(): 0.0}}
        else:
            figures[m.STORE_UP] = {(): 1.0}
        self._read_at = self._tick()
        figures[m.STORE_SECONDS] = {(): self._read_at - before}
        self._figures = figures


def figures_of(connection: sa.Connection, *, now_us: int) -> Figures:
    """All figures of the store at a time in microseconds since 1970 UTC."""
    is_asleep = sa.and_(cases.c.state == "snoozed", cases.c.snoozed_until_us > now_us)
    is_awake = sa.and_(cases.c.is_open, sa.not_(is_asleep))
    is_untaken = sa.and_(sa.not_(is_asleep), cases.c.assignee.is_(None))
    # Closed cases are the many: they are counted by the index alone.
    closed = connection.execute(sa.select(sa.func.count()).select_from(cases).where(sa.not_(cases.c.is_open))).scalar()
    of_open = sa.select(
        _count(is_untaken),
        sa.func.min(sa.case((is_untaken, cases.c.opened_at_us))),
        *(_count(cases.c.state == state) for state in OPEN_STATES),
        *(_count(sa.and_(is_awake, each)) for each in _ages(cases.c.opened_at_us, now_us)),
        *(_count(sa.and_(is_awake, each)) for each in _left(cases.c.due_at_us, now_us)),
    ).where(cases.c.is_open)
    untaken, oldest_us, *rest = connection.execute(of_open).one()
    states, ages, dues = np.split(np.array(rest), np.cumsum([len(OPEN_STATES), len(m.AGES)]))
    in_cases = alerts.join(case_alerts, case_alerts.c.alert_id == alerts.c.alert_id).join(
        cases, sa.and_(cases.c.case_id == case_alerts.c.case_id, is_awake)
    )
    of_alerts = sa.select(*(_count(each) for each in _ages(alerts.c.judged_at_us, now_us))).select_from(in_cases)
    found: Figures = {
        m.CASES: _series((*OPEN_STATES, "closed"), [*states, closed]),
        m.UNASSIGNED: {(): float(untaken)},
        m.OLDEST_UNASSIGNED: {(): 0.0 if oldest_us is None else max(now_us - oldest_us, 0) / SECOND_US},
        m.CASE_AGES: _series(m.AGES, ages),
        m.CASES_DUE: _series(m.DUES, dues),
        m.ALERT_AGES: _series(m.AGES, connection.execute(of_alerts).one()),
        m.OBLIGATIONS_DUE: _obligations_due(connection, now_us),
    }
    return found | feed_figures(connection, now_us=now_us)


def _obligations_due(connection: sa.Connection, now_us: int) -> dict[tuple[str, ...], float]:
    """Obligations owed by the days left, today's among those of 1d; the last day itself is in time."""
    today = datetime.fromtimestamp(now_us / SECOND_US, UTC).date()
    ends = [(today + timedelta(days=days)).isoformat() for days in _DUE_DAYS]
    due, is_owed = obligations.c.due_on, obligations.c.state.in_(("owed", "revised"))
    spans = [sa.and_(due >= start, due < end) for start, end in pairwise(ends)]
    spans.append(due >= ends[-1])
    row = connection.execute(sa.select(*(_count(sa.and_(is_owed, span)) for span in spans)).select_from(obligations))
    return _series(m.DUES[1:], row.one())


def _ages(since: sa.Column[Any], now_us: int) -> list[sa.ColumnElement[bool]]:
    """One condition for each of :data:`monitor.metrics.AGES`."""
    edges = [now_us - days * DAY_US for days in _AGE_DAYS]
    between = [sa.and_(since >= edge, since < after) for after, edge in pairwise(edges)]
    return [since >= edges[0], *between, since < edges[-1]]


def _left(until: sa.Column[Any], now_us: int) -> list[sa.ColumnElement[bool]]:
    """One condition for each of :data:`monitor.metrics.DUES`."""
    edges = [now_us + days * DAY_US for days in _DUE_DAYS]
    between = [sa.and_(until > edge, until <= after) for edge, after in pairwise(edges)]
    return [until <= edges[0], *between, until > edges[-1]]


def _count(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.count(sa.case((condition, 1)))


def _series(values: tuple[str, ...], numbers: Any) -> dict[tuple[str, ...], float]:
    return {(value,): float(number) for value, number in zip(values, numbers, strict=True)}
