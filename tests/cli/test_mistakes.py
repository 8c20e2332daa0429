"""What a person gets wrong at the command line is answered in words, with the exit status that the help names."""

import gzip
import json
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from monitor.cli import app
from tests.app.rough_bank import RULES, rule_text

PAYMENT = {
    "transaction_id": "T1", "booked_at": "2026-05-04T09:00:00Z", "creditor_customer": "C1", "creditor_account": "A1",
    "amount": "1.00", "currency": "USD",
}  # fmt: skip


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a payment, a rule and some files that are wrong."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "behaviour").mkdir()
    (tmp_path / "behaviour" / "rule.yaml").write_text(rule_text(1, RULES[0]))
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "rule.yaml").write_text("id: [\n")
    (tmp_path / "in.jsonl").write_text(json.dumps(PAYMENT) + "\n")
    pq.write_table(pa.table({"x": [1]}), tmp_path / "cut.parquet")
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "cut.parquet").read_bytes()[:-20])
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(b"{}\n" * 999)[:-9])
    return tmp_path


def said(*words: str, status: int) -> str:
    """What a command says; it ends with this status, and never by an error of ours."""
    result = CliRunner().invoke(app, list(words), env={"COLUMNS": "80", "NO_COLOR": "1"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == status, result.output
    return result.output


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["in.jsonl", "none.jsonl"], "none.jsonl: No such file"),
        (["in.jsonl", "--profiles", "none.jsonl"], "none.jsonl: No such file"),
        (["in.jsonl", "--rules", "none"], "none: No such file"),
        (["in.jsonl", "--rules", "behaviour", "--lists", "none"], "none: No such file"),
        (["in.jsonl", "--rules", "empty"], "There is no rule to judge by. The files given hold none"),
        (["in.jsonl", "--rules", "broken"], "There is no rule to judge by.\nbroken/rule.yaml:"),
    ],
)
def test_a_run_that_cannot_start_says_why_and_leaves_no_store(here: Path, words: list[str], answer: str):
    assert answer in said("run", *words, "--db", "b.db", status=1)
    assert not (here / "b.db").exists()


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["cut.parquet"], "cut.parquet: no Parquet file"),
        (["cut.jsonl.gz"], "the file was cut; fetch it again"),
        (
            ["in.jsonl", "--profiles", "cut.jsonl.gz"],
            "cut.jsonl.gz: the gzip data are damaged (Compressed file ended before",
        ),
        (["in.jsonl", "--alerts", "none/a.jsonl"], "none/a.jsonl: No such file"),
    ],
)
def test_a_damaged_input_stops_with_one_message(here: Path, words: list[str], answer: str):
    assert answer in said("run", *words, "--rules", "behaviour", "--db", "b.db", status=1)


def test_a_run_into_a_database_server_is_refused_before_anything_is_made(here: Path):
    before = set(here.iterdir())
    assert "a run keeps its store in a file" in said("run", "in.jsonl", "--db", "postgresql://x@db/aml", status=1)
    assert set(here.iterdir()) == before


def test_every_command_finds_the_store_that_the_environment_names(here: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AML_DB", str(here / "b.db"))
    (here / "in.jsonl").write_text(json.dumps(PAYMENT) + "\n{\n")
    said("run", "in.jsonl", "--rules", "behaviour", status=0)
    assert "not_json" in said("refused", "list", status=0)
    assert "whole" in said("journal", "verify", status=0)


def test_a_folder_that_cannot_be_written_is_said_so(here: Path):
    assert "in.jsonl: File exists. Choose another" in said("simulate", "--out", "in.jsonl", status=1)
    assert "Choose another folder" in said("demo", "--out", "in.jsonl/demo", status=1)


@pytest.mark.parametrize("command", ["run", "demo", "simulate", "explain", "refused list", "refused retry"])
def test_every_command_has_examples_and_exit_statuses_in_its_help(command: str):
    text = said(*command.split(), "--help", status=0)
    assert "\n  examples:\n" in text or "\nexamples:\n" in text
    assert "exit status:" in text


def test_the_release_is_said():
    assert said("--version", status=0).strip() == f"aml {version('aml-monitor')}"
