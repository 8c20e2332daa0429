"""The numbers of casework that a bank sets: how long a case may take and what needs a second person.

The defaults are ours, not a regulator's. They leave room before the common 30-day clock for a report of
suspicion, which starts at detection (31 CFR 1020.320(b)(3)).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from monitor.domain.time import DAY_US
from monitor.rulebook.checklists import Checklist
from monitor.rulebook.groups import TypologyGroup

DUE_DAYS = {"low": 30, "medium": 15, "high": 5, "critical": 1}
"""Days from the alert to the decision, by severity."""


def _due_us() -> dict[str, int]:
    return {severity: days * DAY_US for severity, days in DUE_DAYS.items()}


@dataclass(frozen=True, slots=True)
class CaseworkPolicy:
    """What a bank may set. ``due_us`` needs all four severities."""

    due_us: Mapping[str, int] = field(default_factory=_due_us)
    four_eyes_severities: frozenset[str] = frozenset({"high", "critical"})
    """Closing a case of these severities needs a second person; reporting always does."""
    groups: tuple[TypologyGroup, ...] = ()
    """The typology groups in force, which name the cases that alerts join."""
    checklists: tuple[Checklist, ...] = ()
    """What is looked at before a decision; without any, no decision waits."""


def due_at_us(judged_at_us: int, severity: str, policy: CaseworkPolicy) -> int:
    """When the alert must have been decided, µs UTC. A case is due at the earliest over its alerts.

    >>> due_at_us(0, "critical", CaseworkPolicy()) == DAY_US
    True
    """
    return judged_at_us + policy.due_us[severity]
