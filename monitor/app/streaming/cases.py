"""The casework worker: alerts from Kafka into alerts, cases and journal of the store, each once.

::

    topic alerts, partition 3 -> decode -> control -> one transaction: alerts, cases, journal, position of alerts-3
                       |
                       +-> topic refused: what cannot be read or stored

Workers share the partitions as one consumer group. The store decides what is read: a worker claims the run of each
partition that it is given, begins at the offset that stands in the store, and commits alerts and offset together. So a
worker may die at any moment, and a record may come twice. The offsets in Kafka are written afterwards, to show the lag.

Where the database is gone, full or slow, nothing is read, nothing is held, and each partition is claimed again after a
pause that grows to :data:`PAUSE_MAX_SECONDS`. The same happens to a partition whose run another process still holds.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition
from confluent_kafka import KafkaError as Code

from monitor.adapters.kafka.fetching import ends_of
from monitor.adapters.kafka.refused_alerts import RefusedAlerts
from monitor.adapters.kafka.topics import SECONDS, KafkaError
from monitor.adapters.sql.opening import UNAVAILABLE
from monitor.adapters.sql.store import CaseStore, RunMoved, StoreBusy, StoreError, open_store
from monitor.app.inputs import load_inputs
from monitor.app.settings import Settings
from monitor.app.streaming.book import Book
from monitor.app.streaming.cases_group import Group, stopping_signals
from monitor.app.streaming.cases_run import AlertsRecord, AlertsRun, AlertUnstorable, Batch, Doubt, batches, run_name
from monitor.app.streaming.given import given_inputs
from monitor.app.streaming.health import Health
from monitor.app.streaming.recording import CasesMetrics
from monitor.app.streaming.store_metrics import StoreMetrics
from monitor.app.streaming.telling import telling
from monitor.app.streaming.tracing import tracing_of
from monitor.casework.policy import CaseworkPolicy

RECORDS_MAX = 500
"""Records that are taken from the client's queue at once."""
TICK_SECONDS = 0.1
PAUSE_SECONDS, PAUSE_MAX_SECONDS = 0.25, 10.0
PROBE_SECONDS = 1.0
"""How long brokers that were gone may take to answer."""
LAG_SECONDS = 1.0
"""How often the lag is shown."""
PATIENCE_SECONDS = 5.0
"""How long the database may take for one transaction before the worker calls itself not ready."""


@dataclass(slots=True)
class _Partition:
    """A partition that the group has given to this worker."""

    number: int
    run: AlertsRun | None = None
    is_reading: bool = False
    again_at: float = 0.0
    pause: float = PAUSE_SECONDS
    reason: str = "it is not claimed yet"
    doubt: Doubt = field(default_factory=Doubt)


class CasesWorker:
    """One worker. :meth:`run` works until :meth:`stop`, SIGTERM or SIGINT.

    Args:
        settings: Of the surroundings.
        group: Where it reads and with whom it shares.
        say: Shows a line to a person; such lines can hold what the log may not.
    """

    def __init__(
        self, settings: Settings, *, group: Group | None = None, say: Callable[[str], None] = lambda line: None
    ) -> None:
        self._settings, self._group, self._say = settings, group or Group(), say
        self._book = Book()
        self.health = Health(settings.worker.host, settings.worker.port, self._book.registry)
        self._metrics = CasesMetrics(self._book, self.health)
        self._log, self._tracing = telling("cases"), tracing_of("cases")
        self._database = "postgres" if "://" in settings.database.url.get_secret_value() else "disk"
        self._client = settings.kafka.client()
        self._loaded = load_inputs(given_inputs(settings.inputs))
        self._stopping = threading.Event()
        self._partitions: dict[int, _Partition] = {}
        self._is_assigned = False
        self._told = self._brokers_gone = ""
        self._partitions_total = 0
        self._lags_at = 0.0

    def stop(self) -> None:
        """End after the batch in hand."""
        self._stopping.set()

    def run(self) -> None:
        """Work until stopped.

        Raises:
            KafkaError: The topic is not there, is another than the store knows, or the brokers refuse the worker.
            StoreError: A SQLite file cannot be opened. A server that does not answer is waited for.
        """
        with stopping_signals(self.stop), self.health:
            store = self._open_store()
            if store is not None:
                with store:
                    self._work(store)
            self._tracing.close()

    def _work(self, store: CaseStore) -> None:
        self.store = store
        figures = StoreMetrics(store)
        self._book.registry.register(figures)
        self._refused = RefusedAlerts(self._client, self._group.refused)
        self._consumer = Consumer(self._group.consumer(self._client) | {"error_cb": self._noted})
        try:
            self._partitions_total = self._count_partitions()
            self._consumer.subscribe(
                [self._group.alerts], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
            )
            while not self._stopping.is_set():
                self.health.live()
                self._take_up()
                self._take(self._messages())
                self._show_lags()
                self._tell()
        finally:
            self._consumer.close()
            self._give_up(list(self._partitions))
            self._book.registry.unregister(figures)
            self._metrics.ready(False, "it has stopped")

    # Partitions come and go -------------------------------------------------------------------------------

    def _assigned(self, consumer: Consumer, given: list[TopicPartition]) -> None:
        """Partitions are ours: paused until their runs are claimed."""
        consumer.incremental_assign([TopicPartition(each.topic, each.partition, OFFSET_BEGINNING) for each in given])
        consumer.pause([TopicPartition(each.topic, each.partition) for each in given])
        for each in given:
            self._partitions[each.partition] = _Partition(each.partition)
        self._is_assigned = True

    def _revoked(self, consumer: Consumer, taken: list[TopicPartition]) -> None:
        """Partitions go to another worker, or have gone. Nothing of theirs is open: a batch is committed or dropped."""
        self._give_up([each.partition for each in taken])
        consumer.incremental_unassign(taken)

    def _give_up(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            self._partitions.pop(number, None)
            self._metrics.gone(number)
            self.store.give_up_run(run_name(number))

    def _take_up(self) -> None:
        """Claim the runs that are not, and read where they stand."""
        for part in list(self._partitions.values()):
            if part.is_reading or time.monotonic() < part.again_at:
                continue
            try:
                if part.run is None:
                    with self._patience():
                        part.run = AlertsRun.claim(
                            self.store, self._loaded, partition=part.number, partitions=self._partitions_total
                        )
                    self._metrics.dependency(self._database, True)
                self._read_on(part, part.run)
            except StoreBusy as error:
                self._pause(part, str(error))
            except UNAVAILABLE as error:
                self._pause(part, str(error))
                self._unavailable(part, self._database, error)
                return  # Each attempt takes its time, and Kafka wants to be asked.
            except KafkaException as error:
                self._pause(part, error.args[0].str(), is_claimed=True)

    def _read_on(self, part: _Partition, run: AlertsRun) -> None:
        low, high = ends_of(self._consumer, self._at(part))
        begin = run.offset or 0
        if begin > high:
            raise KafkaError(
                f"{self._client['bootstrap.servers']}: topic {self._group.alerts}: partition {part.number} ends at "
                f"{high}, and the store has read it to {begin}. The topic was made anew, or the store belongs to other "
                "brokers. Name the brokers and the database that belong together."
            )
        if begin < low:
            run.missing(low, at_us=_now_us())
        self._consumer.seek(self._at(part, max(begin, low)))
        self._consumer.resume([self._at(part)])
        part.is_reading, part.reason = True, ""
        self._metrics.paused(part.number, False)

    def _pause(self, part: _Partition, reason: str, *, is_claimed: bool = False) -> None:
        """Stop reading a partition, forget what was read, and try again later."""
        if not is_claimed:
            part.run = None
            self.store.give_up_run(run_name(part.number))
        with suppress(KafkaException):
            self._consumer.pause([self._at(part)])
        part.is_reading, part.reason = False, reason.partition("\n")[0]
        self._metrics.paused(part.number, True)
        part.again_at = time.monotonic() + part.pause
        part.pause = min(2 * part.pause, PAUSE_MAX_SECONDS)

    def _at(self, part: _Partition, offset: int | None = None) -> TopicPartition:
        topic = self._group.alerts
        return TopicPartition(topic, part.number) if offset is None else TopicPartition(topic, part.number, offset)

    # Records ----------------------------------------------------------------------------------------------

    def _messages(self) -> list[Message]:
        first = self._consumer.poll(TICK_SECONDS)
        return [] if first is None else [first, *self._consumer.consume(RECORDS_MAX - 1, timeout=0)]

    def _take(self, messages: Sequence[Message]) -> None:
        came = time.monotonic()
        records: dict[int, list[AlertsRecord]] = {}
        for message in messages:
            if message.error() is not None:
                self._fail(message)
                continue
            number, offset = message.partition(), message.offset()
            assert number is not None
            assert offset is not None
            headers = {name: value for name, value in dict(message.headers() or {}).items() if isinstance(value, bytes)}
            record = AlertsRecord(offset, message.value() or b"", headers, message.timestamp()[1] * 1_000)
            records.setdefault(number, []).append(record)
        for number, some in records.items():
            part = self._partitions.get(number)
            if part is not None and part.is_reading:
                self._commit(part, some, came)

    def _fail(self, message: Message) -> None:
        error, part = message.error(), self._partitions.get(message.partition() or 0)
        assert error is not None
        if error.code() == Code._AUTO_OFFSET_RESET and part is not None:
            self._pause(part, "its next record is gone from the topic")
        elif error.fatal():
            raise KafkaError(f"{self._client['bootstrap.servers']}: {error.str()}.")

    def _noted(self, error: Code) -> None:
        """The client says what it will try again; only that no broker is there matters."""
        if error.code() == Code._ALL_BROKERS_DOWN:
            self._brokers_gone = error.str()
            self._metrics.dependency("kafka", False)

    def _commit(self, part: _Partition, records: Sequence[AlertsRecord], came: float) -> None:
        """Commit records of one partition, batch by batch; at the first that fails the rest is dropped."""
        run = part.run
        assert run is not None
        for batch in batches([each for each in records if each.offset >= (run.offset or 0)], part.doubt):
            began = time.monotonic()
            try:
                self._refuse(part, batch)
                with self._patience(), self._traced(part, batch):
                    result = run.commit(batch, recorded_at_us=_now_us(), refused=batch.refused)
            except AlertUnstorable as error:
                part.doubt.learn(batch, str(error))
                self._pause(part, f"record {batch.records[0].offset} or one behind it cannot be stored: {error}")
                part.again_at = 0.0
                return
            except (*UNAVAILABLE, KafkaError) as error:
                self._pause(part, str(error))
                self._unavailable(part, "kafka" if isinstance(error, KafkaError) else self._database, error)
                return
            now = time.monotonic()
            self._metrics.committed(result, run.decided, taken=len(batch.ids), seconds=now - began)
            self._show_delays(batch, now - came)
            part.pause = PAUSE_SECONDS
            part.doubt.forget(run.offset or 0)
            for line in run.messages:
                self._say(f"{run.name}: {line}")
                self._log.warning("run_changed", partition=part.number, position=run.offset)
            run.messages.clear()
        with suppress(KafkaException):
            self._consumer.commit(offsets=[self._at(part, run.offset)], asynchronous=True)

    def _show_delays(self, batch: Batch, wall_seconds: float) -> None:
        now_us, booked_us = _now_us(), [each.event_time_us for alerts in batch.alerts for each in alerts]
        self._metrics.delay("wall", [wall_seconds] * len(batch.records))
        self._metrics.delay_since("broker", [each.broker_us for each in batch.records], now_us=now_us)
        if booked_us:
            self._metrics.delay_since("event", booked_us, now_us=now_us)

    def _refuse(self, part: _Partition, batch: Batch) -> None:
        for each in batch.refused:
            self._refused.put(
                each.record.value, reason=each.reason, detail=each.detail, topic=self._group.alerts,
                partition=part.number, offset=each.record.offset,
            )  # fmt: skip
            self._say(
                f"{run_name(part.number)}: record {each.record.offset} is refused ({each.reason}): {each.detail}. "
                f"It lies in the topic {self._group.refused}."
            )
            self._log.warning("record_refused", partition=part.number, offset=each.record.offset, reason=each.reason)
            self._metrics.quarantined()
            self._metrics.refused({each.reason: 1})

    def _unavailable(self, part: _Partition, dependency: str, error: BaseException) -> None:
        self._metrics.dependency(dependency, isinstance(error, RunMoved))
        self._log.error("dependency_failed", partition=part.number, dependency=dependency, error=error)

    def _traced(self, part: _Partition, batch: Batch) -> AbstractContextManager[object]:
        messages = [list(each.headers.items()) for each in batch.records]
        return self._tracing.step("cases", *messages, partition=part.number, alerts=len(batch.ids))

    def _show_lags(self) -> None:
        """How many records wait, once a second, as the last answers of the brokers say."""
        if time.monotonic() < self._lags_at:
            return
        self._lags_at = time.monotonic() + LAG_SECONDS
        for part in self._partitions.values():
            if part.run is not None and part.is_reading:
                _, high = self._consumer.get_watermark_offsets(self._at(part), cached=True)
                self._metrics.lag(part.number, max(0, high - (part.run.offset or 0)))

    # Surroundings -----------------------------------------------------------------------------------------

    def _open_store(self) -> CaseStore | None:
        """The open store; a server that does not answer is waited for. ``None`` if stopped meanwhile."""
        place, pause = self._settings.database.url.get_secret_value(), PAUSE_SECONDS
        policy = CaseworkPolicy(groups=self._loaded.groups.groups)
        while not self._stopping.is_set():
            try:
                return open_store(place, create=True, policy=policy)
            except StoreError as error:
                if "://" not in place:
                    raise
                self.health.live()
                self._metrics.dependency(self._database, False)
                self._not_ready(str(error).partition("\n")[0])
                self._stopping.wait(pause)
                pause = min(2 * pause, PAUSE_MAX_SECONDS)
        return None

    def _count_partitions(self) -> int:
        """How many partitions the topic has."""
        where = self._client["bootstrap.servers"]
        try:
            topic = self._consumer.list_topics(self._group.alerts, timeout=SECONDS).topics[self._group.alerts]
        except KafkaException as error:
            raise KafkaError(
                f"{where}: no broker answers ({error.args[0].str()}). Start one, or set AML_KAFKA_BOOTSTRAP."
            ) from None
        if topic.error is not None:
            raise KafkaError(f"{where}: topic {self._group.alerts}: {topic.error.str()}. Make it:  aml topics create")
        return len(topic.partitions)

    @contextmanager
    def _patience(self) -> Iterator[None]:
        """Not ready while the database takes long for what is done inside."""
        reason = f"the database has not answered for {PATIENCE_SECONDS:g} s"
        late = threading.Timer(PATIENCE_SECONDS, self._metrics.ready, (False, reason))
        late.daemon = True
        late.start()
        try:
            yield
        finally:
            late.cancel()

    def _tell(self) -> None:
        """Say whether the worker is ready: brokers answer, and all partitions that it has are claimed and read."""
        waiting = [part for part in self._partitions.values() if not part.is_reading]
        if self._brokers_gone and not self._do_brokers_answer():
            self._not_ready(f"{self._client['bootstrap.servers']}: no broker answers ({self._brokers_gone})")
        elif waiting:
            self._not_ready(f"{run_name(waiting[0].number)}: {waiting[0].reason}")
        elif not self._is_assigned:
            self._not_ready("no partition is assigned yet")
        else:
            self._metrics.ready(True)
            if self._told:
                self._say(f"Ready: {', '.join(map(run_name, sorted(self._partitions))) or 'no partition'}.")
                self._log.info("ready", partitions=len(self._partitions))
            self._told = ""

    def _do_brokers_answer(self) -> bool:
        """Ask those that were gone; the client itself tries again for ever and says nothing of success."""
        try:
            self._consumer.list_topics(self._group.alerts, timeout=PROBE_SECONDS)
        except KafkaException:
            return False
        self._brokers_gone = ""
        self._metrics.dependency("kafka", True)
        return True

    def _not_ready(self, reason: str) -> None:
        self._metrics.ready(False, reason)
        if reason != self._told:
            self._say(f"Not ready: {reason}")
            waiting = sum(not part.is_reading for part in self._partitions.values())
            self._log.warning("not_ready", partitions=waiting)
        self._told = reason


def _now_us() -> int:
    return time.time_ns() // 1000
