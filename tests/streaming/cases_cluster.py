"""What tests of the casework worker stand on: topics with records, a database, workers in processes or threads."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from monitor.adapters.kafka.topics import Topic, TopicAdmin
from monitor.adapters.sql.opening import store_url
from monitor.adapters.sql.store import StoreError, open_store
from monitor.app.settings import Settings
from monitor.app.streaming.cases import CasesWorker
from monitor.app.streaming.cases_group import Group
from monitor.app.streaming.health import Health
from tests.streaming.alert_stream import ALERTS, Sent
from tests.streaming.committed import committed

ROOT = Path(__file__).resolve().parents[2]
CHILD = Path(__file__).with_name("cases_child.py")
WAIT_SECONDS = 120.0


@contextmanager
def database(server: str) -> Iterator[str]:
    """An empty database of its own on a PostgreSQL server."""
    url, name = store_url(server), f"aml_test_{uuid4().hex[:12]}"
    admin = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    admin.dispose()
    yield url.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    admin.dispose()


def until(what: Callable[[], bool], why: str) -> None:
    """Wait until something holds."""
    end = time.monotonic() + WAIT_SECONDS
    while not what():
        assert time.monotonic() < end, why
        time.sleep(0.05)


@dataclass
class Cluster:
    """Topics of one test, and the workers on them."""

    bootstrap: str
    place: str
    inputs: dict[str, Any]
    folder: Path
    partitions: int = ALERTS
    name: str = field(default_factory=lambda: uuid4().hex[:12])
    sent: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        wanted = {
            f"{self.name}-alerts": Topic(partitions=self.partitions, purpose="x"),
            f"{self.name}-refused": Topic(partitions=1, purpose="x"),
        }
        TopicAdmin(self.client).create(wanted, replication=1)
        self.sent = [0] * self.partitions

    @property
    def client(self) -> dict[str, str]:
        return {"bootstrap.servers": self.bootstrap}

    @property
    def settings(self) -> dict[str, Any]:
        return {"kafka": {"bootstrap": self.bootstrap}, "database": {"url": self.place}, "inputs": self.inputs,
                "worker": {"port": 0}}  # fmt: skip

    def group(self, **more: Any) -> dict[str, Any]:
        return {"alerts": f"{self.name}-alerts", "refused": f"{self.name}-refused", "name": self.name,
                "session_seconds": 6.0} | more  # fmt: skip

    def produce(self, records: Iterable[Sent]) -> None:
        """Send records and wait until they are there."""
        producer = Producer({**self.client, "log_level": 0, "enable.idempotence": True})
        for each in records:
            headers = {"kind": b"alerts", "format": b"1", **each.headers}
            producer.produce(f"{self.name}-alerts", each.value, partition=each.partition, headers=headers)
            self.sent[each.partition] += 1
        assert producer.flush(30) == 0

    def is_done(self) -> bool:
        """Whether the store has read the topic to its end."""
        try:
            with open_store(self.place) as store:
                positions = [store.position(f"alerts-{n}") for n in range(self.partitions)]
        except (StoreError, sa.exc.DBAPIError):
            return False
        return [each.offset if each else 0 for each in positions] == self.sent

    def records_done(self) -> int:
        """How many records the store has read."""
        with open_store(self.place, create=True) as store:
            positions = [store.position(f"alerts-{n}") for n in range(self.partitions)]
        return sum(each.offset for each in positions if each)

    def fingerprint(self) -> dict[str, str]:
        with open_store(self.place) as store:
            assert store.verify().findings == ()
            return store.fingerprint()

    def counters(self) -> dict[str, int]:
        """The counters of all runs together."""
        found: dict[str, int] = {}
        with open_store(self.place) as store:
            for partition in range(self.partitions):
                for name, count in store.counters(f"alerts-{partition}").items():
                    found[name] = found.get(name, 0) + count
        return found

    def offsets_in_kafka(self) -> list[int]:
        """What the group has written for the display of its lag."""
        consumer = Consumer({**self.client, "group.id": self.name, "log_level": 0})
        asked = [TopicPartition(f"{self.name}-alerts", number) for number in range(self.partitions)]
        found = [each.offset for each in committed(consumer, asked)]
        consumer.close()
        return found

    def refused(self, count: int) -> list[Message]:
        """The first records of the topic of refused ones."""
        consumer = Consumer({**self.client, "group.id": uuid4().hex, "log_level": 0})
        consumer.assign([TopicPartition(f"{self.name}-refused", 0, 0)])
        found: list[Message] = []
        while len(found) < count:
            message = consumer.poll(30)
            assert message is not None, f"{len(found)} of {count} came"
            assert message.error() is None
            found.append(message)
        consumer.close()
        return found

    @contextmanager
    def worker(self, **group: Any) -> Iterator["Told"]:
        """A worker in a thread of this process."""
        lines: list[str] = []
        worker = CasesWorker(
            Settings.model_validate(self.settings), group=Group(**self.group(**group)), say=lines.append
        )
        told = Told(worker.health, lines)
        thread = threading.Thread(target=worker.run)
        thread.start()
        try:
            yield told
        finally:
            worker.stop()
            thread.join()

    def start(self, *, records_max: int = 2, **group: Any) -> "Child":
        """A worker in a process of its own."""
        given = {"settings": self.settings, "group": self.group(**group), "records_max": records_max}
        path = self.folder / f"{uuid4().hex}.json"
        path.write_text(json.dumps(given, default=str))
        return Child(path)


@dataclass
class Told:
    """What a worker in a thread said."""

    health: Health
    lines: list[str]

    @property
    def is_ready(self) -> bool:
        return self.health.answer("/ready")[0] == HTTPStatus.OK

    @property
    def reason(self) -> str:
        """Why it is not ready."""
        return str(json.loads(self.health.answer("/ready")[2])["reasons"].get("worker", ""))

    def metric(self, line: str) -> float:
        """What a series says."""
        text = self.health.answer("/metrics")[2].decode()
        return next((float(each.split()[-1]) for each in text.splitlines() if each.startswith(f"{line} ")), -1.0)


class Child:
    """A worker in a process; what it says is read by a thread."""

    def __init__(self, path: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(CHILD), str(path)], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.lines: list[str] = []
        self._new: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            self._new.put(line)

    def wait_for(self, words: str) -> None:
        """Wait until it says something that it has not said before."""
        end = time.monotonic() + WAIT_SECONDS
        while words not in self._new.get(timeout=max(0.01, end - time.monotonic())):
            pass

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()

    def terminate(self) -> str:
        """SIGTERM; everything that it said."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0, "".join(self.lines)
        self._reader.join()
        return "".join(self.lines)


def ended(children: Sequence[Child]) -> None:
    """End what a failed test has left."""
    for child in children:
        if child.process.poll() is None:
            child.kill()
