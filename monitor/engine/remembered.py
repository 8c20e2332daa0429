"""Rows remembered by id: dense, found by an index of eight bytes a slot, let go of a few at a time.

A row's first two columns are its id, the others are the caller's. Rows never move. Those let go of are used again, the
first one first, so that rows stay in the order in which they came, round and round. A hand goes round before them:
whoever needs room has it look at a few rows. Only where that frees too few does it look at all, and where that frees
less than an eighth, the rows grow by a quarter: so an eighth of a round goes by before either happens again.

An entry of the index is the low half of an id's hash, from which its place follows, and in its low half the number of
the row, counted from one; zero is a free one. Entries are looked through one by one from their place on (linear
probing), and an id is read only where half of its hash agrees. The index is a power of two long and at most 5/8 full.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from monitor.engine.compiled import called, inlined, kernel, mix
from monitor.engine.hashing import EMPTY

Rows = npt.NDArray[np.int64]
Index = npt.NDArray[np.int64]

FIRST_FREE, LAST_FREE, FREE, TOP, HAND = range(5)
"""The marks: the rows let go of first and last, where any are; how many are free below ``TOP``; the first row never
used; the row that the hand looks at next."""
LOOKED_AT = 8
"""How many rows the hand looks at for each row that is wanted, before it looks at all."""
_HALF = 0xFFFFFFFF


class Remembered(NamedTuple):
    """The rows, shape (capacity, columns), their index, and the marks, as kernels see them."""

    rows: Rows
    slots: Index
    marks: Rows


def empty(columns: int, capacity: int = 4096) -> Remembered:
    """Nothing remembered yet, with room for so many rows."""
    rows = np.zeros((capacity, columns), np.int64)
    return Remembered(rows, np.zeros(_slots(capacity), np.int64), np.zeros(5, np.int64))


@inlined
def place(index, a, b):
    """Where the search for an id begins in the index."""
    return mix(a, b) & (len(index) - 1)


@inlined
def find_row(rows, index, a, b):
    """The row of id ``(a, b)``, or ``-1 - slot`` of the free slot of the index where it belongs."""
    last, hashed = len(index) - 1, mix(a, b)
    slot, half = hashed & last, hashed & _HALF
    while index[slot] != 0:
        if (index[slot] >> 32) & _HALF == half:
            row = (index[slot] & _HALF) - 1
            if rows[row, 0] == a and rows[row, 1] == b:
                return row
        slot = (slot + 1) & last
    return -1 - slot


@inlined
def take_row(rows, index, marks, slot, a, b):
    """A free row, entered for id ``(a, b)`` at a free slot of the index; the caller has seen that there is one."""
    if marks[FREE] > 0:
        row = marks[FIRST_FREE]
        marks[FIRST_FREE] = rows[row, 1]
        marks[FREE] -= 1
    else:
        row = marks[TOP]
        marks[TOP] += 1
    rows[row, 0], rows[row, 1] = a, b
    index[slot] = ((mix(a, b) & _HALF) << 32) | (row + 1)
    return row


@called
def let_go(rows, index, marks, row):
    """Free a row, and move later entries of its run so that none becomes unreachable."""
    last = len(index) - 1
    hole = mix(rows[row, 0], rows[row, 1]) & last
    while index[hole] & _HALF != row + 1:
        hole = (hole + 1) & last
    probe = (hole + 1) & last
    while index[probe] != 0:
        home = (index[probe] >> 32) & last
        if ((probe - home) & last) >= ((probe - hole) & last):
            index[hole] = index[probe]
            hole = probe
        probe = (probe + 1) & last
    index[hole] = 0
    rows[row, 0] = EMPTY
    if marks[FREE] > 0:
        rows[marks[LAST_FREE], 1] = row
    else:
        marks[FIRST_FREE] = row
    marks[LAST_FREE] = row
    marks[FREE] += 1


@kernel
def _enter_all(rows: Rows, top: int, index: Index) -> None:
    """Enter the rows below ``top`` into an index that is empty."""
    last = len(index) - 1
    for row in range(top):
        if rows[row, 0] != EMPTY:
            hashed = mix(rows[row, 0], rows[row, 1])
            slot = hashed & last
            while index[slot] != 0:
                slot = (slot + 1) & last
            index[slot] = ((hashed & _HALF) << 32) | (row + 1)


@kernel
def _spread(index: Index, larger: Index) -> None:
    """Enter all entries into a larger index, which is empty."""
    last = len(larger) - 1
    for entry in index:
        if entry != 0:
            slot = (entry >> 32) & last
            while larger[slot] != 0:
                slot = (slot + 1) & last
            larger[slot] = entry


def used(remembered: Remembered) -> int:
    """How many rows are remembered."""
    return int(remembered.marks[TOP] - remembered.marks[FREE])


def room(remembered: Remembered) -> int:
    """How many more rows there is room for."""
    rows, _, marks = remembered
    return int(marks[FREE] + len(rows) - marks[TOP])


def with_room(remembered: Remembered, coming: int) -> Remembered:
    """The same with room for ``coming`` more rows, a quarter longer where it had too little."""
    rows, index, marks = remembered
    if room(remembered) < coming:
        longer = np.zeros((len(rows) + max(coming, len(rows) // 4), rows.shape[1]), np.int64)
        longer[: marks[TOP]] = rows[: marks[TOP]]
        rows = longer
    if (used(remembered) + coming) * 8 > len(index) * 5:
        larger = np.zeros(_slots(used(remembered) + coming), np.int64)
        _spread(index, larger)
        index = larger
    return Remembered(rows, index, marks)


def _slots(entries: int) -> int:
    """The length of an index of so many entries: at most half full, and never without a free slot."""
    return max(64, 1 << (2 * entries - 1).bit_length())


def saved(remembered: Remembered) -> tuple[Rows, Rows]:
    """The rows and the marks as they are saved; the index follows from them. Valid until the next batch."""
    return remembered.rows[: remembered.marks[TOP]], remembered.marks


def loaded(rows: Rows, marks: Rows) -> Remembered:
    """What was saved, in arrays of its own."""
    marks = np.array(marks)
    own = np.array(rows)
    index = np.zeros(_slots(max(1, int(marks[TOP] - marks[FREE]))), np.int64)
    _enter_all(own, int(marks[TOP]), index)
    return Remembered(own, index, marks)
