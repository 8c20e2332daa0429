"""What a case shows of the recorded history: payments, a file, the network, the customer, today's rules."""

import csv
import io
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from monitor.adapters.sql.ledger import chain_entries
from monitor.adapters.sql.people import CHAIN, add_person
from monitor.adapters.sql.store import open_store
from monitor.app.activity import Movement, activity
from monitor.app.explaining import Explainer
from monitor.domain.case import Case
from monitor.domain.time import TIME_MAX_US, format_time
from monitor.web.happened import HEAD, csv_of
from monitor.web.records import BEFORE_US
from tests.app.rough_bank import RoughBank, rough_bank
from tests.web.workbench import PASSWORD, Workbench

PIECES = ("payments", "payments.csv", "network", "who")


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> RoughBank:
    made = rough_bank(tmp_path_factory.mktemp("rough"), seed=2, count=200)
    made.run()
    with open_store(made.db) as store:
        for role in ("analyst", "senior", "auditor", "officer"):
            add_person(store, name=role, full_name=role, role=role, password=PASSWORD, by="test", now_us=5)
    return made


@pytest.fixture
def bench(bank: RoughBank) -> Iterator[Workbench]:
    explained: list[str] = []

    def explain(alert_id: str):
        explained.append(alert_id)
        with Explainer(bank.db) as explainer:
            explainer.points_max = 20
            return explainer.explain(alert_id)

    with open_store(bank.db) as store:
        made = Workbench(store, explain=explain, records=lambda: Explainer(bank.db))
        made.now_us = max(case.last_alert_at_us for case in made.cases())
        made.explained = explained  # type: ignore[attr-defined]
        yield made


def of_customer(bench: Workbench) -> Case:
    """The case of a customer with most alerts."""
    cases = [case for case in bench.cases() if case.subject.kind == "customer" and case.need_to_know == "standard"]
    return max(cases, key=lambda case: (case.alert_count, case.case_id))


def get(bench: Workbench, who: str, case: Case, piece: str, **query: str):
    return bench.signed_in(who).get(f"/cases/{case.case_id}/{piece}", params=query)


def movements(bank: RoughBank, case: Case, from_us: int = 0, until_us: int = TIME_MAX_US) -> tuple[Movement, ...]:
    with Explainer(bank.db) as records, records.books(0) as books:
        return activity(
            books, bytes.fromhex(case.subject.token), case.subject.kind, from_us=from_us, until_us=until_us,
            movements_max=10_000, parties_max=0,
        ).movements  # fmt: skip


def actions(bench: Workbench) -> list[str]:
    with bench.store.reading() as connection:
        return [entry.action for entry in chain_entries(connection, CHAIN)]


@contextmanager
def restricted(bank: RoughBank, case: Case) -> Iterator[None]:
    """The case as one of which a report is proposed, by somebody else."""

    def put(word: str) -> None:
        with sqlite3.connect(bank.db) as database:
            database.execute("UPDATE cases SET need_to_know = ? WHERE case_id = ?", (word, case.case_id))

    put("restricted")
    try:
        yield
    finally:
        put("standard")


# Payments -----------------------------------------------------------------------------------------------


def test_the_table_has_each_payment_once_and_names_the_hits(bank: RoughBank, bench: Workbench):
    case = of_customer(bench)
    text = get(bench, "analyst", case, "payments", **{"from": "2020-01-01"}).text
    expected = movements(bank, case)
    rows = re.findall(r'<tr data-at="(\d+)" data-way="(\w+)" data-minor="(\d*)"', text)
    assert [(int(at), way, int(minor)) for at, way, minor in rows] == [
        (each.booked_us // 1000, each.direction, each.amount_minor) for each in reversed(expected)
    ]
    assert len(rows) > 10
    with bench.store.reading() as connection:
        sql = "SELECT evidence FROM alerts JOIN case_alerts USING (alert_id) WHERE case_id = ?"
        alerts = connection.exec_driver_sql(sql, (case.case_id,)).scalars().all()
    named = set().union(*(re.findall(r'"(\d+)"', re.search(r'"transactions":\[(.*?)\]', each)[1]) for each in alerts))  # type: ignore[index]
    own = {str(each.position) for each in expected}
    assert len(re.findall("data-hit=", text)) == len(named & own) > 0


def test_by_default_some_time_before_the_first_alert_is_shown_and_dates_narrow_it(bank: RoughBank, bench: Workbench):
    case = of_customer(bench)
    text = get(bench, "analyst", case, "payments").text
    first = re.search(r'name="from" value="([\d-]+)"', text)
    assert first is not None
    assert first[1] <= format_time(case.opened_at_us - BEFORE_US)[:10]
    middle = movements(bank, case)[8]
    day = format_time(middle.booked_us)[:10]
    part = get(bench, "analyst", case, "payments", **{"from": day, "until": day}).text
    expected = [each for each in movements(bank, case) if format_time(each.booked_us)[:10] == day]
    assert len(re.findall("<tr data-at=", part)) == len(expected) >= 1


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"from": "yesterday"}, "is not a time"),
        ({"until": "2026-13-45"}, "is not a time"),
        ({"from": "2026-05-04", "until": "2026-05-01"}, "ends before it begins"),
    ],
)
def test_a_time_that_is_none_is_told(bench: Workbench, query: dict[str, str], words: str):
    case = of_customer(bench)
    for piece in ("payments", "network"):
        assert words in get(bench, "analyst", case, piece, **query).text
    assert get(bench, "analyst", case, "payments.csv", **query).status_code == 422


def test_the_file_has_what_the_table_has_and_taking_it_is_journalled(bank: RoughBank, bench: Workbench):
    case = of_customer(bench)
    answer = get(bench, "auditor", case, "payments.csv", **{"from": "2020-01-01"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert re.fullmatch(r'attachment; filename="C-\w{8}-2020-01-01-[\d-]+\.csv"', answer.headers["content-disposition"])
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert list(rows[0]) == list(HEAD)
    assert [(row["transaction_id"], row["direction"], row["currency"]) for row in rows] == [
        (each.transaction_id, each.direction, each.currency) for each in movements(bank, case)
    ]
    with bench.store.reading() as connection:
        last = chain_entries(connection, CHAIN)[-1]
    assert (last.action, last.actor) == ("payments_exported", "auditor")
    assert f'"payments":{len(rows)}' in last.payload
    assert case.case_id in last.payload


HOSTILE = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", '=HYPERLINK("http://evil.test";"x")', "\n=1"]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_file_has_no_cell_that_a_spreadsheet_would_compute(text: str):
    one = Movement(0, text, 0, "in", 100, "USD", None, "booked", text, text, None, 0)
    (row,) = csv.DictReader(io.StringIO(csv_of([one], {0: (text,)})))
    assert all(not (cell or "").lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n")) for cell in row.values())
    assert row["other_name"] == f"'{text}"
    assert row["amount"] == "1.00"


# Network and customer -----------------------------------------------------------------------------------


def test_the_network_says_in_tables_what_it_draws(bench: Workbench):
    case = of_customer(bench)
    text = get(bench, "analyst", case, "network").text
    nodes = len(re.findall("&#34;hop&#34;: ", text))
    assert nodes > 3
    assert (
        len(re.findall(r"<tr[^>]*><td>[^<]+</td><td>[^<]*</td><td>[^<]*</td><td class=\"right number\">\d", text))
        == nodes
    )
    assert len(re.findall("&#34;source&#34;", text)) == len(re.findall(r'<tr data-first="\d+"', text)) > 3


def test_the_customer_is_shown_with_alerts_so_far(bench: Workbench):
    case = of_customer(bench)
    text = get(bench, "analyst", case, "who").text
    assert "Profile of C" in text
    assert text.count("this one") == case.alert_count
    assert "Related parties" in text


@pytest.mark.parametrize("piece", PIECES)
def test_every_look_is_journalled(bench: Workbench, piece: str):
    before = actions(bench)
    assert get(bench, "analyst", of_customer(bench), piece).status_code == 200
    told = [each for each in actions(bench)[len(before) :] if each != "signed_in"]
    assert told == [{"payments": "payments_viewed", "payments.csv": "payments_exported", "network": "network_viewed",
                     "who": "profile_viewed"}[piece]]  # fmt: skip


# The wall -----------------------------------------------------------------------------------------------


def test_a_case_behind_the_wall_has_no_pieces_for_those_before_it(bank: RoughBank, bench: Workbench):
    case = of_customer(bench)
    places = [*PIECES, f"alerts/{case.first_alert_id}", f"alerts/{case.first_alert_id}/today"]
    never = f"/cases/C-{'A' * 16}"
    with restricted(bank, case):
        for place in places:
            answer = get(bench, "analyst", case, place)
            assert answer.status_code == 404
            nothing = bench.signed_in("analyst").get(f"{never}/{place}")
            assert answer.text.replace(case.case_id, "C-" + "A" * 16) == nothing.text
            assert get(bench, "officer", case, place).status_code == 200


def test_alerts_and_cases_behind_the_wall_are_in_no_list_of_another_case(bank: RoughBank, bench: Workbench):
    mine = of_customer(bench)
    others = [case for case in bench.cases() if case.case_id != mine.case_id and case.subject.kind == "customer"]
    linked = [case for case in others if f"/cases/{case.case_id}" in get(bench, "analyst", mine, "network").text]
    assert linked, "the network links the cases of others"
    hidden = linked[0]
    with restricted(bank, hidden):
        assert hidden.case_id not in get(bench, "analyst", mine, "network").text
        assert hidden.case_id in get(bench, "officer", mine, "network").text


def test_alerts_of_a_former_case_behind_the_wall_are_not_listed(bank: RoughBank, bench: Workbench):
    mine = of_customer(bench)
    other = next(case for case in bench.cases() if case.case_id != mine.case_id)
    with sqlite3.connect(bank.db) as database:
        moved = database.execute(
            "SELECT alert_id FROM case_alerts WHERE case_id = ? ORDER BY seq DESC LIMIT 1", (mine.case_id,)
        ).fetchone()[0]
        seq = database.execute("SELECT max(seq) + 1 FROM case_alerts WHERE case_id = ?", (other.case_id,)).fetchone()[0]
        was = database.execute("SELECT seq FROM case_alerts WHERE alert_id = ?", (moved,)).fetchone()[0]
        database.execute("UPDATE case_alerts SET case_id = ?, seq = ? WHERE alert_id = ?", (other.case_id, seq, moved))
    try:
        assert other.case_id in get(bench, "analyst", mine, "who").text
        shown = get(bench, "analyst", mine, "who").text.count("<br>AML-")
        with restricted(bank, other):
            text = get(bench, "analyst", mine, "who").text
            assert (other.case_id in text, text.count("<br>AML-")) == (False, shown - 1)
            assert other.case_id in get(bench, "officer", mine, "who").text
    finally:
        with sqlite3.connect(bank.db) as database:
            database.execute(
                "UPDATE case_alerts SET case_id = ?, seq = ? WHERE alert_id = ?", (mine.case_id, was, moved)
            )


# Today, courses, and how much is computed at once -------------------------------------------------------


def test_the_rules_of_today_are_asked_and_say_why(bench: Workbench):
    case = of_customer(bench)
    text = get(bench, "analyst", case, f"alerts/{case.first_alert_id}/today").text
    assert "Yes, today&#39;s rules would still alert." in text
    assert "The rule is the same as at the alert." in text
    assert actions(bench)[-1] == "alert_judged_today"


def test_an_alert_is_computed_once_for_all_who_ask_and_again_when_it_has_changed(bank: RoughBank, bench: Workbench):
    case = of_customer(bench)
    place = f"alerts/{case.first_alert_id}"
    texts = {get(bench, who, case, place).text for who in ("analyst", "senior", "analyst")}
    assert len(bench.explained) == 1  # type: ignore[attr-defined]
    assert len(texts) == 1
    assert actions(bench).count("alert_explained") >= 3, "each look is journalled all the same"
    with sqlite3.connect(bank.db) as database:
        was = database.execute("SELECT evidence FROM alerts WHERE alert_id = ?", (case.first_alert_id,)).fetchone()[0]
        changed = was.replace('"amount_minor":', '"amount_minor":1')
        database.execute("UPDATE alerts SET evidence = ? WHERE alert_id = ?", (changed, case.first_alert_id))
    try:
        assert "something differs" in get(bench, "analyst", case, place).text
    finally:
        with sqlite3.connect(bank.db) as database:
            database.execute("UPDATE alerts SET evidence = ? WHERE alert_id = ?", (was, case.first_alert_id))


def test_who_finds_no_place_is_told_to_ask_again_and_then_is_answered(bench: Workbench):
    case = of_customer(bench)
    places = bench.app.state.desk.places
    places._wait_seconds = 0.05
    with places.turn(), places.turn():
        piece = bench.signed_in("analyst").get(f"/cases/{case.case_id}/network", headers={"HX-Request": "true"})
        assert (piece.status_code, piece.headers["retry-after"]) == (503, "5")
        assert piece.headers["hx-retarget"] == "closest .piece"
        assert f'hx-get="/cases/{case.case_id}/network"' in piece.text
        whole = get(bench, "analyst", case, "payments.csv")
        assert (whole.status_code, "Try again" in whole.text) == (503, True)
        assert get(bench, "analyst", case, f"alerts/{case.first_alert_id}").status_code == 503
        assert bench.signed_in("analyst").get(f"/cases/{case.case_id}").status_code == 200, "the case itself opens"
    assert get(bench, "analyst", case, "network").status_code == 200


def test_without_a_history_each_piece_says_so(bench: Workbench):
    alone, case = Workbench(bench.store), of_customer(bench)
    for piece in ("payments", "network", "who", f"alerts/{case.first_alert_id}/today"):
        assert "There is no history beside this store." in get(alone, "analyst", case, piece).text
    assert get(alone, "analyst", case, "payments.csv").status_code == 409


def test_numbers_stand_beside_their_course(bench: Workbench):
    case = of_customer(bench)
    alerts = re.findall(r'/alerts/(A-\w+)"', bench.signed_in("analyst").get(f"/cases/{case.case_id}").text)
    texts = [get(bench, "analyst", case, f"alerts/{alert}").text for alert in alerts[:6]]
    drawn = [text for text in texts if 'data-draws="course" data-drawn="{&#34;points&#34;: [[' in text]
    assert drawn
    assert all(re.search(r'aria-label="\d+ payments: from ', text) for text in drawn)
