"""The book in which a worker counts, and which Prometheus reads.

A histogram takes whole columns: one search over the buckets for all values of a chunk, because one call per payment
would cost more than the payment's decoding (:meth:`Book.observe`). Otherwise it is what prometheus-client has.

A label that is not allowed (:data:`monitor.metrics.LABELS`), or one value more than its limit, becomes ``other``, so
that neither a token nor a flood of series leaves the process.
"""

from bisect import bisect_left
from collections.abc import Iterator
from threading import Lock

import numpy as np
import numpy.typing as npt
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from monitor.metrics import COUNTER, HISTOGRAM, LABELS, METRICS, OTHER, Metric

Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily


class Histogram:
    """Counts by bucket and the sum of one series."""

    def __init__(self, edges: tuple[float, ...]) -> None:
        self._edges, self._plain_edges = np.array(edges), edges
        self._names = [*(repr(edge) for edge in edges), "+Inf"]
        self.counts = np.zeros(len(edges) + 1, np.int64)
        self.sum = 0.0

    def observe(self, values: npt.ArrayLike) -> None:
        """Count one value or a column; a bucket holds those up to its edge, the edge included; negative ones are 0."""
        if isinstance(values, float | int):
            value = max(float(values), 0.0)
            self.counts[bisect_left(self._plain_edges, value)] += 1
            self.sum += value
            return
        column = np.maximum(np.asarray(values, np.float64), 0.0)
        places = np.searchsorted(self._edges, column, side="left")
        self.counts += np.bincount(places, minlength=len(self.counts))
        self.sum += float(column.sum())

    def cumulated(self) -> list[tuple[str, float]]:
        """The count of values up to each edge."""
        return list(zip(self._names, self.counts.cumsum().astype(float).tolist(), strict=True))


class Book(Collector):
    """All metrics of one process. Safe to write in one thread while another reads.

    ``registry`` is what :class:`monitor.app.streaming.health.Health` shows; other collectors may be added to it.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._numbers: dict[str, dict[tuple[str, ...], float]] = {}
        self._histograms: dict[str, dict[tuple[str, ...], Histogram]] = {}
        self._known: dict[str, set[str]] = {}
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def add(self, metric: Metric, amount: float, *labels: str) -> None:
        """Add to a counter.

        Raises:
            ValueError: The amount is negative, or the number of labels is not the metric's.
        """
        if amount < 0:
            raise ValueError(f"{metric.name}: {amount} is added to a counter; it only rises. Use a gauge.")
        with self._lock:
            series = self._numbers.setdefault(metric.name, {})
            # What is there has passed, so only the first value of a series is looked at.
            key = labels if labels in series else self._key(metric, labels)
            series[key] = series.get(key, 0.0) + amount

    def put(self, metric: Metric, value: float, *labels: str) -> None:
        """Set a gauge."""
        with self._lock:
            series = self._numbers.setdefault(metric.name, {})
            series[labels if labels in series else self._key(metric, labels)] = float(value)

    def observe(self, metric: Metric, values: npt.ArrayLike, *labels: str) -> None:
        """Count one value or a column of values; negative ones count as 0."""
        with self._lock:
            series = self._histograms.setdefault(metric.name, {})
            key = labels if labels in series else self._key(metric, labels)
            if key not in series:
                series[key] = Histogram(metric.buckets)
            series[key].observe(values)

    def forget(self, metric: Metric, *labels: str) -> None:
        """Show a series no longer: its partition has gone to another worker."""
        with self._lock:
            self._numbers.get(metric.name, {}).pop(labels, None)

    def read(self, metric: Metric, *labels: str) -> float | None:
        """What a counter or gauge says; ``None`` where nothing was recorded."""
        with self._lock:
            return self._numbers.get(metric.name, {}).get(labels)

    def collect(self) -> Iterator[Family]:
        """For Prometheus: everything recorded so far."""
        for metric in METRICS:
            with self._lock:
                family = self._family(metric)
            if family.samples:
                yield family

    def _family(self, metric: Metric) -> Family:
        if metric.kind == HISTOGRAM:
            histogram = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
            for key, each in self._histograms.get(metric.name, {}).items():
                histogram.add_metric(key, each.cumulated(), each.sum)
            return histogram
        kind = CounterMetricFamily if metric.kind == COUNTER else GaugeMetricFamily
        family = kind(metric.name, metric.help, labels=metric.labels)
        for key, value in self._numbers.get(metric.name, {}).items():
            family.add_metric(key, value)
        return family

    def _key(self, metric: Metric, labels: tuple[str, ...]) -> tuple[str, ...]:
        if len(labels) != len(metric.labels):
            raise ValueError(f"{metric.name}: {len(labels)} labels are given; it has {metric.labels}.")
        return tuple(
            self._shown(f"{metric.name} {name}", name, value) for name, value in zip(metric.labels, labels, strict=True)
        )

    def _shown(self, place: str, name: str, value: str) -> str:
        known, label = self._known.setdefault(place, set()), LABELS[name]
        if value in known:
            return value
        if len(known) >= label.values_max or not label.allows(value):
            return OTHER
        known.add(value)
        return value
