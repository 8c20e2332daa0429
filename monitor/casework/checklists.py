"""Checklists: what has to be looked at before a case of a typology is decided.

A list is data, beside the rules (:mod:`monitor.rulebook.checklists`); this module says which items a case has and
which of them a decision waits for. An item is ticked by a person, and ticks count only for what was there: when alerts
join after, the item is open again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from monitor.domain.case import Case
from monitor.rulebook.checklists import CheckItem, Checklist


@dataclass(frozen=True, slots=True)
class Tick:
    """That somebody has looked: ``alerts`` is how many the case had then."""

    item: str
    by: str
    at_us: int
    alerts: int


def items_of(case: Case, lists: Sequence[Checklist]) -> list[CheckItem]:
    """The items of a case: those of every case, then those of the typology whose name it bears."""
    name = case.typology.name if case.typology is not None else None
    return [item for one in lists if one.typology is None or one.typology == name for item in one.items]


def holds(tick: Tick, case: Case) -> bool:
    """Whether a tick still counts: no alert has joined since."""
    return tick.alerts >= case.alert_count


def open_items(case: Case, outcome: str, ticks: Iterable[Tick], lists: Sequence[Checklist]) -> list[CheckItem]:
    """The items that a decision with this outcome still waits for."""
    done = {tick.item for tick in ticks if holds(tick, case)}
    return [each for each in items_of(case, lists) if outcome in each.outcomes and each.item not in done]
