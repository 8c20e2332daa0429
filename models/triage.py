"""The order of the queue, learned from analysts' decisions as they arrive. It orders; it never suppresses.

A logistic regression of river learns one decision at a time. Labels are *selective*: only what was alerted and
decided has one. Three things keep that from turning in a circle:

- what was drawn at random to be looked at (an audit sample) counts as many times as there were others like it, up to
  ``WEIGHT_MAX`` (inverse propensity), so that what was never alerted is heard too;
- a share of the queue's first places goes to cases drawn by a hash of their identifier, whatever their score, so that
  the model keeps learning about what it thinks little of;
- a case that waits rises: after ``waiting_days_max`` it stands before all that wait less.

Before ``DECISIONS_MIN`` decisions of both kinds the order is that of the scores given, which is the untrained order.

Steps shrink with what a weight has already learned (AdaGrad), and the base follows the share of true alerts five times
as fast as by river's default: what was decided early must not stand above the rest only because the base was high then.

Sources: logistic regression by stochastic gradient with standardised features: river; AdaGrad: Duchi, J., Hazan, E. &
Singer, Y. (2011), JMLR 12; inverse propensity: Horvitz, D. G. & Thompson, D. J. (1952), JASA 47; selective labels:
Lakkaraju, H. et al. (2017), "The selective labels problem", KDD.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from models import structural_state
from models.budget import order
from models.contract import (
    FORMAT,
    Columns,
    Family,
    Float64s,
    Input,
    Int64s,
    ModelError,
    Part,
    Scores,
    State,
    StateError,
)

DECISIONS_MIN = 10
"""Decisions of each kind, suspicious and not, before the learned order is used."""

WEIGHT_MAX = 50.0
_RATE, _RATE_OF_BASE = 0.1, 0.05


@dataclass(frozen=True, slots=True)
class TriageLine:
    """What was learned of one feature: log odds for a standard deviation, mean and deviation (0: always the same)."""

    name: str
    weight: float
    mean: float
    deviation: float


class Triage:
    """Learns decisions and orders what waits.

    Args:
        features: Columns of kind number that describe an alert, each with its family; an unknown value (NaN) counts
            as the mean. Say the model scores, the tails, and what rules found; never who the customer is.
        explored_share: Which share of places is given by chance instead of by score, within [0, 1).
        waiting_days_max: From how many days of waiting on an alert stands first.
        decisions_min: From how many decisions of each kind on the learned order is used.

    Weak spots: it repeats the habits of those who decided; a new typology has no decisions.
    """

    id: ClassVar[str] = "triage"
    version: ClassVar[int] = 1

    def __init__(
        self, features: Sequence[Input], *, explored_share: float = 0.05, waiting_days_max: float = 14.0,
        decisions_min: int = DECISIONS_MIN,
    ) -> None:  # fmt: skip
        if not 0.0 <= explored_share < 1.0:
            raise ModelError(f"{self.id}: explored_share is {explored_share}; it must be within 0 and 1.")
        from river import linear_model, optim, preprocessing  # takes seconds, which the queue without it need not wait

        self.inputs = tuple(features)
        self.parts = tuple(Part(each.name, each.family or Family.FLOW, each.unit) for each in features)
        self._names = tuple(each.name for each in features)
        self._explored_share, self._waiting_days_max = explored_share, waiting_days_max
        self._decisions_min = decisions_min
        self._scaler: Any = preprocessing.StandardScaler()
        self._classifier: Any = linear_model.LogisticRegression(
            optim.AdaGrad(_RATE), l2=1e-4, intercept_lr=_RATE_OF_BASE
        )
        self._decisions = [0, 0]

    @property
    def ready(self) -> bool:
        """Whether enough of both decisions were learned."""
        return min(self._decisions) >= self._decisions_min

    @property
    def decisions(self) -> tuple[int, int]:
        """How many decisions were learned: innocent, suspicious."""
        return self._decisions[0], self._decisions[1]

    def lines(self) -> tuple[TriageLine, ...]:
        """What was learned of each feature, so that others can score without the learner; empty while not ready.

        ``score_many`` is :attr:`base` and the sum over features of ``weight * (value - mean) / deviation``.
        """
        if not self.ready:
            return ()
        weights, means, variances = self._classifier.weights, self._scaler.means, self._scaler.vars
        return tuple(
            TriageLine(name, float(weights.get(name, 0.0)), float(means[name]), float(variances[name] ** 0.5))
            for name in self._names
        )

    def learn_decision(self, features: Columns, row: int, *, is_suspicious: bool, propensity: float = 1.0) -> None:
        """Learn what an analyst decided about one alert.

        Args:
            features: As given at construction, as they were when the alert was raised.
            row: Which row of them.
            is_suspicious: The decision: True if the case was reported or escalated, False if closed as innocent.
            propensity: The chance with which it was drawn to be looked at; 1 for an alert, 0.001 for an audit
                sample of one in a thousand.

        Raises:
            ModelError: The propensity is not within (0, 1].
        """
        if not 0.0 < propensity <= 1.0:
            raise ModelError(f"{self.id}: propensity is {propensity}; it is a chance above 0 and at most 1.")
        x = self._row(features, row)
        self._scaler.learn_one(x)
        self._classifier.learn_one(self._scaler.transform_one(x), is_suspicious, w=min(1.0 / propensity, WEIGHT_MAX))
        self._decisions[int(is_suspicious)] += 1

    def score_many(self, columns: Columns, *, why: bool = False) -> Scores:
        """The log odds that a case is suspicious, by what was decided so far; NaN while not ready.

        The contribution of a feature is its weight times how far it is from its mean, in standard deviations; with the
        intercept (:attr:`base`) contributions add up to the score.
        """
        n = len(columns[self._names[0]])
        values, told = np.full(n, np.nan), np.zeros((n, len(self._names), 3))
        if self.ready:
            weights, means, variances = self._classifier.weights, self._scaler.means, self._scaler.vars
            for k, name in enumerate(self._names):
                given = np.asarray(columns[name], np.float64)
                # As river's scaler does; an unknown value counts as the mean.
                scaled = (given - means[name]) / variances[name] ** 0.5 if variances[name] else np.zeros(n)
                told[:, k, 0] = np.where(np.isnan(given), 0.0, weights.get(name, 0.0) * scaled)
                told[:, k, 1], told[:, k, 2] = np.where(np.isnan(given), means[name], given), means[name]
            values = told[:, :, 0].sum(axis=1) + self.base
        return Scores(values, np.full(n, self.ready), told if why else None)

    @property
    def base(self) -> float:
        """The log odds of an alert with every feature at its mean."""
        return float(self._classifier.intercept)

    @property
    def limit_bytes(self) -> int:
        """The most memory of the saved state; it depends on the number of features only."""
        return 4096 + 1024 * len(self._names)

    def order(self, columns: Columns, untrained: Float64s, waiting_days: Float64s, identifier: Int64s) -> Int64s:
        """The order in which to look at what waits: all of it, each once.

        Args:
            columns: Features, shape (n,) each.
            untrained: Scores to go by while not ready, higher first, shape (n,).
            waiting_days: How long each has waited, shape (n,).
            identifier: A number per alert that never changes; equal scores and chance go by its hash.

        Returns:
            Row numbers, the first to look at first, shape (n,).
        """
        scores = self.score_many(columns).values if self.ready else untrained
        by_score = order(np.asarray(scores, np.float64), identifier).tolist()
        n = len(by_score)
        rank = {row: place for place, row in enumerate(by_score)}
        overdue = set(np.flatnonzero(waiting_days >= self._waiting_days_max).tolist())
        first = sorted(overdue, key=lambda row: (-waiting_days[row], rank[row]))
        rest = [row for row in by_score if row not in overdue]
        chance = [row for row in order(np.zeros(n), identifier).tolist() if row not in overdue]
        placed: list[int] = []
        taken: set[int] = set()
        every = round(1.0 / self._explored_share) if self._explored_share and self.ready else 0
        queues = (iter(rest), iter(chance))
        while len(placed) < len(rest):
            is_explored = bool(every) and len(placed) % every == every - 1
            row = next(each for each in queues[int(is_explored)] if each not in taken)
            taken.add(row)
            placed.append(row)
        return np.array(first + placed, np.int64)

    def state(self) -> State:
        """What ``restore`` needs: weights, means and counts as plain values, no pickles."""
        written = structural_state.write([self._scaler, self._classifier])
        text = np.frombuffer(json.dumps(written, separators=(",", ":")).encode(), np.uint8)
        return State(self._header(), {"river": text, "decisions": np.array(self._decisions, np.int64)})

    def restore(self, state: State) -> None:
        """Take over a saved state; one of another version or other features raises StateError."""
        for name, value in self._header().items():
            if state.header.get(name) != value:
                found = state.header.get(name)
                raise StateError(f"{self.id}: the saved state has {name} {found!r}, this one {value!r}.")
        self._scaler, self._classifier = structural_state.read(json.loads(state.arrays["river"].tobytes()))
        self._decisions = [int(count) for count in state.arrays["decisions"]]

    def _header(self) -> dict[str, Any]:
        return {"model": self.id, "version": self.version, "format": FORMAT, "features": list(self._names)}

    def _row(self, columns: Columns, row: int) -> dict[str, float]:
        """One row for river; an unknown value is the mean so far."""
        x = {name: float(columns[name][row]) for name in self._names}
        return {name: value if value == value else float(self._scaler.means[name]) for name, value in x.items()}
