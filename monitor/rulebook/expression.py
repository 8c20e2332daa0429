"""From the text of an expression to a typed tree; what does not fit is refused with its line.

The text is parsed with Python's ``ast`` and only the nodes named here are admitted; nothing is
ever evaluated. Every node gets a unit. Money without a currency (``amount``, declared
income) takes the currency of what it meets: the other side of a comparison or sum, or
else the single currency of the rule. Numbers have no place in the logic, because a number has
an owner, a date and a source: it is a parameter.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field

from monitor.domain.units import BOOLEAN, COUNT, Kind, Unit
from monitor.rulebook.calls import call
from monitor.rulebook.lists import word_problem
from monitor.rulebook.names import attribute_path, resolve
from monitor.rulebook.rule import (
    Arithmetic,
    Compare,
    Literal,
    Logic,
    MeasureName,
    Membership,
    Node,
    Parameter,
    Window,
)
from monitor.rulebook.settle import matched
from monitor.rulebook.source import NODES_MAX, Source, parse

DEPTH_MAX = 24
"""Deepest accepted nesting of an expression."""
WORDS_MAX = 256
"""Most words in a list written inside an expression."""

_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip


@dataclass(frozen=True)
class Scope:
    """What an expression may name. ``windows`` is empty inside a window's own filter."""

    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    windows: Mapping[str, Window] = field(default_factory=dict)
    list_vocabularies: Mapping[str, str] = field(default_factory=dict)
    currency: str | None = None
    is_filter: bool = False


def compile_condition(source: Source, scope: Scope) -> Node:
    """A condition, typed.

    >>> node = compile_condition(Source.of('channel == "cash" and direction == "credit"'), Scope())
    >>> node.op, [part.text for part in node.parts]
    ('and', ['channel == "cash"', 'direction == "credit"'])

    Raises:
        RuleError: The text is no condition of the rule language; the error names the line.
    """
    tree = parse(source)
    compiler = Compiler(source, scope)
    node = compiler.node(tree, 1)
    if node.unit.kind is not Kind.BOOLEAN:
        raise source.error(tree, f"a condition that is {article(node.unit)}", "A condition is true or false.",
                           "Compare it with something, for example a parameter.")  # fmt: skip
    return node


def article(unit: Unit) -> str:
    """The kind of a unit in a sentence.

    >>> article(COUNT), article(Unit(Kind.CATEGORY, "channel"))
    ('a count', 'a word of channel')
    """
    if unit.kind is Kind.CATEGORY:
        return f"a word of {unit.detail}"
    if unit.kind is Kind.BOOLEAN:
        return "true or false"
    return "money" if unit.kind is Kind.MONEY else f"a {unit.kind.value}"


class Compiler:
    """One expression on its way to a typed tree."""

    def __init__(self, source: Source, scope: Scope) -> None:
        self.source = source
        self.scope = scope
        self._nodes = 0

    def node(self, tree: ast.expr, depth: int) -> Node:
        """The typed node of ``tree``."""
        self._nodes += 1
        if depth > DEPTH_MAX or self._nodes > NODES_MAX:
            raise self.source.error(tree, "the expression is too large",
                                    f"At most {DEPTH_MAX} levels and {NODES_MAX} parts are read.",
                                    "Split the rule, or name a window for the inner part.")  # fmt: skip
        text = self.source.segment(tree)
        if isinstance(tree, ast.BoolOp):
            parts = tuple(self._condition(part, depth) for part in tree.values)
            return Logic(text, BOOLEAN, "and" if isinstance(tree.op, ast.And) else "or", parts)
        if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.Not):
            return Logic(text, BOOLEAN, "not", (self._condition(tree.operand, depth),))
        if isinstance(tree, ast.Compare):
            return self._comparison(tree, text, depth)
        if isinstance(tree, ast.BinOp):
            return self._arithmetic(tree, text, depth)
        if isinstance(tree, ast.Call):
            return call(self, tree, text, depth)
        if isinstance(tree, ast.Name | ast.Attribute):
            return resolve(self.source, tree, self.scope, text)
        if isinstance(tree, ast.Constant):
            return self._constant(tree, text)
        raise self.source.error(tree, f"'{text[:60]}' is not part of the rule language",
                                f"It is Python's {type(tree).__name__}, which rules do not have.",
                                "Use and, or, not, comparisons, + and -, in, names, quoted words and "
                                "the functions of docs/rule-format.md.")  # fmt: skip

    def _condition(self, tree: ast.expr, depth: int) -> Node:
        node = self.node(tree, depth + 1)
        if node.unit.kind is not Kind.BOOLEAN:
            raise self.source.error(tree, f"'{node.text[:60]}' is {article(node.unit)}, not a condition",
                                    "and, or and not join what is true or false.",
                                    "Compare it with something, for example a parameter.")  # fmt: skip
        return node

    def _constant(self, tree: ast.Constant, text: str) -> Node:
        if isinstance(tree.value, bool):
            raise self.source.error(tree, f"'{text}' stands alone", "A condition that is always the same decides "
                                    "nothing.", "Write the name itself, or not before it.")  # fmt: skip
        if isinstance(tree.value, int | float):
            raise self.source.error(tree, f"the number {text[:30]} in the logic",
                                    "A number that decides has an owner, a date and a source.",
                                    "Make it a parameter with unit, meaning and cite, and write its "
                                    "name here.")  # fmt: skip
        if isinstance(tree.value, str):
            raise self.source.error(tree, f"the word {text[:60]} stands alone", "A word is compared with a field.",
                                    'Write for example channel == "cash".')  # fmt: skip
        raise self.source.error(tree, f"'{text[:60]}' is not part of the rule language",
                                "Rules have names and quoted words.", "Write a name or a word in quotes.")  # fmt: skip

    def _comparison(self, tree: ast.Compare, text: str, depth: int) -> Node:
        if len(tree.ops) > 1:
            raise self.source.error(tree, "two comparisons in a chain", "A chain is easily misread.",
                                    "Write two comparisons joined with and.")  # fmt: skip
        right, operator = tree.comparators[0], tree.ops[0]
        if isinstance(operator, ast.In | ast.NotIn):
            return self._membership(tree, right, text, depth)
        if type(operator) not in _COMPARISONS:
            raise self.source.error(tree, "'is' in a comparison", "Rules compare values.", "Write == or !=.")
        op = _COMPARISONS[type(operator)]
        words = [side for side in (tree.left, right) if isinstance(side, ast.Constant) and isinstance(side.value, str)]
        if words:
            return self._word_comparison(tree, op, text, depth)
        zero_or_one = self._bound(tree.left, right, depth)
        pair = zero_or_one or (self.node(tree.left, depth + 1), self.node(right, depth + 1))
        left_node, right_node = matched(self.source, tree, f" {op} ", pair, self.scope.currency, "compare")
        if left_node.unit.kind is Kind.BOOLEAN:
            raise self.source.error(tree, "a comparison of true or false", "It reads as a condition already.",
                                    "Write the name itself, or not before it.")  # fmt: skip
        if left_node.unit.kind is Kind.CATEGORY and op not in ("==", "!="):
            raise self.source.error(tree, f"words compared with {op}", "Words have no order.",
                                    "Use ==, != or in.")  # fmt: skip
        return Compare(text, BOOLEAN, op, left_node, right_node)

    def _bound(self, left: ast.expr, right: ast.expr, depth: int) -> tuple[Node, Node] | None:
        """The pair, if one side is a bare 0 or 1 and the other a measure that counts."""
        sides: list[Node] = []
        literals = [_zero_or_one(side) for side in (left, right)]
        if literals.count(None) != 1:
            return None
        for side, value in zip((left, right), literals, strict=True):
            if value is not None:
                sides.append(Literal(str(value), COUNT, value))
                continue
            node = self.node(side, depth + 1)
            if not isinstance(node, MeasureName) or node.unit.kind is not Kind.COUNT:
                return None
            sides.append(node)
        return sides[0], sides[1]

    def _word_comparison(self, tree: ast.Compare, op: str, text: str, depth: int) -> Node:
        if op not in ("==", "!="):
            raise self.source.error(tree, f"a word compared with {op}", "Words have no order.", "Use ==, != or in.")
        sides = (tree.left, tree.comparators[0])
        if all(isinstance(side, ast.Constant) for side in sides):
            raise self.source.error(tree, "two fixed values compared", "The answer is always the same.",
                                    "Compare a field with a word.")  # fmt: skip
        field_side = next(side for side in sides if not isinstance(side, ast.Constant))
        node = self.node(field_side, depth + 1)
        typed = [self._word(side, node.unit, node.text) if isinstance(side, ast.Constant) else node for side in sides]
        return Compare(text, BOOLEAN, op, typed[0], typed[1])

    def _word(self, tree: ast.expr, unit: Unit, other: str) -> Literal:
        text = self.source.segment(tree)
        if not isinstance(tree, ast.Constant) or not isinstance(tree.value, str):
            raise self.source.error(tree, f"'{text[:60]}' where a word is expected", "Only words in quotes can "
                                    "stand here.", 'Write for example "cash".')  # fmt: skip
        if unit.kind is not Kind.CATEGORY:
            raise self.source.error(tree, f"cannot compare {article(unit)} with a word",
                                    f"'{other[:60]}' is {article(unit)}.", "Compare it with a parameter.")  # fmt: skip
        problem = word_problem(unit.detail or "", tree.value)
        if problem:
            raise self.source.error(tree, f"the word {text[:60]} does not belong to {unit.detail}",
                                    f"It is {problem}." if problem.startswith("no") else f"{problem}.".capitalize(),
                                    "Correct the word.")  # fmt: skip
        return Literal(text, unit, tree.value)

    def _membership(self, tree: ast.Compare, right: ast.expr, text: str, depth: int) -> Node:
        item = self.node(tree.left, depth + 1)
        negated = isinstance(tree.ops[0], ast.NotIn)
        if item.unit.kind is not Kind.CATEGORY:
            raise self.source.error(tree, f"{article(item.unit)} looked up in a list",
                                    f"'{item.text[:60]}' is no word.", "Only words can be in a list.")  # fmt: skip
        if isinstance(right, ast.List | ast.Tuple):
            if not 1 <= len(right.elts) <= WORDS_MAX:
                raise self.source.error(right, f"a list of {len(right.elts)} words", f"A list in the logic has 1 to "
                                        f"{WORDS_MAX} words.", "Use a named list, list.<name>.")  # fmt: skip
            words = tuple(str(self._word(word, item.unit, item.text).value) for word in right.elts)
            return Membership(text, BOOLEAN, item, words, None, negated)
        path = attribute_path(right)
        if path is None or len(path) != 2 or path[0] != "list":
            raise self.source.error(right, f"'{self.source.segment(right)[:60]}' after in",
                                    "in looks a word up in a list.",
                                    'Write ["cash", "atm"] or list.<name>.')  # fmt: skip
        vocabulary = self.scope.list_vocabularies.get(path[1])
        if vocabulary is None:
            known = ", ".join(sorted(self.scope.list_vocabularies)) or "none"
            raise self.source.error(right, f"the list '{path[1][:60]}' is unknown",
                                    f"The lists loaded are: {known}.",
                                    f"Add rules/lists/{path[1][:60]}.yaml, or correct the name.")  # fmt: skip
        if vocabulary != item.unit.detail:
            raise self.source.error(tree, f"a word of {item.unit.detail} looked up in a list of {vocabulary}",
                                    "It can never be found there.", f"Use a field of {vocabulary}.")  # fmt: skip
        return Membership(text, BOOLEAN, item, (), path[1], negated)

    def _arithmetic(self, tree: ast.BinOp, text: str, depth: int) -> Node:
        if not isinstance(tree.op, ast.Add | ast.Sub):
            raise self.source.error(tree, f"'{text[:60]}' multiplies or divides", "Rules add and subtract.",
                                    "For a proportion write share(part, whole) or ratio(a, b).")  # fmt: skip
        op = "+" if isinstance(tree.op, ast.Add) else "-"
        pair = (self.node(tree.left, depth + 1), self.node(tree.right, depth + 1))
        verb = "add" if op == "+" else "subtract"
        left, right = matched(self.source, tree, f" {op} ", pair, None, verb)
        if left.unit.kind not in (Kind.MONEY, Kind.COUNT, Kind.DURATION, Kind.SHARE):
            raise self.source.error(tree, f"cannot {verb} {article(left.unit)}", "Only numbers can be added.",
                                    "Remove the sign.")  # fmt: skip
        return Arithmetic(text, left.unit, op, left, right)


def _zero_or_one(tree: ast.expr) -> int | None:
    if isinstance(tree, ast.Constant) and type(tree.value) is int and tree.value in (0, 1):
        return tree.value
    return None
