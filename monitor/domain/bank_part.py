"""What one partition adds to a snapshot of the whole bank: histograms of its customers, which add up.

Only how many customers of a segment are in which bucket of a measure is told: no customer, and no value of one.
"""

from dataclasses import dataclass

import numpy as np

from monitor.domain.transaction import Int32s, Int64s

BUCKETS = 64 + 32 * 57
"""Buckets of a histogram: see :mod:`monitor.engine.peers`."""
NAME_BYTES = 8
MEASURES_MAX = 256
"""Most measures that are told, the first of the rules; so a segment fits in one record."""
WHOLE_BANK = -1
"""Stands in place of a segment for all customers."""


@dataclass(frozen=True, slots=True)
class BankPart:
    """Histograms of some segments, or of all, as they were before a position of the partition's log.

    Attributes:
        position: That of the first payment of the day.
        measures: The name of each measure (:meth:`monitor.rulebook.plan.Program.name_of`).
        segments: Codes, or :data:`WHOLE_BANK`, each once.
        places: Which buckets are not empty: ``(segment * measures + measure) * BUCKETS + bucket``, with the rows of
            segment and measure. Rising.
        counts: How many customers each of these holds.
    """

    position: int
    measures: tuple[bytes, ...]
    segments: Int32s
    places: Int64s
    counts: Int64s

    @property
    def buckets_of_segment(self) -> int:
        """How many places one segment has."""
        return len(self.measures) * BUCKETS

    def of_segments(self, start: int, stop: int) -> "BankPart":
        """The part of the segments from one row to before another."""
        width = self.buckets_of_segment
        first, last = np.searchsorted(self.places, (start * width, stop * width))
        places = self.places[first:last] - start * width
        return BankPart(self.position, self.measures, self.segments[start:stop], places, self.counts[first:last])
