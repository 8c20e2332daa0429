"""What charts draw, as JSON in an attribute of the place where they stand. Beside each stands a table with the same."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitor.app.around import Network
from monitor.app.courses import Course
from monitor.app.money_path import Path
from monitor.domain.alert import Quantity
from monitor.engine.sentences import readable
from monitor.web.shown import amount_words, minute

OPS = {"<": "<", "<=": "≤", ">": ">", ">=": "≥", "==": "=", "!=": "≠"}
"""Comparisons as they are shown."""
_SPANS = ((86_400, "days"), (3_600, "hours"), (60, "minutes"))


@dataclass(frozen=True, slots=True)
class Family:
    """What one family of the anomaly models added to the score, in points, with its parts."""

    name: str
    points: str
    parts: tuple[tuple[str, str], ...]


def course_json(course: Course) -> str:
    """Points of one comparison: time in ms, both numbers, and the words of each."""
    points = [
        [
            each.booked_us // 1000,
            each.actual,
            each.threshold,
            words_of(each.actual_words),
            words_of(each.threshold_words),
        ]
        for each in course.points
    ]
    return json.dumps({"points": points, "op": OPS[course.op]}, ensure_ascii=False)


def families_of(measures: Mapping[str, Mapping[str, Any]]) -> tuple[Family, ...]:
    """The families of a model's alert with their parts, the largest first; measures as stored."""
    names = [name for name, each in measures.items() if each["unit"] == "points" and "." not in name]
    return tuple(
        Family(
            name, measures[name]["value"],
            tuple((part.partition(".")[2].replace("_", " "), each["value"]) for part, each in measures.items()
                  if part.startswith(f"{name}.") and part.count(".") == 1),
        )
        for name in names if name not in ("score", "threshold")
    )  # fmt: skip


def families_json(families: Sequence[Family]) -> str:
    """Names and points of the families."""
    return json.dumps({"rows": [[each.name.replace("_", " "), float(each.points)] for each in families]})


def network_json(network: Network) -> str:
    """Nodes and edges. Days of an edge carry how many payments, and how much in parts of the largest edge's sum."""
    largest: dict[str, int] = {}
    for edge in network.edges:
        largest[edge.currency] = max(largest.get(edge.currency, 1), edge.amount_minor)
    nodes = [
        {"id": node.number, "name": node.name or node.identifier, "hop": node.hop, "country": node.country or "",
         "open": node.is_followed}
        for node in network.nodes
    ]  # fmt: skip
    edges = [
        {"source": edge.source, "target": edge.target, "currency": edge.currency,
         "days": [[day, count, amount / largest[edge.currency]] for day, count, amount in edge.days],
         "words": f"{edge.count} × {amount_words(edge.amount_minor, edge.currency)}"}
        for edge in network.edges
    ]  # fmt: skip
    return json.dumps({"nodes": nodes, "edges": edges}, ensure_ascii=False)


def path_json(path: Path) -> str:
    """Parties in their order, and the payments between them."""
    nodes = [{"id": number, "name": each.name or each.identifier} for number, each in enumerate(path.parties)]
    edges = [
        {"source": each.source, "target": each.target,
         "words": f"{minute(each.booked_us)} · {amount_words(each.amount_minor, each.currency)}"}
        for each in path.steps if each.source >= 0 and each.target >= 0
    ]  # fmt: skip
    return json.dumps({"nodes": nodes, "edges": edges}, ensure_ascii=False)


def words_of(quantity: Quantity) -> str:
    """A quantity to be read; a length of time in its largest fitting unit.

    >>> words_of(Quantity("545027.861000s", "duration")), words_of(Quantity("90d", "duration"))
    ('6.3 days', '90d')
    """
    if quantity.unit == "duration" and quantity.value is not None and quantity.value.endswith("s"):
        seconds = float(quantity.value.removesuffix("s"))
        words = next((f"{seconds / size:.1f} {name}" for size, name in _SPANS if seconds >= size), f"{seconds:.0f} s")
        return readable(words, "", quantity.bound)
    return readable(quantity.value, quantity.unit, quantity.bound)


def quantile_words(name: str) -> str:
    """A quantile as a share.

    >>> quantile_words("p99"), quantile_words("p999")
    ('99 %', '99.9 %')
    """
    digits = name.removeprefix("p")
    return f"{digits[:2]}.{digits[2:]} %" if len(digits) > 2 else f"{digits} %"
