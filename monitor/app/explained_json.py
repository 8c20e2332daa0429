"""An explanation as plain values, for other programs. Fields are added, never renamed."""

from typing import Any

from msgspec import to_builtins

from monitor.app.explained import Compared
from monitor.app.explaining import Explained
from monitor.rulebook.rule import Rule


def explained_json(explained: Explained) -> dict[str, Any]:
    """The explanation as plain values. ``recomputed`` is ``same``, ``different`` or ``not possible``."""
    outcome = "not possible" if explained.lost else "different" if explained.differences else "same"
    evidence = explained.evidence | {"subject": {**explained.evidence["subject"], "id": explained.subject}}
    evidence["transactions"] = [each.transaction_id for each in explained.payments] or evidence["transactions"]
    return {
        "alert": evidence,
        "recomputed": outcome,
        "differences": list(explained.differences),
        "lost": list(explained.lost),
        "rule": _rule_json(explained.rule),
        "model": _model_json(explained),
        "facts": [_fact_json(each) for each in explained.facts],
        "measures": [
            {"name": m.name, "stored": to_builtins(m.stored), "again": to_builtins(m.again), "same": m.is_same}
            for m in explained.measures
        ],
        "condition": [to_builtins(part) for part in explained.parts],
        "payments": [to_builtins(payment) for payment in explained.payments],
    }


def _rule_json(rule: Rule | None) -> dict[str, Any] | None:
    if rule is None:
        return None
    return {
        "id": rule.id,
        "title": rule.title,
        "version": rule.version,
        "digest": rule.digest,
        "status": rule.status,
        "approval": to_builtins(rule.approval) if rule.approval else None,
        "blind_spots": list(rule.blind_spots),
        "false_positives": list(rule.false_positives),
    }


def _fact_json(fact: Compared) -> dict[str, Any]:
    return {"name": fact.name, "stored": fact.stored, "again": fact.again, "same": fact.is_same}


def _model_json(explained: Explained) -> dict[str, Any] | None:
    """The models and their cards, for other programs; ``None`` for an alert of a rule."""
    if not explained.cards:
        return None
    source = explained.evidence["source"]
    return {"id": source["id"], "version": source["version"], "digest": source["digest"],
            "cards": [card.model_dump() for card in explained.cards]}  # fmt: skip
