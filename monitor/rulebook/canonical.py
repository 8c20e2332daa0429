"""The digest of a rule: SHA-256 over a canonical text of everything that decides.

Titles, sources, tests, status, approval and an obligation's deadline are not part of it: mending a sentence does not
change what a rule does, and by when a report is due does not change what is reported. Two files that decide alike
have one digest, however they are laid out.
"""

import json
from collections.abc import Iterator
from dataclasses import fields
from decimal import Decimal
from hashlib import sha256
from typing import Any

from monitor.rulebook.rule import Membership, Node, Rule


def canonical_expression(node: Node) -> Any:
    """A tree of plain values that does not depend on how the text is laid out.

    Every node begins with its class; units are part of it, because the currency in which ``amount`` is read decides.
    """
    parts: list[Any] = [type(node).__name__, str(node.unit)]
    for field in fields(node):
        if field.name not in ("text", "unit"):
            value = getattr(node, field.name)
            if isinstance(node, Membership) and field.name == "words":
                value = tuple(sorted(value))
            parts.append(_plain(value))
    return parts


def canonical_rule(rule: Rule) -> dict[str, Any]:
    """What decides, as plain values in a fixed order."""
    return {
        "id": rule.id,
        "kind": rule.kind,
        "severity": rule.severity,
        "jurisdictions": sorted(rule.jurisdictions),
        "parameters": {
            name: {
                "unit": str(parameter.unit),
                "rows": sorted(
                    [row.from_us, row.segment or "", row.jurisdiction or "", _plain(row.value)]
                    for row in parameter.rows
                ),
            }
            for name, parameter in rule.parameters.items()
        },
        "windows": {
            name: {
                "over_us": window.over_us,
                "calendar": window.calendar,
                "by": window.by,
                "currency": window.currency,
                "where": canonical_expression(window.where) if window.where else None,
                "measures": {
                    each.name: [each.function, each.argument.name if each.argument else None, str(each.unit)]
                    for each in window.measures
                },
            }
            for name, window in rule.windows.items()
        },
        "when": canonical_expression(rule.when),
        "alert": [rule.alert.subject, rule.alert.quiet_us, rule.alert.text],
    }


def rule_digest(rule: Rule) -> str:
    """SHA-256 in hex over the canonical JSON of the rule."""
    body = json.dumps(canonical_rule(rule), sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return sha256(body.encode()).hexdigest()


def rulebook_digest(rules: Iterator[Rule]) -> str:
    """SHA-256 in hex over id, version, status, approval and digest of the rules in order."""
    body = json.dumps(
        [[r.id, r.version, r.status, bool(r.approval and r.approval.is_example), r.digest] for r in rules]
    )
    return sha256(body.encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Node):
        return canonical_expression(value)
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Decimal):
        # 0.9 and 0.90 decide alike.
        return format(value.normalize(), "f")
    return value
