"""Payments into topic ``transactions`` in open loop: when each is due is fixed before the first is sent.

    python -m tests.bench.stream.feeding BOOTSTRAP FILE --skip N --count N --rate N --schedule OUT.npz

What cannot be sent in time is sent as soon as possible and keeps the time at which it was due, so that a system that is
slow for a while does not hide it by being asked less. The file ``OUT.npz`` says which payment each offset holds, so
that :class:`Schedule` knows when the payment behind an offset was due.

It does what ``aml produce`` does with a third of the processor time: the payments of each millisecond are handed over
together, to one partition after the other. The machine that is measured has to do it besides.
"""

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from confluent_kafka import Producer

from monitor.domain.transaction import Int64s

TICK_SECONDS = 0.001
BATCH_MAX = 500
"""Most payments that are handed over at once; so many at a time where there is no rate."""
_FLUSH_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Schedule:
    """When the payments were due. Batches follow one another; each went to one partition.

    Args:
        start_us: When the first payment was due, microseconds since 1970 UTC.
        rate: Payments a second.
        partition: Of each batch, shape (n,).
        size: Payments of each batch, shape (n,).
        first: By partition, the offset of the first payment that was sent there.
        behind_seconds: The most by which sending lagged behind.
    """

    start_us: int
    rate: float
    partition: Int64s
    size: Int64s
    first: Int64s
    behind_seconds: float

    @property
    def payments(self) -> int:
        """How many were sent."""
        return int(self.size.sum())

    def due_us(self, partition: int) -> Int64s:
        """When the payments of a partition were due, in the order of their offsets from ``first`` on.

        >>> two = Schedule(0, 1e6, np.array([1, 0, 1]), np.array([2, 1, 2]), np.zeros(2, int), 0.0)
        >>> two.due_us(1).tolist(), two.due_us(0).tolist()
        ([0, 1, 3, 4], [2])
        """
        number = np.arange(self.payments)[np.repeat(self.partition, self.size) == partition]
        return self.start_us + (number * (1e6 / self.rate)).astype(np.int64)

    def save(self, path: Path) -> None:
        """Write it."""
        np.savez(path, one=np.array([self.start_us]), rate=np.array([self.rate, self.behind_seconds]),
                 partition=self.partition, size=self.size, first=self.first)  # fmt: skip

    @classmethod
    def load(cls, path: Path) -> "Schedule":
        """Read what :meth:`save` wrote."""
        with np.load(path) as file:
            rate, behind = file["rate"].tolist()
            return cls(int(file["one"][0]), rate, file["partition"], file["size"], file["first"], behind)


@dataclass(slots=True)
class Feeder:
    """Sends payments to all partitions of ``transactions`` in turn.

    Args:
        client: Settings of the client.
        rate: Payments a second; ``None`` for as many as the broker takes.
        on_sent: Called every so often with how many were handed over.
    """

    client: dict[str, str]
    rate: float | None = None
    topic: str = "transactions"
    _failed: list[str] = field(default_factory=list)
    _lost: int = 0

    def feed(self, payments: Iterable[bytes]) -> Schedule:
        """Send all of them and wait until every one is acknowledged."""
        producer: Any = Producer(
            {**self.client, "acks": "all", "enable.idempotence": "true", "linger.ms": "5", "compression.type": "lz4",
             "queue.buffering.max.messages": "400000", "message.timeout.ms": "120000", "log_level": "0",
             "error_cb": lambda error: self._failed.append(error.str()) if error.fatal() else None}
        )  # fmt: skip
        listed = producer.list_topics(self.topic, timeout=30).topics[self.topic]
        partitions = len(listed.partitions)
        first = np.array(_ends(self.client, self.topic, partitions), np.int64)
        places: list[int] = []
        sizes: list[int] = []
        sent, behind, stream = 0, 0.0, iter(payments)
        start_us, start = time.time_ns() // 1_000, time.perf_counter()
        for batch in self._batches(stream, start):
            place = len(places) % partitions
            self._put(producer, batch, place)
            places.append(place)
            sizes.append(len(batch))
            sent += len(batch)
            if self.rate:
                behind = max(behind, time.perf_counter() - start - sent / self.rate)
        left = producer.flush(_FLUSH_SECONDS)
        if left or self._failed:
            raise SystemExit(f"feeding: {left} payments were not acknowledged; {'; '.join(self._failed[:3])}")
        rate = self.rate or sent / (time.perf_counter() - start)
        return Schedule(start_us, rate, np.array(places, np.int64), np.array(sizes, np.int64), first, behind)

    def _batches(self, payments: Iterator[bytes], start: float) -> Iterator[list[bytes]]:
        sent = 0
        while True:
            due = BATCH_MAX
            if self.rate:
                due = min(int((time.perf_counter() - start) * self.rate) + 1 - sent, BATCH_MAX)
                if due <= 0:
                    time.sleep(TICK_SECONDS)
                    continue
            batch = list(islice(payments, due))
            if not batch:
                return
            sent += len(batch)
            yield batch
            if self.rate and due < BATCH_MAX:
                time.sleep(TICK_SECONDS)

    def _put(self, producer: Any, batch: list[bytes], place: int) -> None:
        left: list[dict[str, Any]] = [{"value": each} for each in batch]
        while left:
            producer.produce_batch(self.topic, left, partition=place)
            left = [{"value": each["value"]} for each in left if "_error" in each]
            producer.poll(0.05 if left else 0)  # Only a full queue waits.


def _ends(client: dict[str, str], topic: str, partitions: int) -> list[int]:
    from confluent_kafka import Consumer, TopicPartition

    reader: Any = Consumer({**client, "group.id": "bench-ends", "log_level": "0"})
    try:
        return [
            reader.get_watermark_offsets(TopicPartition(topic, number), timeout=30)[1] for number in range(partitions)
        ]
    finally:
        reader.close()


def lines_of(path: Path, skip: int, count: int) -> list[bytes]:
    """Some payments of a file of JSON lines, in memory before the first is due."""
    with path.open("rb") as file:
        return [line.rstrip(b"\n") for line in islice(file, skip, skip + count)]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.stream.feeding", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("bootstrap")
    parser.add_argument("file", type=Path)
    parser.add_argument("--skip", type=int, default=0)
    parser.add_argument("--count", type=int, default=sys.maxsize)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--schedule", type=Path, required=True)
    given = parser.parse_args()
    payments = lines_of(given.file, given.skip, given.count)
    Feeder({"bootstrap.servers": given.bootstrap}, given.rate).feed(payments).save(given.schedule)


if __name__ == "__main__":
    main()
