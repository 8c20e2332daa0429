"""What a rule of kind ``obligation`` reports: the period in which it counts, the direction, the total.

The period is that of the first calendar window in the file; a rule without one reports single payments. The total is
the first sum of that window. A rule that asks nowhere for the direction makes one obligation for both.
"""

from dataclasses import dataclass

from monitor.domain.deadline import Deadline
from monitor.rulebook.rule import Name, Rule, Window
from monitor.rulebook.walk import nodes

PAYMENT = "payment"
"""The kind of period of a rule that reports single payments."""


@dataclass(frozen=True, slots=True)
class DutyTerms:
    """The terms of one obligation rule."""

    period_kind: str
    total: str | None
    tells_direction: bool
    codes: dict[str, tuple[str, ...]]
    deadline: Deadline


def duty_terms(rule: Rule) -> DutyTerms | None:
    """The terms of an obligation rule; ``None`` for a suspicion."""
    if rule.kind != "obligation" or rule.deadline is None:
        return None
    window = calendar_window(rule)
    sums = [each.name for each in window.measures if each.function == "sum"] if window else []
    return DutyTerms(
        period_kind=window.calendar or PAYMENT if window else PAYMENT,
        total=f"{window.name}.{sums[0]}" if window and sums else None,
        tells_direction=any(isinstance(part, Name) and part.name == "direction" for part in nodes(rule)),
        codes={name: (words,) if isinstance(words, str) else words for name, words in rule.codes.items()},
        deadline=rule.deadline,
    )


def calendar_window(rule: Rule) -> Window | None:
    """The window whose period an obligation counts in; ``None`` where single payments are reported."""
    return next((window for window in rule.windows.values() if window.calendar is not None), None)
