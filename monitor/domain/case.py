"""The case: the alerts of one subject, gathered for one decision.

A subject has at most one open case. Its alerts join that case; after closing, a new alert opens a
new case which names the former one. What moves a case from state to state is the table in
:mod:`monitor.casework.lifecycle`.

Times derive from the log: ``opened_at_us`` is the time at which the first alert was judged, so that
a replay opens the same case at the same time. When a row was written is the journal's affair.
"""

from base64 import b32encode
from dataclasses import dataclass, field
from hashlib import blake2b

from monitor.domain.alert import Subject

OUTCOMES = ("false_positive", "explained", "inconclusive", "duplicate", "reported")
"""How a case can end. ``false_positive``: what the rule names did not happen. ``explained``: it happened
and has a lawful reason. ``inconclusive``: it can be neither explained nor suspected. ``duplicate``: another
case decides it. ``reported``: suspicion, reported to the authority."""
DISMISSALS = ("closed_false_positive", "closed_explained")
"""Closed states after which a repeat of the same typology is less of a novelty."""

OPEN_STATES = ("open", "assigned", "in_review", "escalated", "pending_approval", "snoozed")
CLOSED_STATES = tuple(f"closed_{outcome}" for outcome in OUTCOMES)
CASE_STATES = (*OPEN_STATES, *CLOSED_STATES)

NEED_TO_KNOW = ("standard", "restricted")
"""``restricted``: a report of suspicion is proposed or exists; only people with need to know may see that."""

ROLES = ("analyst", "senior", "officer")
"""Who may decide, in rising order of authority; ``officer`` is the compliance officer."""

MONITOR = "monitor"
"""The actor of journal entries that the monitor itself makes."""


@dataclass(frozen=True, slots=True)
class Actor:
    """A person who acts on a case, with the role under which the shell let them in."""

    name: str
    role: str = "analyst"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A closing that waits for a second person."""

    outcome: str
    reason: str
    by: str
    at_us: int
    duplicate_of: str | None = None


@dataclass(frozen=True, slots=True)
class CaseTypology:
    """The name of a case with its score in 0..1, and what each rule gave to the score, the heaviest first."""

    name: str
    score: float
    parts: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One case with all facts that its place in the queue depends on.

    ``risk`` and ``novelty`` are in 0..1 and kept ready, because they change with events only; urgency
    depends on the clock and is computed when asked (:mod:`monitor.casework.priority`).
    ``headline`` is the sentence of the strongest alert, the latest of equals.
    ``amounts`` is the largest amount of any alert by currency: a lower bound of the amount in scope that
    counts no payment twice. ``amount_minor`` and ``currency`` are that of the first alert's currency.
    """

    case_id: str
    subject: Subject
    state: str
    opened_at_us: int
    last_alert_at_us: int
    due_at_us: int
    first_alert_id: str
    headline: str
    severity: str
    strength: float
    risk: float
    novelty: float
    rules: tuple[str, ...]
    typologies: tuple[str, ...]
    alert_count: int
    quiet_count: int
    amount_minor: int
    currency: str
    amounts: dict[str, int]
    segment: str | None = None
    risk_rating: str | None = None
    booking_entity: str | None = None
    jurisdiction: str | None = None
    need_to_know: str = "standard"
    former_case_id: str | None = None
    dismissed_cases: int = 0
    """Earlier cases of the subject, without a break, closed as false positive or explained."""
    dismissed_typologies: tuple[str, ...] = ()
    alerts_seen: int = 0
    """Alerts that the last person to look has seen; 0 when nobody has looked."""
    typologies_seen: tuple[str, ...] = ()
    assignee: str | None = None
    proposal: Proposal | None = None
    snoozed_until_us: int | None = None
    outcome: str | None = None
    closed_at_us: int | None = None
    reopened_count: int = 0
    alerts_after_closing: int = 0
    """Quiet repeats that came after closing; they are shown and open no new case."""
    marks: tuple[str, ...] = field(default=())
    typology: CaseTypology | None = None
    """The typology group that its rules speak for; ``None`` where none reaches its threshold."""
    lift: float | None = None
    """What decisions on cases like it taught, 0.5 to 2, as ``risk`` has it; ``None`` before enough was decided."""

    @property
    def is_open(self) -> bool:
        """Not yet decided."""
        return self.state in OPEN_STATES


def case_id(subject: Subject, first_alert_id: str) -> str:
    """The stable id: ``C-`` and 16 characters of base 32 (80 bits) over the subject and its first alert.

    A replay opens the same case under the same id. People type the first few characters.

    >>> case_id(Subject("customer", "00"), "A-1") == case_id(Subject("customer", "00"), "A-1")
    True
    """
    body = "\x1f".join((subject.kind, subject.token, first_alert_id))
    return "C-" + b32encode(blake2b(body.encode(), digest_size=10).digest()).decode()
