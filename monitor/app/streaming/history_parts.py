"""The files of one partition that a history worker is given, of ``legs`` or of ``identities``."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec
from confluent_kafka import Message

from monitor.adapters.identity_files import Identity, IdentityFile
from monitor.adapters.kafka import identity_records
from monitor.adapters.kafka.legs_log import kind_of
from monitor.adapters.leg_history import history_folder
from monitor.app.streaming.leg_log import RecordedLog, VersionsRead
from monitor.app.streaming.recording import HistoryMetrics

IDENTITIES_MAX = 20_000
"""With so many identifiers since the last commit another is due."""


class Record(msgspec.Struct, frozen=True):
    """A record as it was read."""

    offset: int
    kind: str
    value: bytes
    key: bytes = b""
    broker_us: int = 0
    """When the broker had it, µs UTC."""

    @staticmethod
    def of(message: Message) -> "Record":
        """The record of a message without error."""
        key, offset = message.key(), message.offset()
        assert offset is not None
        raw = key.encode() if isinstance(key, str) else key or b""
        return Record(offset, kind_of(message.headers()), message.value() or b"", raw, message.timestamp()[1] * 1_000)


class Part(Protocol):
    """The files of a partition, open for appending."""

    @property
    def offset(self) -> int:
        """The next offset to read."""

    @property
    def committed(self) -> int:
        """The offset up to which everything is durable."""

    def take(self, records: Sequence[Record]) -> tuple[str | None, list[Record]]:
        """Take records over; why the rest waits, and the rest. Raises where writing failed."""

    def is_due(self, seconds: float) -> bool:
        """Whether a commit is due."""

    def commit(self) -> None:
        """Make what was taken durable. Raises where writing failed."""

    def missing(self, first: int) -> None:
        """Note that the records before an offset are gone from the topic."""

    def close(self) -> None:
        """Let go of the files."""


class LegsPart:
    """A partition of ``legs``."""

    def __init__(self, store: Path, topic: str, number: int, kept: VersionsRead, metrics: HistoryMetrics) -> None:
        self._number, self._metrics = number, metrics
        self._log = RecordedLog(history_folder(store, topic, number), number, kept)
        metrics.recorded(number, rows=self._log.manifest.rows)

    @property
    def offset(self) -> int:
        """The next offset to read."""
        return self._log.offset

    @property
    def committed(self) -> int:
        """The offset up to which everything is durable."""
        return self._log.manifest.offset

    def take(self, records: Sequence[Record]) -> tuple[str | None, list[Record]]:
        """As :meth:`Part.take`."""
        started = time.perf_counter()
        done = self._log.take(records)
        self._metrics.passed(taken=done.rows, given=0, seconds=time.perf_counter() - started)
        self._metrics.not_recorded(damaged=done.damaged, absent=done.absent)
        taken = [each.broker_us for each in records[: done.records]]
        if taken:
            self._metrics.delay_since("broker", taken, now_us=time.time_ns() // 1_000)
        return done.blocked, list(records[done.records :])

    def is_due(self, seconds: float) -> bool:
        """Whether a commit is due."""
        return self._log.is_due(seconds=seconds)

    def commit(self) -> None:
        """As :meth:`Part.commit`."""
        before = self._log.manifest.rows
        self._log.commit()
        self._metrics.passed(taken=0, given=self._log.manifest.rows - before, seconds=0.0)
        self._metrics.recorded(self._number, rows=self._log.manifest.rows)

    def missing(self, first: int) -> None:
        """As :meth:`Part.missing`."""
        self._log.skip_to(first)

    def close(self) -> None:
        """Let go of the files."""
        self._log.close()


class IdentitiesPart:
    """A partition of ``identities``."""

    def __init__(self, store: Path, number: int, metrics: HistoryMetrics) -> None:
        self._file, self._metrics = IdentityFile(store, number), metrics
        self._waiting: list[Identity] = []
        self._committed_at = time.monotonic()
        self.offset = self._file.offset

    @property
    def committed(self) -> int:
        """The offset up to which everything is durable."""
        return self._file.offset

    def take(self, records: Sequence[Record]) -> tuple[str | None, list[Record]]:
        """As :meth:`Part.take`; nothing waits."""
        damaged = 0
        for record in records:
            if record.offset < self.offset:
                continue
            try:
                self._waiting.append(identity_records.decode(record.key, record.value))
            except ValueError:
                damaged += 1
            self.offset = record.offset + 1
        self._metrics.not_recorded(damaged=damaged, absent=0)
        return None, []

    def is_due(self, seconds: float) -> bool:
        """Whether a commit is due."""
        if self.offset == self._file.offset:
            self._committed_at = time.monotonic()
            return False
        return len(self._waiting) >= IDENTITIES_MAX or time.monotonic() - self._committed_at >= seconds

    def commit(self) -> None:
        """As :meth:`Part.commit`."""
        if self.offset > self._file.offset:
            self._file.put(self._waiting, offset=self.offset)
        self._waiting, self._committed_at = [], time.monotonic()

    def missing(self, first: int) -> None:
        """The topic is compacted: what is gone stands again behind it."""
        self.offset = first

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
