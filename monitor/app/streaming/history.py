"""The history worker: the log of legs and what tokens stand for, out of Kafka into the folder that all workers share.

::

    topic legs, partition 3 ─► RecordedLog ─► history/legs-3/: payments, profile versions, manifest with the offset
    topic identities         ─► IdentityFile ─► history/identities/: token, kind, text and the offset, one transaction

Workers share the partitions as one consumer group. The files decide what is read: a worker opens those of each
partition that it is given, begins at the offset that stands in them, and writes what it reads together with the next
offset. So a worker may die at any moment, and nothing is lost or repeated. Offsets in Kafka are written afterwards, to
show the lag.

Where the disk fails, or Redis does not answer, the partition concerned is paused and opened again later; so is one
whose files another process still holds. Pauses grow until a commit works: a full disk lets files be opened.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition
from confluent_kafka import KafkaError as Code

from monitor.adapters.block_log import DamagedError
from monitor.adapters.kafka.fetching import ends_of
from monitor.adapters.kafka.topics import SECONDS, KafkaError
from monitor.adapters.leg_history import HistoryBusy
from monitor.app.settings import Settings
from monitor.app.streaming.book import Book
from monitor.app.streaming.cases_group import Group, stopping_signals
from monitor.app.streaming.health import Health
from monitor.app.streaming.history_parts import IdentitiesPart, LegsPart, Part, Record
from monitor.app.streaming.leg_log import VersionsRead
from monitor.app.streaming.recording import HistoryMetrics
from monitor.app.streaming.telling import telling

GROUP = "aml-history"
RECORDS_MAX = 500
"""Records that are taken from the client's queue at once."""
TICK_SECONDS = 0.1
PAUSE_SECONDS, PAUSE_MAX_SECONDS = 0.25, 10.0
COMMIT_SECONDS = 5.0
"""How long records may wait for a commit; a partition that is read fast is committed by size."""
LAG_SECONDS = 1.0
PROBE_SECONDS = 1.0
"""How long brokers that were gone may take to answer."""
READY_LAG = 10_000
"""With more records waiting the worker is not ready."""
_FAILED = (OSError, DamagedError, sqlite3.Error, ValueError, pa.ArrowException)
"""What opening or writing files can raise."""


@dataclass(frozen=True, slots=True)
class HistoryTopics:
    """Names of topics."""

    legs: str = "legs"
    identities: str = "identities"


@dataclass(slots=True)
class _Held:
    """A partition that the group has given to this worker."""

    topic: str
    number: int
    part: Part | None = None
    is_reading: bool = False
    again_at: float = 0.0
    pause: float = PAUSE_SECONDS
    reason: str = "its files are not open yet"
    waiting: list[Record] = field(default_factory=list)
    """Records that wait for Redis."""
    lag: int = 0
    failed: Literal["", "opening", "writing"] = ""
    """What the disk refused; a full one refuses writing alone."""

    @property
    def name(self) -> str:
        return f"{self.topic} {self.number}"


class HistoryWorker:
    """One worker. :meth:`run` works until :meth:`stop`, SIGTERM or SIGINT.

    Args:
        settings: Of the surroundings.
        kept: Where profile versions are read.
        topics: Names of topics.
        group: With whom it shares; its names of topics are not used.
        commit_seconds: See :data:`COMMIT_SECONDS`.
        say: Shows a line to a person.
    """

    def __init__(
        self,
        settings: Settings,
        kept: VersionsRead,
        *,
        topics: HistoryTopics | None = None,
        group: Group | None = None,
        commit_seconds: float = COMMIT_SECONDS,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._settings, self._kept, self._topics = settings, kept, topics or HistoryTopics()
        self._group, self._say, self._commit_seconds = group or Group(name=GROUP), say, commit_seconds
        self._book = Book()
        self.health = Health(settings.worker.host, settings.worker.port, self._book.registry)
        self.metrics = HistoryMetrics(self._book, self.health)
        self._log = telling("history")
        self._client = settings.kafka.client()
        self._stopping = threading.Event()
        self._held: dict[tuple[str, int], _Held] = {}
        self._is_assigned = False
        self._told = self._brokers_gone = ""
        self._lags_at = 0.0

    def stop(self) -> None:
        """End after the batch in hand; what was read is committed."""
        self._stopping.set()

    def run(self) -> None:
        """Work until stopped.

        Raises:
            KafkaError: A topic is not there, is another than the files know, or the brokers refuse the worker.
        """
        with stopping_signals(self.stop), self.health:
            self._consumer = Consumer(self._group.consumer(self._client) | {"error_cb": self._noted})
            try:
                for topic in (self._topics.legs, self._topics.identities):
                    self._must_be(topic)
                self._consumer.subscribe(
                    [self._topics.legs, self._topics.identities],
                    on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked,
                )  # fmt: skip
                while not self._stopping.is_set():
                    self.health.live()
                    self._take_up()
                    self._take(self._messages())
                    self._commit_what_is_due()
                    self._show_lags()
                    self._tell()
            finally:
                self._give_up(list(self._held))
                self._consumer.close()
                self.metrics.ready(False, "it has stopped")

    # Partitions come and go -------------------------------------------------------------------------------

    def _assigned(self, consumer: Consumer, given: list[TopicPartition]) -> None:
        """Partitions are ours: paused until their files are open."""
        consumer.incremental_assign([TopicPartition(each.topic, each.partition, OFFSET_BEGINNING) for each in given])
        consumer.pause([TopicPartition(each.topic, each.partition) for each in given])
        for each in given:
            self._held[each.topic, each.partition] = _Held(each.topic, each.partition)
        self._is_assigned = True

    def _revoked(self, consumer: Consumer, taken: list[TopicPartition]) -> None:
        """Partitions go to another worker: what was read is committed where that works, and the files are let go."""
        self._give_up([(each.topic, each.partition) for each in taken])
        consumer.incremental_unassign(taken)

    def _give_up(self, keys: Sequence[tuple[str, int]]) -> None:
        for key in keys:
            held = self._held.pop(key, None)
            if held is None:
                continue
            if held.part is not None:
                with suppress(HistoryBusy, *_FAILED):
                    held.part.commit()
                self._close(held)
            if held.topic == self._topics.legs:
                self.metrics.gone(held.number)

    def _close(self, held: _Held) -> None:
        part, held.part = held.part, None
        if part is not None:
            with suppress(*_FAILED):
                part.close()

    def _take_up(self) -> None:
        """Open the files of partitions that are not open, and hand in again what waits for Redis."""
        for held in list(self._held.values()):
            if time.monotonic() < held.again_at or (held.is_reading and not held.waiting):
                continue
            if held.waiting:
                records, held.waiting = held.waiting, []
                self._record(held, records)
                continue
            try:
                held.part = held.part or self._open(held)
                self._read_on(held, held.part)
            except HistoryBusy as error:
                self._pause(held, str(error))
            except _FAILED as error:
                self._failed(held, error, held.failed or "opening")
            except KafkaException as error:
                self._pause(held, error.args[0].str(), is_open=True)

    def _open(self, held: _Held) -> Part:
        folder = self._settings.store.folder
        part: Part
        if held.topic == self._topics.legs:
            part = LegsPart(folder, held.topic, held.number, self._kept, self.metrics)
        else:
            part = IdentitiesPart(folder, held.number, self.metrics)
        if held.failed != "writing":
            self._works(held)
        return part

    def _read_on(self, held: _Held, part: Part) -> None:
        low, high = ends_of(self._consumer, _at(held))
        begin = part.offset
        if begin > high:
            raise KafkaError(
                f"{self._client['bootstrap.servers']}: topic {held.topic}: partition {held.number} ends at {high}, and "
                f"the history holds it to {begin}. The topic was made anew, or the store folder belongs to other "
                "brokers. Name the brokers and the folder that belong together."
            )
        if begin < low:
            part.missing(low)
            if begin:
                self._say(f"{held.name}: records {begin} to {low - 1} are gone from the topic and were never read.")
                self._log.error("records_gone", topic=held.topic, partition=held.number, offset=begin)
        self._consumer.seek(_at(held, max(begin, low)))
        self._consumer.resume([_at(held)])
        held.is_reading, held.reason = True, ""
        self._paused(held, False)
        # A worker that died between its files and Kafka has left a lag that is none.
        with suppress(KafkaException):
            self._consumer.commit(offsets=[_at(held, max(begin, low))], asynchronous=True)

    def _pause(self, held: _Held, reason: str, *, is_open: bool = False) -> None:
        """Stop reading a partition and try again later; what was read and is not committed is read again."""
        if not is_open:
            held.waiting = []
            self._close(held)
        with suppress(KafkaException):
            self._consumer.pause([_at(held)])
        held.is_reading, held.reason = False, reason.partition("\n")[0]
        held.again_at = time.monotonic() + held.pause
        held.pause = min(2 * held.pause, PAUSE_MAX_SECONDS)
        self._paused(held, True)

    def _paused(self, held: _Held, is_paused: bool) -> None:
        if held.topic == self._topics.legs:
            self.metrics.paused(held.number, is_paused)

    def _works(self, held: _Held) -> None:
        """The disk took what a partition asked of it."""
        held.failed = ""
        self.metrics.dependency("disk", not any(each.failed for each in self._held.values()))

    def _failed(self, held: _Held, error: Exception, what: Literal["opening", "writing"]) -> None:
        held.failed = what
        self._pause(held, f"its files cannot be used: {error}")
        self.metrics.dependency("disk", False)
        self._log.error("dependency_failed", topic=held.topic, partition=held.number, dependency="disk", error=error)

    # Records ----------------------------------------------------------------------------------------------

    def _messages(self) -> list[Message]:
        first = self._consumer.poll(TICK_SECONDS)
        return [] if first is None else [first, *self._consumer.consume(RECORDS_MAX - 1, timeout=0)]

    def _take(self, messages: Sequence[Message]) -> None:
        found: dict[tuple[str, int], list[Record]] = {}
        for message in messages:
            topic, number = message.topic(), message.partition()
            if message.error() is not None:
                self._fail(message)
            elif topic is not None and number is not None:
                found.setdefault((topic, number), []).append(Record.of(message))
        for key, records in found.items():
            held = self._held.get(key)
            if held is not None and held.is_reading:
                self._record(held, records)

    def _record(self, held: _Held, records: list[Record]) -> None:
        """Hand records to the files of their partition; what waits for Redis waits here."""
        assert held.part is not None
        try:
            blocked, rest = held.part.take(records)
        except _FAILED as error:
            self._failed(held, error, "writing")
            return
        if blocked is None:
            if not held.is_reading:
                held.is_reading, held.reason = True, ""
                # What the client had read ahead was let go.
                self._consumer.seek(_at(held, held.part.offset))
                self._consumer.resume([_at(held)])
                self._paused(held, False)
                self.metrics.dependency("redis", True)
            return
        held.waiting = rest
        self._pause(held, blocked, is_open=True)
        self.metrics.dependency("redis", False)

    def _fail(self, message: Message) -> None:
        error = message.error()
        assert error is not None
        held = self._held.get((message.topic() or "", message.partition() or 0))
        if error.code() == Code._AUTO_OFFSET_RESET and held is not None:
            self._pause(held, "its next record is gone from the topic")
        elif error.fatal():
            raise KafkaError(f"{self._client['bootstrap.servers']}: {error.str()}.")

    def _noted(self, error: Code) -> None:
        """The client says what it will try again; only that no broker is there matters."""
        if error.code() == Code._ALL_BROKERS_DOWN:
            self._brokers_gone = error.str()
            self.metrics.dependency("kafka", False)

    def _commit_what_is_due(self) -> None:
        for held in list(self._held.values()):
            part = held.part
            if part is None or not part.is_due(self._commit_seconds):
                continue
            started = time.perf_counter()
            try:
                part.commit()
            except HistoryBusy as error:
                self._pause(held, str(error))
                continue
            except _FAILED as error:
                self._failed(held, error, "writing")
                continue
            held.pause = PAUSE_SECONDS
            self._works(held)
            self.metrics.passed(taken=0, given=0, seconds=time.perf_counter() - started)
            with suppress(KafkaException):
                self._consumer.commit(offsets=[_at(held, part.committed)], asynchronous=True)

    # Surroundings -----------------------------------------------------------------------------------------

    def _must_be(self, topic: str) -> None:
        where = self._client["bootstrap.servers"]
        try:
            found = self._consumer.list_topics(topic, timeout=SECONDS).topics[topic]
        except KafkaException as error:
            raise KafkaError(
                f"{where}: no broker answers ({error.args[0].str()}). Start one, or set AML_KAFKA_BOOTSTRAP."
            ) from None
        if found.error is not None:
            raise KafkaError(f"{where}: topic {topic}: {found.error.str()}. Make it:  aml topics create")

    def _show_lags(self) -> None:
        """How many records wait, once a second, as the last answers of the brokers say."""
        if time.monotonic() < self._lags_at:
            return
        self._lags_at = time.monotonic() + LAG_SECONDS
        for held in self._held.values():
            if held.part is None or not held.is_reading:
                continue
            _, high = self._consumer.get_watermark_offsets(_at(held), cached=True)
            held.lag = max(0, high - held.part.offset)
            if held.topic == self._topics.legs:
                self.metrics.lag(held.number, held.lag)
        self.metrics.identities_lag(sum(self._lags_of(self._topics.identities).values()))

    def _lags_of(self, topic: str) -> Mapping[int, int]:
        return {held.number: held.lag for held in self._held.values() if held.topic == topic}

    def _tell(self) -> None:
        """Say whether the worker is ready: brokers answer, all its partitions are read, and none is far behind."""
        waiting = [held for held in self._held.values() if not held.is_reading]
        behind = [held for held in self._held.values() if held.lag > READY_LAG]
        if self._brokers_gone and not self._do_brokers_answer():
            self._not_ready(f"{self._client['bootstrap.servers']}: no broker answers ({self._brokers_gone})")
        elif waiting:
            self._not_ready(f"{waiting[0].name}: {waiting[0].reason}")
        elif not self._is_assigned:
            self._not_ready("no partition is assigned yet")
        elif behind:
            self._not_ready(f"{behind[0].name}: {behind[0].lag} records wait")
        else:
            self.metrics.ready(True)
            if self._told:
                self._say("Ready.")
                self._log.info("ready", partitions=len(self._held))
            self._told = ""

    def _do_brokers_answer(self) -> bool:
        try:
            self._consumer.list_topics(self._topics.legs, timeout=PROBE_SECONDS)
        except KafkaException:
            return False
        self._brokers_gone = ""
        self.metrics.dependency("kafka", True)
        return True

    def _not_ready(self, reason: str) -> None:
        self.metrics.ready(False, reason)
        if reason != self._told:
            self._say(f"Not ready: {reason}")
            self._log.warning("not_ready", partitions=sum(not held.is_reading for held in self._held.values()))
        self._told = reason


def _at(held: _Held, offset: int | None = None) -> TopicPartition:
    if offset is None:
        return TopicPartition(held.topic, held.number)
    return TopicPartition(held.topic, held.number, offset)
