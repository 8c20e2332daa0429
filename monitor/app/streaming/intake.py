"""The intake worker: messages of topic ``transactions`` in, chunks of payments out, each to the homes of its keys.

::

    transactions -> decode -> legs        each payment to the partition of each of its keys, in column chunks
                          -> refused      what cannot be decoded, with the reason and the original bytes
                          -> identities   identifiers that this worker has not met before

The worker keeps nothing that matters: offsets are committed once everything made from them is acknowledged, and a
worker that was killed makes some chunks again. The duplicate filter of scoring drops them.

Limits: what one read takes (:data:`READ_MESSAGES`, :data:`PREFETCH_BYTES`), what waits to be sent (while
the brokers are slow, nothing more is read), rounds that wait for acknowledgement, and the table of identifiers. With
more than ``identifiers_max`` it is begun anew: identifiers that come from then on are sent to ``identities`` once more.
"""

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from confluent_kafka import KafkaError as Code

from monitor.adapters.kafka import identity_records, payment_chunks, refused_records
from monitor.adapters.kafka.outbox import RECORD_BYTES_MAX, Outbox
from monitor.adapters.kafka.payment_chunks import ChunkEncoder, SourcedBatch
from monitor.adapters.kafka.topics import KafkaError, TopicAdmin
from monitor.app.inputs import LoadedInputs, RunIdentifiers, load_inputs
from monitor.app.settings import Settings
from monitor.app.streaming.arriving import Arrivals, ArrivedMessage
from monitor.app.streaming.book import Book
from monitor.app.streaming.given import given_inputs
from monitor.app.streaming.health import Health
from monitor.app.streaming.recording import IntakeMetrics
from monitor.domain.transaction import Int64s
from monitor.engine.binding import bind
from monitor.engine.ownership import destinations
from monitor.intake.identifiers import IdentifierTable

GROUP = "aml-intake"
READ_MESSAGES = 16_384
FETCH_BYTES = 8 << 20
PREFETCH_BYTES = 16 << 20
"""How much is fetched ahead; a read takes at most that, and what is fetched meanwhile."""
IDENTIFIERS_MAX = 4_000_000
"""Some 100 bytes each: 400 MB."""
OPEN_ROUNDS_MAX = 64
SESSION_MS = 10_000
READY_LAG = 100_000
"""With more messages waiting a worker is not ready."""
_COMMIT_SECONDS = 0.2
_POLL_MS_MAX = 300_000
_CHUNK_HEADERS = [("kind", payment_chunks.KIND.encode()), ("format", str(payment_chunks.FORMAT).encode())]

Offsets = dict[int, int]
"""By partition of ``transactions``, the offset from which to go on."""


@dataclass(frozen=True, slots=True)
class _Read:
    """What a round was made from: where to go on, and when the brokers got each message."""

    offsets: Offsets
    came_us: Int64s


@dataclass(frozen=True, slots=True)
class IntakeTopics:
    """Where the worker reads and writes."""

    transactions: str = "transactions"
    legs: str = "legs"
    refused: str = "refused"
    identities: str = "identities"


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
        self._key = settings.store.key()
        self._topics, self._worker, self._inputs = topics or IntakeTopics(), settings.worker, settings.inputs
        self._identifiers_max = identifiers_max
        client = settings.kafka.client()
        self._where = client["bootstrap.servers"]
        self.partitions = self._partitions_of_legs(client)
        self.loaded = loaded or load_inputs(given_inputs(settings.inputs))
        self.further_kinds = further_kinds_of(self.loaded, self._key)
        self.counts: Counter[str] = Counter()
        """Messages, payments, refused, rows sent, chunks, identifiers, tables begun and commits that failed."""
        book = Book()
        self.health = Health(settings.worker.host, settings.worker.port, book.registry)
        self.metrics = IntakeMetrics(book, self.health)
        self.outbox: Outbox[_Read] = Outbox(client, queued_bytes_max=queued_bytes_max)
        self._stopping = threading.Event()
        self._acknowledged: Offsets = {}
        """Of the partitions that are this worker's, up to where everything is acknowledged."""
        self._is_due = False
        """Whether some of that is not committed."""
        self._own: set[int] = set()
        """Partitions of ``transactions`` that are this worker's."""
        self._is_assigned = False
        self._read_to: Offsets = {}
        self._is_closing = False
        self._committed_at = time.monotonic()
        self._begin_table()
        self._consumer = Consumer(
            {**client, "group.id": group, "enable.auto.commit": "false", "auto.offset.reset": "earliest",
             "partition.assignment.strategy": "cooperative-sticky", "max.poll.interval.ms": str(_POLL_MS_MAX),
             "session.timeout.ms": str(session_ms),
             "queued.max.messages.kbytes": str(PREFETCH_BYTES >> 10), "fetch.max.bytes": str(FETCH_BYTES),
             "on_commit": self._committed, "log_level": "0"}
        )  # fmt: skip

    def _partitions_of_legs(self, client: Mapping[str, str]) -> int:
        there = TopicAdmin(client).partitions()
        missing = [name for name in astuple(self._topics) if name not in there]
        if missing:
            raise KafkaError(f"{self._where}: topics {', '.join(missing)} are not there. Make them:  aml topics create")
        return there[self._topics.legs]

    def _begin_table(self) -> None:
        """An empty table of identifiers, and what reads and writes by it."""
        self.identifiers = IdentifierTable(self._key)
        entities = self.loaded.entities
        self._arrivals = Arrivals(
            self._topics.transactions,
            self.identifiers,
            entities=frozenset(entities.entities) if self._inputs.entities else None,
            default_entity=entities.default,
            zone=entities.entities[entities.default].zone,
        )
        self._chunks = ChunkEncoder(self.identifiers)
        self._sent_identifiers = 0
        self.counts["tables"] += 1

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
        if error.fatal() or error.code() in lasting:
            raise KafkaError(f"{self._where}: {self._topics.transactions}: {error.str()}.")

    def _make(self, messages: Sequence[Message]) -> None:
        """Everything that is made from some messages, as one round."""
        began, rows = time.perf_counter(), self.counts["rows"]
        if len(self.identifiers) > self._identifiers_max:
            self._begin_table()
        came = [
            ArrivedMessage(m.partition(), m.offset(), m.value(), _content(m.headers()))  # type: ignore[arg-type]
            for m in messages
        ]
        arrived = self._arrivals.decode(came)
        self._send_identities()
        self._send_payments(arrived.payments)
        for refused in arrived.refused:
            value, headers = refused_records.encode(refused)
            self.outbox.send(self._topics.refused, value, key=refused.key, headers=headers)
        self.counts["messages"] += len(came)
        self.counts["payments"] += len(arrived.payments)
        self.counts["refused"] += len(arrived.refused)
        offsets = {each.partition: each.offset + 1 for each in came}
        self._read_to |= offsets
        came_us = np.array([message.timestamp()[1] for message in messages], np.int64) * 1_000
        self.outbox.end_round(_Read(offsets, came_us))
        self.metrics.refused(Counter(refused.reason for refused in arrived.refused))
        self.metrics.passed(
            taken=len(arrived.payments) + len(arrived.refused),
            given=self.counts["rows"] - rows,
            seconds=time.perf_counter() - began,
        )

    def _send_identities(self) -> None:
        count = len(self.identifiers)
        if count == self._sent_identifiers:
            return
        for token, value in identity_records.encode(self.identifiers, self._sent_identifiers):
            self.outbox.send(self._topics.identities, value, key=token, headers=identity_records.HEADERS)
        self.counts["identifiers"] += count - self._sent_identifiers
        self._sent_identifiers = count

    def _send_payments(self, payments: SourcedBatch) -> None:
        if not len(payments):
            return
        goes = destinations(payments.batch, self.identifiers.tokens, self.further_kinds, self.partitions)
        order = np.argsort(goes.partition, kind="stable")
        rows, partitions = goes.row[order], goes.partition[order]
        stops = _stops(partitions, self._worker.chunk_rows)
        for stop, start, value in zip(stops, (0, *stops), self._chunks.encode(payments, rows, stops), strict=False):
            self._send_chunk(payments, rows[start:stop], int(partitions[start]), value)
        self.counts["rows"] += len(rows)

    def _send_chunk(self, payments: SourcedBatch, rows: Int64s, partition: int, value: bytes) -> None:
        """Send a chunk, in halves where it is longer than a record may be."""
        if len(value) > RECORD_BYTES_MAX and len(rows) > 1:
            half = len(rows) // 2
            first, second = self._chunks.encode(payments, rows, [half, len(rows)])
            self._send_chunk(payments, rows[:half], partition, first)
            self._send_chunk(payments, rows[half:], partition, second)
            return
        self.outbox.send(self._topics.legs, value, partition=partition, headers=_CHUNK_HEADERS)
        self.counts["chunks"] += 1

    # Committing -----------------------------------------------------------------------------------------

    def _take(self, rounds: Sequence[_Read]) -> None:
        for each in rounds:
            self._acknowledged |= {number: at for number, at in each.offsets.items() if number in self._own}
            self._is_due = True
            self.metrics.delay_since("broker", each.came_us, now_us=time.time_ns() // 1_000)
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
        behind = 0
        for number, read_to in self._read_to.items():
            topic = self._topics.transactions
            _, end = self._consumer.get_watermark_offsets(TopicPartition(topic, number), cached=True)
            lag = max(end - read_to, 0)
            behind += lag
            self.metrics.lag(number, lag)
        why = "" if self._is_assigned else "no partitions are assigned to it yet"
        self.metrics.ready(not why and behind <= READY_LAG, why or f"{behind} messages wait")

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


def further_kinds_of(loaded: LoadedInputs, key: bytes) -> tuple[int, ...]:
    """Which kinds of keys besides holders the rulebook aggregates by (:mod:`monitor.engine.further_keys`)."""
    identifiers = RunIdentifiers(IdentifierTable(key))
    return bind(loaded.program, encode=identifiers.code, lists=loaded.lists).extra_kinds


def _content(headers: Any) -> str:
    for name, body in headers or ():
        if name == refused_records.CONTENT:
            return refused_records.text_of(body)
    return ""


def _stops(partitions: Any, rows_max: int) -> list[int]:
    """Where chunks end: at each change of partition, and after so many rows."""
    ends = [*(np.flatnonzero(np.diff(partitions)) + 1).tolist(), len(partitions)]
    stops = []
    start = 0
    for end in ends:
        stops += [*range(start + rows_max, end, rows_max), end]
        start = end
    return stops
