"""The order of the queue learned from decisions: the product's triage beside a scorer, in track D.

Whatever the scorer says stays as it is: nothing is suppressed, and which account-days are alerted does not change. The
features are the scorer's evidence and its score; a scorer without evidence keeps its order. A decision is learned with
the features of its row as they were then. An alert bears the order of the day on which it was raised: the log odds that
it is true, by the decisions known on that day. Before there are enough of both kinds its order is its score.
"""

from collections import deque

import numpy as np

from models.contract import Family, Input
from models.triage import Triage
from monitor.app.evaluate.row_measures import LABEL_DELAY_DAYS
from monitor.app.evaluate.scorer import Outcomes, Scorer, Scores
from monitor.app.evaluate.stream import Floats, Rows
from monitor.domain.time import DAY_US


class LearnedOrder:
    """A scorer with evidence, and an order learned from what became known of its alerts."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer, self.name, self.tracks = scorer, scorer.name, scorer.tracks
        self.triage: Triage | None = None
        self.names: tuple[str, ...] = ()
        self.kept: deque[tuple[int, int, Floats]] = deque()
        """Day, first row and features, shape (n, 2, k), of the batches whose outcomes may still come."""

    def step(self, rows: Rows) -> Scores:
        """The scorer's scores with an order."""
        said = self.scorer.step(rows)
        if said.evidence is None:
            return said
        features = np.concatenate([said.score[:, :, None], said.evidence], axis=2)
        day = int(rows.time_us[0]) // DAY_US
        while self.kept and self.kept[0][0] <= day - LABEL_DELAY_DAYS:
            self.kept.popleft()
        self.kept.append((day, int(rows.number[0]), features))
        if self.triage is None:
            self.names = tuple(f"evidence {number}" for number in range(features.shape[2]))
            self.triage = Triage([Input(name, family=Family.FLOW) for name in self.names])
        order = said.score
        if self.triage.ready:
            flat = features.reshape(-1, features.shape[2])
            learned = self.triage.score_many(dict(zip(self.names, flat.T, strict=True))).values.reshape(order.shape)
            order = np.where(np.isnan(said.score), np.nan, learned)
        return Scores(said.score, order, said.reasons, said.evidence, said.is_decades)

    def told(self, outcomes: Outcomes, *, day: int) -> None:
        """Learn the decisions one after the other; an audited row without a score teaches nothing about alerts."""
        self.scorer.told(outcomes, day=day)
        if self.triage is None:
            return
        for row, side, is_true, chance in zip(
            outcomes.row.tolist(), outcomes.side.tolist(), outcomes.is_true.tolist(), outcomes.propensity.tolist(),
            strict=True,
        ):  # fmt: skip
            features = next(kept[row - first] for _, first, kept in self.kept if 0 <= row - first < len(kept))[side]
            if not np.isnan(features[0]):
                columns = dict(zip(self.names, features[:, None], strict=True))
                self.triage.learn_decision(columns, 0, is_suspicious=is_true, propensity=chance)
