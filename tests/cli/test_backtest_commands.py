"""``aml replay`` and ``aml tune``: output, exit statuses and messages."""

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from monitor.adapters.sql.store import open_store
from monitor.cli import app
from tests.app.backtest.bank import Bank, alerted, decide, rules_with, simulated_bank

STR = "AML-STR-001"
WALK = ("--parameter", "total_above", "--from", "6000.00", "--to", "14000.00", "--steps", "5")


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Bank:
    made = simulated_bank(tmp_path_factory.mktemp("commands"), customers=300, days=30, seed=8)
    made.run()
    with open_store(made.db) as store:
        for number, case in enumerate(dict.fromkeys(case for case, _ in alerted(store, STR))):
            decide(store, case, ("reported", "explained")[number % 2])
    return made


def aml(*words: object, columns: int = 100) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": str(columns)})
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output


def test_a_change_that_loses_a_report_is_status_1_and_two_overrides_make_it_0(bank: Bank):
    status, page = aml("replay", bank.db, "--with", f"-{STR}")
    assert status == 1
    assert "BLOCKED" in page
    assert "Lost, and had led to a report" in page
    assert "case C-" in page
    status, page = aml("replay", bank.db, "--with", f"-{STR}", "--override", "ann:CR-1")
    assert status == 1
    status, page = aml("replay", bank.db, "--with", f"-{STR}", "--override", "ann:CR-1", "--override", "ben:CR-2")
    assert status == 0
    assert "OVERRIDDEN" in page
    assert "ann (CR-1) and ben (CR-2)" in " ".join(page.split())


def test_a_replay_shows_counts_writes_the_report_and_says_what_is_next(bank: Bank, tmp_path: Path):
    out = tmp_path / "report.html"
    status, page = aml("replay", bank.db, "--with", f"{STR}.total_above=8000.00", "--out", out, columns=80)
    assert status == 0
    assert STR in page
    assert f"aml tune {STR}" in page
    assert out.read_text().startswith("<!doctype html>")
    assert max(len(line) for line in page.splitlines() if str(tmp_path) not in line and str(bank.db) not in line) <= 80
    assert "…" not in page
    assert "precision before" in page
    status, text = aml("replay", bank.db, "--with", f"{STR}.total_above=8000.00", "--json")
    body = json.loads(text)
    assert status == 0
    assert body["totals"]["after"] == body["totals"]["before"] + body["totals"]["new"] - body["totals"]["lost"]
    assert body["recorded_alerts_reproduced"]["share"] == 1


def test_without_a_change_the_recorded_alerts_come_out_again(bank: Bank):
    status, page = aml("replay", bank.db)
    assert status == 0
    assert "alters no alert" in page
    assert "(100 %) of the alerts that the store holds come out again" in " ".join(page.split())


def test_files_without_an_approval_say_that_everything_is_shadow(bank: Bank):
    files = (
        "--profiles",
        bank.profiles,
        "--rates",
        bank.folder / "rates.csv",
        "--entities",
        bank.folder / "entities.yaml",
    )
    status, page = aml("replay", bank.payments, *files, "--with", f"-{STR}")
    assert status == 0
    assert "Add --approve-examples" in page
    status, page = aml("replay", bank.payments, *files, "--approve-examples", "--with", f"-{STR}")
    assert status == 0
    assert "the rule raises nothing any more" in page


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--with", "nothing.yaml"), "no such file"),
        (("--with", f"{STR}.total_above=much"), "is no value in USD"),
        (("--days", "2026-01-02"), "write two days"),
        (("--override", "ann"), "who and by which record"),
        (("--rates", "rates.csv"), "Leave --profiles"),
    ],
)
def test_what_cannot_be_read_is_status_2_with_one_message(bank: Bank, words: tuple[str, ...], said: str):
    status, page = aml("replay", bank.db, *words)
    assert status == 2
    assert said in page
    assert "Traceback" not in page


def test_a_record_goes_into_the_journal_of_a_store_only(bank: Bank, tmp_path: Path):
    copy = bank.copy(tmp_path / "copy")
    assert aml("replay", copy.db, "--with", f"{STR}@shadow", "--record", "--as", "cleo")[0] == 1
    with open_store(copy.db) as store, store.reading() as connection:
        rows = connection.exec_driver_sql("select actor, action from journal where chain = 'backtests'").all()
    assert [tuple(row) for row in rows] == [("cleo", "backtest")]
    assert aml("journal", "verify", "--db", copy.db)[0] == 0
    status, page = aml("replay", bank.payments, "--record")
    assert status == 2
    assert "--record needs a store" in page


def test_a_walk_shows_every_value_the_one_in_force_and_what_is_next(bank: Bank):
    status, page = aml("tune", STR, *WALK, bank.db, columns=80)
    assert status == 0
    for value in ("6000.00", "8000.00", "10000.00", "12000.00", "14000.00"):
        assert value in page
    assert "in force" in page
    assert "decided cases with an alert" in page
    assert "…" not in page
    assert max(len(line) for line in page.splitlines() if "bank.db" not in line) <= 80
    status, text = aml("tune", STR, *WALK, bank.db, "--json")
    body = json.loads(text)
    assert [point["in_force"] for point in body["points"]] == [False, False, True, False, False]
    alerts = [point["alerts"] for point in body["points"]]
    assert alerts == sorted(alerts, reverse=True)
    assert alerts[0] > alerts[-1]
    assert sum(point["advised"] for point in body["points"]) == 1


def test_a_sample_goes_out_blind_and_is_scored_when_it_is_back(bank: Bank, tmp_path: Path):
    review, key = tmp_path / "review.csv", tmp_path / "review.csv.key.json"
    status, page = aml("tune", STR, *WALK, bank.db, "--review", review, "--sample", 1, "--seed", 3)
    assert status == 0
    assert "seed 3" in page
    assert f"aml tune score {review} {key}" in page
    first = review.read_bytes()
    aml("tune", STR, *WALK, bank.db, "--review", review, "--sample", 1, "--seed", 3)
    assert review.read_bytes() == first
    rows = list(csv.DictReader(review.open()))
    assert len(rows) == 2
    with review.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(row | {"productive": "no"} for row in rows)
    status, page = aml("tune", "score", review, key)
    assert status == 0
    assert "below the line 0 of 1" in " ".join(page.split())
    assert json.loads(aml("tune", "score", review, key, "--json")[1])["below"]["reviewed"] == 1
    assert aml("tune", "score", review, review)[0] == 2


def test_the_size_of_a_sample_is_told():
    assert "Review 59 items" in aml("tune", "size")[1]
    assert "Review 45 items of 100" in aml("tune", "size", "--tolerable", "5%", "--population", "100")[1]
    status, page = aml("tune", "size", "--tolerable", "5")
    assert status == 2
    assert "write a share such as 5%" in page


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("AML-XXX-001", *WALK), "There is no rule AML-XXX-001. The rules are: AML-BEH-001"),
        ((STR, "--parameter", "a", "--parameter", "b", "--from", "1", "--to", "2"), "each parameter needs one of each"),
        ((STR, *WALK, "--tolerable", "0"), "write a share such as 5%"),
        ((STR, *WALK, "--labels", "nowhere.csv"), "nowhere.csv: No such file"),
    ],
)
def test_a_walk_that_cannot_be_made_is_status_2_with_one_message(bank: Bank, words: tuple[str, ...], said: str):
    status, page = aml("tune", *words, bank.db)
    assert status == 2
    assert said in " ".join(page.split())
    assert "Traceback" not in page


DEADLINE = "deadline: {days: 15, kind: calendar, after: period, cite: a law}"


def test_an_obligation_is_not_tuned(bank: Bank, tmp_path: Path):
    folder = rules_with(tmp_path / "rules", {STR: ("kind: suspicion", f"kind: obligation\n{DEADLINE}")})
    path = next(path for path in folder.rglob("*.yaml") if STR in path.read_text().splitlines()[0])
    path.write_text(path.read_text().replace("  quiet: 24h\n", "").replace("quiet\n", "alert\n"))
    files = ("--profiles", bank.profiles, "--rules", folder)
    status, page = aml("tune", STR, *WALK, bank.payments, *files)
    assert (status, "obligation: the law sets its values" in page) == (2, True)


def test_help_shows_real_commands():
    for command in ("replay", "tune"):
        status, page = aml(command, "--help")
        assert status == 0
        assert f"aml {command} " in page
        assert "exit status" in page
