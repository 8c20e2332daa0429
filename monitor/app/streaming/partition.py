"""One partition of the log of legs: its records in, alerts out. A function of the log, whoever runs it.

::

    payments ─► codes of this partition ─► runs between profile versions ─► engine.step ─► alerts
    profiles ─► versions in force from here on
    refusals ─► counted by feed and day, as payments are
    profiles_late ─► the same of versions that were missing ─► what lacked them decided again ─► alerts
    flow ─► what another partition tells of money ─► engine.hear ─► alerts of payees who waited for it
    bank ─► what another partition tells of its customers ─► the next bank snapshot

A partition keeps everything that its verdicts depend on, so they are the same in every process, however the log was cut
and whenever its state was saved and loaded. It knows neither Kafka nor the clock on the wall: a shell hands it records,
sends what it raises, and saves what :meth:`Partition.save` gives. A record of kind ``profiles_missing`` stands behind
what it speaks of: the shell tells it first, by :meth:`Partition.go_without`.

Positions within the engine are rows of this partition, from 0 on, payments and records of kind ``flow`` alike; outside
they are ``number * 2**40 + row``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from monitor.adapters.kafka import bank_records, flow_records
from monitor.adapters.kafka.bank_records import BankRecordError
from monitor.adapters.kafka.feed_records import REFUSALS, RecordUnreadable, decode_refusals
from monitor.adapters.kafka.flow_records import FlowRecord, FlowRecordError
from monitor.adapters.kafka.missing_profiles import LATE, MISSING, decode_missing
from monitor.adapters.kafka.payment_chunks import (
    ChunkEncoder,
    ChunkError,
    SourcedBatch,
    decode,
)
from monitor.adapters.kafka.profile_records import ProfileRecordError
from monitor.adapters.kafka.record_size import values_within
from monitor.adapters.redis.stored_profile import StoredProfile
from monitor.app.engine_refusals import REASONS
from monitor.app.feed_totals import FeedTotals
from monitor.app.inputs import LoadedInputs, engine_inputs
from monitor.app.streaming import bank_told
from monitor.app.streaming.profile_source import Asked, versions_of
from monitor.app.streaming.token_table import TokenTable
from monitor.app.streaming.waiting_chunks import WaitingChunks
from monitor.domain import partitions
from monitor.domain.alert import REEVALUATED, Alert
from monitor.domain.refusal import Reason
from monitor.domain.time import UNKNOWN
from monitor.domain.transaction import Bytes16, Int32s, Int64s, TransactionBatch
from monitor.engine import state
from monitor.engine.engine import Engine, Step
from monitor.engine.flow_messages import UnsoundMessage
from monitor.engine.profiles import ProfileTable

PAYMENTS, PROFILES, FLOW, BANK = "payments", "profiles", flow_records.KIND, bank_records.KIND
POSITIONS = 1 << 40
"""Positions of one partition: the first of partition n is ``n * POSITIONS``."""
ROWS_MAX = 65_536
"""Most payments that are judged at once."""

Arrays = dict[str, npt.NDArray[Any]]


class Blocked(Exception):
    """The next record cannot be taken now; nothing of it was. The message says why."""


class Damaged(Exception):
    """The record cannot be read; the message says why."""


class Profiles(Protocol):
    """The profiles in force in one partition."""

    @property
    def table(self) -> ProfileTable:
        """Those in force."""

    @property
    def is_degraded(self) -> bool:
        """Whether a version is missing that should be in force."""

    @property
    def awaited(self) -> int:
        """How many announced versions could not be read yet."""

    @property
    def pending(self) -> list[Asked]:
        """The versions that the partition went on without."""

    def go_without(self, value: bytes) -> None:
        """Take over a record about versions that the partition goes on without; raises :class:`Damaged`."""

    def apply(self, value: bytes, offset: int) -> list[StoredProfile]:
        """Take over the announcements of the record at an offset; what their versions hold.

        Raises :class:`Blocked` or :class:`Damaged`, and changes nothing then.
        """

    def take_decided(self) -> list[bytes]:
        """Records of what the partition went on without since the last call."""

    def arrive(self, value: bytes) -> list[StoredProfile]:
        """Take over versions that were missing; what they hold. Raises :class:`Damaged`, and changes nothing then."""

    def fetch(self, versions: Sequence[Asked]) -> list[bytes]:
        """The content of those versions that are there now. Changes nothing, and may run beside everything else."""

    def runs(self, batch: TransactionBatch, clock_us: int) -> Iterator[tuple[TransactionBatch, int]]:
        """The batch in runs within which no version takes effect or lacks, each with the clock behind it."""

    def save(self) -> Arrays: ...
    def load(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None: ...


class LogRecord(msgspec.Struct, frozen=True):
    """A record of the log: where it stands, what it is and holds."""

    offset: int
    kind: str
    value: bytes
    timestamp_us: int = 0
    """When the broker had it."""


class RefusedPayment(msgspec.Struct, frozen=True):
    """A payment that only the engine could refuse: where its record stands among the transactions, and why."""

    source_partition: int
    source_offset: int
    reason: Reason


@dataclass(slots=True)
class Judged:
    """What records led to. ``payments`` and ``records`` are how many were taken."""

    alerts: list[Alert] = field(default_factory=list)
    refused: list[RefusedPayment] = field(default_factory=list)
    forwards: list[tuple[int, bytes]] = field(default_factory=list)
    """Partitions and records of payments for them: those of joint accounts whose further holders live there."""
    missing: list[bytes] = field(default_factory=list)
    """Records of kind ``profiles_missing`` for this partition's log, which must have them before any alert is sent."""
    messages: list[tuple[int, str, bytes]] = field(default_factory=list)
    """Partitions, kinds and values of further records for their logs."""
    damaged: list[tuple[int, str]] = field(default_factory=list)
    """Offsets of records that could not be read, with the fact."""
    steps: list[Step] = field(default_factory=list)
    """What the engine said, batch by batch."""
    booked_us: list[Int64s] = field(default_factory=list)
    """By batch, when its payments were booked."""
    payments: int = 0
    records: int = 0
    blocked: str | None = None
    """Why the record behind those taken waits."""


class Partition:
    """The state of one partition, and how its log changes it.

    Args:
        number: Which partition of the log it is.
        count: How many the log has.
        loaded: Rules and all other inputs of verdicts.
        key: The key of the tokens.
        new_profiles: Makes the empty profiles of a partition over its codes.
    """

    def __init__(
        self,
        number: int,
        count: int,
        loaded: LoadedInputs,
        key: bytes,
        new_profiles: Callable[[TokenTable], Profiles],
    ) -> None:
        self.number, self.loaded = number, loaded
        self.tokens = TokenTable(key)
        self.profiles = new_profiles(self.tokens)
        place = partitions.Partition(number, count)
        self.engine = Engine(loaded.program, engine_inputs(loaded, self.tokens), partition=place)
        self.feeds = FeedTotals()
        self._encoder: ChunkEncoder | None = None
        self.offset = 0
        """The next offset of the log."""
        self.rows = 0
        """Payments and records of kind ``flow`` so far, and so the position of the next."""
        self.began = UNKNOWN
        """The offset at which this state began; 0 unless the beginning of the log was gone."""
        self.loaded_at = UNKNOWN
        """The offset of the saved state that this one goes on from; unknown where it began empty."""
        self._others_began = np.full(count, UNKNOWN, np.int64)
        """The same of each partition, as it last told."""
        self.clock_us = UNKNOWN

    @property
    def layout(self) -> str:
        """Equal for partitions that can exchange their state: the same place in the log under the same rules."""
        return state.layout_key(self.engine)

    def step(self, records: Sequence[LogRecord]) -> Judged:
        """Take the records over in their order, without those that were taken before.

        Where one is blocked, those before it are taken and ``blocked`` says why; hand it in again later.
        """
        judged, waiting = Judged(), WaitingChunks()
        for record in records:
            if record.offset < self.offset:
                judged.records += 1
                continue
            self.began = record.offset if self.began == UNKNOWN else self.began
            try:
                self._take(record, judged, waiting)
            except Blocked as blocked:
                judged.blocked = str(blocked)
                break
            except (ChunkError, Damaged, RecordUnreadable) as error:
                judged.damaged.append((record.offset, str(error)))
            self.offset = record.offset + 1
            judged.records += 1
        self._judge(waiting, judged)
        return judged

    def _take(self, record: LogRecord, judged: Judged, waiting: WaitingChunks) -> None:
        if record.kind == PAYMENTS:
            chunk = decode(record.value)
            if waiting.rows + len(chunk) > ROWS_MAX:
                self._judge(waiting, judged)
            waiting.add(chunk)
        elif record.kind == PROFILES:
            self._judge(waiting, judged)
            found = self.profiles.apply(record.value, record.offset)
            judged.missing += self.profiles.take_decided()
            self._judge_again(found, judged)
        elif record.kind == REFUSALS:
            self.feeds.refuse(decode_refusals(record.value))
        elif record.kind == LATE:
            self._judge(waiting, judged)
            self._judge_again(self.profiles.arrive(record.value), judged)
        elif record.kind == MISSING:  # What it says was known when the announcements were taken.
            _readable(record.value)
        elif record.kind == FLOW:
            self._judge(waiting, judged)
            self._hear(record.value, judged)
        elif record.kind == BANK:
            self._judge(waiting, judged)
            self._hear_of_customers(record.value)
        else:
            raise Damaged(f"no record of the log is of kind {record.kind!r}")

    def _judge(self, waiting: WaitingChunks, judged: Judged) -> None:
        """Judge the payments that wait, as one batch."""
        if not waiting.rows:
            return
        batch, sources = waiting.batch(self.tokens, self.rows)
        feeds = waiting.feeds()
        day = self.engine.inputs.entities.periods(batch.booking_entity, batch.booked_at_us)[:, 0]
        waiting.clear()
        self.rows += len(batch)
        start = 0
        for run, clock_us in self.profiles.runs(batch, self.clock_us):
            stepped = self.engine.step(run, self.profiles.table)
            self.clock_us = clock_us
            judged.alerts += stepped.alerts
            judged.steps.append(stepped)
            judged.payments += len(run)
            judged.booked_us.append(run.booked_at_us)
            rows = slice(start, start + len(run))
            judged.refused += _refused(stepped, sources[rows])
            judged.forwards += self._forwards(run, stepped, sources[rows])
            self.feeds.add(run, stepped.outcome, day[rows], feeds.slice(rows.start, rows.stop), sources[rows])
            judged.messages += self._messages(stepped)
            start += len(run)

    def _hear(self, value: bytes, judged: Judged) -> None:
        """Take in what another partition tells of money; where no rule follows it, only its place is counted."""
        position, flow = self.rows, self.engine.flow
        self.rows += 1
        if flow is None:
            return
        try:
            told = flow_records.decode(value, len(self._others_began))
            if not self._is_heard(told.teller, told.began):
                return

            def code_of(tokens: Bytes16) -> Int32s:
                return self.tokens.add(tokens, told.kinds, lambda row: None)

            heard = self.engine.hear(told.message, told.ids, code_of, position)
        except (FlowRecordError, UnsoundMessage) as error:
            raise Damaged(str(error)) from None
        judged.alerts += heard.alerts
        judged.steps.append(heard)
        judged.messages += self._messages(heard)

    def _hear_of_customers(self, value: bytes) -> None:
        """Take in what another partition adds to bank snapshots; it takes no place among the positions."""
        try:
            told = bank_records.decode(value, len(self._others_began))
        except BankRecordError as error:
            raise Damaged(str(error)) from None
        if told.teller == self.number:
            raise Damaged(f"a record of kind bank tells partition {self.number} of itself")
        if self._is_heard(told.teller, told.began):
            self.engine.peers.hear(told.teller, bank_told.part_of(told, self.tokens), began=told.began)

    def _is_heard(self, teller: int, began: int) -> bool:
        """Whether a partition is heard: not a worker that does not know yet that it is none. One that begins later
        counts its positions anew."""
        if began > self._others_began[teller]:
            self._others_began[teller] = began
            if self.engine.flow is not None:
                self.engine.flow.table.listen_anew(teller)
        return began == int(self._others_began[teller])

    def _messages(self, stepped: Step) -> list[tuple[int, str, bytes]]:
        """What other partitions must be told of money, and of the customers here."""
        found = []
        for told in stepped.told:
            kinds = self.tokens.kinds[self.tokens.codes_of_tokens(told.message.names)]
            record = FlowRecord(self.number, self.began, told.message, told.ids, kinds)
            found.append((told.partition, FLOW, flow_records.encode(record)))
        others = [number for number in range(len(self._others_began)) if number != self.number]
        for part in stepped.parts:
            values = bank_told.records_of(part, self.tokens, teller=self.number, began=self.began)
            found += [(number, BANK, value) for value in values for number in others]
        return found

    def _judge_again(self, found: Sequence[StoredProfile], judged: Judged) -> None:
        """Decide again what lacked these versions, and raise what was not raised before."""
        kept = self.engine.kept
        lacked = set(kept.lacked()) if found else set()
        meant = {(self.tokens.code_of_token(each.customer), each.version): each for each in found}
        chosen = [each for version, each in meant.items() if version in lacked]
        if chosen:
            alerts = kept.again(versions_of(chosen, self.tokens.add_texts), self.profiles.table)
            for alert in alerts:
                clock_us, marks = max(self.clock_us, alert.judged_at_us), (*alert.marks, REEVALUATED)
                judged.alerts.append(msgspec.structs.replace(alert, judged_at_us=clock_us, marks=marks))

    def go_without(self, value: bytes) -> None:
        """Take over a record of kind ``profiles_missing`` that stands in the log behind :attr:`offset`.

        A damaged one changes nothing; it is told when its place in the log is reached.
        """
        with suppress(Damaged):
            self.profiles.go_without(value)

    def wanted(self) -> list[Asked]:
        """The versions that are missing, or were when what is kept was judged."""
        tokens = self.tokens.tokens
        lacked = [(tokens[customer].tobytes(), number) for customer, number in self.engine.kept.lacked()]
        return list(dict.fromkeys([*self.profiles.pending, *lacked]))

    def _forwards(self, batch: TransactionBatch, stepped: Step, sources: Int64s) -> list[tuple[int, bytes]]:
        """Payments of joint accounts, for the partitions of further holders."""
        found = []
        for home in np.unique(stepped.forward.partition).tolist():
            if self._encoder is None:
                self._encoder = ChunkEncoder(self.tokens)
            rows = stepped.forward.row[stepped.forward.partition == home]
            sourced = SourcedBatch(batch, sources[:, 0].astype(np.int32), sources[:, 1])
            encode = partial(_chunk, self._encoder, sourced)
            found += [(home, value) for value in values_within(rows, encode)]
        return found

    def save(self) -> Arrays:
        """The whole state as arrays, valid until the next step."""
        arrays: Arrays = {f"engine.{name}": values for name, values in state.save(self.engine).items()}
        arrays |= {f"tokens.{name}": values for name, values in self.tokens.save().items()}
        arrays |= {f"profiles.{name}": values for name, values in self.profiles.save().items()}
        arrays["rows"], arrays["feeds"] = np.array([self.rows, self.began], np.int64), self.feeds.save()
        arrays["others_began"] = self._others_began
        return arrays

    def load(self, arrays: Mapping[str, npt.NDArray[Any]], *, offset: int, clock_us: int) -> None:
        """Take over the state that a partition with the same :attr:`layout` saved at an offset."""
        self.tokens.load(_under("tokens.", arrays))
        self._encoder = None
        self.engine.use(engine_inputs(self.loaded, self.tokens))  # Its words have the codes of the saved table.
        state.load(self.engine, _under("engine.", arrays))
        self.profiles.load(_under("profiles.", arrays))
        if "feeds" in arrays:  # A state of a release that did not count yet has none.
            self.feeds.load(arrays["feeds"])
        self.rows, self.offset, self.clock_us = int(arrays["rows"][0]), offset, clock_us
        self.loaded_at = offset
        if "others_began" in arrays:
            self.began, self._others_began = int(arrays["rows"][1]), np.array(arrays["others_began"])


def _readable(value: bytes) -> None:
    try:
        decode_missing(value)
    except ProfileRecordError as error:
        raise Damaged(str(error)) from None


def _chunk(encoder: ChunkEncoder, sourced: SourcedBatch, rows: Int64s) -> bytes:
    return encoder.encode(sourced, rows, [len(rows)])[0]


_IS_REFUSED = np.isin(np.arange(128), list(REASONS))
"""By outcome of admission."""


def _refused(step: Step, sources: Int64s) -> list[RefusedPayment]:
    rows = np.flatnonzero(_IS_REFUSED[step.outcome])
    return [
        RefusedPayment(partition, offset, REASONS[outcome])
        for (partition, offset), outcome in zip(sources[rows].tolist(), step.outcome[rows].tolist(), strict=True)
    ]


def _under(prefix: str, arrays: Mapping[str, npt.NDArray[Any]]) -> Arrays:
    return {name.removeprefix(prefix): values for name, values in arrays.items() if name.startswith(prefix)}
