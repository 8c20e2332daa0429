"""Keys, kept answers, places of the queue and alerts by payment, alike in both databases."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from monitor.adapters.sql.api_keys import add_key, caller_of, listed_keys, revoke_key
from monitor.adapters.sql.found import found_at
from monitor.adapters.sql.people import CHAIN, PersonRefused, add_person, come_in_by_sso, journal_look, session_of
from monitor.adapters.sql.queue import PLACED_ORDERS, QueueFilter, list_cases, place_of
from monitor.adapters.sql.repeats import KEPT_US, Answer, RepeatDiffers, once
from monitor.adapters.sql.store import CaseStore
from monitor.casework.position import RunPosition
from monitor.domain.time import DAY_US
from tests.casework.alert_building import START_US, stored


def robot(store: CaseStore, name: str = "robot", role: str = "senior"):
    return add_person(store, name=name, full_name="", role=role, password=None, by="t", now_us=0, is_service=True)


def with_cases(store: CaseStore, cases: int) -> None:
    severities = ("medium", "high", "low", "critical")
    alerts = [stored(n, customer=f"customer {n}", severity=severities[n % 4]) for n in range(cases)]
    store.commit_batch(alerts, RunPosition("r", 0, 0, cases, 0), recorded_at_us=5)


def test_a_key_is_found_until_it_ends(store: CaseStore):
    robot(store)
    key_id, token = add_key(store, name="robot", scopes=("read", "work"), days=2, by="t", now_us=0)
    caller = caller_of(store, token, now_us=DAY_US)
    assert caller is not None
    assert (caller.person.is_service, caller.key.scopes) == (True, ("read", "work"))
    assert caller_of(store, token + "x", now_us=DAY_US) is None
    assert caller_of(store, token, now_us=2 * DAY_US) is None
    revoke_key(store, key_id, by="t", now_us=DAY_US)
    assert caller_of(store, token, now_us=DAY_US) is None
    with store.reading() as connection:
        assert listed_keys(connection)[0].used_at_us == DAY_US
    assert store.verify().findings == ()


def noted(store: CaseStore) -> int:
    with store.reading() as connection:
        rows = connection.exec_driver_sql("SELECT count(*) FROM journal WHERE action = 'acted'")
        return int(rows.scalar_one())


def act_on(person):
    def act(inner: CaseStore) -> Answer:
        journal_look(inner, person, what="acted", now_us=1)
        return Answer(201, {"done": True})

    return act


def test_an_act_and_its_answer_are_kept_together_or_not_at_all(store: CaseStore):
    person = robot(store)

    def broken(inner: CaseStore) -> Answer:
        act_on(person)(inner)
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        once(store, name="robot", key="k", digest="d", now_us=0, act=broken)
    assert noted(store) == 0
    first = once(store, name="robot", key="k", digest="d", now_us=0, act=act_on(person))
    again = once(store, name="robot", key="k", digest="d", now_us=KEPT_US, act=broken)
    assert (first.is_kept, again.is_kept, again.status, again.body) == (False, True, 201, first.body)
    with pytest.raises(RepeatDiffers):
        once(store, name="robot", key="k", digest="other", now_us=0, act=broken)
    later = once(store, name="robot", key="k", digest="other", now_us=KEPT_US + 1, act=act_on(person))
    assert (later.is_kept, noted(store)) == (False, 2)
    assert store.verify().findings == ()


def test_of_many_at_once_one_acts(store: CaseStore):
    act = act_on(robot(store))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(
            lambda _: once(store, name="robot", key="k", digest="d", now_us=0, act=act), range(24)
        ))  # fmt: skip
    assert sum(not answer.is_kept for answer in answers) == 1
    assert noted(store) == 1


@pytest.mark.parametrize("order", PLACED_ORDERS)
def test_pages_behind_places_are_the_whole_queue(store: CaseStore, order: str):
    with_cases(store, 17)
    now_us = START_US + DAY_US // 3
    with store.reading() as connection:
        whole = list_cases(connection, QueueFilter(), now_us=now_us, viewer="v", order=order)
        for size in (1, 3, 5):
            found, after = [], None
            while some := list_cases(connection, QueueFilter(), now_us=now_us, viewer="v", order=order, limit=size,
                                     after=after):  # fmt: skip
                found += some
                after = place_of(some[-1], order)
            assert [row.case.case_id for row in found] == [row.case.case_id for row in whole]
    assert len(whole) == 17


def test_alerts_are_found_by_payment(store: CaseStore):
    with_cases(store, 3)
    with store.reading() as connection:
        rows = connection.exec_driver_sql("SELECT alert_id, position FROM alerts").all()
        positions = [row.position for row in rows]
        found = found_at(connection, "r", [*positions, 10**6])
        assert {(each.alert_id, position) for position, some in found.items() for each in some} == {
            (row.alert_id, row.position) for row in rows
        }
        assert found_at(connection, "another run", positions) == {}


def test_a_person_of_a_provider_is_one_whatever_their_name(store: CaseStore):
    given = {"full_name": "Ann", "role": "analyst", "now_us": 0}
    first = come_in_by_sso(store, subject="i 1", name="ann", **given)
    again = come_in_by_sso(store, subject="i 1", name="ann.lee", **given | {"role": "senior"})
    assert session_of(store, first, now_us=0) is None
    session = session_of(store, again, now_us=0)
    assert session is not None
    assert (session.person.name, session.person.role) == ("ann", "senior")
    with pytest.raises(PersonRefused, match="another person"):
        come_in_by_sso(store, subject="i 2", name="ann", **given)
    with store.reading() as connection:
        actions = connection.exec_driver_sql(
            f"SELECT action FROM journal WHERE chain = '{CHAIN}' ORDER BY seq"
        ).scalars().all()  # fmt: skip
    assert actions == ["user_added", "user_bound", "signed_in", "user_changed", "signed_in"]
