"""Cases opened by hand, referrals from branches, merging and splitting: nothing is lost, and the wall holds."""

import json
import re
from pathlib import Path

import pytest

from monitor.adapters.sql.desk import find_case_id
from monitor.adapters.sql.ledger import chain_entries
from monitor.adapters.sql.regrouping import moves_of_alerts
from monitor.casework.position import RunPosition
from monitor.domain.case import Case
from monitor.domain.time import HOUR_US
from monitor.web.app import make_app
from monitor.web.desk import Desk
from tests.casework.alert_building import START_US, stored, subject
from tests.web.test_web_queue import propose
from tests.web.workbench import Workbench, workbench

TOLD = {"text": "He asked how to stay below the limit.", "typology": "structuring", "severity": "high",
        "currency": "USD"}  # fmt: skip


@pytest.fixture
def bench(tmp_path: Path):
    with workbench(tmp_path, cases=3) as one:
        more = [stored(20 + n, customer="customer 0", rule=f"AML-PAS-00{n}", severity="high") for n in (1, 2)]
        one.store.commit_batch(more, RunPosition("r", 0, 0, 30, 0), recorded_at_us=6)
        known = {f"customer {n}" for n in range(5)}
        desk = Desk(
            one.store, lambda token: f"K-{token[:6]}", lambda: one.wall_us, lambda: one.now_us,
            token_of=lambda name: subject(name).token if name in known else None,
        )  # fmt: skip
        one.app = make_app(desk)
        one.now_us = START_US + 30 * HOUR_US
        yield one


def of_customer(bench: Workbench, name: str) -> list[Case]:
    return [case for case in bench.cases() if case.subject.token == subject(name).token]


def look(bench: Workbench, who: str, *cases: str) -> None:
    for case in cases:
        assert bench.signed_in(who).get(f"/cases/{case}").status_code == 200


def alerts_of(bench: Workbench, who: str, case: str) -> list[str]:
    text = bench.signed_in(who).get(f"/cases/{case}").text
    return re.findall(r'<p class="dim">(A-[A-Z2-7]+)</p>', text)


def entries(bench: Workbench, case: str) -> list[str]:
    with bench.store.reading() as connection:
        return [entry.action for entry in chain_entries(connection, case)]


def test_a_case_opened_by_hand_is_a_case_like_any_other(bench: Workbench):
    answer = bench.post("analyst", "/refer", customer="customer 4", amount="12 500.00", **TOLD)
    (case,) = of_customer(bench, "customer 4")
    assert answer.headers["location"] == f"/cases/{case.case_id}"
    assert (case.state, case.severity, case.amount_minor, case.headline) == ("open", "high", 1_250_000, TOLD["text"])
    look(bench, "senior", case.case_id)
    assert entries(bench, case.case_id) == ["opened"]
    with bench.store.reading() as connection:
        assert chain_entries(connection, case.case_id)[0].actor == "analyst"
    assert bench.store.verify().findings == ()
    bench.store.commit_batch([stored(40, customer="customer 4")], RunPosition("r", 0, 0, 41, 0), recorded_at_us=7)
    assert [each.alert_count for each in of_customer(bench, "customer 4")] == [2]


def test_what_is_told_of_a_customer_with_an_open_case_joins_it(bench: Workbench):
    (before,) = of_customer(bench, "customer 1")
    assert bench.post("analyst", "/refer", customer="customer 1", **TOLD).status_code == 303
    (after,) = of_customer(bench, "customer 1")
    assert (after.case_id, after.alert_count) == (before.case_id, before.alert_count + 1)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"customer": "nobody"}, "No customer"), ({"text": " "}, "Say what was seen"),
        ({"typology": "x"}, "no typology"),
        ({"severity": "x"}, "no severity"), ({"currency": "ZZZ"}, "no currency"), ({"amount": "1,5"}, "cannot be read"),
        ({"text": "x" * 2001}, "2000 characters"),
    ],
)  # fmt: skip
def test_what_is_not_complete_is_refused_with_the_reason(bench: Workbench, given: dict[str, str], words: str):
    answer = bench.post("analyst", "/refer", **({"customer": "customer 4"} | TOLD | given))
    assert (answer.status_code, words in answer.text) == (409, True)
    assert of_customer(bench, "customer 4") == []


def test_a_branch_tells_and_learns_nothing(bench: Workbench):
    free = bench.post("branch", "/refer", customer="customer 4", **TOLD)
    taken = bench.post("branch", "/refer", customer="customer 1", **TOLD)
    assert free.headers["location"] == taken.headers["location"] == "/refer?done=yes"
    page = bench.signed_in("branch").get("/refer?done=yes").text
    assert "C-" not in page
    assert page.count(TOLD["text"]) == 2
    assert bench.signed_in("branch").get("/").headers["location"] == "/refer"
    for place in ("/queue", "/team", f"/cases/{bench.cases()[0].case_id}"):
        assert bench.signed_in("branch").get(place).status_code == 403
    assert TOLD["text"] not in bench.signed_in("analyst").get("/refer").text


def test_who_tells_of_a_customer_does_not_learn_of_a_report(bench: Workbench):
    (hidden,) = of_customer(bench, "customer 0")
    propose(bench, "analyst", hidden.case_id)
    with_report = bench.post("senior", "/refer", customer="customer 0", **TOLD)
    without = bench.post("senior", "/refer", customer="customer 4", **TOLD)
    places = [answer.headers["location"] for answer in (with_report, without)]
    pages = [bench.signed_in("senior").get(place).text for place in places]
    (fresh,) = of_customer(bench, "customer 4")
    (own,) = [case for case in of_customer(bench, "customer 0") if case.case_id != hidden.case_id]
    same = [
        re.sub(
            r"K-[0-9a-f]{6}|A-[A-Z2-7]{26}", "…", page.replace(case.case_id, "C-…").replace(case.case_id[:10], "C-…")
        )
        for page, case in zip(pages, (own, fresh), strict=True)
    ]
    assert same[0] == same[1]
    assert {case.state for case in of_customer(bench, "customer 0")} == {"pending_approval", "open"}
    assert bench.store.verify().findings == ()
    # What the monitor finds from now on goes to the case that was there.
    bench.store.commit_batch([stored(50, customer="customer 0")], RunPosition("r", 0, 0, 51, 0), recorded_at_us=7)
    assert next(case for case in bench.cases() if case.case_id == own.case_id).alert_count == 1
    # A branch's words join it without a word.
    assert bench.post("branch", "/refer", customer="customer 0", **TOLD).headers["location"] == "/refer?done=yes"


def test_merged_alerts_stand_in_one_case_and_the_other_says_where_they_are(bench: Workbench):
    (into,), (gone,) = of_customer(bench, "customer 0"), of_customer(bench, "customer 1")
    look(bench, "analyst", into.case_id, gone.case_id)
    moved = alerts_of(bench, "analyst", gone.case_id)
    assert (
        bench.post("analyst", f"/cases/{into.case_id}/merge", source=gone.case_id, note="One flat.").status_code == 303
    )
    (after,), (closed,) = of_customer(bench, "customer 0"), of_customer(bench, "customer 1")
    assert (closed.state, closed.alert_count, closed.outcome) == ("closed_duplicate", 0, "duplicate")
    assert after.alert_count == into.alert_count + 1
    assert set(moved) < set(alerts_of(bench, "senior", after.case_id))
    assert entries(bench, into.case_id)[-1] == "merged"
    assert entries(bench, gone.case_id)[-1] == "merged_into"
    assert "One flat." in bench.signed_in("senior").get(f"/cases/{closed.case_id}").text
    assert bench.store.verify().findings == ()
    with bench.store.reading() as connection:
        (move,) = moves_of_alerts(connection, closed.case_id)
        assert find_case_id(connection, moved[0]) == after.case_id
    assert (move.from_case, move.to_case, move.alerts, move.is_merge) == (closed.case_id, after.case_id, 1, True)
    refused = bench.post("officer", f"/cases/{closed.case_id}/moves/reopen", reason="new_information", note="x")
    assert (refused.status_code, "merged into another" in refused.text) == (409, True)


def test_what_was_merged_can_be_split_off_again(bench: Workbench):
    (into,), (gone,) = of_customer(bench, "customer 0"), of_customer(bench, "customer 1")
    look(bench, "analyst", into.case_id, gone.case_id)
    moved = alerts_of(bench, "analyst", gone.case_id)
    bench.post("analyst", f"/cases/{into.case_id}/merge", source=gone.case_id, note="One flat.")
    look(bench, "analyst", into.case_id)
    answer = bench.post("analyst", f"/cases/{into.case_id}/split", alert=moved, note="Two flats.")
    fresh_id = answer.headers["location"].removeprefix("/cases/")
    fresh = next(case for case in bench.cases() if case.case_id == fresh_id)
    (back,) = of_customer(bench, "customer 0")
    facts = ("severity", "strength", "rules", "typologies", "alert_count", "amounts", "headline", "due_at_us", "risk")
    assert [getattr(back, name) for name in facts] == [getattr(into, name) for name in facts]
    assert [getattr(fresh, name) for name in facts] == [getattr(gone, name) for name in facts]
    assert (fresh.former_case_id, fresh.subject, fresh.state) == (into.case_id, gone.subject, "open")
    assert bench.store.verify().findings == ()
    # New alerts of that customer go to the case that is open.
    bench.store.commit_batch([stored(60, customer="customer 1")], RunPosition("r", 0, 0, 61, 0), recorded_at_us=7)
    assert next(case for case in bench.cases() if case.case_id == fresh_id).alert_count == 2
    bench.store.commit_batch([stored(61, customer="customer 0")], RunPosition("r", 0, 0, 62, 0), recorded_at_us=7)
    assert of_customer(bench, "customer 0")[0].alert_count == into.alert_count + 1


def test_alerts_of_one_customer_are_split_into_two_cases(bench: Workbench):
    (case,) = of_customer(bench, "customer 0")
    look(bench, "analyst", case.case_id)
    first, *rest = alerts_of(bench, "analyst", case.case_id)[::-1]
    bench.post("analyst", f"/cases/{case.case_id}/split", alert=rest, note="Another matter.")
    both = {each.alert_count for each in of_customer(bench, "customer 0")}
    assert both == {1, 2}
    assert alerts_of(bench, "analyst", case.case_id) == [first]
    bench.store.commit_batch([stored(60, customer="customer 0")], RunPosition("r", 0, 0, 61, 0), recorded_at_us=7)
    assert next(each for each in bench.cases() if each.case_id == case.case_id).alert_count == 2
    assert bench.store.verify().findings == ()


def test_who_has_not_seen_all_or_gives_no_reason_moves_nothing(bench: Workbench):
    (into,), (gone,) = of_customer(bench, "customer 0"), of_customer(bench, "customer 1")
    place = f"/cases/{into.case_id}/merge"
    look(bench, "analyst", into.case_id)
    unseen = bench.post("analyst", place, source=gone.case_id, note="One flat.")
    assert (unseen.status_code, "has not looked at" in unseen.text) == (409, True)
    look(bench, "analyst", gone.case_id)
    before = {case.case_id: case.alert_count for case in bench.cases()}
    assert bench.post("analyst", place, source=gone.case_id, note=" ").status_code == 409
    assert bench.post("analyst", place, source=into.case_id, note="x").status_code == 409
    assert bench.post("analyst", place, source=gone.case_id, note="x", version=1).status_code == 409
    for chosen in ([], alerts_of(bench, "analyst", into.case_id), ["A-NONE"]):
        answer = bench.post("analyst", f"/cases/{into.case_id}/split", alert=chosen, note="x")
        assert answer.status_code == 409
    assert {case.case_id: case.alert_count for case in bench.cases()} == before
    assert entries(bench, gone.case_id) == ["opened"]


def test_a_case_behind_the_wall_cannot_be_merged_nor_told_of(bench: Workbench):
    (into,), (hidden,) = of_customer(bench, "customer 1"), of_customer(bench, "customer 0")
    propose(bench, "analyst", hidden.case_id)
    look(bench, "senior", into.case_id)
    answers = [
        bench.post("senior", f"/cases/{into.case_id}/merge", source=source, note="x")
        for source in (hidden.case_id, "C-AAAAAAAAAAAAAAAA")
    ]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].text == answers[1].text
    bench.signed_in("officer").get(f"/cases/{hidden.case_id}")
    bench.post("officer", f"/cases/{hidden.case_id}/moves/reject", note="Not enough.")
    look(bench, "officer", into.case_id, hidden.case_id)
    bench.post("officer", f"/cases/{into.case_id}/merge", source=hidden.case_id, note="One matter.")
    assert bench.signed_in("senior").get(f"/cases/{into.case_id}").status_code == 404


def test_a_row_that_was_moved_by_hand_is_found(bench: Workbench):
    (into,), (gone,) = of_customer(bench, "customer 0"), of_customer(bench, "customer 1")
    look(bench, "analyst", into.case_id, gone.case_id)
    bench.post("analyst", f"/cases/{into.case_id}/merge", source=gone.case_id, note="One flat.")
    moved = stored(1, customer="customer 1").alert.alert_id
    with bench.store.writing() as connection:
        connection.exec_driver_sql(
            f"UPDATE case_alerts SET case_id = '{gone.case_id}', seq = 1 WHERE alert_id = '{moved}'"
        )
    assert [(each.kind, each.place) for each in bench.store.verify().findings] == [("content", f"alert {moved}")]
    with bench.store.reading() as connection:
        (entry,) = [each for each in chain_entries(connection, into.case_id) if each.action == "merged"]
    assert json.loads(entry.payload)["moved_alerts"] == [moved]
