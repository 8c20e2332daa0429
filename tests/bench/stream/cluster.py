"""A broker, a Redis and workers of one bank, each a process of its own, for as long as a bench lasts.

Brokers and Redis are started on free loopback ports and are nobody else's. Topics take the broker's time when a record
is appended (``LogAppendTime``), so that what is measured is when the broker has a record, not when a client made it.
Workers are the commands that operators start, ``aml worker KIND``, with the settings as shipped but for the bank's
files, the approval of the shipped rules and a port for metrics.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import msgspec
import psutil
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from prometheus_client.parser import text_string_to_metric_families

from deploy.servers.kafka import KafkaServer
from deploy.servers.redis import RedisServer
from deploy.servers.server import free_ports
from monitor.adapters.kafka import alert_records
from monitor.adapters.kafka.legs_log import kind_of
from monitor.adapters.kafka.topics import Topic, TopicAdmin
from monitor.domain.alert import Alert
from monitor.rulebook.load import shipped_rules
from tests.bench.banks import Bank

ROOT = Path(__file__).resolve().parents[3]
KEY = "0b" * 32
TRANSACTIONS, ALERTS = 4, 4
"""Partitions of these topics."""
PROFILES = 2
EVERY_SECONDS = 0.25
WAIT_SECONDS = 900.0
_STOP_SECONDS = 60.0
_PASSING = (KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS)
_SERVERS = {
    "log.message.timestamp.type": "LogAppendTime",
    "group.initial.rebalance.delay.ms": "3000",  # Workers that are started together begin together.
}


class BenchFailed(AssertionError):
    """The system did not do what is measured; the message says what, with the last that the workers said."""


class Record(NamedTuple):
    """A record of a topic."""

    partition: int
    came_us: int
    """When the broker had it, microseconds since 1970 UTC."""
    headers: Any
    value: bytes


class Sample(msgspec.Struct, frozen=True):
    """A worker at one moment."""

    at: float
    """Seconds, of a clock that never goes back."""
    cpu_seconds: float
    """Processor time of the process since its start, all threads, user and system."""
    taken: int
    """What it has taken in since its start."""
    rss_bytes: int
    lag: int
    """Records that wait, as it says itself."""


@dataclass(slots=True)
class Worker:
    """A process that answers on a port as :class:`monitor.app.streaming.health.Health` does."""

    kind: str
    process: subprocess.Popen[bytes]
    port: int
    said: Path

    def is_ready(self) -> bool:
        """Whether it says so."""
        try:
            return bool(self._ask("/ready"))
        except (HTTPError, URLError, OSError):
            return False

    def numbers(self) -> dict[tuple[str, ...], float]:
        """All metrics by name and the values of their labels."""
        text = self._ask("/metrics").decode()
        return {
            (each.name, *each.labels.values()): each.value
            for family in text_string_to_metric_families(text)
            for each in family.samples
        }

    def sample(self) -> Sample | None:
        """How it stands; ``None`` while it does not answer."""
        if self.process.poll() is not None:
            raise BenchFailed(f"worker {self.kind} ended by itself: {self.last()}")
        try:
            numbers, lag = self.numbers(), msgspec.json.decode(self._ask("/lag"))["records"]
        except (URLError, OSError):
            return None
        of = psutil.Process(self.process.pid)
        cpu = of.cpu_times()
        taken = sum(int(value) for name, value in numbers.items() if name[0] == "aml_records_in_total")
        return Sample(time.monotonic(), cpu.user + cpu.system, taken, of.memory_info().rss, lag)

    def outcomes(self) -> dict[str, int]:
        """What became of the payments that a scoring worker took in."""
        return {name[1]: int(value) for name, value in self.numbers().items() if name[0] == "aml_payments_total"}

    def stop(self) -> None:
        """End it in order: it brings home what it has in hand."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait()

    def last(self) -> str:
        """The last that it said."""
        return self.said.read_text(errors="replace")[-1_500:]

    def _ask(self, path: str) -> bytes:
        with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
            body: bytes = answer.read()
        return body


def end_in_order_on_sigterm() -> None:
    """For the commands of this folder: whoever ends one ends the servers and workers that it has started."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


class Cluster:
    """Servers and workers; a context manager that ends all of them.

    Args:
        folder: Where snapshots and what workers say are written; it must exist.
        bank: Whose rates and entities hold.
        legs: Partitions of ``legs``.
        settings: Further variables of the workers; they win.
    """

    def __init__(self, folder: Path, bank: Bank, *, legs: int, settings: Mapping[str, str] | None = None) -> None:
        self.folder, self.bank, self.legs = folder, bank, legs
        self.broker = KafkaServer(settings=_SERVERS, java=["-Xmx1g"])
        self.redis = RedisServer()
        self.store = folder / "store"
        self.workers: list[Worker] = []
        self._more = dict(settings or {})
        self._running = ExitStack()

    def __enter__(self) -> Self:
        self._running.enter_context(self.broker)
        self._running.callback(self.kill_all)
        self._running.enter_context(self.redis)
        counts = {"transactions": TRANSACTIONS, "legs": self.legs, "profiles": PROFILES, "identities": PROFILES,
                  "alerts": ALERTS, "refused": 1, "plain-alerts": 1}  # fmt: skip
        topics = {name: Topic(partitions=count, purpose="a bench") for name, count in counts.items()}
        TopicAdmin(self.client).create(topics, replication=1)
        self.counts = counts
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    @property
    def client(self) -> dict[str, str]:
        """Settings of a client of the broker."""
        return {"bootstrap.servers": self.broker.bootstrap}

    @property
    def env(self) -> dict[str, str]:
        """The settings of the workers."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("AML_")}
        return own | {
            "AML_KAFKA_BOOTSTRAP": self.broker.bootstrap, "AML_REDIS_URL": self.redis.address,
            "AML_DATABASE_URL": str(self.folder / "cases.db"), "AML_STORE_FOLDER": str(self.store),
            "AML_STORE_TOKEN_KEY": KEY, "AML_INPUTS_RATES": str(self.bank.folder / "rates.csv"),
            "AML_INPUTS_ENTITIES": str(self.bank.folder / "entities.yaml"),
            "AML_INPUTS_LISTS": str(shipped_rules()), "AML_INPUTS_APPROVE_EXAMPLES": "true",
        } | self._more  # fmt: skip

    def start(self, kind: str) -> Worker:
        """Start ``aml worker KIND``; it is not ready yet."""
        (port,) = free_ports(1)
        return self.run(kind, ["-m", "monitor", "worker", kind], port, {"AML_WORKER_PORT": str(port)})

    def run(self, kind: str, command: Sequence[str], port: int, env: Mapping[str, str] | None = None) -> Worker:
        """Start a Python program that will answer on a port."""
        path = self.folder / f"{kind}-{len(self.workers)}.log"
        with path.open("ab") as said:
            process = subprocess.Popen(
                [sys.executable, *command], cwd=ROOT, env=self.env | dict(env or {}), stdout=said, stderr=said
            )  # fmt: skip
        worker = Worker(kind, process, port, path)
        self.workers.append(worker)
        return worker

    def kill_all(self) -> None:
        """End every worker that still runs."""
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.kill()

    def wait(
        self, what: str, is_so: Callable[[], bool], seconds: float = WAIT_SECONDS, every_seconds: float = EVERY_SECONDS
    ) -> None:
        """Wait until something is so.

        Raises:
            BenchFailed: It did not come to be so in time, or a worker ended by itself.
        """
        until, mine = time.monotonic() + seconds, [each for each in self.workers if each.process.poll() is None]
        while not is_so():
            for worker in mine:
                if worker.process.poll() is not None:
                    raise BenchFailed(f"waiting for {what}: worker {worker.kind} ended by itself: {worker.last()}")
            if time.monotonic() > until:
                last = "\n".join(f"{worker.kind}: {worker.last()}" for worker in mine)
                raise BenchFailed(f"waiting for {what}: not within {seconds:g} s. The last that was said:\n{last}")
            time.sleep(every_seconds)

    def watch(
        self,
        workers: Sequence[Worker],
        until: Callable[[list[Sample]], bool],
        *,
        seconds: float = WAIT_SECONDS,
        every_seconds: float = EVERY_SECONDS,
    ) -> list[list[Sample]]:
        """Samples of each worker, taken together, until the newest of all of them answer to a condition."""
        found: list[list[Sample]] = [[] for _ in workers]

        def is_done() -> bool:
            now = [worker.sample() for worker in workers]
            known = [sample for sample in now if sample is not None]
            if len(known) < len(workers):
                return False
            for samples, sample in zip(found, known, strict=True):
                samples.append(sample)
            return until(known)

        self.wait(" and ".join(worker.kind for worker in workers), is_done, seconds, every_seconds)
        return found

    def rewind(self, group: str = "aml-score") -> None:
        """Let a group begin its topics anew, with nothing saved; its workers are stopped before."""
        admin = AdminClient(self.client)  # It must outlive what it is asked.
        until = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                admin.delete_consumer_groups([group])[group].result(60)
                break
            except KafkaException as error:  # A member that was killed is one until its session ends.
                if error.args[0].code() != KafkaError.NON_EMPTY_GROUP or time.monotonic() > until:
                    raise BenchFailed(f"group {group} cannot begin anew: {error.args[0].str()}") from None
                time.sleep(EVERY_SECONDS)
        shutil.rmtree(self.store, ignore_errors=True)

    def ends(self, topic: str) -> list[int]:
        """How many records each partition of a topic holds."""
        with self._reader("bench-ends") as reader:
            return [reader.get_watermark_offsets(place, timeout=60)[1] for place in self._places(topic)]

    def committed(self, group: str, topic: str) -> list[int]:
        """Up to where a group has committed each partition of a topic."""
        until = time.monotonic() + WAIT_SECONDS
        with self._reader(group) as reader:
            while True:
                try:
                    return [max(each.offset, 0) for each in reader.committed(self._places(topic), timeout=60)]
                except KafkaException as error:  # A group that is new has no coordinator yet.
                    if error.args[0].code() not in _PASSING or time.monotonic() > until:
                        raise BenchFailed(f"what group {group} has committed: {error.args[0].str()}") from None
                    time.sleep(EVERY_SECONDS)

    def records(self, topic: str, starts: Sequence[int] | None = None) -> Iterator[Record]:
        """All records of a topic up to its ends of now, each partition in its order, from some offsets on."""
        ends = self.ends(topic)
        begin = list(starts) if starts is not None else [0] * len(ends)
        left = sum(end - start for start, end in zip(begin, ends, strict=True))
        with self._reader("bench-records") as reader:
            reader.assign([TopicPartition(topic, number, start) for number, start in enumerate(begin)])
            until = time.monotonic() + WAIT_SECONDS
            while left > 0:
                for message in reader.consume(1_000, 0.2):
                    if message.error() is not None or message.offset() >= ends[message.partition()]:
                        continue
                    left -= 1
                    came_us = message.timestamp()[1] * 1_000
                    yield Record(message.partition(), came_us, message.headers(), message.value() or b"")
                if time.monotonic() > until:
                    raise BenchFailed(f"{left} records of {topic} could not be read within {WAIT_SECONDS:g} s")

    def alert_records(self, starts: Sequence[int] | None = None) -> Iterator[Record]:
        """The records of ``alerts`` that hold alerts; totals of feeds stand between them."""
        for record in self.records("alerts", starts):
            if kind_of(record.headers) == alert_records.KIND:
                yield record

    def alerts(self) -> Iterator[list[Alert]]:
        """The alerts of each record that holds some."""
        for record in self.alert_records():
            yield alert_records.decode(record.value)

    def bytes_on_disk(self, topic: str) -> int:
        """What the broker keeps of a topic, compressed as it came."""
        folders = (self.broker.folder / "data").glob(f"{topic}-[0-9]*")
        return sum(path.stat().st_size for folder in folders for path in folder.glob("*.log"))

    def _places(self, topic: str) -> list[TopicPartition]:
        return [TopicPartition(topic, number) for number in range(self.counts[topic])]

    @contextmanager
    def _reader(self, group: str) -> Iterator[Any]:
        reader: Any = Consumer({**self.client, "group.id": group, "enable.auto.commit": "false", "log_level": "0"})
        try:
            yield reader
        finally:
            reader.close()
