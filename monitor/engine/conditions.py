"""The byte code of conditions, run over many legs at once, with three truths.

One instruction is run for all legs that it still matters to before the next one is looked at: what it is and where its
operands stand is worked out once, and the pass over the legs has no branch that depends on them. Legs whose outcome is
settled leave the selection; those that only leave a group of an *and* / *or* wait until the instructions reach its end.
(Boncz, Zukowski & Nes, "MonetDB/X100: Hyper-pipelining query execution", CIDR 2005, calls this vectorised execution
with selection vectors.)

Comparisons are exact: both sides are fractions of integers, and fractions with different
denominators are compared by 128-bit products. A measure that is a lower bound decides what it
proves: ``at least 5`` is above 4 for certain, and whether it is below 9 is unknown.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from monitor.domain.time import UNKNOWN
from monitor.domain.transaction import Int32s, Int64s
from monitor.engine.compiled import called, inlined
from monitor.rulebook.bytecode import (
    AND_MODE,
    AT_LEAST,
    EXACT,
    FALSE,
    FIRST_AND_MODE,
    FIRST_OR_MODE,
    LEFT,
    MODE,
    NEGATED,
    NOT_KNOWN,
    OPERATION,
    OR_MODE,
    REGISTER,
    REGISTERS,
    RIGHT,
    TARGET,
    TRUE,
    UNDECIDED,
    A,
    B,
    C,
    OperandKind,
    Operation,
)

Rows = npt.NDArray[np.int64]
Int8s = npt.NDArray[np.int8]
BLOCK = 1000
"""Legs that are judged together: what is asked of them stays in the processor's cache."""
_FIELD, _MEASURE, _MEAN, _PARAMETER, _CONSTANT, _PEER = (int(OperandKind(k)) for k in range(6))
_SET, _COMPARE, _IN, _KNOWN, _MULTIPLE, _REGISTER, _RATIO, _ADD, _SUBTRACT, _IS, _HAS, _FIELD_IN = (
    int(Operation(k)) for k in range(12)
)
_DIRECT = int(Operation.FIELD_PARAMETER)
"""From here on comparisons know their columns; bits say of a measure or a field, with a constant or a parameter. The
last one compares two fields."""
_FIELD_FIELD = int(Operation.FIELD_FIELD)
_HOLDS = 0b101_010_110_100_011_001
"""By comparator three bits: whether it holds where the left side is below, equal to or above the right one."""
_FITS = 4.0e18
_A, _B, _C, _LEFT, _RIGHT = int(A), int(B), int(C), int(LEFT), int(RIGHT)
_OPERATION, _MODE, _REGISTER_OF, _TARGET, _NEGATED = OPERATION, MODE, REGISTER, TARGET, NEGATED
_NONE_WAITS = 2**31 - 1
_OPEN = 3
"""A truth that is still to be found, leg by leg."""


class Code(NamedTuple):
    """Instructions, shape (n, 10), operands, shape (m, 3), and the words and numbers that they name."""

    instructions: Int32s
    operands: Int64s
    constants: Int64s
    sets: Int64s
    set_values: Int64s


class Asked(NamedTuple):
    """What conditions are asked about: one leg a row.

    ``parameters[combination[i]]`` are the values in force for leg ``i``, ``peers[segment[i]]`` its peers' quantiles.
    """

    fields: Rows
    measures: Rows
    bounds: npt.NDArray[np.uint8]
    parameters: Rows
    combination: Int32s
    peers: Rows
    segment: Int32s


class Scratch(NamedTuple):
    """Room for one block of legs. ``selected`` are places in the block: the legs a condition is asked of.

    After :func:`judge`, ``truths[0]`` has their truth and ``missing`` the first operand that was not known, or -1.
    """

    selected: Int32s
    truths: Int8s
    temporaries: Rows
    missing: Int32s
    found: Int8s
    waiting: Int32s
    waits_for: Int32s
    group_of: Int32s
    grouped: Int32s
    gathered: Int32s
    group_starts: Int32s
    group_stops: Int32s
    groups: Int32s


def scratch(groups: int) -> Scratch:
    """Room for legs of so many groups."""
    return Scratch(
        selected=np.zeros(BLOCK, np.int32),
        truths=np.zeros((REGISTERS + 1, BLOCK), np.int8),
        temporaries=np.zeros((REGISTERS, 3, BLOCK), np.int64),
        missing=np.zeros(BLOCK, np.int32),
        found=np.zeros(BLOCK, np.int8),
        waiting=np.zeros(BLOCK, np.int32),
        waits_for=np.zeros(BLOCK, np.int32),
        group_of=np.zeros(BLOCK, np.int32),
        grouped=np.zeros(BLOCK, np.int32),
        gathered=np.zeros(BLOCK, np.int32),
        group_starts=np.zeros(groups, np.int32),
        group_stops=np.zeros(groups, np.int32),
        groups=np.zeros(groups, np.int32),
    )


@inlined
def product_order(a: int, b: int, c: int, d: int) -> int:
    """-1, 0 or 1 as ``a * b`` is below, equal to or above ``c * d``, without overflow; ``b, d`` > 0."""
    if a < 0 <= c:
        return -1
    if c < 0 <= a:
        return 1
    is_negative = a < 0
    high_1, low_1 = _product(np.uint64(-a if is_negative else a), np.uint64(b))
    high_2, low_2 = _product(np.uint64(-c if is_negative else c), np.uint64(d))
    order: int = 0
    if high_1 != high_2:
        order = 1 if high_1 > high_2 else -1
    elif low_1 != low_2:
        order = 1 if low_1 > low_2 else -1
    return -order if is_negative else order


@inlined
def _product(a, b):
    """The 128-bit product of two unsigned 64-bit numbers: high and low half."""
    mask = np.uint64(0xFFFFFFFF)
    half = np.uint64(32)
    a_high, a_low, b_high, b_low = a >> half, a & mask, b >> half, b & mask
    low = a_low * b_low
    middle_1 = a_high * b_low + (low >> half)
    middle_2 = a_low * b_high + (middle_1 & mask)
    return a_high * b_high + (middle_1 >> half) + (middle_2 >> half), (middle_2 << half) | (low & mask)


@inlined
def _fetch(operand, i, k, code, asked, temporaries):
    """Number, denominator and bound of an operand for leg ``i``, the ``k``-th of its block."""
    kind, index, extra = code.operands[operand, 0], code.operands[operand, 1], code.operands[operand, 2]
    value, denominator, bound = np.int64(0), extra, EXACT
    if kind == _FIELD:
        value = asked.fields[i, index]
    elif kind == _MEASURE:
        value = asked.measures[i, index]
        bound = AT_LEAST if asked.bounds[i, index] else EXACT
    elif kind == _PARAMETER:
        value = asked.parameters[asked.combination[i], index]
    elif kind == _CONSTANT:
        value = code.constants[index]
    elif kind == _PEER:
        value = asked.peers[asked.segment[i], index]
    elif kind == _MEAN:
        value, denominator = asked.measures[i, index], asked.measures[i, extra]
        if asked.bounds[i, index] or denominator == UNKNOWN or denominator == 0:
            value, denominator = np.int64(UNKNOWN), np.int64(1)
    else:
        return temporaries[index, 0, k], temporaries[index, 1, k], temporaries[index, 2, k]
    if value == UNKNOWN:
        bound = NOT_KNOWN
    return value, denominator, np.int64(bound)


@inlined
def _compare(a, a_over, a_bound, b, b_over, b_bound, comparator):
    """The truth of ``a <comparator> b``: < <= > >= == != are 0 to 5."""
    if a_bound == NOT_KNOWN or b_bound == NOT_KNOWN or (a_bound == AT_LEAST and b_bound == AT_LEAST):
        return UNDECIDED
    order = product_order(a, b_over, b, a_over) if a_over != b_over else np.int64(a > b) - np.int64(a < b)
    if comparator == 0:
        truth = order < 0
    elif comparator == 1:
        truth = order <= 0
    elif comparator == 2:
        truth = order > 0
    elif comparator == 3:
        truth = order >= 0
    elif comparator == 4:
        truth = order == 0
    else:
        truth = order != 0
    if a_bound == EXACT and b_bound == EXACT:
        return TRUE if truth else FALSE
    # One side may be larger than it shows. What holds now and for every larger value is settled.
    rises = a_bound == AT_LEAST
    if comparator >= 4:
        is_past = order > 0 if rises else order < 0
        return (TRUE if truth else FALSE) if is_past else UNDECIDED
    wants_large = (comparator >= 2) == rises
    if wants_large:
        return TRUE if truth else UNDECIDED
    return UNDECIDED if truth else FALSE


@inlined
def _quotient(a, a_over, a_bound, b, b_over, b_bound):
    """``a / b`` as a fraction; unknown where ``b`` is not exact and positive, or the fraction does not fit."""
    if a_bound == NOT_KNOWN or b_bound != EXACT or b <= 0:
        return UNKNOWN, np.int64(1), np.int64(NOT_KNOWN)
    if a_over != 1 or b_over != 1:
        if abs(float(a)) * b_over > _FITS or float(b) * a_over > _FITS:
            return UNKNOWN, np.int64(1), np.int64(NOT_KNOWN)
        return a * b_over, b * a_over, a_bound
    return a, b, a_bound


@inlined
def _total(a, a_over, a_bound, b, b_over, b_bound, sign):
    """``a + sign * b``; a lower bound that is taken away leaves nothing known.

    A result that could go beyond 63 bits is unknown.
    """
    if a_bound == NOT_KNOWN or b_bound == NOT_KNOWN or (sign < 0 and b_bound == AT_LEAST):
        return UNKNOWN, np.int64(1), np.int64(NOT_KNOWN)
    bound = AT_LEAST if a_bound == AT_LEAST or b_bound == AT_LEAST else EXACT
    a_factor, b_factor, over = b_over, a_over, np.int64(1)
    if a_over % b_over == 0:
        a_factor, b_factor, over = np.int64(1), a_over // b_over, a_over
    elif b_over % a_over == 0:
        a_factor, b_factor, over = b_over // a_over, np.int64(1), b_over
    elif float(a_over) * b_over > _FITS:
        return UNKNOWN, np.int64(1), np.int64(NOT_KNOWN)
    else:
        over = a_over * b_over
    if abs(float(a)) * a_factor > _FITS or abs(float(b)) * b_factor > _FITS:
        return UNKNOWN, np.int64(1), np.int64(NOT_KNOWN)
    return a * a_factor + sign * b * b_factor, over, np.int64(bound)


@inlined
def _is_multiple(a, a_over, b, b_over):
    """Whether ``a`` is a whole number of ``b``; undecided for a step of zero, and where the fractions do not fit."""
    if a_over != b_over:
        if abs(float(a)) * b_over > _FITS or abs(float(b)) * a_over > _FITS:
            return np.int64(UNDECIDED)
        a, b = a * b_over, b * a_over
    if b == 0:
        return np.int64(UNDECIDED)
    return np.int64(TRUE if a % b == 0 else FALSE)


@inlined
def _contains(sets, values, number, value):
    low, high = sets[number], sets[number + 1]
    while low < high:
        middle = (low + high) >> 1
        if values[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low < sets[number + 1] and values[low] == value


@inlined
def _ask_directly(at, first, count, code, asked, room):
    """Compare two columns for all selected legs; returns for how many that leaves the truth open, as ``_OPEN``."""
    way, left, right = (
        code.instructions[at, _OPERATION] - _DIRECT,
        np.int64(code.instructions[at, _LEFT]),
        np.int64(code.instructions[at, _RIGHT]),
    )
    holds, left_open = np.int64(_HOLDS) >> (3 * code.instructions[at, _C]), np.int64(0)
    for n in range(count):
        i = first + room.selected[n]
        if way & 1:
            value, is_known = asked.measures[i, left], asked.bounds[i, left] == 0
        else:
            value, is_known = asked.fields[i, left], True
        if way == _FIELD_FIELD - _DIRECT:
            other = asked.fields[i, right]
        else:
            other = code.constants[right] if way & 2 else asked.parameters[asked.combination[i], right]
        is_known = is_known & (value != UNKNOWN) & (other != UNKNOWN)
        truth = (holds >> (1 + np.int64(value > other) - np.int64(value < other))) & 1
        room.found[n] = truth if is_known else _OPEN
        left_open += np.int64(not is_known)
    return left_open


@inlined
def _ask_field(at, first, count, code, asked, room):
    """What a field alone says: whether it is a constant, has a value, or is in a set."""
    operation, column, operand = code.instructions[at, _OPERATION], np.int64(code.instructions[at, _A]), np.int32(-1)
    b = code.instructions[at, _B]
    if operation != _HAS:
        operand = code.instructions[at, _C]
    for n in range(count):
        k = room.selected[n]
        value = asked.fields[first + k, column]
        truth = np.int64(value != UNKNOWN)
        if operation != _HAS:
            if truth == 0:
                truth = np.int64(UNDECIDED)
                if room.missing[k] < 0:
                    room.missing[k] = operand
            elif operation == _IS:
                truth = np.int64(value == code.constants[b])
            else:
                truth = np.int64(_contains(code.sets, code.set_values, b, value))
        room.found[n] = truth


@inlined
def _ask_generally(at, first, count, code, asked, room, of_all):
    """Any other question, leg by leg: of all selected, or of those that are ``_OPEN``."""
    operation, a_number = code.instructions[at, _OPERATION], code.instructions[at, _A]
    b_number, c = code.instructions[at, _B], code.instructions[at, _C]
    for n in range(count):
        if not of_all and room.found[n] != _OPEN:
            continue
        k = room.selected[n]
        i, truth = first + k, np.int64(UNDECIDED)
        a, a_over, a_bound = _fetch(a_number, i, k, code, asked, room.temporaries)
        if operation == _KNOWN:
            truth = np.int64(FALSE if a_bound == NOT_KNOWN else TRUE)
        elif operation == _IN:
            if a_bound == EXACT:
                truth = np.int64(TRUE if _contains(code.sets, code.set_values, b_number, a) else FALSE)
            elif room.missing[k] < 0:
                room.missing[k] = a_number
        else:
            b, b_over, b_bound = _fetch(b_number, i, k, code, asked, room.temporaries)
            if operation == _COMPARE or operation >= _DIRECT:
                truth = np.int64(_compare(a, a_over, a_bound, b, b_over, b_bound, c))
            elif a_bound == EXACT and b_bound == EXACT:
                truth = _is_multiple(a, a_over, b, b_over)
            if truth == UNDECIDED and room.missing[k] < 0:
                room.missing[k] = a_number if a_bound != EXACT else b_number
        room.found[n] = truth


@inlined
def _compute(at, first, count, code, asked, room):
    """Write a quotient, sum or difference into a temporary of each selected leg."""
    operation, a_number = code.instructions[at, _OPERATION], code.instructions[at, _A]
    b_number, c = code.instructions[at, _B], code.instructions[at, _C]
    for n in range(count):
        k = room.selected[n]
        a, a_over, a_bound = _fetch(a_number, first + k, k, code, asked, room.temporaries)
        b, b_over, b_bound = _fetch(b_number, first + k, k, code, asked, room.temporaries)
        if operation == _RATIO:
            value, over, bound = _quotient(a, a_over, a_bound, b, b_over, b_bound)
        else:
            sign = 1 if operation == _ADD else -1
            value, over, bound = _total(a, a_over, a_bound, b, b_over, b_bound, sign)
        room.temporaries[c, 0, k], room.temporaries[c, 1, k], room.temporaries[c, 2, k] = value, over, bound
        if bound == NOT_KNOWN and room.missing[k] < 0:
            room.missing[k] = a_number if a_bound == NOT_KNOWN else b_number


@inlined
def _fold(at, stop, count, waiting, code, room):
    """Fold what was found into the truth register; returns how many legs stay selected and how many wait.

    A leg whose register is settled leaves: for good where that makes the condition false, else to the target.
    """
    mode, register = code.instructions[at, _MODE], np.int64(code.instructions[at, _REGISTER_OF])
    target, is_negated = code.instructions[at, _TARGET], code.instructions[at, _NEGATED] != 0
    is_and, is_or = mode in (AND_MODE, FIRST_AND_MODE), mode in (OR_MODE, FIRST_OR_MODE)
    replaces = mode not in (AND_MODE, OR_MODE)
    settling = FALSE if is_and else TRUE if is_or else _OPEN
    is_end = is_and and target == stop and register == 0
    kept = np.int64(0)
    for n in range(count):
        k, truth = room.selected[n], np.int64(room.found[n])
        if is_negated:
            truth = TRUE - truth if truth != UNDECIDED else truth
        leaves = truth == settling
        former = np.int64(room.truths[register, k])
        room.truths[register, k] = truth if replaces | leaves | (truth == UNDECIDED) else former
        room.selected[kept] = k
        kept += np.int64(not leaves)
        if not is_end:
            room.waiting[waiting], room.waits_for[waiting] = k, target
            waiting += np.int64(leaves)
    return kept, waiting


@inlined
def _land(at, count, waiting, room):
    """Select the legs that wait for this instruction; returns how many are selected and wait, and who lands next."""
    left, nearest = 0, np.int64(_NONE_WAITS)
    for n in range(waiting):
        k, target = room.waiting[n], room.waits_for[n]
        if target == at:
            room.selected[count] = k
            count += 1
        else:
            room.waiting[left], room.waits_for[left] = k, target
            left += 1
            nearest = min(nearest, np.int64(target))
    return count, left, nearest


@called
def judge(start, stop, first, count, code, asked, room):
    """Ask the condition in the instructions from ``start`` to ``stop`` of the first ``count`` selected legs.

    ``first`` is the leg at which the block begins. Returns how many legs stay selected: all whose truth, in
    ``room.truths[0]``, may not be false.
    """
    room.missing[:] = -1
    waiting, nearest, at = 0, np.int64(_NONE_WAITS), np.int64(start)
    while at < stop:
        if at == nearest:
            count, waiting, nearest = _land(at, count, waiting, room)
        if count == 0:
            if waiting == 0:
                return 0
            at = nearest
            continue
        operation = code.instructions[at, _OPERATION]
        if _RATIO <= operation <= _SUBTRACT:
            _compute(at, first, count, code, asked, room)
            at += 1
            continue
        left_open, is_general = 0, False
        if operation >= _DIRECT:
            left_open = _ask_directly(at, first, count, code, asked, room)
        elif operation >= _IS:
            _ask_field(at, first, count, code, asked, room)
        elif operation == _SET:
            for n in range(count):
                room.found[n] = code.instructions[at, _A]
        elif operation == _REGISTER:
            for n in range(count):
                room.found[n] = room.truths[code.instructions[at, _A], room.selected[n]]
        else:
            is_general = True
        if is_general or left_open > 0:
            _ask_generally(at, first, count, code, asked, room, is_general)
        before = waiting
        count, waiting = _fold(at, stop, count, waiting, code, room)
        if waiting > before:
            nearest = min(nearest, np.int64(code.instructions[at, _TARGET]))
        at += 1
    return _land(np.int64(stop), count, waiting, room)[0]


@inlined
def group_legs(count, is_plain, room):
    """Sort the legs of a block by group; ``room.group_of`` has each leg's group, or -1 to leave it out.

    ``room.groups`` are the groups that there are, those of plain payments first. Returns how many these are, and how
    many there are in all.
    """
    room.group_starts[:] = 0
    for k in range(count):
        if room.group_of[k] >= 0:
            room.group_starts[room.group_of[k]] += 1
    present, plain, start = 0, 0, np.int32(0)
    for wanted in range(2):
        for group in range(len(is_plain)):
            if is_plain[group] == (wanted == 0):
                members = room.group_starts[group]
                room.group_starts[group] = start
                room.group_stops[group] = start
                start += members
                if members > 0:
                    room.groups[present] = group
                    present += 1
        if wanted == 0:
            plain = present
    for k in range(count):
        group = room.group_of[k]
        if group >= 0:
            room.grouped[room.group_stops[group]] = k
            room.group_stops[group] += 1
    return plain, present


@inlined
def gather(begin, end, is_member, room):
    """Gather the legs of the present groups from ``begin`` to ``end`` that are members; returns how many."""
    count = 0
    for p in range(begin, end):
        group = room.groups[p]
        if is_member[group]:
            for n in range(room.group_starts[group], room.group_stops[group]):
                room.gathered[count] = room.grouped[n]
                count += 1
    return count


@inlined
def select_gathered(count, room):
    """Select the legs gathered, for one more condition."""
    for n in range(count):
        room.selected[n] = room.gathered[n]
