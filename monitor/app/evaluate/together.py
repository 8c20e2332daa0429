"""Several parts as one scorer: for the ablation that runs all, and for what is left without one of them.

Each part's score becomes a tail probability: the share of its own earlier scores that were at least as high, where a
side without a score counts as lower than any. The parts' surprises, minus the logarithms, add up. A score that is a
sum of such logarithms already is added as it is: made a rank once more, six signals that agree would weigh no more than
one. Earlier means the days before: a day's scores count from its end on, so that batches change nothing. Of the scores
of a part at most 65,536 are kept, drawn with a seed.
"""

from collections.abc import Sequence

import numpy as np

from monitor.app.evaluate.scorer import Outcomes, Scorer, Scores
from monitor.app.evaluate.stream import Floats, Int64s, Rows
from monitor.domain.time import DAY_US

KEPT_MAX = 65_536


class _Past:
    """A seeded sample of one part's earlier scores; NaN is lower than any."""

    def __init__(self, seed: int) -> None:
        self.generator = np.random.default_rng(seed)
        self.kept = np.zeros(0)
        self.marks = np.zeros(0)
        """A random number for each kept score: those with the smallest stay, whatever the cuts."""

    def add(self, scores: Floats) -> None:
        """Take a whole day's scores in."""
        flat = np.where(np.isnan(scores), -np.inf, scores).reshape(-1)
        kept = np.concatenate([self.kept, flat])
        marks = np.concatenate([self.marks, self.generator.random(len(flat))])
        if len(kept) > KEPT_MAX:
            stay = np.argpartition(marks, KEPT_MAX)[:KEPT_MAX]
            kept, marks = kept[stay], marks[stay]
        order = np.argsort(kept, kind="stable")
        self.kept, self.marks = kept[order], marks[order]

    def surprise(self, scores: Floats) -> Floats:
        """Minus the decimal logarithm of the tail probability; 0 where there is no score."""
        above = len(self.kept) - np.searchsorted(self.kept, scores, side="left")
        found = -np.log10((1 + above) / (1 + len(self.kept)))
        return np.where(np.isnan(scores), 0.0, found)


class Together:
    """Parts of one method, added up as surprises."""

    def __init__(self, name: str, parts: Sequence[Scorer], *, seed: int) -> None:
        self.name, self.parts = name, list(parts)
        self.tracks = tuple(track for track in ("U", "D", "S") if all(track in part.tracks for part in parts))
        self.past = [_Past(seed + number) for number in range(len(self.parts))]
        self.day = -1
        self.today: list[list[Floats]] = [[] for _ in self.parts]

    def step(self, rows: Rows) -> Scores:
        """The parts' surprises, added up; NaN where no part says anything."""
        days: Int64s = rows.time_us // DAY_US
        found = np.full((len(rows), 2), np.nan)
        evidence: list[Floats] = []
        reasons: dict[tuple[int, int], str] = {}
        # A batch may hold several days: each day is scored by the days before.
        starts = np.flatnonzero(np.diff(days, prepend=days[0] - 1)).tolist()
        for start, stop in zip(starts, [*starts[1:], len(rows)], strict=True):
            self._enter(int(days[start]))
            said = [part.step(rows.slice(start, stop)) for part in self.parts]
            for number, each in enumerate(said):
                if not each.is_decades:
                    self.today[number].append(each.score)
                for (row, side), words in each.reasons.items():
                    place = (start + row, side)
                    reasons[place] = f"{reasons[place]}; {words}" if place in reasons else words
            surprises = [
                np.nan_to_num(each.score) if each.is_decades else past.surprise(each.score)
                for past, each in zip(self.past, said, strict=True)
            ]
            evidence.append(
                np.concatenate(
                    [np.stack(surprises, axis=2), *(each.evidence for each in said if each.evidence is not None)],
                    axis=2,
                )
            )
            is_silent = np.logical_and.reduce([np.isnan(each.score) for each in said])
            found[start:stop] = np.where(is_silent, np.nan, np.sum(surprises, axis=0))
        return Scores(found, None, reasons, np.concatenate(evidence), is_decades=True)

    def told(self, outcomes: Outcomes, *, day: int) -> None:
        """All parts are told."""
        for part in self.parts:
            part.told(outcomes, day=day)

    def _enter(self, day: int) -> None:
        if day != self.day:
            for past, scores in zip(self.past, self.today, strict=True):
                if scores:
                    past.add(np.concatenate(scores))
            self.today = [[] for _ in self.parts]
            self.day = day
