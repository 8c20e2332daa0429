"""The alert as it is stored: its facts, and its evidence as one canonical JSON text.

Evidence holds tokens for identifiers and log positions for transactions. Its digest goes into the
journal of the case, so that a later change of the stored text shows.
"""

from dataclasses import dataclass
from hashlib import sha256

from monitor.casework.journal import canonical_json
from monitor.domain.alert import Alert, alert_to_json


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """An alert with its evidence as canonical JSON text."""

    alert: Alert
    evidence: str

    @property
    def evidence_digest(self) -> str:
        """SHA-256 of the evidence text, hex."""
        return sha256(self.evidence.encode()).hexdigest()


def stored_alert(alert: Alert) -> StoredAlert:
    """The alert with evidence made from it: subject as token, transactions as log positions."""
    body = alert_to_json(
        alert,
        subject_id=alert.subject.token,
        transaction_ids=[str(position) for position in alert.transactions],
    )
    body["amount_minor"] = alert.amount_minor
    body["currency"] = alert.currency
    return StoredAlert(alert, canonical_json(body))
