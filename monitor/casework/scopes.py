"""What a key of the REST API may be used for: its scopes, beside the role of the service person whom it acts for.

A scope never gives more than the role: both must allow. Deciding and approving exclude each other for one service
person, over all its keys, so that no program can be both of the four eyes.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from monitor.casework.access import CASES, SUBMIT, WORK
from monitor.casework.lifecycle import MOVES

READ: Final = "read"
WORKING: Final = "work"
DECIDE: Final = "decide"
APPROVE: Final = "approve"
TRANSACTIONS: Final = "transactions"

SCOPES: Final[Mapping[str, str]] = {
    READ: "See cases, alerts, explanations and the journal of a case.",
    WORKING: "Take, assign, snooze and escalate cases, and write notes.",
    DECIDE: "Close cases and propose decisions; take proposals back; reopen.",
    APPROVE: "Approve or reject what somebody else has proposed.",
    TRANSACTIONS: "Hand in payments and be told what was found.",
}
RIGHT_OF: Final[Mapping[str, str]] = {
    READ: CASES, WORKING: WORK, DECIDE: WORK, APPROVE: WORK, TRANSACTIONS: SUBMIT,
}  # fmt: skip
"""The right that the role must have for a scope to be of use."""
_DECIDING: Final = frozenset({"close", "propose", "withdraw", "reopen"})
_APPROVING: Final = frozenset({"approve", "reject"})


class ScopesRefused(Exception):
    """Scopes that there are not, or that one service person must not have together."""


def scope_of(move: str) -> str:
    """The scope that a move of the life cycle asks for.

    >>> scope_of("snooze"), scope_of("close"), scope_of("approve")
    ('work', 'decide', 'approve')
    """
    return DECIDE if move in _DECIDING else APPROVE if move in _APPROVING else WORKING


def check_scopes(wanted: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    """The scopes of a new key in the order of the table, beside those of the person's other keys in force.

    Raises:
        ScopesRefused: There is none or no such scope, or deciding and approving would come together.

    >>> check_scopes(["work", "read", "read"], ["decide"])
    ('read', 'work')
    """
    given = set(wanted)
    unknown = sorted(given - SCOPES.keys())
    if unknown or not given:
        fact = f"there is no scope {unknown[0]!r}" if unknown else "a key needs a scope"
        raise ScopesRefused(f"{fact}. One or more of: {', '.join(SCOPES)}.")
    if {DECIDE, APPROVE} <= given | set(others):
        raise ScopesRefused(
            f"'{DECIDE}' and '{APPROVE}' are never for one service person: it would be both of the four eyes. "
            "Add another service person for one of them."
        )
    return tuple(scope for scope in SCOPES if scope in given)


assert MOVES.keys() >= _DECIDING | _APPROVING
