"""Two processes on one store: writers take turns, a killed one leaves whole commits and no claim behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from monitor.adapters.sql.schema import alerts
from monitor.adapters.sql.store import CaseStore, StoreBusy, open_store
from monitor.casework.position import RunPosition
from tests.casework.alert_building import stored

ROOT = Path(__file__).parents[2]

WRITE_MANY = """
import sys
from monitor.adapters.sql.store import open_store
from monitor.casework.position import RunPosition
from tests.casework.alert_building import stored
place, run, first, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
with open_store(place, create=True) as store:
    store.claim_run(run)
    print("claimed", flush=True)
    for n in range(first, first + count):
        store.commit_batch([stored(n)], RunPosition(run, 0, n, n + 1, 0), recorded_at_us=n)
        print(n, flush=True)
"""


def start(place: str, run: str, first: int, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITE_MANY, place, run, str(first), str(count)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


def stored_count(store: CaseStore) -> int:
    with store.reading() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(alerts)).scalar_one()


def test_two_writers_take_turns_and_lose_nothing(place):
    # Both create the store, and all alerts are of one subject, so that every commit meets the other's.
    writers = [start(place, "one", 0, 30), start(place, "two", 1000, 30)]
    for writer in writers:
        writer.communicate(timeout=60)
    assert [writer.returncode for writer in writers] == [0, 0]
    with open_store(place) as store:
        verified = store.verify()
        assert (stored_count(store), verified.entries, verified.roots) == (60, 60, 60)
        assert verified.findings == ()
        assert verified.chains == 1


def test_a_killed_writer_leaves_whole_commits_and_its_run_can_be_claimed_again(place):
    writer = start(place, "one", 0, 10_000)
    assert writer.stdout is not None
    acknowledged = -1
    while acknowledged < 12:
        line = writer.stdout.readline().strip()
        acknowledged = int(line) if line.isdigit() else acknowledged
    with open_store(place) as store, pytest.raises(StoreBusy, match="is already writing the run 'one'"):
        store.claim_run("one")
    os.kill(writer.pid, signal.SIGKILL)
    writer.communicate(timeout=30)
    with open_store(place) as store:
        store.claim_run("one")
        position = store.position("one")
        assert position is not None
        assert position.log_position == stored_count(store) > acknowledged
        assert store.verify().findings == ()


def test_a_second_writer_waits_and_then_says_whom_for(place):
    with open_store(place, create=True) as first, open_store(place, busy_seconds=0.2) as second:
        with first.writing() as connection:
            connection.execute(sa.select(1))
            with pytest.raises(StoreBusy, match=r"another process is writing and did not finish within 0\.2 s"):
                second.commit_batch([stored(0)], RunPosition("r", 0, 0, 1, 0), recorded_at_us=1)
        second.commit_batch([stored(0)], RunPosition("r", 0, 0, 1, 0), recorded_at_us=1)
        assert stored_count(first) == 1


def test_readers_are_not_stopped_by_a_writer_and_see_whole_commits(place):
    with open_store(place, create=True) as store, open_store(place) as other:
        store.commit_batch([stored(0)], RunPosition("r", 0, 0, 1, 0), recorded_at_us=1)
        with store.writing() as connection:
            connection.execute(alerts.update().values(title="half done"))
            assert other.verify().findings == ()
            assert stored_count(other) == 1


def test_a_claim_is_per_run_and_ends_with_the_store(place):
    with open_store(place, create=True) as first, open_store(place) as second:
        first.claim_run("one")
        first.claim_run("one")
        second.claim_run("two")
        with pytest.raises(StoreBusy):
            second.claim_run("one")
        first.close()
        second.claim_run("one")


def test_a_run_needs_a_plain_name(place):
    with open_store(place, create=True) as store, pytest.raises(ValueError, match="not a name of a run"):
        store.claim_run("../elsewhere")
