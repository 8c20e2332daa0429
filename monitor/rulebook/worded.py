"""Rules in words: values, fields, windows and conditions as an analyst would say them."""

from decimal import Decimal

from monitor.domain.fields import FIELDS
from monitor.domain.money import format_amount_for_reading
from monitor.domain.time import format_duration
from monitor.domain.units import Kind, Unit
from monitor.rulebook.rule import (
    Arithmetic,
    Call,
    Compare,
    Literal,
    Logic,
    Measure,
    MeasureName,
    Membership,
    Name,
    Node,
    ParameterName,
    PeerName,
    Window,
)
from monitor.rulebook.walk import walk

_COMPARED = {
    "<": "is less than",
    "<=": "is at most",
    ">": "is more than",
    ">=": "is at least",
    "==": "is",
    "!=": "is not",
}
_OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
_FIELDS = {
    "direction": "the direction",
    "counterparty": "the other side",
    "counterparty_country": "the country of the other side",
    "counterparty_agent": "the bank of the other side",
    "profile.account_age": "the age of the account",
    "profile.relationship_age": "the age of the relationship",
    "profile.age_years": "the age of the customer in years",
    "profile.declared_monthly_income": "the declared monthly income",
    "profile.expected_monthly_in": "the expected monthly money in",
    "profile.expected_monthly_out": "the expected monthly money out",
    "profile.is_pep": "the customer is a politically exposed person",
    "peer.is_hub": "the customer is a hub",
    "flow.returned_share": "the share that has come back to where it came from",
    "flow.return_kept": "what came back of the money paid out",
    "flow.return_hops": "the number of payments on the way back",
    "flow.return_time": "the time from paying out to coming back",
    "flow.middlemen": "the number of separate ways from one origin",
    "flow.chain_depth": "the number of payments in a row",
    "flow.chain_time": "the time since the first payment of the chain",
    "flow.chain_kept": "what is left of the chain's first payment",
    "flow.pass_through": "the share that was received within 30 days",
    "flow.dwell_time": "the time that the money stayed",
    "flow.residual": "what is left of the latest payments in",
    "flow.gathered": "the number of payers whose money was paid on",
}
_QUANTILES = {"p50": "half", "p90": "90 %", "p95": "95 %", "p99": "99 %", "p999": "99.9 %"}


def field_in_words(name: str) -> str:
    """A field as a noun, or as a claim if it is true or false.

    >>> field_in_words("amount"), field_in_words("profile.risk_rating")
    ('the amount', 'the risk rating')
    """
    return _FIELDS.get(name) or "the " + name.split(".")[-1].replace("_", " ")


def value_in_words(value: int | Decimal | str, unit: Unit) -> str:
    """A parameter's value for reading.

    >>> from monitor.domain.units import money
    >>> value_in_words(1000000, money("USD"))
    '10 000.00 USD'
    """
    if unit.kind is Kind.MONEY and unit.detail and isinstance(value, int):
        return format_amount_for_reading(value, unit.detail)
    if unit.kind is Kind.DURATION and isinstance(value, int):
        return duration_in_words(value)
    return str(value)


def duration_in_words(length_us: int) -> str:
    """A length of time for reading.

    >>> duration_in_words(48 * 3_600_000_000), duration_in_words(3_600_000_000), duration_in_words(90_000_000)
    ('48 hours', '1 hour', '1m30s')
    """
    text = format_duration(length_us)
    number, unit = text[:-1], {"d": "day", "h": "hour", "m": "minute", "s": "second"}[text[-1]]
    if not number.isdigit():
        return text
    return f"{number} {unit}{'' if number == '1' else 's'}"


def measure_in_words(measure: Measure) -> str:
    """What a measure is.

    >>> from monitor.domain.units import COUNT
    >>> measure_in_words(Measure("n", "count", None, COUNT))
    'the number of payments'
    """
    if measure.function == "count":
        return "the number of payments"
    if measure.function == "distinct" and measure.argument:
        noun = {"counterparty": "parties on the other side"}.get(
            measure.argument.name, measure.argument.name.split(".")[-1].replace("_", " ") + " values"
        )
        return f"the number of different {noun}"
    nouns = {"sum": "the sum", "min": "the smallest", "max": "the largest", "mean": "the mean", "median": "the median"}
    return f"{nouns[measure.function]} of the amounts"


def window_in_words(window: Window) -> str:
    """A window as a sentence without its measures."""
    reach = f"the last {duration_in_words(window.over_us)}" if window.over_us else f"this {window.calendar}"
    if window.calendar:
        reach = f"the booking entity's {'business day' if window.calendar == 'day' else 'calendar month'}"
    chosen = f" where {in_words(window.where)}" if window.where else ""
    return f"payments of {reach} per {window.by.replace('_', ' ')}{chosen}"


def in_words(node: Node, *, inner: bool = False) -> str:
    """A condition as a clause, or a value as a noun.

    >>> from monitor.rulebook.expression import Scope, compile_condition
    >>> from monitor.rulebook.source import Source
    >>> in_words(compile_condition(Source.of('direction == "credit" and not channel == "cash"'), Scope()))
    'money comes in and the channel is not cash'
    """
    match node:
        case Name():
            return field_in_words(node.name)
        case MeasureName():
            return f"{node.window}.{node.measure}"
        case PeerName():
            return f"the {node.window}.{node.measure} which {_QUANTILES[node.quantile]} of the segment stay below"
        case ParameterName():
            return node.name
        case Literal():
            return str(node.value)
        case Compare():
            return _comparison(node)
        case Membership():
            where = f"the list {node.list_name}" if node.list_name else " or ".join(node.words)
            verb = "is not" if node.negated else "is"
            return f"{in_words(node.item)} {verb} {'on ' if node.list_name else ''}{where}"
        case Logic(op="not"):
            return _negated(node.parts[0])
        case Logic(op="or") if len(node.parts) == 2 and _asks_for(node.parts[0], node.parts[1]):
            clause = f"{in_words(node.parts[1])}, or that is not known"
            return f"({clause})" if inner else clause
        case Logic():
            joined = f" {node.op} ".join(in_words(part, inner=True) for part in node.parts)
            return f"({joined})" if inner else joined
        case Arithmetic():
            return f"{in_words(node.left)} {'plus' if node.op == '+' else 'less'} {in_words(node.right)}"
        case Call():
            return _call(node)
    raise AssertionError(f"no such part of an expression: {node!r}")


def _comparison(node: Compare, op: str | None = None) -> str:
    op = op or node.op
    if isinstance(node.left, Name) and node.left.name == "direction" and isinstance(node.right, Literal):
        is_in = (node.right.value == "credit") == (op == "==")
        return "money comes in" if is_in else "money goes out"
    if isinstance(node.right, PeerName):
        peers = f"{_QUANTILES[node.right.quantile]} of the segment stay below"
        return f"{in_words(node.left)} {_COMPARED[op]} what {peers}"
    return f"{in_words(node.left)} {_COMPARED[op]} {in_words(node.right)}"


def _asks_for(first: Node, second: Node) -> bool:
    """Whether a pair reads "not known(x) or something about x"."""
    if not (isinstance(first, Logic) and first.op == "not" and isinstance(first.parts[0], Call)):
        return False
    asked = first.parts[0]
    return asked.function == "known" and any(part == asked.arguments[0] for part in walk(second))


def _negated(node: Node) -> str:
    match node:
        case Compare():
            return _comparison(node, _OPPOSITE[node.op])
        case Call(function="known"):
            return f"{in_words(node.arguments[0])} is not known" if not _is_claim(node.arguments[0]) else (
                f"it is not known whether {in_words(node.arguments[0])}")  # fmt: skip
        case Name(name="peer.is_hub"):
            return "the customer is no hub"
        case Name():
            return f"it is not so that {in_words(node)}"
    return f"not ({in_words(node)})"


def _is_claim(node: Node) -> bool:
    return isinstance(node, Name) and FIELDS[node.name].unit.kind is Kind.BOOLEAN


def _call(node: Call) -> str:
    words = [in_words(argument) for argument in node.arguments]
    match node.function:
        case "share":
            return f"the share of {words[0]} in {words[1]}"
        case "ratio":
            return f"{words[0]} divided by {words[1]}"
        case "multiple_of":
            return f"{words[0]} is a multiple of {words[1]}"
        case "since_last":
            return "the time since the last payment"
        case "first_seen":
            return f"{words[0]} is new to the customer"
    return f"it is known whether {words[0]}" if _is_claim(node.arguments[0]) else f"{words[0]} is known"
