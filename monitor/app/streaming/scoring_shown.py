"""What a scoring worker shows of itself: steps, lag, readiness, what it waits for, and what it reaches."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from monitor.adapters.kafka import legs_log
from monitor.adapters.kafka.topics import KafkaError
from monitor.app.streaming.partition import Judged, LogRecord, Partition
from monitor.app.streaming.recording import ScoringMetrics
from monitor.app.streaming.telling import telling

READY_LAG = 1_000
"""With more records waiting a worker is not ready."""


class ShownScoring:
    """Puts what happens into metrics and log lines.

    Args:
        metrics: Where it is recorded.
        tick: A clock that never goes back, seconds; that of the times at which records came.
    """

    def __init__(self, metrics: ScoringMetrics, *, tick: Callable[[], float] = time.monotonic) -> None:
        self._metrics, self._tick, self._say = metrics, tick, telling("score")
        self._awaits_since: dict[int, float] = {}

    def step(
        self, partition: Partition, judged: Judged, records: Sequence[LogRecord], came: Sequence[float], seconds: float
    ) -> None:
        """A step: the records that were taken, when the process had each, and the seconds that it took."""
        number, metrics, now_us = partition.number, self._metrics, time.time_ns() // 1_000
        for step in judged.steps:
            share = len(step.outcome) / max(judged.payments, 1)
            metrics.step(step, taken=len(step.outcome), seconds=seconds * share)
            for rule, raised in step.raised.items():
                self._say.error("rule_raised", partition=number, rule=rule, alerts=raised.alerts, error=raised.error)
        if records:
            metrics.delay("wall", self._tick() - np.array(came))
            metrics.delay_since("broker", [each.timestamp_us for each in records], now_us=now_us)
        if judged.payments:
            metrics.delay_since("event", np.concatenate(judged.booked_us), now_us=now_us)
        if judged.damaged:
            metrics.quarantined(len(judged.damaged))
        if judged.refused:
            metrics.refused(Counter(each.reason.value for each in judged.refused))
        if (bank := partition.engine.peers.snapshot) is not None:
            metrics.bank_snapshot(number, bank.day)
        metrics.verdicts(number, partition.engine)
        metrics.paused(number, judged.blocked is not None)
        metrics.degraded(number, partition.profiles.is_degraded)
        if judged.blocked is not None:
            self._say.warning("partition_waits", partition=number, dependency="redis")

    def failed(self, partition: int, offset: int, error: Exception) -> None:
        """A step raised, at a record from ``offset`` on: its partition waits."""
        self._metrics.step_raised()
        self._metrics.paused(partition, True)
        self._say.error("step_failed", partition=partition, offset=offset, error=error)

    def lags(self, partitions: Mapping[int, tuple[Partition, int | None]]) -> str:
        """Lag and what is awaited, by partition with the end of its log; why the worker is not ready for it, if so.

        The end is ``None`` where nothing was fetched since the partition was assigned.
        """
        behind, unknown = 0, 0
        for number, (partition, end) in partitions.items():
            if end is None:
                unknown += 1
                continue
            lag = max(end - partition.offset, 0)
            behind += lag
            self._metrics.lag(number, lag)
        self._show_awaited({number: partition.profiles.awaited for number, (partition, _) in partitions.items()})
        if unknown:
            return f"how much waits in {unknown} partitions is not known yet"
        return f"{behind} records wait" if behind > READY_LAG else ""

    def _show_awaited(self, awaited: Mapping[int, int]) -> None:
        """Announced profile versions that could not be read yet, and since when the longest waits."""
        now = self._tick()
        self._awaits_since = {
            number: self._awaits_since.get(number, now) for number, versions in awaited.items() if versions
        }
        oldest = max((now - since for since in self._awaits_since.values()), default=0.0)
        self._metrics.awaited(sum(awaited.values()), oldest_seconds=oldest)

    def probe(self, client: dict[str, str], topic: str) -> None:
        """Whether the brokers answer: between two reads nobody else would notice."""
        try:
            legs_log.partitions_of(client, topic)
        except KafkaError:
            self._metrics.dependency("kafka", False)
        else:
            self._metrics.dependency("kafka", True)
