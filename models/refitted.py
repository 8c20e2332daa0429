"""Gradient-boosted trees that are fitted anew as labels arrive, and say by which measures a row is suspicious.

Labelled rows go into a store of fixed size: of each kind, true and not, a sample drawn by a hash of the seed and the
row's number of arrival, so that where labels are cut into batches changes nothing, and each kept row stands for
``seen / kept`` rows of its kind. On schedule the trees are fitted to the store: scikit-learn's histogram-based gradient
boosting, each halving offered half of the measures; of several members the mean counts. Rows before keep their scores.

The score is the log odds. Fitted trees are plain arrays: scoring, and the reasons, are a kernel over them and need no
scikit-learn. A reason is what the halvings on a measure did to the expected log odds on the row's path; with ``base``,
the expected log odds of a labelled row, the reasons add up to the score. *Observed* is the measure, *expected* its mean
over the store.

Sources: Friedman, J. H. (2001), "Greedy function approximation: a gradient boosting machine", Ann. Stat. 29(5); the
sample: bottom-k, Cohen, E. & Kaplan, H. (2007), "Summarizing data using bottom-k sketches", PODC; reasons: path
attribution after Saabas, A. (2014), "Interpreting random forests". That it favours measures near the leaves: Lundberg,
S. M. et al. (2020), "From local explanations to global understanding with explainable AI for trees", Nature Machine
Intelligence 2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from models.column_model import Arrays
from models.compiled import kernel, mix
from models.contract import (
    FORMAT,
    Bools,
    Family,
    Float64s,
    Input,
    Int64s,
    Limit,
    ModelError,
    Part,
    Scores,
    State,
    check_state,
)

TRUE_MIN = 20
"""True rows before the first fit."""

NODES_MAX = 61
"""Nodes of a tree with the 31 leaves that scikit-learn gives one by default."""

BINS = 63
"""Most bins of a measure."""

OFFERED = 0.5
"""Share of the measures that a halving is offered."""

STEADY = 1.0
"""Added to the second derivatives of a leaf (XGBoost's lambda, at its default). Without it a true row among rows that
are thought impossible makes a step of hundreds of log odds, and takes false rows along: ADR 0026."""

_LEAF = -1
Float32s = npt.NDArray[np.float32]
Int32s = npt.NDArray[np.int32]


@dataclass(slots=True)
class Trees:
    """Fitted trees as arrays by node; a child comes behind its parent, and a leaf has the feature -1.

    ``value`` is the expected log odds below the node: of a leaf, what it adds.
    """

    feature: Int32s
    threshold: Float64s
    """A value at or below goes left."""
    left: Int32s
    right: Int32s
    is_unknown_left: Bools
    value: Float64s
    roots: Int32s
    """The first node of each tree."""
    start: Float64s
    """Shape (1,): what every row begins with."""

    @classmethod
    def none(cls) -> "Trees":
        """Before the first fit."""
        codes, numbers = np.zeros(0, np.int32), np.zeros(0)
        return cls(codes, numbers, codes, codes, np.zeros(0, np.bool_), numbers, codes, np.zeros(1))

    def as_arrays(self) -> Arrays:
        """By name, as a state keeps them."""
        return {name: getattr(self, name) for name in self.__slots__}


@kernel
def _marks(seed: int, first: int, marks: Int64s) -> None:
    """The chances of the rows of arrival ``first``, ``first + 1``, ...: well spread, and the same each time."""
    for i in range(len(marks)):
        marks[i] = mix(first + i, seed)


@kernel
def _walk(
    x: Float32s,
    feature: Int32s,
    threshold: Float64s,
    left: Int32s,
    right: Int32s,
    is_unknown_left: Bools,
    value: Float64s,
    roots: Int32s,
    start: float,
    values: Float64s,
    why: Float64s,
) -> None:
    """Log odds of rows (n, features), and with ``why`` (n, features, 3) what each feature's halvings did to them."""
    for i in range(len(x)):
        total = start
        for t in range(len(roots)):
            node = roots[t]
            while feature[node] != -1:
                on = feature[node]
                number = x[i, on]
                if number != number:
                    child = left[node] if is_unknown_left[node] else right[node]
                else:
                    child = left[node] if number <= threshold[node] else right[node]
                if len(why):
                    why[i, on, 0] += value[child] - value[node]
                node = child
            total += value[node]
        values[i] = total


@kernel
def _weigh_nodes(
    x: Float32s,
    weight: Float64s,
    feature: Int32s,
    threshold: Float64s,
    left: Int32s,
    right: Int32s,
    is_unknown_left: Bools,
    value: Float64s,
    roots: Int32s,
    covers: Float64s,
) -> None:
    """Count the weight that comes to each node, and set the value of inner nodes to the mean of what is below."""
    for i in range(len(x)):
        for t in range(len(roots)):
            node = roots[t]
            covers[node] += weight[i]
            while feature[node] != -1:
                number = x[i, feature[node]]
                if number != number:
                    node = left[node] if is_unknown_left[node] else right[node]
                else:
                    node = left[node] if number <= threshold[node] else right[node]
                covers[node] += weight[i]
    for back in range(len(feature)):
        node = len(feature) - 1 - back
        if feature[node] != -1:
            one, other = left[node], right[node]
            both = covers[one] + covers[other]
            share = covers[one] / both if both > 0.0 else 0.5
            value[node] = share * value[one] + (1.0 - share) * value[other]


class LabelledRows:
    """A sample of labelled rows of fixed size, each kind apart.

    Args:
        width: Measures of a row.
        true_max: Most true rows kept.
        false_max: Most other rows kept.
        seed: Of the sample.
    """

    def __init__(self, width: int, *, true_max: int, false_max: int, seed: int) -> None:
        self._most, self._seed = (false_max, true_max), seed
        self._seen = np.zeros(2, np.int64)
        self._x = [np.zeros((0, width), np.float32) for _ in self._most]
        self._number = [np.zeros(0, np.int64) for _ in self._most]
        self._mark = [np.zeros(0, np.int64) for _ in self._most]

    @property
    def seen(self) -> tuple[int, int]:
        """How many rows came so far: not true, true."""
        return int(self._seen[0]), int(self._seen[1])

    def add(self, x: Float32s, is_true: Bools) -> None:
        """Take rows in the order of their labels' arrival, shape (n, width)."""
        numbers = int(self._seen.sum()) + np.arange(len(x))
        marks = np.zeros(len(x), np.int64)
        _marks(self._seed, int(self._seen.sum()), marks)
        for kind, most in enumerate(self._most):
            own = np.flatnonzero(is_true == bool(kind))
            self._seen[kind] += len(own)
            if len(self._mark[kind]) == most:
                own = own[marks[own] < self._mark[kind].max()]
            if not len(own):
                continue
            mark = np.concatenate([self._mark[kind], marks[own]])
            stay = np.arange(len(mark)) if len(mark) <= most else np.sort(np.argsort(mark, kind="stable")[:most])
            self._mark[kind] = mark[stay]
            self._number[kind] = np.concatenate([self._number[kind], numbers[own]])[stay]
            self._x[kind] = np.concatenate([self._x[kind], x[own]])[stay]

    def rows(self) -> tuple[Float32s, Bools, Float64s, Int64s]:
        """What is kept, in order of arrival: rows, whether true, for how many each stands, its number of arrival."""
        number = np.concatenate(self._number)
        order = np.argsort(number, kind="stable")
        sizes = [len(each) for each in self._mark]
        weight = np.repeat([seen / max(size, 1) for seen, size in zip(self._seen, sizes, strict=True)], sizes)
        is_true = np.repeat([False, True], sizes)
        return np.concatenate(self._x)[order], is_true[order], weight[order], number[order]

    def as_arrays(self) -> Arrays:
        """By name, as a state keeps them."""
        found: Arrays = {"seen": self._seen}
        for kind, name in enumerate(("false", "true")):
            found |= {
                f"{name}.x": self._x[kind], f"{name}.number": self._number[kind], f"{name}.mark": self._mark[kind]
            }  # fmt: skip
        return found

    def take(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take over arrays under the names of ``as_arrays``."""
        self._seen = arrays["seen"]
        names = ("false", "true")
        self._x, self._number, self._mark = (
            [arrays[f"{name}.{part}"] for name in names] for part in ("x", "number", "mark")
        )


class Refitted:
    """Learns labelled rows and gives the log odds that a row is true.

    Args:
        features: What the columns of a row are, each with its family.
        every_days: Days between fits.
        members: Fits, each of another seed, whose mean is the score; steadier and dearer with each.
        trees: Trees of a member.
        true_max: Most true rows kept.
        false_max: Most other rows kept.
        seed: Of the sample and of the measures that are offered.

    Weak spots: it finds what was labelled before; a kind of laundering that nobody has labelled is not in it. Labels
    that come for alerts only teach it its own alerts: give it an audit sample too. Probabilities are as good as the
    labels are complete. Reasons follow the paths of the trees and divide what two like measures share by chance.
    """

    id: ClassVar[str] = "refitted"
    version: ClassVar[int] = 1

    def __init__(
        self,
        features: Sequence[Input],
        *,
        every_days: int = 14,
        members: int = 1,
        trees: int = 150,
        true_max: int = 1 << 14,
        false_max: int = 1 << 15,
        seed: int = 1,
    ) -> None:
        self.inputs = tuple(features)
        self.parts = tuple(Part(each.name, each.family or Family.FLOW, each.unit) for each in features)
        self._every_days, self._members, self._trees_each, self._seed = every_days, members, trees, seed
        self._most = (true_max, false_max)
        self.store = LabelledRows(len(self.inputs), true_max=true_max, false_max=false_max, seed=seed)
        self.trees = Trees.none()
        self._usual = np.full(len(self.inputs), np.nan)
        self._fit_day = np.full(1, -1, np.int64)
        of_row = 4 * len(self.inputs) + 16
        of_node = sum(
            array.itemsize for name, array in self.trees.as_arrays().items() if name not in ("roots", "start")
        )
        self.limit = Limit(
            (true_max + false_max) * of_row + members * trees * (NODES_MAX * of_node + 4) + 8 * len(self.inputs) + 64,
            "of more labelled rows a sample is kept, and each stands for more",
        )

    @property
    def ready(self) -> bool:
        """Whether it was fitted."""
        return len(self.trees.roots) > 0

    @property
    def base(self) -> float:
        """The expected log odds of a labelled row; with the reasons of a row it adds up to its score."""
        return float(self.trees.start[0] + self.trees.value[self.trees.roots].sum())

    def learn_labelled(self, x: Float32s, is_true: Bools) -> None:
        """Keep rows whose label has become known, shape (n, features), as they were measured at their time.

        Raises:
            ModelError: The shapes do not fit.
        """
        self._check(x)
        if len(is_true) != len(x):
            raise ModelError(f"{self.id}: {len(x)} rows and {len(is_true)} labels; each row needs one.")
        self.store.add(x, is_true)

    def refit_if_due(self, day: int) -> bool:
        """Fit to the store where it is time: every so many days, once both kinds are known; whether it was.

        Args:
            day: The day that begins, counted from anywhere; later rows are scored by the new trees.

        Raises:
            ModelError: scikit-learn is not installed.
        """
        if self._fit_day[0] >= 0 and day < self._fit_day[0] + self._every_days:
            return False
        seen_false, seen_true = self.store.seen
        if seen_true < TRUE_MIN or seen_false < TRUE_MIN:
            return False
        x, is_true, weight, _ = self.store.rows()
        self.trees = fitted(
            x, is_true, weight, members=self._members, trees=self._trees_each, seed=self._seed, name=self.id
        )  # fmt: skip
        known = ~np.isnan(x)
        with np.errstate(invalid="ignore"):
            self._usual = np.where(known, x, 0.0).T.astype(np.float64) @ weight / (known.T @ weight)
        self._fit_day[0] = day
        return True

    def score_many(self, x: Float32s, *, why: bool = False) -> Scores:
        """The log odds of n rows, shape (n, features); NaN and not ready before the first fit."""
        self._check(x)
        values, ready = np.full(len(x), np.nan), np.full(len(x), self.ready)
        told = np.zeros((len(x), len(self.inputs), 3)) if why else np.zeros((0, 0, 0))
        if self.ready and len(x):
            trees = self.trees
            _walk(
                np.ascontiguousarray(x), trees.feature, trees.threshold, trees.left, trees.right,
                trees.is_unknown_left, trees.value, trees.roots, float(trees.start[0]), values, told,
            )  # fmt: skip
            if why:
                told[:, :, 1], told[:, :, 2] = x, self._usual
        return Scores(values, ready, told if why else None)

    def bytes_used(self) -> int:
        """How much memory the state takes now."""
        return sum(array.nbytes for array in self._arrays().values())

    def state(self) -> State:
        """What ``restore`` needs, store and trees; the arrays are copies."""
        return State(self._header(), {name: array.copy() for name, array in self._arrays().items()})

    def restore(self, state: State) -> None:
        """Take over a saved state.

        Raises:
            StateError: It belongs to another model, version or format, or to other settings.
        """
        check_state(state, of=self.id, header=self._header(), names=self._arrays(), remedy="learn the labels again")
        taken = {name: np.array(state.arrays[name]) for name in self._arrays()}
        self._usual, self._fit_day = taken["usual"], taken["fit_day"]
        self.store.take({name.removeprefix("store."): a for name, a in taken.items() if name.startswith("store.")})
        self.trees = Trees(**{name: taken[f"trees.{name}"] for name in self.trees.as_arrays()})

    def _arrays(self) -> Arrays:
        return {
            **{f"store.{name}": array for name, array in self.store.as_arrays().items()},
            **{f"trees.{name}": array for name, array in self.trees.as_arrays().items()},
            "usual": self._usual,
            "fit_day": self._fit_day,
        }

    def _header(self) -> dict[str, Any]:
        settings = {
            "features": [each.name for each in self.inputs],
            "every_days": self._every_days,
            "members": self._members,
            "trees": self._trees_each,
            "most": list(self._most),
            "seed": self._seed,
        }
        return {"model": self.id, "version": self.version, "format": FORMAT, "settings": settings}

    def _check(self, x: Float32s) -> None:
        if x.dtype != np.float32 or x.ndim != 2 or x.shape[1] != len(self.inputs):
            raise ModelError(
                f"{self.id}: rows are {x.dtype} of shape {x.shape}; they must be float32 of shape "
                f"(n, {len(self.inputs)}), as they were measured."
            )


def probability(log_odds: Float64s) -> Float64s:
    """The probability of log odds.

    >>> probability(np.array([0.0]))
    array([0.5])
    """
    return 1.0 / (1.0 + np.exp(-log_odds))


def fitted(
    x: Float32s, is_true: Bools, weight: Float64s, *, members: int, trees: int, seed: int, name: str = "refitted"
) -> Trees:
    """Fit gradient boosting ``members`` times; the trees of all, whose sum is the mean of the members' log odds.

    Args:
        x: Rows, shape (n, features); NaN is unknown.
        is_true: Their labels, shape (n,).
        weight: For how many rows each stands, shape (n,).
        members: How many fits, each with another seed.
        trees: Trees of each.
        seed: Of the first.
        name: Of the model, for messages.

    Raises:
        ModelError: scikit-learn is not installed.
    """
    codes, edges = in_bins(x, weight, BINS)
    made = [_fit(codes, is_true, weight, trees, seed + member, name) for member in range(members)]
    whole = as_trees(made, codes, weight)
    inner = np.flatnonzero((whole.feature != _LEAF) & np.isfinite(whole.threshold))
    # A threshold between two codes stands for the edge above the lower one.
    lower = np.ceil(whole.threshold[inner]).astype(np.int64) - 1
    whole.threshold[inner] = edges[whole.feature[inner], lower]
    return whole


def in_bins(x: Float32s, weight: Float64s, bins: int) -> tuple[Float32s, Float64s]:
    """The bin of each number, in at most ``bins`` of about equal weight for each column.

    scikit-learn makes the same bins, but sorts a column again for each edge, which takes half of a fit; of codes it
    makes one bin each.

    Args:
        x: Rows, shape (n, features); NaN is unknown.
        weight: Of the rows, shape (n,), above 0.
        bins: Most bins of a column.

    Returns:
        The codes, shape (n, features), NaN where the number is, and the edges, shape (features, ``bins - 1``), inf
        beyond the last: a number has code ``c`` when it is above edge ``c - 1`` and not above edge ``c``.

    >>> codes, edges = in_bins(np.array([[1], [5], [5], [np.nan], [9]], np.float32), np.ones(5), 3)
    >>> codes.T, edges
    (array([[ 0.,  1.,  1., nan,  2.]], dtype=float32), array([[3., 7.]]))

    Source: Hyndman, R. J. & Fan, Y. (1996), "Sample quantiles in statistical packages", Am. Stat. 50(4), definition 2.
    """
    codes, edges = np.full_like(x, np.nan), np.full((x.shape[1], bins - 1), np.inf)
    for column in range(x.shape[1]):
        known = np.flatnonzero(~np.isnan(x[:, column]))
        if not len(known):
            continue
        values = x[known, column].astype(np.float64)
        order = np.argsort(values)
        own = _edges(values[order], weight[known][order], bins)
        edges[column, : len(own)] = own
        codes[known, column] = np.searchsorted(own, values)
    return codes, edges


def _edges(values: Float64s, weight: Float64s, bins: int) -> Float64s:
    """Edges between the bins of ascending values: midpoints of few different ones, else weighted quantiles."""
    different = values[np.append(True, values[1:] != values[:-1])]
    if len(different) <= bins:
        return (different[1:] + different[:-1]) / 2
    below = np.cumsum(weight)
    wanted = np.linspace(0, 100, bins + 1)[1:-1] / 100 * below[-1]
    at = np.minimum(np.searchsorted(below, wanted), len(values) - 1)
    is_within = below[at] - wanted > np.finfo(np.float64).eps
    above = np.minimum(at + 1, len(values) - 1)
    return np.unique(np.where(is_within, values[at], (values[at] + values[above]) / 2))


def as_trees(models: Sequence[Any], x: Float32s, weight: Float64s) -> Trees:
    """The trees of fitted classifiers of scikit-learn as arrays; inner values are means over the rows given."""
    feature, threshold, left, right, unknown, value, roots = ([] for _ in range(7))
    at, start = 0, 0.0
    for model in models:
        start += float(model._baseline_prediction.item()) / len(models)
        for (predictor,) in model._predictors:
            nodes = predictor.nodes
            is_leaf = nodes["is_leaf"].astype(np.bool_)
            roots.append(at)
            feature.append(np.where(is_leaf, _LEAF, nodes["feature_idx"]))
            threshold.append(nodes["num_threshold"])
            left.append(np.where(is_leaf, 0, nodes["left"].astype(np.int64) + at))
            right.append(np.where(is_leaf, 0, nodes["right"].astype(np.int64) + at))
            unknown.append(nodes["missing_go_to_left"].astype(np.bool_))
            value.append(np.where(is_leaf, nodes["value"] / len(models), 0.0))
            at += len(nodes)
    whole = Trees(
        np.concatenate(feature).astype(np.int32), np.concatenate(threshold), np.concatenate(left).astype(np.int32),
        np.concatenate(right).astype(np.int32), np.concatenate(unknown), np.concatenate(value),
        np.array(roots, np.int32), np.array([start]),
    )  # fmt: skip
    _weigh_nodes(
        x, weight, whole.feature, whole.threshold, whole.left, whole.right, whole.is_unknown_left, whole.value,
        whole.roots, np.zeros(at),
    )  # fmt: skip
    return whole


def _fit(x: Float32s, is_true: Bools, weight: Float64s, trees: int, seed: int, name: str) -> Any:
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier
        from threadpoolctl import threadpool_limits
    except ImportError:
        raise ModelError(
            f"{name}: scikit-learn is not installed. Install the extra:  pip install 'aml-monitor[evaluate]'"
        ) from None
    model = HistGradientBoostingClassifier(
        max_iter=trees, max_bins=BINS, max_features=OFFERED, l2_regularization=STEADY, early_stopping=False,
        random_state=seed,
    )  # fmt: skip
    # A measure that nobody knows yet is given as a constant, which is never halved on; scikit-learn refuses it as NaN.
    x = np.where(np.isnan(x).all(axis=0), np.float32(0.0), x)
    # On one thread sums are the same each time; on many, small fits are slower.
    with threadpool_limits(1):
        return model.fit(x, is_true, sample_weight=weight)
