"""Which pairs were seen before, in memory that does not grow: counters in blocks of one cache line, in two generations.

A pair of integers has two counters in one block of 64 bytes, so looking it up waits for memory once. Each counter
stands twice, for the present and the former generation; at the end of a generation the former one is forgotten. So a
pair is remembered for at least one generation and at most two. Counters are shared by chance: the smaller of the two
is never too low within the memory, so that what is called new *is* new, while something new is now and then taken for
seen.

Source: count-min sketch, Cormode, G. & Muthukrishnan, S. (2005), "An improved data stream summary", J. Algorithms 55;
one cache line per item: Putze, F., Sanders, P. & Singler, J. (2007), "Cache-, hash- and space-efficient Bloom
filters", WEA.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from models.compiled import inlined, mix, prefetch
from models.room import reserved

BLOCK = 64
_COUNTERS = BLOCK // 2
Counters = npt.NDArray[np.uint8]
"""Shape (blocks, 64): the present generation's 32 counters, then the former one's. ``blocks`` is a power of two."""


def new_counters(log2_blocks: int) -> Counters:
    """Empty counters, each block in one cache line; 64 bytes times ``2**log2_blocks``."""
    return reserved((1 << log2_blocks, BLOCK), np.uint8)


def counters_of(saved: Counters) -> Counters:
    """Saved counters, each block in one cache line again."""
    counters = reserved(saved.shape, np.uint8)
    counters[:] = saved
    return counters


@inlined
def block_of(counters: Counters, item: int) -> int:
    """The block of a hashed pair."""
    return (item >> 10) & (counters.shape[0] - 1)


@inlined
def hashed(kind: int, a: int, b: int) -> int:
    """A hash of a pair of one kind."""
    return mix(a, mix(b, kind))


@inlined
def half_hashed(kind: int, b: int) -> int:
    """What :func:`hashed` makes of its second half alone; with :func:`whole_hashed` it gives the same."""
    return mix(b, kind)


@inlined
def whole_hashed(a: int, half: int) -> int:
    """The hash of a pair of which the second half is hashed already."""
    return mix(a, half)


@inlined
def ask_for_seen(counters: Counters, item: int) -> None:
    """Ask ahead for the counters of a hashed pair."""
    prefetch(counters, block_of(counters, item) * BLOCK)


@inlined
def times_seen(counters: Counters, item: int) -> Any:
    """How often the hashed pair was seen, at least as often as it was; up to 255 per generation."""
    block = counters[block_of(counters, item)]
    one, other = item & (_COUNTERS - 1), (item >> 5) & (_COUNTERS - 1)
    now = min(block[one], block[other])
    former = min(block[_COUNTERS + one], block[_COUNTERS + other])
    return np.int64(now) + np.int64(former)


@inlined
def see(counters: Counters, item: int) -> None:
    """Count the hashed pair; only the smaller counter grows, so that others gain little by chance."""
    block = counters[block_of(counters, item)]
    one, other = item & (_COUNTERS - 1), (item >> 5) & (_COUNTERS - 1)
    low = min(block[one], block[other])
    if low < 255:
        if block[one] == low:
            block[one] += 1
        if other != one and block[other] == low:
            block[other] += 1


@inlined
def turn(counters: Counters) -> None:
    """Begin a new generation: the present one becomes the former, the former is forgotten."""
    for block in range(counters.shape[0]):
        for counter in range(_COUNTERS):
            counters[block, _COUNTERS + counter] = counters[block, counter]
            counters[block, counter] = 0
