"""Half-space trees: how empty is the place where a row lies, among the rows of the last window.

Random trees halve the unit cube of scaled features again and again; each node counts the rows of the present window
while rows are judged by the counts of the window before. A row whose path runs into nodes of little mass is
anomalous. With the trees of a river ``HalfSpaceTrees`` the scores are river's, bit for bit
(:meth:`HalfSpaceTrees.with_trees`).

Features are scaled per peer group by the snapshot in force (:class:`models.peers.PeerSnapshot`): with the segment's
median m and spread s, ``z = (x - m) / s`` lies at ``(1 + z / (4 + |z|)) / 2``. So the middle half of a segment takes
about a sixth of the cube's side, and values far out keep apart instead of being cut off. Before a snapshot, and
before the first whole window, nothing is ready.

A reason is what its feature's halvings did to the mass: if each half held half of its parent's rows, the score would be
``base``; a half with less adds to it.

Source: Tan, S. C., Ting, K. M. & Liu, T. F. (2011), "Fast anomaly detection for streaming data", IJCAI-11; the
padding of 0.15 and the size limit of 0.1 window are river's. Reasons: path attribution after Saabas, A. (2014),
"Interpreting random forests".
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from models.column_model import Arrays, ColumnModel, matrix
from models.compiled import inlined, kernel
from models.contract import Bools, Family, Float64s, Input, Int64s, Kind, Limit, ModelError, Part
from models.peers import PROBABILITIES, PeerSnapshot
from models.sketch import lower_ends, upper_ends

PADDING = 0.15
SIZE_LIMIT = 0.1
_SQUASH = 4.0
_P01, _P10, _P50, _P90, _P99 = (PROBABILITIES.index(p) for p in (0.01, 0.1, 0.5, 0.9, 0.99))
_NORMAL_P90 = 1.2815515655446004
_NORMAL_P99 = 2.3263478740408408
_SPREAD_MIN = 1.0 / 32.0
_COUNTER, _IS_FIRST = 0, 1
Int32s = npt.NDArray[np.int32]


@kernel
def _scale(x: Float64s, segment: Int64s, centre: Float64s, spread: Float64s) -> None:
    """Put features (n, f) into the unit cube, in place."""
    for i in range(x.shape[0]):
        own = segment[i] if 0 < segment[i] < centre.shape[0] else 0
        for j in range(x.shape[1]):
            z = (x[i, j] - centre[own, j]) / spread[own, j]
            x[i, j] = 0.5 + 0.5 * z / (_SQUASH + abs(z))


@inlined
def _weigh_row(row, feature, threshold, latest, reference, height, size_limit, learn):
    """The mass around a row whose features are all known, judged and learned in one walk without a guess.

    Four trees are walked side by side, so that the processor does not wait for one before it goes on with the next.
    """
    trees = latest.shape[0]
    step = 1 if learn else 0
    score = 0.0
    for first in range(0, trees, 4):
        second, third = min(first + 1, trees - 1), min(first + 2, trees - 1)
        fourth = min(first + 3, trees - 1)
        a, b, c, d = 0, 0, 0, 0
        in_a, in_b, in_c, in_d = 1.0, 1.0, 1.0, 1.0
        count = min(trees - first, 4)
        in_b = 1.0 if count > 1 else 0.0
        in_c = 1.0 if count > 2 else 0.0
        in_d = 1.0 if count > 3 else 0.0
        step_b, step_c, step_d = step * int(in_b), step * int(in_c), step * int(in_d)
        weight = 1.0
        for _depth in range(height):
            mass_a, mass_b = reference[first, a], reference[second, b]
            mass_c, mass_d = reference[third, c], reference[fourth, d]
            score += (mass_a * in_a + mass_b * in_b + mass_c * in_c + mass_d * in_d) * weight
            in_a = 0.0 if mass_a < size_limit else in_a
            in_b = 0.0 if mass_b < size_limit else in_b
            in_c = 0.0 if mass_c < size_limit else in_c
            in_d = 0.0 if mass_d < size_limit else in_d
            latest[first, a] += step
            latest[second, b] += step_b
            latest[third, c] += step_c
            latest[fourth, d] += step_d
            a = 2 * a + 2 - int(row[feature[first, a]] < threshold[first, a])
            b = 2 * b + 2 - int(row[feature[second, b]] < threshold[second, b])
            c = 2 * c + 2 - int(row[feature[third, c]] < threshold[third, c])
            d = 2 * d + 2 - int(row[feature[fourth, d]] < threshold[fourth, d])
            weight *= 2.0
        score += (
            reference[first, a] * in_a
            + reference[second, b] * in_b
            + reference[third, c] * in_c
            + reference[fourth, d] * in_d
        ) * weight
        latest[first, a] += step
        latest[second, b] += step_b
        latest[third, c] += step_c
        latest[fourth, d] += step_d
    return score


@inlined
def _weigh_row_with_reasons(
    row, feature, threshold, latest, reference, height, size_limit, learn, is_open, why, highest
):
    """The same tree by tree, for rows with unknown features, and with what each halving did."""
    score = 0.0
    for t in range(latest.shape[0]):
        node, above, weight, term = 0, 0, 1.0, 0.0
        is_judged = is_open
        for depth in range(height + 1):
            if is_judged:
                before, term = term, reference[t, node] * weight
                score += term
                if len(why) and depth > 0:
                    # What this halving changed counts at every level from here on.
                    why[0, above, 0] += (before - term) * (height + 1 - depth) / highest
                if depth < height and reference[t, node] < size_limit:
                    if len(why):
                        why[0, above, 0] += term * (height - depth) / highest
                    is_judged = False
            if learn:
                latest[t, node] += 1
            elif not is_judged:
                break
            if depth < height:
                above = feature[t, node]
                value = row[above]
                child = 2 * node + 1
                if value != value:
                    # Unknown: to where more rows of this window went.
                    child += 1 if latest[t, child] < latest[t, child + 1] else 0
                elif not value < threshold[t, node]:
                    child += 1
                node = child
                weight *= 2.0
    return score


@kernel
def _walk(
    x: Float64s,
    feature: Int32s,
    threshold: Float64s,
    latest: Int32s,
    reference: Int32s,
    clock: Int64s,
    height: int,
    window: int,
    size_limit: float,
    values: Float64s,
    ready: Bools,
    why: Float64s,
    learn: bool,
) -> None:
    """Trees lie in heap order, (trees, nodes): the children of node k are 2k + 1 and 2k + 2.

    ``latest`` counts the present window, ``reference`` is the whole window before.
    """
    trees, nodes = latest.shape
    highest = float(trees * window * (2 ** (height + 1) - 1))
    for i in range(x.shape[0]):
        is_open = clock[_IS_FIRST] == 0
        is_whole = True
        for j in range(x.shape[1]):
            is_whole = is_whole and x[i, j] == x[i, j]
        if is_whole and len(why) == 0:
            score = _weigh_row(x[i], feature, threshold, latest, reference, height, size_limit, learn)
        else:
            score = _weigh_row_with_reasons(
                x[i], feature, threshold, latest, reference, height, size_limit, learn, is_open,
                why[i if len(why) else 0 : i + 1 if len(why) else 0], highest,
            )  # fmt: skip
        if is_open:
            values[i], ready[i] = 1.0 - score / highest, True
        if learn:
            clock[_COUNTER] += 1
            if clock[_COUNTER] == window:
                for t in range(trees):
                    for k in range(nodes):
                        reference[t, k] = latest[t, k]
                        latest[t, k] = 0
                clock[_COUNTER], clock[_IS_FIRST] = 0, 0


class HalfSpaceTrees(ColumnModel):
    """Half-space trees over features scaled per peer group.

    Args:
        features: Columns of kind number, as in the :class:`models.peers.Peers` whose snapshots are used.
        trees: How many trees; scores are steadier and cost more with each.
        height: Halvings on each path; a tree has ``2 ** (height + 1) - 1`` nodes.
        window: Rows per window, which are forgotten as a whole at the end of the next.
        seed: Of the trees' shapes.
        is_scaled: False if the columns lie in the unit cube already: no snapshot and no segment is needed then.

    Weak spots: anomalies that come packed together fill their own place within a window; a feature that no path halves
    is not seen; after a new snapshot the reference window was counted under the former scale.
    """

    id: ClassVar[str] = "half-space-trees"
    version: ClassVar[int] = 1

    def __init__(
        self,
        features: Sequence[Input],
        *,
        trees: int = 16,
        height: int = 8,
        window: int = 2048,
        seed: int = 1,
        is_scaled: bool = True,
    ) -> None:
        self._features = tuple(feature.name for feature in features)
        self._height, self._window, self._seed, self._is_scaled = height, window, seed, is_scaled
        segment = (Input("segment", Kind.CODE),) if is_scaled else ()
        self.inputs = (*features, *segment)
        self.parts = tuple(Part(each.name, each.family or Family.AMOUNT, each.unit) for each in features)
        inner = 2**height - 1
        self._feature = np.zeros((trees, inner), np.int32)
        self._threshold = np.zeros((trees, inner))
        rng = np.random.default_rng(seed)
        for tree in range(trees):
            _plant(rng, self._feature[tree], self._threshold[tree], 0, [(0.0, 1.0)] * len(features))
        self._latest = np.zeros((trees, 2 * inner + 1), np.int32)
        self._reference = np.zeros((trees, 2 * inner + 1), np.int32)
        self._clock = np.array([0, 1], np.int64)
        self._scales = np.full((2, 1, len(features)), np.nan)
        self._snapshot_version = 0
        self.base = 1.0 - (height + 1) / (2 ** (height + 1) - 1)
        self.limit = Limit(
            self.bytes_used() + 16 * 256 * len(features), "fixed when made; nothing grows with the stream"
        )

    @classmethod
    def with_trees(
        cls,
        features: Sequence[Input],
        feature: Int32s,
        threshold: Float64s,
        *,
        window: int,
        is_scaled: bool = False,
    ) -> "HalfSpaceTrees":
        """Half-space trees of a given shape, such as those of a river instance.

        Args:
            features: As above.
            feature: Index of the feature halved at each inner node in heap order, shape (trees, 2**height - 1).
            threshold: Where it is halved; a value below goes to the first child.
            window: Rows per window.
            is_scaled: As above.

        Raises:
            ModelError: The shapes are not those of whole trees.
        """
        trees, inner = feature.shape
        height = int(inner + 1).bit_length() - 1
        if feature.shape != threshold.shape or 2**height - 1 != inner:
            raise ModelError(
                f"{cls.id}: trees of shapes {feature.shape} and {threshold.shape}; "
                "both must be (trees, 2**height - 1), in heap order."
            )
        model = cls(features, trees=trees, height=height, window=window, is_scaled=is_scaled)
        model._feature, model._threshold = feature.astype(np.int32), threshold.astype(np.float64)
        return model

    def use(self, snapshot: PeerSnapshot) -> None:
        """Scale by a snapshot of peers from the next row on.

        Raises:
            ModelError: It is about other features.
        """
        if snapshot.features != self._features:
            raise ModelError(
                f"{self.id}: the snapshot has features {snapshot.features}, the model {self._features}. "
                "Publish a snapshot with the model's features."
            )
        low, high = lower_ends(snapshot.buckets), upper_ends(snapshot.buckets)
        near = (high[:, :, _P90] - low[:, :, _P10]) / (2 * _NORMAL_P90)
        far = (high[:, :, _P99] - low[:, :, _P01]) / (2 * _NORMAL_P99)
        centre = (low[:, :, _P50] + high[:, :, _P50]) / 2
        # A measure that is the same for nearly all is scaled by its tails, so that rare values do not all look alike.
        spread = np.maximum(np.maximum(near, far / 2), _SPREAD_MIN)
        self._scales = np.stack([centre, spread])
        self._snapshot_version = snapshot.version

    def _run(self, columns: Arrays, values: Float64s, ready: Bools, why: Float64s, learn: bool) -> None:
        if self._is_scaled and np.isnan(self._scales[0, 0]).all():
            return
        x = matrix(columns, self._features)
        observed = x.copy() if len(why) else x
        if self._is_scaled:
            _scale(x, columns["segment"], self._scales[0], self._scales[1])
        _walk(
            x, self._feature, self._threshold, self._latest, self._reference, self._clock, self._height, self._window,
            SIZE_LIMIT * self._window, values, ready, why, learn,
        )  # fmt: skip
        if len(why):
            why[:, :, 1] = observed
            why[:, :, 2] = 0.5
            if self._is_scaled:
                segment = columns["segment"]
                own = np.where((segment > 0) & (segment < self._scales.shape[1]), segment, 0)
                why[:, :, 2] = self._scales[0][own]
            why[~ready] = 0.0

    def _settings(self) -> dict[str, Any]:
        return {
            "features": list(self._features),
            "trees": len(self._latest),
            "height": self._height,
            "window": self._window,
            "is_scaled": self._is_scaled,
        }

    def _arrays(self) -> Arrays:
        return {
            "feature": self._feature,
            "threshold": self._threshold,
            "latest": self._latest,
            "reference": self._reference,
            "clock": self._clock,
            "scales": self._scales,
            "snapshot.version": np.array([self._snapshot_version], np.int64),
        }

    def _take(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        self._feature, self._threshold = arrays["feature"], arrays["threshold"]
        self._latest, self._reference = arrays["latest"], arrays["reference"]
        self._clock, self._scales = arrays["clock"], arrays["scales"]
        self._snapshot_version = int(arrays["snapshot.version"][0])


def _plant(
    rng: np.random.Generator, feature: Int32s, threshold: Float64s, node: int, box: list[tuple[float, float]]
) -> None:
    """Choose the halving of a node within its box, longer sides more often, and those of all nodes below."""
    if node >= len(feature):
        return
    sides = np.array([high - low for low, high in box])
    on = int(rng.choice(len(box), p=sides / sides.sum()))
    low, high = box[on]
    at = float(rng.uniform(low + PADDING * (high - low), high - PADDING * (high - low)))
    feature[node], threshold[node] = on, at
    for child, part in ((2 * node + 1, (low, at)), (2 * node + 2, (at, high))):
        _plant(rng, feature, threshold, child, [*box[:on], part, *box[on + 1 :]])
