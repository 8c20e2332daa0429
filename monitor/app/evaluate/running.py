"""One pass of a scorer over a stream, with labels coming as the track allows.

**U**: no labels. **S**: each row's label 14 days after the row. **D**: 14 days after an alert its outcome, only for
what was alerted, and for a random 0.1 % of the other account-days. In D an account-day is alerted when its score
reaches the threshold of the budget: from 20 % of the time on that of all days before, from 40 % on that of 20 to 40 %.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np

from monitor.app.evaluate.row_measures import LABEL_DELAY_DAYS
from monitor.app.evaluate.scorer import Outcomes, Scorer
from monitor.app.evaluate.stream import BATCH_ROWS_MAX, SOURCE, TARGET, Bools, Floats, Int64s, Rows, Stream
from monitor.app.evaluate.truth import Truth
from monitor.domain.time import DAY_US

AUDIT_SHARE = 0.001
REASONS_MAX = 1_000_000
"""Most reasons that a pass keeps; later ones are left out of alerts."""
Progress = Callable[[int], None]


@dataclass(slots=True)
class Passed:
    """What a scorer said of the whole stream."""

    name: str
    score: Floats
    """Shape (n, 2)."""
    order: Floats | None
    reasons: dict[tuple[int, int], str] = field(default_factory=dict)
    seconds: float = 0.0
    """Processor time of the scorer, all its threads."""


def run(
    scorer: Scorer, stream: Stream, track: str, *, budget: float, seed: int, rows_max: int = BATCH_ROWS_MAX,
    on_progress: Progress = lambda rows: None,
) -> Passed:  # fmt: skip
    """Show the stream to a scorer once.

    Args:
        scorer: A fresh one.
        stream: In event order.
        track: ``U``, ``D`` or ``S``.
        budget: Share of the account-days that are alerted in D.
        seed: Of the audit sample.
        rows_max: Most rows of a batch; changes no score.
        on_progress: Called with the rows shown so far.
    """
    passed = Passed(scorer.name, np.full((len(stream.rows), 2), np.nan), None)
    labels = _labels(stream, track, budget, seed)
    for day, batches in groupby(stream.batches(rows_max), key=lambda rows: int(rows.time_us[0]) // DAY_US):
        outcomes = labels.due(day)
        begun = time.process_time()
        if outcomes is not None:
            scorer.told(outcomes, day=day)
        passed.seconds += time.process_time() - begun
        first = last = -1
        for rows in batches:
            begun = time.process_time()
            said = scorer.step(rows)
            passed.seconds += time.process_time() - begun
            first, last = int(rows.number[0]) if first < 0 else first, int(rows.number[-1]) + 1
            _note(passed, rows, said.score, said.order, dict(said.reasons))
        labels.take(passed.score[first:last], stream.rows.slice(first, last), day)
        on_progress(last)
    return passed


def _note(passed: Passed, rows: Rows, score: Floats, order: Floats | None, reasons: dict[tuple[int, int], str]) -> None:
    first, last = int(rows.number[0]), int(rows.number[-1]) + 1
    passed.score[first:last] = score
    if order is not None:
        if passed.order is None:
            passed.order = passed.score.copy()
        passed.order[first:last] = order
    elif passed.order is not None:
        passed.order[first:last] = score
    if len(passed.reasons) < REASONS_MAX:
        passed.reasons |= {(first + row, side): words for (row, side), words in reasons.items()}


class _NoLabels:
    """Track U."""

    def due(self, day: int) -> Outcomes | None:
        """Nothing is known."""
        return None

    def take(self, score: Floats, rows: Rows, day: int) -> None:
        """Nothing is kept."""


class _AllLabels(_NoLabels):
    """Track S."""

    def __init__(self, stream: Stream) -> None:
        self.stream, self.next = stream, 0

    def due(self, day: int) -> Outcomes | None:
        stop = self.stream.first_row_of_day(day - LABEL_DELAY_DAYS + 1)
        if stop <= self.next:
            return None
        rows = np.arange(self.next, stop)
        self.next = stop
        return Outcomes(np.repeat(rows, 2), np.tile([SOURCE, TARGET], len(rows)),
                        np.repeat(self.stream.is_laundering[rows], 2), np.ones(2 * len(rows)))  # fmt: skip


class _Decisions(_NoLabels):
    """Track D."""

    def __init__(self, stream: Stream, budget: float, seed: int) -> None:
        self.cut, self.budget, self.seed = stream.cut, budget, seed
        self.truth = Truth.of(stream, stream.cut.first)
        self.past: list[Floats] = []
        """Per day, the highest score of each active account; NaN without."""
        self.past_days: list[int] = []
        self.threshold: float | None = None
        self.waiting: list[tuple[int, Outcomes]] = []

    def due(self, day: int) -> Outcomes | None:
        if self.cut.thresholds <= day:
            self._set_threshold(day)
        ready = [outcomes for since, outcomes in self.waiting if since + LABEL_DELAY_DAYS <= day]
        self.waiting = [each for each in self.waiting if each[0] + LABEL_DELAY_DAYS > day]
        if not ready:
            return None
        return Outcomes(*(np.concatenate([getattr(each, name) for each in ready]) for name in Outcomes.__slots__))

    def take(self, score: Floats, rows: Rows, day: int) -> None:
        of_row = self.truth.days.of_row[rows.number]
        active, place = np.unique(of_row[of_row >= 0], return_inverse=True)
        flat = score[of_row >= 0]
        best = np.full(len(active), -np.inf)
        is_given = ~np.isnan(flat)
        np.maximum.at(best, place[is_given], flat[is_given])
        best[np.isneginf(best)] = np.nan
        self.past.append(best)
        self.past_days.append(day)
        if day < self.cut.thresholds:
            return
        alerted = best >= self.threshold if self.threshold is not None else np.zeros(len(best), np.bool_)
        audited = np.random.default_rng([self.seed, day]).random(len(best)) < AUDIT_SHARE
        asked = alerted | audited
        if asked.any():
            self.waiting.append((day, self._outcomes(asked, alerted, active, of_row, score, rows)))

    def _outcomes(
        self, asked: Bools, alerted: Bools, active: Int64s, of_row: Int64s, score: Floats, rows: Rows
    ) -> Outcomes:
        """One outcome for each account-day: of the row that raised the alert, or in an audit of that with most."""
        row, side = np.nonzero(of_row >= 0)
        at, given = np.searchsorted(active, of_row[row, side]), score[row, side]
        best = np.full(len(active), -np.inf)
        np.fmax.at(best, at, given)
        is_most = (given == best[at]) | np.isneginf(best[at])
        reaches = given >= self.threshold if self.threshold is not None else np.zeros(len(row), np.bool_)
        fits = np.flatnonzero(asked[at] & np.where(alerted[at], reaches, is_most))
        asked_at, first = np.unique(at[fits], return_index=True)
        chosen = fits[first]
        return Outcomes(
            rows.number[row[chosen]], side[chosen].astype(np.int64), self.truth.is_true[active[asked_at]],
            np.where(alerted[asked_at], 1.0, AUDIT_SHARE),
        )  # fmt: skip

    def _set_threshold(self, day: int) -> None:
        if day > self.cut.scored:
            return
        first = self.cut.first if day < self.cut.scored else self.cut.thresholds
        best = np.concatenate([scores for on, scores in zip(self.past_days, self.past, strict=True) if on >= first])
        given = np.sort(best[~np.isnan(best)])[::-1]
        count = max(1, int(self.budget * len(best)))
        self.threshold = float(given[min(count, len(given)) - 1]) if len(given) else None


def _labels(stream: Stream, track: str, budget: float, seed: int) -> _NoLabels:
    if track == "S":
        return _AllLabels(stream)
    return _Decisions(stream, budget, seed) if track == "D" else _NoLabels()
