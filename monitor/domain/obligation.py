"""The obligation: a report that the law wants about one person, in one direction, for one period.

It is no suspicion. Nobody weighs it, nothing holds it back, and it is one however many payments make it: its id is a
hash of rule, subject, booking entity, period and direction. A further payment, a late record or a reversal makes a
*revision* of it. Nothing is ever deleted: what no longer has to be reported is ``withdrawn`` and stays.

The period is the business day, calendar date, fixed 24 hours or month of the rule's first calendar window. A rule
without one reports single payments; then the period is the payment's business day and the id holds the payment too.
"""

from dataclasses import dataclass, field
from datetime import date, timedelta
from hashlib import blake2b

from monitor.domain.alert import ID_LETTERS, Quantity, Subject

PERIOD_KINDS = ("day", "date", "static_24h", "month", "payment")
DIRECTIONS = ("in", "out", "any")
"""``in``: money comes to the subject. ``any``: the rule does not tell the two apart."""
STATES = ("trial", "owed", "revised", "withdrawn")
"""``trial``: met by a rule that nobody has approved. ``owed``: to be filed as first met. ``revised``: what has to be
filed has changed since. ``withdrawn``: a reversal took it below the threshold; it is kept."""
CAUSES = ("payment", "reconciliation")
"""What made a revision: a payment that the run judged, or ``aml obligations reconcile``."""
_EPOCH_DAY = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Obligation:
    """One obligation as its newest revision leaves it. Identifiers are tokens, transactions log positions.

    ``due_on`` is the last day on which the report is in time, counted from the period; no revision moves it.
    ``total`` names the measure that is the reported total, where the rule adds up.
    """

    obligation_id: str
    rule_id: str
    rule_version: int
    rule_digest: str
    title: str
    subject: Subject
    booking_entity: str | None
    jurisdiction: str | None
    period_kind: str
    period: str
    payment: str | None
    direction: str
    total: str | None
    measures: dict[str, Quantity]
    transactions: tuple[int, ...]
    transactions_total: int
    codes: dict[str, tuple[str, ...]]
    inputs: dict[str, str]
    due_on: str
    due_cite: str
    first_met_us: int
    last_revised_us: int
    state: str
    is_by_reconciliation: bool
    revision: int
    marks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Revision:
    """One step in the life of an obligation. ``content`` is canonical JSON; its digest stands in the journal.

    ``alert_id`` is the match that made it, ``None`` where reconciliation did.
    """

    obligation_id: str
    revision: int
    alert_id: str | None
    at_us: int
    content: str
    content_sha256: str


@dataclass(frozen=True, slots=True)
class PeriodKey:
    """What an obligation is about, besides the rule and the subject."""

    booking_entity: str | None
    kind: str
    period: str
    payment: str | None = None
    direction: str = field(default="any")


def obligation_id(rule: str, subject: Subject, key: PeriodKey) -> str:
    """The stable id: ``O-`` and 26 characters of base 32 (128 bits). Neither version nor digest is part of it.

    >>> who = Subject("customer", "00" * 16)
    >>> monday = PeriodKey("BANK-US", "day", "2026-05-04", direction="in")
    >>> tuesday = PeriodKey("BANK-US", "day", "2026-05-05", direction="in")
    >>> obligation_id("AML-LCT-001", who, monday) == obligation_id("AML-LCT-001", who, tuesday)
    False
    """
    parts = (rule, subject.kind, subject.token, key.booking_entity or "", key.kind, key.period, key.payment or "",
             key.direction)  # fmt: skip
    bits = int.from_bytes(blake2b("\x1f".join(parts).encode(), digest_size=16, person=b"obligation").digest()) << 2
    return "O-" + "".join(ID_LETTERS[bits >> shift & 31] for shift in range(125, -1, -5))


def period_text(kind: str, number: int) -> str:
    """A period as text, from the number that calendars count it by: days since 1970, or ``12 * year + month``.

    >>> period_text("day", 20577), period_text("month", 2026 * 12 + 5)
    ('2026-05-04', '2026-05')
    """
    if kind == "month":
        year, month = divmod(number - 1, 12)
        return f"{year:04d}-{month + 1:02d}"
    return date.fromordinal(_EPOCH_DAY + number).isoformat()


def last_day_of(kind: str, period: str) -> date:
    """The day on which a period ends; fixed 24 hours that begin within a day end on the next.

    >>> last_day_of("month", "2026-02").isoformat(), last_day_of("static_24h", "2026-05-04").isoformat()
    ('2026-02-28', '2026-05-05')
    """
    if kind == "month":
        year, month = map(int, period.split("-"))
        return date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
    day = date.fromisoformat(period)
    return day + timedelta(days=1) if kind == "static_24h" else day
