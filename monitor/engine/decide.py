"""The byte-code kernel: every rule's condition for every leg, with three truths.

Comparisons are exact: both sides are fractions of integers, and fractions with different
denominators are compared by 128-bit products. A measure that is a lower bound decides what it
proves: ``at least 5`` is above 4 for certain, and whether it is below 9 is unknown.
"""

import numpy as np
import numpy.typing as npt

from monitor.domain.time import UNKNOWN
from monitor.domain.transaction import Int32s, Int64s
from monitor.engine.compiled import inlined, kernel
from monitor.engine.layout import bit_of
from monitor.rulebook.bytecode import (
    AND_MODE,
    AT_LEAST,
    EXACT,
    FALSE,
    FIRST_AND_MODE,
    FIRST_OR_MODE,
    LEFT,
    NOT_KNOWN,
    OR_MODE,
    REGISTERS,
    RIGHT,
    TRUE,
    UNDECIDED,
    A,
    B,
    C,
    OperandKind,
    Operation,
)

Rows = npt.NDArray[np.int64]
_FIELD, _MEASURE, _MEAN, _PARAMETER, _CONSTANT, _PEER = (int(OperandKind(k)) for k in range(6))
_SET, _COMPARE, _IN, _KNOWN, _MULTIPLE, _REGISTER, _RATIO, _ADD, _SUBTRACT, _IS, _HAS, _FIELD_IN = (
    int(Operation(k)) for k in range(12)
)
_DIRECT = int(Operation.FIELD_PARAMETER)
"""From here on comparisons know their columns; bits say of a measure or a field, with a constant or a parameter."""
_HOLDS = 0b101_010_110_100_011_001
"""By comparator three bits: whether it holds where the left side is below, equal to or above the right one."""
_bit_of = inlined(bit_of)
_FITS = 4.0e18
_A, _B, _C, _LEFT, _RIGHT = int(A), int(B), int(C), int(LEFT), int(RIGHT)


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
def _fetch(operand, i, operands, fields, measures, bounds, parameters, combination, constants, peers, segment,
           temporaries):  # fmt: skip
    """Number, denominator and bound of an operand for leg ``i``."""
    kind, index, extra = operands[operand, 0], operands[operand, 1], operands[operand, 2]
    value, denominator, bound = np.int64(0), extra, EXACT
    if kind == _FIELD:
        value = fields[i, index]
    elif kind == _MEASURE:
        value = measures[i, index]
        bound = AT_LEAST if bounds[i, index] else EXACT
    elif kind == _PARAMETER:
        value = parameters[combination[i], index]
    elif kind == _CONSTANT:
        value = constants[index]
    elif kind == _PEER:
        value = peers[segment[i], index]
    elif kind == _MEAN:
        value, denominator = measures[i, index], measures[i, extra]
        if bounds[i, index] or denominator == UNKNOWN or denominator == 0:
            value, denominator = np.int64(UNKNOWN), np.int64(1)
    else:
        return temporaries[index, 0], temporaries[index, 1], temporaries[index, 2]
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
def evaluate(start, stop, i, instructions, operands, fields, measures, bounds, parameters, combination, constants, sets,
             set_values, peers, segment, truths, temporaries, missing):  # fmt: skip
    """The truth of one condition for leg ``i``; ``missing[0]`` becomes the first operand that was not known."""
    at = start
    while at < stop:
        operation, mode, register = instructions[at, 0], instructions[at, 1], instructions[at, 2]
        a_number = instructions[at, _A]
        truth = np.int64(UNDECIDED)
        if operation >= _DIRECT:
            way, left, right = operation - _DIRECT, instructions[at, _LEFT], instructions[at, _RIGHT]
            is_exact = True
            if way & 1:
                value, is_exact = measures[i, left], bounds[i, left] == 0
            else:
                value = fields[i, left]
            other = constants[right] if way & 2 else parameters[combination[i], right]
            if is_exact and value != UNKNOWN and other != UNKNOWN:
                order = np.int64(value > other) - np.int64(value < other)
                truth = np.int64((_HOLDS >> (3 * instructions[at, _C] + order + 1)) & 1)
            else:
                operation = np.int32(_COMPARE)
        if operation >= _DIRECT:
            pass
        elif operation == _IS:
            value = fields[i, a_number]
            if value != UNKNOWN:
                truth = np.int64(TRUE if value == constants[instructions[at, _B]] else FALSE)
            elif missing[0] < 0:
                missing[0] = instructions[at, _C]
        elif operation == _HAS:
            truth = np.int64(FALSE if fields[i, a_number] == UNKNOWN else TRUE)
        elif operation == _FIELD_IN:
            value = fields[i, a_number]
            if value != UNKNOWN:
                truth = np.int64(TRUE if _contains(sets, set_values, instructions[at, _B], value) else FALSE)
            elif missing[0] < 0:
                missing[0] = instructions[at, _C]
        elif operation == _SET:
            truth = np.int64(a_number)
        elif operation == _REGISTER:
            truth = truths[a_number]
        else:
            a, a_over, a_bound = _fetch(a_number, i, operands, fields, measures, bounds, parameters, combination,
                                        constants, peers, segment, temporaries)  # fmt: skip
            if operation == _KNOWN:
                truth = np.int64(FALSE if a_bound == NOT_KNOWN else TRUE)
            elif operation == _IN:
                if a_bound == EXACT:
                    truth = np.int64(TRUE if _contains(sets, set_values, instructions[at, _B], a) else FALSE)
                elif missing[0] < 0:
                    missing[0] = a_number
            else:
                b, b_over, b_bound = _fetch(instructions[at, _B], i, operands, fields, measures, bounds, parameters,
                                            combination, constants, peers, segment, temporaries)  # fmt: skip
                if operation >= _RATIO:
                    c = instructions[at, _C]
                    if operation == _RATIO:
                        value, over, bound = _quotient(a, a_over, a_bound, b, b_over, b_bound)
                    else:
                        sign = 1 if operation == _ADD else -1
                        value, over, bound = _total(a, a_over, a_bound, b, b_over, b_bound, sign)
                    temporaries[c, 0], temporaries[c, 1], temporaries[c, 2] = value, over, bound
                    if bound == NOT_KNOWN and missing[0] < 0:
                        missing[0] = a_number if a_bound == NOT_KNOWN else instructions[at, _B]
                    at += 1
                    continue
                if operation == _COMPARE:
                    truth = np.int64(_compare(a, a_over, a_bound, b, b_over, b_bound, instructions[at, _C]))
                elif a_bound == EXACT and b_bound == EXACT:
                    truth = _is_multiple(a, a_over, b, b_over)
                if truth == UNDECIDED and missing[0] < 0:
                    missing[0] = a_number if a_bound != EXACT else instructions[at, _B]
        if instructions[at, 7] and truth != UNDECIDED:
            truth = TRUE - truth
        if mode in (AND_MODE, FIRST_AND_MODE):
            if truth == FALSE:
                truths[register] = truth
                at = instructions[at, 3]
                continue
            # What was false would have jumped.
            if mode == FIRST_AND_MODE or truth == UNDECIDED:
                truths[register] = truth
        elif mode in (OR_MODE, FIRST_OR_MODE):
            if truth == TRUE:
                truths[register] = truth
                at = instructions[at, 3]
                continue
            if mode == FIRST_OR_MODE or truth == UNDECIDED:
                truths[register] = truth
        else:
            truths[register] = truth
        at += 1
    return truths[0]


def scratch() -> tuple[Int64s, Rows, Int64s]:
    """Room for a kernel's truth registers, temporaries and first missing operand."""
    return np.zeros(REGISTERS + 1, np.int64), np.zeros((REGISTERS, 3), np.int64), np.zeros(1, np.int64)


@kernel
def filter_masks(
    filters: Int64s,
    settled: Rows,
    open_from: Int32s,
    open_filters: Int32s,
    spans: Int64s,
    is_plain: npt.NDArray[np.bool_],
    leg_class: Int64s,
    rows: Int64s,
    instructions: Int32s,
    operands: Int64s,
    fields: Rows,
    parameters: Rows,
    combination: Int32s,
    constants: Int64s,
    sets: Int64s,
    set_values: Int64s,
    peers: Rows,
    segment: Int32s,
    nothing: Rows,
    none: npt.NDArray[np.uint8],
    truths: Int64s,
    temporaries: Rows,
    missing: Int64s,
    masks: Rows,
) -> None:
    """Write each leg's marks: the bit of filter ``j`` of the table where it passes, the next where that is unknown
    (:func:`monitor.engine.layout.bit_of`).

    ``settled`` has the bits that a leg's class settles, ``open_filters`` what is left to ask
    (:class:`monitor.engine.binding.FiltersByClass`), ``spans`` where its instructions stand, whole and for plain
    payments. ``masks`` is zero before; ``nothing`` and ``none`` stand for
    measures, which filters do not read.
    """
    for i in range(len(rows)):
        if rows[i] < 0:
            continue
        for word in range(masks.shape[1]):
            masks[i, word] = settled[leg_class[i], word]
        plain = np.int64(is_plain[leg_class[i]])
        for n in range(open_from[leg_class[i]], open_from[leg_class[i] + 1]):
            j = np.int64(open_filters[n])
            f = filters[j]
            truth = evaluate(spans[plain, f, 0], spans[plain, f, 1], i, instructions, operands, fields, nothing, none,
                             parameters,
                             combination, constants, sets, set_values, peers, segment, truths, temporaries,
                             missing)  # fmt: skip
            if truth != FALSE:
                bit = _bit_of(j)
                masks[i, bit >> 6] |= np.int64(1) << ((bit & 63) + (truth == UNDECIDED))


@kernel
def decide(
    leg_kind: Int32s,
    operation: Int32s,
    leg_class: Int64s,
    jurisdiction: Int32s,
    rules_from: Int32s,
    rules_to_judge: Int32s,
    spans: Int64s,
    is_plain: npt.NDArray[np.bool_],
    instructions: Int32s,
    operands: Int64s,
    fields: Rows,
    measures: Rows,
    bounds: npt.NDArray[np.uint8],
    parameters: Rows,
    combination: Int32s,
    constants: Int64s,
    sets: Int64s,
    set_values: Int64s,
    peers: Rows,
    segment: Int32s,
    hits: Rows,
    undecided: Rows,
    truths: Int64s,
    temporaries: Rows,
    missing: Int64s,
) -> int:
    """Judge all legs by the rules that their kind, jurisdiction and class leave open.

    Writes (leg, rule) of what holds into ``hits`` and adds to ``undecided[rule, operand]``; returns the
    number of hits, which may exceed what fits: then call again with more room and fresh counts.
    """
    found = 0
    for i in range(len(leg_kind)):
        if operation[i] != 0:
            continue
        plain = np.int64(is_plain[leg_class[i]])
        first = rules_from[leg_kind[i], jurisdiction[i], leg_class[i], 0]
        for n in range(first, rules_from[leg_kind[i], jurisdiction[i], leg_class[i], 1]):
            rule = rules_to_judge[n]
            missing[0] = -1
            truth = evaluate(spans[plain, rule, 0], spans[plain, rule, 1], i, instructions, operands, fields, measures,
                             bounds, parameters,
                             combination, constants, sets, set_values, peers, segment, truths, temporaries,
                             missing)  # fmt: skip
            if truth == TRUE:
                if found < len(hits):
                    hits[found, 0], hits[found, 1] = i, rule
                found += 1
            elif truth == UNDECIDED:
                undecided[rule, missing[0] if missing[0] >= 0 else undecided.shape[1] - 1] += 1
    return found
