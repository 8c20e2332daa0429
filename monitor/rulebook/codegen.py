"""Typed conditions to byte code.

The parts of an ``and`` / ``or`` are emitted in the order in which they settle most for least: whether something is
known before what it is, words and flags before money, money before measures, a measure against a threshold before one
against a constant. Parts that let pass what is not known (``not known(x) or ...``) come last: they settle next to
nothing. Kleene's tables do not depend on the order.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Protocol

from monitor.domain.flow import MILLION
from monitor.domain.units import Kind
from monitor.domain.vocabulary import SELDOM_GIVEN
from monitor.rulebook.bytecode import (
    AND_MODE,
    COMPARATORS,
    FALSE,
    FIRST_AND_MODE,
    FIRST_OR_MODE,
    OR_MODE,
    REGISTERS,
    SET_MODE,
    TRUE,
    Code,
    OperandKind,
    Operation,
)
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
    Parameter,
    ParameterName,
    PeerName,
    Rule,
)


class ColumnNumbers(Protocol):
    """Where the compiler asks for the number of a column; new ones are added."""

    code: Code

    def of_field(self, name: str, currency: str | None = None) -> int: ...
    def of_parameter(self, parameter: Parameter) -> int: ...
    def of_literal(self, vocabulary: str, word: str) -> int: ...
    def of_set(self, vocabulary: str, words: tuple[str, ...], list_name: str | None) -> int: ...
    def of_peer(self, measure: int, quantile: str) -> int: ...


def children(node: Node) -> tuple[Node, ...]:
    """The direct parts of a node."""
    match node:
        case Compare() | Arithmetic():
            return (node.left, node.right)
        case Logic():
            return node.parts
        case Membership():
            return (node.item,)
        case Call():
            return node.arguments
    return ()


def walk(node: Node) -> Iterator[Node]:
    """The node and all its parts, outermost first."""
    yield node
    for child in children(node):
        yield from walk(child)


def mentions_status(node: Node) -> bool:
    """Whether the condition asks for ``status``; one that does not sees booked payments only."""
    return any(isinstance(part, Name) and part.name == "status" for part in walk(node))


def parameters_in(node: Node) -> set[str]:
    """Names of the parameters that occur."""
    return {part.name for part in walk(node) if isinstance(part, ParameterName)}


def scale_of(parameter: Parameter) -> int:
    """The common denominator of a parameter's values: 1, or a power of ten for shares."""
    if parameter.unit.kind is not Kind.SHARE:
        return 1
    decimals = [-int(Decimal(row.value).normalize().as_tuple().exponent) for row in parameter.rows]
    scale: int = 10 ** max(0, *decimals)
    return scale


def denominator_of(node: Name) -> int:
    """Shares among the fields are in millionths; all other fields are whole numbers."""
    return MILLION if node.unit.kind is Kind.SHARE else 1


_LAST = 1000
_COSTS = {MeasureName: 8, PeerName: 6, Membership: 2, Call: 3, Arithmetic: 2, ParameterName: 2}


def _cost(node: Node) -> int:
    """How dear a part is to evaluate for what it settles, for the order within ``and`` / ``or``."""
    match node:
        case Call(function="known", arguments=(Name() as name,)) if name.name in SELDOM_GIVEN:
            return 2
        case Compare(left=MeasureName(), right=Literal()):
            return 1 + _cost(node.left) + 3
        case Logic(op="or") if any(_is_unknown(part) for part in node.parts):
            return _LAST + sum(_cost(part) for part in node.parts)
        case Name() if node.name.startswith("profile."):
            return 2
    return _COSTS.get(type(node), 1) + sum(_cost(child) for child in children(node))


def _is_unknown(node: Node) -> bool:
    """Whether the part is ``not known(x)``."""
    return isinstance(node, Logic) and node.op == "not" and getattr(node.parts[0], "function", None) == "known"


class ConditionCompiler:
    """Compiles the conditions of one rule into the shared code."""

    def __init__(self, columns: ColumnNumbers, rule: Rule | None, measures: dict[tuple[str, str], tuple[int, int]]):
        self.columns, self.rule, self.measures = columns, rule, measures
        self.code = columns.code
        self.temporaries = 0

    def condition(self, node: Node | None) -> tuple[int, int]:
        """Emit a whole condition into register 0; returns the range of its instructions. None is true."""
        start = len(self.code.instructions)
        self.temporaries = 0
        if node is None:
            self.code.emit(Operation.SET, a=TRUE)
        else:
            self._truth(node, register=0, mode=SET_MODE, negated=False)
        return start, len(self.code.instructions)

    def _truth(self, node: Node, *, register: int, mode: int, negated: bool) -> int:
        """Emit a truth and fold it into the register; returns the instruction that may jump."""
        if register >= REGISTERS:
            raise ValueError(f"condition nested deeper than {REGISTERS} levels: {node.text}")
        fold: dict[str, Any] = {"mode": mode, "register": register, "negated": negated}
        match node:
            case Logic(op="not"):
                return self._truth(node.parts[0], register=register, mode=mode, negated=not negated)
            case Logic():
                child = self._group(node, register + 1 if mode != SET_MODE or negated else register)
                if child == register:
                    return len(self.code.instructions) - 1
                return self.code.emit(Operation.REGISTER, a=child, **fold)
            case Compare():
                a, b = self._value(node.left), self._value(node.right)
                return self.code.emit(Operation.COMPARE, a=a, b=b, c=COMPARATORS[node.op], **fold)
            case Membership():
                vocabulary = node.item.unit.detail or ""
                words = self.columns.of_set(vocabulary, node.words, node.list_name)
                fold["negated"] = negated != node.negated
                return self.code.emit(Operation.IN, a=self._value(node.item), b=words, **fold)
            case Call(function="known"):
                return self.code.emit(Operation.KNOWN, a=self._value(node.arguments[0]), **fold)
            case Call(function="multiple_of"):
                a, b = (self._value(argument) for argument in node.arguments)
                return self.code.emit(Operation.MULTIPLE, a=a, b=b, **fold)
            case Literal():
                return self.code.emit(Operation.SET, a=TRUE if node.value else FALSE, **fold)
        one = self.code.operand(OperandKind.CONSTANT, self.columns.of_literal("", "1"))
        return self.code.emit(Operation.COMPARE, a=self._value(node), b=one, c=COMPARATORS["=="], **fold)

    def _group(self, node: Logic, register: int) -> int:
        """Emit an ``and`` / ``or`` into the register."""
        first_mode, mode = (FIRST_AND_MODE, AND_MODE) if node.op == "and" else (FIRST_OR_MODE, OR_MODE)
        first, *rest = sorted(node.parts, key=_cost)
        jumps = [self._truth(first, register=register, mode=first_mode, negated=False)]
        jumps += [self._truth(part, register=register, mode=mode, negated=False) for part in rest]
        self.code.land(jumps)
        return register

    def _value(self, node: Node) -> int:
        """The operand that yields the node's value; emits instructions for computed ones."""
        operand, columns = self.code.operand, self.columns
        match node:
            case Name():
                currency = node.unit.detail if node.unit.kind is Kind.MONEY else None
                return operand(OperandKind.FIELD, columns.of_field(node.name, currency), denominator_of(node))
            case MeasureName():
                return self._measure(node.window, node.measure)
            case ParameterName():
                assert self.rule is not None
                return self._parameter(self.rule.parameters[node.name])
            case PeerName():
                return self._peer(node)
            case Literal():
                return self._literal(node)
            case Call(function="since_last"):
                return operand(OperandKind.FIELD, columns.of_field("since_last()"))
            case Call(function="first_seen"):
                return operand(OperandKind.FIELD, columns.of_field(f"first_seen({node.arguments[0].text})"))
            case Call(function="share" | "ratio"):
                return self._computed(Operation.RATIO, *node.arguments)
            case Arithmetic():
                operation = Operation.ADD if node.op == "+" else Operation.SUBTRACT
                return self._computed(operation, node.left, node.right)
        raise AssertionError(f"no value: {node!r}")

    def _computed(self, operation: Operation, left: Node, right: Node) -> int:
        a, b = self._value(left), self._value(right)
        temporary = self.temporaries
        self.temporaries += 1
        if temporary >= REGISTERS:
            raise ValueError(f"more than {REGISTERS} computed values in one condition: {left.text}")
        self.code.emit(operation, a=a, b=b, c=temporary)
        return self.code.operand(OperandKind.TEMPORARY, temporary)

    def _measure(self, window: str, measure: str) -> int:
        value, count = self.measures[window, measure]
        if count >= 0:
            return self.code.operand(OperandKind.MEAN, value, count)
        assert self.rule is not None
        function = next(m.function for m in self.rule.windows[window].measures if m.name == measure)
        return self.code.operand(OperandKind.MEASURE, value, 2 if function == "median" else 1)

    def _peer(self, node: PeerName) -> int:
        value, count = self.measures[node.window, node.measure]
        if count >= 0:
            raise ValueError(f"{node.text}: peers of a mean are not kept; compare the sum or the count.")
        assert self.rule is not None
        measures = self.rule.windows[node.window].measures
        function = next(m.function for m in measures if m.name == node.measure)
        column = self.columns.of_peer(value, node.quantile)
        return self.code.operand(OperandKind.PEER, column, 2 if function == "median" else 1)

    def _parameter(self, parameter: Parameter) -> int:
        return self.code.operand(OperandKind.PARAMETER, self.columns.of_parameter(parameter), scale_of(parameter))

    def _literal(self, node: Literal) -> int:
        if isinstance(node.value, str):
            number = self.columns.of_literal(node.unit.detail or "", node.value)
        else:
            number = self.columns.of_literal("", str(int(node.value)))
        return self.code.operand(OperandKind.CONSTANT, number)
