"""Alerts within a budget: so many account-days of a segment as an analyst can look at, and the best ones first.

A budget is a share of active account-days. Each account's best score of a UTC day is counted when the day is over;
from these counts a threshold per segment is published, above which at most the budgeted share of past account-days
lay. A row is an alert if its score is at least the threshold and its account was not alerted yet that day. As with
every figure about the whole bank, the threshold is one that a snapshot put in force, so that replays agree.

:func:`order` sorts rows for "the first k of today": by score, and equal scores by a hash of an identifier, so that
neither the order of arrival nor the identifier's value decides and each run gives the same k.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from models.column_model import longer, room_for
from models.compiled import kernel, mix
from models.contract import DAY_US, FORMAT, Bools, Float64s, Int64s, ModelError, State, StateError
from models.sketch import BUCKETS, Counts, bucket_of, edges, forget

_NO_DAY = -1
_DAY, _SEGMENT, _ALERTED_DAY = range(3)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Scores from which rows are alerts, per segment (0 is everyone), in force from a log position on."""

    version: int
    budget: float
    values: Float64s


@kernel
def _decide(
    key: Int64s,
    time_us: Int64s,
    segment: Int64s,
    scores: Float64s,
    thresholds: Float64s,
    marks: Int64s,
    best: Float64s,
    counts: Int64s,
    alerts: Bools,
) -> None:
    """``marks`` (keys, 3): day, its segment, last alerted day; ``best``: the day's best score."""
    for i in range(len(key)):
        row, score = key[i], scores[i]
        if not 0 <= row < len(marks) or score != score:
            continue
        day = max(time_us[i] // DAY_US, marks[row, _DAY])
        own = segment[i] if 0 < segment[i] < counts.shape[0] else 0
        if day > marks[row, _DAY]:
            if marks[row, _DAY] != _NO_DAY:
                _close(row, marks, best, counts)
            marks[row, _DAY], best[row] = day, score
        elif score > best[row]:
            best[row] = score
        marks[row, _SEGMENT] = own
        threshold = thresholds[own] if own < len(thresholds) else thresholds[0]
        if score >= threshold and marks[row, _ALERTED_DAY] < day:
            marks[row, _ALERTED_DAY] = day
            alerts[i] = True


@kernel
def _close(row: int, marks: Int64s, best: Float64s, counts: Int64s) -> None:
    """Count the account-day that is over."""
    bucket = bucket_of(best[row])
    counts[0, bucket] += 1
    if marks[row, _SEGMENT] > 0:
        counts[marks[row, _SEGMENT], bucket] += 1
    marks[row, _DAY] = _NO_DAY


@kernel
def _close_before(today: int, marks: Int64s, best: Float64s, counts: Int64s) -> None:
    for row in range(len(marks)):
        if marks[row, _DAY] != _NO_DAY and marks[row, _DAY] < today:
            _close(row, marks, best, counts)


@kernel
def _ties(identifier: Int64s, out: Int64s) -> None:
    for i in range(len(identifier)):
        out[i] = mix(identifier[i], 0)


def order(scores: Float64s, identifier: Int64s) -> Int64s:
    """Indices of rows, the highest score first; not ready (NaN) last; equal scores by a hash of ``identifier``.

    >>> order(np.array([1.0, 3.0, np.nan, 3.0]), np.array([7, 8, 9, 10]))[-2:].tolist()
    [0, 2]
    """
    ties = np.zeros(len(scores), np.int64)
    _ties(np.asarray(identifier, np.int64), ties)
    return np.lexsort((identifier, ties, -scores)).astype(np.int64)


class Budget:
    """Decides which scores are alerts.

    Args:
        segments: How many segments have a threshold of their own; others share everyone's.
        keys_max: Accounts whose days are counted; others are never alerted. 32 bytes each.
    """

    def __init__(self, *, segments: int = 32, keys_max: int = 1 << 20) -> None:
        self._segments, self._keys_max = segments, keys_max
        self._marks = np.full((min(1024, keys_max), 3), _NO_DAY, np.int64)
        self._best = np.zeros(len(self._marks))
        self._counts: Counts = np.zeros((segments, BUCKETS), np.int64)
        self._thresholds = Thresholds(0, 0.0, np.array([np.inf]))

    def decide(self, key: Int64s, time_us: Int64s, segment: Int64s, scores: Float64s) -> Bools:
        """Which rows are alerts, shape (n,); a score that is not ready (NaN) is none, and counts for no day."""
        rows = room_for(len(self._marks), key, keys_max=self._keys_max)
        if rows > len(self._marks):
            marks = np.full((rows, 3), _NO_DAY, np.int64)
            marks[: len(self._marks)] = self._marks
            self._marks, self._best = marks, longer(self._best, rows)
        alerts = np.zeros(len(key), np.bool_)
        _decide(
            key, time_us, segment, scores, self._thresholds.values, self._marks, self._best, self._counts, alerts
        )  # fmt: skip
        return alerts

    @property
    def thresholds(self) -> Thresholds:
        """Those in force."""
        return self._thresholds

    @property
    def counts(self) -> Counts:
        """Account-days that are over by segment (0 is everyone) and bucket of their best score."""
        return self._counts

    def publish(self, budget: float, *, today: int) -> Thresholds:
        """Thresholds from the account-days before ``today`` (days since 1970 UTC).

        Args:
            budget: Share of account-days, within (0, 1).
            today: The day that begins; days before it are over.

        Returns:
            Per segment the lowest score above which at most ``budget`` of its account-days lay. A segment with fewer
            than ``1 / budget`` days takes everyone's; before that many days in all nothing is an alert (infinity).
        """
        if not 0.0 < budget < 1.0:
            raise ModelError(f"budget: {budget} of the account-days; give a share between 0 and 1, such as 0.001.")
        _close_before(today, self._marks, self._best, self._counts)
        values, ends = np.full(self._segments, np.inf), edges()
        for segment in range(self._segments):
            own = self._counts[segment]
            own = own if own.sum() * budget >= 1.0 else self._counts[0]
            total = int(own.sum())
            if total * budget >= 1.0:
                from_here_on = total - np.cumsum(own) + own
                values[segment] = ends[int(np.argmax(from_here_on <= budget * total))]
        return Thresholds(self._thresholds.version + 1, budget, values)

    def forget(self) -> None:
        """Halve what was counted, as long as a threshold in force can still be read from it."""
        forget(self._counts, least=ceil(1 / self._thresholds.budget) if self._thresholds.budget else 0)

    def use(self, thresholds: Thresholds) -> None:
        """Put thresholds in force from the next row on."""
        self._thresholds = thresholds

    def state(self) -> State:
        """What ``restore`` needs; the arrays are copies."""
        header = {"budget": self._thresholds.budget, "version": self._thresholds.version, **self._settings()}
        return State(header, {name: array.copy() for name, array in self._arrays().items()})

    def restore(self, state: State) -> None:
        """Take over a saved state; one of other settings raises StateError."""
        for name, value in self._settings().items():
            if state.header.get(name) != value:
                raise StateError(f"budget: the saved state has {name} {state.header.get(name)!r}, this one {value!r}.")
        arrays: Mapping[str, npt.NDArray[Any]] = {name: np.array(state.arrays[name]) for name in self._arrays()}
        self._marks, self._best, self._counts = arrays["marks"], arrays["best"], arrays["counts"]
        self._thresholds = Thresholds(state.header["version"], state.header["budget"], arrays["thresholds"])

    def _settings(self) -> dict[str, Any]:
        return {"format": FORMAT, "segments": self._segments, "keys_max": self._keys_max}

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {
            "marks": self._marks,
            "best": self._best,
            "counts": self._counts,
            "thresholds": self._thresholds.values,
        }
