"""Who may do what in the workbench: roles, and the rights that each has.

A role is what a person is to the bank; a right is what a page or an action asks for. The table is the whole rule: what
is not in it is not allowed. Roles that decide on cases are those of :data:`monitor.domain.case.ROLES`; the others look
on, keep the users, run the system, or hand in payments. An administrator sees no case and an operator no personal data.
"""

from collections.abc import Mapping
from typing import Final

from monitor.domain.case import Case

CASES: Final = "cases"
"""To see cases and what is in them."""
WORK: Final = "work"
"""To take, note, move and decide cases."""
RESTRICTED: Final = "restricted"
"""To see everywhere that a report of suspicion is proposed or exists."""
JOURNAL: Final = "journal"
"""To read the journal."""
REFER: Final = "refer"
"""To tell of a customer: open a case by hand, or refer one from a branch."""
TEAM: Final = "team"
"""To see what the team does."""
PLAN: Final = "plan"
"""To set limits and skills of people, and to review closed cases."""
DRAW: Final = "draw"
"""To draw samples of closed cases, reports among them."""
USERS: Final = "users"
"""To add, lock and change users."""
OPERATIONS: Final = "operations"
"""To see how the system runs, without personal data."""
SUBMIT: Final = "submit"
"""To hand in payments and be told what was found about each."""

RIGHTS: Final[Mapping[str, frozenset[str]]] = {
    "branch": frozenset({REFER}),
    "analyst": frozenset({CASES, WORK, REFER}),
    "senior": frozenset({CASES, WORK, REFER, TEAM, PLAN}),
    "officer": frozenset({CASES, WORK, REFER, RESTRICTED, JOURNAL, TEAM, PLAN, DRAW}),
    "auditor": frozenset({CASES, RESTRICTED, JOURNAL, TEAM}),
    "administrator": frozenset({USERS}),
    "operator": frozenset({OPERATIONS}),
    "source": frozenset({SUBMIT}),
}
"""By role. An auditor reads all and changes nothing; a source is a system that hands in payments and sees no case."""


def may(role: str, right: str) -> bool:
    """Whether a role has a right; one that is not known has none.

    >>> may("auditor", CASES), may("auditor", WORK), may("operator", CASES), may("guest", CASES)
    (True, False, False, False)
    """
    return right in RIGHTS.get(role, frozenset())


def may_see(case: Case, *, name: str, role: str) -> bool:
    """Whether a person may see a case: a restricted one only with need to know.

    Need to know has who may see all reports, the person the case is assigned to, and the one who proposed the report.
    A second person who is to approve is given the case, or may see all.
    """
    if not may(role, CASES):
        return False
    is_theirs = case.assignee == name or (case.proposal is not None and case.proposal.by == name)
    return case.need_to_know == "standard" or is_theirs or may(role, RESTRICTED)
