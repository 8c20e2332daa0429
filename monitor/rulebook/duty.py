"""What a rule of kind ``obligation`` reports: the period in which it counts, the direction, the total.

A rule that asks nowhere for the direction makes one obligation for both. Any other makes one for each, and to each
belong those windows only whose filter can hold for a payment of that direction. The period is that of the first
calendar window among them; a rule without one reports single payments. The total is the first sum of that window.

Where no window at all adds up, the report is about the payment and not about whoever holds the account: it is one for
a payment and direction, in the name of the first holder, however many hold the account with him.
"""

from dataclasses import dataclass

from monitor.domain.deadline import Deadline
from monitor.domain.vocabulary import DIRECTIONS
from monitor.rulebook.dispatch import CLASSES, IS_FALSE, verdicts_by_class
from monitor.rulebook.rule import Name, Rule, Window
from monitor.rulebook.walk import nodes

PAYMENT = "payment"
"""The kind of period of a rule that reports single payments."""


ANY_WAY = "any"
"""The direction of an obligation of a rule that does not tell money in from money out."""


@dataclass(frozen=True, slots=True)
class WayTerms:
    """The terms of a rule for one direction. ``windows`` names what belongs to it."""

    period_kind: str
    total: str | None
    windows: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DutyTerms:
    """The terms of one obligation rule. ``by_way`` has ``any`` alone, or ``in`` and ``out``."""

    by_way: dict[str, WayTerms]
    is_of_first_holder: bool
    """Whether it is one for a payment, however many hold the account."""
    codes: dict[str, tuple[str, ...]]
    deadline: Deadline

    @property
    def period_kinds(self) -> frozenset[str]:
        """The kinds of the periods that its obligations count in."""
        return frozenset(each.period_kind for each in self.by_way.values())

    def way(self, *, is_credit: bool) -> str:
        """The direction of the obligation that a payment of the subject belongs to."""
        if ANY_WAY in self.by_way:
            return ANY_WAY
        return "in" if is_credit else "out"


def duty_terms(rule: Rule) -> DutyTerms | None:
    """The terms of an obligation rule; ``None`` for a suspicion."""
    if rule.kind != "obligation" or rule.deadline is None:
        return None
    tells_direction = any(isinstance(part, Name) and part.name == "direction" for part in nodes(rule))
    if tells_direction:
        ways = {"in": _way_terms(_of_direction(rule, "credit")), "out": _way_terms(_of_direction(rule, "debit"))}
    else:
        ways = {ANY_WAY: _way_terms(list(rule.windows.values()))}
    return DutyTerms(
        by_way=ways,
        is_of_first_holder=not rule.windows and rule.alert.subject == "customer",
        codes={name: (words,) if isinstance(words, str) else words for name, words in rule.codes.items()},
        deadline=rule.deadline,
    )


def _way_terms(windows: list[Window]) -> WayTerms:
    first = next((window for window in windows if window.calendar is not None), None)
    sums = [each.name for each in first.measures if each.function == "sum"] if first else []
    return WayTerms(
        period_kind=first.calendar or PAYMENT if first else PAYMENT,
        total=f"{first.name}.{sums[0]}" if first and sums else None,
        windows=tuple(window.name for window in windows),
    )


def _of_direction(rule: Rule, direction: str) -> list[Window]:
    """The windows that can hold a payment of this direction.

    All of them where none can: then what completes the report is a payment of another direction than it adds up.
    """
    every = list(rule.windows.values())
    size = CLASSES // len(DIRECTIONS)
    first = DIRECTIONS.index(direction) * size
    own = [each for each in every if (verdicts_by_class(each.where)[first : first + size] != IS_FALSE).any()]
    return own or every
