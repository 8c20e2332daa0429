"""From matches of obligation rules to obligations: one per rule, subject, entity, period and direction.

The first match makes the obligation; each further one, and each reconciliation that finds other facts, makes a
revision. A fold over matches in the order of the log, so the result cannot depend on how they were cut into commits.
No match opens a case: an obligation is filed, not judged.

A reversal takes its payment out of the windows and makes no match. What that changes is found by ``aml obligations
reconcile``, which records a revision, or the withdrawal of what no longer has to be reported.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from monitor.casework.evidence import StoredAlert
from monitor.casework.journal import Draft, canonical_json
from monitor.domain.alert import Alert, Quantity, Subject
from monitor.domain.case import MONITOR
from monitor.domain.obligation import Obligation, PeriodKey, Revision, obligation_id

BY_RECONCILIATION = "by_reconciliation"
"""The mark of an obligation that the run did not find, or whose newest facts it did not find."""


@dataclass(frozen=True, slots=True)
class ObligationFacts:
    """What is true of an obligation at one moment, whoever found it."""

    rule_id: str
    rule_version: int
    rule_digest: str
    title: str
    subject: Subject
    key: PeriodKey
    jurisdiction: str | None
    total: str | None
    measures: dict[str, Quantity]
    transactions: tuple[int, ...]
    transactions_total: int
    codes: dict[str, tuple[str, ...]]
    inputs: dict[str, str]
    due_on: str
    due_cite: str
    is_trial: bool
    marks: tuple[str, ...] = ()

    @property
    def obligation_id(self) -> str:
        """The id of the obligation that these are facts of."""
        return obligation_id(self.rule_id, self.subject, self.key)


@dataclass(frozen=True, slots=True)
class Cause:
    """What made a revision: ``payment`` or ``reconciliation``, when, by whom, and the match or the reason in words."""

    kind: str
    at_us: int
    position: int
    actor: str = MONITOR
    alert: StoredAlert | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Folded:
    """The obligation after a match or reconciliation, the revision if it made one, and the journal entry."""

    obligation: Obligation
    revision: Revision | None
    draft: Draft


def met(before: Obligation | None, stored: StoredAlert) -> Folded:
    """Fold one match into its obligation (``None``: it is the first).

    Raises:
        ValueError: The alert is no match of an obligation, or its day of filing is not given.
    """
    alert = stored.alert
    facts = facts_of(alert, stored.due_on)
    if facts.transactions_total > len(facts.transactions) and before is not None:
        # The match names the newest payments only; the earlier ones are known from the revisions before.
        facts = replace(facts, transactions=tuple(sorted({*before.transactions, *facts.transactions})))
    if before is not None and alert.duty is not None and alert.duty.subject and _is_known(before, facts):
        return _met_again(before, stored)
    return fold(before, facts, Cause("payment", alert.judged_at_us, alert.position, alert=stored))


def _is_known(before: Obligation, facts: ObligationFacts) -> bool:
    """Whether this match tells of the very payment that was reported, for another holder of its account."""
    return (
        before.transactions == facts.transactions
        and before.rule_digest == facts.rule_digest
        and before.state in ("trial", "owed", "revised")
        and (before.state != "trial" or facts.is_trial)
    )


def _met_again(before: Obligation, stored: StoredAlert) -> Folded:
    """The match is journalled, and changes nothing."""
    alert = stored.alert
    facts = {"rule": alert.source.id} | _of_alert(stored)
    draft = Draft(before.obligation_id, alert.judged_at_us, MONITOR, "obligation_met_again", canonical_json(facts))
    return Folded(before, None, draft)


def _of_alert(stored: StoredAlert) -> dict[str, Any]:
    return {
        "alert": stored.alert.alert_id,
        "evidence_sha256": stored.evidence_digest,
        "severity": stored.alert.severity,
        "status": stored.alert.status,
    }


def facts_of(alert: Alert, due_on: str | None) -> ObligationFacts:
    """What a match says of its obligation.

    Raises:
        ValueError: It is no match of an obligation, or the day of filing is not given.
    """
    duty = alert.duty
    if duty is None or due_on is None:
        raise ValueError(f"alert {alert.alert_id} is no match of an obligation with a day of filing")
    return ObligationFacts(
        rule_id=alert.source.id,
        rule_version=alert.source.version,
        rule_digest=alert.source.digest,
        title=alert.title,
        subject=duty.subject or alert.subject,
        key=PeriodKey(alert.booking_entity, duty.period_kind, duty.period, duty.payment, duty.direction),
        jurisdiction=alert.jurisdiction,
        total=duty.total,
        measures={name: quantity for name, quantity in alert.measures.items() if name not in duty.left_out},
        transactions=alert.transactions,
        transactions_total=alert.transactions_total,
        codes=duty.codes,
        inputs=alert.inputs,
        due_on=due_on,
        due_cite=duty.deadline.cite,
        is_trial=alert.status == "shadow",
        marks=tuple(mark for mark in alert.marks if mark != "quiet"),
    )


def fold(before: Obligation | None, facts: ObligationFacts, cause: Cause) -> Folded:
    """The next revision of an obligation, from what is true now."""
    after = _after(before, facts, cause)
    return _folded(before, after, cause)


def withdraw(before: Obligation, cause: Cause) -> Folded:
    """The revision that says: what was met is no longer met. Payments and numbers of the last revision stay."""
    after = replace(
        before,
        state="withdrawn",
        revision=before.revision + 1,
        last_revised_us=max(before.last_revised_us, cause.at_us),
    )
    return _folded(before, after, cause)


def _after(before: Obligation | None, facts: ObligationFacts, cause: Cause) -> Obligation:
    is_reconciled = cause.kind == "reconciliation"
    marks = (*facts.marks, BY_RECONCILIATION) if is_reconciled else facts.marks
    return Obligation(
        obligation_id=facts.obligation_id,
        rule_id=facts.rule_id,
        rule_version=facts.rule_version,
        rule_digest=facts.rule_digest,
        title=facts.title,
        subject=facts.subject,
        booking_entity=facts.key.booking_entity,
        jurisdiction=facts.jurisdiction,
        period_kind=facts.key.kind,
        period=facts.key.period,
        payment=facts.key.payment,
        direction=facts.key.direction,
        total=facts.total,
        measures=facts.measures,
        transactions=facts.transactions,
        transactions_total=facts.transactions_total,
        codes=facts.codes,
        inputs=(before.inputs if before else {}) | facts.inputs,
        due_on=before.due_on if before else facts.due_on,
        due_cite=before.due_cite if before else facts.due_cite,
        first_met_us=before.first_met_us if before else cause.at_us,
        last_revised_us=max(before.last_revised_us, cause.at_us) if before else cause.at_us,
        state=_state(before, is_trial=facts.is_trial),
        is_by_reconciliation=before.is_by_reconciliation if before else is_reconciled,
        revision=before.revision + 1 if before else 1,
        marks=marks,
    )


def _state(before: Obligation | None, *, is_trial: bool) -> str:
    """A match of an approved rule makes what was on trial owed; what is owed stays owed whatever the rule becomes."""
    if before is None or before.state == "trial":
        return "trial" if is_trial else "owed"
    return "revised"


def _folded(before: Obligation | None, after: Obligation, cause: Cause) -> Folded:
    known = set(before.transactions) if before else set()
    now = set(after.transactions)
    stored = cause.alert
    content = canonical_json(
        columns_of(after)
        | {
            "cause": cause.kind,
            "reason": cause.reason,
            "alert": stored.alert.alert_id if stored else None,
            "at_us": cause.at_us,
            "position": cause.position,
            "added": sorted(now - known),
            "removed": sorted(known - now),
        }
    )
    digest = sha256(content.encode()).hexdigest()
    alert_id = stored.alert.alert_id if stored else None
    revision = Revision(after.obligation_id, after.revision, alert_id, cause.at_us, content, digest)
    facts: dict[str, Any] = {
        "obligation_revision": after.revision,
        "revision_sha256": digest,
        "standing": after.state,
        "cause": cause.kind,
        "rule": after.rule_id,
    }
    if stored is not None:
        facts |= _of_alert(stored)
    if cause.reason is not None:
        facts["reason"] = cause.reason
    draft = Draft(after.obligation_id, cause.at_us, cause.actor, _action(before, after), canonical_json(facts))
    return Folded(after, revision, draft)


def _action(before: Obligation | None, after: Obligation) -> str:
    if after.state == "withdrawn":
        return "obligation_withdrawn"
    return "obligation_met" if before is None else "obligation_revised"


def columns_of(obligation: Obligation) -> dict[str, Any]:
    """The obligation as plain values, without its payments: what each revision states and the row must show."""
    plain = (
        "obligation_id", "rule_id", "rule_version", "rule_digest", "title", "booking_entity", "jurisdiction",
        "period_kind", "period", "payment", "direction", "total", "transactions_total", "inputs", "due_on", "due_cite",
        "first_met_us", "last_revised_us", "state", "is_by_reconciliation", "revision",
    )  # fmt: skip
    return {name: getattr(obligation, name) for name in plain} | {
        "subject_kind": obligation.subject.kind,
        "subject_token": obligation.subject.token,
        "measures": {name: [q.value, q.unit, q.bound] for name, q in obligation.measures.items()},
        "codes": {name: list(words) for name, words in obligation.codes.items()},
        "marks": list(obligation.marks),
    }


def obligation_of(columns: Mapping[str, Any], transactions: Iterable[int]) -> Obligation:
    """The obligation that :func:`columns_of` took apart."""
    plain = {name: columns[name] for name in Obligation.__slots__ if name in columns}
    return Obligation(
        **plain
        | {
            "subject": Subject(columns["subject_kind"], columns["subject_token"]),
            "measures": {name: Quantity(*parts) for name, parts in columns["measures"].items()},
            "codes": {name: tuple(words) for name, words in columns["codes"].items()},
            "marks": tuple(columns["marks"]),
            "transactions": tuple(transactions),
        }
    )
