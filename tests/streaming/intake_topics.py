"""Topics with names of their own, an intake worker on them, and all that is in them."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from typing import Any
from uuid import uuid4

from confluent_kafka import Consumer, Message, Producer, TopicPartition
from pydantic import SecretStr

from monitor.adapters.kafka.legs_log import kind_of
from monitor.adapters.kafka.payment_chunks import KIND, PaymentChunk, decode
from monitor.adapters.kafka.topics import Topic, TopicAdmin
from monitor.app.settings import KafkaSettings, Settings, StoreSettings, WorkerSettings
from monitor.app.streaming.intake import IntakeTopics, IntakeWorker
from tests.streaming.committed import committed

KEY = b"a key of the tests, 32 bytes long"[:32]
LEGS = 5
WAIT_SECONDS = 120.0
SESSION_MS = 6_000
"""The shortest that brokers allow: so long the partitions of a worker that was killed wait."""


@dataclass(frozen=True)
class TopicsHere:
    """A broker and topics of one test."""

    bootstrap: str
    topics: IntakeTopics

    @classmethod
    def make(cls, bootstrap: str, *, transactions: int = 3) -> "TopicsHere":
        """New, empty topics."""
        some = uuid4().hex[:12]
        topics = IntakeTopics(f"{some}-in", f"{some}-legs", f"{some}-refused", f"{some}-identities")
        here = cls(bootstrap, topics)
        numbers = dict(zip(astuple(topics), (transactions, LEGS, 2, 2), strict=True))
        wanted = {name: Topic(partitions=count, purpose="x") for name, count in numbers.items()}
        TopicAdmin(here.client).create(wanted, replication=1)
        return here

    @property
    def client(self) -> dict[str, str]:
        """Settings of a client."""
        return {"bootstrap.servers": self.bootstrap}

    def settings(self, **worker: Any) -> Settings:
        """Settings of a worker."""
        return Settings(
            kafka=KafkaSettings(bootstrap=self.bootstrap),
            store=StoreSettings(token_key=SecretStr(KEY.hex())),
            worker=WorkerSettings(**{"port": 0} | worker),
        )

    def send(
        self, values: Sequence[bytes], *, headers: Sequence[tuple[str, bytes]] = (), partition: int | None = None
    ) -> None:
        """Put messages into topic ``transactions``, one partition after the other, and wait until they are taken."""
        producer = Producer({**self.client, "log_level": "0", "acks": "all"})
        partitions = TopicAdmin(self.client).partitions()[self.topics.transactions]
        for number, value in enumerate(values):
            to = number % partitions if partition is None else partition
            producer.produce(self.topics.transactions, value, partition=to, headers=list(headers))
            producer.poll(0)
        assert producer.flush(WAIT_SECONDS) == 0

    def all_of(self, topic: str) -> list[Message]:
        """Everything in a topic, by partition and offset."""
        consumer = Consumer({**self.client, "group.id": uuid4().hex, "enable.auto.commit": "false", "log_level": "0"})
        found = []
        for partition in range(TopicAdmin(self.client).partitions()[topic]):
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), WAIT_SECONDS)
            at = low
            if low < high:
                consumer.assign([TopicPartition(topic, partition, low)])
            while at < high:
                message = consumer.poll(WAIT_SECONDS)
                assert message is not None, f"{topic} {partition}: nothing at {at} of {high}"
                assert message.error() is None, message.error()
                found.append(message)
                at = message.offset() + 1
        consumer.close()
        return found

    def chunks(self) -> list[tuple[int, PaymentChunk]]:
        """The chunks in topic ``legs``, each with its partition."""
        return [
            (message.partition(), decode(message.value()))
            for message in self.all_of(self.topics.legs)
            if kind_of(message.headers()) == KIND
        ]

    def committed(self, group: str) -> list[int]:
        """The offsets of a group in topic ``transactions``, by partition."""
        partitions = TopicAdmin(self.client).partitions()[self.topics.transactions]
        consumer = Consumer({**self.client, "group.id": group, "enable.auto.commit": "false", "log_level": "0"})
        asked = [TopicPartition(self.topics.transactions, partition) for partition in range(partitions)]
        offsets = [max(each.offset, 0) for each in committed(consumer, asked)]
        consumer.close()
        return offsets


@contextmanager
def running(worker: IntakeWorker) -> Iterator[IntakeWorker]:
    """A worker at work in a thread of its own, stopped at the end; what it raised is raised here."""
    raised: list[BaseException] = []

    def work() -> None:
        try:
            worker.run()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        thread.join(WAIT_SECONDS)
    assert not thread.is_alive(), "the worker did not stop"
    if raised:
        raise raised[0]


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so, at most two."""
    pause = threading.Event()
    for _ in range(int(WAIT_SECONDS * 20)):
        if is_so():
            return
        pause.wait(0.05)
    raise AssertionError("it did not come to be so in time")
