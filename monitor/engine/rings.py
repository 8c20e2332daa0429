"""Rings of events in one pool: each key has a block of its own, which doubles as it fills.

A key's events lie next to each other, so that walking over them, and taking out the oldest, touches few cache lines
and needs no links. Events have ordinals, counted per key modulo 2**32; an event stands at its ordinal modulo the
capacity. A block is the records of all events, one behind the other, and behind them the codes, column by column, so
that a search for a code reads codes only.

A key's place is one number: the block's first word and the logarithm of its capacity. Freed blocks are kept in a list
per capacity; word 0 of the pool says where the part begins that was never used. Keys grow alike, so small blocks that
were given back are rarely wanted again: a pool that is full is packed into another one without them.
"""

import numpy as np

from monitor.domain.transaction import Int64s
from monitor.engine.compiled import called, inlined

TOP = 0
_FREE_LISTS = 1
_FIRST_BLOCK = 48
SMALLEST_LOG2 = 2


def new_ring_pool(words: int = 4096) -> Int64s:
    """An empty pool with room for so many words of blocks."""
    pool = np.zeros(_FIRST_BLOCK + words, np.int64)
    pool[TOP] = _FIRST_BLOCK
    return pool


@inlined
def between(first, stop):
    """How many events there are from one ordinal up to another."""
    return np.int64(np.int32(stop - first))


@inlined
def capacity_of(ring):
    """How many events fit into a ring."""
    return np.int64(1) << (ring & 255)


@inlined
def record_at(ring, event, words):
    """The first word of an event's record."""
    return (ring >> 8) + (event & (capacity_of(ring) - 1)) * words


@inlined
def codes_at(ring, event, words):
    """Where the first code of an event stands, as an index of 32-bit integers; the next ones are ``capacity`` apart."""
    capacity = capacity_of(ring)
    return 2 * ((ring >> 8) + capacity * words) + (event & (capacity - 1))


@inlined
def copy_events(source, source32, ring, target, target32, new, first, count, words, codes):
    """Copy events into another block, of the same pool or of another one."""
    for k in range(count):
        start, stop = record_at(ring, first + k, words), record_at(new, first + k, words)
        for word in range(words):
            target[stop + word] = source[start + word]
        start, stop = codes_at(ring, first + k, words), codes_at(new, first + k, words)
        for column in range(codes):
            target32[stop + column * capacity_of(new)] = source32[start + column * capacity_of(ring)]


@inlined
def block_words(words, codes, log2):
    return (np.int64(words) << log2) + (((np.int64(codes) << log2) + 1) >> 1)


@inlined
def has_block(pool, words, codes, log2):
    """Whether a block for ``2**log2`` events is there without growing the pool."""
    return pool[_FREE_LISTS + log2] != 0 or pool[TOP] + block_words(words, codes, log2) <= len(pool)


@called
def allocate(pool, words, codes, log2):
    """A block for ``2**log2`` events of so many words and codes; the caller has seen that there is one."""
    start = pool[_FREE_LISTS + log2]
    if start != 0:
        pool[_FREE_LISTS + log2] = pool[start]
        return start
    start = pool[TOP]
    pool[TOP] += block_words(words, codes, log2)
    return start


@called
def release(pool, start, log2):
    """Give a block back."""
    pool[start] = pool[_FREE_LISTS + log2]
    pool[_FREE_LISTS + log2] = start
