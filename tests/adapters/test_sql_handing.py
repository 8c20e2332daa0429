"""Handing out, in both databases: two people never get one case, and nobody gets what is not for them."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest

from monitor.adapters.sql.bulk_acts import BulkAct, do, preview, undo_last
from monitor.adapters.sql.conflicts import conflicts_of, declare, withdraw
from monitor.adapters.sql.desk import everyone, look, move
from monitor.adapters.sql.handing import hand_out, skip, take
from monitor.adapters.sql.ledger import chain_entries
from monitor.adapters.sql.my_days import my_days
from monitor.adapters.sql.people import Person, add_person
from monitor.adapters.sql.queue import AGES_US, QueueFilter, Wall, ages, list_cases
from monitor.adapters.sql.settings import change_settings
from monitor.adapters.sql.store import CaseStore
from monitor.adapters.sql.tags import tags_in_use, tags_of
from monitor.casework.handing import SKIP_US
from monitor.casework.lifecycle import MoveRefused, Request
from monitor.casework.position import RunPosition
from monitor.casework.undoing import UNDO_US
from monitor.domain.case import CASE_STATES, Actor, Case
from monitor.domain.time import DAY_US, HOUR_US
from tests.casework.alert_building import START_US, stored

NOW_US = START_US + HOUR_US
ANN, BOB, EVE = Actor("ann"), Actor("bob"), Actor("eve", "senior")


def person(name: str, **settings: object) -> Person:
    return Person(name, name.title(), "analyst", True, None, settings)


def fill(store: CaseStore, count: int, **changes: object) -> list[str]:
    """So many cases; their ids, the most pressing first."""
    severities = ("medium", "high", "low", "critical")
    alerts = [stored(n, customer=f"c{n}", severity=severities[n % 4], **changes) for n in range(count)]
    store.commit_batch(alerts, RunPosition("r", 0, 0, count, 0), recorded_at_us=5)
    return [case.case_id for case in cases(store)]


def cases(store: CaseStore) -> list[Case]:
    with store.reading() as connection:
        wanted = QueueFilter(states=CASE_STATES)
        return [row.case for row in list_cases(connection, wanted, now_us=NOW_US, viewer="")]


def case(store: CaseStore, case_id: str) -> Case:
    return next(each for each in cases(store) if each.case_id == case_id)


def entries(store: CaseStore, case_id: str):
    with store.reading() as connection:
        return chain_entries(connection, case_id)


def next_of(store: CaseStore, who: Person, at_us: int = NOW_US):
    return hand_out(store, who, Actor(who.name), now_us=at_us, recorded_at_us=9, wall=Wall(who.name))


def test_two_who_press_next_at_once_never_get_the_same_case(store: CaseStore):
    ids = fill(store, 6)
    start = Barrier(6)

    def press(name: str) -> str:
        start.wait()
        handed = next_of(store, person(name))
        assert handed.case is not None
        return handed.case.case_id

    with ThreadPoolExecutor(6) as pool:
        got = list(pool.map(press, [f"p{n}" for n in range(6)]))
    assert sorted(got) == sorted(ids)
    assert {each.case_id: each.assignee for each in cases(store)} == dict(
        zip(got, [f"p{n}" for n in range(6)], strict=True)
    )
    assert store.verify().findings == ()


def test_of_two_who_take_one_case_at_once_one_gets_it_and_the_other_is_told(store: CaseStore):
    (one, *_) = fill(store, 2)
    start = Barrier(4)

    def grab(name: str) -> str:
        start.wait()
        try:
            take(store, one, Actor(name), now_us=NOW_US, recorded_at_us=9, sees=everyone)
        except MoveRefused as error:
            return str(error)
        return name

    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(grab, ["p0", "p1", "p2", "p3"]))
    (winner,) = [words for words in said if words in ("p0", "p1", "p2", "p3")]
    assert case(store, one).assignee == winner
    assert sum(f"{winner} has it since 2026-02-02" in words for words in said) == 3
    assert [each.action for each in entries(store, one)] == ["opened", "assign"]
    take(store, one, Actor(winner), now_us=NOW_US, recorded_at_us=9, sees=everyone)
    assert len(entries(store, one)) == 2


def test_next_goes_by_priority_and_stops_at_the_limit_of_the_person(store: CaseStore):
    first, second, third = fill(store, 3)
    ann = person("ann", limit=2)
    assert next_of(store, ann).case.case_id == first
    move(store, first, Request("snooze", ANN, NOW_US, reason="awaiting_branch", until_us=NOW_US + HOUR_US),
         recorded_at_us=9)  # fmt: skip
    assert next_of(store, ann).case.case_id == second
    take(store, third, ANN, now_us=NOW_US, recorded_at_us=9, sees=everyone)
    fourth = fill(store, 4)
    assert len(fourth) == 4
    assert next_of(store, ann).case.assignee == "ann"  # the most pressing of those that are ann's already
    for own in (second, third):
        move(store, own, Request("escalate", ANN, NOW_US, reason="complex", note="Look."), recorded_at_us=9)
    full = next_of(store, ann)
    assert (full.case, full.why) == (None, "limit")
    assert next_of(store, person("ann", limit=3)).case is not None


def test_next_hands_out_only_what_the_person_knows(store: CaseStore):
    fill(store, 2, typology="structuring")
    assert next_of(store, person("ann", skills=["fan_in"])).why == "nothing"
    assert next_of(store, person("ann", skills=["fan_in", "structuring"])).case is not None


def test_a_related_customer_is_never_handed_out_nor_decided_nor_given(store: CaseStore):
    (one,) = fill(store, 1)
    add_person(store, name="ann", full_name="Ann", role="analyst", password=None, by="t", now_us=1)
    subject = case(store, one).subject
    told = {"by": "ann", "at_us": NOW_US, "recorded_at_us": 9, "chain": "access:web"}
    for _ in range(2):
        declare(store, "ann", subject, **told)
    with store.reading() as connection:
        assert [(each.name, each.subject) for each in conflicts_of(connection)] == [("ann", subject)]
        assert [each.action for each in chain_entries(connection, "access:web")] == ["user_added", "conflict_declared"]
    assert next_of(store, person("ann")).why == "nothing"
    with pytest.raises(MoveRefused, match="cannot go to ann"):
        take(store, one, ANN, now_us=NOW_US, recorded_at_us=9, sees=everyone)
    with pytest.raises(MoveRefused, match="cannot go to ann"):
        move(store, one, Request("assign", BOB, NOW_US, assignee="ann"), recorded_at_us=9)
    look(store, one, viewer="ann", at_us=NOW_US, recorded_at_us=9, chain="access:web")
    decision = Request("close", ANN, NOW_US, outcome="explained", reason="seasonal", note="Seen before.")
    with pytest.raises(MoveRefused, match="declared to be related"):
        move(store, one, decision, recorded_at_us=9)
    assert case(store, one).state == "open"
    with pytest.raises(MoveRefused, match="nobody ends their own"):
        withdraw(store, "ann", subject, **told)
    withdraw(store, "ann", subject, **told | {"by": "eve"})
    assert next_of(store, person("ann")).case is not None


def test_a_skipped_case_goes_back_and_comes_not_again_for_a_day(store: CaseStore):
    first, second = fill(store, 2)
    assert next_of(store, person("ann")).case.case_id == first
    skip(store, first, "skills", ANN, now_us=NOW_US, recorded_at_us=9, sees=everyone)
    assert (case(store, first).assignee, case(store, first).state) == (None, "open")
    skipped = next(each for each in entries(store, first) if each.action == "skipped")
    assert (skipped.actor, json.loads(skipped.payload)["reason"]) == ("ann", "skills")
    assert next_of(store, person("ann")).case.case_id == second
    assert next_of(store, person("bob")).case.case_id == first
    skip(store, first, "other_work", BOB, now_us=NOW_US, recorded_at_us=9, sees=everyone)
    skip(store, second, "other_work", ANN, now_us=NOW_US, recorded_at_us=9, sees=everyone)
    assert next_of(store, person("ann"), NOW_US + SKIP_US - 1).why == "nothing"
    assert next_of(store, person("ann"), NOW_US + SKIP_US).case is not None
    with pytest.raises(MoveRefused, match="no reason 'bored'"):
        skip(store, second, "bored", ANN, now_us=NOW_US, recorded_at_us=9, sees=everyone)
    assert store.verify().findings == ()


def test_a_decision_on_an_older_page_is_refused_and_told_what_changed(store: CaseStore):
    (one,) = fill(store, 1)
    add_person(store, name="ann", full_name="Ann", role="analyst", password=None, by="t", now_us=1)
    file = look(store, one, viewer="ann", at_us=NOW_US, recorded_at_us=9, chain="access:web")
    decision = Request("close", ANN, NOW_US, outcome="explained", reason="seasonal", note="Seen before.")
    move(store, one, Request("assign", BOB, NOW_US, assignee="bob"), recorded_at_us=9)
    with pytest.raises(MoveRefused, match=r"has changed.*bob assigned it to bob at 03:40 UTC.*Nothing was done"):
        move(store, one, decision, recorded_at_us=9, version=file.version)
    assert case(store, one).state == "assigned"
    again = look(store, one, viewer="ann", at_us=NOW_US, recorded_at_us=9, chain="access:web")
    skip(store, one, "other_work", BOB, now_us=NOW_US, recorded_at_us=9, sees=everyone)
    with pytest.raises(MoveRefused, match="bob put it back"):
        move(store, one, decision, recorded_at_us=9, version=again.version)
    last = look(store, one, viewer="ann", at_us=NOW_US, recorded_at_us=9, chain="access:web")
    do(store, [(one, last.version)], BulkAct(Request("tag", BOB, NOW_US), "trust"), recorded_at_us=9, sees=everyone)
    assert move(store, one, decision, recorded_at_us=9, version=last.version).state == "closed_explained"


def act(kind: str, who: Actor = ANN, at_us: int = NOW_US, tag: str | None = None, **needs: object) -> BulkAct:
    return BulkAct(Request(kind, who, at_us, **needs), tag)


def shown(store: CaseStore, ids: list[str], given: BulkAct):
    with store.reading() as connection:
        return preview(connection, ids, given, store.policy, everyone)


ACTS = [
    act("assign", assignee="bob"), act("snooze", reason="awaiting_branch", until_us=NOW_US + DAY_US),
    act("escalate", reason="complex", note="A trust."), act("tag", tag="trust"), act("note", note="Asked the branch."),
]  # fmt: skip


@pytest.mark.parametrize("given", ACTS, ids=[each.request.move for each in ACTS])
def test_what_is_done_to_many_is_what_the_preview_said_with_one_entry_each(store: CaseStore, given: BulkAct):
    ids = fill(store, 5)
    outlooks = shown(store, ids, given)
    before = {each: len(entries(store, each)) for each in ids}
    assert [each.case.case_id for each in outlooks if each.refusal is None] == ids
    done = do(store, [(each.case.case_id, each.version) for each in outlooks], given, recorded_at_us=9, sees=everyone)
    assert (done.cases, done.refused) == (tuple(ids), ())
    for outlook in outlooks:
        after = case(store, outlook.case.case_id)
        assert after.state == outlook.after
        assert len(entries(store, after.case_id)) == before[after.case_id] + 1
    assert store.verify().findings == ()


def test_of_many_those_that_changed_since_the_preview_stay_as_they_are(store: CaseStore):
    ids = fill(store, 3)
    given = act("assign", assignee="ann")
    outlooks = shown(store, ids, given)
    take(store, ids[1], BOB, now_us=NOW_US, recorded_at_us=9, sees=everyone)
    done = do(store, [(each.case.case_id, each.version) for each in outlooks], given, recorded_at_us=9, sees=everyone)
    assert done.cases == (ids[0], ids[2])
    assert [case_id for case_id, _ in done.refused] == [ids[1]]
    assert "bob assigned it to bob" in done.refused[0][1]
    assert case(store, ids[1]).assignee == "bob"


def test_what_cannot_be_done_is_said_by_the_preview(store: CaseStore):
    one, two = fill(store, 2)
    move(store, one, Request("escalate", ANN, NOW_US, reason="complex", note="Look."), recorded_at_us=9)
    assert [each.refusal is None for each in shown(store, [one, two], act("unassign"))] == [False, False]
    assert [each.refusal is None for each in shown(store, [one, two], act("escalate", reason="complex", note="L"))] == [
        False, True,
    ]  # fmt: skip
    with pytest.raises(MoveRefused, match="not done to several"):
        shown(store, [one], act("close", outcome="explained", reason="seasonal", note="x"))
    with pytest.raises(MoveRefused, match="choose 1 to 200"):
        shown(store, [], act("unassign"))
    hidden = preview_hidden(store, [one, two])
    assert hidden == [two]


def preview_hidden(store: CaseStore, ids: list[str]) -> list[str]:
    """What somebody sees of a preview who may see the second case only."""
    with store.reading() as connection:
        rows = preview(connection, ids, act("tag", tag="x"), store.policy, lambda each: each.case_id == ids[1])
    return [row.case.case_id for row in rows]


@pytest.mark.parametrize("kind", ["assign", "snooze", "tag"])
def test_undo_takes_back_the_last_act_on_all_that_nobody_touched_since(store: CaseStore, kind: str):
    ids = fill(store, 3)
    take(store, ids[0], ANN, now_us=NOW_US, recorded_at_us=9, sees=everyone)
    given = next(each for each in ACTS if each.request.move == kind)
    before = [(each.state, each.assignee, each.snoozed_until_us) for each in cases(store)]
    later = replace(given, request=replace(given.request, at_us=NOW_US + 1))
    outlooks = shown(store, ids, later)
    do(store, [(each.case.case_id, each.version) for each in outlooks], later, recorded_at_us=9, sees=everyone)
    done = undo_last(store, ANN, now_us=NOW_US + 2, recorded_at_us=9, sees=everyone)
    assert (done.kind, sorted(done.cases), done.refused) == (kind, sorted(ids), ())
    assert [(each.state, each.assignee, each.snoozed_until_us) for each in cases(store)] == before
    with store.reading() as connection:
        assert tags_of(connection, ids) == {}
    assert undo_last(store, ANN, now_us=NOW_US + 3, recorded_at_us=9, sees=everyone).kind == "assign"
    assert {each.assignee for each in cases(store)} == {None}
    with pytest.raises(MoveRefused, match="nothing of the last 10 minutes"):
        undo_last(store, ANN, now_us=NOW_US + 4, recorded_at_us=9, sees=everyone)
    assert store.verify().findings == ()


def test_undo_leaves_what_others_did_since_and_ends_after_its_time(store: CaseStore):
    one, two = fill(store, 2)
    given = act("assign", assignee="ann")
    do(store, [(one, 1), (two, 1)], given, recorded_at_us=9, sees=everyone)
    move(store, one, Request("start", ANN, NOW_US + 1), recorded_at_us=9)
    with pytest.raises(MoveRefused, match="nothing of the last"):
        undo_last(store, BOB, now_us=NOW_US + 2, recorded_at_us=9, sees=everyone)
    assert undo_last(store, ANN, now_us=NOW_US + 2, recorded_at_us=9, sees=everyone).kind == "start"
    move(store, two, Request("assign", EVE, NOW_US + 3, assignee="eve"), recorded_at_us=9)
    done = undo_last(store, ANN, now_us=NOW_US + UNDO_US, recorded_at_us=9, sees=everyone)
    assert done.cases == (one,)
    assert [case_id for case_id, words in done.refused if "moved on" in words] == [two]
    assert case(store, two).assignee == "eve"
    take(store, fill(store, 3)[-1], BOB, now_us=NOW_US, recorded_at_us=9, sees=everyone)
    with pytest.raises(MoveRefused, match="nothing of the last"):
        undo_last(store, BOB, now_us=NOW_US + UNDO_US + 1, recorded_at_us=9, sees=everyone)


def test_tags_of_reports_are_nowhere_for_who_need_not_know(store: CaseStore):
    one, two = fill(store, 2)
    do(store, [(one, 1)], act("tag", tag="plain"), recorded_at_us=9, sees=everyone)
    do(store, [(two, 1)], act("tag", tag="secret"), recorded_at_us=9, sees=everyone)
    look(store, two, viewer="ann", at_us=NOW_US, recorded_at_us=9, chain="access:web")
    move(store, two, Request("close", ANN, NOW_US, outcome="reported", reason="suspicion", note="x"), recorded_at_us=9)
    with store.reading() as connection:
        assert tags_in_use(connection, None) == ["plain", "secret"]
        assert tags_in_use(connection, Wall("bob")) == ["plain"]
        assert tags_in_use(connection, Wall("ann")) == ["plain", "secret"]
        found = list_cases(connection, QueueFilter(states=CASE_STATES, tag="secret", wall=Wall("bob")), now_us=NOW_US,
                           viewer="bob")  # fmt: skip
    assert found == []


def test_ages_add_up_and_fall_into_their_classes(store: CaseStore):
    opened = [0, AGES_US[0] - 1, AGES_US[0], AGES_US[1], AGES_US[3], AGES_US[4], AGES_US[4] + 5]
    now_us = START_US + 40 * DAY_US
    alerts = [stored(n, customer=f"c{n}", judged_at_us=now_us - age) for n, age in enumerate(opened)]
    store.commit_batch(alerts, RunPosition("r", 0, 0, 9, 0), recorded_at_us=5)
    with store.reading() as connection:
        assert ages(connection, QueueFilter(), now_us=now_us) == (2, 1, 1, 0, 1, 2)


def test_my_days_count_what_i_did_and_nobody_else(store: CaseStore):
    one, two = fill(store, 2)
    skip(store, one, "skills", ANN, now_us=NOW_US, recorded_at_us=9, sees=everyone)
    skip(store, one, "skills", BOB, now_us=NOW_US, recorded_at_us=9, sees=everyone)
    look(store, two, viewer="ann", at_us=NOW_US, recorded_at_us=9, chain="access:web")
    move(store, two, Request("escalate", ANN, NOW_US, reason="complex", note="x"), recorded_at_us=9)
    with store.reading() as connection:
        mine = my_days(connection, "ann", since_us=NOW_US - 1, until_us=NOW_US)
        assert (mine.skipped, mine.escalated, mine.cases, mine.decided) == (1, 1, 2, 0)
        assert my_days(connection, "ann", since_us=NOW_US, until_us=NOW_US + 1).cases == 0


def test_settings_are_changed_one_by_one(store: CaseStore):
    add_person(store, name="ann", full_name="Ann", role="analyst", password=None, by="t", now_us=1)
    change_settings(store, "ann", {"limit": 3, "columns": ["due"]}, by="eve", now_us=2)
    assert change_settings(store, "ann", {"columns": None}, by="eve", now_us=3, action="work_planned") == {"limit": 3}
    with store.reading() as connection:
        assert chain_entries(connection, "access:web")[-1].action == "work_planned"
