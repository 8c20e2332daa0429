"""The queue in a browser shows what the store has, in every order and behind the wall."""

import re

import pytest

from monitor.adapters.sql.earlier import Earlier, earlier_of
from monitor.adapters.sql.people import add_person
from monitor.adapters.sql.queue import ORDERS, QueueFilter, Wall, list_cases
from monitor.casework.position import RunPosition
from monitor.domain.time import DAY_US
from monitor.web.queue import ROWS
from tests.casework.alert_building import START_US, stored
from tests.web.workbench import PASSWORD, Workbench, workbench

LINE = re.compile(r'data-case="(C-[A-Z2-7]+)"')


def lines(bench: Workbench, who: str, **asked: object) -> list[str]:
    answer = bench.signed_in(who).get("/queue", params=asked)
    assert answer.status_code == 200
    return LINE.findall(answer.text)


def propose(bench: Workbench, who: str, case: str) -> None:
    bench.signed_in(who).get(f"/cases/{case}")
    given = {"outcome": "reported", "reason": "suspicion", "note": "Structured deposits."}
    assert bench.post(who, f"/cases/{case}/moves/close", **given).status_code == 303


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("falling", [True, False])
def test_the_lines_are_those_of_the_store_in_its_order(bench: Workbench, order: str, falling: bool):
    with bench.store.reading() as connection:
        rows = list_cases(connection, QueueFilter(), now_us=bench.now_us, viewer="analyst", order=order,
                          is_reversed=not falling)  # fmt: skip
    assert lines(bench, "analyst", order=order, falling=falling) == [row.case.case_id for row in rows]


def test_pieces_of_the_queue_join_to_the_whole(tmp_path):
    with workbench(tmp_path, cases=ROWS * 2 + 7) as bench:
        seen, place = [], "/queue?view=open"
        while place:
            text = bench.signed_in("analyst").get(place).text
            seen += LINE.findall(text)
            following = re.search(r'hx-get="(\?[^"]+)" hx-trigger="revealed"', text)
            place = "/queue" + following[1].replace("&amp;", "&") if following else ""
        assert len(seen) == len(set(seen)) == ROWS * 2 + 7


def test_each_filter_of_the_strip_has_as_many_lines_as_it_says(bench: Workbench):
    first, second, third = [case.case_id for case in bench.cases()]
    bench.post("analyst", f"/queue/{first}/take")
    propose(bench, "officer", second)
    bench.post("senior", f"/cases/{third}/moves/snooze", reason="awaiting_branch", days=1)
    text = bench.signed_in("officer").get("/queue").text
    counts = dict(re.findall(r'class="count (\w+)"[^>]*>\s*<b>([\d\u202f ]+)</b>', text))
    assert set(counts) == {"open", "mine", "unassigned", "today", "overdue", "approval", "snoozed", "answers", "closed"}
    for view, count in counts.items():
        assert len(lines(bench, "officer", view=view)) == int(count), view
    assert counts["approval"] == counts["snoozed"] == "1"
    bench.now_us += 40 * DAY_US
    assert len(lines(bench, "officer", view="overdue")) == 3


def test_a_report_is_nowhere_for_who_need_not_know(bench: Workbench):
    case = bench.cases()[0]
    before = bench.signed_in("senior").get("/queue").text
    assert case.case_id in before
    propose(bench, "analyst", case.case_id)
    alert = case.first_alert_id
    for who, sees in (("senior", False), ("analyst", True), ("officer", True), ("auditor", True)):
        found = case.case_id in lines(bench, who) + lines(bench, who, view="approval")
        assert found is sees, who
        assert (bench.signed_in(who).get(f"/cases/{case.case_id}").status_code == 200) is sees
        for asked in (alert, case.case_id, case.case_id[:8]):
            answer = bench.signed_in(who).get("/queue", params={"q": asked})
            assert (answer.headers.get("location") == f"/cases/{case.case_id}") is sees, (who, asked)
        absent = bench.signed_in(who).get("/cases/C-AAAAAAAAAAAAAAAA")
        if not sees:
            hidden = bench.signed_in(who).get(f"/cases/{case.case_id}")
            assert (hidden.status_code, hidden.text) == (absent.status_code, absent.text)
            for place in ("notes", "moves/approve", "moves/start"):
                refused = bench.post(who, f"/cases/{case.case_id}/{place}", text="x", note="x")
                assert (refused.status_code, "There is no such case." in refused.text) == (404, True)
            assert bench.post(who, f"/queue/{case.case_id}/take").status_code == 404


def test_next_gives_the_most_pressing_case_that_nobody_has_and_then_ones_own(bench: Workbench):
    first, second, _ = [case.case_id for case in bench.cases()]
    assert bench.post("analyst", "/queue/next").headers["hx-redirect"] == f"/cases/{first}"
    assert bench.post("senior", "/queue/next").headers["hx-redirect"] == f"/cases/{second}"
    assert [case.assignee for case in bench.cases()[:2]] == ["analyst", "senior"]
    assert bench.post("analyst", "/queue/next").headers["hx-redirect"] == f"/cases/{first}"


def test_next_says_when_nothing_waits(tmp_path):
    with workbench(tmp_path, cases=0) as bench:
        answer = bench.post("analyst", "/queue/next")
        assert (answer.status_code, "Nothing waits" in answer.text) == (200, True)


@pytest.mark.parametrize(
    "text", ["'", '"', "%", "_", "\\", "C-", "A-", "<script>alert(1)</script>", "{{7*7}}", "中文", "\x00"]
)
def test_any_text_can_be_searched_for_and_is_shown_as_text(bench: Workbench, text: str):
    answer = bench.signed_in("analyst").get("/queue", params={"q": text})
    assert answer.status_code == 200
    assert "<script>alert" not in answer.text
    assert 'value="49"' not in answer.text


def test_what_is_new_is_counted_without_moving_a_line(bench: Workbench):
    client = bench.signed_in("analyst")
    assert "2" in client.get("/queue/count", params={"known": 1}).text
    assert client.get("/queue/count", params={"known": 3}).text.strip() == ""


def test_what_was_before_is_counted_by_subject_and_a_report_only_for_who_may_know(bench: Workbench):
    """The first customer is reported, and has a further case then."""
    first = bench.cases()[0]
    add_person(
        bench.store, name="officer2", full_name="", role="officer", password=PASSWORD, by="test", now_us=START_US
    )
    number = next(n for n in range(3) if stored(n, customer=f"customer {n}").alert.subject.token == first.subject.token)
    propose(bench, "officer", first.case_id)
    bench.signed_in("officer2").get(f"/cases/{first.case_id}")
    assert bench.post("officer2", f"/cases/{first.case_id}/moves/approve").status_code == 303
    bench.store.commit_batch(
        [stored(70, customer=f"customer {number}")], RunPosition("r", 0, 0, 99, 0), recorded_at_us=9
    )
    (new,) = [case for case in bench.cases() if case.subject == first.subject and case.case_id != first.case_id]
    for who, wall, wanted in (
        ("officer", None, Earlier(1, 1, 1)), ("analyst", Wall("analyst"), None), ("auditor", None, Earlier(1, 1, 1)),
    ):  # fmt: skip
        with bench.store.reading() as connection:
            assert earlier_of(connection, bench.cases(), wall).get(new.case_id) == wanted
        text = bench.signed_in(who).get("/queue").text
        line = text[text.index(f'data-case="{new.case_id}"') :].split("</tr>")[0]
        assert ("1 reported" in line, "before:" in line) == (wanted is not None,) * 2, who


def test_a_later_case_behind_the_wall_is_not_named_where_a_former_one_cannot_be_reopened(bench: Workbench):
    first = next(case for case in bench.cases() if case.severity == "medium")
    number = next(n for n in range(3) if stored(n, customer=f"customer {n}").alert.subject.token == first.subject.token)
    bench.signed_in("analyst").get(f"/cases/{first.case_id}")
    closed = {"outcome": "explained", "reason": "seasonal", "note": "Checked."}
    assert bench.post("analyst", f"/cases/{first.case_id}/moves/close", **closed).status_code == 303
    more = stored(71, customer=f"customer {number}")
    bench.store.commit_batch([more], RunPosition("r", 0, 0, 99, 0), recorded_at_us=9)
    (later,) = [case for case in bench.cases() if case.subject == first.subject and case.case_id != first.case_id]
    again = {"reason": "new_information", "note": "A letter."}
    seen = bench.post("senior", f"/cases/{first.case_id}/moves/reopen", **again)
    assert (seen.status_code, later.case_id in seen.text) == (409, True)
    propose(bench, "officer", later.case_id)
    hidden = bench.post("senior", f"/cases/{first.case_id}/moves/reopen", **again)
    assert hidden.status_code == 409
    assert "stays closed" in hidden.text
    assert "later" not in hidden.text.replace("translate", "")
    assert later.case_id not in hidden.text
