"""The demo starts afresh and leaves alone what is not its own."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from monitor.cli import app


def test_a_folder_with_anything_else_in_it_is_left_alone(tmp_path: Path):
    (tmp_path / "bank.db").write_text("from a demo")
    (tmp_path / "thesis.txt").write_text("the only copy")
    done = CliRunner().invoke(app, ["demo", "--out", str(tmp_path)])
    assert done.exit_code == 1
    assert "thesis.txt" in done.output
    assert (tmp_path / "thesis.txt").read_text() == "the only copy"
    assert (tmp_path / "bank.db").exists()


@pytest.mark.slow
def test_the_demo_shows_a_queue_and_an_alert_that_is_recomputed_and_begins_anew(tmp_path: Path):
    out = tmp_path / "demo"
    out.mkdir()
    for left_over in ("bank.db", "bank.db-wal", "bank.db.embedded.lock", "alerts.jsonl"):
        (out / left_over).write_text("from a demo that was stopped")
    done = CliRunner().invoke(app, ["demo", "--out", str(out)])
    assert done.exit_code == 0, done.output
    for words in (
        "0 refused",
        "planted cases are among the alerts",
        "C-",
        "Recomputed from history: the same",
        "aml serve",
        "analyst, senior, officer, auditor, administrator, operator",
        "Try next",
    ):
        assert words in done.output
