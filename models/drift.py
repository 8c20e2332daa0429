"""Whether features and scores look as they did: population stability per column, river's detectors on mean scores.

:func:`population_stability` compares two counts of one column: what was usual when the model was approved, and of
late. Below 0.1 is commonly read as stable, above 0.25 as a shift that asks for a look. It says how far a column has
moved, not when; river's ``PageHinkley`` and ``KSWIN``, fed with the mean of each ``block`` of ready values and not
with every row, say when.

:class:`Guard` puts both around a model: a model that drifts stops learning and goes on scoring, flagged; a model that
breaks (an exception, or a score that claims to be ready and is no number) is not ready from that row on. Whatever
happens to one model, the others and the rules go on. A frozen model stays frozen until a person restores or replaces
it.

Sources: population stability index: Siddiqi, N. (2006), "Credit risk scorecards", ch. 10; Page, E. S. (1954),
"Continuous inspection schemes", Biometrika 41; Raab, C., Heusinger, M. & Schleif, F.-M. (2020), "Reactive soft
prototype computing for concept drift streams" (KSWIN), Neurocomputing 416.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, Protocol

import numpy as np

from models import structural_state
from models.contract import Columns, Float64s, Int64s, Model, ModelError, Scores, State
from models.sketch import Counts

STABLE, SHIFTED = 0.1, 0.25
"""Common readings of the population stability index."""

_BINS = 10
_SHARE_MIN = 1e-4


def population_stability(reference: Int64s, latest: Int64s) -> float:
    """The population stability index of one column, over the tenths of the reference.

    Args:
        reference: Counts per bucket, ascending buckets, shape (buckets,).
        latest: The same of the time to compare.

    Returns:
        The sum of ``(q - p) ln (q / p)``, at least 0; NaN if either has counted nothing.

    >>> usual = np.array([10, 20, 40, 20, 10])
    >>> population_stability(usual, 3 * usual)
    0.0
    >>> population_stability(usual, usual[[2, 1, 0, 3, 4]]) > SHIFTED
    True
    """
    if not reference.sum() or not latest.sum():
        return float("nan")
    cumulated = np.cumsum(reference) / reference.sum()
    ends = np.unique(np.searchsorted(cumulated, np.arange(1, _BINS) / _BINS) + 1)
    starts = np.concatenate([[0], ends[ends < len(reference)]])
    p = np.maximum(np.add.reduceat(reference, starts) / reference.sum(), _SHARE_MIN)
    q = np.maximum(np.add.reduceat(latest, starts) / latest.sum(), _SHARE_MIN)
    return float(((q - p) * np.log(q / p)).sum())


def stability_by_column(reference: Counts, latest: Counts) -> Float64s:
    """The index per segment and column of two counts of shape (segments, columns, buckets)."""
    if reference.shape != latest.shape:
        raise ModelError(f"drift: counts of shapes {reference.shape} and {latest.shape}; they must be equal.")
    segments, columns, _ = reference.shape
    found = [[population_stability(reference[s, c], latest[s, c]) for c in range(columns)] for s in range(segments)]
    return np.array(found).reshape(segments, columns)


class Detector(Protocol):
    """What river calls a drift detector."""

    @property
    def drift_detected(self) -> bool: ...
    def update(self, x: float) -> Any: ...


class Condition(StrEnum):
    """How a guarded model is: it works; it drifted and only scores; it broke and says nothing."""

    WORKS = "works"
    DRIFTED = "drifted"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Flag:
    """Why a model was frozen, and at which row since the guard was made."""

    condition: Condition
    row: int
    fact: str


class Guard:
    """A model that cannot take others down, and that freezes when it drifts or breaks.

    Args:
        model: What is guarded.
        make: Makes a fresh river drift detector, seeded; None for no detection of drift.
        block: How many ready scores make one mean for the detector.

    The guard has the verb of a stream only. How rows are cut changes nothing as long as the model raises nothing; an
    exception makes the whole batch not ready.
    """

    def __init__(self, model: Model, make: Callable[[], Detector] | None = None, *, block: int = 1000) -> None:
        self.model, self._block = model, block
        self._detector = None if make is None else make()
        self._rows = 0
        self._sum, self._ready, self._count = 0.0, 0, 0
        self.flag: Flag | None = None

    @property
    def condition(self) -> Condition:
        """How the model is now."""
        return Condition.WORKS if self.flag is None else self.flag.condition

    def score_learn_many(self, columns: Columns, *, why: bool = False) -> Scores:
        """The model's scores; none after it broke. It learns only while it works."""
        return self._watched(columns, why, partial(self.model.score_learn_many, why=why))

    def score_learn_parts(self, columns: Columns) -> Scores:
        """The same with reasons of which only the contributions, ``why[:, :, 0]``, are meant."""
        run = partial(self.model.score_learn_many, why=True)
        return self._watched(columns, True, getattr(self.model, "score_learn_parts", run))

    def _watched(self, columns: Columns, why: bool, run: Callable[[Columns], Scores]) -> Scores:
        """Score and learn up to each end of a block, so that drift takes effect at a row and not at a batch."""
        n = len(columns[self.model.inputs[0].name])
        parts: list[Scores] = []
        start = 0
        while start < n:
            stop = n if self._detector is None else min(n, start + self._block - self._count)
            if self.condition is not Condition.WORKS:
                stop = n
            rows = {name: column[start:stop] for name, column in columns.items()}
            if self.condition is Condition.WORKS:
                scores = self._checked(partial(run, rows), stop - start, why, start)
                self._update(scores, start)
            elif self.condition is Condition.DRIFTED:
                scores = self._checked(partial(self.model.score_many, rows, why=why), stop - start, why, start)
            else:
                scores = self._silence(stop - start, why)
            parts.append(scores)
            start = stop
        self._rows += n
        if not parts:
            return self._silence(0, why)
        if len(parts) == 1:
            return parts[0]
        together = [each.why for each in parts if each.why is not None]
        width = min((each.shape[2] for each in together), default=0)
        return Scores(
            np.concatenate([each.values for each in parts]),
            np.concatenate([each.ready for each in parts]),
            np.concatenate([each[:, :, :width] for each in together]) if why else None,
        )

    def _update(self, scores: Scores, start: int) -> None:
        """Give the detector the mean of each whole block of rows."""
        if self._detector is None or self.condition is not Condition.WORKS:
            return
        ready = scores.values[scores.ready]
        for value in ready.tolist():
            self._sum += value
        self._ready += len(ready)
        self._count += len(scores)
        if self._count < self._block:
            return
        total, ready_rows = self._sum, self._ready
        self._sum, self._ready, self._count = 0.0, 0, 0
        if ready_rows:
            mean = total / ready_rows
            self._detector.update(mean)
            if self._detector.drift_detected:
                name = type(self._detector).__name__
                row = self._rows + start + len(scores)
                self.flag = Flag(Condition.DRIFTED, row, f"{name} saw the mean score move to {mean:.3g}")

    def _checked(self, run: Callable[[], Scores], n: int, why: bool, start: int = 0) -> Scores:
        try:
            scores = run()
        except Exception as error:
            self.flag = Flag(Condition.BROKEN, self._rows + start, f"{type(error).__name__}: {error}")
            return self._silence(n, why)
        wrong = np.flatnonzero(scores.ready & ~np.isfinite(scores.values))
        if len(wrong):
            first = int(wrong[0])
            self.flag = Flag(Condition.BROKEN, self._rows + start + first, f"score {scores.values[first]}")
            for array in (scores.values, scores.why):
                if array is not None:
                    array[first:] = np.nan if array is scores.values else 0.0
            scores.ready[first:] = False
        return scores

    def _silence(self, n: int, why: bool) -> Scores:
        shape = (n, len(self.model.parts), 3)
        return Scores(np.full(n, np.nan), np.zeros(n, np.bool_), np.zeros(shape) if why else None)

    def state(self) -> State:
        """The model's state with the guard's in its header."""
        inner = self.model.state()
        guard = {
            "rows": self._rows,
            "sum": self._sum,
            "ready": self._ready,
            "count": self._count,
            "flag": None if self.flag is None else [self.flag.condition, self.flag.row, self.flag.fact],
            "detector": None if self._detector is None else json.dumps(structural_state.write(self._detector)),
        }
        return State({**inner.header, "guard": guard}, inner.arrays)

    def restore(self, state: State) -> None:
        """Take over a saved state; one of another model raises StateError."""
        self.model.restore(state)
        guard = state.header["guard"]
        self._rows, self._sum = guard["rows"], guard["sum"]
        self._ready, self._count = guard["ready"], guard["count"]
        flag = guard["flag"]
        self.flag = None if flag is None else Flag(Condition(flag[0]), flag[1], flag[2])
        if guard["detector"] is not None:
            self._detector = structural_state.read(json.loads(guard["detector"]))
