"""Each cell of the life cycle's table, each need of each move, and the second person."""

from dataclasses import replace

import pytest

from monitor.casework.joining import join_alert
from monitor.casework.lifecycle import (
    ALERT_MOVES,
    MOVES,
    NOTE_CHARACTERS_MAX,
    TABLE,
    MoveRefused,
    Request,
    decide,
    four_eyes_required,
    in_words,
    moves_from,
    note,
)
from monitor.casework.policy import CaseworkPolicy
from monitor.casework.reasons import CLOSE_REASONS, codes_for
from monitor.domain.case import CASE_STATES, CLOSED_STATES, OPEN_STATES, OUTCOMES, Actor, Case, Proposal
from monitor.domain.time import DAY_US, HOUR_US
from tests.casework.alert_building import START_US, stored

POLICY = CaseworkPolicy()
ANN, BOB = Actor("ann", "officer"), Actor("bob", "officer")
AT_US = START_US + HOUR_US

# The table written a second time, by hand, as people would say it: rows are states, in the order of their lives.
EXPECTED = {
    "open": {"assign": "assigned", "start": "in_review", "escalate": "escalated", "snooze": "snoozed",
             "close": "closed_explained", "propose": "pending_approval"},
    "assigned": {"assign": "assigned", "unassign": "open", "start": "in_review", "escalate": "escalated",
                 "snooze": "snoozed", "close": "closed_explained", "propose": "pending_approval"},
    "in_review": {"assign": "assigned", "unassign": "open", "escalate": "escalated", "snooze": "snoozed",
                  "close": "closed_explained", "propose": "pending_approval"},
    "escalated": {"assign": "escalated", "return": "in_review", "close": "closed_explained",
                  "propose": "pending_approval"},
    "pending_approval": {"approve": "closed_explained", "reject": "in_review", "withdraw": "in_review"},
    "snoozed": {"wake": "assigned"},
    **{state: {"reopen": "open"} for state in ("closed_false_positive", "closed_explained", "closed_inconclusive",
                                               "closed_duplicate", "closed_reported")},
}  # fmt: skip


def case_in(state: str, **changes: object) -> Case:
    """A case of medium severity in a state, with what belongs to the state."""
    case = join_alert(None, stored(), POLICY).case
    if state == "pending_approval":
        case = replace(case, proposal=Proposal("explained", "sale_of_asset", "ann", AT_US))
    if state == "snoozed":
        case = replace(case, snoozed_until_us=AT_US + DAY_US)
    if state in CLOSED_STATES:
        case = replace(case, outcome=state.removeprefix("closed_"), closed_at_us=AT_US)
    if state != "open":
        case = replace(case, assignee="ann")
    return replace(case, state=state, **changes)  # type: ignore[arg-type]


def request(move: str, **changes: object) -> Request:
    """A request with everything that the move needs. Bob asks; a withdrawal is Ann's, who proposed."""
    outcome = "explained" if move in ("close", "propose") else None
    whole = Request(
        move,
        ANN if move == "withdraw" else BOB,
        AT_US,
        note="Looked at it.",
        reason=next(iter(codes_for(move, outcome)), None),
        outcome=outcome,
        assignee="cid" if move == "assign" else None,
        until_us=AT_US + DAY_US if move == "snooze" else None,
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("state", CASE_STATES)
@pytest.mark.parametrize("move", MOVES)
def test_a_move_is_possible_exactly_where_the_table_says(state: str, move: str) -> None:
    expected = EXPECTED[state].get(move)
    if expected is None:
        with pytest.raises(MoveRefused, match="is not possible from there"):
            decide(case_in(state), request(move), POLICY)
    else:
        after = decide(case_in(state), request(move), POLICY).case
        assert after.state == expected
        assert after.is_open == (after.state in OPEN_STATES)


def test_the_two_tables_hold_the_same_pairs() -> None:
    assert {(state, move) for state, moves in EXPECTED.items() for move in moves} == set(TABLE)
    assert set(EXPECTED) == set(CASE_STATES)
    assert set(ALERT_MOVES) <= set(OPEN_STATES)


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_each_outcome_closes_into_its_own_state(outcome: str) -> None:
    asked = request("close", outcome=outcome, reason=next(iter(CLOSE_REASONS[outcome])))
    if outcome == "duplicate":
        asked = replace(asked, duplicate_of="C-OTHER")
    after = decide(case_in("in_review"), asked, POLICY).case
    if outcome == "reported":
        assert after.state == "pending_approval"
        after = decide(after, request("approve", actor=ANN), POLICY).case
    assert (after.state, after.outcome, after.closed_at_us) == (f"closed_{outcome}", outcome, AT_US)


@pytest.mark.parametrize(
    ("move", "state", "missing", "words"),
    [
        ("close", "in_review", {"outcome": None}, "needs an outcome"),
        ("close", "in_review", {"reason": None}, "needs a reason"),
        ("close", "in_review", {"reason": "because"}, "does not know the reason 'because'"),
        ("close", "in_review", {"note": None}, "a note is needed"),
        ("close", "in_review", {"note": "  "}, "a note is needed"),
        ("close", "in_review", {"note": "x" * (NOTE_CHARACTERS_MAX + 1)}, "is the limit"),
        ("escalate", "open", {"reason": None}, "needs a reason"),
        ("escalate", "open", {"note": None}, "a note is needed"),
        ("assign", "open", {"assignee": None}, "needs someone"),
        ("snooze", "open", {"until_us": None}, "needs a time in the future"),
        ("snooze", "open", {"until_us": AT_US}, "needs a time in the future"),
        ("snooze", "open", {"until_us": AT_US + 20 * DAY_US}, "before it would wake"),
        ("snooze", "open", {"until_us": AT_US + 91 * DAY_US}, "90 days is the longest"),
        ("snooze", "open", {"reason": None}, "needs a reason"),
        ("return", "escalated", {"note": None}, "a note is needed"),
        ("reject", "pending_approval", {"note": None}, "a note is needed"),
        ("reopen", "closed_explained", {"reason": None}, "needs a reason"),
        ("reopen", "closed_explained", {"note": None}, "a note is needed"),
    ],
)
def test_a_move_without_what_it_needs_is_refused_with_the_remedy(
    move: str, state: str, missing: dict[str, object], words: str
) -> None:
    decide(case_in(state), request(move), POLICY)
    with pytest.raises(MoveRefused, match=words):
        decide(case_in(state), request(move, **missing), POLICY)


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("role", ["analyst", "senior", "officer", "auditor"])
def test_only_the_roles_of_the_table_may(move: str, role: str) -> None:
    state = next(state for state, found in TABLE if found == move)
    asked = request(move)
    asked = replace(asked, actor=Actor(asked.actor.name, role))
    if role in MOVES[move].roles:
        decide(case_in(state), asked, POLICY)
    else:
        with pytest.raises(MoveRefused, match="is not for the role"):
            decide(case_in(state), asked, POLICY)


def test_an_analyst_does_not_close_an_escalated_case() -> None:
    with pytest.raises(MoveRefused, match="an analyst cannot close it"):
        decide(case_in("escalated"), request("close", actor=Actor("ann", "analyst")), POLICY)


@pytest.mark.parametrize("severity", ["low", "medium", "high", "critical"])
@pytest.mark.parametrize("outcome", OUTCOMES)
def test_grave_cases_and_all_reports_wait_for_a_second_person(severity: str, outcome: str) -> None:
    case = case_in("in_review", severity=severity)
    needed = severity in ("high", "critical") or outcome == "reported"
    assert four_eyes_required(case, "close", outcome, POLICY) == needed
    asked = request("close", outcome=outcome, reason=next(iter(CLOSE_REASONS[outcome])), duplicate_of="C-OTHER")
    after = decide(case, asked, POLICY).case
    assert (after.state == "pending_approval") == needed
    assert after.need_to_know == ("restricted" if outcome == "reported" else "standard")


@pytest.mark.parametrize("move", ["approve", "reject"])
def test_the_second_person_is_not_the_first(move: str) -> None:
    with pytest.raises(MoveRefused, match="needs a second person: ann proposed the decision"):
        decide(case_in("pending_approval"), request(move, actor=ANN), POLICY)


def test_only_the_proposer_withdraws() -> None:
    with pytest.raises(MoveRefused, match="is for ann"):
        decide(case_in("pending_approval"), request("withdraw", actor=BOB), POLICY)


def test_a_rejected_report_stays_restricted() -> None:
    proposed = decide(case_in("in_review"), request("close", outcome="reported", reason="suspicion"), POLICY).case
    after = decide(proposed, request("reject", actor=ANN), POLICY).case
    assert (after.state, after.proposal, after.need_to_know) == ("in_review", None, "restricted")


def test_a_duplicate_names_another_case() -> None:
    case = case_in("in_review")
    for other in (None, case.case_id):
        asked = request("close", outcome="duplicate", reason="same_facts", duplicate_of=other)
        with pytest.raises(MoveRefused, match="needs the other case"):
            decide(case, asked, POLICY)


def test_whoever_starts_an_unassigned_case_has_it() -> None:
    assert decide(case_in("open"), request("start"), POLICY).case.assignee == "bob"
    assert decide(case_in("assigned"), request("start"), POLICY).case.assignee == "ann"


def test_a_woken_case_without_assignee_is_open() -> None:
    assert decide(case_in("snoozed", assignee=None), request("wake"), POLICY).case.state == "open"


def test_a_reopened_case_belongs_to_nobody_and_counts_it() -> None:
    after = decide(case_in("closed_explained"), request("reopen"), POLICY).case
    assert (after.assignee, after.outcome, after.closed_at_us, after.reopened_count) == (None, None, None, 1)


@pytest.mark.parametrize("state", CASE_STATES)
def test_a_note_is_possible_in_every_state_and_changes_none(state: str) -> None:
    case = case_in(state)
    assert note(case, request("note")).case == case


def test_a_note_needs_text() -> None:
    with pytest.raises(MoveRefused, match="a note is needed"):
        note(case_in("open"), request("note", note=""))


def test_the_journal_holds_the_digest_of_a_note_and_not_its_text() -> None:
    draft = decide(case_in("in_review"), request("close", note="Her aunt sold a house."), POLICY).draft
    assert "aunt" not in draft.payload
    assert "note_sha256" in draft.payload


def test_an_unknown_move_is_refused() -> None:
    with pytest.raises(MoveRefused, match="there is no move 'delete'"):
        decide(case_in("open"), request("delete"), POLICY)


def test_states_and_moves_have_words() -> None:
    assert in_words("closed_reported") == "closed: reported"
    assert all("_" not in in_words(state) for state in CASE_STATES)
    assert moves_from("snoozed") == ("wake",)
