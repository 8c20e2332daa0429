"""The product's anomaly models as a scorer: the very ensemble that judges payments, shown the stream's rows.

An alert is about the payer's account, so the payee's side has no score. The channel is the type of payment, amounts
are those of the stream's one unit, and all accounts are one segment. The evidence of a row, for learning the order of
the queue, is of each signal what it contributes, its value, and what was observed and expected, as logarithms.
"""

import numpy as np

from models.contract import Columns, reasons
from models.ensemble import payment_ensemble
from monitor.app.evaluate.scorer import Outcomes, Scores, Setting, nothing
from monitor.app.evaluate.stream import SOURCE, Rows, Stream

_LEAST = 0.01
"""Payments of less, such as of nothing, count as this."""
_WORDED_FROM = 1.0
"""Scores from here on get words: they are in decades of a tail, 0 being usual, and alerts lie far above."""
_WORDED_MAX = 3
"""Most signals that a reason names."""


class ModelsScorer:
    """Anomaly models alone."""

    name = "models"
    tracks: tuple[str, ...] = ("U", "D", "S")

    def __init__(self, setting: Setting) -> None:
        self.stream = setting.stream
        self.ensemble = payment_ensemble()

    def step(self, rows: Rows) -> Scores:
        """Score rows one after the other, each before the models learn it."""
        said = self.ensemble.score_learn_many(columns_of(rows, self.stream), why=True)
        assert said.why is not None
        assert said.facts is not None
        found, words = nothing(len(rows)), dict[tuple[int, int], str]()
        found[:, SOURCE] = said.values
        for row in np.flatnonzero(said.values >= _WORDED_FROM).tolist():
            told = reasons(self.ensemble.combination, said, row)
            words[row, SOURCE] = "; ".join(
                f"{each.name.removeprefix('new-edges: ')}, 1 in {10**each.expected:,.0f}"
                for each in told[:_WORDED_MAX] if each.contribution > 0
            )  # fmt: skip
        known = np.concatenate([said.why[:, :, :2], np.sign(said.facts) * np.log1p(np.abs(said.facts))], axis=2)
        evidence = np.full((len(rows), 2, known[0].size), np.nan)
        evidence[:, SOURCE] = known.reshape(len(rows), -1)
        return Scores(found, None, words, evidence, is_decades=True)

    def told(self, outcomes: Outcomes, *, day: int) -> None:
        """The models learn nothing from labels; the order of the queue does."""


def columns_of(rows: Rows, stream: Stream) -> Columns:
    """The columns of the models; a side that is nobody is -1."""
    payer, payee = rows.source.astype(np.int64), rows.target.astype(np.int64)
    if len(stream.is_party):
        payer, payee = (np.where(stream.is_party[side], side, -1) for side in (payer, payee))
    return {
        "payer": payer,
        "payee": payee,
        "time_us": rows.time_us,
        "amount_log": np.log(np.maximum(rows.value, _LEAST)),
        "channel": rows.kind.astype(np.int64),
        "segment": np.zeros(len(rows), np.int64),
    }
