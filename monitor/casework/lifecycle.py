"""The life of a case as one table: from which state, by which move, to which state.

::

    open -> assigned -> in_review -> closed_<outcome>
      \\________\\___________\\-> escalated -> closed_<outcome>
                             \\-> pending_approval -> closed_<outcome>   (a second person)
                             \\-> snoozed -> assigned                    (a new alert wakes it)
    closed_<outcome> -> open (reopen)

``TABLE`` says where a move leads, :data:`MOVES` who may make it and what it needs. ``*`` stands for the
outcome. :func:`decide` is the only way through; a refusal says fact, reason and remedy.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

from monitor.casework.journal import Draft, canonical_json
from monitor.casework.policy import CaseworkPolicy
from monitor.casework.reasons import codes_for
from monitor.domain.case import CLOSED_STATES, OUTCOMES, Actor, Case, Proposal
from monitor.domain.time import DAY_US, format_time

NOTE_CHARACTERS_MAX: Final = 20_000
SNOOZE_DAYS_MAX: Final = 90

_WORKED: Final = ("open", "assigned", "in_review")

TABLE: Final[Mapping[tuple[str, str], str]] = {
    **{(state, "assign"): "assigned" for state in _WORKED},
    ("escalated", "assign"): "escalated",
    ("assigned", "unassign"): "open",
    ("in_review", "unassign"): "open",
    ("open", "start"): "in_review",
    ("assigned", "start"): "in_review",
    **{(state, "escalate"): "escalated" for state in _WORKED},
    ("escalated", "return"): "in_review",
    **{(state, "snooze"): "snoozed" for state in _WORKED},
    ("snoozed", "wake"): "assigned",
    **{(state, "close"): "closed_*" for state in (*_WORKED, "escalated")},
    **{(state, "propose"): "pending_approval" for state in (*_WORKED, "escalated")},
    ("pending_approval", "approve"): "closed_*",
    ("pending_approval", "reject"): "in_review",
    ("pending_approval", "withdraw"): "in_review",
    **{(state, "reopen"): "open" for state in CLOSED_STATES},
}
"""(state, move) -> state. ``wake`` leads to ``open`` where nobody is assigned. What is not here is not allowed."""

ALERT_MOVES: Final[Mapping[str, str]] = {"snoozed": "assigned", "pending_approval": "in_review"}
"""Where an alert that joins moves a case; in all other states it stays."""


@dataclass(frozen=True, slots=True)
class Move:
    """Who may make a move and what it needs: reason, note, assignee, outcome, until, second_person, proposer."""

    roles: frozenset[str]
    needs: frozenset[str]
    meaning: str


_ALL: Final = frozenset({"analyst", "senior", "officer"})
_SENIOR: Final = frozenset({"senior", "officer"})


def _move(roles: frozenset[str], needs: str, meaning: str) -> Move:
    return Move(roles, frozenset(needs.split()), meaning)


MOVES: Final[Mapping[str, Move]] = {
    "assign": _move(_ALL, "assignee", "Give the case to someone."),
    "unassign": _move(_ALL, "", "Put the case back into the queue."),
    "start": _move(_ALL, "", "Begin to work on it; an unassigned case becomes one's own."),
    "escalate": _move(_ALL, "reason note", "Hand it to a senior or the compliance officer."),
    "return": _move(_SENIOR, "note", "Hand an escalated case back to review."),
    "snooze": _move(_ALL, "reason until", "Put it aside until a time before it is due."),
    "wake": _move(_ALL, "", "Take a snoozed case up again."),
    "close": _move(_ALL, "outcome reason note", "Decide the case."),
    "propose": _move(_ALL, "outcome reason note", "Decide it, subject to a second person."),
    "approve": _move(_SENIOR, "second_person", "Agree with a proposed decision; it closes the case."),
    "reject": _move(_SENIOR, "second_person note", "Disagree with a proposed decision; back to review."),
    "withdraw": _move(_ALL, "proposer", "Take one's own proposal back."),
    "reopen": _move(_SENIOR, "reason note", "Take a closed case up again."),
}


@dataclass(frozen=True, slots=True)
class Request:
    """A move that someone wants to make. ``at_us`` is the time of the act, given by the shell."""

    move: str
    actor: Actor
    at_us: int
    note: str | None = None
    reason: str | None = None
    outcome: str | None = None
    assignee: str | None = None
    until_us: int | None = None
    duplicate_of: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The case after the move, and the journal entry that records it."""

    case: Case
    draft: Draft


class MoveRefused(Exception):
    """A move that is not allowed or lacks something. ``str()`` is place, fact, reason and remedy."""


def four_eyes_required(case: Case, move: str, outcome: str | None, policy: CaseworkPolicy) -> bool:
    """Whether the move needs a second person: every report, and any closing of a grave case.

    The shell may ask beforehand; :func:`decide` asks in any case.
    """
    return move == "close" and (outcome == "reported" or case.severity in policy.four_eyes_severities)


def moves_from(state: str) -> tuple[str, ...]:
    """The moves that the table allows from a state, in the order of the table of moves.

    >>> moves_from("pending_approval")
    ('approve', 'reject', 'withdraw')
    """
    return tuple(move for move in MOVES if (state, move) in TABLE)


def decide(case: Case, request: Request, policy: CaseworkPolicy) -> Decision:
    """Make a move. A ``close`` that needs a second person becomes ``propose``.

    Raises:
        MoveRefused: The state or the role does not allow it, or something it needs is missing.
    """
    move = request.move
    if move not in MOVES:
        raise MoveRefused(f"there is no move {move!r}. Moves: {', '.join(MOVES)}.")
    if four_eyes_required(case, move, request.outcome, policy):
        move = "propose"
    if (case.state, move) not in TABLE:
        allowed = ", ".join(moves_from(case.state))
        raise MoveRefused(
            f"case {case.case_id} is {in_words(case.state)}: '{request.move}' is not possible from there. "
            f"Possible: {allowed}."
        )
    _check_role(case, request)
    _check_needs(case, request, MOVES[move].needs)
    after = _moved(case, request, move, TABLE[case.state, move])
    return Decision(after, Draft(case.case_id, request.at_us, request.actor.name, move, _payload(case, after, request)))


def note(case: Case, request: Request) -> Decision:
    """Add a note; possible in every state. The journal holds the digest, the store holds the text.

    Raises:
        MoveRefused: The note is empty or too long.
    """
    _check_note(case, request.note)
    payload = _payload(case, case, request)
    return Decision(case, Draft(case.case_id, request.at_us, request.actor.name, "note", payload))


def note_digest(text: str) -> str:
    """SHA-256 of a note, hex: it stays in the journal when the text must be deleted."""
    return sha256(text.encode()).hexdigest()


def in_words(state: str) -> str:
    """A state as people say it.

    >>> in_words("closed_false_positive"), in_words("pending_approval")
    ('closed: false positive', 'pending approval')
    """
    if state.startswith("closed_"):
        return "closed: " + state.removeprefix("closed_").replace("_", " ")
    return state.replace("_", " ")


def _check_role(case: Case, request: Request) -> None:
    roles = MOVES[request.move].roles
    if request.actor.role not in roles:
        raise MoveRefused(
            f"case {case.case_id}: '{request.move}' is not for the role {request.actor.role!r}. "
            f"Ask someone with the role {' or '.join(sorted(roles))}."
        )
    if case.state == "escalated" and request.move == "close" and request.actor.role not in _SENIOR:
        raise MoveRefused(
            f"case {case.case_id} is escalated: an analyst cannot close it. Ask a senior or the compliance officer."
        )


def _check_needs(case: Case, request: Request, needs: frozenset[str]) -> None:
    place = f"case {case.case_id}: '{request.move}'"
    if "outcome" in needs and request.outcome not in OUTCOMES:
        raise MoveRefused(f"{place} needs an outcome. One of: {', '.join(OUTCOMES)}.")
    if "reason" in needs:
        _check_reason(place, request)
    if "note" in needs or request.note is not None:
        _check_note(case, request.note)
    if "assignee" in needs and not request.assignee:
        raise MoveRefused(f"{place} needs someone to give it to.")
    if "until" in needs:
        _check_snooze(place, case, request)
    if request.outcome == "duplicate" and request.duplicate_of in (None, case.case_id):
        raise MoveRefused(f"{place} as duplicate needs the other case that decides the same facts.")
    by = case.proposal.by if case.proposal else None
    if "second_person" in needs and by == request.actor.name:
        raise MoveRefused(
            f"{place} needs a second person: {by} proposed the decision. Ask a colleague, or withdraw it."
        )
    if "proposer" in needs and by != request.actor.name:
        raise MoveRefused(f"{place} is for {by}, who made the proposal. Reject it instead.")


def _check_reason(place: str, request: Request) -> None:
    codes = codes_for(request.move, request.outcome)
    if request.reason in codes:
        return
    listed = "\n".join(f"  {code:<20} {meaning}" for code, meaning in codes.items())
    fact = f"does not know the reason {request.reason!r}" if request.reason else "needs a reason"
    raise MoveRefused(f"{place} {fact}. One of:\n{listed}")


def _check_note(case: Case, text: str | None) -> None:
    if text is None or not text.strip():
        raise MoveRefused(f"case {case.case_id}: a note is needed: say in a sentence what was checked and found.")
    if len(text) > NOTE_CHARACTERS_MAX:
        raise MoveRefused(
            f"case {case.case_id}: the note has {len(text)} characters; {NOTE_CHARACTERS_MAX} is the limit. Split it."
        )


def _check_snooze(place: str, case: Case, request: Request) -> None:
    until = request.until_us
    if until is None or until <= request.at_us:
        raise MoveRefused(f"{place} needs a time in the future until which it sleeps.")
    if until - request.at_us > SNOOZE_DAYS_MAX * DAY_US:
        raise MoveRefused(f"{place}: {SNOOZE_DAYS_MAX} days is the longest. Choose an earlier time.")
    if until > case.due_at_us:
        raise MoveRefused(
            f"{place}: the case is due at {format_time(case.due_at_us)}, before it would wake. "
            "Choose an earlier time, or escalate the case."
        )


def _moved(case: Case, request: Request, move: str, target: str) -> Case:
    """The case after a move that was found to be allowed."""
    actor, at_us = request.actor.name, request.at_us
    if move == "assign":
        return replace(case, state=target, assignee=request.assignee)
    if move == "unassign":
        return replace(case, state=target, assignee=None)
    if move == "start":
        return replace(case, state=target, assignee=case.assignee or actor)
    if move == "snooze":
        return replace(case, state=target, snoozed_until_us=request.until_us)
    if move == "wake":
        return replace(case, state=target if case.assignee else "open", snoozed_until_us=None)
    if move == "propose":
        proposal = Proposal(request.outcome or "", request.reason or "", actor, at_us, request.duplicate_of)
        label = "restricted" if request.outcome == "reported" else case.need_to_know
        return replace(case, state=target, proposal=proposal, need_to_know=label)
    if move in ("reject", "withdraw"):
        return replace(case, state=target, proposal=None)
    if move in ("close", "approve"):
        outcome = case.proposal.outcome if case.proposal else request.outcome or ""
        return replace(case, state=f"closed_{outcome}", outcome=outcome, closed_at_us=at_us, proposal=None)
    if move == "reopen":
        return replace(
            case, state=target, assignee=None, outcome=None, closed_at_us=None, reopened_count=case.reopened_count + 1
        )
    return replace(case, state=target)


def _payload(before: Case, after: Case, request: Request) -> str:
    facts: dict[str, object] = {"state": after.state, "role": request.actor.role}
    if before.state != after.state:
        facts["state_before"] = before.state
    optional = {
        "reason": request.reason,
        "outcome": request.outcome or (before.proposal.outcome if before.proposal else None),
        "assignee": request.assignee,
        "until_us": request.until_us,
        "duplicate_of": request.duplicate_of,
        "note_sha256": note_digest(request.note) if request.note is not None else None,
        "proposed_by": before.proposal.by if before.proposal else None,
        "alerts": after.alert_count,
    }
    return canonical_json(facts | {name: value for name, value in optional.items() if value is not None})
