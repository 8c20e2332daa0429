"""The byte code of conditions: operands, instructions and the emitter.

A condition becomes instructions for one kernel (:mod:`monitor.engine.decide`) that knows three
truths (false, true, unknown) and stops as soon as the outcome is settled. The code is data: loading or
changing rules compiles nothing.

An **operand** is where a value comes from. Every value is a fraction ``number / denominator`` with a
bound: exact, at least, or unknown. Denominators are 1 but for shares, means and medians, so
that comparisons are exact in integers.

An **instruction** computes one truth and folds it into a truth register: ``mode`` *set* replaces it,
*and* / *or* combine by Kleene's tables and jump to ``target`` when the register is settled. The *first* part of an
*and* / *or* replaces the register and jumps as the others do.
"""

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from monitor.domain.transaction import Int32s, Int64s

FALSE, TRUE, UNDECIDED = 0, 1, 2
EXACT, AT_LEAST, NOT_KNOWN = 0, 1, 2

REGISTERS = 16
"""Truth registers and temporaries of the kernel: the depth of nesting that is accepted."""


class OperandKind(IntEnum):
    """Where a value comes from; the meaning of ``index`` and ``extra`` in brackets."""

    FIELD = 0  # [column of the leg matrix, denominator]
    MEASURE = 1  # [column of the measure matrix, denominator]
    MEAN = 2  # [column of the sum, column of the count]
    PARAMETER = 3  # [column of the parameter table, denominator]
    CONSTANT = 4  # [index of the constant, denominator]
    PEER = 5  # [column of the peer table, denominator]
    TEMPORARY = 6  # [register]


class Operation(IntEnum):
    """What an instruction computes from its operands ``a`` and ``b``."""

    SET = 0  # the truth ``a``
    COMPARE = 1  # a <comparator> b
    IN = 2  # a is in set b
    KNOWN = 3  # a has a value
    MULTIPLE = 4  # a is a multiple of b
    REGISTER = 5  # the truth register ``a``
    RATIO = 6  # temporary c = a / b
    ADD = 7  # temporary c = a + b
    SUBTRACT = 8  # temporary c = a - b
    IS = 9  # the field in column ``a`` is the constant ``b``; c is the field's operand
    HAS = 10  # the field in column ``a`` has a value
    FIELD_IN = 11  # the field in column ``a`` is in set b; c is the field's operand
    FIELD_PARAMETER = 12  # as COMPARE; the operands are columns ``left`` and ``right`` of equal denominators
    MEASURE_PARAMETER = 13
    FIELD_CONSTANT = 14
    MEASURE_CONSTANT = 15
    FIELD_FIELD = 16


COMPARATORS = {"<": 0, "<=": 1, ">": 2, ">=": 3, "==": 4, "!=": 5}
SET_MODE, AND_MODE, OR_MODE, FIRST_AND_MODE, FIRST_OR_MODE = range(5)
OPERATION, MODE, REGISTER, TARGET, A, B, C, NEGATED, LEFT, RIGHT = range(10)
"""Columns of an instruction."""


@dataclass(slots=True)
class Code:
    """Instructions and operands under construction; shared by all conditions of a rulebook."""

    instructions: list[list[int]] = field(default_factory=list)
    operands: dict[tuple[int, int, int], int] = field(default_factory=dict)

    def operand(self, kind: OperandKind, index: int, extra: int = 1) -> int:
        """Number of the operand, one per distinct source."""
        return self.operands.setdefault((int(kind), index, extra), len(self.operands))

    def emit(self, operation: Operation, *, mode: int = SET_MODE, register: int = 0, a: int = 0, b: int = 0, c: int = 0,
             negated: bool = False) -> int:  # fmt: skip
        """Append an instruction and return its number; the target is set by :meth:`land`."""
        self.instructions.append([int(operation), mode, register, 0, a, b, c, int(negated), 0, 0])
        return len(self.instructions) - 1

    def land(self, numbers: list[int]) -> None:
        """Let the given instructions jump to the next one to be emitted."""
        for number in numbers:
            self.instructions[number][TARGET] = len(self.instructions)

    def arrays(self) -> tuple[Int32s, Int64s]:
        """Instructions, shape (n, 10), and operands, shape (m, 3)."""
        operands = list(self.operands)
        instructions = np.array([_direct(each, operands) for each in self.instructions], np.int32).reshape(-1, 10)
        return instructions, np.array(list(self.operands), np.int64).reshape(-1, 3)


_COMPARED_DIRECTLY = {
    (OperandKind.FIELD, OperandKind.PARAMETER): Operation.FIELD_PARAMETER,
    (OperandKind.MEASURE, OperandKind.PARAMETER): Operation.MEASURE_PARAMETER,
    (OperandKind.FIELD, OperandKind.CONSTANT): Operation.FIELD_CONSTANT,
    (OperandKind.MEASURE, OperandKind.CONSTANT): Operation.MEASURE_CONSTANT,
    (OperandKind.FIELD, OperandKind.FIELD): Operation.FIELD_FIELD,
}


def _direct(instruction: list[int], operands: list[tuple[int, int, int]]) -> list[int]:
    """The instruction, or one that reads its operands without asking where they come from: what conditions ask most."""
    operation, mode, register, target, a, b, c, negated, *_ = instruction
    if operation == Operation.KNOWN and operands[a][0] == OperandKind.FIELD:
        return [Operation.HAS, mode, register, target, operands[a][1], 0, 0, negated, 0, 0]
    if operation == Operation.IN and operands[a][0] == OperandKind.FIELD:
        return [Operation.FIELD_IN, mode, register, target, operands[a][1], b, a, negated, 0, 0]
    if operation != Operation.COMPARE:
        return instruction
    (kind, left, over), (other_kind, right, other_over) = operands[a], operands[b]
    is_equality = c in (COMPARATORS["=="], COMPARATORS["!="])
    if is_equality and (kind, over, other_kind, other_over) == (OperandKind.FIELD, 1, OperandKind.CONSTANT, 1):
        is_not = int(c == COMPARATORS["!="])
        return [Operation.IS, mode, register, target, left, right, a, negated ^ is_not, 0, 0]
    direct = _COMPARED_DIRECTLY.get((OperandKind(kind), OperandKind(other_kind)))
    if direct is None or over != other_over:
        return instruction
    return [direct, mode, register, target, a, b, c, negated, left, right]
