"""One case in a browser: what it shows, and each decision with its second person."""

import re

import pytest

from monitor.casework.lifecycle import MOVES
from monitor.domain.time import DAY_US
from tests.web.workbench import Workbench

HOSTILE = [
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "' OR 1=1 --", "{{7*7}}", "${7*7}", "</textarea><b>",
    "javascript:alert(1)", "\u202ereversed", "é" * 300, "a\x00b", "中文 🙂",
]  # fmt: skip


def of_severity(bench: Workbench, severity: str) -> str:
    return next(case.case_id for case in bench.cases() if case.severity == severity)


def close(bench: Workbench, who: str, case: str, outcome: str = "false_positive", reason: str = "own_transfer"):
    bench.signed_in(who).get(f"/cases/{case}")
    return bench.post(who, f"/cases/{case}/moves/close", outcome=outcome, reason=reason, note="Checked.", then="queue")


def state(bench: Workbench, case_id: str) -> str:
    return next(case.state for case in bench.cases() if case.case_id == case_id)


def test_the_page_says_why_with_each_number_and_its_source(bench: Workbench):
    case = bench.cases()[0]
    text = bench.signed_in("analyst").get(f"/cases/{case.case_id}").text
    for words in (case.headline, case.first_alert_id, case.rules[0], "K-"):
        assert words in text
    assert "Risk 0." in text
    assert "Novelty" in text


def test_a_false_positive_of_medium_severity_is_closed_by_one_person(bench: Workbench):
    case = of_severity(bench, "medium")
    assert close(bench, "analyst", case).headers["location"] == "/queue"
    assert state(bench, case) == "closed_false_positive"


def test_a_grave_case_waits_for_a_second_person_who_is_not_the_first(bench: Workbench):
    case = of_severity(bench, "high")
    close(bench, "senior", case)
    assert state(bench, case) == "pending_approval"
    bench.signed_in("officer").get(f"/cases/{case}")
    alone = bench.post("senior", f"/cases/{case}/moves/approve")
    assert (alone.status_code, "second person" in alone.text) == (409, True)
    assert state(bench, case) == "pending_approval"
    assert bench.post("officer", f"/cases/{case}/moves/approve").status_code == 303
    assert state(bench, case) == "closed_false_positive"


def test_who_decides_has_seen_all_alerts(bench: Workbench):
    case = of_severity(bench, "medium")
    given = {"outcome": "false_positive", "reason": "own_transfer", "note": "Checked."}
    unseen = bench.post("analyst", f"/cases/{case}/moves/close", **given)
    assert (unseen.status_code, "has not looked at" in unseen.text) == (409, True)


def test_a_look_of_an_auditor_counts_as_nobodys(bench: Workbench):
    case = bench.cases()[0]
    bench.signed_in("auditor").get(f"/cases/{case.case_id}")
    assert next(each for each in bench.cases() if each.case_id == case.case_id).alerts_seen == 0


@pytest.mark.parametrize("move", [name for name in MOVES if name != "propose"])
def test_each_move_that_is_offered_can_be_made_and_no_other_is_offered(bench: Workbench, move: str):
    case = of_severity(bench, "medium")
    for who in ("analyst", "officer"):
        text = bench.signed_in(who).get(f"/cases/{case}").text
        is_offered = f'action="/cases/{case}/moves/{move}"' in text
        assert is_offered == (move in ("assign", "start", "escalate", "snooze", "close"))
    if is_offered:
        reason = re.search(rf'moves/{move}".*?(?:option|input[^>]*name="reason"[^>]*) value="(\w+)"', text, re.S)
        fields = {"outcome": "false_positive", "reason": "own_transfer"} if move == "close" else {}
        if move in ("escalate", "snooze"):
            assert reason is not None
            fields = {"reason": reason[1], "days": 1}
        assert bench.post("officer", f"/cases/{case}/moves/{move}", note="Done.", **fields).status_code == 303
        assert state(bench, case) != "open"
    else:
        assert bench.post("officer", f"/cases/{case}/moves/{move}", note="Done.").status_code == 409


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_written_is_shown_as_text(bench: Workbench, text: str):
    case = bench.cases()[0].case_id
    answer = bench.post("analyst", f"/cases/{case}/notes", text=text)
    shown = bench.signed_in("analyst").get(f"/cases/{case}").text
    assert answer.status_code == 303
    assert "<script>alert" not in shown
    assert "<img" not in shown
    assert "</textarea><b>" not in shown
    assert bench.store.verify().findings == ()


def test_a_snooze_sleeps_until_its_day(bench: Workbench):
    case = of_severity(bench, "low")
    assert bench.post("analyst", f"/cases/{case}/moves/snooze", reason="awaiting_branch", days=2).status_code == 303
    assert case not in bench.signed_in("analyst").get("/queue").text
    bench.now_us += 2 * DAY_US
    assert case in bench.signed_in("analyst").get("/queue").text


def test_the_language_of_the_reader_is_that_of_the_page(bench: Workbench):
    client = bench.signed_in("analyst")
    assert "Queue" in client.get("/queue").text
    chosen = client.get(
        "/choose", params={"language": "zh-Hans"}, headers={"referer": "https://aml.test/queue?view=mine"}
    )
    assert chosen.headers["location"] == "/queue?view=mine"
    text = client.get("/queue").text
    assert 'lang="zh-Hans"' in text
    assert "案件队列" in text


@pytest.mark.parametrize("referer", ["https://evil.test/x", "//evil.test/x", "https://aml.test//evil.test", "nonsense"])
def test_choosing_leads_nowhere_else(bench: Workbench, referer: str):
    place = bench.client().get("/choose?theme=dark", headers={"referer": referer}).headers["location"]
    assert place.startswith("/")
    assert not place.startswith("//")


@pytest.mark.parametrize("name", ["auditor", "administrator", "nobody", "<b>"])
def test_a_case_goes_only_to_who_works_on_cases(bench: Workbench, name: str):
    case = bench.cases()[0].case_id
    page = bench.signed_in("analyst").get(f"/cases/{case}").text
    offered = page[page.index("moves/assign") : page.index("</form>", page.index("moves/assign"))]
    assert re.findall(r'option value="(\w+)"', offered) == ["analyst", "officer", "senior"]
    refused = bench.post("analyst", f"/cases/{case}/moves/assign", assignee=name)
    assert (refused.status_code, "works on cases" in refused.text) == (409, True)
    assert {each.assignee for each in bench.cases()} == {None}
    assert bench.post("analyst", f"/cases/{case}/moves/assign", assignee="senior").status_code == 303
    assert {each.case_id: each.assignee for each in bench.cases()}[case] == "senior"
