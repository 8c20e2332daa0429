"""Two operands of one unit: money gets its currency from what it meets."""

import ast
from dataclasses import replace

from monitor.domain.units import Kind, Unit, money
from monitor.rulebook.rule import Arithmetic, Name, Node
from monitor.rulebook.rule_error import RuleError
from monitor.rulebook.source import Source

_EXAMPLES = {
    Kind.MONEY: "an amount",
    Kind.COUNT: "a count",
    Kind.SHARE: "a share",
    Kind.DURATION: "a length of time",
    Kind.CATEGORY: "a word",
    Kind.BOOLEAN: "true or false",
    Kind.TIME: "a time",
}


def settle(node: Node, currency: str) -> Node:
    """``node`` with its money read in ``currency``; other nodes as they are."""
    if node.unit.kind is not Kind.MONEY or node.unit.detail is not None:
        return node
    unit = money(currency)
    if isinstance(node, Arithmetic):
        return replace(node, unit=unit, left=settle(node.left, currency), right=settle(node.right, currency))
    assert isinstance(node, Name), f"money without a currency in {node!r}"
    return replace(node, unit=unit)


def matched(
    source: Source, tree: ast.expr, joint: str, pair: tuple[Node, Node], currency: str | None, verb: str
) -> tuple[Node, Node]:
    """Both operands with one unit.

    ``currency`` is that of the rule, used where neither side has one; ``None`` leaves them open.

    Raises:
        RuleError: The units differ, or no currency is known.
    """
    left, right = pair
    if left.unit.kind is Kind.MONEY and right.unit.kind is Kind.MONEY:
        known = left.unit.detail or right.unit.detail or currency
        if known is None:
            if verb in ("add", "subtract"):
                return left, right
            raise source.error(tree, "money without a currency", "Neither side names a currency, and the rule has "
                               "no single one.", "Compare with a parameter whose unit is a currency.")  # fmt: skip
        left, right = settle(left, known), settle(right, known)
    if left.unit != right.unit:
        raise _mismatch(source, tree, joint, (left, right), verb)
    return left, right


def _mismatch(source: Source, tree: ast.expr, joint: str, pair: tuple[Node, Node], verb: str) -> RuleError:
    left, right = pair
    fact = f"cannot {verb} {_phrase(left.unit, right.unit)}"
    width = len(left.text) + len(joint)
    below = str(left.unit).ljust(width) + " " if len(str(left.unit)) >= width else str(left.unit).ljust(width)
    snippet = f"{left.text}{joint}{right.text}\n{below}{right.unit}"
    reason = f"'{right.text[:60]}' is {_noun(right.unit)} and '{left.text[:60]}' is {_noun(left.unit)}."
    if left.unit.kind is right.unit.kind is Kind.MONEY:
        remedy = "Give the window the currency of the parameter, or the parameter that of the window."
    elif left.unit.kind is right.unit.kind:
        remedy = "Use two fields of one vocabulary."
    else:
        wanted = _EXAMPLES[left.unit.kind]
        unit = left.unit.detail or "USD" if left.unit.kind is Kind.MONEY else str(left.unit.detail or left.unit.kind)
        remedy = f'Put {wanted} in its place, or add a parameter with "unit: {unit}".'
    return source.error(tree, fact, reason, remedy, snippet)


def _phrase(left: Unit, right: Unit) -> str:
    if left.kind is right.kind:
        return f"{left} with {right}"
    return f"{_short(left)} with {_short(right)}"


def _short(unit: Unit) -> str:
    return "money" if unit.kind is Kind.MONEY else _EXAMPLES[unit.kind]


def _noun(unit: Unit) -> str:
    if unit.kind is Kind.CATEGORY:
        return f"a word of {unit.detail}"
    if unit.kind is Kind.MONEY and unit.detail:
        return f"an amount in {unit.detail}"
    return _EXAMPLES[unit.kind]
