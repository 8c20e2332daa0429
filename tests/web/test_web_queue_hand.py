"""Next, take, skip, bulk acts, undo, tags, saved views and columns, as a browser asks for them."""

import json
import re

import pytest

from monitor.adapters.sql.ledger import chain_entries
from monitor.adapters.sql.people import CHAIN
from monitor.web.queue_views import COLUMNS
from tests.web.test_web_queue import lines, propose
from tests.web.workbench import Workbench

TOLD = re.compile(r'<p class="note" role="status">(.*?)</p>', re.S)


def told(bench: Workbench, who: str, place: str) -> str:
    found = TOLD.search(bench.signed_in(who).get(place).text)
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", "", found[1])).strip() if found else ""


def items(text: str) -> list[str]:
    return re.findall(r'name="item" value="([^"]+)"', text)


def version(bench: Workbench, who: str, case: str) -> str:
    found = re.search(r'name="version" value="(\d+)"', bench.signed_in(who).get(f"/cases/{case}").text)
    assert found is not None
    return found[1]


def test_what_a_colleague_has_is_not_taken_but_told(bench: Workbench):
    case = bench.cases()[0].case_id
    assert bench.post("analyst", f"/queue/{case}/take").status_code == 200
    second = bench.post("senior", f"/queue/{case}/take")
    assert (second.status_code, "analyst has it since" in second.text) == (409, True)
    assert bench.cases()[0].assignee == "analyst"


def test_a_page_that_is_behind_decides_nothing_and_says_what_changed(bench: Workbench):
    case = next(each.case_id for each in bench.cases() if each.severity == "medium")
    shown = version(bench, "analyst", case)
    bench.post("senior", f"/cases/{case}/notes", text="The branch called.")
    given = {"outcome": "false_positive", "reason": "own_transfer", "note": "Checked."}
    late = bench.post("analyst", f"/cases/{case}/moves/close", version=shown, **given)
    assert (late.status_code, "senior wrote a note" in late.text) == (409, True)
    fresh = version(bench, "analyst", case)
    assert bench.post("analyst", f"/cases/{case}/moves/close", version=fresh, **given).status_code == 303


def test_skipping_stands_in_the_chain_of_the_case_and_the_next_one_comes(bench: Workbench):
    first, second, _ = [case.case_id for case in bench.cases()]
    bench.post("analyst", "/queue/next")
    answer = bench.post("analyst", f"/queue/{first}/skip", reason="language")
    assert answer.headers["location"] == "/queue?done=skip&n=1"
    with bench.store.reading() as connection:
        (entry,) = [each for each in chain_entries(connection, first) if each.action == "skipped"]
    assert (entry.actor, json.loads(entry.payload)["reason"]) == ("analyst", "language")
    assert bench.post("analyst", "/queue/next").headers["hx-redirect"] == f"/cases/{second}"
    assert bench.post("analyst", f"/queue/{first}/skip", reason="bored").status_code == 409


def test_who_skips_for_a_conflict_never_gets_the_customer_again(bench: Workbench):
    case = bench.cases()[0].case_id
    bench.post("analyst", f"/queue/{case}/skip", reason="conflict")
    assert bench.post("analyst", f"/queue/{case}/take").status_code == 409
    with bench.store.reading() as connection:
        assert chain_entries(connection, CHAIN)[-1].action == "conflict_declared"


def test_several_cases_are_looked_at_done_and_taken_back(bench: Workbench):
    ids = [case.case_id for case in bench.cases()]
    looked = bench.post("senior", "/queue/bulk/preview", act="tag", tag="Shell Company", case=ids)
    assert looked.status_code == 200
    assert [each.split()[0] for each in items(looked.text)] == ids
    assert all("tagged" not in entry_actions(bench, each) for each in ids)
    done = bench.post("senior", "/queue/bulk", act="tag", tag="Shell Company", item=items(looked.text))
    assert done.headers["location"] == "/queue?done=tag&n=3"
    assert "Tagged: 3 cases." in told(bench, "senior", done.headers["location"])
    assert all(entry_actions(bench, each).count("tagged") == 1 for each in ids)
    assert lines(bench, "senior", tag="shell-company") == ids
    undone = bench.post("senior", "/queue/undo")
    assert undone.headers["location"] == "/queue?done=undo&n=3&left=0"
    assert lines(bench, "senior", tag="shell-company") == []
    assert bench.post("senior", "/queue/undo").status_code == 409


def entry_actions(bench: Workbench, case: str) -> list[str]:
    with bench.store.reading() as connection:
        return [each.action for each in chain_entries(connection, case)]


def test_what_changed_between_preview_and_act_is_left_and_named(bench: Workbench):
    ids = [case.case_id for case in bench.cases()]
    looked = bench.post("senior", "/queue/bulk/preview", act="assign", assignee="analyst", case=ids)
    bench.post("officer", f"/queue/{ids[0]}/take")
    done = bench.post("senior", "/queue/bulk", act="assign", assignee="analyst", item=items(looked.text))
    assert (done.status_code, "officer assigned it to officer" in done.text) == (200, True)
    assert [case.assignee for case in bench.cases()] == ["officer", "analyst", "analyst"]


@pytest.mark.parametrize("act", ["close", "approve", "reopen", "", "<b>"])
def test_nothing_is_decided_for_several_cases_at_once(bench: Workbench, act: str):
    ids = [case.case_id for case in bench.cases()]
    for place in ("/queue/bulk", "/queue/bulk/preview"):
        answer = bench.post("officer", place, act=act, case=ids, item=[f"{each} 1" for each in ids])
        assert (answer.status_code, "not done to several cases" in answer.text) == (409, True)
    assert {case.state for case in bench.cases()} == {"open"}


@pytest.mark.parametrize("item", ["", "C-AAAA", "C-AAAA x", "C-AAAA -1", "C-AAAA 99999999999999999999"])
def test_an_item_without_a_version_is_refused(bench: Workbench, item: str):
    assert bench.post("officer", "/queue/bulk", act="unassign", item=[item]).status_code == 409


def test_a_bulk_act_does_not_tell_of_a_case_behind_the_wall(bench: Workbench):
    hidden, *others = [case.case_id for case in bench.cases()]
    propose(bench, "analyst", hidden)
    ids = [hidden, "C-AAAAAAAAAAAAAAAA", *others]
    looked = bench.post("senior", "/queue/bulk/preview", act="tag", tag="x", case=ids)
    assert hidden not in looked.text
    assert [each.split()[0] for each in items(looked.text)] == others
    done = bench.post("senior", "/queue/bulk", act="tag", tag="x", item=[f"{each} 1" for each in ids])
    words = re.findall(r'<td class="wide">(.*?)</td>', done.text)
    assert words == ["There is no such case."] * 2


def test_columns_and_views_are_each_persons_own(bench: Workbench):
    bench.post("analyst", "/queue/columns", column=["due", "tags"])
    heads = re.findall(r"order=(\w+)", bench.signed_in("analyst").get("/queue").text.partition("<tbody")[0])
    assert "due" in heads
    assert "amount" not in heads
    assert "order=amount" in bench.signed_in("senior").get("/queue").text
    bench.post("analyst", "/queue/columns", column=list(COLUMNS))
    assert "order=amount" in bench.signed_in("analyst").get("/queue").text
    saved = bench.post("analyst", "/queue/views", name="My <b> late ones", view="overdue", order="due", q="cash")
    assert saved.headers["location"] == "/queue?view=overdue&order=due&falling=true&q=cash"
    text = bench.signed_in("analyst").get("/queue").text
    assert "My &lt;b&gt; late ones" in text
    assert "view=overdue&amp;order=due&amp;falling=true&amp;q=cash" in text
    assert "late ones" not in bench.signed_in("senior").get("/queue").text
    bench.post("analyst", "/queue/views/delete", name="My <b> late ones")
    assert "late ones" not in bench.signed_in("analyst").get("/queue").text
    assert bench.post("analyst", "/queue/views", name=" ").status_code == 409


def test_the_header_shows_ages_that_add_up_to_the_cases_shown(bench: Workbench):
    text = bench.signed_in("analyst").get("/queue").text
    words = re.search(r"Age of the cases shown: (.*?)</figcaption>", text)
    assert words is not None
    assert sum(int(each) for each in re.findall(r"d (\d+)", words[1])) == 3


def test_tags_are_put_on_and_taken_off_on_the_page_of_a_case(bench: Workbench):
    case = bench.cases()[0].case_id
    assert bench.post("analyst", f"/cases/{case}/tags", tag="跟进").status_code == 303
    assert "跟进" in bench.signed_in("senior").get(f"/cases/{case}").text
    assert bench.post("analyst", f"/cases/{case}/tags", tag="<b>").status_code == 409
    bench.post("analyst", f"/cases/{case}/tags", tag="跟进", off="yes")
    assert 'value="跟进"' not in bench.signed_in("senior").get(f"/cases/{case}").text
    assert entry_actions(bench, case) == ["opened", "tagged", "untagged"]
