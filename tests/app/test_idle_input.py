"""While a producer is silent, what it sent is committed, and Ctrl-C is heard."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from monitor.adapters.sql.store import StoreError, open_store
from monitor.app.embedded import RUN
from monitor.intake.lines import read_lines
from monitor.intake.records import SourcePosition
from tests.app.embedded_stores import ENVIRONMENT, ROOT

PATIENCE_SECONDS = 240
"""Only a run that hangs takes so long."""


def payment(number: int) -> bytes:
    record = {
        "transaction_id": f"T{number}", "booked_at": f"2026-05-04T09:00:{number:02}Z", "creditor_customer": "C1",
        "creditor_account": "A1", "amount": "1.00", "currency": "USD",
    }  # fmt: skip
    return json.dumps(record).encode() + b"\n"


def committed(db: Path) -> int:
    try:
        with open_store(db) as store:
            position = store.position(RUN)
    except StoreError:
        # The run has only begun to make it.
        return 0
    return 0 if position is None else position.log_position


def wait_until(db: Path, records: int, child: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while committed(db) < records:
        assert child.poll() is None, "the run ended"
        assert time.monotonic() < until, f"{committed(db)} of {records} records are committed"
        time.sleep(0.05)


def test_the_last_records_of_a_silent_producer_are_committed_and_ctrl_c_stops_the_run(tmp_path: Path):
    db = tmp_path / "bank.db"
    child = subprocess.Popen(
        [sys.executable, "-m", "monitor", "run", "-", "--db", str(db), "--no-progress"], cwd=ROOT, env=ENVIRONMENT,
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert child.stdin is not None
        # The first record is committed with its chunk; the next ones come sooner than a commit is due.
        for number in range(4):
            child.stdin.write(payment(number))
            child.stdin.flush()
            wait_until(db, min(number, 1), child)
        wait_until(db, 4, child)
        child.send_signal(signal.SIGINT)
        assert child.wait(timeout=PATIENCE_SECONDS) == 130
        assert child.stderr is not None
        assert b"--resume" in child.stderr.read()
    finally:
        child.kill()
        child.communicate()


def test_silence_is_a_chunk_without_lines_and_moves_nothing(tmp_path: Path):
    reader, writer = os.pipe()
    chunks = read_lines("-", start=SourcePosition(0, 0), standard_input=reader)
    found = [next(chunks)]
    os.write(writer, b"one\ntw")
    found += [next(chunks), next(chunks)]
    os.write(writer, b"o\n")
    found.append(next(chunks))
    os.close(writer)
    found += chunks
    os.close(reader)
    assert [(each.lines, each.first_record, each.start.offset, each.after.offset) for each in found] == [
        (b"", 1, 0, 0),
        (b"one\n", 1, 0, 4),
        (b"", 2, 4, 4),
        (b"two\n", 2, 4, 8),
    ]
