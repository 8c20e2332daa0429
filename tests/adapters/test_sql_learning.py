"""Decisions move the queue, in one transaction each, the same after a restart, and can be switched off."""

import json
from itertools import pairwise

import pytest
import sqlalchemy as sa

from monitor.adapters.sql.desk import find_case_id, look, move
from monitor.adapters.sql.learning import CHAIN, NAME, learned_order, order_in_force, switch
from monitor.adapters.sql.ledger import chain_entries
from monitor.adapters.sql.queue import QueueFilter, list_cases
from monitor.adapters.sql.schema import learned_orders
from monitor.adapters.sql.store import CaseStore, open_store
from monitor.casework.learned import UNTRAINED, fact_names
from monitor.casework.lifecycle import Request
from monitor.casework.position import RunPosition
from monitor.casework.priority import priority
from monitor.domain.case import Actor
from tests.casework.alert_building import START_US, stored

ANN, BOB = Actor("ann", "officer"), Actor("bob", "officer")
LATER_US = START_US + 10**10


def fill(store: CaseStore, alerts) -> None:
    last = max(each.alert.position for each in alerts)
    store.commit_batch(alerts, RunPosition("r", 0, 0, last + 1, 0), recorded_at_us=5)


def alerts_of(count: int, typology: str, *, first: int):
    rule = {"mule": "AML-MUL-001", "round_amount": "AML-RND-001"}[typology]
    return [stored(first + n, customer=f"{typology}-{first + n}", rule=rule, typology=typology) for n in range(count)]


def decide(store: CaseStore, alert, *, is_suspicious: bool) -> None:
    with store.reading() as connection:
        case_id = find_case_id(connection, alert.alert.alert_id)
    look(store, case_id, viewer="ann", at_us=START_US, recorded_at_us=9, chain="access:test")
    outcome, reason = ("reported", "suspicion") if is_suspicious else ("explained", "sale_of_asset")
    request = Request("close", ANN, LATER_US, note="Seen.", outcome=outcome, reason=reason)
    after = move(store, case_id, request, recorded_at_us=9)
    if after.is_open:
        look(store, case_id, viewer="bob", at_us=START_US, recorded_at_us=9, chain="access:test")
        move(store, case_id, Request("approve", BOB, LATER_US), recorded_at_us=9)


def queue(store: CaseStore) -> list[tuple[str, float | None]]:
    with store.reading() as connection:
        rows = list_cases(connection, QueueFilter(), now_us=LATER_US, viewer="ann", limit=100)
    for row in rows:
        assert row.priority == pytest.approx(priority(row.case, LATER_US))
    return [(row.case.typologies[0], row.case.lift) for row in rows]


def taught(store: CaseStore) -> None:
    """Twelve decisions of each kind: mules were reported, round amounts explained; four of each wait."""
    mules, rounds = alerts_of(16, "mule", first=0), alerts_of(16, "round_amount", first=100)
    # The same strength and times, so that nothing but decisions tells them apart.
    fill(store, [*mules, *rounds])
    for mule, other in zip(mules[:12], rounds[:12], strict=True):
        decide(store, other, is_suspicious=False)
        decide(store, mule, is_suspicious=True)


def test_decisions_put_first_what_was_reported_before(store):
    mules, rounds = alerts_of(16, "mule", first=0), alerts_of(16, "round_amount", first=100)
    fill(store, [*mules, *rounds])
    assert {lift for _, lift in queue(store)} == {None}
    for number, (mule, other) in enumerate(zip(mules[:12], rounds[:12], strict=True)):
        decide(store, other, is_suspicious=False)
        decide(store, mule, is_suspicious=True)
        with store.reading() as connection:
            assert bool(order_in_force(connection).lines) == (number >= 9)
    waiting = queue(store)
    assert [name for name, _ in waiting] == ["mule"] * 4 + ["round_amount"] * 4
    assert all(lift > 1.2 for name, lift in waiting if name == "mule")
    assert all(lift < 0.9 for name, lift in waiting if name == "round_amount")
    assert store.verify().findings == ()


def test_a_new_alert_takes_the_newest_order_and_the_journal_says_so(store):
    taught(store)
    fresh = stored(500, customer="new", rule="AML-MUL-001", typology="mule")
    fill(store, [fresh])
    with store.reading() as connection:
        case_id = find_case_id(connection, fresh.alert.alert_id)
        opened = json.loads(chain_entries(connection, case_id)[0].payload)
        lessons = [json.loads(entry.payload) for entry in chain_entries(connection, CHAIN)]
        order = order_in_force(connection)
    assert opened["lift"] > 1.2
    assert len(lessons) == 24
    assert (lessons[-1]["suspicious"], lessons[-1]["innocent"]) == (order.suspicious, order.innocent) == (12, 12)
    assert lessons[0]["is_suspicious"] is False


def test_a_decision_that_says_nothing_is_not_learned(store):
    alert = alerts_of(1, "mule", first=0)[0]
    fill(store, [alert])
    with store.reading() as connection:
        case_id = find_case_id(connection, alert.alert.alert_id)
    look(store, case_id, viewer="ann", at_us=START_US, recorded_at_us=9, chain="access:test")
    request = Request("close", ANN, LATER_US, note="Gone.", outcome="inconclusive", reason="customer_left")
    assert not move(store, case_id, request, recorded_at_us=9).is_open
    with store.reading() as connection:
        assert chain_entries(connection, CHAIN) == []
        assert order_in_force(connection) == UNTRAINED


def test_what_was_learned_goes_on_after_a_restart_as_without_one(place, tmp_path):
    def lines_after(where: str, *cuts: int) -> str:
        mules, rounds = alerts_of(12, "mule", first=0), alerts_of(12, "round_amount", first=100)
        with open_store(where, create=True) as store:
            fill(store, [*mules, *rounds])
        pairs = [(alert, alert in mules) for pair in zip(mules, rounds, strict=True) for alert in pair]
        for start, stop in pairwise((0, *cuts, len(pairs))):
            with open_store(where) as store:
                for alert, is_suspicious in pairs[start:stop]:
                    decide(store, alert, is_suspicious=is_suspicious)
        with open_store(where) as store, store.reading() as connection:
            return str(connection.execute(sa.select(learned_orders.c.lines)).scalar_one())

    whole = lines_after(place)
    assert len(json.loads(whole)) == len(fact_names())
    assert whole == lines_after(str(tmp_path / "cut.db"), 7, 21)


def test_switched_off_the_queue_is_as_if_nothing_had_been_learned(store):
    taught(store)
    assert switch(store, is_on=False, by="ann", reason="Reviewed.", at_us=1, recorded_at_us=9) == 8
    assert {lift for _, lift in queue(store)} == {None}
    fill(store, alerts_of(1, "mule", first=600))
    assert {lift for _, lift in queue(store)} == {None}
    decide(store, stored(600, customer="mule-600", rule="AML-MUL-001", typology="mule"), is_suspicious=True)
    with store.reading() as connection:
        learned = learned_order(connection)
        assert (learned.is_on, learned.order.suspicious) == (False, 13)
        assert connection.execute(sa.select(learned_orders.c.name)).scalar_one() == NAME
    assert switch(store, is_on=True, by="ann", reason="Agreed.", at_us=2, recorded_at_us=9) == 8
    assert [name for name, _ in queue(store)] == ["mule"] * 4 + ["round_amount"] * 4
    assert store.verify().findings == ()
