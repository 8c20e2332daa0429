"""How far a row lies in the tails of its peer group, by quantiles that a bank snapshot publishes.

Per segment and feature a sketch counts values (:mod:`models.sketch`). Rows are not judged by the moving sketch but by
the :class:`PeerSnapshot` in force: partitions add their counts, one snapshot is published, and every partition uses
it from the same place in the log on, so that a replay agrees. Before the first snapshot nothing is ready.

The contribution of a feature is its *surprise* less 1. The surprise is ``-ln p``, with p the share of peers at least as
far out. If the row were a peer drawn at random p would be uniform and the surprise 1 on average (it is the addend of
Fisher's combination), so a contribution below 0 says "more ordinary than most". Between published quantiles ``-ln p``
is interpolated. Beyond the last it grows as an exponential tail through the last two, up to ``SURPRISE_MAX``, so that
heavy-tailed measures should come as logarithms. Equal values share their tail: a tie is never a surprise.

Sources: Fisher, R. A. (1932), "Statistical methods for research workers", 4th ed., section 21.1; exponential tails
beyond a high quantile: Pickands, J. (1975), "Statistical inference using extreme order statistics", Ann. Stat. 3(1).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from models.column_model import Arrays, ColumnModel, matrix
from models.compiled import inlined, kernel
from models.contract import Bools, Family, Float64s, Input, Int64s, Kind, Limit, ModelError, Part, State
from models.sketch import BUCKETS, count_values, forget, lower_ends, quantile_buckets, upper_ends

PROBABILITIES = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999)
"""Quantiles that a snapshot carries."""

SURPRISE_MAX = 30.0
COUNT_MIN = 30
"""A segment in which fewer rows were counted takes everyone's quantiles; with fewer rows in all there are none."""

_UPPER_TAIL = -np.log(1.0 - np.array(PROBABILITIES))
_LOWER_TAIL = -np.log(np.array(PROBABILITIES))
_LN2 = float(np.log(2.0))
HIGH, LOW, BOTH = 0, 1, 2
SIDES = {"high": HIGH, "low": LOW, "both": BOTH}


@dataclass(frozen=True, slots=True)
class PeerSnapshot:
    """Quantiles in force from a log position on: ``buckets`` has shape (segments, features, PROBABILITIES)."""

    version: int
    features: tuple[str, ...]
    buckets: Int64s

    def as_state(self) -> State:
        """The snapshot as a record of the log."""
        header = {"snapshot": "peers", "version": self.version, "features": list(self.features)}
        return State(header, {"buckets": self.buckets})

    @classmethod
    def from_state(cls, state: State) -> "PeerSnapshot":
        """The snapshot that ``as_state`` laid out."""
        if state.header.get("snapshot") != "peers":
            raise ModelError(f"Not a snapshot of peers: {dict(state.header)}. Give what PeerSnapshot.as_state made.")
        return cls(state.header["version"], tuple(state.header["features"]), np.array(state.arrays["buckets"]))


@inlined
def _climb(value: float, knots: Float64s, tail: Float64s) -> float:
    """``-ln`` of the share at or beyond ``value``; knots ascend and tails grow with them."""
    last = len(knots) - 1
    if not value > knots[0]:
        return 0.0
    if value > knots[last]:
        step = max(knots[last] - knots[last - 2], abs(knots[last]) / 16.0, 1.0 / 16.0)
        beyond = (value - knots[last]) / step * (tail[last] - tail[last - 2])
        return min(tail[last] + beyond, SURPRISE_MAX)
    k = 0
    while value > knots[k + 1]:
        k += 1
    share = (value - knots[k]) / (knots[k + 1] - knots[k])
    return tail[k] + share * (tail[k + 1] - tail[k])


@kernel
def _judge(
    x: Float64s,
    segment: Int64s,
    upper: Float64s,
    lower: Float64s,
    middle: Float64s,
    tail: Float64s,
    sides: Int64s,
    weights: Float64s,
    values: Float64s,
    ready: Bools,
    why: Float64s,
) -> None:
    """``upper`` and negated, reversed ``lower`` have shape (segments, features, knots), both ascending."""
    for i in range(x.shape[0]):
        own = segment[i] if 0 < segment[i] < upper.shape[0] else 0
        total, known = 0.0, 0
        for j in range(x.shape[1]):
            value = x[i, j]
            if value != value or upper[own, j, 0] != upper[own, j, 0]:
                continue
            known += 1
            above = _climb(value, upper[own, j], tail) if sides[j] != LOW else 0.0
            below = _climb(-value, lower[own, j], tail) if sides[j] != HIGH else 0.0
            surprise = max(above, below)
            if sides[j] == BOTH:
                surprise = max(surprise - _LN2, 0.0)
            contribution = weights[j] * (surprise - 1.0)
            total += contribution
            if len(why):
                why[i, j, 0], why[i, j, 1], why[i, j, 2] = contribution, value, middle[own, j]
        if known:
            values[i], ready[i] = total, True


class Peers(ColumnModel):
    """Deviation from peers over named features, and the measuring that bank snapshots are made of.

    Args:
        features: Columns of kind number, each with unit and family. Heavy-tailed ones as logarithms.
        sides: Per feature "high", "low" or "both": which tail is suspicious. All "both" if left out.
        weights: Per feature, above 0; all 1 if left out.
        segments: How many segments are told apart; another code, and -1, is judged and counted with everyone (0).

    Weak spots: rows are counted, not customers, so a few busy customers can shape their segment; within a segment
    that mixes two kinds of customers neither is ordinary.
    """

    id: ClassVar[str] = "peers"
    version: ClassVar[int] = 1

    def __init__(
        self,
        features: Sequence[Input],
        *,
        sides: Sequence[str] = (),
        weights: Sequence[float] = (),
        segments: int = 32,
    ) -> None:
        self._features = tuple(feature.name for feature in features)
        self._sides = np.array([SIDES[side] for side in sides or ["both"] * len(features)], np.int64)
        self._weights = np.array(weights or [1.0] * len(features), np.float64)
        self.inputs = (*features, Input("segment", Kind.CODE))
        self.parts = tuple(Part(each.name, each.family or Family.AMOUNT, each.unit) for each in features)
        self._counts = np.zeros((segments, len(features), BUCKETS), np.int64)
        self._snapshot: PeerSnapshot | None = None
        self.use(PeerSnapshot(0, self._features, np.full((1, len(features), len(PROBABILITIES)), -1, np.int64)))
        size = self.bytes_used() + segments * len(features) * len(PROBABILITIES) * 8
        self.limit = Limit(size, "segments beyond the limit are judged with everyone")

    def publish(self, *, halvings: int = 0) -> PeerSnapshot:
        """The quantiles of what was counted so far; ``halvings`` then ages the counts (:func:`sketch.forget`)."""
        buckets = quantile_buckets(self._counts, PROBABILITIES, count_min=COUNT_MIN)
        version = 1 if self._snapshot is None else self._snapshot.version + 1
        if halvings:
            forget(self._counts, halvings=halvings)
        return PeerSnapshot(version, self._features, buckets)

    def use(self, snapshot: PeerSnapshot) -> None:
        """Put a snapshot in force from the next row on.

        Raises:
            ModelError: It is about other features.
        """
        if snapshot.features != self._features:
            raise ModelError(
                f"{self.id}: the snapshot has features {snapshot.features}, the model {self._features}. "
                "Publish a snapshot with the model's features."
            )
        self._snapshot = snapshot
        self._upper = upper_ends(snapshot.buckets)
        self._lower = np.ascontiguousarray(-lower_ends(snapshot.buckets)[:, :, ::-1])
        self._middle = lower_ends(snapshot.buckets[:, :, PROBABILITIES.index(0.5)])

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """What was counted, shape (segments, features, buckets); partitions are merged by adding theirs."""
        return self._counts

    def _run(self, columns: Arrays, values: Float64s, ready: Bools, why: Float64s, learn: bool) -> None:
        x, segment = matrix(columns, self._features), columns["segment"]
        _judge(
            x, segment, self._upper, self._lower, self._middle, _UPPER_TAIL, self._sides, self._weights,
            values, ready, why,
        )  # fmt: skip
        if learn:
            count_values(x, segment, self._counts)

    def _settings(self) -> dict[str, Any]:
        return {
            "features": list(self._features),
            "sides": self._sides.tolist(),
            "weights": self._weights.tolist(),
            "segments": len(self._counts),
        }

    def _arrays(self) -> Arrays:
        assert self._snapshot is not None
        return {
            "counts": self._counts,
            "snapshot": self._snapshot.buckets,
            "snapshot.version": np.array([self._snapshot.version], np.int64),
        }

    def _take(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        self._counts = arrays["counts"]
        self.use(PeerSnapshot(int(arrays["snapshot.version"][0]), self._features, arrays["snapshot"]))
