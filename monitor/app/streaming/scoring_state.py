"""The state of a partition as its worker copies, writes and finds it again."""

from typing import Any

import msgspec

from monitor.adapters.kafka import legs_log
from monitor.adapters.snapshots import SnapshotStore
from monitor.app.streaming.partition import LogRecord, Partition
from monitor.engine import state


class Saved(msgspec.Struct, frozen=True):
    """The state of a partition at an offset."""

    arrays: Any
    offset: int
    clock_us: int
    layout: str

    def write(self, store: SnapshotStore) -> None:
        """Write it whole or not at all."""
        store.write(
            self.arrays,
            position=self.offset,
            clock_us=self.clock_us,
            layout=self.layout,
            format_version=state.FORMAT,
        )


def copied(partition: Partition) -> Saved:
    """A copy that stays as it is, whatever the partition does next."""
    arrays = {name: values.copy() for name, values in partition.save().items()}
    return Saved(arrays, partition.offset, partition.clock_us, partition.layout)


def measure_again(partition: Partition, client: dict[str, str], topic: str, until: int) -> None:
    """Take the log up to an offset over without raising anything."""
    for records in legs_log.stretch(client, topic, partition.number, partition.offset, until):
        partition.step([LogRecord(offset, kind, value) for offset, kind, value in records])
    partition.engine.undecided[:] = 0
    partition.engine.hits[:] = 0
    partition.offset = max(partition.offset, until)
