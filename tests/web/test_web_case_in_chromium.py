"""The page of a case in a real browser: tabs by keys, pictures that follow the table, and what the policy allows."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from monitor.adapters.sql.people import add_person
from monitor.adapters.sql.store import open_store
from monitor.app.explaining import Explainer
from tests.app.rough_bank import RoughBank, rough_bank
from tests.conftest import needed
from tests.web.browser import PHONE, WIDE, Person, chromium, listening, person
from tests.web.workbench import PASSWORD, Workbench

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TABS = {"w": "why", "p": "payments", "g": "network", "i": "who", "h": "history"}
INKED = """(place) => [...place.querySelectorAll('canvas')].some(
  (one) => one.getContext('2d').getImageData(0, 0, one.width, one.height).data.some((part) => part))"""
LINKS = (
    """echarts.getInstanceByDom(document.querySelector('[data-draws=network]')).getOption().series[0].links.length"""
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with needed(), chromium() as one:
        yield one


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> RoughBank:
    made = rough_bank(tmp_path_factory.mktemp("rough"), seed=2, count=200)
    made.run()
    with open_store(made.db) as store:
        add_person(store, name="officer", full_name="Olga", role="officer", password=PASSWORD, by="test", now_us=5)
    return made


@pytest.fixture
def bench(bank: RoughBank) -> Iterator[Workbench]:
    def explain(alert_id: str):
        with Explainer(bank.db) as explainer:
            explainer.points_max = 20
            return explainer.explain(alert_id)

    with open_store(bank.db) as store:
        made = Workbench(store, explain=explain, records=lambda: Explainer(bank.db), is_secure=False)
        made.now_us = max(case.last_alert_at_us for case in made.cases())
        yield made


@pytest.fixture
def case(bench: Workbench) -> str:
    cases = [case for case in bench.cases() if case.subject.kind == "customer"]
    return max(cases, key=lambda case: (case.alert_count, case.case_id)).case_id


@pytest.fixture
def address(bench: Workbench) -> Iterator[str]:
    with listening(bench) as place:
        yield place


def opened(olga: Person, case: str) -> Page:
    olga.sign_in("officer")
    olga.page.goto(f"{olga.address}/cases/{case}")
    return olga.page


def test_keys_show_each_part_and_the_decision_stays_in_sight(browser: Browser, address: str, case: str):
    with person(browser, address) as olga:
        page = opened(olga, case)
        for key, name in (*TABS.items(), ("w", "why")):
            page.keyboard.press(key)
            expect(page.locator(f"#panel-{name}")).to_be_visible()
            assert page.locator("[role=tabpanel]:visible").count() == 1
            expect(page.locator("#close button.main")).to_be_in_viewport()
        page.keyboard.press("ArrowRight")
        expect(page.locator("#panel-payments")).to_be_visible()
        page.keyboard.press("c")
        page.keyboard.type("wpgih")
        assert page.input_value("#note") == "wpgih"
        expect(page.locator("#panel-payments")).to_be_visible()
        assert olga.complaints == []


def test_the_pictures_are_drawn_and_the_policy_stops_nothing(browser: Browser, address: str, case: str):
    with person(browser, address) as olga:
        page = opened(olga, case)
        for key, kind in (("p", "money"), ("g", "network")):
            page.keyboard.press(key)
            place = page.locator(f"[data-draws={kind}]")
            expect(place.locator("canvas").first).to_be_visible()
            page.wait_for_timeout(1200)
            assert place.evaluate(INKED), kind
        assert olga.complaints == []


def test_a_drag_over_the_payments_narrows_table_and_file_and_a_button_takes_it_back(
    browser: Browser, address: str, case: str
):
    with person(browser, address) as olga:
        page = opened(olga, case)
        page.keyboard.press("p")
        canvas = page.locator("[data-draws=money] canvas").first
        expect(canvas).to_be_visible()
        page.wait_for_timeout(1200)
        rows, shown = page.locator("#movements tbody tr"), page.locator("#movements tbody tr:visible")
        every, link = rows.count(), page.locator("a.export")
        assert every > 10
        before = link.get_attribute("href")
        box = canvas.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 100)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 110, steps=6)
        page.mouse.up()
        expect(page.locator("button.all")).to_be_visible()
        assert 0 < shown.count() < every
        assert page.inner_text(".counted") == f"{shown.count()} of {every} payments"
        narrowed = link.get_attribute("href")
        assert narrowed != before
        with page.expect_download() as taken:
            link.click()
        assert len(taken.value.path().read_text().splitlines()) - 1 == shown.count()
        page.click("button.all")
        expect(shown).to_have_count(every)
        assert link.get_attribute("href") == before
        page.locator("button.party").first.click()
        assert 0 < shown.count() < every
        assert olga.complaints == []


def test_the_table_is_sorted_by_any_column_both_ways(browser: Browser, address: str, case: str):
    with person(browser, address) as olga:
        page = opened(olga, case)
        page.keyboard.press("p")
        head = page.locator("#movements th", has_text="Amount")
        head.locator("button").click()

        def amounts() -> list[float]:
            return [float(each or 0) for each in page.locator("#movements tbody tr").evaluate_all(
                "(rows) => rows.map((row) => row.dataset.minor)")]  # fmt: skip

        assert head.get_attribute("aria-sort") == "ascending"
        assert amounts() == sorted(amounts())
        head.locator("button").click()
        assert head.get_attribute("aria-sort") == "descending"
        assert amounts() == sorted(amounts(), reverse=True)
        assert len(set(amounts())) > 3


def test_the_slider_of_the_network_takes_edges_out_of_picture_and_table(browser: Browser, address: str, case: str):
    with person(browser, address) as olga:
        page = opened(olga, case)
        page.keyboard.press("g")
        expect(page.locator("[data-draws=network] canvas").first).to_be_visible()
        every = page.locator("#edges tbody tr:visible").count()
        drawn = page.evaluate(LINKS)
        page.locator(".slider input.until").focus()
        for _ in range(30):
            page.keyboard.press("ArrowLeft")
        assert 0 < page.locator("#edges tbody tr:visible").count() < every
        assert page.evaluate(LINKS) < drawn == every
        assert page.inner_text("output.until") >= page.inner_text("output.from")
        assert olga.complaints == []


def test_todays_rules_are_asked_by_a_button(browser: Browser, address: str, case: str):
    with person(browser, address) as olga:
        page = opened(olga, case)
        page.locator("#panel-why .alert").first.get_by_role("button", name="Would today's rules still alert?").click()
        expect(page.locator(".answer").first).to_contain_text("today's rules would still alert")
        assert olga.complaints == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_axe_finds_nothing_grave_and_a_phone_shows_all(
    browser: Browser, address: str, case: str, theme: str, size: dict[str, int]
):
    with person(browser, address, size=size, theme=theme) as olga:
        page = opened(olga, case)
        for key, name in TABS.items():
            page.keyboard.press(key)
            page.wait_for_load_state("networkidle")
            page.wait_for_timeout(300)
            found = Axe().run(page).response["violations"]
            grave = [(each["id"], [node["html"] for node in each["nodes"]][:3]) for each in found
                     if each["impact"] in ("serious", "critical")]  # fmt: skip
            assert grave == [], name
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], name
            if size == PHONE:
                expect(page.locator(".decide-bar")).to_be_in_viewport()
            olga.picture(f"case-{name}-{size['width']}-{theme}")
        assert olga.complaints == []
