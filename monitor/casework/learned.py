"""What analysts' decisions teach about the order of the queue, within bounds.

Each case that is closed as reported, false positive or explained is a decision about the facts of the case: how strong
its alerts are, how many, and which typologies they have; never who the customer is. :class:`models.triage.Triage`
learns them one by one. What it has learned is a line for each fact (:class:`Line`); a case's *lift* is the odds that
cases like it are suspicious against those of an average one, ``exp(sum of weight * (fact - mean) / deviation)``, kept
within :data:`LIFT_MIN` and :data:`LIFT_MAX`. The risk of the case becomes ``1 - (1 - risk) ^ lift``: at 2 as if there
were as much suspicion again, at 0.5 the half of it. So an order that was learned wrongly costs time and hides nothing:
no risk becomes 0, urgency and novelty are as before, and an overdue case rises whatever was decided about others.

Before :data:`DECISIONS_MIN` decisions of both kinds there is no lift, and the order is the untrained one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import exp, log
from typing import Final

from monitor.casework.orders import SAMPLE_SHARE_DEFAULT, SAMPLED
from monitor.casework.typologies import agreement
from monitor.domain.case import Case
from monitor.domain.vocabulary import ANOMALY
from monitor.rulebook.typologies import TYPOLOGIES

DECISIONS_MIN: Final = 10
LIFT_MIN: Final = 0.5
LIFT_MAX: Final = 2.0
GIVES_MAX: Final = 20.0
"""The most that one fact gives, in log odds: one that hardly ever varied must not drown the others."""

_FACTS: Final = ("strength", "agreement", "rules", "alerts", "repeats", "dismissed before")
_SUSPICIOUS, _INNOCENT = "closed_reported", ("closed_false_positive", "closed_explained")
_DECIMALS: Final = 4


@cache
def fact_names() -> tuple[str, ...]:
    """The facts of a case that decisions are learned about, in a fixed order."""
    return (*_FACTS, *(f"typology {name}" for name in (*TYPOLOGIES, ANOMALY)))


def facts_of(case: Case) -> dict[str, float]:
    """The facts of a case by name: shares and logarithms of counts, and 1 for each typology that it has."""
    values = (
        case.strength,
        agreement(case.typology),
        log(len(case.rules)) if case.rules else 0.0,
        log(case.alert_count),
        case.quiet_count / case.alert_count,
        log(1.0 + case.dismissed_cases),
    )
    found = dict(zip(_FACTS, values, strict=True))
    return found | {
        name: float(name.removeprefix("typology ") in case.typologies) for name in fact_names() if name not in found
    }


def verdict_of(case: Case) -> bool | None:
    """What the decision says of its facts: suspicious, innocent, or nothing where it was neither (``None``).

    An inconclusive case and a duplicate say nothing.
    """
    if case.state == _SUSPICIOUS:
        return True
    return False if case.state in _INNOCENT else None


def propensity_of(case: Case) -> float:
    """The chance with which the case came before an analyst: 1, and for one that a suppression let through the usual
    share of a suppression, whatever share its own had."""
    return SAMPLE_SHARE_DEFAULT if SAMPLED in case.marks and case.alert_count == 1 else 1.0


@dataclass(frozen=True, slots=True)
class Line:
    """What was learned about one fact: the log odds for one standard deviation, and the fact's mean and deviation."""

    fact: str
    weight: float
    mean: float
    deviation: float

    def gives(self, value: float) -> float:
        """The log odds that a fact of this value gives, within :data:`GIVES_MAX`."""
        if self.deviation <= 0.0:
            return 0.0
        return min(max(self.weight * (value - self.mean) / self.deviation, -GIVES_MAX), GIVES_MAX)


@dataclass(frozen=True, slots=True)
class LearnedOrder:
    """What decisions have taught so far. ``suspicious`` and ``innocent`` count them; ``lines`` is empty before there
    are enough of both."""

    suspicious: int = 0
    innocent: int = 0
    lines: tuple[Line, ...] = ()

    def contributions(self, case: Case) -> dict[str, float]:
        """What each fact of a case gives, in log odds, the largest first; facts that give nothing are left out."""
        facts = facts_of(case)
        given = {line.fact: line.gives(facts[line.fact]) for line in self.lines}
        return {name: value for name, value in sorted(given.items(), key=lambda each: -abs(each[1])) if value != 0.0}

    def lift(self, case: Case) -> float | None:
        """By how much the odds of a case differ from those of an average one, within the bounds; ``None`` before
        enough was decided."""
        if not self.lines:
            return None
        bound = log(LIFT_MAX)
        return round(exp(min(max(sum(self.contributions(case).values()), -bound), bound)), _DECIMALS)


UNTRAINED: Final = LearnedOrder()
"""Before anything was decided."""


def order_of(lines: Mapping[str, tuple[float, float, float]], suspicious: int, innocent: int) -> LearnedOrder:
    """A learned order from (weight, mean, deviation) by fact; facts that this release does not know are left out."""
    known = tuple(Line(name, *lines[name]) for name in fact_names() if name in lines)
    return LearnedOrder(suspicious, innocent, known)
