"""How well alerts find cases: recall, conversion, alerts per case, delay and money still to move.

**Choosing.** At a budget, the account-days with the highest scores are alerted, up to budget x active account-days;
equal scores are taken by day and then by account text. An account-day whose scorer said nothing is never alerted.
At a number of alerts a day, the same is done within each day. At a fixed threshold, which is what a run can do, all
account-days from the threshold on are alerted; the threshold is the score that a share of the account-days of 20 to
40 % of the time reached.

**Beside every figure** stands chance: the mean of twenty seeded draws of as many account-days. Intervals of recall
are a bootstrap by case, those of conversion Wilson's; both 95 %.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from monitor.app.evaluate.stream import Bools, Floats, Int64s, Stream
from monitor.app.evaluate.truth import AccountDays, Truth, account_days, by_account_day
from monitor.casework.intervals import Share, wilson
from monitor.domain.time import DAY_US

DRAWS = 20
BOOTSTRAPS = 1_000
CONFIDENCE = 0.95
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class TypologyRecall:
    """How many of a typology's cases were found; ``interval`` by bootstrap over its cases."""

    name: str
    found: Share
    interval: Interval
    chance: float
    """The share that random alerts of the same number find, mean of the draws."""


@dataclass(frozen=True, slots=True)
class Delays:
    """Of the cases found that began in the scored part: how long after their first row the first alert came, and
    which share of their money was still to move then. Quartiles: lower, median, upper."""

    cases: int
    days: tuple[float, float, float] | None
    still_to_move: tuple[float, float, float] | None
    share_of_all_money: float | None
    """Over these cases together: money still to move at the first alerts, of all their money."""


@dataclass(slots=True)
class AtBudget:
    """What alerting so much brings."""

    name: str
    chosen: int
    of: int
    recall: Share
    recall_interval: Interval
    conversion: Share
    conversion_interval: Interval
    chance_recall: float
    chance_conversion: float
    alerts_per_case: float | None
    """True account-days alerted for each case found."""
    typologies: list[TypologyRecall] = field(default_factory=list)
    delays: Delays | None = None
    cutoff: float | None = None
    """The lowest score that was alerted."""
    without_pattern: Share = field(default_factory=lambda: Share(0, 0))
    """Of the laundering rows in no case, those with an alerted account-day on either side."""


@dataclass(slots=True)
class Judge:
    """Measures sets of alerted account-days of one stream, each by the same draws of chance."""

    truth: Truth
    seed: int = 0
    _chance: dict[str, tuple[float, float, dict[str, float]]] = field(default_factory=dict)

    @property
    def stream(self) -> Stream:
        """The stream."""
        return self.truth.stream

    def at_budget(self, scores: Floats, budget: float) -> AtBudget:
        """The best account-days up to a share of the active ones."""
        best = by_account_day(self.truth.days, scores)
        count = max(1, int(budget * len(self.truth.days)))
        return self._measured(f"{100 * budget:g} %", chosen_best(best, count), scores, best, f"n{count}",
                              lambda draw: self._draw(count, draw))  # fmt: skip

    def a_day(self, scores: Floats, alerts: int) -> AtBudget:
        """The best account-days of each day."""
        days, best = self.truth.days, by_account_day(self.truth.days, scores)
        chosen = np.zeros(len(days), np.bool_)
        bounds = _bounds(days.day)
        for start, stop in bounds:
            chosen[start:stop] = chosen_best(best[start:stop], alerts)
        return self._measured(f"{alerts} a day", chosen, scores, best, f"d{alerts}",
                              lambda draw: self._draw_by_day(bounds, alerts, draw))  # fmt: skip

    def at_threshold(self, scores: Floats, budget: float) -> AtBudget | None:
        """The account-days from the threshold on that 20 to 40 % of the time give; ``None`` without a score there."""
        threshold = fixed_threshold(self.stream, scores, budget)
        if threshold is None:
            return None
        best = by_account_day(self.truth.days, scores)
        chosen = best >= threshold
        count = int(chosen.sum())
        return self._measured(f"fixed for {100 * budget:g} %", chosen, scores, best, f"n{count}",
                              lambda draw: self._draw(count, draw))  # fmt: skip

    def _measured(
        self, name: str, chosen: Bools, scores: Floats, best: Floats, key: str, draw: Callable[[int], Bools]
    ) -> AtBudget:
        truth = self.truth
        found = truth.cases_found(chosen)[truth.scored]
        count, true = int(chosen.sum()), int((chosen & truth.is_true).sum())
        if key not in self._chance:
            self._chance[key] = self._chance_of([draw(number) for number in range(DRAWS)])
        chance_recall, chance_conversion, by_typology = self._chance[key]
        recall = Share(int(found.sum()), len(truth.scored))
        return AtBudget(
            name=name,
            chosen=count,
            of=len(truth.days),
            recall=recall,
            recall_interval=bootstrap(found, seed=self.seed),
            conversion=Share(true, count),
            conversion_interval=wilson(Share(true, count)),
            chance_recall=chance_recall,
            chance_conversion=chance_conversion,
            alerts_per_case=true / recall.found if recall.found else None,
            typologies=self._typologies(found, by_typology),
            delays=self._delays(chosen, scores, best),
            cutoff=float(np.nanmin(best[chosen])) if count else None,
            without_pattern=self._without_pattern(chosen),
        )

    def _chance_of(self, drawn: Sequence[Bools]) -> tuple[float, float, dict[str, float]]:
        truth, recalls, conversions = self.truth, [], []
        shares: dict[str, list[float]] = {}
        for chosen in drawn:
            found = truth.cases_found(chosen)[truth.scored]
            recalls.append(float(found.mean()) if len(found) else 0.0)
            conversions.append(float((chosen & truth.is_true).sum()) / max(1, int(chosen.sum())))
            for name, mine in self._by_typology():
                shares.setdefault(name, []).append(float(found[mine].mean()))
        means = {name: float(np.mean(each)) for name, each in shares.items()}
        return float(np.mean(recalls)), float(np.mean(conversions)), means

    def _draw(self, count: int, number: int) -> Bools:
        """As the yardstick draws: Python's generator, from account-days by account and then day."""
        days, chosen = self.truth.days, np.zeros(len(self.truth.days), np.bool_)
        chosen[days.by_account[random.Random(number).sample(range(len(days)), min(count, len(days)))]] = True
        return chosen

    def _draw_by_day(self, bounds: list[tuple[int, int]], alerts: int, number: int) -> Bools:
        generator, chosen = random.Random(number), np.zeros(len(self.truth.days), np.bool_)
        for start, stop in bounds:
            chosen[generator.sample(range(start, stop), min(alerts, stop - start))] = True
        return chosen

    def _by_typology(self) -> list[tuple[str, Bools]]:
        names = np.array([self.stream.typology_of_case[case] for case in self.truth.scored.tolist()], dtype=object)
        return [(name, names == name) for name in sorted(set(names.tolist()))]

    def _typologies(self, found: Bools, chance: dict[str, float]) -> list[TypologyRecall]:
        return [
            TypologyRecall(
                name, Share(int(found[mine].sum()), int(mine.sum())), bootstrap(found[mine], seed=self.seed),
                chance.get(name, 0.0),
            )
            for name, mine in self._by_typology()
        ]  # fmt: skip

    def _without_pattern(self, chosen: Bools) -> Share:
        rows = self.truth.without_pattern()
        of_row = self.truth.days.of_row[rows]
        hit = (chosen[of_row] & (of_row >= 0)).any(axis=1) if len(rows) else np.zeros(0, np.bool_)
        return Share(int(hit.sum()), len(rows))

    def _delays(self, chosen: Bools, scores: Floats, best: Floats) -> Delays:
        """An account-day's alert comes with its first row whose score reaches the lowest score that was alerted."""
        truth, stream = self.truth, self.stream
        if not chosen.any():
            return Delays(0, None, None, None)
        cutoff = float(np.nanmin(best[chosen]))
        alert_row = np.full(len(truth.days), np.iinfo(np.int64).max)
        rows, sides = np.nonzero((truth.days.of_row >= 0) & (scores >= cutoff))
        np.minimum.at(alert_row, truth.days.of_row[rows, sides], rows)
        first_alert = np.full(len(stream.cases), np.iinfo(np.int64).max)
        hits = chosen[truth.hit_day]
        np.minimum.at(first_alert, truth.hit_case[hits], alert_row[truth.hit_day[hits]])
        start_us = stream.cut.scored * DAY_US
        days, shares, left, total = [], [], 0.0, 0.0
        for case in truth.scored.tolist():
            row = int(first_alert[case])
            if row < len(stream.rows) and truth.first_us[case] >= start_us:
                mine = np.flatnonzero(stream.case == case)
                money, after = stream.rows.value[mine], mine > row
                days.append(max(0.0, float(stream.rows.time_us[row] - truth.first_us[case]) / DAY_US))
                shares.append(float(money[after].sum() / money.sum()) if money.sum() > 0 else 0.0)
                left, total = left + float(money[after].sum()), total + float(money.sum())
        if not days:
            return Delays(0, None, None, None)
        return Delays(len(days), _quartiles(days), _quartiles(shares), left / total if total else None)


def chosen_best(best: Floats, count: int) -> Bools:
    """The ``count`` highest scores; equal ones in their order, NaN never.

    >>> chosen_best(np.array([1.0, 3.0, np.nan, 3.0]), 2).tolist()
    [False, True, False, True]
    """
    given = np.flatnonzero(~np.isnan(best))
    order = given[np.argsort(-best[given], kind="stable")]
    chosen = np.zeros(len(best), np.bool_)
    chosen[order[:count]] = True
    return chosen


def fixed_threshold(stream: Stream, scores: Floats, budget: float) -> float | None:
    """The score that the best ``budget`` share of the account-days of 20 to 40 % of the time reached."""
    cut = stream.cut
    stop = stream.first_row_of_day(cut.scored)
    early = _account_days_between(stream, cut.thresholds, stop)
    best = by_account_day(early, scores)
    given = np.sort(best[~np.isnan(best)])[::-1]
    count = max(1, int(budget * len(early)))
    if not len(given):
        return None
    # With fewer scores than the budget has room for, every score is an alert.
    return float(given[min(count, len(given)) - 1])


def _account_days_between(stream: Stream, start: int, stop_row: int) -> AccountDays:
    found = account_days(stream, start)
    found.of_row[stop_row:] = -1
    active = np.unique(found.of_row[found.of_row >= 0])
    place = np.full(len(found) + 1, -1, np.int64)
    place[active] = np.arange(len(active))
    return AccountDays(found.account[active], found.day[active], place[found.of_row], active)


def bootstrap(found: Bools, *, seed: int) -> Interval:
    """The 95 % interval of a share of cases, by drawing as many cases again, with replacement.

    Where all or none were found, drawing again shows nothing else, so Wilson's interval stands for it.

    >>> low, high = bootstrap(np.array([True, True]), seed=1)
    >>> round(low, 2), high
    (0.34, 1.0)
    """
    if not len(found) or found.all() or not found.any():
        return wilson(Share(int(found.sum()), len(found)))
    means = np.random.default_rng(seed).choice(found, (BOOTSTRAPS, len(found))).mean(axis=1)
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def false_at_true(order: Floats, is_true: Bools, *, share: float = 0.9) -> int | None:
    """How many false alerts stand before the place in a queue where a share of the true ones is reached.

    Equal places are taken with the false ones first, so that an order that says nothing gains nothing.

    >>> false_at_true(np.array([0.9, 0.8, 0.7, 0.1]), np.array([True, False, True, False]), share=1.0)
    1
    """
    needed = int(np.ceil(share * int(is_true.sum())))
    if not needed:
        return None
    at = np.lexsort((is_true, -order))
    stop = int(np.flatnonzero(np.cumsum(is_true[at]) >= needed)[0]) + 1
    return int((~is_true[at][:stop]).sum())


def _bounds(day: Int64s) -> list[tuple[int, int]]:
    starts = np.flatnonzero(np.diff(day, prepend=day[0] - 1)).tolist() if len(day) else []
    return list(zip(starts, [*starts[1:], len(day)], strict=True))


def _quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    low, middle, high = np.quantile(np.array(values), [0.25, 0.5, 0.75])
    return float(low), float(middle), float(high)
