"""Whom a case is handed out to: skills, a limit of open cases, conflicts of interest, and what was skipped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from monitor.domain.time import DAY_US

OPEN_CASES_MAX: Final = 25
"""How many open cases a person has at most before *Next* hands out no more, unless a supervisor set another number."""
LIMIT_MAX: Final = 500
SKIP_US: Final = DAY_US
"""A case that was skipped is not handed to the same person again for so long."""
SKIP_REASONS: Final[Mapping[str, str]] = {
    "conflict": "I am related to the customer or the matter.",
    "skills": "It needs knowledge that I do not have.",
    "language": "It is in a language that I do not read.",
    "other_work": "Something more pressing has to be done first.",
}
"""By code: why somebody passes a case on."""


@dataclass(frozen=True, slots=True)
class WorkPlan:
    """What a supervisor set for a person. Without ``skills`` every typology suits."""

    limit: int = OPEN_CASES_MAX
    skills: tuple[str, ...] = ()


def plan_of(settings: Mapping[str, Any]) -> WorkPlan:
    """The plan in a person's settings.

    >>> plan_of({}).limit, plan_of({"limit": 3, "skills": ["fan_in"]})
    (25, WorkPlan(limit=3, skills=('fan_in',)))
    """
    limit, skills = settings.get("limit"), settings.get("skills") or ()
    return WorkPlan(OPEN_CASES_MAX if limit is None else int(limit), tuple(str(each) for each in skills))


def suits(typologies: Sequence[str], plan: WorkPlan) -> bool:
    """Whether a case with these typologies suits a person: one that they know is enough."""
    return not plan.skills or bool(set(plan.skills) & set(typologies))
