"""The demo starts afresh and leaves alone what is not its own."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from monitor.cli import app
from monitor.cli.demo import free_port
from tests.web.workbench import with_people


def test_a_folder_with_anything_else_in_it_is_left_alone(tmp_path: Path):
    (tmp_path / "bank.db").write_text("from a demo")
    (tmp_path / "thesis.txt").write_text("the only copy")
    done = CliRunner().invoke(app, ["demo", "--out", str(tmp_path)])
    assert done.exit_code == 1
    assert "thesis.txt" in done.output
    assert (tmp_path / "thesis.txt").read_text() == "the only copy"
    assert (tmp_path / "bank.db").exists()


@pytest.mark.slow(minutes=1)
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


def test_the_workbench_opens_in_a_browser_once_it_answers_and_ends_by_ctrl_c(tmp_path: Path):
    db, told = tmp_path / "bank.db", tmp_path / "told"
    db.write_bytes(with_people())
    program = (
        "import pathlib, sys, webbrowser\n"
        "from monitor.cli.demo import free_port, open_workbench\n"
        "db, told = map(pathlib.Path, sys.argv[1:])\n"
        "webbrowser.open = lambda address: told.write_text(address)\n"
        "open_workbench(db, port=free_port(0))\n"
    )
    serving = subprocess.Popen([sys.executable, "-c", program, str(db), str(told)])
    try:
        until = time.monotonic() + 120
        while not told.exists() or not told.read_text():
            assert serving.poll() is None
            assert time.monotonic() < until
            time.sleep(0.1)
        page = httpx.get(told.read_text(), follow_redirects=True)
        assert page.status_code == 200
        assert 'name="password"' in page.text
    finally:
        serving.send_signal(signal.SIGINT)
        serving.wait(60)


def test_where_the_port_is_taken_another_one_is_found():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port(port) not in (0, port)
    assert free_port(port) == port
