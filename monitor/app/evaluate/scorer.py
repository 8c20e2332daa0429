"""What rules, models, flow tracing and baselines plug into.

A scorer is shown the stream once, in event order, in batches. For each row and each of its two sides it says how
suspicious that is, from what it saw before; then it learns from the row. **No look-ahead, not even inside a batch**:
the scores of a row depend on the rows before it and itself. So the scores on a prefix are the prefix of the scores, and
where batches are cut changes nothing; ``tests/app/evaluate/test_scorers.py`` holds every scorer to both.

Labels come through :meth:`Scorer.told`, as a track allows: never (U), 14 days after an alert (D), all of them (S).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from monitor.app.evaluate.stream import Bools, Floats, Int64s, Rows, Stream

TRACKS = ("U", "D", "S")


@dataclass(frozen=True, slots=True)
class Scores:
    """What a scorer says of n rows."""

    score: Floats
    """Shape (n, 2): for the source and the target. Higher is more suspicious; only the order counts. NaN says nothing:
    the scorer is not ready, or raises no alert here."""
    order: Floats | None = None
    """Shape (n, 2): where an alert stands in the queue after learning from decisions; without it, by ``score``."""
    reasons: Mapping[tuple[int, int], str] = field(default_factory=dict)
    """Words for a row of the batch and a side, for alerts."""
    evidence: Floats | None = None
    """Shape (n, 2, k): what the score rests on, for learning the order of the queue; NaN where nothing is known."""
    is_decades: bool = False
    """Whether scores are sums of ``-log10`` of tails, so that those of several parts add up as they are."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Labels that have become known, as columns of length n, by row and side."""

    row: Int64s
    side: Int64s
    is_true: Bools
    propensity: Floats
    """The chance with which each was looked at: 1 of what was alerted, and of all labels; less of an audit sample."""

    def __len__(self) -> int:
        return len(self.row)


class Scorer(Protocol):
    """One method of detection."""

    name: str
    tracks: tuple[str, ...]
    """The tracks that it can take part in: what learns from labels alone has nothing to say in U."""

    def step(self, rows: Rows) -> Scores:
        """Score rows one after the other, each before learning from it."""

    def told(self, outcomes: Outcomes, *, day: int) -> None:
        """Labels known at the beginning of a day; rows of that day have not been shown yet."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What a scorer is made for."""

    stream: Stream
    """For names, days and parties; a scorer does not read labels, or rows that it was not shown."""
    track: str
    seed: int


def nothing(rows: int) -> Floats:
    """Scores that say nothing.

    >>> nothing(1)
    array([[nan, nan]])
    """
    return np.full((rows, 2), np.nan)
