"""Whether signals and scores look as they did: population stability of a week, river's detectors on daily figures.

:func:`population_stability` compares two counts of one column: what was usual, and of late. Below 0.1 is commonly read
as stable, above 0.25 as a shift that asks for a look. It says how far a column has moved, not when; river's
``PageHinkley``, fed with one figure a day, says when.

:class:`Watch` holds both for some columns: the last 7 days with rows against the 28 before them, so that each weekday
weighs the same on both sides and a month's end falls into the reference. :mod:`models.ensemble` freezes by it.

:class:`Guard` keeps a model that breaks (an exception, or a score that claims to be ready and is no number) from taking
others down: it is not ready from that row on, and stays so until a person restores or replaces it.

Sources: population stability index: Siddiqi, N. (2006), "Credit risk scorecards", ch. 10; Page, E. S. (1954),
"Continuous inspection schemes", Biometrika 41.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, Protocol

import numpy as np

from models import structural_state
from models.contract import Columns, Float64s, Int64s, Model, ModelError, Scores, State, StateError
from models.sketch import BUCKETS, Counts

STABLE, SHIFTED = 0.1, 0.25
"""Common readings of the population stability index."""

LATEST_DAYS, REFERENCE_DAYS = 7, 28
"""Days with rows that are compared, and those before them that they are compared with."""
ROWS_MIN = 500
"""Rows that both need; with fewer the index is mostly noise."""

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


@dataclass(frozen=True, slots=True)
class Drift:
    """How far a column has moved: the index of the last days, and the day (since 1970 UTC) that river saw a change."""

    name: str
    stability: float
    changed_day: int | None


class Condition(StrEnum):
    """How a model is: it works; it drifted and says nothing for a time; it broke and says nothing any more."""

    WORKS = "works"
    DRIFTED = "drifted"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Flag:
    """Why a model was frozen, and after how many of its rows."""

    condition: Condition
    row: int
    fact: str


class Watch:
    """Population stability of columns by day, and what river's detectors saw.

    Args:
        names: What the columns are called.
        make: Makes a fresh river drift detector, seeded.
    """

    def __init__(self, names: Sequence[str], make: Callable[[], Detector]) -> None:
        self.names, self._make = tuple(names), make
        self._days: Counts = np.zeros((REFERENCE_DAYS + LATEST_DAYS, len(names), BUCKETS), np.int64)
        self._filled = np.zeros(len(names), np.int64)
        self._detectors = [make() for _ in names]
        self._changed: list[int | None] = [None for _ in names]
        self.stability: Float64s = np.full(len(names), np.nan)
        """The index of each column, NaN before there are 35 days and enough rows."""

    @property
    def drift(self) -> tuple[Drift, ...]:
        """All columns as they are now."""
        return tuple(map(Drift, self.names, self.stability.tolist(), self._changed))

    def add(self, day: int, counts: Counts, figures: Float64s, *, held: Sequence[int] = ()) -> None:
        """Take a day that is over.

        Args:
            day: Days since 1970 UTC.
            counts: Its rows, shape (columns, BUCKETS).
            figures: One number a column for its detector, NaN for none.
            held: Columns whose reference stays as it is.
        """
        reference = self._days[:REFERENCE_DAYS, held]
        self._days[:-1] = self._days[1:]
        self._days[:REFERENCE_DAYS, held] = reference
        self._days[-1] = counts
        self._filled += 1
        former, latest = self._days[:REFERENCE_DAYS].sum(axis=0), self._days[REFERENCE_DAYS:].sum(axis=0)
        is_known = (self._filled >= len(self._days)) & (np.minimum(former.sum(axis=1), latest.sum(axis=1)) >= ROWS_MIN)
        self.stability = np.where(is_known, stability_by_column(former[None], latest[None])[0], np.nan)
        for column in range(len(self.names)):
            if figures[column] == figures[column]:
                self._detectors[column].update(float(figures[column]))
                if self._detectors[column].drift_detected:
                    self._changed[column] = day

    def start_anew(self, columns: Sequence[int]) -> None:
        """Forget what was usual in some columns."""
        self._days[:, columns], self._filled[columns], self.stability[columns] = 0, 0, np.nan
        for column in columns:
            self._detectors[column] = self._make()

    def bytes_used(self) -> int:
        """How much memory the counted days take."""
        return self._days.nbytes

    def state(self) -> State:
        """Days, detectors and what they saw."""
        header = {
            "watch": list(self.names),
            "changed": self._changed,
            "detectors": [json.dumps(structural_state.write(each)) for each in self._detectors],
        }
        return State(header, {"days": self._days.copy(), "filled": self._filled.copy(), "index": self.stability.copy()})

    def restore(self, state: State) -> None:
        """Take over a saved state; one of other columns raises StateError."""
        if state.header.get("watch") != list(self.names):
            raise StateError(f"drift: the saved state watches {state.header.get('watch')}, not {list(self.names)}.")
        self._changed = list(state.header["changed"])
        self._detectors = [structural_state.read(json.loads(each)) for each in state.header["detectors"]]
        self._days, self._filled = np.array(state.arrays["days"]), np.array(state.arrays["filled"])
        self.stability = np.array(state.arrays["index"])


class Guard:
    """A model that cannot take others down.

    The guard has the verb of a stream only. How rows are cut changes nothing as long as the model raises nothing; an
    exception makes the whole batch not ready.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.rows = 0
        """Rows that were scored."""
        self.flag: Flag | None = None

    @property
    def condition(self) -> Condition:
        """How the model is now."""
        return Condition.WORKS if self.flag is None else self.flag.condition

    def score_learn_many(self, columns: Columns, *, why: bool = False) -> Scores:
        """The model's scores; none after it broke."""
        return self._checked(partial(self.model.score_learn_many, why=why), columns, why)

    def score_learn_parts(self, columns: Columns) -> Scores:
        """The same with reasons of which only the contributions, ``why[:, :, 0]``, are meant."""
        run = partial(self.model.score_learn_many, why=True)
        return self._checked(getattr(self.model, "score_learn_parts", run), columns, True)

    def _checked(self, run: Callable[[Columns], Scores], columns: Columns, why: bool) -> Scores:
        n, before = len(columns[self.model.inputs[0].name]), self.rows
        self.rows += n
        if self.flag is not None:
            return self._silence(n, why)
        try:
            scores = run(columns)
        except Exception as error:
            self.flag = Flag(Condition.BROKEN, before, f"{type(error).__name__}: {error}")
            return self._silence(n, why)
        if np.isfinite(scores.values.sum()):
            return scores
        wrong = np.flatnonzero(scores.ready & ~np.isfinite(scores.values))
        if len(wrong):
            first = int(wrong[0])
            self.flag = Flag(Condition.BROKEN, before + first, f"score {scores.values[first]}")
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
        inner, flag = self.model.state(), self.flag
        guard = {"rows": self.rows, "flag": None if flag is None else [flag.condition, flag.row, flag.fact]}
        return State({**inner.header, "guard": guard}, inner.arrays)

    def restore(self, state: State) -> None:
        """Take over a saved state; one of another model raises StateError."""
        self.model.restore(state)
        guard = state.header["guard"]
        self.rows, flag = guard["rows"], guard["flag"]
        self.flag = None if flag is None else Flag(Condition(flag[0]), flag[1], flag[2])
