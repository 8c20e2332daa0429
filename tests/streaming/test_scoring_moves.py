"""What a rebalance and a restart restore: the state of what moved, once, and of nothing else."""

import json
import re
import signal
import subprocess
import time
import urllib.error
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deploy.servers.server import free_ports
from tests.streaming.test_scoring_worker import (
    PARTITIONS,
    Cluster,
    Log,
    asked,
    cluster,
    recorded,  # noqa: F401
)

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

ALL = set(range(PARTITIONS))
PARTS = 4


@dataclass(frozen=True)
class Told:
    """A worker, and what it says of itself."""

    said: Path
    port: int
    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, one: Cluster, said: Path) -> "Told":
        port = free_ports(1)[0]
        return cls(said, port, one.start(said, AML_WORKER_PORT=str(port)))

    @property
    def restored(self) -> list[tuple[int, int]]:
        """The partitions whose state it has restored, one after the other, each with the offset that it began at."""
        told = [json.loads(each) for each in self.said.read_text().splitlines() if '"state_restored"' in each]
        return [(each["partition"], each["offset"]) for each in told]

    @property
    def joined(self) -> int:
        """How many partitions it has taken over, with the log behind their state."""
        found = re.search(r"(?m)^aml_state_restore_seconds_count (\d+)", asked(self.port, "/metrics"))
        assert found is not None
        return int(found[1])

    @property
    def holds(self) -> set[int]:
        """The partitions that it reads."""
        try:
            return {int(each) for each in json.loads(asked(self.port, "/lag"))["partitions"]}
        except urllib.error.URLError:  # It does not listen yet.
            return set()


@dataclass
class Moving:
    """Workers that share a log, of which a part more is given each time."""

    one: Cluster
    log: Log
    store: Path
    parts: int = 0
    ends: list[int] = field(default_factory=list)
    """The ends of the log when the part was judged that was given last."""

    def give(self) -> None:
        """Give the next part, and wait until it is judged, with all that partitions tell of it, and saved."""
        self.parts += 1
        for number, records in enumerate(self.log.records):
            start, stop = ((self.parts - each) * len(records) // PARTS for each in (1, 0))
            self.one.produce(number, records[start:stop])
        self.ends = self.one.wait_until_judged()
        for number, end in enumerate(self.ends):
            assert (self.store / f"{self.one.topics[0]}-{number}" / f"engine-{end:016d}.json").exists()

    def until(self, what: Callable[[], bool]) -> None:
        end = time.monotonic() + 240
        while not what():
            assert all(each.poll() is None for each in self.one.workers), "a worker ended by itself"
            assert time.monotonic() < end
            time.sleep(0.2)


def test_a_rebalance_and_a_restart_restore_what_moved_once_and_nothing_that_stayed(
    recorded: Log,  # noqa: F811
    kafka_bootstrap: str,
    tmp_path: Path,
):
    with cluster(kafka_bootstrap, tmp_path, recorded) as one:
        moving = Moving(one, recorded, tmp_path / "store")
        stays = Told.start(one, tmp_path / "stays.log")
        moving.give()
        expected = [(number, 0) for number in ALL]
        assert sorted(stays.restored) == expected
        for how in (signal.SIGTERM, signal.SIGKILL):
            came_at = moving.ends
            comes = Told.start(one, tmp_path / f"{how.name}.log")
            # It takes them up one after the other; without any of them, both hold all of what they had.
            moving.until(lambda comes=comes: comes.holds and sorted([*comes.holds, *stays.holds]) == sorted(ALL))
            moved = comes.holds
            assert stays.holds == ALL - moved
            moving.give()
            assert sorted(comes.restored) == [(number, came_at[number]) for number in sorted(moved)]
            assert comes.joined == len(moved)
            assert sorted(stays.restored) == sorted(expected)
            one.stop(comes.process, how)
            moving.until(lambda: stays.holds == ALL)
            expected += [(number, moving.ends[number]) for number in moved]
            if moving.parts < PARTS:
                moving.give()
        wanted = one.compare(recorded)
        assert len(wanted.alerts) > 20
        assert min(wanted.heard_of()) > 50  # What was told is heard, also by what moved.
        assert one.legs.ends() == moving.ends
        assert sorted(stays.restored) == sorted(expected)
        # Only a record makes a state meet the log. What came back last has none: all was committed.
        assert stays.joined == len(expected) - len(moved)
