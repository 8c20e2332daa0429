"""``aml obligations``: the list, one obligation, the proof of a day, and what a wrong word is answered."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from monitor.cli import app
from tests.app.obligations.cash_bank import CashBank, cash

MONDAY = "2026-05-04T14:00:00Z"


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> CashBank:
    made = CashBank(tmp_path_factory.mktemp("bank"))
    made.run([
        cash(0, MONDAY, "6000.00", branch="Fifth Avenue"), cash(1, MONDAY, "6000.00"),
        cash(2, MONDAY, "9000.00", customer="C2"), cash(3, "2026-06-20T14:00:00Z", "1.00", customer="C2"),
        cash(4, MONDAY, "2000.00", customer="C2"),
    ])  # fmt: skip
    return made


def aml(bank: CashBank, *words: str) -> tuple[int, str, str]:
    """Exit status, standard output, standard error of ``aml obligations``."""
    result = CliRunner().invoke(app, ["obligations", *words, "--db", str(bank.db)], env={"COLUMNS": "120"})
    return result.exit_code, result.stdout, result.stderr


def test_the_list_shows_who_owes_what_by_when(bank: CashBank):
    status, shown, _ = aml(bank, "list")
    assert status == 0
    assert "1 owed" in shown
    for words in ("2026-05-19", "AML-LCT-901", "C1", "12 000.00 USD"):
        assert words in shown
    assert "None fits." in aml(bank, "list", "--due-before", "2026-05-19")[1]
    assert "C1" in aml(bank, "list", "--due-before", "2026-05-20")[1]


def test_one_obligation_shows_payments_deadline_and_revisions(bank: CashBank):
    listed = json.loads(aml(bank, "list", "--json")[1].splitlines()[0])
    status, shown, _ = aml(bank, "show", listed["obligation_id"][:9])
    assert status == 0
    for words in ("2026-05-19  (A law)", "business day 2026-05-04", "T0", "T1", "Fifth Avenue", "Revisions (1)"):
        assert words in shown
    whole = json.loads(aml(bank, "show", listed["obligation_id"], "--json")[1])
    assert [each["transaction_id"] for each in whole["payments"]] == ["T0", "T1"]
    assert [each["added"] for each in whole["revisions"]] == [[0, 1]]


def test_a_day_that_lacks_an_obligation_is_not_complete_until_it_is_recorded(bank: CashBank):
    status, shown, _ = aml(bank, "reconcile", "--date", "2026-05-04")
    assert status == 1
    for words in ("missing: O-", "person C2", "owed 11 000.00 USD", "T2, T4", "too_late", "NOT complete"):
        assert words in shown
    status, shown, _ = aml(bank, "reconcile", "--date", "2026-05-04", "--json")
    difference, proof = map(json.loads, shown.splitlines())
    assert (difference["difference"], difference["not_counted"]) == ("missing", ["T2", "T4"])
    assert (proof["expected"], proof["found"], proof["equal"], proof["differences"]) == (2, 1, 1, 1)
    assert "1 revision recorded" in aml(bank, "reconcile", "--date", "2026-05-04", "--record", "--as", "ann")[1]
    status, shown, _ = aml(bank, "reconcile", "--date", "2026-05-04")
    assert (status, "2 expected, 2 found, 2 equal" in shown) == (0, True)
    took = re.fullmatch(r"(\d+) rules? over (\d+) of (\d+) records of the log in \d+\.\d s\.", shown.splitlines()[-1])
    assert took is not None, shown
    assert tuple(map(int, took.groups())) == (len(proof["rules"]), proof["records"], proof["log_records"])
    assert 0 < proof["records"] <= proof["log_records"]
    assert proof["seconds"] > 0
    assert "found by reconciliation" in aml(bank, "show", difference["obligation_id"])[1]


def test_an_entity_or_rule_narrows_the_proof(bank: CashBank):
    assert "0 expected, 0 found, 0 equal" in aml(bank, "reconcile", "--date", "2026-05-04", "--entity", "BJ")[1]
    assert "0 expected, 0 found, 0 equal" in aml(
        bank, "reconcile", "--date", "2026-05-04", "--rule", "AML-LCT-902"
    )[1]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("list", "--state", "late"), 2, "there is no such word"),
        (("list", "--due-before", "tomorrow"), 2, "not a date"),
        (("show", "O-1111"), 1, "no obligation has this id"),
        (("reconcile", "--date", "4 May"), 2, "not a date"),
        (("reconcile", "--date", "2026-05-04", "--rule", "AML-LCT-777"), 2, "no obligation rule AML-LCT-777"),
    ],
)
def test_a_wrong_word_is_answered_with_what_is_wrong(bank: CashBank, words: tuple[str, ...], status: int, message: str):
    found = aml(bank, *words)
    assert found[0] == status
    assert message in found[2]


def test_a_store_without_a_history_cannot_be_reconciled(tmp_path: Path):
    result = CliRunner().invoke(
        app, ["obligations", "reconcile", "--date", "2026-05-04", "--db", str(tmp_path / "no.db")]
    )
    assert result.exit_code == 2
    assert "there is no case store" in result.stderr
