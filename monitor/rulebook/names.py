"""From a name in an expression to the field, measure, peer quantile or parameter it means."""

import ast
from difflib import get_close_matches
from typing import TYPE_CHECKING

from monitor.domain.fields import FIELDS, PEER_QUANTILES, RESERVED_PREFIXES
from monitor.rulebook.rule import Measure, MeasureName, Name, Node, ParameterName, PeerName, Window
from monitor.rulebook.rule_error import RuleError
from monitor.rulebook.source import Source

if TYPE_CHECKING:
    from monitor.rulebook.expression import Scope

_SHOWN_MAX = 12
"""Most names that a message lists."""


def attribute_path(tree: ast.expr) -> list[str] | None:
    """The parts of a dotted name, or ``None`` if it is none.

    >>> attribute_path(ast.parse("profile.account_age", mode="eval").body)
    ['profile', 'account_age']
    """
    parts: list[str] = []
    while isinstance(tree, ast.Attribute):
        parts.append(tree.attr)
        tree = tree.value
    if not isinstance(tree, ast.Name):
        return None
    return [tree.id, *reversed(parts)]


def did_you_mean(name: str, known: list[str]) -> str:
    """A sentence that offers the nearest known name, or lists them.

    >>> did_you_mean("amout", ["amount", "channel"])
    "Did you mean 'amount'?"
    """
    near = get_close_matches(name, known, n=1, cutoff=0.7)
    if near:
        return f"Did you mean '{near[0]}'?"
    if len(known) <= _SHOWN_MAX:
        return f"Known here: {', '.join(known) or 'none'}."
    return f"Known here: {', '.join(known[:_SHOWN_MAX])} and {len(known) - _SHOWN_MAX} more; see docs/rule-format.md."


def resolve(source: Source, tree: ast.expr, scope: "Scope", text: str) -> Node:
    """The node of a name.

    Raises:
        RuleError: The name is unknown, reserved, or has no place here.
    """
    path = attribute_path(tree)
    if path is None:
        raise source.error(tree, f"'{text[:60]}' is not a name", "A point joins the parts of a name.",
                           "Write for example profile.account_age.")  # fmt: skip
    name = ".".join(path)
    if name in FIELDS:
        return Name(text, FIELDS[name].unit, name)
    if len(path) == 1 and name in scope.parameters:
        return ParameterName(text, scope.parameters[name].unit, name)
    if path[0] == "list":
        raise source.error(tree, f"'{name[:60]}' stands alone", "A list is looked up with in.",
                           f"Write for example counterparty_country in {name[:60]}.")  # fmt: skip
    if name.startswith(RESERVED_PREFIXES):
        raise source.error(tree, f"'{name[:60]}' is not in this release",
                           "Names with model. are reserved for later parts.", "Remove it.")  # fmt: skip
    if path[0] == "peer":
        return _peer(source, tree, path, scope, text)
    if len(path) == 2 and path[0] in scope.windows:
        window = scope.windows[path[0]]
        measure = _measure(source, tree, window, path[1])
        return MeasureName(text, measure.unit, window.name, measure.name)
    raise _unknown(source, tree, name, scope)


def _measure(source: Source, tree: ast.expr, window: Window, name: str) -> Measure:
    for measure in window.measures:
        if measure.name == name:
            return measure
    raise source.error(tree, f"the window '{window.name}' has no measure '{name[:60]}'",
                       "Only measures that the window lists are kept.",
                       did_you_mean(name, [each.name for each in window.measures]))  # fmt: skip


def _peer(source: Source, tree: ast.expr, path: list[str], scope: "Scope", text: str) -> PeerName:
    if len(path) != 4 or path[1] not in scope.windows or path[3] not in PEER_QUANTILES:
        raise source.error(tree, f"'{'.'.join(path)[:80]}' names no peer value",
                           "A peer value is the quantile of one of this rule's measures over the segment.",
                           f"Write peer.<window>.<measure>.<{'|'.join(PEER_QUANTILES)}> or peer.is_hub"
                           + (", outside a window's own filter." if scope.is_filter else "."))  # fmt: skip
    measure = _measure(source, tree, scope.windows[path[1]], path[2])
    if measure.function == "mean":
        raise source.error(tree, f"'{'.'.join(path)[:80]}' compares means", "Quantiles of a mean are not kept.",
                           "Compare the median, the sum or the count.")  # fmt: skip
    return PeerName(text, measure.unit, path[1], path[2], path[3])


def _unknown(source: Source, tree: ast.expr, name: str, scope: "Scope") -> RuleError:
    measured = [f"{window.name}.{measure.name}" for window in scope.windows.values() for measure in window.measures]
    known = [*measured, *scope.parameters, *FIELDS]
    reason = f"It is no field{'' if scope.is_filter else ', window'} or parameter of this rule."
    if scope.is_filter and "." in name:
        reason = "A window's filter sees the payment and its profile, not other windows."
    return source.error(tree, f"the name '{name[:60]}' is unknown", reason, did_you_mean(name, known))
