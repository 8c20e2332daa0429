"""The run of one partition of the topic ``alerts``: its log, from the claim in the store to the commit of each batch.

The log of the run ``alerts-3`` is partition 3; a log position is an offset of Kafka, and the next one stands in the
store, committed with everything that led to it. Alerts count in the order of the log, within a record in the order
of position, rule, role and id. An alert that is there already, because the scoring worker sent it again, changes
nothing: it is counted as repeated and neither the breaker nor a case sees it.

A run that fails in a commit is thrown away, and another is taken up from the store; so what it holds in memory is never
ahead of what is stored.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

from monitor.adapters.kafka.alert_records import BANK_CUSTOMERS, AlertsUnreadable, decode
from monitor.adapters.kafka.feed_records import TOTALS, RecordUnreadable, decode_totals
from monitor.adapters.sql.commit import CommitResult, log_order
from monitor.adapters.sql.opening import UNSTORABLE
from monitor.adapters.sql.store import CaseStore
from monitor.app.filing_days import FilingDays
from monitor.app.inputs import LoadedInputs
from monitor.app.live_control import BREAKER_SAVED, LiveControl
from monitor.app.streaming.given import RUN_START
from monitor.casework.evidence import StoredAlert, stored_alert
from monitor.casework.partition_breaker import PartitionBreaker
from monitor.casework.position import LogInput, RunPosition
from monitor.domain.alert import Alert
from monitor.domain.feed import FeedTotal
from monitor.domain.time import UNKNOWN

ALERTS_MAX = 1_000
"""Alerts from which on a batch is committed. One record more may be read."""
UNREADABLE, UNSTORED = "alert_unreadable", "alert_unstorable"
"""Why a record is refused."""
ORDERS_SECONDS = 1.0
"""How often a run looks for orders."""
KINDS = ("rulebook", "entities", "breaker", "typologies")
"""Inputs on which casework depends; a run records their digests, and scoring keeps their contents."""


def run_name(partition: int) -> str:
    """The name of the run of a partition.

    >>> run_name(3)
    'alerts-3'
    """
    return f"{RUN_START}{partition}"


@dataclass(frozen=True, slots=True)
class AlertsRecord:
    """A record of the topic, as it was read."""

    offset: int
    value: bytes
    headers: Mapping[str, bytes] = field(default_factory=dict)
    broker_us: int = UNKNOWN
    """When the broker had it, µs UTC."""


@dataclass(frozen=True, slots=True)
class RefusedRecord:
    """A record that casework cannot take, why in one word, and in a sentence."""

    record: AlertsRecord
    reason: str
    detail: str


@dataclass(slots=True)
class Doubt:
    """What is known of records that could not be stored.

    Attributes:
        one_by_one_before: Records before this offset are committed alone, to find the one among them.
        unstorable: Why a record cannot be stored, by offset.
    """

    one_by_one_before: int = 0
    unstorable: dict[int, str] = field(default_factory=dict)

    def learn(self, batch: "Batch", reason: str) -> None:
        """A batch could not be stored."""
        last = batch.records[-1].offset
        if len(batch.records) == 1:
            self.unstorable[last] = reason
        else:
            self.one_by_one_before = last + 1

    def forget(self, before: int) -> None:
        """Records before this offset are committed."""
        self.unstorable = {offset: why for offset, why in self.unstorable.items() if offset >= before}


class AlertUnstorable(Exception):
    """An alert of a batch holds what cannot be stored; the message says what. Nothing of the batch is stored."""


@dataclass(slots=True)
class Batch:
    """Records that are read together, and what stands in them."""

    records: list[AlertsRecord] = field(default_factory=list)
    alerts: list[list[Alert]] = field(default_factory=list)
    """By record; an empty list for a refused one."""
    refused: list[RefusedRecord] = field(default_factory=list)
    totals: list[tuple[str, FeedTotal]] = field(default_factory=list)
    """Logs, and totals of their feeds."""

    @property
    def ids(self) -> list[str]:
        """The ids of all alerts, repeated ones too."""
        return [alert.alert_id for some in self.alerts for alert in some]


def batches(records: Sequence[AlertsRecord], doubt: Doubt) -> Iterator[Batch]:
    """Read records, and divide them so that a batch holds :data:`ALERTS_MAX` alerts and those of one record at most."""
    batch, held = Batch(), 0
    for record in records:
        alerts: list[Alert] = []
        try:
            if record.offset not in doubt.unstorable and record.headers.get("kind") == TOTALS.encode():
                log, totals = decode_totals(record.value)
                batch.totals += [(log, each) for each in totals]
            elif record.offset not in doubt.unstorable:
                alerts = decode(record.value)
        except (AlertsUnreadable, RecordUnreadable) as error:
            batch.refused.append(RefusedRecord(record, UNREADABLE, str(error)))
        if record.offset in doubt.unstorable:
            batch.refused.append(RefusedRecord(record, UNSTORED, doubt.unstorable[record.offset]))
        batch.records.append(record)
        batch.alerts.append(alerts)
        held += len(alerts)
        if held >= ALERTS_MAX or record.offset < doubt.one_by_one_before:
            yield batch
            batch, held = Batch(), 0
    if batch.records:
        yield batch


class AlertsRun:
    """One claimed run. Use :meth:`claim`.

    Attributes:
        offset: The offset at which the log is to be read on; ``None`` at its beginning.
        messages: What people are to be told; whoever shows them empties it.
        decided: The alerts that the last commit stored, by rule and status.
    """

    def __init__(self, store: CaseStore, loaded: LoadedInputs, *, partition: int, partitions: int) -> None:
        self._store, self._loaded, self._filing = store, loaded, FilingDays(loaded.entities)
        self.name = run_name(partition)
        stored = store.position(self.name)
        self.offset = stored.offset if stored else None
        self._position, self._clock_us = (stored.log_position, stored.clock_us) if stored else (0, UNKNOWN)
        self._counts = Counter(store.counters(self.name))
        self._breaker = PartitionBreaker(loaded.breaker, partitions=partitions)
        self._live = LiveControl.restored(
            store, self.name, loaded.program.rulebook, self._breaker, stored.details if stored else {}
        )
        self._inputs = self._changed_inputs(partitions)
        self._orders_at = 0.0
        self.messages: list[str] = []
        self.decided: Counter[tuple[str, str]] = Counter()

    @classmethod
    def claim(cls, store: CaseStore, loaded: LoadedInputs, *, partition: int, partitions: int) -> "AlertsRun":
        """Become the one process that writes the run, and take it up where it stands.

        Raises:
            StoreBusy: Another living process writes it.
        """
        store.claim_run(run_name(partition))
        return cls(store, loaded, partition=partition, partitions=partitions)

    def commit(self, batch: Batch, *, recorded_at_us: int, refused: Sequence[RefusedRecord]) -> CommitResult:
        """Store the alerts of a batch, their cases, and that the log is read to its end: all or nothing.

        ``refused`` are the records of the batch that are in the topic ``refused``.

        Raises:
            AlertUnstorable: One holds what no store can take.
            RunMoved: Another process has written the run since it was claimed. Claim it again.
        """
        try:
            result = self._commit(batch, recorded_at_us, refused)
        except UNSTORABLE as error:
            raise AlertUnstorable(str(getattr(error, "orig", error)).strip().partition("\n")[0]) from error
        self._inputs = []
        self.messages += self._live.take_messages()
        return replace(result, alerts_passed_over=len(batch.ids) - result.alerts_stored)

    def _commit(self, batch: Batch, recorded_at_us: int, refused: Sequence[RefusedRecord]) -> CommitResult:
        self._inputs += self._orders()
        known = self._store.known_alerts(batch.ids)
        stored: list[StoredAlert] = []
        for record, alerts in zip(batch.records, batch.alerts, strict=True):
            self._see_bank(record)
            decided = self._live.decide(self._fresh(alerts, known), ())
            found = [stored_alert(alert, due_on=self._filing.due_of(alert)) for alert in decided]
            stored += sorted(found, key=log_order)
        after = batch.records[-1].offset + 1
        self._count(batch, [each.alert for each in stored], refused)
        result = self._store.commit_batch(
            stored,
            RunPosition(self.name, 0, after, after, self._clock_us, details={BREAKER_SAVED: self._breaker.save()}),
            recorded_at_us=recorded_at_us,
            counters={name: count for name, count in self._counts.items() if count},
            inputs=self._inputs,
            entries=self._live.take_entries(),
            is_in_order=True,
            expected=self._position,
            totals=batch.totals,
        )
        self.offset = self._position = after
        self.decided = Counter((each.alert.source.id, each.alert.status) for each in stored)
        return result

    def missing(self, first: int, *, at_us: int) -> None:
        """Note that the records before ``first`` are gone from the topic and were never read."""
        begin = self.offset or 0
        self._live.note("alerts_gone", {"from": begin, "before": first}, at_us=at_us)
        self._counts["records_gone"] += first - begin
        self.messages.append(
            f"{self.name}: records {begin} to {first - 1} are gone from the topic and were never read. "
            "Replay the payments of that time (aml replay) and compare the alerts."
        )
        self.offset = first

    @property
    def counts(self) -> Mapping[str, int]:
        """The counters of the run as of its position."""
        return self._counts

    def _fresh(self, alerts: Sequence[Alert], known: set[str]) -> list[Alert]:
        """The alerts that are not stored yet, each once; ``known`` grows by them."""
        fresh = []
        for alert in alerts:
            if alert.alert_id in known:
                self._counts["alerts_repeated"] += 1
                continue
            known.add(alert.alert_id)
            fresh.append(alert)
        return fresh

    def _see_bank(self, record: AlertsRecord) -> None:
        told = record.headers.get(BANK_CUSTOMERS, b"")
        if told.isdigit() and len(told) <= 12:
            self._breaker.bank_customers = int(told)

    def _orders(self) -> list[LogInput]:
        now = time.monotonic()
        if self._orders_at and now < self._orders_at:
            return []
        self._orders_at = now + ORDERS_SECONDS
        return self._live.take_up(self._live.waiting(), position=self._position)

    def _count(self, batch: Batch, alerts: Sequence[Alert], refused: Sequence[RefusedRecord]) -> None:
        counts = self._counts
        counts["records"] += len(batch.records)
        counts["refused"] += len(refused)
        for each in refused:
            counts[f"refused:{each.reason}"] += 1
        for alert in alerts:
            self._clock_us = max(self._clock_us, alert.judged_at_us)
            counts[f"alerts_{alert.status}"] += 1
            counts[f"rule:{alert.source.id}:{alert.status}"] += 1
            counts["obligations_met"] += alert.duty is not None
            if "breaker" in alert.marks:
                counts[f"breaker:{alert.source.id}"] += 1

    def _changed_inputs(self, partitions: int) -> list[LogInput]:
        """The inputs whose content differs from what the log last recorded."""
        last = {(noted.kind, noted.name): noted.digest for noted in self._store.inputs(self.name)}
        divided = sha256(f"{self._loaded.breaker.body} {partitions}".encode()).hexdigest()
        given = {
            (kind, name): (version, divided if kind == "breaker" else digest)
            for kind, name, version, digest in self._loaded.digests()
            if kind in KINDS
        }
        gone = {key: ("", "") for key, digest in last.items() if key[0] in KINDS and digest and key not in given}
        return [
            LogInput(self._position, kind, name, version, digest)
            for (kind, name), (version, digest) in sorted((given | gone).items())
            if last.get((kind, name)) != digest
        ]
