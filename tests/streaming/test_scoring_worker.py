"""Scoring workers at a real broker: killed, joined and left, they raise what undisturbed partitions raise.

Partitions tell each other of their customers, and where that stands in their logs depends on time. So what is wanted
is what the log leads to as the brokers have it in the end.
"""

import os
import random
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from deploy.servers.server import free_ports
from monitor.adapters.kafka.alert_records import decode
from monitor.adapters.kafka.topics import Topic, TopicAdmin
from monitor.adapters.snapshot_objects import FolderObjects
from monitor.adapters.snapshots import SnapshotStore
from monitor.app.inputs import LoadedInputs, load_inputs
from monitor.app.settings import load_settings
from monitor.app.state_formats import newest
from monitor.app.streaming.given import given_inputs
from monitor.app.streaming.partition import BANK, POSITIONS, LogRecord
from monitor.app.streaming.waiting_messages import WAITING_MAX
from monitor.domain.alert import Alert
from tests.app.embedded_stores import ROOT, simulated
from tests.streaming.legs_at_brokers import LegsAtBrokers, Undisturbed, told_in, undisturbed
from tests.streaming.legs_stream import KEY, LegsStream
from tests.streaming.no_profiles import NoProfiles

pytestmark = pytest.mark.kafka

PARTITIONS = 4
ALL = range(PARTITIONS)
OF_THE_BANK = ("engine.bank.", "engine.snapshot", "engine.peers.histograms")
"""How arrays of a saved state begin that say what the partition knows of the whole bank."""
INPUTS = {"AML_INPUTS_APPROVE_EXAMPLES": "true", "AML_INPUTS_MODELS": "off"}


@dataclass
class Cluster:
    """Topics of one test, and the workers on them."""

    client: dict[str, str]
    env: dict[str, str]
    group: str = field(default_factory=lambda: uuid4().hex)
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    produced: dict[int, list[tuple[str, bytes]]] = field(default_factory=lambda: {number: [] for number in ALL})
    """By partition, kinds and values of what the test has given."""

    @property
    def topics(self) -> tuple[str, str, str]:
        return f"{self.group}-legs", f"{self.group}-alerts", f"{self.group}-refused"

    def make_topics(self) -> None:
        wanted = {name: Topic(partitions=PARTITIONS, purpose="a test") for name in self.topics}
        TopicAdmin(self.client).create(wanted, replication=1)

    def start(self, said: Path | None = None, **more: str) -> subprocess.Popen[bytes]:
        """Start a worker that says to a file what it says; ``more`` are variables of its own."""
        with said.open("ab") if said else nullcontext() as file:
            worker = subprocess.Popen(
                [sys.executable, "-m", "tests.streaming.child_score", self.group, *self.topics],
                cwd=ROOT, env=os.environ | self.env | more, stderr=file,
            )  # fmt: skip
        self.workers.append(worker)
        return worker

    def stop(self, worker: subprocess.Popen[bytes], how: signal.Signals) -> None:
        worker.send_signal(how)
        worker.wait(60)
        self.workers.remove(worker)

    def produce(self, number: int, records: list[LogRecord]) -> None:
        producer = Producer({**self.client, "acks": "all", "enable.idempotence": "true", "log_level": "0"})
        for record in records:
            headers = [("kind", record.kind.encode()), ("format", b"1")]
            producer.produce(self.topics[0], record.value, partition=number, headers=headers)
        assert producer.flush(30) == 0
        self.produced[number] += [(record.kind, record.value) for record in records]

    @property
    def legs(self) -> LegsAtBrokers:
        return LegsAtBrokers(self.client, self.topics[0], self.group, PARTITIONS)

    def alerts(self) -> dict[str, Alert]:
        """All alerts so far by id; those that come again must be the same."""
        found: dict[str, Alert] = {}
        reader = Consumer({**self.client, "group.id": uuid4().hex, "enable.partition.eof": "true", "log_level": "0"})
        reader.assign([TopicPartition(self.topics[1], number, 0) for number in range(PARTITIONS)])
        ends = 0
        while ends < PARTITIONS:
            message: Any = reader.poll(20)
            assert message is not None
            if message.error() is not None:
                ends += 1
                continue
            for alert in decode(message.value()):
                assert found.setdefault(alert.alert_id, alert) == alert
        reader.close()
        return found

    def wait_for(self, wanted: dict[str, Alert], seconds: float = 240) -> None:
        """Wait until the alerts that are wanted are there, and compare."""
        until = time.monotonic() + seconds
        while not wanted.keys() <= (found := self.alerts()).keys() and time.monotonic() < until:
            assert all(worker.poll() is None for worker in self.workers), "a worker ended by itself"
            time.sleep(0.5)
        assert found == wanted

    def wait_until_judged(self, numbers: Collection[int] = ALL, seconds: float = 240) -> list[int]:
        """Wait until all that some partitions hold is judged and committed; the ends of all."""
        until = time.monotonic() + seconds
        while not self.legs.is_judged(numbers):
            assert all(worker.poll() is None for worker in self.workers), "a worker ended by itself"
            assert time.monotonic() < until, f"{self.legs.committed()} of {self.legs.ends()} is judged"
            time.sleep(0.3)
        return self.legs.ends()

    def compare(self, log: "Log", numbers: Collection[int] = ALL, seconds: float = 240) -> Undisturbed:
        """Wait until some partitions are judged to their ends, and compare what they led to with undisturbed ones.

        What the log holds of all is what the test has given, and what partitions have told each other.
        """
        self.wait_until_judged(numbers, seconds)
        logs = self.legs.logs()
        for number in ALL:
            given = [(record.kind, record.value) for record in logs[number] if record.kind != BANK]
            assert given == self.produced[number]
        wanted = undisturbed(logs, log.loaded, NoProfiles, numbers)
        found = self.alerts()
        assert {name: each for name, each in found.items() if each.position // POSITIONS in numbers} == wanted.alerts
        assert {key: values for key, values in told_in(logs).items() if key[0] in numbers} == wanted.told
        assert wanted.told.keys() == {(number, to) for number in numbers for to in ALL if to != number}
        return wanted


@dataclass(frozen=True)
class Log:
    """What each partition of the log is given."""

    records: list[list[LogRecord]]
    loaded: LoadedInputs
    """The rules and the like that workers have."""
    env: dict[str, str]
    """Settings that name rates and entities."""


@contextmanager
def cluster(bootstrap: str, folder: Path, log: Log, *, snapshot_seconds: float = 1.0) -> Iterator[Cluster]:
    env = INPUTS | log.env | {
        "AML_KAFKA_BOOTSTRAP": bootstrap, "AML_STORE_FOLDER": str(folder / "store"),
        "AML_STORE_TOKEN_KEY": KEY.hex(), "AML_WORKER_PORT": "0",
        "AML_WORKER_SNAPSHOT_SECONDS": str(snapshot_seconds),
    }  # fmt: skip
    one = Cluster({"bootstrap.servers": bootstrap}, env)
    one.make_topics()
    try:
        yield one
    finally:
        for worker in one.workers:
            worker.kill()
            worker.wait()


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Log:
    """One bank, all of whose payments go to each partition, and a second delivery of some."""
    source = simulated(tmp_path_factory.mktemp("bank"), customers=200, days=40, seed=50)
    env = {"AML_INPUTS_RATES": str(source.rates), "AML_INPUTS_ENTITIES": str(source.entities)}
    loaded = load_inputs(given_inputs(load_settings(INPUTS | env).inputs))
    values = [each.value for each in LegsStream.of(source.payments, loaded).records(rows=60)]
    values = [*values[:30], *values[20:40], *values[30:]]
    records = [LogRecord(offset, "payments", value) for offset, value in enumerate(values)]
    return Log([records] * PARTITIONS, loaded, env)


def test_workers_that_are_killed_join_and_leave_raise_what_undisturbed_ones_raise(
    recorded: Log, kafka_bootstrap: str, tmp_path: Path
):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    with cluster(kafka_bootstrap, tmp_path, recorded) as one:
        one.start()
        longest = max(len(records) for records in recorded.records)
        kills, step = 0, max(1, longest // 14)
        for start in range(0, longest, step):
            for number, records in enumerate(recorded.records):
                one.produce(number, records[start : start + step])
            time.sleep(rng.uniform(0.2, 2.5))
            if one.workers and rng.random() < 0.75:
                kills += 1
                one.stop(rng.choice(one.workers), rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]))
            while len(one.workers) < 1 or (len(one.workers) < 3 and rng.random() < 0.3):
                one.start()
        assert kills > 3
        wanted = one.compare(recorded)
        assert len(wanted.alerts) > 20
        assert min(wanted.heard_of()) > 50  # What was told is heard everywhere.
        compare_saved(one, tmp_path / "store", wanted)


def test_a_partition_that_is_blocked_waits_and_the_others_of_its_worker_do_not(
    recorded: Log, kafka_bootstrap: str, tmp_path: Path
):
    blocked = tmp_path / "redis is away"
    blocked.touch()
    with cluster(kafka_bootstrap, tmp_path, recorded) as one:
        one.env["AML_TEST_BLOCKED_WHILE"] = str(blocked)
        one.produce(0, [LogRecord(0, "profiles", b"")])
        for number, records in enumerate(recorded.records):
            one.produce(number, records)
        one.start()
        others = one.compare(recorded, ALL[1:])
        assert one.alerts() == others.alerts
        blocked.unlink()
        wanted = one.compare(recorded)
        assert 0 < len(others.alerts) < len(wanted.alerts)


def test_a_partition_that_cannot_be_judged_waits_and_is_said_while_the_others_of_its_worker_go_on(
    recorded: Log, kafka_bootstrap: str, tmp_path: Path
):
    at_fault = tmp_path / "a mistake of ours"
    at_fault.touch()
    health, faust = free_ports(2)
    with cluster(kafka_bootstrap, tmp_path, recorded) as one:
        one.env |= {
            "AML_TEST_RAISES_WHILE": str(at_fault), "AML_WORKER_PORT": str(health), "AML_WORKER_FAUST_PORT": str(faust),
        }  # fmt: skip
        one.produce(0, recorded.records[0][:3])
        one.produce(0, [LogRecord(0, "profiles", b"")])
        one.produce(0, recorded.records[0][3:])
        for _ in range(2 * WAITING_MAX // len(recorded.records[0])):  # More than may wait in memory: duplicates.
            one.produce(0, recorded.records[0])
        one.start()
        for number, records in list(enumerate(recorded.records))[1:]:
            one.produce(number, records)
        others = one.compare(recorded, ALL[1:])
        shows(health, "/ready", "partition 0 raises")
        shows(health, "/metrics", "(?m)^aml_step_errors_total [1-9]")
        shows(health, "/metrics", r'aml_partition_paused\{partition="0",worker="score"\} 1\.0')
        shows(faust, "/performance/", "assignment")
        before = one.alerts()
        at_fault.unlink()
        wanted = one.compare(recorded)
        assert 0 < len(others.alerts) <= len(before) < len(wanted.alerts)


def compare_saved(one: Cluster, store: Path, wanted: Undisturbed) -> None:
    """Compare what partitions saved last of the whole bank with what undisturbed ones hold, which heard all once."""
    ends = one.legs.ends()
    for number, partition in wanted.partitions.items():
        saved = newest(SnapshotStore(FolderObjects(store / f"{one.topics[0]}-{number}")), partition.engine)
        assert saved is not None
        assert saved.position == ends[number]
        held = {name: each for name, each in partition.save().items() if name.startswith(OF_THE_BANK)}
        assert len(held) > 5
        for name, each in held.items():
            assert np.array_equal(saved.arrays[name], each), name


def shows(port: int, path: str, pattern: str) -> None:
    """Wait until a worker's answer has something."""
    until = time.monotonic() + 120
    while not re.search(pattern, found := asked(port, path)):
        assert time.monotonic() < until, found
        time.sleep(0.2)


def asked(port: int, path: str) -> str:
    """What a worker answers, whatever the status."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        return error.read().decode()
