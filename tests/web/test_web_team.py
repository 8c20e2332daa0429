"""The team's page: what it counts, for whom, and the review of closed cases."""

import re

import pytest

from monitor.adapters.sql.conflicts import declare
from monitor.adapters.sql.ledger import chain_entries
from monitor.adapters.sql.people import CHAIN
from monitor.adapters.sql.quality import samples_drawn
from monitor.adapters.sql.team import decided, team
from monitor.casework.quality import draw
from monitor.domain.time import DAY_US, MINUTE_US
from tests.web.test_web_queue import propose
from tests.web.workbench import Workbench, workbench


@pytest.fixture
def bench(tmp_path):
    with workbench(tmp_path, cases=9) as one:
        yield one


def close(bench: Workbench, who: str, case: str, minutes: int = 3, outcome: str = "false_positive") -> None:
    """Look at a case for so many minutes and close it; the officer approves grave ones."""
    reason = {"false_positive": "own_transfer", "explained": "seasonal", "reported": "suspicion"}[outcome]
    bench.signed_in(who).get(f"/cases/{case}")
    bench.wall_us += minutes * MINUTE_US
    given = {"outcome": outcome, "reason": reason, "note": "Checked."}
    assert bench.post(who, f"/cases/{case}/moves/close", **given).status_code == 303
    if next(each.state for each in bench.cases() if each.case_id == case) == "pending_approval":
        bench.signed_in("officer").get(f"/cases/{case}")
        bench.post("officer", f"/cases/{case}/moves/approve")
    bench.signed_in(who).get("/queue")


def row(text: str, name: str) -> list[str]:
    """The cells of a line of the table of people or rules, without marks; fields are left out."""
    found = re.search(rf"<tr><td>{name}.*?</tr>", text, re.S)
    assert found is not None
    cells = re.findall(r"<td[^>]*>(.*?)</td>", found[0].partition("<form")[0] + "</td>", re.S)
    return [re.sub(r"<[^>]+>", "", cell).strip() for cell in cells]


def test_decisions_shares_and_minutes_are_those_of_each_person(bench: Workbench):
    ids = [case.case_id for case in bench.cases() if case.severity in ("medium", "low")]
    close(bench, "analyst", ids[0], minutes=4)
    close(bench, "analyst", ids[1], minutes=25, outcome="explained")
    close(bench, "senior", ids[2], minutes=2)
    text = bench.signed_in("officer").get("/team").text
    assert row(text, "Analyst")[3:8] == ["2", "50 %", "50 %", "0 %", "0 %"]
    assert row(text, "Analyst")[8] == "9.5"  # 4 minutes, and 15 of the 25
    assert row(text, "Senior")[3:9] == ["1", "100 %", "0 %", "0 %", "0 %", "2.0"]
    assert row(text, "AML-STR-001")[1:6] == ["3", "3", "67 %", "33 %", "0 %"]


def test_a_report_is_in_no_figure_for_who_need_not_know(bench: Workbench):
    ids = [case.case_id for case in bench.cases()]
    close(bench, "senior", next(case.case_id for case in bench.cases() if case.severity == "low"))
    before = {who: bench.signed_in(who).get("/team").text for who in ("senior", "officer")}
    propose(bench, "analyst", ids[0])
    bench.post("analyst", f"/queue/{ids[1]}/skip", reason="skills")
    bench.signed_in("officer").get(f"/cases/{ids[0]}")
    bench.post("officer", f"/cases/{ids[0]}/moves/approve")
    bench.now_us += 1
    senior, officer = (bench.signed_in(who).get("/team").text for who in ("senior", "officer"))
    assert "reported" not in senior
    assert row(senior, "Analyst")[3] == "0"
    assert row(senior, "AML-STR-001") == row(before["senior"], "AML-STR-001")
    assert (row(officer, "Analyst")[3], row(officer, "Analyst")[7]) == ("1", "100 %")
    assert row(officer, "AML-STR-001")[1] == "2"
    propose(bench, "analyst", ids[1])
    assert ids[1][:10] not in bench.signed_in("senior").get("/team").text
    assert ids[1][:10] in bench.signed_in("officer").get("/team").text


def test_supervisors_see_skipping_and_end_conflicts(bench: Workbench):
    case = bench.cases()[0]
    bench.post("analyst", f"/queue/{case.case_id}/skip", reason="conflict")
    text = bench.signed_in("senior").get("/team").text
    assert "I am related to the customer or the matter." in text
    assert row(text, "Analyst")[8] == "1"
    given = {"kind": case.subject.kind, "token": case.subject.token}
    assert bench.post("senior", "/team/conflicts/analyst", **given).status_code == 303
    assert bench.post("analyst", f"/queue/{case.case_id}/take").status_code == 200
    told = {"by": "officer", "at_us": 1, "recorded_at_us": 1, "chain": CHAIN}
    declare(bench.store, "senior", case.subject, **told)
    assert bench.post("senior", "/team/conflicts/senior", **given).status_code == 409


def test_limit_and_skills_that_a_supervisor_sets_decide_what_next_gives(bench: Workbench):
    bench.post("senior", "/team/people/analyst", limit=1, skills="structuring, fan_in")
    bench.post("analyst", "/queue/next")
    own = next(case.case_id for case in bench.cases() if case.assignee == "analyst")
    assert bench.post("analyst", "/queue/next").headers["hx-redirect"] == f"/cases/{own}"
    bench.post("analyst", f"/cases/{own}/moves/escalate", reason="complex", note="Look.")
    assert "as many open cases as you may have" in bench.post("analyst", "/queue/next").text
    bench.post("senior", "/team/people/analyst", limit=9, skills="fan_in")
    assert "Nothing waits" in bench.post("analyst", "/queue/next").text
    with bench.store.reading() as connection:
        actions = [entry.action for entry in chain_entries(connection, CHAIN)]
    assert actions.count("work_planned") == 2
    assert bench.post("senior", "/team/people/analyst", limit=1, skills="<b>").status_code == 409


def test_a_sample_can_be_drawn_again_by_who_knows_its_seed_and_nobody_reviews_their_own(bench: Workbench):
    ids = [case.case_id for case in bench.cases() if case.severity in ("medium", "low")]
    for number, case in enumerate(ids[:5]):
        close(bench, ("analyst", "senior")[number % 2], case)
    with bench.store.reading() as connection:
        found = decided(connection, since_us=bench.now_us - DAY_US, until_us=bench.now_us)
    assert bench.post("officer", "/team/samples", percent=50, days=7).status_code == 303
    with bench.store.reading() as connection:
        (sample,) = samples_drawn(connection)
    again = [each.case_id for each in draw(found, percent=50, seed=sample.seed)]
    text = bench.signed_in("officer").get("/team").text
    waiting = re.findall(r'action="/team/reviews/([\w-]+)"', text)
    assert sorted(waiting) == sorted(again)
    assert {each.decided_by for each in found if each.case_id in waiting} == {"analyst", "senior"}
    seniors = [each.case_id for each in found if each.case_id in waiting and each.decided_by == "senior"]
    given = {"finding": "grave", "note": "The deed was never seen."}
    own = bench.post("senior", f"/team/reviews/{seniors[0]}", **given)
    assert (own.status_code, "took part in the decision" in own.text) == (409, True)
    assert bench.post("officer", f"/team/reviews/{seniors[0]}", **given | {"note": " "}).status_code == 409
    assert bench.post("officer", f"/team/reviews/{seniors[0]}", **given).status_code == 303
    assert bench.post("officer", f"/team/reviews/{seniors[0]}", **given).status_code == 409
    with bench.store.reading() as connection:
        assert chain_entries(connection, seniors[0])[-1].action == "reviewed"
    assert "Decided wrongly" in bench.signed_in("senior").get("/team").text
    assert "The deed was never seen." in bench.signed_in("senior").get(f"/cases/{seniors[0]}").text
    assert bench.store.verify().findings == ()
    bench.post("officer", "/team/samples", percent=100, days=7)
    assert bench.post("officer", "/team/samples", percent=100, days=7).status_code == 409
    with bench.store.reading() as connection:
        assert {each.cases for each in samples_drawn(connection)} == {len(again), len(found) - len(again)}


def test_who_proposed_or_approved_does_not_review(bench: Workbench):
    case = next(case.case_id for case in bench.cases() if case.severity == "high")
    close(bench, "analyst", case)
    bench.post("officer", "/team/samples", percent=100, days=7)
    given = {"finding": "agree", "note": "All there."}
    assert bench.post("officer", f"/team/reviews/{case}", **given).status_code == 409
    assert bench.post("senior", f"/team/reviews/{case}", **given).status_code == 303


def test_the_page_counts_only_its_days(bench: Workbench):
    case = next(case.case_id for case in bench.cases() if case.severity == "low")
    close(bench, "analyst", case)
    with bench.store.reading() as connection:
        inside = team(connection, since_us=bench.now_us - 1, until_us=bench.now_us, wall=None)
        after = team(connection, since_us=bench.now_us, until_us=bench.now_us + DAY_US, wall=None)
    assert (inside.by_person["analyst"].decided, after.by_person) == (1, {})
