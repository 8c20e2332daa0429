"""A case in words and numbers for a page. Pure: nothing is read, and nothing is decided."""

import json
from dataclasses import dataclass
from typing import Any

from monitor.adapters.sql.desk import CaseAlert
from monitor.adapters.sql.earlier import NOTHING_BEFORE, Earlier
from monitor.adapters.sql.queue import QueueRow
from monitor.casework.journal import Entry
from monitor.casework.lifecycle import MOVES, TABLE, in_words
from monitor.casework.priority import due_in_words, reasons_told, time_in_words
from monitor.casework.wording import Told
from monitor.domain.case import Case
from monitor.domain.money import format_amount_for_reading
from monitor.domain.time import DAY_US, format_time

PRESSING, SOON = 50, 20
"""From which priority on a bar is shown as pressing, and as soon."""


@dataclass(frozen=True, slots=True)
class ShownCase:
    """One line of the queue, and the head of a case. Texts are English; pages say them in their language."""

    case_id: str
    short_id: str
    priority: int
    priority_class: str
    reasons: list[Told]
    subject: str
    subject_kind: str
    segment: str | None
    rating: str | None
    what: str
    further: int
    """How many typologies it has beside, where no group of rules names them all."""
    headline: str
    severity: str
    amount: str
    amounts: list[str]
    age: str
    due: str
    due_at: str
    due_class: str
    assignee: str | None
    state: str
    state_words: str
    alerts: int
    new_alerts: int
    is_open: bool
    is_restricted: bool
    tags: tuple[str, ...] = ()
    earlier: Earlier = NOTHING_BEFORE
    """What there was about the subject before, as far as the viewer may know."""


def shown(
    row: QueueRow, *, now_us: int, subject: str, tags: tuple[str, ...] = (), earlier: Earlier = NOTHING_BEFORE
) -> ShownCase:
    """What a line says of a case."""
    case, number = row.case, round(row.priority * 100)
    left_us = case.due_at_us - now_us
    return ShownCase(
        case_id=case.case_id,
        short_id=case.case_id[:10],
        priority=number,
        priority_class="pressing" if number >= PRESSING else "soon" if number >= SOON else "calm",
        reasons=reasons_told(case, now_us),
        subject=subject,
        subject_kind=case.subject.kind.replace("_", " "),
        segment=case.segment.replace("_", " ") if case.segment else None,
        rating=case.risk_rating,
        what=case.typology.name if case.typology else case.typologies[0].replace("_", " ").capitalize(),
        further=0 if case.typology else len(case.typologies) - 1,
        headline=case.headline,
        severity=case.severity,
        amount=_amount(case),
        amounts=[format_amount_for_reading(amount, name) for name, amount in sorted(case.amounts.items())],
        age=time_in_words(max(now_us - case.opened_at_us, 0)),
        due=due_in_words(case.due_at_us, now_us) if case.is_open else "",
        due_at=minute(case.due_at_us),
        due_class="" if not case.is_open else "overdue" if left_us <= 0 else "soon" if left_us <= DAY_US else "",
        assignee=case.assignee,
        state=case.state,
        state_words=in_words(case.state),
        alerts=case.alert_count + case.alerts_after_closing,
        new_alerts=row.new_alerts,
        is_open=case.is_open,
        is_restricted=case.need_to_know == "restricted",
        tags=tags,
        earlier=earlier,
    )


def _amount(case: Case) -> str:
    """The amount in scope in whole units: ``18 000 USD +1``."""
    number, currency = format_amount_for_reading(case.amount_minor, case.currency).rsplit(" ", 1)
    words = f"{number.partition('.')[0]} {currency}"
    return words if len(case.amounts) == 1 else f"{words} +{len(case.amounts) - 1}"


@dataclass(frozen=True, slots=True)
class ShownMeasure:
    """A number that made an alert."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class ShownAlert:
    """An alert in words: the sentence, the numbers that made it, and what it was measured against."""

    alert_id: str
    at: str
    status: str
    severity: str
    source_kind: str
    source: str
    version: int
    title: str
    text: str
    measures: list[ShownMeasure]
    parameters: list[tuple[str, str, str]]
    marks: list[str]
    payments: int
    is_new: bool


def shown_alert(alert: CaseAlert) -> ShownAlert:
    """An alert of a case, from its evidence."""
    evidence = alert.evidence
    return ShownAlert(
        alert_id=alert.alert_id,
        at=minute(alert.judged_at_us),
        status=alert.status,
        severity=evidence["severity"],
        source_kind=evidence["source"]["kind"],
        source=evidence["source"]["id"],
        version=evidence["source"]["version"],
        title=evidence["title"],
        text=evidence["text"],
        measures=[ShownMeasure(name, _quantity(each)) for name, each in evidence["measures"].items()],
        parameters=[(name, f"{each['value']} {each['unit']}", each["cite"])
                    for name, each in evidence["parameters"].items()],
        marks=[mark.replace("_", " ") for mark in evidence["marks"]],
        payments=evidence["transactions_total"],
        is_new=alert.is_new,
    )  # fmt: skip


def _quantity(given: dict[str, Any]) -> str:
    if given["value"] is None:
        return "unknown"
    words = f"{given['value']} {given['unit']}"
    return f"at least {words}" if given["bound"] == "at_least" else words


def minute(time_us: int) -> str:
    """A time to the minute, UTC.

    >>> minute(0)
    '1970-01-01 00:00'
    """
    return format_time(time_us)[:16].replace("T", " ")


def amount_words(amount_minor: int | None, currency: str) -> str:
    """An amount to be read.

    >>> amount_words(1800000, "USD"), amount_words(None, "EUR")
    ('18 000.00 USD', 'unknown EUR')
    """
    return f"unknown {currency}" if amount_minor is None else format_amount_for_reading(amount_minor, currency)


def moves_of(case: Case, role: str) -> list[str]:
    """The moves that a role can make now; ``close`` proposes by itself where a second person is needed."""
    listed = [move for move in MOVES if (case.state, move) in TABLE and move != "propose"]
    return [move for move in listed if role in MOVES[move].roles]


def entry_words(entry: Entry) -> str:
    """What an entry of the journal says beside its action."""
    facts = json.loads(entry.payload)
    named = ("state", "outcome", "reason", "assignee", "alert", "alerts", "tag", "item", "undoes", "file", "addressee",
             "from_case", "to_case")  # fmt: skip
    return ", ".join(f"{name} {str(facts[name]).replace('_', ' ')}" for name in named if facts.get(name) is not None)
