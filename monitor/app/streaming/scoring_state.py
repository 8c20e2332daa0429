"""A partition as its worker holds it, and its state as it is copied, written and found again."""

import errno
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from faust.types import Message as FaustMessage

from monitor.adapters.kafka import legs_log
from monitor.adapters.snapshot_objects import ObjectStoreError
from monitor.adapters.snapshots import SnapshotStore
from monitor.app.streaming.partition import LogRecord, Partition
from monitor.engine import state

RETRY_SECONDS = 0.5
"""Pause before a record that is blocked is tried again."""
UNREAD_SECONDS = 15.0
"""Pause before a state that could not be read is asked for again."""
_ALIGNED = 64
"""Bytes; each array of a copy begins at a multiple."""


@dataclass(slots=True)
class Held:
    """A partition that this worker holds, and what is not committed of it."""

    partition: Partition
    snapshots: SnapshotStore | None
    """Where its state is saved; ``None`` while that place is away."""
    saved_offset: int
    saved_at: float = field(default_factory=time.monotonic)
    waiting: list[FaustMessage] = field(default_factory=list)
    """Messages that are not judged, in the order of the log."""
    retry_at: float = 0.0
    """When the first of them, which was blocked, is tried again."""
    restoring_seconds: float | None = None
    """How long its snapshot took to load, until the log behind it is taken over too."""
    failures: int = 0
    """How often in a row its step raised."""
    one_by_one_to: int = -1
    """Up to this offset records are judged one by one, to find the one that raises."""
    unacknowledged: list[FaustMessage] = field(default_factory=list)
    """Messages that are judged and not committed, without their values."""
    is_joined: bool = False
    """Whether the state has met the first record that the brokers gave."""
    is_told: bool = True
    """Whether all that the state has raised was handed to the brokers."""
    is_copied: bool = False
    """Whether its state is being copied: it rests meanwhile."""
    runbook: str = ""
    """Why its state could not be read, nothing of it being judged before: what an operator does then."""

    @property
    def is_unread(self) -> bool:
        """Whether its state is still to be read."""
        return bool(self.runbook)

    def take_over(self, whole: "Held") -> None:
        """Go on with a state that was restored, or is to be."""
        self.partition, self.snapshots, self.saved_offset = whole.partition, whole.snapshots, whole.saved_offset
        self.runbook, self.retry_at = whole.runbook, whole.retry_at
        self.is_joined, self.is_told = False, True


class Saved(msgspec.Struct, frozen=True):
    """The state of a partition at an offset."""

    arrays: Any
    offset: int
    clock_us: int
    layout: str

    def write(self, store: SnapshotStore | None) -> None:
        """Write it whole or not at all. Raises OSError."""
        assert store is not None, "a partition whose state was not read knows nothing to save"
        store.write(
            self.arrays,
            position=self.offset,
            clock_us=self.clock_us,
            layout=self.layout,
            format_version=state.FORMAT,
        )


class CopyRoom:
    """Memory in which states are copied, one after the other: payments wait for the copy, and new memory costs more.

    It is as large as the largest state so far. A copy stays as it is, whatever its partition does next, until the
    next one is made.
    """

    def __init__(self) -> None:
        self._room = np.zeros(0, np.uint8)

    def copied(self, partition: Partition) -> Saved:
        """A copy of the state of a partition."""
        arrays = partition.save()
        starts = np.cumsum([0, *(-(-values.nbytes // _ALIGNED) * _ALIGNED for values in arrays.values())]).tolist()
        if starts[-1] > len(self._room):
            self._room = np.zeros(0, np.uint8)  # Not both at once.
            self._room = np.empty(starts[-1] + starts[-1] // 8, np.uint8)
        copies = {}
        for start, (name, values) in zip(starts, arrays.items(), strict=False):
            copies[name] = self._room[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
            np.copyto(copies[name], values)
        return Saved(copies, partition.offset, partition.clock_us, partition.layout)


def reason_of(error: OSError) -> str:
    """Why a state was not written or read, in one word.

    >>> reason_of(OSError(28, "No space left on device"))
    'enospc'
    """
    if isinstance(error, ObjectStoreError):
        return error.reason
    return errno.errorcode.get(error.errno or 0, "unknown").lower()


def measure_again(partition: Partition, client: dict[str, str], topic: str, until: int) -> list[bytes]:
    """Take the log up to an offset over without raising anything; what the partition went on without."""
    missing: list[bytes] = []
    for found in legs_log.stretch(client, topic, partition.number, partition.offset, until):
        records = [LogRecord(offset, kind, value) for offset, kind, value in found]
        while (judged := partition.step(records)).blocked is not None:
            missing += judged.missing
            records = records[judged.records :]
            time.sleep(RETRY_SECONDS)
        missing += judged.missing
    partition.engine.undecided[:] = 0
    partition.engine.hits[:] = 0
    partition.offset = max(partition.offset, until)
    return missing


def within(waiting: Sequence[FaustMessage], bytes_max: int) -> Sequence[FaustMessage]:
    """The first messages that together hold at most so many bytes; at least one."""
    total = 0
    for count, message in enumerate(waiting):
        total += len(message.value or b"")
        if count and total > bytes_max:
            return waiting[:count]
    return waiting


def in_order(waiting: Sequence[FaustMessage], offset: int) -> int:
    """How many messages follow on an offset without a gap; those before it may come again."""
    for count, message in enumerate(waiting):
        if message.offset > offset:
            return count
        offset = max(offset, message.offset + 1)
    return len(waiting)
