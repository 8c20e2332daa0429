"""Filters and rules: which conditions are asked of which legs, and what comes of it.

Legs are judged in blocks, and of a block each condition is asked once, of all legs that it can matter to
(:mod:`monitor.engine.conditions`). Legs of one group are asked the same conditions.
"""

import numpy as np
import numpy.typing as npt

from monitor.domain.transaction import Int32s, Int64s
from monitor.engine.compiled import inlined, kernel
from monitor.engine.conditions import BLOCK, Asked, Code, Scratch, gather, group_legs, judge, select_gathered
from monitor.engine.layout import bit_of
from monitor.engine.sharing import Sharing
from monitor.rulebook.bytecode import FALSE, TRUE, UNDECIDED

Rows = npt.NDArray[np.int64]
_bit_of = inlined(bit_of)


@kernel
def filter_masks(
    filters: Int64s,
    settled: Rows,
    sharing: Sharing,
    spans: Int64s,
    leg_class: Int64s,
    rows: Int64s,
    code: Code,
    asked: Asked,
    room: Scratch,
    masks: Rows,
) -> None:
    """Write each leg's marks: the bit of filter ``j`` of the table where it passes, the next where that is unknown
    (:func:`monitor.engine.layout.bit_of`).

    ``settled`` has the bits that a leg's class settles, ``sharing`` what is left to ask of each class
    (:class:`monitor.engine.binding.FiltersByClass`), ``spans`` where its instructions stand, whole and for plain
    payments. ``masks`` is zero before. Filters read no measures.
    """
    for first in range(0, len(rows), BLOCK):
        count = min(len(rows) - first, BLOCK)
        for k in range(count):
            of_class = leg_class[first + k]
            room.group_of[k] = of_class if rows[first + k] >= 0 else -1
            if rows[first + k] >= 0:
                for word in range(masks.shape[1]):
                    masks[first + k, word] = settled[of_class, word]
        plain_ones, present = group_legs(count, sharing.is_plain, room)
        for share in range(len(sharing.starts) - 1):
            for plain in range(2):
                begin, end = (np.int64(0), plain_ones) if plain else (plain_ones, present)
                asked_of = gather(begin, end, sharing.is_member[share], room)
                if asked_of == 0:
                    continue
                for place in range(sharing.starts[share], sharing.starts[share + 1]):
                    j = np.int64(sharing.conditions[place])
                    f, bit = filters[j], _bit_of(j)
                    select_gathered(asked_of, room)
                    left = judge(spans[plain, f, 0], spans[plain, f, 1], first, asked_of, code, asked, room)
                    for n in range(left):
                        k = room.selected[n]
                        truth = room.truths[0, k]
                        if truth != FALSE:
                            masks[first + k, bit >> 6] |= np.int64(1) << ((bit & 63) + (truth == UNDECIDED))


@kernel
def decide(
    operation: Int32s,
    leg_group: Int32s,
    sharing: Sharing,
    spans: Int64s,
    code: Code,
    asked: Asked,
    room: Scratch,
    hits: Rows,
    undecided: Rows,
    is_open: npt.NDArray[np.bool_],
) -> int:
    """Judge all legs by the rules that their kind, jurisdiction and class leave open.

    ``sharing`` says what the legs of a group are asked (:class:`monitor.engine.binding.RuleGroups`). Writes (leg, rule)
    of what holds into ``hits``, block by block, adds to ``undecided[rule, operand]`` and marks the legs of which a rule
    is undecided in ``is_open``; returns the number of hits, which may exceed what fits: then call again with more room
    and fresh counts. A leg of group -1 is asked nothing.
    """
    found = 0
    for first in range(0, len(leg_group), BLOCK):
        count = min(len(leg_group) - first, BLOCK)
        for k in range(count):
            room.group_of[k] = leg_group[first + k] if operation[first + k] == 0 else -1
        plain_ones, present = group_legs(count, sharing.is_plain, room)
        for share in range(len(sharing.starts) - 1):
            for plain in range(2):
                begin, end = (np.int64(0), plain_ones) if plain else (plain_ones, present)
                asked_of = gather(begin, end, sharing.is_member[share], room)
                if asked_of == 0:
                    continue
                for place in range(sharing.starts[share], sharing.starts[share + 1]):
                    rule = sharing.conditions[place]
                    select_gathered(asked_of, room)
                    left = judge(spans[plain, rule, 0], spans[plain, rule, 1], first, asked_of, code, asked, room)
                    for n in range(left):
                        k = room.selected[n]
                        truth = room.truths[0, k]
                        if truth == TRUE:
                            if found < len(hits):
                                hits[found, 0], hits[found, 1] = first + k, rule
                            found += 1
                        elif truth == UNDECIDED:
                            is_open[first + k] = True
                            operand = room.missing[k]
                            undecided[rule, operand if operand >= 0 else undecided.shape[1] - 1] += 1
    return found
