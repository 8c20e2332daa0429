"""Choosing several cases, undo, skip and checklists by keys in a real browser, and what axe finds on the new pages."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from monitor.casework.position import RunPosition
from monitor.domain.time import DAY_US
from monitor.rulebook.checklists import CHECKLISTS_NAME, load_checklists
from monitor.rulebook.groups import load_groups
from monitor.rulebook.load import shipped_rules
from tests.casework.alert_building import stored
from tests.casework.test_attachments import PDF
from tests.conftest import needed
from tests.web.browser import PHONE, WIDE, chromium, listening, person
from tests.web.workbench import Workbench, workbench

pytestmark = [pytest.mark.browser, pytest.mark.slow]

GRAVE = ("serious", "critical")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with needed(), chromium() as one:
        yield one


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    with workbench(tmp_path, cases=12) as one:
        groups, _ = load_groups([shipped_rules()], [], is_run=True)
        lists = load_checklists(shipped_rules() / CHECKLISTS_NAME, [group.name for group in groups.groups])
        one.store.policy = replace(one.store.policy, checklists=lists)
        yield Workbench(one.store, is_secure=False)


@pytest.fixture
def address(bench: Workbench) -> Iterator[str]:
    with listening(bench) as place:
        yield place


def test_lines_are_chosen_by_keys_done_together_and_taken_back(browser: Browser, bench: Workbench, address: str):
    with person(browser, address) as ann:
        ann.sign_in("senior")
        lines = [str(each.get_attribute("data-case")) for each in ann.page.locator("#lines tr").all()]

        def chosen() -> list[str]:
            return [str(each.get_attribute("data-case")) for each in ann.page.locator("#lines tr.picked").all()]

        ann.page.keyboard.press("x")
        assert chosen() == lines[:1]
        for key in ("j", "j", "j", "X"):
            ann.page.keyboard.press(key)
        assert chosen() == lines[:4]
        ann.page.keyboard.press("k")
        ann.page.keyboard.press("x")
        assert chosen() == [*lines[:2], lines[3]]
        ann.page.keyboard.press("*")
        assert chosen() == lines
        ann.page.keyboard.press("Escape")
        assert chosen() == []
        expect(ann.page.locator("#bulk")).to_be_hidden()
        boxes = ann.page.locator("#lines td.pick input")
        boxes.nth(1).click()
        boxes.nth(3).click(modifiers=["Shift"])
        assert chosen() == lines[1:4]
        assert ann.page.url.endswith("/queue")
        ann.picture("queue-chosen")
        ann.page.keyboard.press("b")
        ann.page.select_option("#bulk-act", "tag")
        ann.page.fill("#bulk input[name=tag]", "xjk")
        assert chosen() == lines[1:4]  # keys are silent while somebody types
        ann.page.keyboard.press("Enter")
        ann.page.wait_for_url("**/queue/bulk/preview")
        ann.picture("bulk-preview")
        ann.page.keyboard.press("Control+Enter")
        ann.page.wait_for_url("**/queue?done=tag&n=3")
        expect(ann.page.locator("td.tags .tag")).to_have_count(3)
        ann.page.keyboard.press("u")
        ann.page.wait_for_url("**/queue?done=undo*")
        expect(ann.page.locator("td.tags .tag")).to_have_count(0)
        assert ann.complaints == []


def test_what_comes_in_meanwhile_moves_no_line_and_unchooses_none(browser: Browser, bench: Workbench, address: str):
    with person(browser, address) as ann:
        ann.sign_in("analyst")
        ann.page.keyboard.press("x")
        before = ann.page.locator("#lines").inner_text()
        bench.store.commit_batch([stored(90, customer="new", severity="critical")], RunPosition("r", 0, 0, 99, 0),
                                 recorded_at_us=5)  # fmt: skip
        ann.page.evaluate("htmx.ajax('GET', document.getElementById('more').getAttribute('hx-get'), '#more')")
        ann.page.wait_for_selector("#renew")
        assert ann.page.locator("#lines").inner_text() == before
        expect(ann.page.locator("#lines tr.picked")).to_have_count(1)


def test_a_skip_from_the_queue_takes_a_reason(browser: Browser, bench: Workbench, address: str):
    with person(browser, address) as ann:
        ann.sign_in("analyst")
        ann.page.keyboard.press("z")
        expect(ann.page.locator("#skip")).to_be_visible()
        ann.picture("skip")
        ann.page.locator("#skip button.main").click()
        ann.page.wait_for_url("**/queue?done=skip*")
        assert ann.complaints == []


def test_a_false_positive_takes_five_keys_with_the_shipped_checklist(browser: Browser, bench: Workbench, address: str):
    with person(browser, address) as ann:
        ann.sign_in("analyst")
        ann.page.goto(address + "/queue?severity=medium")
        wanted = str(ann.page.locator("#lines tr.here").get_attribute("data-case"))
        ann.page.keyboard.press("Enter")
        ann.page.wait_for_url(f"**/cases/{wanted}")
        for key in ("1", "2", "Control+Enter"):
            ann.page.keyboard.press(key)
        assert ann.page.url.endswith(wanted)  # the browser asks for the item first
        ann.page.keyboard.press("m")
        ann.page.keyboard.press("Control+Enter")
        ann.page.wait_for_url("**/queue")
        after = next(case for case in bench.cases() if case.case_id == wanted)
        assert after.state == "closed_false_positive"
        assert ann.complaints == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh-Hans"])
def test_axe_finds_nothing_grave_on_the_new_pages_and_a_phone_shows_them(
    browser: Browser, bench: Workbench, address: str, theme: str, language: str, tmp_path: Path
):
    one, two, *_ = [case.case_id for case in bench.cases()]
    (tmp_path / "deed.pdf").write_bytes(PDF)
    for size, name in ((WIDE, "wide"), (PHONE, "phone")):
        with person(browser, address, size=size, theme=theme, language=language) as olga:
            olga.sign_in("officer")
            if name == "wide":
                work(olga, address, one, two, tmp_path / "deed.pdf")
            for what, place in {
                "queue2": "/queue",
                "team": "/team",
                "refer": "/refer",
                "case2": f"/cases/{one}",
            }.items():
                olga.page.goto(address + place)
                if what == "queue2":
                    olga.page.keyboard.press("x")
                    look(olga, f"queue-bar-{name}-{theme}-{language}", size)
                    olga.page.click("button[data-opens=choices]")
                look(olga, f"{what}-{name}-{theme}-{language}", size)
            assert olga.complaints == []


def work(olga, address: str, one: str, two: str, deed: Path) -> None:
    """Something of everything on a case: a tag, a question, a file, a skip, a saved view."""
    page = olga.page
    page.goto(f"{address}/cases/{one}")
    page.fill("#tag", "trust")
    page.keyboard.press("Enter")
    page.click("#tab-history")
    page.click("#move-ask summary")
    page.fill("#move-ask textarea", "Which goods were paid?")
    page.click("#move-ask button")
    page.set_input_files("input[type=file]", deed)
    page.click("form[enctype] button")
    page.locator(".files a").wait_for()
    page.goto(f"{address}/cases/{two}")
    page.click("#move-skip summary")
    page.click("#move-skip button")
    page.wait_for_url("**/queue?done=skip*")
    page.click("button[data-opens=choices]")
    page.fill("#choices input[name=name]", "Late ones")
    page.keyboard.press("Enter")
    page.locator(".saved-views a").wait_for()


def look(olga, name: str, size: dict[str, int]) -> None:
    """A picture, what axe finds, and whether all of it fits the width."""
    found = Axe().run(olga.page).response["violations"]
    grave = [(each["id"], [node["html"] for node in each["nodes"]][:3]) for each in found if each["impact"] in GRAVE]
    assert grave == [], name
    assert olga.page.evaluate("document.documentElement.scrollWidth") <= size["width"], name
    olga.picture(name)


def test_an_overdue_answer_stands_in_the_strip(browser: Browser, bench: Workbench, address: str):
    case = bench.cases()[0].case_id
    bench.post("analyst", f"/cases/{case}/requests", addressee="branch", question="Which goods?", days=1)
    bench.now_us += 2 * DAY_US
    with person(browser, address) as ann:
        ann.sign_in("analyst")
        expect(ann.page.locator(".count.answers b")).to_have_text("1")
        ann.page.click(".count.answers")
        expect(ann.page.locator("#lines tr")).to_have_count(1)
