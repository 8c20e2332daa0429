"""The explanation of an alert of the anomaly models: as stored, and as raised again from the recorded history."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from monitor.adapters.vault import Texts
from monitor.app.explained import Compared, ComparedMeasure, Payment, TextsByPosition
from monitor.app.rerunning import Rerunner
from monitor.casework.evidence import stored_alert
from monitor.domain.alert import Alert, Quantity
from monitor.domain.countries import COUNTRIES
from monitor.domain.money import CURRENCIES
from monitor.domain.time import UNKNOWN, format_time
from monitor.domain.vocabulary import CHANNELS
from monitor.engine.anomaly_alerts import SNAPSHOT_INPUT

Evidence = Mapping[str, Any]
_FACTS = {
    "alert id": "alert_id", "sentence": "text", "severity": "severity", "place": "score", "event time": "event_time",
    "judged at": "judged_at", "profile version": "profile_version", "segment": "segment",
    "risk rating": "risk_rating",
}  # fmt: skip
"""What is compared beside the numbers, by its key in the evidence."""


def facts_again(evidence: Evidence, alert: Alert | None) -> tuple[tuple[Compared, ...], tuple[ComparedMeasure, ...]]:
    """Every fact and number of the alert twice; ``alert`` is what was raised again."""
    if alert is None:
        return (Compared("the score reaches the threshold", "true", "false"),), ()
    again = json.loads(stored_alert(alert).evidence)
    facts = [Compared(name, str(evidence[key]), str(again[key])) for name, key in _FACTS.items()]
    facts += [
        Compared("subject", str(evidence["subject"]), str(again["subject"])),
        Compared("amount", f"{evidence['amount_minor']} {evidence['currency']}",
                 f"{again['amount_minor']} {again['currency']}"),
        Compared(SNAPSHOT_INPUT, evidence["inputs"][SNAPSHOT_INPUT], again["inputs"][SNAPSHOT_INPUT]),
        Compared("transactions", " ".join(evidence["transactions"]), " ".join(again["transactions"])),
    ]  # fmt: skip
    return tuple(facts), tuple(_measures(evidence["measures"], again["measures"]))


def _measures(stored: Mapping[str, Any], again: Mapping[str, Any]) -> list[ComparedMeasure]:
    missing = {"value": None, "unit": "", "bound": "absent"}
    names = dict.fromkeys([*again, *stored])
    return [
        ComparedMeasure(name, Quantity(**stored.get(name, missing)), Quantity(**again.get(name, missing)))
        for name in names
    ]


def payments_of(evidence: Evidence, rerunner: Rerunner, vault: TextsByPosition) -> tuple[Payment, ...]:
    """The payments behind the alert as its subject sees them; ``other`` are those of others to the same payee."""
    positions = np.array([int(each) for each in evidence["transactions"]])

    def wanted(table: pa.Table) -> npt.NDArray[np.bool_]:
        return np.asarray(np.isin(table.column("position").to_numpy(), positions), bool)

    rows = rerunner.history.rows(wanted, columns=(), stop=int(positions.max()) + 1).to_pylist()
    subject = bytes.fromhex(evidence["subject"]["id"])
    return tuple(_payment(row, subject, int(evidence["position"]), rerunner, vault) for row in rows)


def _payment(
    row: dict[str, Any], subject: bytes, completing: int, rerunner: Rerunner, vault: TextsByPosition
) -> Payment:
    position = int(row["position"])
    texts = vault.texts(position) or Texts(None, None, None)
    direction = "out" if row["debtor_holder"] == subject else "in" if row["creditor_holder"] == subject else "other"
    other = "creditor" if direction == "out" else "debtor"
    token = row[f"{other}_account"] or row[f"{other}_holder"]
    country = row[f"{other}_country"]
    return Payment(
        position=position,
        transaction_id=vault.transaction_id(position) or f"#{position}",
        booked_at=format_time(row["booked_at_us"]),
        direction=direction,
        amount_minor=None if row["amount_minor"] == UNKNOWN else row["amount_minor"],
        currency=CURRENCIES[row["currency"]],
        channel=CHANNELS[row["channel"]] if row["channel"] >= 0 else None,
        counterparty=None if token is None else rerunner.tokens.text(token.hex()) or token.hex(),
        counterparty_name=texts.creditor_name if other == "creditor" else texts.debtor_name,
        counterparty_country=COUNTRIES[country] if country >= 0 else None,
        is_completing=position == completing,
        windows=(),
    )
