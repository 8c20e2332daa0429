"""How the numbers of a rule came to their thresholds: each comparison of its condition at the latest payments.

Every point is what the slow evaluator says at that payment, with the inputs in force there; so the last one is the
number of the alert. Where a rule asks what is usual among peers: the subject's number and that of its segment.
"""

from dataclasses import dataclass, replace

from monitor.app.rerunning import Rerun
from monitor.domain.alert import Quantity
from monitor.domain.units import Kind, Unit
from monitor.engine.sentences import quantity_of_parts
from monitor.rulebook.reference import PlainLeg, Value
from monitor.rulebook.rule import Compare, MeasureName, Name, Node, PeerName
from monitor.rulebook.walk import walk
from monitor.rulebook.worded import in_words

NUMBERS = (Kind.MONEY, Kind.COUNT, Kind.SHARE, Kind.DURATION)


@dataclass(frozen=True, slots=True)
class Point:
    """A number and what it is compared with at one payment; ``None`` where it is not known there.

    Numbers are in the smallest unit of their kind, such as minor units or microseconds; texts are to be read.
    """

    booked_us: int
    actual: float | None
    threshold: float | None
    actual_words: Quantity
    threshold_words: Quantity


@dataclass(frozen=True, slots=True)
class Course:
    """One comparison over time, the alert's payment last."""

    words: str
    op: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Peer:
    """The subject's number and the quantile of its peers, such as ``p99``, that the rule asks for."""

    words: str
    quantile: str
    segment: str | None
    actual: Quantity
    peers: Quantity


def courses(again: Rerun, *, points_max: int) -> tuple[Course, ...]:
    """The comparisons of numbers in the rule's condition, over its latest payments."""
    found = [node for node in walk(again.recomputed.rule.when) if isinstance(node, Compare) and _moves(node)]
    legs = _legs(again, points_max)
    return tuple(
        Course(in_words(node, inner=True), node.op, tuple(_point(again, node, leg) for leg in legs)) for node in found
    )


def peers(again: Rerun) -> tuple[Peer, ...]:
    """What the rule asks of the subject's peers, where the bank knew it then."""
    segment = again.profile.segment if again.profile else None
    asked = {node.text: node for node in walk(again.recomputed.rule.when) if isinstance(node, PeerName)}
    found = []
    for node in asked.values():
        own = MeasureName(f"{node.window}.{node.measure}", node.unit, node.window, node.measure)
        theirs = again.recomputed.value(node)
        if not theirs.is_unknown:
            actual = quantity_of(again.recomputed.value(own), node.unit)
            found.append(Peer(in_words(own, inner=True), node.quantile, segment, actual,
                              quantity_of(theirs, node.unit)))  # fmt: skip
    return tuple(found)


def quantity_of(value: Value, unit: Unit) -> Quantity:
    """A value as a quantity with its unit as text."""
    if value.is_unknown or value.value is None:
        return Quantity(None, str(unit), "unknown")
    if isinstance(value.value, str | bool):
        word = value.value if isinstance(value.value, str) else ("no", "yes")[value.value]
        return Quantity(word, str(unit))
    return quantity_of_parts(value.value.as_integer_ratio(), unit, value.bound)


def _moves(node: Compare) -> bool:
    """Whether it compares numbers of which one changes from payment to payment."""
    is_number = node.left.unit.kind in NUMBERS
    return is_number and any(isinstance(part, MeasureName | Name) for part in walk(node))


def _legs(again: Rerun, points_max: int) -> list[PlainLeg]:
    own = again.recomputed.leg
    key = own.kind if own.kind in own.keys else next(iter(own.keys))
    of_key = again.recomputed.run.history.of_key[key, own.keys[key]]
    return [leg for leg in of_key if leg.kind == own.kind and leg.order <= own.order][-points_max:]


def _point(again: Rerun, node: Compare, leg: PlainLeg) -> Point:
    at = replace(again.recomputed, leg=leg)
    left, right = at.value(node.left), at.value(node.right)
    return Point(
        leg.transaction.booked_at_us, _number(left), _number(right), quantity_of(left, _unit(node.left, node.right)),
        quantity_of(right, _unit(node.right, node.left)),
    )  # fmt: skip


def _unit(node: Node, other: Node) -> Unit:
    """The unit of a side; an amount without a currency takes that of the other side."""
    return other.unit if node.unit.kind is Kind.MONEY and node.unit.detail is None else node.unit


def _number(value: Value) -> float | None:
    known = not value.is_unknown and value.value is not None and not isinstance(value.value, str)
    return float(value.number) if known else None
