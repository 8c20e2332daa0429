"""The product's learner with labels as a scorer: measures of each payment, and trees fitted anew every 14 days.

Amounts are taken in whole units, without cents, which generators leave traces of the label in; ids, banks and the hour
are no measure either. Both sides of a row get its score: a label says that a payment is laundering, not whose.
"""

import numpy as np

from models.contract import Family, ModelError, by_family, reasons
from models.payment_measures import PaymentMeasures
from models.refitted import Refitted, probability
from monitor.app.evaluate.problem import EvaluateError
from monitor.app.evaluate.scorer import Outcomes, Scores, Setting, nothing
from monitor.app.evaluate.stream import Floats, Rows

WORDS_FROM = 0.05
"""The probability from which a row's reasons are told in words."""
_MEASURES_TOLD = 3


class Learned:
    """Measures and learner together."""

    name = "learned"
    tracks: tuple[str, ...] = ("S",)

    def __init__(self, setting: Setting) -> None:
        try:
            import sklearn  # noqa: F401
        except ImportError:
            raise EvaluateError(
                "scikit-learn is not installed. Install the extra:  pip install 'aml-monitor[evaluate]'"
            ) from None
        self.measures = PaymentMeasures(keys_max=max(1, len(setting.stream.accounts)))
        self.learner = Refitted(self.measures.measures, seed=setting.seed)
        self.waiting: list[np.ndarray] = []
        """Measures of the rows whose label is not known yet, in their order."""

    def step(self, rows: Rows) -> Scores:
        """The log odds of each row by the last fit."""
        x = self.measures.measure_learn_many(columns_of(rows))
        self.waiting.append(x)
        scores = self.learner.score_many(x)
        found: Floats = nothing(len(rows))
        found[:] = scores.values[:, None]
        return Scores(found, None, self._words(x, scores.values))

    def told(self, outcomes: Outcomes, *, day: int) -> None:
        """Labels of the next rows in order, once for each side; fits where it is time."""
        is_true = outcomes.is_true[outcomes.side == 0]
        waiting = np.concatenate(self.waiting)
        self.learner.learn_labelled(waiting[: len(is_true)], is_true)
        self.waiting = [waiting[len(is_true) :]]
        try:
            self.learner.refit_if_due(day)
        except ModelError as error:
            raise EvaluateError(str(error)) from error

    def _words(self, x: np.ndarray, log_odds: Floats) -> dict[tuple[int, int], str]:
        """Why, for the rows that are likely enough: the families' parts of the log odds, and the measures behind."""
        likely = np.flatnonzero(probability(log_odds) >= WORDS_FROM)
        if not len(likely):
            return {}
        scores, told = self.learner.score_many(x[likely], why=True), {}
        for place, row in enumerate(likely.tolist()):
            found = reasons(self.learner, scores, place)
            words = f"probability {probability(scores.values)[place]:.2f}: {_families(by_family(found))}"
            words += "; " + "; ".join(
                f"{each.name} {each.observed:.3g}, mostly {each.expected:.3g} ({each.contribution:+.1f})"
                for each in found[:_MEASURES_TOLD]
            )
            told[row, 0] = told[row, 1] = words
        return told


def columns_of(rows: Rows) -> dict[str, np.ndarray]:
    """Rows as the columns of payment measures."""
    return {
        "payer": rows.source.astype(np.int64),
        "payee": rows.target.astype(np.int64),
        "time_us": rows.time_us,
        "amount_log": np.log(np.maximum(np.floor(rows.value), 1.0)),
        "channel": rows.kind.astype(np.int64),
    }


def _families(found: dict[Family, float]) -> str:
    return ", ".join(f"{family} {part:+.1f}" for family, part in found.items())
