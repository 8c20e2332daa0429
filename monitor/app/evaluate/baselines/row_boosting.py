"""Gradient boosting on the row alone: what a stream gives away without any history (the leak floor).

Features are the amount in whole units, the type, the currency and the day of the week. Never cents, hours or seconds,
ids or banks: generators leave traces of the label there. The model learns at every tenth of the time from all labels
known by then. It needs scikit-learn, from the extra ``evaluate``.
"""

from typing import Any

import numpy as np

from monitor.app.evaluate.problem import EvaluateError
from monitor.app.evaluate.scorer import Outcomes, Scores, Setting, nothing
from monitor.app.evaluate.stream import Bools, Cut, Floats, Rows
from monitor.domain.time import DAY_US

CATEGORIES_MAX = 250
"""Codes of type and currency from here on share one place."""


def row_features(rows: Rows) -> Floats:
    """Shape (n, 4): log of the amount in whole units, type, currency, day of the week."""
    weekday = (rows.time_us // DAY_US + 3) % 7
    codes = [np.minimum(codes, CATEGORIES_MAX) for codes in (rows.kind, rows.currency)]
    return np.stack([np.log1p(np.floor(rows.amount)), *codes, weekday], axis=1).astype(np.float64)


class Boosting:
    """A gradient-boosted model that is fitted again at every tenth of the time."""

    def __init__(self, cut: Cut, seed: int, categories: list[int]) -> None:
        self.seed, self.categories = seed, categories
        self.fit_days = [cut.first + (cut.end - cut.first) * tenth // 10 for tenth in range(2, 10)]
        self.features: list[Floats] = []
        self.labels: list[Bools] = []
        self.model: Any = None

    def keep(self, features: Floats) -> None:
        """Remember the features of the next rows, until their labels are known."""
        self.features.append(features)

    def told(self, outcomes: Outcomes, day: int) -> None:
        """Labels of the next rows in order, once for each side; fits where it is time."""
        self.labels.append(outcomes.is_true[outcomes.side == 0])
        if self.fit_days and day >= self.fit_days[0]:
            self.fit_days = [each for each in self.fit_days if each > day]
            self._fit()

    def score(self, features: Floats) -> Floats:
        """Shape (n,): the probability of laundering; NaN before the first fit."""
        if self.model is None:
            return np.full(len(features), np.nan)
        with _one_thread():
            return np.asarray(self.model.predict_proba(features)[:, 1], np.float64)

    def _fit(self) -> None:
        ensemble = _scikit_learn()
        labels = np.concatenate(self.labels)
        if labels.all() or not labels.any():
            return
        features = np.concatenate(self.features)[: len(labels)]
        self.features = [np.concatenate(self.features)]
        model = ensemble.HistGradientBoostingClassifier(
            max_iter=100, early_stopping=False, random_state=self.seed, categorical_features=self.categories or None
        )
        with _one_thread():
            self.model = model.fit(features, labels)


class RowBoosting:
    """The baseline as a scorer: both sides of a row get its score."""

    name = "row boosting"
    tracks: tuple[str, ...] = ("S",)

    def __init__(self, setting: Setting) -> None:
        _scikit_learn()
        self.boosting = Boosting(setting.stream.cut, setting.seed, [1, 2])

    def step(self, rows: Rows) -> Scores:
        """Score by the last fit."""
        features = row_features(rows)
        self.boosting.keep(features)
        found = nothing(len(rows))
        found[:] = self.boosting.score(features)[:, None]
        return Scores(found)

    def told(self, outcomes: Outcomes, *, day: int) -> None:
        """Take labels; fit where it is time."""
        self.boosting.told(outcomes, day)


def _one_thread() -> Any:
    """Small batches are slower on many threads than on one."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1)


def _scikit_learn() -> Any:
    try:
        from sklearn import ensemble
    except ImportError:
        raise EvaluateError(
            "scikit-learn is not installed. Install the extra:  pip install 'aml-monitor[evaluate]'"
        ) from None
    return ensemble
