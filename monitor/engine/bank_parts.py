"""What the other partitions told last of their customers, which a bank snapshot adds to those of its own partition.

Kept by partition and segment, each with the position at which it was told: what is not behind that changes nothing, so
a worker that was killed may tell again, and a part may come in pieces. A segment of a part replaces the one before it.
What a partition told before its state began anew counts until the new state tells.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from monitor.domain.bank_part import BUCKETS, MEASURES_MAX, WHOLE_BANK, BankPart
from monitor.domain.transaction import Int32s, Int64s

Histograms = npt.NDArray[np.int64]
"""Shape (segments, measures, BUCKETS)."""


@dataclass(frozen=True, slots=True)
class _Told:
    """A segment of a part: where the state that told it began, where it told, and which buckets are not empty, by
    measure and bucket."""

    began: int
    position: int
    places: Int32s
    counts: Int64s


def part_of(position: int, measures: tuple[bytes, ...], segments: Int32s, histograms: Histograms) -> BankPart:
    """The part of a partition with these histograms; of more than :data:`MEASURES_MAX` measures the first."""
    flat = histograms[:, :MEASURES_MAX].reshape(-1)
    places = np.flatnonzero(flat)
    return BankPart(position, measures[:MEASURES_MAX], segments, places, flat[places])


@dataclass(slots=True)
class BankParts:
    """The last told segments of all other partitions.

    Args:
        measures: The names of the measures of this partition's histograms, in their order.
    """

    measures: tuple[bytes, ...]
    _told: dict[tuple[int, int], _Told] = field(default_factory=dict)
    """By partition and segment."""

    def hear(self, teller: int, part: BankPart, index_of: Int32s, *, began: int) -> None:
        """Take in what a partition tells; measures that this one does not have are left out.

        Args:
            teller: The partition.
            part: What it tells.
            index_of: The row of each segment by its code, 0 for those that count with the whole bank only.
            began: Where in its log the state began that tells, never before one that told already.
        """
        self._told = {key: told for key, told in self._told.items() if key[0] != teller or told.began == began}
        own = {name: number for number, name in enumerate(self.measures)}
        column_of = np.array([own.get(name, -1) for name in part.measures], np.int64)
        for row, code in enumerate(part.segments.tolist()):
            segment = 0 if code == WHOLE_BANK else int(index_of[code])
            key = teller, segment
            if (not segment and code != WHOLE_BANK) or part.position <= self._position(key):
                continue
            one = part.of_segments(row, row + 1)
            column, bucket = column_of[one.places // BUCKETS], one.places % BUCKETS
            is_known = column >= 0
            places = (column * BUCKETS + bucket)[is_known].astype(np.int32)
            self._told[key] = _Told(began, part.position, places, one.counts[is_known])

    def merged(self, own: Histograms) -> Histograms:
        """The histograms of the whole bank as far as they were told; ``own`` is left as it is."""
        if not self._told:
            return own
        total = own.copy()
        by_segment = total.reshape(len(total), -1)
        for (_, segment), told in self._told.items():
            by_segment[segment, told.places] += told.counts
        return total

    def _position(self, key: tuple[int, int]) -> int:
        return self._told[key].position if key in self._told else -1

    def save(self) -> dict[str, npt.NDArray[Any]]:
        """What was told, as arrays."""
        heads = [(*key, told.began, told.position, len(told.places)) for key, told in self._told.items()]
        told = list(self._told.values())
        return {
            "heads": np.array(heads, np.int64).reshape(-1, 5),
            "places": np.concatenate([np.zeros(0, np.int32), *(each.places for each in told)]),
            "counts": np.concatenate([np.zeros(0, np.int64), *(each.counts for each in told)]),
        }

    def load(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take over what :meth:`save` made of the parts of a partition under the same rules."""
        self._told, start = {}, 0
        for teller, segment, began, position, count in arrays["heads"].tolist():
            rows = slice(start, start + count)
            told = _Told(began, position, np.array(arrays["places"][rows]), np.array(arrays["counts"][rows]))
            self._told[teller, segment] = told
            start += count
