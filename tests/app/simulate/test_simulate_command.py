"""The command writes the bank, says what is in it, and names a bad parameter."""

from pathlib import Path

import typer
from typer.testing import CliRunner

from monitor.cli.simulate import simulate

app = typer.Typer()
app.command()(simulate)


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


def test_the_command_writes_the_bank_and_counts_its_cases(tmp_path: Path):
    code, said = run("--customers", "300", "--days", "50", "--seed", "4", "--out", str(tmp_path), "--format", "parquet")
    assert code == 0
    assert (tmp_path / "transactions.parquet").exists()
    assert not (tmp_path / "transactions.jsonl").exists()
    assert "transactions" in said
    assert "in 2 cases" in said


def test_a_bad_parameter_ends_with_status_2_and_says_which(tmp_path: Path):
    assert run("--customers", "5", "--out", str(tmp_path))[0] == 2
    code, said = run("--start", "soon", "--out", str(tmp_path))
    assert code == 2
    assert "--start soon" in said
