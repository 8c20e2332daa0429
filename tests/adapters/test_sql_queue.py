"""The queue in SQL equals the definition in Python."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.adapters.sql.desk import look, move
from monitor.adapters.sql.queue import LIMIT_MAX, ORDERS, QueueFilter, Wall, count_cases, list_cases, queue_totals
from monitor.adapters.sql.store import CaseStore, open_store
from monitor.casework.access import may_see
from monitor.casework.lifecycle import Request
from monitor.casework.position import RunPosition
from monitor.casework.priority import priority
from monitor.domain.case import Actor
from monitor.domain.time import DAY_US, HOUR_US
from tests.casework.alert_building import START_US, alert_streams, stored

ANN, BOB = Actor("ann", "officer"), Actor("bob", "officer")


def fill(store: CaseStore, stream) -> None:
    store.commit_batch(stream, RunPosition("r", 0, 0, len(stream), 0), recorded_at_us=5)


def queue(store: CaseStore, wanted: QueueFilter | None = None, *, now_us: int = START_US, **options):
    with store.reading() as connection:
        return list_cases(connection, wanted or QueueFilter(), now_us=now_us, viewer="ann", **options)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stream=alert_streams(), hours=st.integers(-24, 24 * 40))
def test_the_order_of_the_queue_is_that_of_the_definition(tmp_path_factory, stream, hours):
    now_us = START_US + hours * HOUR_US
    with open_store(tmp_path_factory.mktemp("queue") / "a.db", create=True) as store:
        fill(store, stream)
        rows = queue(store, now_us=now_us)
        for row in rows:
            assert row.priority == pytest.approx(priority(row.case, now_us))
        expected = sorted(rows, key=lambda row: (-round(row.priority, 12), row.case.due_at_us, row.case.case_id))
        assert [row.case.case_id for row in rows] == [row.case.case_id for row in expected]


def test_an_overdue_case_comes_before_its_equal(store):
    fill(store, [stored(0, customer="ann"), stored(1, customer="bob", severity="medium")])
    just_due = START_US + 15 * DAY_US
    rows = queue(store, now_us=just_due)
    assert [row.case.due_at_us <= just_due for row in rows] == [True, False]
    assert rows[0].priority > rows[1].priority


def test_a_new_hit_reorders_the_queue_and_shows_as_new(store):
    fill(store, [stored(0, customer="ann"), stored(1, customer="bob", severity="high")])
    first = queue(store)[0].case
    look(store, first.case_id, viewer="ann", at_us=START_US, recorded_at_us=5, chain="access:t")
    assert queue(store)[0].case.case_id != first.case_id
    fill(store, [stored(2, customer="bob", status="quiet"), stored(3, customer="bob"), stored(4, customer="bob")])
    row = queue(store)[0]
    assert (row.case.case_id, row.case.alert_count, row.new_alerts) == (first.case_id, 4, 3)


def test_what_is_new_is_counted_per_viewer(store):
    fill(store, [stored(0)])
    case_id = queue(store)[0].case.case_id
    look(store, case_id, viewer="bob", at_us=START_US, recorded_at_us=5, chain="access:t")
    assert queue(store)[0].new_alerts == 1
    look(store, case_id, viewer="ann", at_us=START_US, recorded_at_us=5, chain="access:t")
    assert queue(store)[0].new_alerts == 0


def test_each_filter_lets_through_what_it_names(store):
    fill(store, [
        stored(0, customer="ann", severity="critical", typology="fan_in", rule="AML-FAN-003"),
        stored(1, customer="bob", severity="low"),
        stored(2, customer="cid"),
    ])  # fmt: skip
    by_name = {row.case.severity: row.case for row in queue(store)}
    move(store, by_name["low"].case_id, Request("assign", ANN, START_US, assignee="bob"), recorded_at_us=5)
    snooze = Request("snooze", ANN, START_US, reason="awaiting_branch", until_us=START_US + DAY_US)
    move(store, by_name["medium"].case_id, snooze, recorded_at_us=5)

    def severities(wanted: QueueFilter, now_us: int = START_US) -> set[str]:
        with store.reading() as connection:
            assert count_cases(connection, wanted, now_us=now_us) == len(queue(store, wanted, now_us=now_us))
        return {row.case.severity for row in queue(store, wanted, now_us=now_us)}

    assert severities(QueueFilter()) == {"critical", "low"}
    assert severities(QueueFilter(), START_US + DAY_US) == {"critical", "low", "medium"}  # the sleeper is due to wake
    assert severities(QueueFilter(states=("snoozed",))) == {"medium"}
    assert severities(QueueFilter(closed=True)) == set()
    assert severities(QueueFilter(assignee="bob")) == {"low"}
    assert severities(QueueFilter(unassigned=True)) == {"critical"}
    assert severities(QueueFilter(overdue=True)) == set()
    assert severities(QueueFilter(overdue=True), START_US + DAY_US) == {"critical"}
    assert severities(QueueFilter(due_within_us=2 * DAY_US)) == {"critical"}
    assert severities(QueueFilter(severity="low")) == {"low"}
    assert severities(QueueFilter(typology="fan_in")) == {"critical"}
    assert severities(QueueFilter(rule="AML-STR-001")) == {"low"}
    assert severities(QueueFilter(rule="AML-STR-00_")) == set()
    assert severities(QueueFilter(subject_token=by_name["low"].subject.token)) == {"low"}
    assert severities(QueueFilter(text="CRIT fan")) == set()
    assert severities(QueueFilter(text="fan_in")) == {"critical"}
    assert severities(QueueFilter(text=by_name["low"].case_id[:6].lower())) == {"low"}
    with store.reading() as connection:
        totals = queue_totals(connection, now_us=START_US)
    assert (totals.open, totals.unassigned, totals.due_today, totals.overdue, totals.snoozed) == (2, 1, 1, 0, 1)


def test_behind_the_wall_are_the_cases_that_access_says_and_no_count_of_them(store):
    fill(store, [stored(n, customer=f"customer {n}") for n in range(5)])
    first, second, third, *_ = [row.case.case_id for row in queue(store)]
    report = {"outcome": "reported", "reason": "suspicion", "note": "Structured."}
    for case_id, proposer in ((first, ANN), (second, BOB), (third, BOB)):
        look(store, case_id, viewer=proposer.name, at_us=START_US, recorded_at_us=5, chain="access:t")
        move(store, case_id, Request("propose", proposer, START_US, **report), recorded_at_us=5)
    move(store, third, Request("withdraw", BOB, START_US), recorded_at_us=5)
    move(store, third, Request("assign", BOB, START_US, assignee="cid"), recorded_at_us=5)
    for viewer in ("ann", "bob", "cid", "dee", 'an"n'):
        expected = {row.case.case_id for row in queue(store) if may_see(row.case, name=viewer, role="senior")}
        wanted = QueueFilter(wall=Wall(viewer))
        assert {row.case.case_id for row in queue(store, wanted)} == expected
        assert first in expected or viewer != "ann"
        with store.reading() as connection:
            totals = queue_totals(connection, now_us=START_US, wall=Wall(viewer))
            assert totals.open == len(expected) == count_cases(connection, wanted, now_us=START_US)
    assert expected == {row.case.case_id for row in queue(store)} - {first, second, third}


@pytest.mark.parametrize("order", ORDERS)
def test_each_order_is_total_and_its_reverse_has_the_same_cases(store, order):
    fill(store, [stored(n, customer=f"customer {n}", severity=("low", "high")[n % 2]) for n in range(6)])
    falling, rising = (queue(store, order=order, is_reversed=each) for each in (False, True))
    assert {row.case.case_id for row in falling} == {row.case.case_id for row in rising}
    if order == "priority":
        assert [row.priority for row in rising] == sorted(row.priority for row in falling)
        assert [row.priority for row in falling] == sorted((row.priority for row in falling), reverse=True)


def test_limit_and_offset_walk_through_the_same_order(store):
    fill(store, [stored(n, customer=f"customer {n}") for n in range(7)])
    whole = [row.case.case_id for row in queue(store)]
    assert len(set(whole)) == 7
    assert [queue(store, limit=1, offset=n)[0].case.case_id for n in range(7)] == whole


def test_an_unknown_order_or_too_long_a_list_is_refused(store):
    with pytest.raises(ValueError, match="must be one of"):
        queue(store, order="mood")
    with pytest.raises(ValueError, match="at most"):
        queue(store, limit=LIMIT_MAX + 1)
