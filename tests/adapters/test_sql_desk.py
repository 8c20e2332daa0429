"""People's acts: each is one transaction with its journal entry, and nobody decides on what they have not seen."""

import json

import pytest
import sqlalchemy as sa

from monitor.adapters.sql.desk import CaseUnknown, add_note, find_case_id, look, move
from monitor.adapters.sql.ledger import chain_entries
from monitor.adapters.sql.schema import case_alerts, cases, notes
from monitor.adapters.sql.store import CaseStore
from monitor.casework.lifecycle import MoveRefused, Request
from monitor.casework.position import RunPosition
from monitor.domain.case import Actor
from tests.casework.alert_building import START_US, stored

ANN, BOB = Actor("ann", "officer"), Actor("bob", "officer")


def fill(store: CaseStore, *stream) -> None:
    store.commit_batch(stream, RunPosition("r", 0, 0, len(stream), 0), recorded_at_us=5)


def case_of_ann(store: CaseStore) -> str:
    with store.reading() as connection:
        return find_case_id(connection, stored(0).alert.alert_id)


def view(store: CaseStore, case_id: str, who: Actor = ANN, **options):
    return look(store, case_id, viewer=who.name, at_us=START_US, recorded_at_us=9, chain="access:test", **options)


def act(store: CaseStore, case_id: str, kind: str, who: Actor = ANN, **needs):
    return move(store, case_id, Request(kind, who, START_US + 1, **needs), recorded_at_us=9)


def close(store: CaseStore, case_id: str, who: Actor = ANN, outcome: str = "explained"):
    reason = {"explained": "sale_of_asset", "reported": "suspicion"}[outcome]
    return act(store, case_id, "close", who, outcome=outcome, reason=reason, note="The deed was seen.")


def test_a_case_goes_from_queue_to_an_approved_report(store):
    fill(store, stored(0), stored(1))
    case_id = case_of_ann(store)
    act(store, case_id, "assign", assignee="ann")
    assert view(store, case_id).new_alerts == 2
    act(store, case_id, "start")
    assert close(store, case_id, outcome="reported").state == "pending_approval"
    view(store, case_id, BOB)
    after = act(store, case_id, "approve", BOB)
    assert (after.state, after.need_to_know) == ("closed_reported", "restricted")
    file = view(store, case_id)
    assert file.case == after
    actions = [entry.action for entry in file.journal]
    assert actions == ["opened", "alert_joined", "assign", "start", "propose", "approve"]
    assert [note.text for note in file.notes] == ["The deed was seen."]
    assert store.verify().findings == ()


def test_nobody_decides_on_alerts_that_they_have_not_seen(store):
    fill(store, stored(0))
    case_id = case_of_ann(store)
    with pytest.raises(MoveRefused, match="1 alert joined that ann has not looked at"):
        close(store, case_id)
    view(store, case_id, mark=False)
    with pytest.raises(MoveRefused, match="has not looked at"):
        close(store, case_id)
    view(store, case_id)
    fill(store, stored(1), stored(2, status="quiet"))
    with pytest.raises(MoveRefused, match="2 alerts joined that ann has not looked at"):
        close(store, case_id)
    view(store, case_id)
    assert close(store, case_id).state == "closed_explained"


def test_a_refused_move_leaves_no_trace(store):
    fill(store, stored(0))
    before = store.fingerprint()
    with pytest.raises(MoveRefused):
        act(store, case_of_ann(store), "approve")
    assert store.fingerprint() == before


def test_every_look_is_recorded_with_who_looked(store):
    fill(store, stored(0))
    case_id = case_of_ann(store)
    view(store, case_id, ANN)
    view(store, case_id, BOB, mark=False)
    with store.reading() as connection:
        entries = chain_entries(connection, "access:test")
    facts = [(entry.actor, entry.action, json.loads(entry.payload)["marked"]) for entry in entries]
    assert facts == [("ann", "case_viewed", True), ("bob", "case_viewed", False)]


def test_notes_are_kept_in_order_and_a_changed_one_is_found(store):
    fill(store, stored(0))
    case_id = case_of_ann(store)
    for text in ("Asked the branch.", "The branch answered: 销售房产."):
        add_note(store, case_id, Request("note", ANN, START_US, note=text), recorded_at_us=9)
    assert [note.text for note in view(store, case_id).notes] == ["Asked the branch.", "The branch answered: 销售房产."]
    with store.writing() as connection:
        connection.execute(notes.update().where(notes.c.journal_seq == 2).values(text="Asked nobody."))
    found = store.verify().findings
    assert [(finding.kind, finding.place) for finding in found] == [("content", f"note {case_id} 2")]


def test_a_note_under_another_name_and_an_alert_moved_to_another_case_are_found(store):
    fill(store, stored(0), stored(1, customer="another"))
    case_id = case_of_ann(store)
    add_note(store, case_id, Request("note", ANN, START_US, note="Asked the branch."), recorded_at_us=9)
    assert store.verify().findings == ()
    with store.writing() as connection:
        connection.execute(notes.update().values(author="bob"))
        connection.execute(case_alerts.delete().where(case_alerts.c.case_id == case_id))
        connection.execute(case_alerts.update().values(case_id=case_id))
    found = store.verify().findings
    assert [finding.kind for finding in found] == ["content", "missing", "content"]
    assert found[2].place == f"note {case_id} 2"


def test_a_closed_case_is_reopened_only_while_it_is_the_last(store):
    fill(store, stored(0))
    case_id = case_of_ann(store)
    view(store, case_id)
    close(store, case_id)
    reopen = {"reason": "new_information", "note": "A letter came."}
    assert act(store, case_id, "reopen", **reopen).state == "open"
    close(store, case_id)
    fill(store, stored(1))
    with pytest.raises(MoveRefused, match="its subject has a later case"):
        act(store, case_id, "reopen", **reopen)
    later = view(store, stored(1).alert.alert_id)
    assert later.case.former_case_id == case_id
    assert [other.case_id for other in later.other_cases] == [case_id]


def test_an_alert_that_joins_takes_the_case_out_of_approval(store):
    fill(store, stored(0))
    case_id = case_of_ann(store)
    view(store, case_id)
    close(store, case_id, outcome="reported")
    fill(store, stored(1))
    assert view(store, case_id).case.state == "in_review"
    view(store, case_id, BOB)
    with pytest.raises(MoveRefused, match="is not possible from there"):
        act(store, case_id, "approve", BOB)


def test_a_case_goes_by_its_id_its_beginning_and_its_alerts(store):
    fill(store, stored(0), stored(1, customer="bob"), stored(2, customer="cid", status="shadow"))
    case_id = case_of_ann(store)
    with store.reading() as connection:
        for text in (case_id, case_id[:8], case_id[2:8], case_id.lower(), f" {case_id} ", stored(0).alert.alert_id):
            assert find_case_id(connection, text) == case_id
        for text, words in [
            ("C-AB", "too short"),
            ("C-ZZZZZZ", "there is no case"),
            ("A-ZZZZZZ", "no case has the alert"),
            (stored(2, customer="cid").alert.alert_id, "Shadow alerts belong to no case"),
            ("%%%%", "there is no case"),
        ]:
            with pytest.raises(CaseUnknown, match=words):
                find_case_id(connection, text)


def test_a_duplicate_must_name_a_case_that_exists(store):
    fill(store, stored(0), stored(1, customer="bob"))
    case_id, other = case_of_ann(store), stored(1, customer="bob").alert.alert_id
    view(store, case_id)
    needs = {"outcome": "duplicate", "reason": "same_facts", "note": "Both holders of one account."}
    with pytest.raises(CaseUnknown):
        act(store, case_id, "close", duplicate_of="C-ZZZZZZ", **needs)
    after = act(store, case_id, "close", duplicate_of=other, **needs)
    assert after.state == "closed_duplicate"


def test_a_subject_has_one_open_case_by_the_databases_own_rule(store):
    fill(store, stored(0))
    with store.reading() as connection:
        copy = dict(connection.execute(sa.select(cases)).one()._mapping) | {"case_id": "C-COPY"}
    with store.writing() as connection, pytest.raises(sa.exc.IntegrityError):
        connection.execute(cases.insert(), [copy])
