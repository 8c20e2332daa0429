"""From an anomaly to an alert: the sentence, the numbers by family, how grave it is, whom it is about.

Runs for what is raised only. The alert is about the payer's customer (its account where the source names none), in the
words and with the marks of alerts of rules.
"""

from math import log10
from typing import TYPE_CHECKING

import numpy as np

from monitor.domain.alert import DEGRADED, MODEL, Alert, Quantity, Source, Subject, alert_id
from monitor.domain.identifiers import IdentifierKind
from monitor.domain.money import CURRENCIES
from monitor.domain.time import SECOND_US, UNKNOWN, format_duration
from monitor.domain.transaction import TransactionBatch
from monitor.domain.vocabulary import ANOMALY, MODELS_LIVE, RISK_RATINGS, SEVERITIES
from monitor.engine.admission import Legs
from monitor.engine.anomalies import BUDGET, MODEL_ID, VERSION, Anomaly, Contribution, digest
from monitor.engine.further_keys import DEBTOR, HOLDER
from monitor.engine.profiles import COLUMN, ProfileTable

if TYPE_CHECKING:
    from monitor.engine.engine import Engine

TITLE = "Payments unlike what this account usually does"
SNAPSHOT_INPUT = "model snapshot"
"""Under this name the alert's inputs have the version of tails and thresholds in force."""
GRAVE = 0.1
"""An anomaly whose tail is at most this part of the budget is ``high``, others are ``medium``."""
SENTENCES_MAX = 3
_NEVER_PAID_DAYS = 30.0
"""What the model adds to the length of the stream for an account that never paid."""
_DAY_S = 86_400
Facts = tuple[tuple[str, str, float], ...]
"""Name, unit and value; days for a duration."""


def source() -> Source:
    """The models as the source of an alert."""
    return Source(MODEL, MODEL_ID, VERSION, digest())


def alerts_of(
    engine: "Engine", found: list[Anomaly], batch: TransactionBatch, legs: Legs, profiles: ProfileTable
) -> list[Alert]:
    """The alerts of a batch's anomalies; ``legs`` are those of the batch."""
    return [_alert(engine, each, batch, legs, profiles) for each in found]


def _alert(engine: "Engine", found: Anomaly, batch: TransactionBatch, legs: Legs, profiles: ProfileTable) -> Alert:
    row, identifiers = found.row, engine.inputs.identifiers
    holder, booked_us = int(batch.debtor_holder[row]), int(batch.booked_at_us[row])
    judged_us, entity = _judged_us(legs, row, booked_us), int(batch.booking_entity[row])
    profile = int(profiles.row_of[holder]) if holder < len(profiles.row_of) else -1

    def held(name: str) -> int:
        return int(profiles.values[profile, COLUMN[name]]) if profile >= 0 else UNKNOWN

    severity, made_by, token = severity_of(found.tail), source(), identifiers.token(holder)
    kind = "account" if identifiers.kind(holder) is IdentifierKind.ACCOUNT else "customer"
    segment, rating, version = held("segment"), held("risk_rating"), held("version")
    marks = (("late", judged_us > booked_us), ("no_profile", version == UNKNOWN),
             ("general_parameters", not found.has_segment), (DEGRADED, holder in profiles.lacking))  # fmt: skip
    return Alert(
        alert_id=alert_id(rule=made_by.id, digest=made_by.digest, subject_token=token,
                          transaction=(int(batch.id_hi[row]), int(batch.id_lo[row])), leg_role="debtor"),
        event_time_us=booked_us,
        judged_at_us=judged_us,
        position=engine.first + int(batch.position[row]),
        leg_role="debtor",
        subject=Subject(kind, token),
        source=made_by,
        title=TITLE,
        typology=ANOMALY,
        severity=severity,
        score=score_of(severity, found.tail),
        status="new" if engine.inputs.models == MODELS_LIVE else "shadow",
        text=sentence(found.contributions),
        measures=measures_of(found),
        parameters={},
        transactions=tuple(engine.first + each for each in found.positions),
        transactions_total=len(found.positions),
        customer_segment=identifiers.word(segment) if segment >= 0 else None,
        customer_risk_rating=RISK_RATINGS[rating] if rating >= 0 else None,
        profile_version=None if version == UNKNOWN else version,
        booking_entity=identifiers.word(entity) if entity >= 0 else None,
        jurisdiction=engine.inputs.entities.country(entity),
        amount_minor=int(batch.amount_minor[row]),
        currency=CURRENCIES[int(batch.currency[row])],
        rulebook_digest=engine.program.rulebook.digest,
        bank_snapshot=engine.peers.snapshot.version if engine.peers.snapshot else None,
        marks=tuple(name for name, holds in marks if holds),
        inputs={SNAPSHOT_INPUT: str(found.snapshot)},
    )  # fmt: skip


def _judged_us(legs: Legs, row: int, booked_us: int) -> int:
    """When the payment was judged for its payer: the time of the first holder's leg, as in alerts of rules."""
    first, last = np.searchsorted(legs.transaction, (row, row + 1))
    for leg in range(first, last):
        if legs.kind[leg] == HOLDER and legs.side[leg] == DEBTOR and legs.operation[leg] == 0:
            return int(legs.judged_us[leg])
    return booked_us


def severity_of(tail: float) -> str:
    """How grave an anomaly is, by the share of account-days with such a score or more.

    >>> severity_of(0.0008), severity_of(0.0001)
    ('medium', 'high')
    """
    return "high" if tail <= BUDGET * GRAVE else "medium"


def score_of(severity: str, tail: float) -> float:
    """The alert's place among all alerts, 0 to 1: that of its severity, and up to 0.199 by how rare it is.

    >>> score_of("medium", 0.001), score_of("high", 0.00001)
    (0.4, 0.6995)
    """
    limit = BUDGET * GRAVE if severity == "high" else BUDGET
    span = 2.0 if severity == "high" else 1.0
    excess = min(max(log10(limit / tail) / span, 0.0), 1.0)
    return round(0.2 * (SEVERITIES.index(severity) + 1) + 0.199 * excess, 6)


# Numbers ----------------------------------------------------------------------------------------------


def measures_of(found: Anomaly) -> dict[str, Quantity]:
    """Score, threshold and tail, then each family with its parts, the largest first: ``family.part.fact``."""
    measures = {
        "score": _points(found.score),
        "threshold": _points(found.threshold),
        "tail": Quantity(f"{found.tail:.6f}", "share"),
    }
    sums: dict[str, float] = {}
    for each in found.contributions:
        sums[each.family] = sums.get(each.family, 0.0) + each.contribution
    for family in sorted(sums, key=lambda name: (-sums[name], name)):
        measures[str(family)] = _points(sums[family])
        for each in found.contributions:
            if each.family == family:
                name = f"{family}.{each.part.replace(' ', '_')}"
                measures[name] = _points(each.contribution)
                for fact, unit, value in facts_of(each):
                    measures[f"{name}.{fact}"] = Quantity(_written(unit, value), unit)
    return measures


def facts_of(each: Contribution) -> Facts:
    """What a part saw, and what it expected, with units."""
    observed, expected = each.observed, each.expected
    if each.part == "carried on":
        return (("share", "share", observed), ("since", "duration", expected)) if observed > 0.0 else ()
    if each.part == "silence":
        return (("observed", "duration", observed), ("expected", "duration", expected))
    if each.part == "shared payees":
        return (("observed", "count", observed),)
    return (("observed", "count", observed), ("expected", "count", expected)) if observed > 0.0 else ()


def _points(value: float) -> Quantity:
    return Quantity(f"{value:.3f}", "points")


def _written(unit: str, value: float) -> str:
    if unit == "duration":
        return format_duration(round(value * _DAY_S) * SECOND_US)
    if unit == "share":
        return f"{value:.4f}"
    return f"{value:.0f}" if value == round(value) or value >= 100.0 else f"{value:.3g}"


# Words ------------------------------------------------------------------------------------------------


def sentence(contributions: tuple[Contribution, ...]) -> str:
    """The strongest reasons in one sentence."""
    said = [words for each in contributions if each.contribution > 0.0 and (words := _words(each)) is not None]
    if not said:
        return "The score is above the threshold of the segment; no part of it stands out."
    text = "; ".join(said[:SENTENCES_MAX])
    return text[0].upper() + text[1:] + "."


def _words(each: Contribution) -> str | None:
    """What a part says, or ``None`` where it has nothing to tell."""
    observed, expected = each.observed, each.expected
    count, against = f"{observed:.0f}", f"{expected:.1f} expected" if expected >= 0.05 else "almost none expected"
    match each.part:
        case "carried on" if 0.0 < observed <= 1.0005:
            return f"paid on {_percent(observed)} of what came in {time_words(expected)} before"
        case "carried on" if observed > 0.0:
            return f"paid out {time_words(expected)} after money came in"
        case "new payers of the payee" if observed > 0.0:
            return f"the payee has {_number(count, 'new payer')} in 3 days against {against}"
        case "new payees" if observed > 0.0:
            return f"{_number(count, 'new payee')} in 3 days against {against}"
        case "new payers" if observed > 0.0:
            return f"{_number(count, 'new payer')} in 7 days against {against}"
        case "shared payees" if observed > 0.0:
            return f"other new payers of this payee already pay its new payees ({_number(count, 'pair')})"
        case "silence" if abs(observed - expected - _NEVER_PAID_DAYS) < 1e-6:
            return "the first payment out of the account"
        case "silence" if observed > expected:
            return f"silent for {time_words(observed)}, where {time_words(expected)} are usual"
    return None


def _percent(share: float) -> str:
    return f"{min(share, 1.0) * 100:.0f} %"


def _number(count: str, noun: str) -> str:
    return f"{count} {noun}" if count == "1" else f"{count} {noun}s"


def time_words(days: float) -> str:
    """A length of time in its largest fitting unit.

    >>> time_words(0.01), time_words(0.5), time_words(2.2)
    ('14 minutes', '12 hours', '2 days')
    """
    if days >= 2.0:
        return f"{days:.0f} days"
    hours = days * 24.0
    return _number(f"{hours:.0f}", "hour") if hours >= 2.0 else _number(f"{hours * 60:.0f}", "minute")
