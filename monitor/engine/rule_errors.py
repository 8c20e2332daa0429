"""What becomes of a match whose rule raises while its alert is made.

Whether a condition holds cannot raise: conditions are byte code, and what it cannot compute (a number beyond 63 bits, a
division by zero) is undecided and counted. What an alert shows is read by code of its own for each rule, and a mistake
there must neither hide the match nor stop the other rules. Such an alert has the id that it would have had, the mark
:data:`RULE_RAISED`, and says what is known without the rule: whom and which payment it is about.
"""

from dataclasses import dataclass
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING

from monitor.domain.alert import RULE, Alert, Duty, Source, Subject, alert_id
from monitor.domain.money import CURRENCIES
from monitor.domain.time import UNKNOWN
from monitor.rulebook.rule import Rule

if TYPE_CHECKING:
    from monitor.engine.engine import Engine
    from monitor.engine.findings import Hits

RULE_RAISED = "rule_raised"
"""Mark of an alert whose measures, parameters and sentence its rule could not give."""


@dataclass(slots=True)
class Raised:
    """How many alerts of a rule were made without it in a step, and the first error."""

    error: Exception
    alerts: int = 0


def alert_without_rule(
    engine: "Engine", rule: Rule, hits: "Hits", n: int, *, subject: Subject, role: str, status: str, is_quiet: bool,
    score: float, duty: Duty | None, error: Exception,
) -> Alert:  # fmt: skip
    """The alert of a match with what is known without asking its rule."""
    entity = hits.entity[n]
    marks = (
        ("quiet", is_quiet),
        ("late", hits.judged_us[n] > hits.booked_us[n]),
        ("no_profile", hits.profile_version[n] == UNKNOWN),
        (RULE_RAISED, True),
    )
    return Alert(
        alert_id=alert_id(rule=rule.id, digest=rule.digest, subject_token=subject.token,
                          transaction=(hits.id_hi[n], hits.id_lo[n]), leg_role=role),
        event_time_us=hits.booked_us[n],
        judged_at_us=hits.judged_us[n],
        position=engine.first + hits.position[n],
        leg_role=role,
        subject=subject,
        source=Source(RULE, rule.id, rule.version, rule.digest),
        title=rule.title,
        typology=rule.typology,
        severity=rule.severity,
        score=score,
        status=status,
        text=f"The condition of {rule.id} holds. Why could not be put into words: {place_of(error)}.",
        measures={},
        parameters={},
        transactions=(engine.first + hits.position[n],),
        transactions_total=1,
        customer_segment=None,
        customer_risk_rating=None,
        profile_version=None if hits.profile_version[n] == UNKNOWN else hits.profile_version[n],
        booking_entity=engine.inputs.identifiers.word(entity) if entity >= 0 else None,
        jurisdiction=engine.inputs.entities.country(entity),
        amount_minor=hits.amount_minor[n],
        currency=CURRENCIES[hits.currency[n]],
        rulebook_digest=engine.program.rulebook.digest,
        bank_snapshot=engine.peers.snapshot.version if engine.peers.snapshot else None,
        marks=tuple(name for name, holds in marks if holds),
        duty=duty,
    )  # fmt: skip


def place_of(error: Exception) -> str:
    """Class and place of an error in the code; its message can quote a payment.

    >>> try:
    ...     int("4111 1111 1111 1111")
    ... except ValueError as error:
    ...     place_of(error).partition(" at ")[0]
    'ValueError'
    """
    frames = extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "an unknown place"
    return f"{type(error).__name__} at {place}"
