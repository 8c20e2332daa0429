"""Orders in the store: never twice, journalled, noticed when altered; suppressed alerts make no case."""

from dataclasses import replace

import pytest
import sqlalchemy as sa

from monitor.adapters.sql.orders import give, held_back, hidden_subjects, orders, taken_up
from monitor.adapters.sql.schema import cases, control_orders
from monitor.casework.journal import Draft
from monitor.casework.orders import DISABLE, ENABLE, END, SUPPRESS, Order, OrderRefused
from monitor.casework.position import LogInput, RunPosition
from tests.casework.alert_building import START_US, stored, subject

SUPPRESSION = Order(
    SUPPRESS, "ann", "Deed seen.", 7, second="bob", rule="AML-STR-001", subject_kind="customer",
    subject_token=subject("ann").token, from_us=START_US, until_us=START_US + 9, sample_ppm=50_000,
)  # fmt: skip
OFF = Order(DISABLE, "ann", "Floods.", 8, rule="AML-FAN-001")


def commit(store, alerts, at: int = 9, **more):
    return store.commit_batch(alerts, RunPosition("embedded", 0, 0, at, 0), recorded_at_us=5, **more)


def test_orders_come_back_in_their_order_and_are_in_the_journal(store) -> None:
    give(store, SUPPRESSION, recorded_at_us=10)
    give(store, OFF, recorded_at_us=11)
    assert orders(store) == [SUPPRESSION, OFF]
    assert store.verify().findings == ()


@pytest.mark.parametrize(
    ("before", "order", "says"),
    [
        ((SUPPRESSION,), SUPPRESSION, "has been given already"),
        ((OFF,), replace(OFF, at_us=9), "switched off already"),
        ((), replace(OFF, kind=ENABLE), "switched on already"),
        ((), Order(END, "ann", "x", 1, refers_to="S-NONE"), "There is no suppression S-NONE"),
    ],
)
def test_an_order_that_changes_nothing_is_refused(store, before, order: Order, says: str) -> None:
    for each in before:
        give(store, each, recorded_at_us=1)
    with pytest.raises(OrderRefused, match=says):
        give(store, order, recorded_at_us=2)
    assert orders(store) == list(before)


def test_a_suppression_is_ended_once(store) -> None:
    give(store, SUPPRESSION, recorded_at_us=1)
    give(store, Order(END, "ann", "x", 2, refers_to=SUPPRESSION.order_id), recorded_at_us=2)
    with pytest.raises(OrderRefused, match="has been ended already"):
        give(store, Order(END, "eve", "y", 3, refers_to=SUPPRESSION.order_id), recorded_at_us=3)


def test_an_order_that_is_altered_in_the_table_is_found(store) -> None:
    give(store, SUPPRESSION, recorded_at_us=1)
    with store.writing() as connection:
        connection.execute(control_orders.update().values(until_us=START_US + 10))
    found = store.verify().findings
    assert [(each.kind, each.place) for each in found] == [("content", f"order {SUPPRESSION.order_id}")]


def test_a_suppressed_alert_is_stored_with_its_evidence_and_makes_no_case(store) -> None:
    named = {"suppression": SUPPRESSION.order_id}
    result = commit(store, [stored(0, status="suppressed", inputs=named), stored(1)])
    assert (result.alerts_stored, result.cases_opened) == (2, 1)
    with store.reading() as connection:
        assert connection.execute(sa.select(cases.c.alert_count)).scalar_one() == 1
    assert store.verify().findings == ()


def test_the_report_knows_what_was_hidden_and_what_was_drawn(store) -> None:
    named = {"suppression": SUPPRESSION.order_id}
    hidden = stored(0, status="suppressed", inputs=named, amount_minor=70)
    drawn = stored(1, marks=("suppression_sample",), inputs=named)
    commit(store, [hidden, drawn, stored(2)])
    found = list(held_back(store))
    assert [(each.suppression, each.alert_id, each.is_sampled) for each in found] == [
        (SUPPRESSION.order_id, hidden.alert.alert_id, False),
        (SUPPRESSION.order_id, drawn.alert.alert_id, True),
    ]
    assert (found[0].amount_minor, found[0].rule) == (70, "AML-STR-001")


def test_whose_quiet_period_began_unseen_is_read_from_the_alerts(store) -> None:
    commit(
        store,
        [
            stored(0, status="suppressed"),
            stored(1, customer="bob", status="suppressed"),
            stored(2, customer="bob"),
            stored(3, customer="cid"),
            stored(4, customer="cid", status="shadow", marks=("quiet",)),
            stored(5, customer="dan", status="shadow"),
        ],
    )
    rule = "AML-STR-001"
    assert hidden_subjects(store, "embedded") == {(rule, subject("ann").token), (rule, subject("dan").token)}


def test_quiet_periods_do_not_begin_with_repeats_that_were_shown(store) -> None:
    shown = stored(1, marks=("first_shown",))
    commit(store, [stored(0, status="suppressed"), shown])
    assert store.last_alerts("embedded") == [("AML-STR-001", subject("ann").token, START_US)]


def test_positions_of_orders_and_entries_of_the_run_are_written_with_the_commit(store) -> None:
    give(store, SUPPRESSION, recorded_at_us=1)
    noted = LogInput(4, "order", SUPPRESSION.order_id, SUPPRESS, SUPPRESSION.digest)
    commit(store, [], inputs=[noted], entries=[Draft("control:embedded", 3, "monitor", "breaker_opened", "{}")])
    assert taken_up(store, "embedded") == {SUPPRESSION.order_id: 4}
    assert store.verify().findings == ()
