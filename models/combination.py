"""Scores of many models as one: each becomes a tail probability, and the tails are added with stated weights.

For a signal (a model's score, or one part of it) the tail is the share of earlier rows of the segment with more of
it, ties counted half: ``p = (above + ties / 2 + 1 / 2) / (n + 1)``. So signals of any scale are comparable, and a
signal that is nearly always the same says nothing. The combination is the weighted sum of ``-log10 p`` less its mean
under chance, ``log10 e``. A signal that is not ready (NaN) is left out and the rest is weighed up, so that a frozen
model neither raises nor lowers what the others say.

Rows are judged by counts that a snapshot published, so that replays agree; the moving counts are only for the next one.

The sum was compared on labelled streams with the largest tail alone and with a trained classifier carried from one
generator to another: the plain sum was the best of them. Tails of signals that depend on each other do not make the
sum a probability; it is an order, and the budget (:mod:`models.budget`) makes alerts of it.

Sources: weighted Fisher combination, Good, I. J. (1955), "On the weighted combination of significance tests", JRSS B
17; ranks as p-values: Vovk, V., Gammerman, A. & Shafer, G. (2005), "Algorithmic learning in a random world", ch. 2;
Bates, S. et al. (2023), "Testing for outliers with conformal p-values", Ann. Stat. 51(1).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from models.column_model import NO_WHY, Arrays, ColumnModel, matrix
from models.compiled import kernel
from models.contract import Bools, Family, Float64s, Input, Int64s, Kind, Limit, ModelError, Part, Scores, State
from models.sketch import BUCKETS, Counts, bucket_of, forget

ROWS_MIN = 200
"""A segment in which fewer rows were counted takes everyone's tails; with fewer in all nothing is ready."""

_CHANCE = log10(np.e)


@dataclass(frozen=True, slots=True)
class TailSnapshot:
    """Counts in force from a log position on, shape (segments, signals, BUCKETS); segments beyond have none."""

    version: int
    signals: tuple[str, ...]
    counts: Counts

    def as_state(self) -> State:
        """The snapshot as a record of the log."""
        header = {"snapshot": "tails", "version": self.version, "signals": list(self.signals)}
        return State(header, {"counts": self.counts})

    @classmethod
    def from_state(cls, state: State) -> "TailSnapshot":
        """The snapshot that ``as_state`` laid out."""
        if state.header.get("snapshot") != "tails":
            raise ModelError(f"Not a snapshot of tails: {dict(state.header)}. Give what TailSnapshot.as_state made.")
        return cls(state.header["version"], tuple(state.header["signals"]), np.array(state.arrays["counts"]))


@kernel
def _combine_and_count(
    signals: Float64s,
    segment: Int64s,
    tails: Float64s,
    has_tails: Bools,
    weights: Float64s,
    values: Float64s,
    ready: Bools,
    why: Float64s,
    counts: Counts,
    decades: Int64s,
    all_weights: float,
    learn: bool,
) -> None:
    """``tails`` (segments, signals, BUCKETS) is ``-log10 p`` per bucket; ``has_tails`` (segments, signals) is
    False where it is NaN.

    A signal of weight 0 is counted and says nothing. ``counts[0]`` is of rows without a segment here. ``decades``
    (BUCKETS) counts the sums, rounded down.
    """
    for i in range(signals.shape[0]):
        own = segment[i] if 0 < segment[i] < tails.shape[0] else 0
        counted = segment[i] if 0 < segment[i] < counts.shape[0] else 0
        known = 0.0
        for k in range(len(weights)):
            if signals[i, k] == signals[i, k] and has_tails[own, k]:
                known += weights[k]
        total = 0.0
        for k in range(len(weights)):
            value = signals[i, k]
            if value != value:
                continue
            bucket = bucket_of(value)
            tail = tails[own, k, bucket]
            if tail == tail and weights[k] > 0.0:
                contribution = weights[k] * (all_weights / known) * (tail - _CHANCE)
                total += contribution
                if len(why):
                    why[i, k, 0], why[i, k, 1], why[i, k, 2] = contribution, value, tail
            if learn:
                counts[counted, k, bucket] += 1
        if known > 0.0:
            values[i], ready[i] = total, True
            if learn:
                decades[bucket_of(floor(total))] += 1


@kernel
def take_parts(why: Float64s, ready: Bools, places: Int64s, first: int, signals: Float64s) -> None:
    """Write parts of a model's scores, ``why[:, places, 0]``, into signals from ``first`` on; NaN where not ready."""
    for i in range(len(ready)):
        for k in range(len(places)):
            signals[i, first + k] = why[i, places[k], 0] if ready[i] else np.nan


@kernel
def _tails(counts: Counts, tails: Float64s) -> None:
    """``-log10 p`` per segment, signal and bucket; NaN where even everyone is fewer than ROWS_MIN.

    Between two buckets that counted anything the tail is the same, so most buckets cost no logarithm.
    """
    segments, signals, buckets = counts.shape
    for k in range(signals):
        for s in range(segments):
            n = 0
            for bucket in range(buckets):
                n += counts[s, k, bucket]
            if n < ROWS_MIN:
                for bucket in range(buckets):
                    tails[s, k, bucket] = tails[0, k, bucket] if s > 0 else np.nan
                continue
            above, before, tail = n, 1, 0.0
            for bucket in range(buckets):
                here = counts[s, k, bucket]
                above -= here
                if here != 0 or before != 0:
                    tail = -log10((above + 0.5 * here + 0.5) / (n + 1.0))
                tails[s, k, bucket] = tail
                before = here


def _together(counts: Counts) -> Counts:
    """A copy in which the counts at 0 are of everyone."""
    found = counts.copy()
    found[0] += counts[1:].sum(axis=0)
    return found


def _apart(counts: Counts) -> Counts:
    """The counts with those of everyone, at 0, less those of all segments; a row is counted once that way."""
    counts[0] -= counts[1:].sum(axis=0)
    return counts


class Combination(ColumnModel):
    """The weighted sum of the tails of signals. As a model it passes the suite of all models.

    Args:
        signals: Columns of kind number, NaN where the model is not ready; each with its family.
        weights: Per signal, above 0; stated on the card.
        segments: How many segments are told apart; another code, and -1, is judged and counted with everyone (0).

    In reasons *observed* is the signal and *expected* its ``-log10 p``.
    """

    id: ClassVar[str] = "combination"
    version: ClassVar[int] = 1

    def __init__(self, signals: Sequence[Input], weights: Sequence[float], *, segments: int = 32) -> None:
        if len(signals) != len(weights) or not all(weight > 0 for weight in weights):
            raise ModelError(f"{self.id}: {len(signals)} signals and weights {tuple(weights)}; each needs one above 0.")
        self._signals = tuple(each.name for each in signals)
        self._weights = np.array(weights, np.float64)
        self._in_force = self._weights.copy()
        self.inputs = (*signals, Input("segment", Kind.CODE))
        self.parts = tuple(Part(each.name, each.family or Family.FLOW, each.unit) for each in signals)
        self._counts = np.zeros((segments, len(signals), BUCKETS), np.int64)
        self.decades: Int64s = np.zeros(BUCKETS, np.int64)
        """How many combined scores had which whole part, by its bucket; whoever compares days empties it."""
        self.use(TailSnapshot(0, self._signals, np.zeros((1, len(signals), BUCKETS), np.int64)))
        most = 2 * self._counts.nbytes + self.decades.nbytes + self._weights.nbytes + 8
        self.limit = Limit(most, "segments beyond the limit are judged with everyone")

    def publish(self, *, halvings: int = 0, held: Sequence[int] = ()) -> TailSnapshot:
        """What was counted so far.

        Args:
            halvings: Age the counts before (:func:`models.sketch.forget`).
            held: Signals whose counts stay those in force.
        """
        if halvings:
            counts = self.counts
            forget(counts, halvings=halvings, least=ROWS_MIN)
            self._counts = _apart(counts)
        before = len(self._snapshot.counts)
        segments = max(before, 1 + int(np.flatnonzero(self._counts.any(axis=(1, 2))).max(initial=0)))
        counts = _together(self._counts[:segments])
        if held:
            counts[:, held] = 0
            counts[:before, held] = self._snapshot.counts[:, held]
        return TailSnapshot(self._snapshot.version + 1, self._signals, counts)

    def leave_out(self, signals: Sequence[int]) -> None:
        """From the next row on these signals, by number, are counted and say nothing; all others speak."""
        self._in_force = self._weights.copy()
        self._in_force[list(signals)] = 0.0

    def take_back(self, signals: Sequence[int], *, is_new: bool) -> None:
        """Of what these signals counted forget all that came after the snapshot in force; ``is_new``: all before it."""
        kept = np.zeros_like(self._counts[:, signals])
        kept[: len(self._snapshot.counts)] = _apart(self._snapshot.counts[:, signals])
        self._counts[:, signals] = self._counts[:, signals] - kept if is_new else kept

    def use(self, snapshot: TailSnapshot) -> None:
        """Put a snapshot in force from the next row on.

        Raises:
            ModelError: It is about other signals.
        """
        if snapshot.signals != self._signals:
            raise ModelError(
                f"{self.id}: the snapshot has signals {snapshot.signals}, the combination {self._signals}. "
                "Publish a snapshot of the combination's signals."
            )
        self._snapshot = snapshot
        self._tails = np.empty(snapshot.counts.shape)
        _tails(snapshot.counts, self._tails)
        self._has_tails = np.ascontiguousarray(self._tails[:, :, 0] == self._tails[:, :, 0])

    @property
    def tails(self) -> Float64s:
        """``-log10 p`` in force, shape (segments, signals, buckets); NaN where too few were counted."""
        return self._tails

    @property
    def counts(self) -> Counts:
        """What was counted, shape (segments, signals, buckets), a copy; partitions are merged by adding theirs."""
        return _together(self._counts)

    @property
    def segments(self) -> int:
        """How many are told apart."""
        return len(self._counts)

    @property
    def counts_of_everyone(self) -> Int64s:
        """What was counted of all segments together, shape (signals, buckets)."""
        return self._counts.sum(axis=0)

    def score_learn_signals(self, signals: Float64s, segment: Int64s, *, why: bool = False) -> Scores:
        """As ``score_learn_many`` with the signals side by side, shape (n, signals), C order."""
        n = len(segment)
        values, ready = np.full(n, np.nan), np.zeros(n, np.bool_)
        filled = np.zeros((n, len(self.parts), 3)) if why else NO_WHY
        self._combine(signals, segment, values, ready, filled, True)
        return Scores(values, ready, filled if why else None)

    def score_signals(self, signals: Float64s, segment: Int64s) -> Scores:
        """Scores with reasons of signals side by side by the tails in force; nothing is counted."""
        n = len(segment)
        values, ready, filled = np.full(n, np.nan), np.zeros(n, np.bool_), np.zeros((n, len(self.parts), 3))
        self._combine(signals, segment, values, ready, filled, False)
        return Scores(values, ready, filled)

    def _run(self, columns: Arrays, values: Float64s, ready: Bools, why: Float64s, learn: bool) -> None:
        self._combine(matrix(columns, self._signals), columns["segment"], values, ready, why, learn)

    def _combine(
        self, signals: Float64s, segment: Int64s, values: Float64s, ready: Bools, why: Float64s, learn: bool
    ) -> None:
        _combine_and_count(
            signals, segment, self._tails, self._has_tails, self._in_force, values, ready, why, self._counts,
            self.decades, float(self._weights.sum()), learn,
        )  # fmt: skip

    def _settings(self) -> dict[str, Any]:
        return {"signals": list(self._signals), "weights": self._weights.tolist(), "segments": len(self._counts)}

    def _arrays(self) -> Arrays:
        return {
            "counts": self.counts,
            "decades": self.decades,
            "weights": self._in_force,
            "snapshot": self._snapshot.counts,
            "snapshot.version": np.array([self._snapshot.version], np.int64),
        }

    def _take(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        self._counts, self.decades, self._in_force = _apart(arrays["counts"]), arrays["decades"], arrays["weights"]
        self.use(TailSnapshot(int(arrays["snapshot.version"][0]), self._signals, arrays["snapshot"]))
