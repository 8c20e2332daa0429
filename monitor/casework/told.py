"""Cases opened by hand, and what branches refer: an alert that a person raised.

It is stored, joined and journalled like any other, so that nothing has two ways. Its sentence is what the person
wrote, nothing was measured, and there is nothing to compute again.
"""

from hashlib import sha256
from typing import Final

from monitor.casework.lifecycle import MoveRefused
from monitor.domain.alert import Alert, Source, Subject, alert_id
from monitor.domain.vocabulary import SEVERITIES
from monitor.rulebook.typologies import TYPOLOGIES

PERSON: Final = "person"
"""The kind of the source of such an alert."""
CHANNELS: Final = {"hand": "Opened by hand", "branch": "Referred by a branch"}
"""By code, who told it: somebody of the desk, or of a branch."""
TOLD_CHARACTERS_MAX: Final = 2_000
_SCORE = 0.5


def told_alert(
    subject: Subject,
    *,
    by: str,
    channel: str,
    text: str,
    typology: str,
    severity: str,
    at_us: int,
    amount_minor: int,
    currency: str,
) -> Alert:
    """The alert that a person raises about a subject. ``amount_minor`` is what they think is in scope, 0 if unknown.

    Raises:
        MoveRefused: The text is missing or too long, or there is no such typology, severity or channel.
    """
    said = " ".join(text.split())
    if not said or len(said) > TOLD_CHARACTERS_MAX:
        raise MoveRefused(f"Say what was seen in 1 to {TOLD_CHARACTERS_MAX} characters; these are {len(said)}.")
    for what, word, known in (("typology", typology, TYPOLOGIES), ("severity", severity, SEVERITIES),
                              ("channel", channel, CHANNELS)):  # fmt: skip
        if word not in known:
            raise MoveRefused(f"there is no {what} {word[:40]!r}. One of: {', '.join(known)}.")
    digest = sha256(f"{by}\x1f{said}".encode()).hexdigest()
    source = f"AML-{channel.upper()}"
    return Alert(
        alert_id=alert_id(rule=source, digest=digest, subject_token=subject.token, transaction=(0, at_us),
                          leg_role=PERSON),
        event_time_us=at_us, judged_at_us=at_us, position=0, leg_role=PERSON, subject=subject,
        source=Source(PERSON, source, 1, digest), title=CHANNELS[channel], typology=typology, severity=severity,
        score=_SCORE, status="new", text=said, measures={}, parameters={}, transactions=(), transactions_total=0,
        customer_segment=None, customer_risk_rating=None, profile_version=None, booking_entity=None, jurisdiction=None,
        amount_minor=amount_minor, currency=currency, rulebook_digest="0" * 64, bank_snapshot=None,
        inputs={"told_by": by},
    )  # fmt: skip
