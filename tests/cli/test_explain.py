"""``aml explain``: the page, the JSON, and what the exit status says."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from monitor.app.explaining import Explainer
from monitor.cli import app
from tests.app.rough_bank import RoughBank, rough_bank


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> RoughBank:
    made = rough_bank(tmp_path_factory.mktemp("rough"), seed=2, count=120)
    made.run()
    return made


@pytest.fixture(scope="module")
def alert(bank: RoughBank) -> str:
    """An alert about a customer. Which ids there are depends on the key of the store, so the first id will not do."""
    with Explainer(bank.db) as explainer:
        for alert in explainer.store.alert_ids("A-", limit=1_000):
            evidence = explainer.store.evidence(alert)
            if evidence is not None and evidence["source"]["id"] == "AML-BEH-001":
                return alert
    raise AssertionError("no alert of AML-BEH-001")


def explain(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["explain", *words], env={"COLUMNS": "100"})
    return result.exit_code, result.output


def test_the_page_shows_every_number_twice_and_ends_with_the_verdict(bank: RoughBank, alert: str):
    status, page = explain(alert[:14], "--db", str(bank.db))
    assert status == 0
    assert page.rstrip().endswith("Recomputed from history: the same")
    for title in ("Subject", "Numbers", "Parameters in force", "Condition", "Payments", "It does not see"):
        assert title in page
    assert "DIFFERS" not in page
    assert max(map(len, page.splitlines())) <= 100


def test_json_holds_what_the_page_shows(bank: RoughBank, alert: str):
    status, text = explain(alert, "--db", str(bank.db), "--json")
    body = json.loads(text)
    assert (status, body["recomputed"], body["alert"]["alert_id"]) == (0, "same", alert)
    assert body["measures"]
    assert all(each["stored"] == each["again"] for each in body["measures"])
    assert body["payments"][-1]["transaction_id"].startswith("T")


def test_a_lost_history_is_status_2_and_a_changed_one_status_1(bank: RoughBank, alert: str, tmp_path: Path):
    shutil.copytree(bank.folder, tmp_path / "copy")
    db = tmp_path / "copy" / "bank.db"
    with sqlite3.connect(db) as connection:
        swap = """replace(evidence, '"value":"', '"value":"9')"""
        connection.execute(f"UPDATE alerts SET evidence = {swap}")
    status, page = explain(alert, "--db", str(db))
    assert status == 1
    assert "DIFFER" in page
    shutil.rmtree(tmp_path / "copy" / "bank.data" / "history")
    status, page = explain(alert, "--db", str(db))
    assert status == 2
    assert "does not hold the payment" in " ".join(page.split())


def test_an_unknown_alert_is_status_2(bank: RoughBank):
    status, page = explain("A-AAAAAAAAAAAAAAAA", "--db", str(bank.db))
    assert status == 2
    assert "no alert has this id" in page
