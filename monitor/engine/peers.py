"""Peer groups and hubs: what the bank as a whole does, as a versioned snapshot.

Per segment and measure a histogram counts the latest value of each customer: a customer counts once, however
many payments it makes. Buckets are exact up to 63 and then 1/32 of the value wide, so a
quantile is exact for small counts and at most 3.2 % high for large ones; histograms of
partitions add up. Each partition tells the others of its own at its change of day, and adds what they told last
(:mod:`monitor.engine.bank_parts`). A segment with fewer than 30 customers takes the whole bank's distribution; a bank
with fewer has none.

A hub (payroll agent, marketplace, collection service) is recognised by steady behaviour: at least 50 distinct
counterparties in 30 days, at each of the last 14 daily snapshots. A sudden fan-in of
the same size is not a hub. It is told by those who pay it and whom it pays, who are all seen where it lives: nothing
of hubs is told.

A snapshot is taken at each change of the UTC day of the log and used from there on. The shell records it as an
input of the log, and an alert is explained with the recorded one; a resume measures it again from the history.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from monitor.domain.bank_part import BUCKETS, WHOLE_BANK, BankPart
from monitor.domain.fields import PEER_QUANTILES
from monitor.domain.time import UNKNOWN
from monitor.domain.transaction import Int32s, Int64s
from monitor.engine.bank_parts import BankParts, part_of
from monitor.engine.compiled import inlined, kernel
from monitor.rulebook.plan import Program

CUSTOMERS_MIN = 30
HUB_COUNTERPARTIES_MIN = 50
HUB_DAYS_MIN = 14
SEGMENTS_MAX = 256


@dataclass(frozen=True, slots=True)
class BankSnapshot:
    """What the whole bank looked like before a log position.

    ``quantiles[segment, column]`` follows the columns of the program's peers; segment 0 is the whole bank and
    stands for unknown segments. ``hubs`` are key rows of those who live in this partition, ``customers`` how many
    customers have had a payment so far.
    """

    version: int
    position: int
    day: int
    quantiles: npt.NDArray[np.int64]
    hubs: Int32s
    customers: int = 0


@inlined
def bucket_of(value: int) -> int:
    """The bucket of a value; negative values share the first."""
    if value < 64:
        return max(value, 0)
    shift = 0
    while (value >> shift) >= 64:
        shift += 1
    return 64 + 32 * (shift - 1) + (value >> shift) - 32


def upper_bound(bucket: int) -> int:
    """The largest value of a bucket.

    >>> [upper_bound(bucket_of(v)) for v in (0, 5, 63, 64, 1000)]
    [0, 5, 63, 65, 1007]
    """
    if bucket < 64:
        return bucket
    shift, step = divmod(bucket - 64, 32)
    return ((step + 33) << (shift + 1)) - 1


@kernel
def _record(
    rows: Int64s,
    operation: Int32s,
    segment: Int32s,
    columns: Int64s,
    measures: npt.NDArray[np.int64],
    last_bucket: npt.NDArray[np.int32],
    last_segment: Int32s,
    histograms: npt.NDArray[np.int64],
) -> None:
    """Move each customer to the bucket of its latest value; segment 0 counts everyone."""
    for i in range(len(rows)):
        row = rows[i]
        if row < 0 or operation[i] != 0:
            continue
        old, new = last_segment[row], segment[i]
        for k in range(len(columns)):
            value = measures[i, columns[k]]
            before = last_bucket[row, k]
            after = bucket_of(value) if value != UNKNOWN else -1
            if before == after and old == new:
                continue
            if before >= 0:
                histograms[0, k, before] -= 1
                if old > 0:
                    histograms[old, k, before] -= 1
            if after >= 0:
                histograms[0, k, after] += 1
                if new > 0:
                    histograms[new, k, after] += 1
            last_bucket[row, k] = after
        last_segment[row] = new


class Peers:
    """Histograms of a partition, what other partitions told of theirs, and the snapshot in force."""

    def __init__(self, program: Program) -> None:
        self.peers = peers = program.peers
        columns = list(dict.fromkeys([program.hub_measure, *(column for column, _ in peers)]))
        self.columns = np.array(columns, np.int64)
        self.told = BankParts(tuple(program.name_of(column) for column in columns))
        self.last_bucket = np.full((1024, len(self.columns)), -1, np.int32)
        self.last_segment = np.zeros(1024, np.int32)
        self.histograms = np.zeros((8, len(self.columns), BUCKETS), np.int64)
        self.hub_days = np.zeros(1024, np.int16)
        self.segment_code: list[int] = []
        self.index_of = np.full(1, -1, np.int32)
        self.snapshot: BankSnapshot | None = None
        self.table = np.full((SEGMENTS_MAX, max(len(peers), 1)), UNKNOWN, np.int64)
        self.is_hub = np.full(1024, UNKNOWN, np.int64)

    def number_segments(self, codes: Int64s) -> None:
        """Give new segments an index as they come, up to 255; the others count with the whole bank (0)."""
        highest = int(codes.max(initial=-1))
        if highest >= len(self.index_of):
            self.index_of = _longer(self.index_of, highest + 1, -1)
        for code in dict.fromkeys(codes[codes >= 0].tolist()):
            if self.index_of[code] < 0:
                is_numbered = len(self.segment_code) < SEGMENTS_MAX - 1
                self.segment_code += [code] if is_numbered else []
                self.index_of[code] = len(self.segment_code) if is_numbered else 0

    def restore_segments(self, codes: list[int]) -> None:
        """Take over the segments of a saved state, in their order."""
        self.segment_code, self.index_of = list(codes), np.full(max(codes, default=0) + 1, -1, np.int32)
        self.index_of[codes] = np.arange(1, len(codes) + 1)
        self.is_hub = np.full(len(self.last_segment), UNKNOWN, np.int64)

    def make_room(self, keys: int) -> None:
        """Room for key rows below ``keys`` and for all segments."""
        if keys > len(self.last_segment):
            length = max(keys, 2 * len(self.last_segment))
            self.last_bucket = _longer(self.last_bucket, length, -1)
            self.last_segment = _longer(self.last_segment, length, 0)
            self.hub_days = _longer(self.hub_days, length, 0)
            self.is_hub = _longer(self.is_hub, length, UNKNOWN if self.snapshot is None else 0)
        if len(self.segment_code) >= len(self.histograms):
            self.histograms = _longer(self.histograms, 2 * len(self.segment_code) + 1, 0)

    def record(self, rows: Int64s, operation: Int32s, segment: Int32s, measures: npt.NDArray[np.int64]) -> None:
        """Take over the measures of holder legs (``rows`` is -1 for others)."""
        _record(rows, operation, segment, self.columns, measures, self.last_bucket, self.last_segment, self.histograms)

    def part(self, *, position: int) -> BankPart:
        """What this partition adds to the snapshots of others."""
        segments = np.array([WHOLE_BANK, *self.segment_code], np.int32)
        return part_of(position, self.told.measures, segments, self.histograms[: len(segments)])

    def hear(self, teller: int, part: BankPart, *, began: int) -> None:
        """Take in what another partition adds, from the next snapshot on."""
        self.number_segments(part.segments.astype(np.int64))
        self.make_room(0)
        self.told.hear(teller, part, self.index_of, began=began)

    def publish(self, *, position: int, day: int) -> BankSnapshot:
        """The snapshot of now; it is in force from the next leg on."""
        many = self.last_bucket[:, 0] >= bucket_of(HUB_COUNTERPARTIES_MIN)
        self.hub_days = np.where(many, np.minimum(self.hub_days + 1, 30_000), 0).astype(np.int16)
        version = 1 if self.snapshot is None else self.snapshot.version + 1
        hubs = np.flatnonzero(self.hub_days >= HUB_DAYS_MIN).astype(np.int32)
        histograms = self.told.merged(self.histograms[: len(self.segment_code) + 1])
        customers = int(histograms[0, 0].sum())
        snapshot = BankSnapshot(version, position, day, self._quantiles(histograms), hubs, customers)
        self.use(snapshot)
        return snapshot

    def use(self, snapshot: BankSnapshot) -> None:
        """Put a snapshot in force."""
        self.snapshot = snapshot
        self.table[:] = snapshot.quantiles[0]
        self.table[: len(snapshot.quantiles)] = snapshot.quantiles
        self.is_hub[:] = 0
        self.is_hub[snapshot.hubs] = 1

    def _quantiles(self, histograms: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        segments = len(histograms)
        table = np.full((segments, max(len(self.peers), 1)), UNKNOWN, np.int64)
        cumulated = np.cumsum(histograms, axis=2)
        for number, (column, quantile) in enumerate(self.peers):
            k = int(np.flatnonzero(self.columns == column)[0])
            for segment in range(segments):
                own = cumulated[segment, k] if cumulated[segment, k, -1] >= CUSTOMERS_MIN else cumulated[0, k]
                if own[-1] >= CUSTOMERS_MIN:
                    # The smallest value that at least the wanted share of customers does not exceed.
                    rank = -int(-(own[-1] * round(PEER_QUANTILES[quantile] * 1000)) // 1000)
                    table[segment, number] = upper_bound(int(np.searchsorted(own, rank)))
        return table


def _longer(values, length: int, fill: int):
    grown = np.full((length, *values.shape[1:]), fill, values.dtype)
    grown[: len(values)] = values
    return grown
