"""Open-addressing tables of ``int64`` rows, for kernels: linear probing, deletion by shifting back.

The first two columns of a row are its key; a first column of ``EMPTY`` marks a free row. Tables are grown
between batches, so that a kernel never has to: capacity is a power of two, at most 5/8 full.
"""

import numpy as np
import numpy.typing as npt

from monitor.engine.compiled import called, inlined, kernel, mix

__all__ = ["EMPTY", "delete", "find", "is_full", "mix", "new_table", "regrown"]

EMPTY = -(2**63)
Rows = npt.NDArray[np.int64]


@inlined
def find(table: Rows, a: int, b: int) -> int:
    """The row of key ``(a, b)``, or ``-1 - row`` of the free row where it belongs."""
    last = len(table) - 1
    at = mix(a, b) & last
    while table[at, 0] != EMPTY:
        if table[at, 0] == a and table[at, 1] == b:
            return at
        at = (at + 1) & last
    return -1 - at


@called
def delete(table: Rows, at: int) -> None:
    """Free the row ``at``, and move later rows of its run so that none becomes unreachable."""
    last = len(table) - 1
    hole, probe = at, (at + 1) & last
    while table[probe, 0] != EMPTY:
        home = mix(table[probe, 0], table[probe, 1]) & last
        if ((probe - home) & last) >= ((probe - hole) & last):
            for column in range(table.shape[1]):
                table[hole, column] = table[probe, column]
            hole = probe
        probe = (probe + 1) & last
    table[hole, 0] = EMPTY


@kernel
def _refill(old: Rows, new: Rows, keep: npt.NDArray[np.bool_]) -> int:
    """Insert the rows of ``old`` that are in use and kept; returns their number."""
    kept = 0
    for row in range(len(old)):
        if old[row, 0] != EMPTY and keep[row]:
            at = -1 - find(new, old[row, 0], old[row, 1])
            for column in range(old.shape[1]):
                new[at, column] = old[row, column]
            kept += 1
    return kept


def new_table(capacity: int, columns: int) -> Rows:
    """An empty table; ``capacity`` is a power of two."""
    table = np.zeros((capacity, columns), np.int64)
    table[:, 0] = EMPTY
    return table


def is_full(table: Rows, used: int, coming: int) -> bool:
    """Whether ``coming`` more rows would fill the table beyond 5/8."""
    return (used + coming) * 8 > len(table) * 5


def regrown(table: Rows, used: int, coming: int, keep: npt.NDArray[np.bool_] | None = None) -> tuple[Rows, int]:
    """A table with room for ``coming`` more rows, without the rows not kept; and how many it holds."""
    keep = np.ones(len(table), bool) if keep is None else keep
    staying = int(((table[:, 0] != EMPTY) & keep).sum())
    capacity = 64
    while (staying + coming) * 2 > capacity:
        capacity *= 2
    new = new_table(capacity, table.shape[1])
    return new, int(_refill(table, new, keep))
