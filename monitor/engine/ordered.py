"""Sorted blocks in one pool: exact minimum, maximum and median of a window that changes.

A block is a run of ``int64`` in ascending order; its place is kept in two slots of a key's row: where it
stands with the logarithm of its capacity, and how many values it holds. Inserting moves the
values behind; for the few hundred values of a key that is one short copy, and a hub with 65,536 pays
some microseconds. Freed blocks are kept in a list per capacity.
"""

import numpy as np
import numpy.typing as npt

from monitor.domain.transaction import Int64s
from monitor.engine.compiled import called, inlined

Rows = npt.NDArray[np.int64]
TOP = 0
FREE_LISTS = 1
FIRST_BLOCK = 48
SMALLEST_LOG2 = 2


def new_pool(capacity: int = 1024) -> Int64s:
    """An empty pool."""
    pool = np.zeros(capacity, np.int64)
    pool[TOP] = FIRST_BLOCK
    return pool


@inlined
def has_room(pool, order_updates, values):
    """Whether so many blocks of up to so many values could all double."""
    return pool[TOP] + order_updates * 4 * (values + 4) <= len(pool)


@called
def _allocate(pool, log2):
    start = pool[FREE_LISTS + log2]
    if start != 0:
        pool[FREE_LISTS + log2] = pool[start]
        return start
    start = pool[TOP]
    pool[TOP] += np.int64(1) << log2
    return start


@called
def release(pool, start, log2):
    pool[start] = pool[FREE_LISTS + log2]
    pool[FREE_LISTS + log2] = start


@inlined
def _rank(pool, start, size, value):
    """How many values of the block are smaller."""
    low, high = start, start + size
    while low < high:
        middle = (low + high) >> 1
        if pool[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low - start


@called
def insert(pool, numbers, base, slot, value):
    """Add a value to the block of ``slot``."""
    size = numbers[base, slot + 1]
    start, log2 = numbers[base, slot] >> 8, numbers[base, slot] & 255
    if numbers[base, slot] == 0:
        log2 = SMALLEST_LOG2
        start = _allocate(pool, log2)
    elif size == np.int64(1) << log2:
        wider = _allocate(pool, log2 + 1)
        for k in range(size):
            pool[wider + k] = pool[start + k]
        release(pool, start, log2)
        start, log2 = wider, log2 + 1
    at = start + _rank(pool, start, size, value)
    for k in range(start + size, at, -1):
        pool[k] = pool[k - 1]
    pool[at] = value
    numbers[base, slot] = (start << 8) | log2
    numbers[base, slot + 1] = size + 1


@called
def remove(pool, numbers, base, slot, value):
    """Take one occurrence of a value out of the block of ``slot``."""
    size = numbers[base, slot + 1]
    start, log2 = numbers[base, slot] >> 8, numbers[base, slot] & 255
    for k in range(start + _rank(pool, start, size, value), start + size - 1):
        pool[k] = pool[k + 1]
    numbers[base, slot + 1] = size - 1
    if size == 1:
        release(pool, start, log2)
        numbers[base, slot] = 0


@inlined
def smallest(pool, numbers, base, slot):
    """The smallest value; UNKNOWN of an empty block."""
    return pool[numbers[base, slot] >> 8] if numbers[base, slot + 1] > 0 else np.int64(-(2**63))


@inlined
def largest(pool, numbers, base, slot):
    """The largest value; UNKNOWN of an empty block."""
    size = numbers[base, slot + 1]
    return pool[(numbers[base, slot] >> 8) + size - 1] if size > 0 else np.int64(-(2**63))


@inlined
def twice_median(pool, numbers, base, slot):
    """The sum of the two middle values, so that the median stays whole; UNKNOWN of an empty block."""
    size = numbers[base, slot + 1]
    if size == 0:
        return np.int64(-(2**63))
    start = numbers[base, slot] >> 8
    return pool[start + (size - 1) // 2] + pool[start + size // 2]
