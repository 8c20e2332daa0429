"""The profile worker: topic ``profiles`` into Redis, and announcements into ``legs``.

::

    profiles -> check -> refused
                  |
                  +-> Redis: the version, and whom its accounts concern
                  +-> identities: what its tokens stand for
                  +-> legs: announced to the home of the customer and of all who share an account
                  +-> commit of the offsets

Everything is made in this order for a batch of records, and each step only once the one before is acknowledged. So an
announced version can always be fetched, and a kill at any moment loses nothing: what was not committed is read and made
again. A version that is kept already is kept once, and an announcement that comes twice changes nothing.

While Redis or the brokers do not answer, the worker is not ready, says why, and tries the same batch again after a wait
that doubles up to :data:`WAIT_SECONDS_MAX`. It stays a member of its group meanwhile. A batch has at most
:data:`BATCH_MAX` records.

Its log and its metrics name the dependency that does not answer; only ``/ready`` has the words.

A version under a number that is kept with other content is refused. A record without a value, by which a compacted
topic forgets a key, is passed over: the version in force stays.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka import KafkaError as Code

from monitor.adapters.kafka import identity_records, profile_records, refused_profiles
from monitor.adapters.kafka.profile_records import Announcements
from monitor.adapters.kafka.topics import KafkaError
from monitor.adapters.redis.profiles import Profiles, ProfilesUnavailable, Stored, Written
from monitor.app.streaming.book import Book
from monitor.app.streaming.profile_batch import ProfileBatch, ProfileMessage, announcements, differing, read_batch
from monitor.app.streaming.recording import ProfilesMetrics
from monitor.app.streaming.standing import Standing
from monitor.app.streaming.telling import telling
from monitor.domain.refusal import Refusal

GROUP = "aml-profiles"
BATCH_MAX = 500
WAIT_SECONDS_FIRST, WAIT_SECONDS_MAX = 0.1, 5.0
SENT_MAX = 262_144
"""Identifiers of which is known that they were sent; beyond it all of them are sent again."""
_POLL_SECONDS = 0.1
_SESSION_MS = 10_000
"""After so long the brokers take a killed worker for dead and give its partitions to another."""
_DELIVERY_SECONDS = 30
_FETCHED_KBYTES = 32_768
_ROWS_MAX = 10_000
"""Most announcements of a record: 320 kB."""
_METADATA_MS = 5_000
"""How often the brokers are asked for the topic: one that has just been started may not know it yet."""
_LAG_SECONDS = 1.0
"""How often the lag is shown."""
_LASTING = (Code.TOPIC_AUTHORIZATION_FAILED, Code.GROUP_AUTHORIZATION_FAILED)


class Readiness(Protocol):
    """Who is told whether the worker goes on."""

    def live(self) -> None:
        """The worker has gone round once more."""

    def ready(self, is_ready: bool, reason: str = "") -> None:
        """Whether it can work, and if not, why."""


@dataclass(frozen=True, slots=True)
class ProfileTopics:
    """Names of the topics."""

    profiles: str = "profiles"
    legs: str = "legs"
    refused: str = "refused"
    identities: str = "identities"


class ProfileWorker:
    """Reads with others of its group; :meth:`run` goes on until :meth:`stop`.

    Args:
        client: Settings of the Kafka client.
        kept: Where profiles are kept.
        key: The key of the tokens.
        health: Who is told whether the worker goes on.
        topics: Names of the topics.
        group: The consumer group.
        from_start: Read the topic from its beginning once more, to fill an emptied Redis.
        metrics: Where it records what it does; nowhere that can be read without.
    """

    def __init__(
        self,
        client: dict[str, str],
        kept: Profiles,
        key: bytes,
        health: Readiness,
        *,
        topics: ProfileTopics | None = None,
        group: str = GROUP,
        from_start: bool = False,
        metrics: ProfilesMetrics | None = None,
    ) -> None:
        self.metrics = metrics or ProfilesMetrics(Book())
        self._standing = Standing(telling("profiles"), "profiles_refused")
        self._lag_at = 0.0
        self._client, self._kept, self._key, self._health = client, kept, key, health
        self._where, self._topics = client["bootstrap.servers"], topics or ProfileTopics()
        self.counts: Counter[str] = Counter()
        """Records, profiles, repeated, refused, emptied, announcements, identities, waits, commits_failed and
        accounts_over_parties_max, for metrics."""
        self._consumer = Consumer(
            {"group.id": group, "enable.auto.commit": "false", "auto.offset.reset": "earliest",
             "queued.max.messages.kbytes": str(_FETCHED_KBYTES), "session.timeout.ms": str(_SESSION_MS),
             "topic.metadata.refresh.interval.ms": str(_METADATA_MS), "log_level": "0", "error_cb": self._take_note,
             **client}
        )  # fmt: skip
        self._producer: Producer | None = None
        self._failed: str | None = None
        self._partitions = 0
        self._sent: set[bytes] = set()
        self._is_from_start, self._rewound = from_start, set[int]()
        self._is_waiting, self._is_moved, self._is_troubled = False, False, False
        self._stopping = threading.Event()

    # Going ----------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """End :meth:`run` after the batch in hand; may be called from a signal handler or another thread."""
        self._stopping.set()

    def run(self) -> None:
        """Work until :meth:`stop`.

        Raises:
            KafkaError: The brokers refuse this worker for good.
        """
        self._consumer.subscribe([self._topics.profiles], on_assign=self._take_over, on_revoke=self._give_up)
        try:
            self._insist(self._count_partitions)
            while not self._stopping.is_set():
                self._health.live()
                read = self._read()
                # What comes after partitions have moved is this worker's own; what came before is only repeated.
                self._is_moved = False
                messages = [each for each in read if each.error() is None]
                if messages:
                    self._insist(partial(self._take, messages))
                if len(messages) < len(read) or self._is_troubled:
                    self._is_troubled = False
                    self._insist(self._count_partitions)
                self._show_lag()
        finally:
            self._consumer.close()
            self.metrics.ready(False, "it has stopped")

    def _read(self) -> list[Message]:
        """What comes, errors that pass by themselves too."""
        try:
            read = self._consumer.consume(BATCH_MAX, _POLL_SECONDS)
        except KafkaException as error:
            raise KafkaError(f"{self._where}: {self._topics.profiles}: {error.args[0].str()}.") from None
        for each in read:
            told = each.error()
            if told is not None and (told.fatal() or told.code() in _LASTING):
                raise KafkaError(f"{self._where}: {self._topics.profiles}: {told.str()}.")
        return read

    def _insist(self, work: Callable[[], None]) -> None:
        """Do something until it is done, the worker is stopped, or its partitions went elsewhere."""
        wait_seconds = WAIT_SECONDS_FIRST
        while not self._stopping.is_set() and not self._is_moved:
            try:
                work()
            except (ProfilesUnavailable, KafkaError) as error:
                self._tell(error)
                self.counts["waits"] += 1
                self._wait(wait_seconds)
                wait_seconds = min(2 * wait_seconds, WAIT_SECONDS_MAX)
            else:
                self._tell(None)
                return
        self._is_troubled = True  # It was not done: the brokers are asked once more whether all is well.

    def _tell(self, error: ProfilesUnavailable | KafkaError | None) -> None:
        """Whether the work goes on: to whoever asks, and into the log when it changes."""
        failed = None if error is None else "redis" if isinstance(error, ProfilesUnavailable) else "kafka"
        for name in ("redis", "kafka") if failed is None else (failed,):
            self.metrics.dependency(name, failed is None)
        reason = "" if error is None else str(error)
        self._health.ready(error is None, reason)
        self.metrics.ready(error is None, reason)
        if failed is None:
            self._standing.tell(True, partitions=len(self._consumer.assignment()))
        else:
            self._standing.tell(False, dependency=failed, error=error)

    def _wait(self, seconds: float) -> None:
        """Let time pass and stay a member of the group; nothing is fetched meanwhile."""
        self._is_waiting = True
        try:
            self._pause()
            left = seconds
            while left > 0 and not self._stopping.is_set():
                self._health.live()
                self._consumer.poll(min(left, _POLL_SECONDS))
                left -= _POLL_SECONDS
        finally:
            self._is_waiting = False
            self._consumer.resume(self._consumer.assignment())

    def _pause(self) -> None:
        self._consumer.pause(self._consumer.assignment())

    def _take_over(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for each in partitions:
            if self._is_from_start and each.partition not in self._rewound:
                each.offset = OFFSET_BEGINNING
                self._rewound.add(each.partition)
        consumer.assign(partitions)
        # One that was taken away while it was paused comes back paused.
        (consumer.pause if self._is_waiting else consumer.resume)(partitions)

    def _give_up(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """The batch in hand is read again by whoever has its partitions next."""
        self._is_moved = True
        for each in partitions:
            self.metrics.gone(each.partition)

    def _take_note(self, error: Code) -> None:
        """Where no broker answers, that is made certain, and told, before the work goes on."""
        self._is_troubled |= error.code() == Code._ALL_BROKERS_DOWN

    def _count_partitions(self) -> None:
        """How many partitions the log has: homes depend on it."""
        try:
            listed = self._consumer.list_topics(timeout=5)
        except KafkaException as error:
            raise KafkaError(
                f"{self._where}: no broker answers ({error.args[0].str()}). Start one, or set AML_KAFKA_BOOTSTRAP."
            ) from None
        wanted = (self._topics.profiles, self._topics.legs, self._topics.refused, self._topics.identities)
        missing = [name for name in wanted if name not in listed.topics]
        if missing:
            raise KafkaError(f"{self._where}: topics {', '.join(missing)} are not there. Make them:  aml topics create")
        self._partitions = len(listed.topics[self._topics.legs].partitions)

    # A batch --------------------------------------------------------------------------------------------

    def _take(self, messages: Sequence[Message]) -> None:
        came = [
            ProfileMessage(each.partition() or 0, each.offset() or 0, value)
            for each in messages
            if (value := each.value()) is not None
        ]
        began = time.perf_counter()
        batch = read_batch(came, key=self._key)
        written = self._kept.write(batch.versions)
        refused = [*batch.refused, *differing(batch, written)]
        announced, homes = announcements(batch.versions, written, self._kept, partitions=self._partitions)
        self._send(batch, refused, announced)
        # Once they are announced, so that a kill in between announces them again.
        self._kept.note_homes(homes)
        self._commit(messages)
        self._count(len(messages), len(came), written, refused)
        now = time.time()
        self.metrics.written(
            sum(each.stored is Stored.NEW for each in written),
            taken=len(came), seconds=time.perf_counter() - began, at_seconds=now,
        )  # fmt: skip
        reasons = Counter(refusal.reason.value for _, refusal in refused)
        self.metrics.refused(reasons)
        self.metrics.delay("wall", time.perf_counter() - began)
        self.metrics.delay_since("broker", [each.timestamp()[1] * 1_000 for each in messages], now_us=int(now * 1e6))
        self._standing.refused(reasons)

    def _show_lag(self) -> None:
        """How many records wait, once a second, as the last answers of the brokers say."""
        if time.monotonic() < self._lag_at:
            return
        self._lag_at = time.monotonic() + _LAG_SECONDS
        for each in self._consumer.position(self._consumer.assignment()):
            _, end = self._consumer.get_watermark_offsets(each, cached=True)
            if each.offset >= 0:
                self.metrics.lag(each.partition, max(end - each.offset, 0))

    def _send(
        self,
        batch: ProfileBatch,
        refused: Sequence[tuple[ProfileMessage, Refusal]],
        announced: dict[int, list[tuple[bytes, int, int]]],
    ) -> None:
        """Everything that is made of a batch: announcements last, once what they rest on is there."""
        identities = {token: value for token, value in batch.identities.items() if token not in self._sent}
        for token, value in identities.items():
            self._put(self._topics.identities, value, key=token, headers=identity_records.HEADERS)
        for source, refusal in refused:
            value, headers = refused_profiles.encode(refusal, partition=source.partition, offset=source.offset)
            self._put(self._topics.refused, value, key=source.place.encode(), headers=headers)
        self._flush()
        for partition, rows in announced.items():
            for first in range(0, len(rows), _ROWS_MAX):
                value = profile_records.encode(Announcements.of(rows[first : first + _ROWS_MAX]))
                self._put(self._topics.legs, value, partition=partition, headers=profile_records.HEADERS)
        self._flush()
        self.counts["identities"] += len(identities)
        self.counts["announcements"] += sum(map(len, announced.values()))
        if len(self._sent) + len(identities) > SENT_MAX:
            self._sent.clear()
        self._sent |= identities.keys()

    def _put(
        self,
        topic: str,
        value: bytes,
        *,
        headers: list[tuple[str, bytes]],
        key: bytes | None = None,
        partition: int = -1,
    ) -> None:
        if self._producer is None:
            self._producer = Producer(
                {**self._client, "acks": "all", "enable.idempotence": "true", "compression.type": "lz4",
                 "linger.ms": "1", "message.timeout.ms": str(_DELIVERY_SECONDS * 1_000), "log_level": "0"}
            )  # fmt: skip
        while True:
            try:
                self._producer.produce(
                    topic, value, key, partition=partition, headers=list(headers), on_delivery=self._delivered
                )
                return
            except BufferError:
                self._producer.poll(_POLL_SECONDS)
            except KafkaException as error:
                self._failed = f"topic {topic}: {error.args[0].str()}"
                self._flush()

    def _delivered(self, error: Code | None, message: Message) -> None:
        if error is not None and self._failed is None:
            self._failed = f"topic {message.topic()}: {error.str()}"

    def _flush(self) -> None:
        """Wait until the brokers have taken everything; the next try begins with another producer if not."""
        if self._producer is None:
            return
        until = _DELIVERY_SECONDS + 5.0
        while (left := self._producer.flush(1.0)) and until > 0:
            self._health.live()
            until -= 1.0
        failed = self._failed or (f"{left} records were not acknowledged in time" if left else None)
        if failed:
            self._producer.purge()
            self._producer, self._failed = None, None
            raise KafkaError(f"{self._where}: {failed}. The batch is made again.")

    def _commit(self, messages: Sequence[Message]) -> None:
        """A commit that fails is harmless: the next one covers it, or the work is repeated."""
        next_offset = {each.partition(): (each.offset() or 0) + 1 for each in messages}
        offsets = [TopicPartition(self._topics.profiles, at or 0, offset) for at, offset in next_offset.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException:
            self.counts["commits_failed"] += 1

    def _count(
        self, records: int, came: int, written: Sequence[Written], refused: Sequence[tuple[ProfileMessage, Refusal]]
    ) -> None:
        stored = Counter(each.stored for each in written)
        self.counts["records"] += records
        self.counts["emptied"] += records - came
        self.counts["profiles"] += stored[Stored.NEW]
        self.counts["repeated"] += stored[Stored.SAME]
        self.counts["refused"] += len(refused)
        self.counts["accounts_over_parties_max"] += sum(named.is_cut for each in written for named in each.accounts)
        self.counts.update(f"refused {refusal.reason.value}" for _, refusal in refused)
