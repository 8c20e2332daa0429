"""What an expression of a rule is worth for one leg."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from monitor.domain.fields import FIELDS
from monitor.domain.flow import FLOW_NAMES, MILLION, MOVED, RECEIVED
from monitor.domain.units import Kind
from monitor.rulebook.reference import values
from monitor.rulebook.reference.history import FIRST_SEEN_OVER_US, History
from monitor.rulebook.reference.legs import PlainLeg
from monitor.rulebook.reference.parameters import row_in_force
from monitor.rulebook.reference.values import Plain, Value
from monitor.rulebook.rule import (
    Arithmetic,
    Call,
    Compare,
    Literal,
    Logic,
    MeasureName,
    Membership,
    Name,
    Node,
    ParameterName,
    PeerName,
    Rule,
)


@dataclass(slots=True)
class Scene:
    """One leg before one rule. ``measure`` yields a window's measure at the leg."""

    rule: Rule
    leg: PlainLeg
    history: History
    measure: Callable[[str, str], Value]
    read: set[str] = field(default_factory=set)
    """Names of the windows that were asked for."""


def truth_of(node: Node, scene: Scene) -> Value:
    """True, false or unknown. A condition that does not mention ``status`` holds for booked payments only."""
    if scene.leg.transaction.status != "booked" and not mentions_status(node):
        return values.FALSE
    return value_of(node, scene)


def mentions_status(node: Node) -> bool:
    """Whether ``status`` occurs anywhere in the expression."""
    match node:
        case Name():
            return node.name == "status"
        case Compare() | Arithmetic():
            return mentions_status(node.left) or mentions_status(node.right)
        case Logic():
            return any(mentions_status(part) for part in node.parts)
        case Membership():
            return mentions_status(node.item)
        case Call():
            return any(mentions_status(argument) for argument in node.arguments)
    return False


def value_of(node: Node, scene: Scene) -> Value:
    """The value of an expression, by its definition."""
    match node:
        case Name():
            return _field(node, scene)
        case MeasureName():
            scene.read.add(node.window)
            return scene.measure(node.window, node.measure)
        case PeerName():
            return _peer(node, scene)
        case ParameterName():
            return _parameter(node, scene)
        case Literal():
            return Value(node.value)
        case Compare():
            return values.compare(node.op, value_of(node.left, scene), value_of(node.right, scene))
        case Membership():
            return _membership(node, scene)
        case Logic():
            return _logic(node, scene)
        case Arithmetic():
            operation = values.add if node.op == "+" else values.subtract
            return operation(value_of(node.left, scene), value_of(node.right, scene))
        case Call():
            return _call(node, scene)
    raise AssertionError(f"no such part of an expression: {node!r}")


def _logic(node: Logic, scene: Scene) -> Value:
    parts = (value_of(part, scene) for part in node.parts)
    if node.op == "not":
        return values.negate(next(parts))
    return values.all_of(parts) if node.op == "and" else values.any_of(parts)


def _membership(node: Membership, scene: Scene) -> Value:
    item = value_of(node.item, scene)
    words: frozenset[str] | None = frozenset(node.words)
    if node.list_name is not None:
        words = scene.history.inputs.list_at(node.list_name, scene.leg.position)
    if item.is_unknown:
        return item
    if words is None:
        return Value.unknown(f"list.{node.list_name}")
    return Value((item.value in words) != node.negated)


def _call(node: Call, scene: Scene) -> Value:
    if node.function == "since_last":
        return _since_last(scene)
    if node.function == "first_seen":
        return _first_seen(node.arguments[0], scene)
    arguments = [value_of(argument, scene) for argument in node.arguments]
    match node.function:
        case "known":
            return Value(not arguments[0].is_unknown)
        case "share" | "ratio":
            return values.divide(arguments[0], arguments[1], node.text)
        case "multiple_of":
            return values.multiple_of(arguments[0], arguments[1])
    raise AssertionError(f"no such function: {node.function}")


def _since_last(scene: Scene) -> Value:
    """Judged time since the key's previous booked leg."""
    earlier = scene.history.before(scene.leg, scene.leg.kind)
    booked = [one for one in earlier if one.transaction.status == "booked"]
    if not booked:
        return Value.unknown("since_last()")
    return Value(scene.leg.judged_us - booked[-1].judged_us)


def _first_seen(argument: Node, scene: Scene) -> Value:
    """Whether no booked leg of the same key has carried this value within the memory of 730 days."""
    value = value_of(argument, scene)
    if value.is_unknown:
        return value
    start = scene.leg.judged_us - FIRST_SEEN_OVER_US
    for one in scene.history.before(scene.leg, scene.leg.kind):
        if one.transaction.status != "booked" or one.judged_us <= start:
            continue
        if value_of(argument, Scene(scene.rule, one, scene.history, scene.measure)) == value:
            return values.FALSE
    return values.TRUE


def _parameter(node: ParameterName, scene: Scene) -> Value:
    parameter = scene.rule.parameters[node.name]
    row = row_in_force(parameter, scene.leg, scene.history.inputs)
    if row is None:
        return Value.unknown(node.name)
    return Value(Fraction(row.value) if isinstance(row.value, Decimal) else row.value)


def _peer(node: PeerName, scene: Scene) -> Value:
    name = f"peer.{node.window}.{node.measure}.{node.quantile}"
    snapshot = scene.history.inputs.snapshot_at(scene.leg.position)
    segment = scene.leg.own.profile.get("segment")
    if snapshot is not None:
        for key in ((segment, f"{scene.rule.id}:{name}"), (segment, name), (None, name)):
            if key in snapshot.quantiles:
                return Value(snapshot.quantiles[key])  # type: ignore[index]
    return Value.unknown(name)


def _field(node: Name, scene: Scene) -> Value:
    if node.name == "peer.is_hub":
        snapshot = scene.history.inputs.snapshot_at(scene.leg.position)
        return Value.unknown(node.name) if snapshot is None else Value(scene.leg.own.holder in snapshot.hubs)
    if node.name == "time_of_day":
        entity = scene.history.inputs.entity(scene.leg.transaction.booking_entity)
        return Value(entity.time_of_day_us(scene.leg.transaction.booked_at_us))
    if node.name in FLOW_NAMES:
        return _flow(node.name, scene)
    plain = field_of(scene.leg, node.name)
    if plain is None:
        return Value.unknown(node.name)
    if not isinstance(plain, tuple):
        return Value(plain)
    amount_minor, currency = plain
    target = node.unit.detail if node.unit.kind is Kind.MONEY else None
    booked_at_us = scene.leg.transaction.booked_at_us
    return scene.history.inputs.converted(amount_minor, currency, target or currency, booked_at_us, node.name)


def _flow(name: str, scene: Scene) -> Value:
    """What tracing says of the payment; some of it is known to one side only."""
    leg = scene.leg
    is_shown = name in MOVED or (name in RECEIVED) == (leg.role == "credit")
    value = scene.history.traced[leg.position].named(name) if is_shown else None
    if value is None:
        return Value.unknown(name)
    return Value(Fraction(value, MILLION) if FIELDS[name].unit.kind is Kind.SHARE else value)


def field_of(leg: PlainLeg, name: str) -> Plain | tuple[int, str] | None:
    """A field as the leg's holder sees it; money is (minor units, currency); ``None`` is unknown."""
    transaction = leg.transaction
    if name.startswith("profile.") or name == "segment":
        return leg.own.profile.get(name.removeprefix("profile."))
    match name:
        case "amount":
            return None if transaction.amount_minor is None else (transaction.amount_minor, transaction.currency)
        case "direction":
            return leg.role
        case "customer":
            return leg.own.holder
        case "account":
            return leg.own.account
        case "country":
            return leg.own.country
        case "counterparty":
            return leg.counterparty
        case "counterparty_country":
            return leg.other.country
        case "counterparty_agent":
            return leg.other.agent
        case "counterparty_kind":
            return leg.other.kind
        case "counterparty_account_given":
            return leg.other.account is not None
        case "name_given" | "address_given" | "identification_given":
            return name.removesuffix("_given") in leg.own.given
        case "counterparty_name_given" | "counterparty_address_given" | "counterparty_identification_given":
            return name.removeprefix("counterparty_").removesuffix("_given") in leg.other.given
    value: str | None = getattr(transaction, name)
    return value
