"""The alert as it is stored: its facts, and its evidence as one canonical JSON text.

Evidence holds tokens for identifiers and log positions for transactions. Its digest goes into the
journal of the case, so that a later change of the stored text shows.
"""

from dataclasses import dataclass
from hashlib import sha256

import msgspec

from monitor.casework.journal import canonical_json
from monitor.domain.alert import Alert, alert_to_json

_ENCODER = msgspec.json.Encoder(order="sorted")


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """An alert with its evidence as canonical JSON text, and the SHA-256 of that text, hex.

    ``due_on`` is the last day for filing, given for a match of an obligation.
    """

    alert: Alert
    evidence: str
    evidence_digest: str
    due_on: str | None = None


def stored_alert(alert: Alert, *, due_on: str | None = None) -> StoredAlert:
    """The alert with evidence made from it: subject as token, transactions as log positions.

    ``due_on`` is needed where the alert is a match of an obligation: the calendar of the booking entity decides it.

    Raises:
        ValueError: The score is no number.
    """
    body = alert_to_json(
        alert,
        subject_id=alert.subject.token,
        transaction_ids=[str(position) for position in alert.transactions],
    )
    body["amount_minor"] = alert.amount_minor
    body["currency"] = alert.currency
    # The encoders differ in how they write floats, and the score is the only one.
    body["score"] = msgspec.Raw(canonical_json(alert.score).encode())
    evidence = _ENCODER.encode(body)
    return StoredAlert(alert, evidence.decode(), sha256(evidence).hexdigest(), due_on)
