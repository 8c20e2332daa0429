"""Delays out of the logs: from the moment when a payment was due to the moment when the broker had what it led to.

Nothing is asked of the workers. A row of ``legs`` names the message of ``transactions`` that it came from; an alert
names its row, which is its place among the rows of its partition; and the schedule knows when each message was due. The
broker's time of ``legs`` gives the delay of intake for every payment, that of ``alerts`` the delay to the alert for
every payment that completed one. Both clocks are those of the machine that all of this runs on; the broker's counts
milliseconds. Alerts of models are left out: some are about days that have ended, and not about one payment.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from monitor.adapters.kafka import alert_records
from monitor.adapters.kafka.legs_log import kind_of
from monitor.adapters.kafka.payment_chunks import KIND, decode
from monitor.app.streaming.partition import POSITIONS
from monitor.domain.alert import RULE
from monitor.domain.transaction import Int64s
from tests.bench.stream.cluster import BenchFailed, Cluster, Record
from tests.bench.stream.feeding import Schedule

POINTS = {"p50_ms": 50.0, "p99_ms": 99.0, "p99_9_ms": 99.9, "p99_99_ms": 99.99, "max_ms": 100.0}


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one partition of ``legs`` in their order; arrays of shape (n,)."""

    source_partition: Int64s
    source_offset: Int64s
    came_us: Int64s
    """When the broker had the chunk."""
    booked_us: Int64s
    """When the payment was booked: by this an alert proves that it is about the row that it names."""
    bytes: int
    """Of all chunks."""

    def __len__(self) -> int:
        return len(self.came_us)


def rows_of_legs(cluster: Cluster) -> list[Rows]:
    """All rows of ``legs``, by partition."""
    found: list[list[tuple[Int64s, ...]]] = [[] for _ in range(cluster.legs)]
    size = [0] * cluster.legs
    for record in cluster.records("legs"):
        if kind_of(record.headers) != KIND:
            continue
        chunk = decode(record.value)
        came = np.full(len(chunk), record.came_us, np.int64)
        found[record.partition].append(
            (chunk.source_partition.astype(np.int64), chunk.source_offset.astype(np.int64), came,
             chunk.columns["booked_at_us"])
        )  # fmt: skip
        size[record.partition] += len(record.value)
    nothing = np.zeros(0, np.int64)
    joined = [[np.concatenate(column) for column in zip(*parts, strict=True)] or [nothing] * 4 for parts in found]
    return [Rows(*columns, size_bytes) for columns, size_bytes in zip(joined, size, strict=True)]


def counted(rows: Sequence[Rows], fed: int) -> dict[str, int]:
    """How often payments stand in ``legs``; each that was fed is there.

    Returns:
        ``payments``, ``rows``, and ``repeated``: rows of payments that stand in the same partition already. Intake that
        is not disturbed repeats none; scoring forwards payments of joint accounts, again where it judges again.

    Raises:
        BenchFailed: A payment is missing.
    """
    unique = [np.unique(each.source_partition * POSITIONS + each.source_offset) for each in rows]
    distinct, count = len(np.unique(np.concatenate(unique))), sum(len(each) for each in rows)
    if distinct != fed:
        raise BenchFailed(f"{fed} payments were fed, and {distinct} stand in legs")
    return {"payments": distinct, "rows": count, "repeated": count - sum(len(each) for each in unique)}


def of_intake(rows: Sequence[Rows], schedule: Schedule) -> Int64s:
    """Microseconds until the broker had the first row of each payment of a schedule."""
    found: list[Int64s] = []
    for partition in range(len(schedule.first)):
        due = schedule.due_us(partition)
        first = np.full(len(due), np.iinfo(np.int64).max)
        for each in rows:
            place = each.source_offset - schedule.first[partition]
            mine = (each.source_partition == partition) & (place >= 0) & (place < len(due))
            np.minimum.at(first, place[mine], each.came_us[mine])
        found.append(first - due)
    return np.concatenate(found)


def to_alerts(rows: Sequence[Rows], schedule: Schedule, records: Iterator[Record]) -> Int64s:
    """Microseconds until the broker had each alert that a rule raised for a payment of a schedule.

    Raises:
        BenchFailed: An alert is about another payment than the row that it names.
    """
    partition, row, came, booked = [], [], [], []
    for record in records:
        for alert in alert_records.decode(record.value):
            if alert.source.kind == RULE:
                partition.append(alert.position // POSITIONS)
                row.append(alert.position % POSITIONS)
                came.append(record.came_us)
                booked.append(alert.event_time_us)
    dues = [schedule.due_us(number) for number in range(len(schedule.first))]
    numbers, places, came_us, booked_us = (np.array(each, np.int64) for each in (partition, row, came, booked))
    found = []
    for number, each in enumerate(rows):
        here = numbers == number
        if not np.array_equal(each.booked_us[places[here]], booked_us[here]):
            raise BenchFailed(f"alerts of partition {number} name rows that are not theirs")
        sources, offsets = each.source_partition[places[here]], each.source_offset[places[here]]
        for source, due in enumerate(dues):
            place = offsets - schedule.first[source]
            mine = (sources == source) & (place >= 0) & (place < len(due))
            found.append(came_us[here][mine] - due[place[mine]])
    return np.concatenate(found)


def quantiles(delays_us: Int64s) -> dict[str, float]:
    """Milliseconds at each of :data:`POINTS`, each of them a delay that was measured, and how many there were.

    >>> quantiles(np.arange(1_000, 101_000, 1_000))["p99_ms"]
    100.0
    """
    if not len(delays_us):
        raise BenchFailed("no delay was measured: no payment of the schedule led to a record")
    points = {
        name: round(float(np.percentile(delays_us, at, method="higher")) / 1e3, 1) for name, at in POINTS.items()
    }  # fmt: skip
    return {"delays": len(delays_us)} | points
