"""An alert computed again on the page of its case, over the history of a run."""

import re
import sqlite3
from collections.abc import Iterator

import pytest

from monitor.adapters.sql.people import add_person
from monitor.adapters.sql.store import open_store
from monitor.app.explained import Payment
from monitor.app.explaining import Explainer
from monitor.cli.explain import explainer_of
from monitor.domain.case import Case
from monitor.web.timeline import MIDDLE, RADIUS_MAX, WIDTH, timeline
from tests.app.rough_bank import RoughBank, rough_bank
from tests.web.workbench import PASSWORD, Workbench


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> RoughBank:
    made = rough_bank(tmp_path_factory.mktemp("rough"), seed=2, count=120)
    made.run()
    return made


@pytest.fixture
def bench(bank: RoughBank) -> Iterator[Workbench]:
    def explain(alert_id: str):
        with explainer_of(str(bank.db), None) as explainer:
            return explainer.explain(alert_id)

    with open_store(bank.db) as store:
        with store.reading() as connection:
            is_new = connection.exec_driver_sql("SELECT count(*) FROM people").scalar_one() == 0
        for role in ("analyst", "auditor") if is_new else ():
            add_person(store, name=role, full_name=role, role=role, password=PASSWORD, by="test", now_us=5)
        yield Workbench(store, explain=explain)


def first(bench: Workbench) -> Case:
    return min(bench.cases(), key=lambda case: case.case_id)


def test_the_page_says_the_same_as_the_command(bank: RoughBank, bench: Workbench):
    case = first(bench)
    with Explainer(bank.db) as explainer:
        found = explainer.explain(case.first_alert_id)
    assert found.is_same
    for who in ("analyst", "auditor"):
        text = bench.signed_in(who).get(f"/cases/{case.case_id}/alerts/{case.first_alert_id}").text
        assert "Computed again from the history: the same." in text
        assert len(re.findall(r'<tr(?: class="completing")?><td class="number">', text)) == len(found.payments) > 0
        assert len(re.findall("<circle ", text)) == len(found.payments)
        assert all(each.transaction_id in text for each in found.payments)
        assert len(re.findall('class="truth', text)) == len(found.parts) > 0


def test_the_case_asks_for_each_of_its_alerts(bench: Workbench):
    case = first(bench)
    text = bench.signed_in("analyst").get(f"/cases/{case.case_id}").text
    assert f'hx-get="/cases/{case.case_id}/alerts/{case.first_alert_id}"' in text
    assert len(re.findall(r'hx-get="/cases/C-\w+/alerts/A-\w+"', text)) == case.alert_count + case.alerts_after_closing


def test_an_alert_of_another_case_is_not_there(bench: Workbench):
    one, other, *_ = sorted(bench.cases(), key=lambda case: case.case_id)
    place = f"/cases/{one.case_id}/alerts/{other.first_alert_id}"
    assert bench.signed_in("analyst").get(place).status_code == 404


def test_a_number_that_was_changed_in_the_store_is_named(bank: RoughBank, bench: Workbench):
    case = first(bench)
    with sqlite3.connect(bank.db) as database:
        (was,) = database.execute("SELECT evidence FROM alerts WHERE alert_id = ?", (case.first_alert_id,)).fetchone()
        changed = re.sub(r'"amount_minor":(\d+)', lambda found: f'"amount_minor":{int(found[1]) + 1}', was)
        assert changed != was
        database.execute("UPDATE alerts SET evidence = ? WHERE alert_id = ?", (changed, case.first_alert_id))
    text = bench.signed_in("analyst").get(f"/cases/{case.case_id}/alerts/{case.first_alert_id}").text
    with sqlite3.connect(bank.db) as database:
        database.execute("UPDATE alerts SET evidence = ? WHERE alert_id = ?", (was, case.first_alert_id))
    assert "something differs" in text
    assert "amount: stored" in text


def test_without_a_history_the_page_says_so(bench: Workbench):
    alone = Workbench(bench.store)
    case = first(alone)
    text = alone.signed_in("analyst").get(f"/cases/{case.case_id}/alerts/{case.first_alert_id}").text
    assert "There is no history beside this store." in text


# The line of time ---------------------------------------------------------------------------------------


def payment(at: str, direction: str, amount_minor: int | None, currency: str = "USD") -> Payment:
    return Payment(0, "T1", at, direction, amount_minor, currency, None, None, None, None, False, ())


def test_areas_are_as_amounts_of_the_same_currency_and_sides_are_directions():
    small, large, other, unknown = timeline([
        payment("2026-05-04T09:00:00Z", "in", 2_500),
        payment("2026-05-05T09:00:00Z", "out", 10_000),
        payment("2026-05-06T09:00:00Z", "out", 7, "JPY"),
        payment("2026-05-07T09:00:00Z", "in", None),
    ]).marks  # fmt: skip
    assert large.radius == other.radius == RADIUS_MAX
    assert small.radius**2 / large.radius**2 == pytest.approx(0.25, abs=0.02)
    assert [mark.y < MIDDLE for mark in (small, large, other, unknown)] == [True, False, False, True]
    assert [mark.x for mark in (small, large, other, unknown)] == sorted({small.x, large.x, other.x, unknown.x})
    assert unknown.words.endswith("unknown USD")


@pytest.mark.parametrize("count", [0, 1, 2, 200])
def test_all_marks_lie_within_the_picture(count: int):
    line = timeline([payment(f"2026-05-04T{n % 24:02d}:00:00Z", "in", n) for n in range(count)])
    assert len(line.marks) == count
    assert all(0 < mark.x < WIDTH and mark.radius > 0 and mark.y > mark.radius for mark in line.marks)
    assert bool(line.ticks) is bool(count)
