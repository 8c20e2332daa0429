"""Merging and splitting cases: alerts move, and each case is folded anew from those that it holds.

What came from where stays: the chain of each case says it, the alerts keep their ids and evidence, and a case that was
merged stays as closed, a duplicate of the one that has its alerts. What was merged can be split off again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from monitor.casework.evidence import StoredAlert
from monitor.casework.joining import join_alert, scored
from monitor.casework.journal import Draft, canonical_json
from monitor.casework.learned import UNTRAINED, LearnedOrder
from monitor.casework.lifecycle import MoveRefused, note_digest
from monitor.casework.policy import CaseworkPolicy
from monitor.domain.alert import Alert, Source, Subject
from monitor.domain.case import Actor, Case, case_id
from monitor.domain.time import parse_time_us

STATES: Final = ("open", "assigned", "in_review", "escalated")
"""States in which a case can be merged or split: nothing about it waits for a second person or a day."""
_FROM_ALERTS: Final = (
    "last_alert_at_us", "due_at_us", "headline", "severity", "strength", "rules", "typologies", "alert_count",
    "quiet_count", "amount_minor", "currency", "amounts", "segment", "risk_rating", "booking_entity", "jurisdiction",
    "marks", "typology", "lift",
)  # fmt: skip
"""What a case is by its alerts; all else is what people did with it."""


@dataclass(frozen=True, slots=True)
class Regrouped:
    """Both cases after, each with the alerts that it holds in their order, and the entries that say so."""

    source: Case
    target: Case
    source_alerts: tuple[str, ...]
    target_alerts: tuple[str, ...]
    moved: tuple[str, ...]
    drafts: tuple[Draft, ...]


Held = Sequence[tuple[str, dict[str, Any]]]
"""Alerts of a case in the order of joining: status and evidence."""


def merged(
    source: Case, target: Case, source_alerts: Held, target_alerts: Held, *, actor: Actor, at_us: int, note: str,
    policy: CaseworkPolicy, order: LearnedOrder = UNTRAINED,
) -> Regrouped:  # fmt: skip
    """Move all alerts of ``source`` into ``target`` and close ``source`` as a duplicate of it.

    Raises:
        MoveRefused: They are one case, or one is closed, put aside or waits for approval.
    """
    if source.case_id == target.case_id:
        raise MoveRefused(f"case {source.case_id} cannot be merged into itself. Name another case.")
    for case in (source, target):
        _check_state(case, "merged")
    label = "restricted" if "restricted" in (source.need_to_know, target.need_to_know) else "standard"
    into = replace(_folded(target, [*target_alerts, *source_alerts], policy, order), need_to_know=label)
    emptied = replace(
        source, state="closed_duplicate", outcome="duplicate", closed_at_us=at_us, need_to_know=label, alert_count=0,
        quiet_count=0, alerts_after_closing=0, alerts_seen=0,
    )  # fmt: skip
    moved = _ids(source_alerts)
    facts = {"note_sha256": note_digest(note), "role": actor.role}
    drafts = (
        Draft(target.case_id, at_us, actor.name, "merged", canonical_json(
            facts | {"state": into.state, "from_case": source.case_id, "moved_alerts": moved})),
        Draft(source.case_id, at_us, actor.name, "merged_into", canonical_json(
            facts | {"state": emptied.state, "state_before": source.state, "to_case": target.case_id})),
    )  # fmt: skip
    return Regrouped(emptied, into, (), (*_ids(target_alerts), *moved), moved, drafts)


def split(
    case: Case, alerts: Held, chosen: Sequence[str], *, number: int, actor: Actor, at_us: int, note: str,
    policy: CaseworkPolicy, order: LearnedOrder = UNTRAINED,
) -> Regrouped:  # fmt: skip
    """Move some alerts of a case into a new one, which names the case that it came from. ``number`` makes its id.

    Raises:
        MoveRefused: None or all are chosen, one is not in the case, they are of several subjects, or the case is
            closed, put aside or waits for approval.
    """
    _check_state(case, "split")
    gone = [each for each in alerts if each[1]["alert_id"] in set(chosen)]
    left = [each for each in alerts if each[1]["alert_id"] not in set(chosen)]
    if len(gone) != len(set(chosen)):
        raise MoveRefused(f"case {case.case_id} does not hold all the alerts chosen. Load the page again.")
    if not gone or not left:
        raise MoveRefused(f"case {case.case_id}: choose some of its alerts, not none and not all.")
    subjects = {(evidence["subject"]["kind"], evidence["subject"]["id"]) for _, evidence in gone}
    if len(subjects) > 1:
        raise MoveRefused(
            f"case {case.case_id}: the alerts chosen are of {len(subjects)} customers. Choose those of one."
        )
    moved = _ids(gone)
    fresh = join_alert(None, _stored(*gone[0]), policy, order).case
    fresh = replace(
        fresh, case_id=case_id(fresh.subject, f"{case.case_id}:{number}"), former_case_id=case.case_id,
        need_to_know=case.need_to_know, assignee=case.assignee, state="assigned" if case.assignee else "open",
    )  # fmt: skip
    fresh = _folded(fresh, gone, policy, order)
    rest = _folded(case, left, policy, order)
    facts = {"note_sha256": note_digest(note), "role": actor.role}
    drafts = (
        Draft(case.case_id, at_us, actor.name, "split_off", canonical_json(
            facts | {"state": rest.state, "to_case": fresh.case_id, "alerts": list(moved)})),
        Draft(fresh.case_id, at_us, actor.name, "opened_by_split", canonical_json(
            facts | {"state": fresh.state, "from_case": case.case_id, "moved_alerts": moved})),
    )  # fmt: skip
    return Regrouped(rest, fresh, _ids(left), moved, moved, drafts)


def _folded(case: Case, alerts: Held, policy: CaseworkPolicy, order: LearnedOrder) -> Case:
    """The case with what its alerts give it; nobody has seen it so."""
    fold: Case | None = None
    for status, evidence in alerts:
        fold = join_alert(fold, _stored(status, evidence), policy, order).case
    assert fold is not None
    taken = {name: getattr(fold, name) for name in _FROM_ALERTS}
    return scored(replace(case, **taken, alerts_after_closing=0, alerts_seen=0, typologies_seen=()))


def _stored(status: str, evidence: dict[str, Any]) -> StoredAlert:
    """The alert with what a case takes from it; the rest of its evidence stays where it is."""
    given = {name: evidence[name] for name in _PLAIN}
    alert = Alert(
        **given, status=status, subject=Subject(evidence["subject"]["kind"], evidence["subject"]["id"]),
        source=Source(**evidence["source"]), event_time_us=parse_time_us(evidence["event_time"]),
        judged_at_us=parse_time_us(evidence["judged_at"]), measures={}, parameters={}, transactions=(),
        customer_segment=evidence["segment"], customer_risk_rating=evidence["risk_rating"],
        rulebook_digest=evidence["rulebook"], marks=tuple(evidence["marks"]),
    )  # fmt: skip
    return StoredAlert(alert, "", "")


_PLAIN: Final = (
    "alert_id", "position", "leg_role", "title", "typology", "severity", "score", "text", "transactions_total",
    "profile_version", "booking_entity", "jurisdiction", "amount_minor", "currency", "bank_snapshot",
)  # fmt: skip


def _ids(alerts: Held) -> tuple[str, ...]:
    return tuple(evidence["alert_id"] for _, evidence in alerts)


def _check_state(case: Case, what: str) -> None:
    if case.state not in STATES:
        raise MoveRefused(
            f"case {case.case_id} is {case.state.replace('_', ' ')}: it cannot be {what}. Take it up again first."
        )
