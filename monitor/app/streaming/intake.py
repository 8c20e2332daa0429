"""The intake worker: messages of topic ``transactions`` in, chunks of payments out, each to the homes of its keys.

::

    transactions -> decode -> legs        each payment to the partition of each of its keys, in column chunks;
                                          and where refused ones stood, for those who count
                          -> refused      what cannot be decoded, with the reason and the original bytes
                          -> identities   identifiers that this worker has not met before

The worker keeps nothing that matters: offsets are committed once everything made from them is acknowledged, and a
worker that was killed makes some chunks again. The duplicate filter of scoring drops them.

What is made of messages is :mod:`monitor.app.streaming.intake_making`; here they are read, and offsets committed.

Limits: what one read takes (:data:`READ_MESSAGES`, :data:`PREFETCH_BYTES`), what waits to be sent (while
the brokers are slow, nothing more is read), and rounds that wait for acknowledgement.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from confluent_kafka import KafkaError as Code

from monitor.adapters.kafka.fetching import FETCH_MIN_BYTES
from monitor.adapters.kafka.outbox import Outbox
from monitor.adapters.kafka.topics import KafkaError, TopicAdmin
from monitor.app.inputs import LoadedInputs, load_inputs
from monitor.app.settings import Settings
from monitor.app.streaming.arriving import ArrivedMessage
from monitor.app.streaming.book import Book
from monitor.app.streaming.given import given_inputs
from monitor.app.streaming.health import Health
from monitor.app.streaming.intake_feeds import feed_and_content
from monitor.app.streaming.intake_making import IDENTIFIERS_MAX, Came, IntakeMaking, IntakeTopics
from monitor.app.streaming.pauses import Garbage
from monitor.app.streaming.recording import IntakeMetrics
from monitor.app.streaming.standing import Standing
from monitor.app.streaming.telling import telling
from monitor.app.streaming.tracing import tracing_of
from monitor.domain.transaction import Int64s

__all__ = ["IntakeTopics", "IntakeWorker"]

GROUP = "aml-intake"
READ_MESSAGES = 16_384
FETCH_BYTES = 8 << 20
PREFETCH_BYTES = 16 << 20
"""How much is fetched ahead; a read takes at most that, and what is fetched meanwhile."""
OPEN_ROUNDS_MAX = 64
SESSION_MS = 10_000
READY_LAG = 100_000
"""With more messages waiting a worker is not ready."""
PROBE_SECONDS = 1.0
"""How long brokers that were gone may take to answer, and how often they are asked."""
_COMMIT_SECONDS = 0.2
_POLL_MS_MAX = 300_000

Offsets = dict[int, int]
"""By partition of ``transactions``, the offset from which to go on."""


@dataclass(frozen=True, slots=True)
class _Read:
    """What a round was made from: where to go on, and when the brokers got each message."""

    offsets: Offsets
    came_us: Int64s


class IntakeWorker:
    """Reads with others of its group; :meth:`run` goes on until :meth:`stop`.

    Args:
        settings: Brokers, key of the tokens, rules and entities, size and delay of chunks.
        loaded: The rulebook and the entities, where they are loaded already.
        topics: Names of the topics.
        group: The consumer group.
        identifiers_max: How many identifiers are kept.
        queued_bytes_max: How much may wait to be sent.
        session_ms: After so long without a sign of life the partitions go to other workers.

    Raises:
        SettingsError: The key of the tokens is not given.
        KafkaError: The brokers do not answer, or a topic is missing.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        loaded: LoadedInputs | None = None,
        topics: IntakeTopics | None = None,
        group: str = GROUP,
        identifiers_max: int = IDENTIFIERS_MAX,
        queued_bytes_max: int = 64 << 20,
        session_ms: int = SESSION_MS,
    ) -> None:
        self._topics, self._worker = topics or IntakeTopics(), settings.worker
        client = settings.kafka.client()
        self._where = client["bootstrap.servers"]
        self.partitions = self._partitions_of_legs(client)
        self.loaded = loaded or load_inputs(given_inputs(settings.inputs))
        book = Book()
        self.health = Health(settings.worker.host, settings.worker.port, book.registry)
        self.metrics = IntakeMetrics(book, self.health)
        self._log, self.tracing = telling("intake"), tracing_of("intake")
        self._standing = Standing(self._log)
        self._brokers_gone, self._probe_at = "", 0.0
        self._garbage = Garbage()
        for feed in settings.worker.feeds:
            self._heard(feed)
        self.outbox: Outbox[_Read] = Outbox(client, queued_bytes_max=queued_bytes_max)
        self.making = IntakeMaking(
            settings.store.key(), self.loaded, self._topics, self.partitions, self.outbox.send,
            knows_entities=settings.inputs.entities is not None, chunk_rows=settings.worker.chunk_rows,
            identifiers_max=identifiers_max,
        )  # fmt: skip
        self.counts = self.making.counts
        """Those of the making, and commits that failed."""
        self._stopping = threading.Event()
        self._acknowledged: Offsets = {}
        """Of the partitions that are this worker's, up to where everything is acknowledged."""
        self._is_due = False
        """Whether some of that is not committed."""
        self._own: set[int] = set()
        """Partitions of ``transactions`` that are this worker's."""
        self._is_assigned = False
        self._read_to: Offsets = {}
        """Up to where each of them is read; before the first message, where reading begins."""
        self._is_closing = False
        self._committed_at = time.monotonic()
        self._consumer = Consumer(
            {**client, "group.id": group, "enable.auto.commit": "false", "auto.offset.reset": "earliest",
             "partition.assignment.strategy": "cooperative-sticky", "max.poll.interval.ms": str(_POLL_MS_MAX),
             "session.timeout.ms": str(session_ms),
             "queued.max.messages.kbytes": str(PREFETCH_BYTES >> 10), "fetch.max.bytes": str(FETCH_BYTES),
             "fetch.min.bytes": str(FETCH_MIN_BYTES), "fetch.wait.max.ms": str(settings.worker.fetch_wait_ms),
             "on_commit": self._committed, "log_level": "0"}
        )  # fmt: skip

    def _partitions_of_legs(self, client: Mapping[str, str]) -> int:
        there = TopicAdmin(client).partitions()
        missing = [name for name in astuple(self._topics) if name not in there]
        if missing:
            raise KafkaError(f"{self._where}: topics {', '.join(missing)} are not there. Make them:  aml topics create")
        return there[self._topics.legs]

    # Going ----------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """End :meth:`run` after what is being made; may be called from a signal handler or another thread."""
        self._stopping.set()

    def run(self) -> None:
        """Work until :meth:`stop`; what was made is then acknowledged and committed.

        Raises:
            KafkaError: The brokers did not take a record in time, or refuse this worker.
            HealthError: The port of health and metrics cannot be had.
        """
        self._consumer.subscribe(
            [self._topics.transactions], on_assign=self._receive, on_revoke=self._give_up, on_lost=self._lose
        )
        with self.health:
            try:
                while not self._stopping.is_set():
                    self._step()
                self._take(self.outbox.flush())
                self._commit()
            finally:
                self._is_closing = True
                self._consumer.close()
                self.tracing.close()

    def _step(self) -> None:
        self.health.live()
        messages = self._read()
        if messages:
            self._make(messages)
        self._take(self.outbox.settled())
        while self.outbox.open_rounds > OPEN_ROUNDS_MAX:
            self._take(self.outbox.settled(wait_seconds=0.05))
        if time.monotonic() - self._committed_at >= _COMMIT_SECONDS:
            self._commit(is_waiting=False)
            self._show()

    def _read(self) -> list[Message]:
        """What comes within ``chunk_ms``."""
        try:
            read = self._consumer.consume(READ_MESSAGES, self._worker.chunk_ms / 1_000)
        except KafkaException as error:
            raise KafkaError(f"{self._where}: {self._topics.transactions}: {error.args[0].str()}.") from None
        for wrong in [message.error() for message in read if message.error() is not None]:
            self._judge(wrong)
        # Partitions that were given up within this read are another worker's, from what was committed then on.
        return [message for message in read if message.error() is None and message.partition() in self._own]

    def _judge(self, error: Any) -> None:
        """Go on after what passes by itself."""
        lasting = {Code.UNKNOWN_TOPIC_OR_PART, Code.TOPIC_AUTHORIZATION_FAILED, Code.GROUP_AUTHORIZATION_FAILED}
        if error.code() == Code._ALL_BROKERS_DOWN and not self._brokers_gone:
            self._brokers_gone = f"{self._where}: no broker answers ({error.str()})"
            self.metrics.dependency("kafka", False)
            self._log.error("dependency_failed", dependency="kafka")
        if error.fatal() or error.code() in lasting:
            raise KafkaError(f"{self._where}: {self._topics.transactions}: {error.str()}.")

    def _make(self, messages: Sequence[Message]) -> None:
        """Everything that is made from some messages, as one round."""
        began = time.perf_counter()
        said = [feed_and_content(message.headers()) for message in messages]
        came = [
            ArrivedMessage(m.partition(), m.offset(), m.value(), content)  # type: ignore[arg-type]
            for m, (_, content) in zip(messages, said, strict=True)
        ]
        came_us = np.array([message.timestamp()[1] for message in messages], np.int64) * 1_000
        with self.tracing.step("intake", records=len(came)) as trace:
            made = self.making.make(Came(came, [feed for feed, _ in said], came_us), trace)
        self._garbage.leave_what_is_here()
        offsets = {each.partition: each.offset + 1 for each in came}
        self._read_to |= offsets
        self.outbox.end_round(_Read(offsets, came_us))
        for feed in made.feeds:
            self._heard(feed)
        self._standing.refused(made.refused)
        self.metrics.refused(made.refused)
        self.metrics.passed(
            taken=made.payments + made.refused.total(), given=made.rows, seconds=time.perf_counter() - began
        )

    def _heard(self, feed: str) -> None:
        """A record of a feed has come; at the start of the worker, its silence begins to count."""
        self.metrics.feed(feed, last_seconds=time.time(), silent_after_seconds=self._worker.feeds.get(feed))

    # Committing -----------------------------------------------------------------------------------------

    def _take(self, rounds: Sequence[_Read]) -> None:
        for each in rounds:
            self._acknowledged |= {number: at for number, at in each.offsets.items() if number in self._own}
            self._is_due = True
            self.metrics.delay_since("broker", each.came_us, now_us=time.time_ns() // 1_000)
            if not self._brokers_gone:
                self.metrics.dependency("kafka", True)

    def _commit(self, *, is_waiting: bool = True) -> None:
        """Commit what is acknowledged. While commits fail, a worker that starts repeats work, which is harmless."""
        self._committed_at = time.monotonic()
        if not self._is_due or not self._acknowledged:
            return
        topic = self._topics.transactions
        offsets = [TopicPartition(topic, each, at) for each, at in self._acknowledged.items()]
        self._is_due = False
        try:
            if is_waiting:
                self._consumer.commit(offsets=offsets, asynchronous=False)
            else:
                self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException:
            self._is_due = True
            self.counts["commits_failed"] += 1

    def _committed(self, error: Any, _offsets: Sequence[TopicPartition]) -> None:
        """Have a commit that failed made again: with what is acknowledged by then, so that none ever goes back."""
        if error is not None:
            self._is_due = True
            self.counts["commits_failed"] += 1

    def _show(self) -> None:
        """Lag and readiness: ready with its partitions, which may be none, nearly caught up."""
        behind, unknown = 0, 0
        for number in sorted(self._own):
            lag = self._lag_of(number)
            if lag is None:
                unknown += 1
                continue
            behind += lag
            self.metrics.lag(number, lag)
        why = "" if self._is_assigned else "no partitions are assigned to it yet"
        if self._brokers_gone and not self._do_brokers_answer():
            why = self._brokers_gone
        if unknown:
            why = why or f"how much waits in {unknown} partitions is not known yet"
        why = why or (f"{behind} messages wait" if behind > READY_LAG else "")
        self.metrics.ready(not why, why)
        self._standing.tell(not why, partitions=len(self._own), records=behind)

    def _lag_of(self, number: int) -> int | None:
        """How many messages of a partition wait; ``None`` while nothing was fetched since it was assigned."""
        place = TopicPartition(self._topics.transactions, number)
        try:
            _, end = self._consumer.get_watermark_offsets(place, cached=True)
            if end >= 0 and number not in self._read_to and time.monotonic() >= self._probe_at:
                self._read_to[number] = self._begin_of(place)
        except KafkaException:
            self._probe_at = time.monotonic() + PROBE_SECONDS
            return None
        read_to = self._read_to.get(number)
        return None if end < 0 or read_to is None else max(end - read_to, 0)

    def _begin_of(self, place: TopicPartition) -> int:
        """Where reading a partition begins: at what is committed, and not before the first message that is there."""
        low, _ = self._consumer.get_watermark_offsets(place, timeout=PROBE_SECONDS, cached=False)
        (committed,) = self._consumer.committed([place], timeout=PROBE_SECONDS)
        return max(committed.offset, low)  # Without a commit the offset is negative.

    def _do_brokers_answer(self) -> bool:
        """Ask those that were gone, once a second; the client itself says nothing of success."""
        if time.monotonic() < self._probe_at:
            return False
        try:
            self._consumer.list_topics(self._topics.transactions, timeout=PROBE_SECONDS)
        except KafkaException:
            self._probe_at = time.monotonic() + PROBE_SECONDS
            return False
        self._brokers_gone = ""
        self.metrics.dependency("kafka", True)
        return True

    def _receive(self, _consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        self._is_assigned = True
        self._own |= {each.partition for each in partitions}

    def _give_up(self, _consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        """Partitions go to another worker: it goes on where this one has brought everything home."""
        if not self._is_closing:
            self._take(self.outbox.flush())
            self._commit()
        self._forget(partitions)

    def _lose(self, _consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        """Partitions went to another worker already, which repeats what was not committed."""
        if not self._is_closing:
            self._take(self.outbox.flush())
        self._forget(partitions)

    def _forget(self, partitions: Sequence[TopicPartition]) -> None:
        for each in partitions:
            self._own.discard(each.partition)
            self._read_to.pop(each.partition, None)
            self.metrics.gone(each.partition)
            self._acknowledged.pop(each.partition, None)
