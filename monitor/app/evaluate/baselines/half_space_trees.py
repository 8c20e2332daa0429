"""River's HalfSpaceTrees over ten features of recent activity: the streaming baseline without labels.

For an account, after the row: count and sum of what it sent and what it received, each faded with a time constant of
one day and of thirty days; the time since its last row; the amount. Each is brought into 0 to 1 by a logarithm with a
fixed cap, because the trees halve that space. A row's side is scored before the trees learn from it. River's own
defaults; it needs river, from the extra ``evaluate``.
"""

from math import exp, log1p
from typing import Any

from monitor.app.evaluate.problem import EvaluateError
from monitor.app.evaluate.scorer import Outcomes, Scores, Setting, nothing
from monitor.app.evaluate.stream import Rows
from monitor.domain.time import DAY_US

_FADES_DAYS = (1.0, 30.0)
_COUNT_CAP, _SUM_CAP, _GAP_CAP_DAYS = log1p(1_000.0), log1p(1e7), log1p(365.0)


class _Account:
    """Faded counts and sums: (sent count, sent sum, received count, received sum) for each time constant."""

    __slots__ = ("faded", "last_us")

    def __init__(self) -> None:
        self.faded = [[0.0] * 4 for _ in _FADES_DAYS]
        self.last_us = -1

    def add(self, time_us: int, side: int, value: float) -> dict[int, float]:
        """Take a row in; the ten features after it."""
        gap_days = (time_us - self.last_us) / DAY_US if self.last_us >= 0 else 365.0
        self.last_us = time_us
        features: dict[int, float] = {}
        for fade, sums in zip(_FADES_DAYS, self.faded, strict=True):
            keep = exp(-gap_days / fade)
            sums[:] = [each * keep for each in sums]
            sums[2 * side] += 1
            sums[2 * side + 1] += value
            for place, each in enumerate(sums):
                features[len(features)] = min(1.0, log1p(each) / (_SUM_CAP if place % 2 else _COUNT_CAP))
        features[8] = min(1.0, log1p(gap_days) / _GAP_CAP_DAYS)
        features[9] = min(1.0, log1p(value) / _SUM_CAP)
        return features


class HalfSpaceTrees:
    """The baseline as a scorer."""

    name = "half-space trees"
    tracks: tuple[str, ...] = ("U", "D", "S")

    def __init__(self, setting: Setting) -> None:
        try:
            from river import anomaly
        except ImportError:
            raise EvaluateError(
                "river is not installed. Install the extra:  pip install 'aml-monitor[evaluate]'"
            ) from None
        self.trees: Any = anomaly.HalfSpaceTrees(seed=setting.seed)
        self.accounts: dict[int, _Account] = {}

    def step(self, rows: Rows) -> Scores:
        """Score each side of each row, then learn from it."""
        found, trees, accounts = nothing(len(rows)), self.trees, self.accounts
        columns = (rows.time_us.tolist(), rows.source.tolist(), rows.target.tolist(), rows.value.tolist())
        for row, (time_us, source, target, value) in enumerate(zip(*columns, strict=True)):
            for side, account in ((0, source), (1, target)):
                held = accounts.get(account)
                if held is None:
                    held = accounts[account] = _Account()
                features = held.add(time_us, side, value)
                found[row, side] = trees.score_one(features)
                trees.learn_one(features)
        return Scores(found)

    def told(self, outcomes: Outcomes, *, day: int) -> None:
        """Learns nothing from labels."""
