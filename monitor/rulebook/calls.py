"""The functions of the rule language and the units they take and give.

=====================  ========================================  =========
function               arguments                                 gives
=====================  ========================================  =========
share(part, whole)     two of one unit: money, count, duration   share
ratio(a, b)            two of one unit                           share
multiple_of(x, step)   money and money                           true/false
since_last()           none                                      duration
first_seen(x)          a field that identifies the other side    true/false
known(x)               a field, measure or peer value            true/false
=====================  ========================================  =========
"""

import ast
from typing import TYPE_CHECKING

from monitor.domain.units import BOOLEAN, DURATION, SHARE, Kind
from monitor.rulebook.names import did_you_mean
from monitor.rulebook.rule import Call, MeasureName, Name, Node, PeerName
from monitor.rulebook.settle import matched, settle

if TYPE_CHECKING:
    from monitor.rulebook.expression import Compiler

ARGUMENTS = {"share": 2, "ratio": 2, "multiple_of": 2, "since_last": 0, "first_seen": 1, "known": 1}
FIRST_SEEN_FIELDS = (
    "counterparty",
    "counterparty_country",
    "counterparty_agent",
    "conductor",
    "on_behalf_of",
    "device",
    "branch",
)
MEASURE_FUNCTIONS = ("count", "sum", "min", "max", "mean", "median", "distinct")


def call(compiler: "Compiler", tree: ast.Call, text: str, depth: int) -> Node:
    """The node of a function call.

    Raises:
        RuleError: The function is unknown or its arguments do not fit.
    """
    source = compiler.source
    name = tree.func.id if isinstance(tree.func, ast.Name) else source.segment(tree.func)
    if name not in ARGUMENTS:
        remedy = did_you_mean(name, list(ARGUMENTS))
        if name in MEASURE_FUNCTIONS:
            remedy = "Measures stand in a window: add it under windows, measures, and write window.measure here."
        raise source.error(tree, f"the function '{name[:60]}' is unknown", "Rules have their own functions.", remedy)
    if tree.keywords or any(isinstance(each, ast.Starred) for each in tree.args) or len(tree.args) != ARGUMENTS[name]:
        raise source.error(tree, f"'{text[:60]}' has the wrong arguments",
                           f"{name} takes {ARGUMENTS[name] or 'no'} argument{'s' * (ARGUMENTS[name] != 1)}.",
                           "See the table of functions in docs/rule-format.md.")  # fmt: skip
    arguments = tuple(compiler.node(each, depth + 1) for each in tree.args)
    if name in ("share", "ratio"):
        pair = matched(source, tree, ", ", (arguments[0], arguments[1]), compiler.scope.currency, "compare")
        if pair[0].unit.kind not in (Kind.MONEY, Kind.COUNT, Kind.DURATION):
            raise source.error(tree, f"a {name} of '{pair[0].text[:40]}'", "Only amounts, counts and lengths of time "
                               "have a proportion.", "Use two of one unit.")  # fmt: skip
        return Call(text, SHARE, name, pair)
    if name == "multiple_of":
        return _multiple_of(compiler, tree, text, (arguments[0], arguments[1]))
    if name == "since_last":
        return Call(text, DURATION, name, ())
    if name == "first_seen":
        if not isinstance(arguments[0], Name) or arguments[0].name not in FIRST_SEEN_FIELDS:
            raise source.error(tree, f"first_seen of '{arguments[0].text[:40]}'",
                               "It is kept for what identifies the other side or the way.",
                               f"Use one of {', '.join(FIRST_SEEN_FIELDS)}.")  # fmt: skip
        return Call(text, BOOLEAN, name, arguments)
    return _known(compiler, tree, text, arguments[0])


def _multiple_of(compiler: "Compiler", tree: ast.Call, text: str, arguments: tuple[Node, Node]) -> Node:
    pair = matched(compiler.source, tree, ", ", arguments, compiler.scope.currency, "compare")
    if pair[0].unit.kind is not Kind.MONEY:
        raise compiler.source.error(tree, f"multiple_of over '{pair[0].text[:40]}'", "It asks whether an amount is "
                                    "round.", "Write multiple_of(amount, step) with a parameter in money.")  # fmt: skip
    return Call(text, BOOLEAN, "multiple_of", pair)


def _known(compiler: "Compiler", tree: ast.Call, text: str, argument: Node) -> Node:
    if not isinstance(argument, Name | MeasureName | PeerName):
        raise compiler.source.error(tree, f"known of '{argument.text[:40]}'", "Only a field, a measure or a peer "
                                    "value can be missing.",
                                    "Write for example known(profile.account_age).")  # fmt: skip
    if argument.unit.kind is Kind.MONEY and argument.unit.detail is None and compiler.scope.currency:
        argument = settle(argument, compiler.scope.currency)
    return Call(text, BOOLEAN, "known", (argument,))
