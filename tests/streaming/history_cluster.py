"""What tests of the history worker stand on: the logs of a bank in topics, workers in processes, folders to compare."""

import hashlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pyarrow.parquet as pq
from confluent_kafka import Consumer, Producer, TopicPartition

from monitor.adapters.block_log import BlockLog
from monitor.adapters.identity_files import identities_folder
from monitor.adapters.kafka import identity_records
from monitor.adapters.kafka.topics import Topic, TopicAdmin
from monitor.adapters.leg_history import HistoryAbsent, Manifest, history_folder, profile_events, read_manifest
from monitor.adapters.vault import PlainVault
from monitor.app.settings import Settings, load_settings
from monitor.app.streaming.partition import LogRecord
from tests.app.embedded_stores import ROOT
from tests.streaming.committed import committed

SECONDS = 90.0


def until(what: Callable[[], bool], why: str) -> None:
    """Wait until something holds."""
    end = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < end, why
        time.sleep(0.05)


@dataclass
class HistoryCluster:
    """Topics of one test, and the workers on them."""

    bootstrap: str
    redis: str
    folder: Path
    partitions: int
    name: str = field(default_factory=lambda: uuid4().hex[:12])
    workers: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    sent: dict[int, int] = field(default_factory=dict)
    port: int = 0

    @property
    def topics(self) -> tuple[str, str]:
        return f"{self.name}-legs", f"{self.name}-identities"

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def env(self) -> dict[str, str]:
        return {"AML_KAFKA_BOOTSTRAP": self.bootstrap, "AML_REDIS_URL": self.redis, "AML_WORKER_PORT": str(self.port),
                "AML_STORE_FOLDER": str(self.store)}  # fmt: skip

    @property
    def settings(self) -> Settings:
        return load_settings(self.env)

    def make_topics(self) -> None:
        legs, identities = self.topics
        wanted = {
            legs: Topic(partitions=self.partitions, purpose="a test"),
            identities: Topic(partitions=1, purpose="a test", cleanup="compact"),
        }
        TopicAdmin(self.settings.kafka.client()).create(wanted, replication=1)

    def produce(self, number: int, records: Sequence[LogRecord]) -> None:
        producer = Producer({"bootstrap.servers": self.bootstrap, "enable.idempotence": "true", "log_level": "0"})
        for record in records:
            headers = [("kind", record.kind.encode()), ("format", b"1")]
            producer.produce(self.topics[0], record.value, partition=number, headers=headers)
        assert producer.flush(30) == 0
        self.sent[number] = self.sent.get(number, 0) + len(records)

    def produce_identities(self, records: Sequence[tuple[bytes, bytes]]) -> None:
        producer = Producer({"bootstrap.servers": self.bootstrap, "enable.idempotence": "true", "log_level": "0"})
        for key, value in records:
            producer.produce(self.topics[1], value, key, headers=identity_records.HEADERS)
        assert producer.flush(30) == 0

    def start(self) -> "subprocess.Popen[bytes]":
        worker = subprocess.Popen(
            [sys.executable, "-m", "tests.streaming.child_history", self.name, *self.topics],
            cwd=ROOT, env=os.environ | self.env,
        )  # fmt: skip
        self.workers.append(worker)
        return worker

    def stop(self, worker: "subprocess.Popen[bytes]", how: signal.Signals) -> None:
        worker.send_signal(how)
        worker.wait(60)
        self.workers.remove(worker)

    def close(self) -> None:
        for worker in list(self.workers):
            self.stop(worker, signal.SIGKILL)

    def asked(self, path: str) -> str:
        """What a worker answers at its port; nothing while it does not listen."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            return error.read().decode()
        except OSError:
            return ""

    def history(self, number: int) -> Path:
        return history_folder(self.store, self.topics[0], number)

    def manifest(self, number: int) -> Manifest:
        try:
            return read_manifest(self.history(number))
        except HistoryAbsent:
            return Manifest()

    def is_done(self) -> bool:
        """Whether all that was sent is recorded."""
        return {number: self.manifest(number).offset for number in self.sent} == self.sent

    def committed(self) -> dict[int, int]:
        """Up to where the group has committed partitions of legs."""
        reader = Consumer({"bootstrap.servers": self.bootstrap, "group.id": self.name, "log_level": "0"})
        try:
            places = [TopicPartition(self.topics[0], number) for number in self.sent]
            return {each.partition: each.offset for each in committed(reader, places)}
        finally:
            reader.close()


def contents(folder: Path) -> dict[str, object]:
    """All that a partition's history says, however it is cut into files."""
    manifest = read_manifest(folder)
    tables = [
        pq.read_table(path, partitioning=None)
        for path in sorted((folder / "history").glob("day=*/part-*.parquet"), key=lambda path: path.stem)
    ]
    rows = [row for table in tables for row in table.to_pylist()]
    tokens = [
        row for path in sorted((folder / "history" / "_tokens").glob("*.parquet"))
        for row in pq.read_table(path, partitioning=None).to_pylist()
    ]  # fmt: skip
    vault = PlainVault(folder / "vault", read_only=True)
    kinds, offsets, texts = vault.identifiers()
    places = [vault.transaction_id(row) for row in range(manifest.rows)]
    vault.close()
    events = profile_events(folder, stop=manifest.offset)
    blocks = BlockLog(folder / "places.blocks", read_only=True)
    covered = [(block.first, block.stop) for block in blocks.blocks]
    blocks.close()
    assert [first for first, _ in covered[1:]] == [stop for _, stop in covered[:-1]]
    return {
        "manifest": manifest, "rows": rows, "tokens": tokens, "kinds": kinds.tolist(), "offsets": offsets.tolist(),
        "texts": hashlib.sha256(texts).hexdigest(), "places": places, "events": events,
    }  # fmt: skip


def identities_there(store: Path) -> bool:
    """Whether any identifier file is there."""
    return any(identities_folder(store).glob("part-*.db"))
