"""The byte code of conditions: operands, instructions and the emitter.

A condition becomes instructions for one kernel (:mod:`monitor.engine.decide`) that knows three
truths (false, true, unknown) and stops as soon as the outcome is settled. The code is data: loading or
changing rules compiles nothing.

An **operand** is where a value comes from. Every value is a fraction ``number / denominator`` with a
bound: exact, at least, or unknown. Denominators are 1 but for shares, means and medians, so
that comparisons are exact in integers.

An **instruction** computes one truth and folds it into a truth register: ``mode`` *set* replaces it,
*and* / *or* combine by Kleene's tables and jump to ``target`` when the register is settled.
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


COMPARATORS = {"<": 0, "<=": 1, ">": 2, ">=": 3, "==": 4, "!=": 5}
SET_MODE, AND_MODE, OR_MODE = 0, 1, 2
OPERATION, MODE, REGISTER, TARGET, A, B, C, NEGATED = range(8)
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
        self.instructions.append([int(operation), mode, register, 0, a, b, c, int(negated)])
        return len(self.instructions) - 1

    def land(self, numbers: list[int]) -> None:
        """Let the given instructions jump to the next one to be emitted."""
        for number in numbers:
            self.instructions[number][TARGET] = len(self.instructions)

    def arrays(self) -> tuple[Int32s, Int64s]:
        """Instructions, shape (n, 8), and operands, shape (m, 3)."""
        operands = list(self.operands)
        instructions = np.array([_direct(each, operands) for each in self.instructions], np.int32).reshape(-1, 8)
        return instructions, np.array(list(self.operands), np.int64).reshape(-1, 3)


def _direct(instruction: list[int], operands: list[tuple[int, int, int]]) -> list[int]:
    """The instruction, or one that reads its field without asking where it comes from: what conditions ask most."""
    operation, mode, register, target, a, b, c, negated = instruction
    if operation == Operation.KNOWN and operands[a][0] == OperandKind.FIELD:
        return [Operation.HAS, mode, register, target, operands[a][1], 0, 0, negated]
    is_equality = operation == Operation.COMPARE and c in (COMPARATORS["=="], COMPARATORS["!="])
    if is_equality and operands[a][::2] == (OperandKind.FIELD, 1) and operands[b][::2] == (OperandKind.CONSTANT, 1):
        is_not = int(c == COMPARATORS["!="])
        return [Operation.IS, mode, register, target, operands[a][1], operands[b][1], a, negated ^ is_not]
    return instruction
