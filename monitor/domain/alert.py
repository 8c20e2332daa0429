"""The alert: what was seen, by which rule or model, with every number that made it.

An alert's id is a hash of rule or model, digest, subject, completing transaction and leg
role, so that a redelivered transaction yields the same alert and storing it
twice is harmless.

Structs of msgspec, because a frozen dataclass of this many fields costs a third of the whole alert.
"""

from hashlib import blake2b
from typing import Any

import msgspec

from monitor.domain.deadline import Deadline
from monitor.domain.time import format_time

ID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
RULE, MODEL = "rule", "model"
"""Kinds of sources."""
_PAIRS = [one + other for one in ID_LETTERS for other in ID_LETTERS]
"""Two letters of base 32 (RFC 4648) for each ten bits."""
DEGRADED, REEVALUATED = "degraded", "reevaluated"
"""Marks: judged without the profile version that should have been in force; found when that version was there."""


class Subject(msgspec.Struct, frozen=True, gc=False):
    """Who the alert is about. ``token`` is the keyed token in hex; a shell with the right resolves it."""

    kind: str
    token: str


class Source(msgspec.Struct, frozen=True, gc=False):
    """The rule or model that raised the alert: ``kind`` is :data:`RULE` or :data:`MODEL`."""

    kind: str
    id: str
    version: int
    digest: str


class Quantity(msgspec.Struct, frozen=True, gc=False):
    """A number with its unit as text: ``("18000.00", "USD")``, ``("3", "count")``, ``("0.93", "share")``.

    ``bound`` is ``exact``, ``at_least`` (a limit was reached or a part is unknown) or ``unknown``.
    """

    value: str | None
    unit: str
    bound: str = "exact"


class ParameterInForce(msgspec.Struct, frozen=True, gc=False):
    """A parameter's value for this alert, and the row of the rule file that gave it."""

    value: str
    unit: str
    cite: str
    since: str
    segment: str | None
    jurisdiction: str | None


class Duty(msgspec.Struct, frozen=True, gc=False):
    """What a match of a rule of kind ``obligation`` adds: where it counts, and what the law asks.

    ``period`` is a day (``2026-05-04``) or month (``2026-05``) of the booking entity; ``payment`` is the completing
    payment's id in hex where single payments are reported. ``total`` names the measure that is the reported total.
    ``left_out`` names measures of the alert that are of the other direction and no part of the report. ``subject`` is
    whom the report is about, where that is another than the alert's.
    """

    direction: str
    period_kind: str
    period: str
    payment: str | None
    total: str | None
    codes: dict[str, tuple[str, ...]]
    deadline: Deadline
    left_out: tuple[str, ...] = ()
    subject: Subject | None = None


class Alert(msgspec.Struct, frozen=True):
    """One alert. Identifiers are tokens (hex); ``position`` and ``transactions`` are log positions."""

    alert_id: str
    event_time_us: int
    judged_at_us: int
    position: int
    leg_role: str
    subject: Subject
    source: Source
    title: str
    typology: str
    severity: str
    score: float
    status: str
    text: str
    measures: dict[str, Quantity]
    parameters: dict[str, ParameterInForce]
    transactions: tuple[int, ...]
    transactions_total: int
    customer_segment: str | None
    customer_risk_rating: str | None
    profile_version: int | None
    booking_entity: str | None
    jurisdiction: str | None
    amount_minor: int
    currency: str
    rulebook_digest: str
    bank_snapshot: int | None
    marks: tuple[str, ...] = ()
    """``quiet``, ``late``, ``no_profile``, ``general_parameters``, ``lower_bound``, ``transactions_cut``,
    ``rule_raised``, ``degraded``, ``reevaluated``."""
    inputs: dict[str, str] = {}
    """Versions of lists and dates of rates that the verdict used."""
    duty: Duty | None = None
    """Given for rules of kind ``obligation``: such a match is no suspicion and joins no case."""


def alert_id(*, rule: str, digest: str, subject_token: str, transaction: tuple[int, int], leg_role: str) -> str:
    """The stable id: ``A-`` and 26 characters of base 32 (128 bits).

    ``transaction`` is the 128-bit id of the completing transaction as two signed 64-bit integers.
    """
    body = "\x1f".join((rule, digest, subject_token, f"{transaction[0]:x}", f"{transaction[1]:x}", leg_role))
    bits = int.from_bytes(blake2b(body.encode(), digest_size=16).digest()) << 2
    return "A-" + "".join([_PAIRS[bits >> shift & 1023] for shift in range(120, -1, -10)])


def alert_to_json(alert: Alert, *, subject_id: str, transaction_ids: list[str]) -> dict[str, Any]:
    """The documented line of ``--alerts`` and the stored evidence. Identifiers are resolved by the caller."""
    duty = alert.duty
    body = {
        "alert_id": alert.alert_id,
        "event_time": format_time(alert.event_time_us),
        "subject": {"kind": alert.subject.kind, "id": subject_id},
        "source": {
            "kind": alert.source.kind,
            "id": alert.source.id,
            "version": alert.source.version,
            "digest": alert.source.digest,
        },
        "title": alert.title,
        "typology": alert.typology,
        "severity": alert.severity,
        "score": alert.score,
        "status": alert.status,
        "text": alert.text,
        "measures": {name: {"value": q.value, "unit": q.unit, "bound": q.bound} for name, q in alert.measures.items()},
        "parameters": {
            name: {
                "value": p.value,
                "unit": p.unit,
                "cite": p.cite,
                "since": p.since,
                "segment": p.segment,
                "jurisdiction": p.jurisdiction,
            }
            for name, p in alert.parameters.items()
        },
        "transactions": transaction_ids,
        "transactions_total": alert.transactions_total,
        "judged_at": format_time(alert.judged_at_us),
        "position": alert.position,
        "leg_role": alert.leg_role,
        "profile_version": alert.profile_version,
        "segment": alert.customer_segment,
        "risk_rating": alert.customer_risk_rating,
        "booking_entity": alert.booking_entity,
        "jurisdiction": alert.jurisdiction,
        "rulebook": alert.rulebook_digest,
        "bank_snapshot": alert.bank_snapshot,
        "marks": list(alert.marks),
        "inputs": alert.inputs,
    }
    if duty is not None:
        body["obligation"] = {
            "direction": duty.direction,
            "period_kind": duty.period_kind,
            "period": duty.period,
            "payment": duty.payment,
            "codes": {name: list(words) for name, words in duty.codes.items()},
        }
    return body
