"""The whole streaming shell as processes of its own on one broker, and what an undisturbed run of its log leads to."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition

from monitor.adapters.kafka.alert_records import encode
from monitor.adapters.kafka.topics import Topic, TopicAdmin
from monitor.adapters.redis.profiles import ProfileStore
from monitor.adapters.sql.store import open_store
from monitor.app.inputs import LoadedInputs, load_inputs
from monitor.app.settings import Settings, load_settings
from monitor.app.streaming.announced_profiles import AnnouncedProfiles
from monitor.app.streaming.given import given_inputs
from monitor.app.streaming.partition import Partition
from monitor.app.streaming.token_table import TokenTable
from monitor.domain.alert import Alert
from tests.app.embedded_stores import ROOT, Source
from tests.streaming.alert_stream import Sent, home, undisturbed, without_inputs
from tests.streaming.committed import committed
from tests.streaming.legs_at_brokers import LegsAtBrokers, Logs, Undisturbed, told_in, without_repeats
from tests.streaming.legs_stream import KEY

LEGS, ALERTS = 4, 3
KINDS = ("intake", "score", "score", "cases", "profiles", "history")
TOPICS = {
    "transactions": Topic(partitions=3, purpose="a test"),
    "legs": Topic(partitions=LEGS, purpose="a test"),
    "profiles": Topic(partitions=2, purpose="a test", cleanup="compact"),
    "identities": Topic(partitions=2, purpose="a test", cleanup="compact"),
    "alerts": Topic(partitions=ALERTS, purpose="a test"),
    "refused": Topic(partitions=2, purpose="a test"),
}


@dataclass
class WholeStream:
    """Workers of every kind with the settings of one bank.

    Args:
        source: The bank's files.
        folder: Where snapshots and what the workers say are written.
        bootstrap: A broker that nobody else uses.
        redis: A Redis that nobody else uses.
        database: Where cases are kept.
    """

    source: Source
    folder: Path
    bootstrap: str
    redis: str
    database: str
    workers: list[tuple[str, subprocess.Popen[bytes]]] = field(default_factory=list)

    @property
    def env(self) -> dict[str, str]:
        return {
            "AML_KAFKA_BOOTSTRAP": self.bootstrap, "AML_REDIS_URL": self.redis, "AML_DATABASE_URL": self.database,
            "AML_STORE_FOLDER": str(self.folder / "store"), "AML_STORE_TOKEN_KEY": KEY.hex(),
            "AML_INPUTS_RATES": str(self.source.rates), "AML_INPUTS_ENTITIES": str(self.source.entities),
            "AML_INPUTS_APPROVE_EXAMPLES": "true", "AML_INPUTS_MODELS": "off", "AML_WORKER_PORT": "0",
            "AML_WORKER_SNAPSHOT_SECONDS": "1", "AML_WORKER_CHUNK_ROWS": "64",
        }  # fmt: skip

    @property
    def whole_env(self) -> dict[str, str]:
        """The environment of a command beside the workers."""
        return os.environ | self.env

    @property
    def settings(self) -> Settings:
        return load_settings(self.env)

    @property
    def loaded(self) -> LoadedInputs:
        return load_inputs(given_inputs(self.settings.inputs))

    def make_topics(self) -> None:
        TopicAdmin(self.settings.kafka.client()).create(TOPICS, replication=1)

    def start(self, kind: str, **more: str) -> None:
        """Start a worker; ``more`` are variables of its own."""
        with (self.folder / f"{kind}.log").open("ab") as said:
            worker = subprocess.Popen(
                [sys.executable, "-m", "monitor", "worker", kind], cwd=ROOT, env=os.environ | self.env | more,
                stdout=said, stderr=said,
            )  # fmt: skip
        self.workers.append((kind, worker))

    def kill(self, number: int, how: signal.Signals = signal.SIGKILL) -> str:
        kind, worker = self.workers.pop(number)
        worker.send_signal(how)
        worker.wait(60)
        return kind

    def restart(self, number: int, how: signal.Signals) -> None:
        """End a worker and start one of its kind in its place."""
        self.start(self.kill(number, how))
        self.workers.insert(number, self.workers.pop())

    def move(self, step: int, rng: random.Random) -> None:
        """A scoring worker more, or one of those that came leaves, in order or not."""
        if step > 0:
            self.start("score")
        else:
            self.kill(rng.randrange(len(KINDS), len(self.workers)), rng.choice([signal.SIGTERM, signal.SIGKILL]))

    def close(self) -> None:
        while self.workers:
            self.kill(0)

    def aml(self, *words: str) -> None:
        subprocess.run([sys.executable, "-m", "monitor", *words], cwd=ROOT, env=os.environ | self.env, check=True,
                       capture_output=True)  # fmt: skip

    def said(self) -> str:
        """The last that each kind of worker said."""
        return "\n".join(
            f"{path.name}: ...{path.read_text(errors='replace')[-1500:]}" for path in sorted(self.folder.glob("*.log"))
        )

    # What is there ------------------------------------------------------------------------------------

    def ends(self, topic: str) -> list[int]:
        """How many records each partition of a topic holds."""
        reader = Consumer({**self.settings.kafka.client(), "group.id": "ends", "log_level": "0"})
        try:
            return [
                reader.get_watermark_offsets(TopicPartition(topic, number), timeout=20)[1]
                for number in range(TOPICS[topic].partitions)
            ]
        finally:
            reader.close()

    def done(self, topic: str, group: str) -> list[int]:
        """Up to where a group has committed."""
        reader = Consumer({**self.settings.kafka.client(), "group.id": group, "log_level": "0"})
        places = [TopicPartition(topic, number) for number in range(TOPICS[topic].partitions)]
        try:
            return [max(each.offset, 0) for each in committed(reader, places)]
        finally:
            reader.close()

    def wait_until_done(self, seconds: float = 300) -> None:
        """Wait until every worker has committed all that there is to read."""
        pairs = (("transactions", "aml-intake"), ("profiles", "aml-profiles"), ("legs", "aml-score"),
                 ("alerts", "aml-cases"))  # fmt: skip
        until = time.monotonic() + seconds
        for topic, group in pairs:
            while (done := self.done(topic, group)) != (ends := self.ends(topic)):
                for kind, worker in self.workers:
                    assert worker.poll() is None, f"worker {kind} ended by itself: {self.said()}"
                assert time.monotonic() < until, f"{topic}: {done} of {ends} is done. {self.said()}"
                time.sleep(0.5)

    def fingerprint(self) -> dict[str, str]:
        with open_store(self.database) as store:
            assert store.verify().findings == ()
            return without_inputs(store.fingerprint())

    # What should be there -----------------------------------------------------------------------------

    def wanted(self) -> dict[str, str]:
        """The store of an undisturbed run of the recorded log: partition by partition, record by record.

        What partitions have told each other must be what undisturbed ones tell.
        """
        client = self.settings.kafka.client()
        logs, run = LegsAtBrokers(client, "legs", "aml-score", LEGS).logs(), Undisturbed()
        found = undisturbed(self.folder / "wanted.db", self._records(logs, run), self.loaded)
        assert told_in(logs) == run.told
        assert len(run.told) == LEGS * (LEGS - 1)
        return found

    def _records(self, logs: Logs, run: Undisturbed) -> Iterator[Sent]:
        kept = ProfileStore(self.redis)

        def profiles(tokens: TokenTable) -> AnnouncedProfiles:
            return AnnouncedProfiles(kept, tokens, wait_seconds=0)

        loaded = self.loaded
        for number, records in logs.items():
            partition = Partition(number, LEGS, loaded, KEY, profiles)
            for record in without_repeats(records):
                by_home: dict[int, list[Alert]] = defaultdict(list)
                for alert in run.take(partition, [record]):
                    by_home[home(alert.subject.token, ALERTS)].append(alert)
                yield from (Sent(place, encode(alerts)) for place, alerts in sorted(by_home.items()))


def parts(path: Path, count: int) -> list[bytes]:
    """The lines of a file in so many parts."""
    lines = path.read_bytes().splitlines(keepends=True)
    size = -(-len(lines) // count)
    return [b"".join(lines[start : start + size]) for start in range(0, len(lines), size)]


def disturbances(rng: random.Random, kills: int, stops: int) -> list[tuple[int, signal.Signals]]:
    """Which workers end, and how: so many by SIGKILL, each of them at least once, and so many in order."""
    every = [*range(len(KINDS)), *(rng.randrange(len(KINDS)) for _ in range(kills - len(KINDS)))]
    found = [(worker, signal.SIGKILL) for worker in every]
    found += [(rng.randrange(len(KINDS)), signal.SIGTERM) for _ in range(stops)]
    rng.shuffle(found)
    return found


def moves(rng: random.Random, count: int) -> list[int]:
    """So many times a scoring worker more or less: there are always two to four, and four at least once."""
    found, more = [1, 1, -1, -1], 0
    while len(found) < count:
        step = 1 if more == 0 else -1 if more == 2 else rng.choice([1, -1])
        found.append(step)
        more += step
    return found[:count]
