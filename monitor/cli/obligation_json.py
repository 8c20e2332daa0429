"""Obligations as JSON objects for other programs. Fields are added, never renamed."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from monitor.app.case_json import Resolve
from monitor.app.obligation_payments import ReportedPayment
from monitor.app.reconciling import Reconciliation
from monitor.casework.reconciliation import Difference
from monitor.domain.alert import Quantity
from monitor.domain.money import format_amount
from monitor.domain.obligation import Obligation
from monitor.domain.time import format_time

Json = dict[str, Any]


def obligation_json(
    each: Obligation,
    *,
    resolve: Resolve,
    payments: Sequence[ReportedPayment] | None = None,
    revisions: Sequence[Json] | None = None,
) -> Json:
    """One obligation; with its payments and revisions where they are given."""
    body: Json = {
        "obligation_id": each.obligation_id,
        "state": each.state,
        "rule": {"id": each.rule_id, "version": each.rule_version, "digest": each.rule_digest},
        "title": each.title,
        "subject": {"kind": each.subject.kind, "id": resolve(each.subject.token), "token": each.subject.token},
        "booking_entity": each.booking_entity,
        "jurisdiction": each.jurisdiction,
        "period_kind": each.period_kind,
        "period": each.period,
        "direction": each.direction,
        "total": each.total,
        "measures": _measures(each.measures),
        "transactions_total": each.transactions_total,
        "codes": {name: list(words) for name, words in each.codes.items()},
        "inputs": each.inputs,
        "due_on": each.due_on,
        "due_cite": each.due_cite,
        "first_met_at": format_time(each.first_met_us),
        "last_revised_at": format_time(each.last_revised_us),
        "revision": each.revision,
        "is_by_reconciliation": each.is_by_reconciliation,
        "marks": list(each.marks),
    }
    if payments is not None:
        body["payments"] = [_payment(payment) for payment in payments]
    if revisions is not None:
        names = ("revision", "cause", "reason", "alert", "position", "state", "transactions_total", "added", "removed")
        body["revisions"] = [
            {name: revision[name] for name in names}
            | {
                "at": format_time(revision["at_us"]),
                "measures": _measures({name: Quantity(*parts) for name, parts in revision["measures"].items()}),
            }
            for revision in revisions
        ]
    return body


def difference_json(each: Difference, *, resolve: Resolve, transaction_id: Callable[[int], str]) -> Json:
    """One difference that a reconciliation found."""
    return {
        "difference": each.kind,
        "obligation_id": each.obligation_id,
        "rule": each.rule_id,
        "subject": {"kind": each.subject.kind, "id": resolve(each.subject.token), "token": each.subject.token},
        "booking_entity": each.booking_entity,
        "period": each.period,
        "direction": each.direction,
        "recorded": _measures(each.recorded),
        "owed": _measures(each.owed),
        "not_counted": [transaction_id(position) for position in each.lacking],
        "counted_beyond": [transaction_id(position) for position in each.beyond],
        "reason": each.reason,
    }


def reconciliation_json(found: Reconciliation, *, transaction_id: Callable[[int], str]) -> Json:
    """The proof: the last line of ``aml obligations reconcile --json``."""
    compared = found.compared
    return {
        "date": found.day.isoformat(),
        "is_complete": found.is_complete,
        "rules": list(found.rules),
        "records": found.records,
        "log_records": found.position,
        "legs": found.legs,
        "keys": found.keys,
        "expected": compared.expected,
        "found": compared.found,
        "equal": compared.equal,
        "differences": len(compared.differences),
        "undecided": [
            {"rule": rule, "missing": missing, "transactions": list(map(transaction_id, positions))}
            for (rule, missing), positions in sorted(found.undecided.items())
        ],
        "unread": list(found.unread_of_the_day),
        "unread_of_unknown_day": found.unread_of_unknown_day,
        "is_finished": found.is_finished,
    }


def _measures(measures: Mapping[str, Quantity]) -> Json:
    return {name: {"value": q.value, "unit": q.unit, "bound": q.bound} for name, q in measures.items()}


def _payment(payment: ReportedPayment) -> Json:
    is_known = payment.amount_minor is not None and payment.currency is not None
    return {
        "transaction_id": payment.transaction_id,
        "position": payment.position,
        "booked_at": format_time(payment.booked_at_us) if payment.booked_at_us is not None else None,
        "amount": format_amount(payment.amount_minor or 0, payment.currency or "USD") if is_known else None,
        "currency": payment.currency,
        "channel": payment.channel,
        "branch": payment.branch,
    }
