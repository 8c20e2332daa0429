"""Checklists, requests for information and files on the page of a case."""

import json
import re
from dataclasses import replace

import pytest
import sqlalchemy as sa

from monitor.adapters.sql.ledger import chain_entries
from monitor.adapters.sql.people import CHAIN
from monitor.adapters.sql.schema_desk import blobs
from monitor.casework.attachments import ATTACHMENT_BYTES_MAX
from monitor.casework.position import RunPosition
from monitor.domain.time import DAY_US
from monitor.rulebook.checklists import read_checklists
from tests.casework.alert_building import stored
from tests.casework.test_attachments import PDF
from tests.rulebook.test_checklists import GOOD
from tests.web.test_web_queue import lines, propose
from tests.web.workbench import Workbench, csrf_of

CLOSED = {"outcome": "false_positive", "reason": "own_transfer", "note": "Checked."}


def medium(bench: Workbench) -> str:
    return next(case.case_id for case in bench.cases() if case.severity == "medium")


def state(bench: Workbench, case_id: str) -> str:
    return next(case.state for case in bench.cases() if case.case_id == case_id)


def entries(bench: Workbench, chain: str):
    with bench.store.reading() as connection:
        return chain_entries(connection, chain)


@pytest.fixture
def listed(bench: Workbench) -> Workbench:
    """With a checklist of one item for false positives, and two for money mules."""
    bench.store.policy = replace(bench.store.policy, checklists=read_checklists(GOOD, "c.yaml", ["Money mule"]))
    return bench


def test_a_decision_waits_for_its_checklist_and_for_nothing_else(listed: Workbench):
    case = medium(listed)
    page = listed.signed_in("analyst").get(f"/cases/{case}").text
    assert re.findall(r'name="checked" value="(\w+)"', page) == ["seen"]
    refused = listed.post("analyst", f"/cases/{case}/moves/close", **CLOSED)
    assert (refused.status_code, "It was seen." in refused.text) == (409, True)
    assert state(listed, case) == "open"
    assert listed.post("analyst", f"/cases/{case}/moves/close", **CLOSED, checked=["seen"]).status_code == 303
    assert state(listed, case) == "closed_false_positive"
    assert [entry.action for entry in entries(listed, case)] == ["opened", "checked", "close"]


def test_another_outcome_does_not_wait_for_it(listed: Workbench):
    case = medium(listed)
    listed.signed_in("analyst").get(f"/cases/{case}")
    given = {"outcome": "explained", "reason": "seasonal", "note": "Checked."}
    assert listed.post("analyst", f"/cases/{case}/moves/close", **given).status_code == 303


def test_ticks_can_be_kept_and_open_again_when_an_alert_joins(listed: Workbench):
    case = medium(listed)
    assert listed.post("analyst", f"/cases/{case}/checks", checked=["seen"]).status_code == 303
    assert "checked disabled" in listed.signed_in("senior").get(f"/cases/{case}").text
    customer = next(n for n in range(3) if stored(n, customer=f"customer {n}").alert.subject.token
                    == next(each.subject.token for each in listed.cases() if each.case_id == case))  # fmt: skip
    more = stored(50, customer=f"customer {customer}")
    listed.store.commit_batch([more], RunPosition("r", 0, 0, 99, 0), recorded_at_us=6)
    assert "checked disabled" not in listed.signed_in("senior").get(f"/cases/{case}").text
    assert listed.post("senior", f"/cases/{case}/moves/close", **CLOSED).status_code == 409
    assert listed.post("analyst", f"/cases/{case}/checks", checked=["none"]).status_code == 409


def test_a_clock_runs_until_a_request_is_answered(bench: Workbench):
    case = medium(bench)
    asked = bench.post("analyst", f"/cases/{case}/requests", addressee="branch", question="Invoice?", days=3)
    assert asked.status_code == 303
    assert lines(bench, "senior", view="answers") == []
    bench.now_us += 3 * DAY_US
    assert lines(bench, "senior", view="answers") == [case]
    page = bench.signed_in("senior").get(f"/cases/{case}").text
    assert "Invoice?" in page
    seq = re.search(rf"/cases/{case}/requests/(\d+)", page)
    assert seq is not None
    place = f"/cases/{case}/requests/{seq[1]}"
    assert bench.post("senior", place, text="  ").status_code == 409
    assert bench.post("senior", place, text="It is <b>here</b>.").status_code == 303
    assert lines(bench, "senior", view="answers") == []
    assert "It is &lt;b&gt;here&lt;/b&gt;." in bench.signed_in("senior").get(f"/cases/{case}").text
    assert bench.post("senior", place, text="Again.").status_code == 409
    facts = [json.loads(entry.payload) for entry in entries(bench, case) if entry.action in ("asked", "answered")]
    assert [sorted(each) for each in facts] == [["addressee", "due_at_us", "question_sha256"],
                                               ["answer_sha256", "request"]]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"addressee": "press", "question": "x", "days": 3}, "nobody"),
        ({"addressee": "branch", "question": " ", "days": 3}, "empty"),
        ({"addressee": "branch", "question": "x", "days": 0}, "within 1 to 90 days"),
        ({"addressee": "branch", "question": "x", "days": 91}, "within 1 to 90 days"),
    ],
)
def test_a_request_that_is_not_complete_is_refused(bench: Workbench, given: dict[str, object], words: str):
    answer = bench.post("analyst", f"/cases/{medium(bench)}/requests", **given)
    assert (answer.status_code, words in answer.text) == (409, True)


def test_a_withdrawn_request_waits_no_more(bench: Workbench):
    case = medium(bench)
    bench.post("analyst", f"/cases/{case}/requests", addressee="customer", question="Why?", days=1)
    bench.now_us += 2 * DAY_US
    assert bench.post("analyst", f"/cases/{case}/requests/2", withdraw="yes").status_code == 303
    assert lines(bench, "analyst", view="answers") == []


def upload(bench: Workbench, who: str, case: str, name: str, content: bytes):
    client = bench.signed_in(who)
    return client.post(f"/cases/{case}/attachments", data={"csrf": csrf_of(client)}, files={"file": (name, content)})


def test_a_file_comes_back_byte_by_byte_to_be_saved_and_not_to_be_shown(bench: Workbench):
    case = medium(bench)
    assert upload(bench, "analyst", case, "证明 1.pdf", PDF).status_code == 303
    page = bench.signed_in("senior").get(f"/cases/{case}").text
    place = re.search(rf'href="(/cases/{case}/attachments/\w+)"', page)
    assert place is not None
    got = bench.signed_in("senior").get(place[1])
    assert got.content == PDF
    assert got.headers["content-type"] == "application/octet-stream"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["content-disposition"] == (
        "attachment; filename=\"__ 1.pdf\"; filename*=UTF-8''%E8%AF%81%E6%98%8E%201.pdf"
    )
    assert entries(bench, CHAIN)[-1].action == "attachment_read"
    (entry,) = [each for each in entries(bench, case) if each.action == "attached"]
    assert json.loads(entry.payload)["file_sha256"] in place[1]
    upload(bench, "senior", case, "same.pdf", PDF)
    assert [each.action for each in entries(bench, case)].count("attached") == 1


def test_equal_files_of_two_cases_are_stored_once_and_damage_is_told(bench: Workbench):
    one, two, _ = [case.case_id for case in bench.cases()]
    for case in (one, two):
        upload(bench, "analyst", case, "a.pdf", PDF)
    with bench.store.writing() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(blobs)).scalar_one() == 1
        connection.execute(blobs.update().values(content=b"%PDF-forged"))
    place = re.search(rf"/cases/{one}/attachments/\w+", bench.signed_in("senior").get(f"/cases/{one}").text)
    assert place is not None
    answer = bench.signed_in("senior").get(place[0])
    assert (answer.status_code, "not handed out" in answer.text) == (500, True)
    elsewhere = place[0].replace(one, bench.cases()[2].case_id)
    assert bench.signed_in("senior").get(elsewhere).status_code == 404


def test_a_file_is_refused_with_the_reason(bench: Workbench):
    case = medium(bench)
    for name, content, status in [
        ("a.html", b"<script>", 409), ("a.pdf", b"MZ", 409), ("a.pdf", b"%PDF-" + bytes(ATTACHMENT_BYTES_MAX), 409),
        ("a.pdf", bytes(ATTACHMENT_BYTES_MAX + (1 << 20)), 413),
    ]:  # fmt: skip
        assert upload(bench, "analyst", case, name, content).status_code == status, name
    assert [entry.action for entry in entries(bench, case)] == ["opened"]


def test_files_and_requests_of_a_report_are_nowhere_for_who_need_not_know(bench: Workbench):
    case = bench.cases()[0].case_id
    upload(bench, "analyst", case, "a.pdf", PDF)
    place = re.search(rf"/cases/{case}/attachments/\w+", bench.signed_in("senior").get(f"/cases/{case}").text)
    assert place is not None
    bench.post("analyst", f"/cases/{case}/requests", addressee="branch", question="x", days=1)
    propose(bench, "analyst", case)
    bench.now_us += 2 * DAY_US
    absent = place[0].replace(case, "C-AAAAAAAAAAAAAAAA")
    hidden = bench.signed_in("senior").get(place[0])
    assert (hidden.status_code, hidden.text) == (404, bench.signed_in("senior").get(absent).text)
    assert bench.signed_in("officer").get(place[0]).content == PDF
    text = bench.signed_in("senior").get("/queue").text
    assert re.search(r'class="count answers"[^>]*>\s*<b>0</b>', text)
    assert re.search(r'class="count answers"[^>]*>\s*<b>1</b>', bench.signed_in("officer").get("/queue").text)
    assert bench.post("senior", f"/cases/{case}/requests/3", text="x").status_code == 404
