"""The workbench in a real browser: keys, decisions by two people, narrow screens, and what axe-core finds."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from monitor.casework.position import RunPosition
from monitor.domain.case import Case
from tests.casework.alert_building import stored
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
        yield Workbench(one.store, is_secure=False)


@pytest.fixture
def address(bench: Workbench) -> Iterator[str]:
    with listening(bench) as place:
        yield place


def case_of(bench: Workbench, case_id: str) -> Case:
    return next(case for case in bench.cases() if case.case_id == case_id)


def test_a_false_positive_is_closed_with_at_most_six_keys_and_no_mouse(
    browser: Browser, bench: Workbench, address: str
):
    with person(browser, address) as ann:
        ann.sign_in("analyst")
        ann.page.goto(address + "/queue?severity=medium")
        wanted = ann.page.locator("#lines tr.here").get_attribute("data-case")
        assert wanted
        keys = ["Enter", "1", "2", "Control+Enter"]
        ann.page.keyboard.press(keys[0])
        ann.page.wait_for_url(f"**/cases/{wanted}")
        for key in keys[1:]:
            ann.page.keyboard.press(key)
        ann.page.wait_for_url("**/queue")
        after = case_of(bench, wanted)
        assert (after.state, after.outcome) == ("closed_false_positive", "false_positive")
        assert len(keys) <= 6
        assert ann.complaints == []


def test_a_grave_case_goes_from_the_queue_to_closed_by_two_people(browser: Browser, bench: Workbench, address: str):
    with person(browser, address) as ann, person(browser, address) as olga:
        ann.sign_in("analyst")
        wanted = ann.page.locator("#lines tr").first.get_attribute("data-case")
        ann.page.keyboard.press("n")  # the most pressing one
        ann.page.wait_for_url(f"**/cases/{wanted}")
        ann.page.keyboard.press("5")
        ann.page.keyboard.press("1")
        ann.picture("case-decision")
        ann.page.keyboard.press("Control+Enter")
        ann.page.wait_for_url("**/queue")
        assert case_of(bench, str(wanted)).state == "pending_approval"
        olga.sign_in("officer")
        olga.page.goto(f"{address}/queue?view=approval")
        olga.page.keyboard.press("Enter")
        olga.page.wait_for_url(f"**/cases/{wanted}")
        olga.page.click("#move-approve summary")
        olga.picture("case-approval")
        olga.page.click("#move-approve button")
        olga.page.wait_for_load_state()
        assert case_of(bench, str(wanted)).state == "closed_reported"
        assert ann.complaints == olga.complaints == []


def test_keys_walk_the_queue_and_are_silent_while_somebody_types(browser: Browser, bench: Workbench, address: str):
    with person(browser, address) as ann:
        ann.sign_in("analyst")
        lines = [each.get_attribute("data-case") for each in ann.page.locator("#lines tr").all()]

        def here() -> str | None:
            return ann.page.locator("#lines tr.here").get_attribute("data-case")

        assert here() == lines[0]
        for key, at in (("j", 1), ("j", 2), ("k", 1), ("k", 0), ("k", 0)):
            ann.page.keyboard.press(key)
            assert here() == lines[at], key
        ann.page.keyboard.press("/")
        ann.page.keyboard.type("jkoanesq?")
        assert here() == lines[0]
        assert ann.page.input_value("#q") == "jkoanesq?"
        assert ann.page.url.endswith("/queue")
        ann.page.keyboard.press("Escape")
        ann.page.keyboard.press("?")
        assert ann.page.locator("#keys").is_visible()
        ann.picture("keys")
        ann.page.keyboard.press("j")
        assert here() == lines[0]
        ann.page.keyboard.press("Escape")
        ann.page.keyboard.press("a")
        ann.page.locator(f"#{lines[0]}", has_text="analyst").wait_for()
        assert case_of(bench, str(lines[0])).assignee == "analyst"
        assert here() == lines[0]
        assert ann.complaints == []


def test_what_is_new_is_told_and_moves_no_line(browser: Browser, bench: Workbench, address: str):
    with person(browser, address) as ann:
        ann.sign_in("analyst")
        before = ann.page.locator("#lines").inner_text()
        alerts = [stored(100 + n, customer=f"new {n}", severity="critical") for n in range(2)]
        bench.store.commit_batch(alerts, RunPosition("r", 0, 0, 200, 0), recorded_at_us=5)
        ann.page.evaluate("htmx.ajax('GET', document.getElementById('more').getAttribute('hx-get'), '#more')")
        ann.page.wait_for_selector("#renew")
        assert "2" in ann.page.inner_text("#renew")
        assert ann.page.locator("#lines").inner_text() == before
        ann.page.keyboard.press("r")
        expect(ann.page.locator("#lines tr")).to_have_count(14)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh-Hans"])
def test_axe_finds_nothing_grave_and_a_phone_shows_all_of_a_page(
    browser: Browser, bench: Workbench, address: str, theme: str, language: str
):
    case = bench.cases()[0].case_id
    for size, name in ((WIDE, "wide"), (PHONE, "phone")):
        with person(browser, address, size=size, theme=theme, language=language) as olga:
            olga.page.goto(address + "/sign-in")
            places = {"sign-in": "/sign-in", "queue": "/queue", "case": f"/cases/{case}", "none": "/cases/C-AAAAAAAA"}
            for what, place in places.items():
                if what == "queue":
                    olga.sign_in("officer")
                olga.page.goto(address + place)
                found = Axe().run(olga.page).response["violations"]
                grave = [
                    (each["id"], [node["html"] for node in each["nodes"]][:3])
                    for each in found
                    if each["impact"] in GRAVE
                ]
                assert grave == [], (what, name)
                width = olga.page.evaluate("document.documentElement.scrollWidth")
                assert width <= size["width"], (what, name)
                olga.picture(f"{what}-{name}-{theme}-{language}")
            assert [each for each in olga.complaints if "404" not in each] == []
