"""Backlogs and due times of the case store equal a plain count over its cases, and cost one read in 15 seconds."""

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, generate_latest

from monitor import metrics as m
from monitor.adapters.sql.desk import move
from monitor.adapters.sql.queue import QueueFilter, list_cases, queue_totals
from monitor.adapters.sql.schema import obligations
from monitor.adapters.sql.store import open_store
from monitor.app.streaming.store_metrics import KEPT_SECONDS, StoreMetrics, figures_of
from monitor.casework.evidence import stored_alert
from monitor.casework.lifecycle import Request
from monitor.casework.position import RunPosition
from monitor.domain.alert import Duty
from monitor.domain.case import Actor
from monitor.domain.deadline import Deadline
from monitor.domain.time import DAY_US, HOUR_US, SECOND_US, parse_time_us
from tests.casework.alert_building import START_US, alert, stored

ANN = Actor("ann", "officer")
AGE_ENDS = (DAY_US, 3 * DAY_US, 7 * DAY_US, 30 * DAY_US)
DUE_ENDS = (0, DAY_US, 3 * DAY_US, 7 * DAY_US)


def fill(store, stream) -> None:
    store.commit_batch(stream, RunPosition("r", 0, 0, len(stream), 0), recorded_at_us=5)


def at(time_us: int, n: int, **changes: object):
    return stored(n, customer=f"customer {n}", event_time_us=time_us, judged_at_us=time_us, **changes)


def band(value: int, ends: tuple[int, ...], names: tuple[str, ...]) -> str:
    """The name of the first end that the value does not pass; the last name beyond."""
    return next((name for end, name in zip(ends, names, strict=False) if value <= end), names[-1])


def counted(names: tuple[str, ...], bands: list[str]) -> dict[tuple[str, ...], float]:
    return {(name,): float(bands.count(name)) for name in names}


def test_open_cases_are_counted_by_age_and_by_the_time_left(store):
    whole = [days * DAY_US for days in (1, 3, 5, 15, 30, 31)]
    ages_us = [0, 1, HOUR_US, *whole, DAY_US + 1, 7 * DAY_US + 1]
    now_us = START_US + 40 * DAY_US
    severities = ("critical", "high", "medium", "low")
    fill(store, [at(now_us - age, n, severity=severities[n % 4]) for n, age in enumerate(ages_us)])
    with store.reading() as connection:
        figures = figures_of(connection, now_us=now_us)
        rows = list_cases(connection, QueueFilter(), now_us=now_us, viewer="ann")
    assert len(rows) == len(ages_us)
    ages = [band(now_us - row.case.opened_at_us, AGE_ENDS, m.AGES) for row in rows]
    dues = [band(row.case.due_at_us - now_us, DUE_ENDS, m.DUES) for row in rows]
    assert {"1d", "3d", "7d", "30d", "older"} == set(ages)
    assert len(set(dues)) > 2
    assert figures[m.CASE_AGES] == counted(m.AGES, ages)
    assert figures[m.ALERT_AGES] == counted(m.AGES, ages)
    assert figures[m.CASES_DUE] == counted(m.DUES, dues)
    assert figures[m.OLDEST_UNASSIGNED] == {(): 31 * DAY_US / SECOND_US}


def test_sleeping_and_closed_cases_wait_for_nobody_and_closing_does_not_say_how(store):
    now_us = START_US + 2 * DAY_US
    fill(store, [stored(n, customer=f"customer {n}") for n in range(4)])
    with store.reading() as connection:
        ids = [row.case.case_id for row in list_cases(connection, QueueFilter(), now_us=now_us, viewer="ann")]
    snooze = Request("snooze", ANN, now_us, reason="awaiting_branch", until_us=now_us + DAY_US)
    move(store, ids[0], Request("assign", ANN, now_us, assignee="ann"), recorded_at_us=5)
    move(store, ids[1], snooze, recorded_at_us=5)
    with store.writing() as connection:
        changed = {"state": "closed_reported", "is_open": False, "closed_at_us": now_us - HOUR_US}
        connection.execute(sa.text("update cases set state=:state, is_open=:is_open, closed_at_us=:closed_at_us "
                                   "where case_id=:id"), changed | {"id": ids[2]})  # fmt: skip
    with store.reading() as connection:
        figures, totals = figures_of(connection, now_us=now_us), queue_totals(connection, now_us=now_us)
    assert figures[m.UNASSIGNED] == {(): float(totals.unassigned)} == {(): 1.0}
    assert figures[m.CASES]["snoozed",] == figures[m.CASES]["closed",] == figures[m.CASES]["assigned",] == 1
    assert sum(figures[m.CASE_AGES].values()) == sum(figures[m.ALERT_AGES].values()) == totals.open == 2
    assert "reported" not in str(figures)


def test_obligations_are_counted_by_the_days_left_and_the_last_day_is_in_time(store):
    noon_us = parse_time_us("2026-05-19T12:00:00Z")
    duty = Duty("in", "day", "2026-05-04", None, None, {}, Deadline(15, "calendar", "a law"))
    last_days = ("2026-05-18", "2026-05-19", "2026-05-20", "2026-05-23", "2026-05-27")
    matches = [alert(n, customer=f"customer {n}", duty=duty) for n in range(len(last_days))]
    fill(store, [stored_alert(match, due_on=day) for match, day in zip(matches, last_days, strict=True)])
    with store.reading() as connection:
        days = connection.execute(sa.select(obligations.c.due_on).order_by("due_on")).scalars().all()
        figures = figures_of(connection, now_us=noon_us)
    assert tuple(days) == last_days
    assert figures[m.OBLIGATIONS_DUE] == {("1d",): 1, ("3d",): 1, ("7d",): 1, ("later",): 1}


def test_the_store_is_asked_once_in_fifteen_seconds(tmp_path):
    ticks, asked = [0.0], []

    def now_us() -> int:
        asked.append(ticks[0])
        return START_US

    with open_store(tmp_path / "a.db", create=True) as store:
        registry = CollectorRegistry()
        registry.register(StoreMetrics(store, now_us=now_us, tick=lambda: ticks[0]))
        assert asked == []
        for ticks[0] in (1.0, 2.0, KEPT_SECONDS, KEPT_SECONDS + 1.0, KEPT_SECONDS + 2.0):
            generate_latest(registry)
    assert asked == [1.0, KEPT_SECONDS + 1.0]


def test_a_store_that_does_not_answer_shows_no_old_figures(store):
    ticks = [0.0]
    registry = CollectorRegistry()
    registry.register(StoreMetrics(store, tick=lambda: ticks[0]))
    assert "aml_store_readable 1.0" in generate_latest(registry).decode()
    with store.writing() as connection:
        connection.execute(sa.text("alter table cases rename to gone"))
    ticks[0] = KEPT_SECONDS
    text = generate_latest(registry).decode()
    assert "aml_store_readable 0.0" in text
    assert "aml_case_backlog" not in text
