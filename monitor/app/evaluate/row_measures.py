"""Figures by row, as the literature gives them: PR-AUC, F1, and recall of rows by pattern.

A row's score is the higher one of its two sides. PR-AUC is average precision over the last 20 % of the time; rows
without a score count as the lowest. F1 is taken at the threshold that was best on the 20 % before, among rows whose
label was known when the last 20 % began; without labels, at the score that 0.5 % of the rows of 20 to 40 % reached.
"""

from dataclasses import dataclass, field

import numpy as np

from monitor.app.evaluate.stream import Bools, Floats, Int32s, Stream
from monitor.app.evaluate.truth import Truth
from monitor.casework.intervals import Share

LABEL_DELAY_DAYS = 14
ROWS_ALERTED = 0.005
"""Share of the rows at which the peers' precision and recall are told."""
PATTERN_ROWS_ALERTED = 0.2
"""Share of the rows at which recall of rows by pattern is told."""


@dataclass(slots=True)
class RowFigures:
    """By row, over the last 20 % of the time unless said otherwise."""

    rows: int
    laundering: int
    pr_auc: float
    """Chance is the share of laundering rows."""
    pr_auc_interval: tuple[float, float]
    f1: float
    f1_interval: tuple[float, float]
    f1_chance: float
    """What as many rows drawn at random are expected to reach."""
    f1_threshold: float | None
    precision: Share
    """At :data:`ROWS_ALERTED` of the rows."""
    recall: Share
    case_recall: Share
    patterns: list[tuple[str, Share]] = field(default_factory=list)
    """Recall of rows by pattern over the scored part, at :data:`PATTERN_ROWS_ALERTED` of its rows."""
    patterns_chance: float = PATTERN_ROWS_ALERTED


def row_scores(scores: Floats) -> Floats:
    """The higher score of the two sides; the lowest of all where neither has one."""
    best = np.fmax(scores[:, 0], scores[:, 1])
    return np.where(np.isnan(best), -np.inf, best)


def row_figures(truth: Truth, scores: Floats, *, has_labels: bool, seed: int) -> RowFigures:
    """All figures by row."""
    stream, best = truth.stream, row_scores(scores)
    cut, days = stream.cut, stream.days
    last = days >= cut.last_fifth
    bad, of_last = stream.is_laundering[last], best[last]
    threshold = _threshold(stream, best, has_labels=has_labels)
    alerted = _best_share(of_last, ROWS_ALERTED)
    reached = of_last >= (np.inf if threshold is None else threshold)
    case = stream.case[last]
    pr_auc_interval, f1_interval = _intervals(bad, of_last, reached, case, seed)
    hit = np.unique(case[alerted & (case >= 0)])
    return RowFigures(
        rows=int(last.sum()),
        laundering=int(bad.sum()),
        pr_auc=average_precision(bad, of_last),
        pr_auc_interval=pr_auc_interval,
        f1=f1(bad, reached),
        f1_interval=f1_interval,
        f1_chance=f1_of_chance(int(bad.sum()), int(reached.sum()), len(bad)),
        f1_threshold=threshold,
        precision=Share(int((bad & alerted).sum()), int(alerted.sum())),
        recall=Share(int((bad & alerted).sum()), int(bad.sum())),
        case_recall=Share(len(hit), len(np.unique(case[case >= 0]))),
        patterns=_patterns(stream, best),
    )


def average_precision(is_bad: Bools, scores: Floats) -> float:
    """The mean over the laundering rows of the precision at their score; rows of equal score count together.

    >>> average_precision(np.array([True, False, True]), np.array([3.0, 2.0, 1.0]))  # (1/1 + 2/3) / 2
    0.8333333333333333
    """
    total = int(is_bad.sum())
    if not total:
        return 0.0
    order = np.argsort(-scores, kind="stable")
    ordered, bad = scores[order], is_bad[order]
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    found = np.cumsum(bad)[ends]
    return float(np.sum(np.diff(found, prepend=0) * found / (ends + 1)) / total)


def f1(is_bad: Bools, is_alerted: Bools) -> float:
    """The harmonic mean of precision and recall; 0 where nothing is found."""
    both = int((is_bad & is_alerted).sum())
    return 2 * both / (int(is_bad.sum()) + int(is_alerted.sum())) if both else 0.0


def f1_of_chance(bad: int, alerted: int, rows: int) -> float:
    """F1 of as many rows as are alerted, drawn at random, with the laundering rows expected among them.

    >>> f1_of_chance(10, 10, 100)
    0.1
    """
    return 2 * alerted * bad / rows / (bad + alerted) if bad and alerted else 0.0


def _threshold(stream: Stream, best: Floats, *, has_labels: bool) -> float | None:
    cut, days = stream.cut, stream.days
    if not has_labels:
        early = best[(days >= cut.thresholds) & (days < cut.scored)]
        known = np.sort(early[np.isfinite(early)])[::-1]
        return float(known[min(len(known), max(1, int(ROWS_ALERTED * len(early)))) - 1]) if len(known) else None
    known_rows = (days >= cut.validation) & (days < cut.last_fifth - LABEL_DELAY_DAYS) & np.isfinite(best)
    bad, scores = stream.is_laundering[known_rows], best[known_rows]
    if not bad.any():
        return None
    order = np.argsort(-scores, kind="stable")
    ordered, found = scores[order], np.cumsum(bad[order])
    quality = 2 * found / (int(bad.sum()) + np.arange(1, len(order) + 1))
    quality[:-1][ordered[1:] == ordered[:-1]] = 0
    return float(ordered[int(np.argmax(quality))])


def _best_share(scores: Floats, share: float) -> Bools:
    """The best rows up to a share; rows without a score never."""
    alerted = np.zeros(len(scores), np.bool_)
    order = np.argsort(-scores, kind="stable")[: max(1, int(share * len(scores)))]
    alerted[order] = True
    return alerted & np.isfinite(scores)


def _patterns(stream: Stream, best: Floats) -> list[tuple[str, Share]]:
    scored = np.flatnonzero(stream.days >= stream.cut.scored)
    alerted = _best_share(best[scored], PATTERN_ROWS_ALERTED)
    pattern = stream.pattern[scored]
    return [
        (name, Share(int((alerted & (pattern == number)).sum()), int((pattern == number).sum())))
        for number, name in enumerate(stream.patterns)
    ]


def _intervals(
    is_bad: Bools, scores: Floats, reached: Bools, case: Int32s, seed: int
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Of PR-AUC and F1, a bootstrap by case: the cases are drawn again, the rows that are not laundering stay.
    Laundering rows of no case are a case each."""
    groups = np.where(is_bad & (case < 0), len(is_bad) + np.arange(len(is_bad)), case)[is_bad]
    names, group = np.unique(groups, return_inverse=True)
    if not len(names):
        return (0.0, 1.0), (0.0, 1.0)
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    false = int((reached & ~is_bad).sum())
    weight_of, generator, found = np.ones(len(is_bad)), np.random.default_rng(seed), []
    for _ in range(200):
        drawn = np.bincount(generator.integers(0, len(names), len(names)), minlength=len(names))
        weight_of[is_bad] = drawn[group]
        weight, bad = weight_of[order], (weight_of * is_bad)[order]
        seen, hits = np.cumsum(weight)[ends], np.cumsum(bad)[ends]
        total = hits[-1]
        with np.errstate(invalid="ignore", divide="ignore"):
            parts = np.where(seen > 0, np.diff(hits, prepend=0) * hits / seen, 0)
        both = weight_of[is_bad & reached].sum()
        found.append((parts.sum() / total, 2 * both / (total + both + false)))
    (low, f1_low), (high, f1_high) = np.quantile(found, [0.025, 0.975], axis=0)
    return (float(low), float(high)), (float(f1_low), float(f1_high))
