"""What each account received lately: the state of flow tracing, and how it grows and forgets.

An account has a short ring of *inflows*, payments received, the latest of which displaces the oldest where the ring is
at its limit. Inflows stand in one pool of words, and so do the trails that belong to them (``engine/trails.py``), in
two blocks: their *ends*, who made the first payment and who received it, for as long as the inflow; and the rest of
them, which nobody asks for once the money is gone. Blocks are a multiple of four words long; freed ones are kept in a
list per length. An account without inflows has no block.

An account counts its other sides of a month of 30 days by the hash of their tokens in 64 bits, payers and payees apart;
with the next month it is a hub, or is not. Time at an account is its own: its latest payment, and never further behind
the log than ``Limits.late_us``. So what an account knows depends on its own payments, whoever else is in its partition.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from monitor.domain.flow import MONTH_US, R_POSITION, R_TIME, Limits
from monitor.domain.transaction import Int32s, Int64s
from monitor.engine.compiled import called, inlined, kernel, mix

Rows = npt.NDArray[np.int64]

# An account.
BLOCK, RING, PAYERS, PAYEES, CLOCK = range(5)
ACCOUNT_WORDS = 5
# An inflow. TRAILS and ENDS say where they are; ENDS also how many, and by 24 bits of which origins.
POSITION, TIME, AMOUNT, REST, SOURCE, TRAILS, ENDS = range(7)
INFLOW_WORDS = 7
# The pool: how far it is used, free blocks by their length in quads of words, blocks.
TOP = 0
FREE = 1
FIRST_BLOCK = 32
ROOM = 256
"""Words that one payment can take at most."""

# What is counted.
C_ACCOUNTS, C_CLOCK, C_INFLOWS_LOST, C_TRAILS_LOST, C_HELD, C_CHANGED = range(6)
COUNTS = 6


class State(NamedTuple):
    """What is known of accounts, as the kernel sees it."""

    row_of: Int32s
    accounts: Rows
    marks: npt.NDArray[np.int8]
    """By code: 1 for a hub of the month before, plus two times the bit by which others count the account."""
    pool: Int64s
    counts: Int64s
    changed: Rows
    """Hub marks that have changed: position, code, and the mark; shape (n, 3)."""


@inlined
def quads_for(words):
    """How long a block for so many words is."""
    return (words + 3) >> 2


@inlined
def allocate(pool, quads):
    start = pool[FREE + quads]
    if start != 0:
        pool[FREE + quads] = pool[start]
        return start
    start = pool[TOP]
    pool[TOP] += quads << 2
    return start


@inlined
def release(pool, start, quads):
    pool[start] = pool[FREE + quads]
    pool[FREE + quads] = start


@inlined
def capacity_of(block):
    """How many inflows a block has place for."""
    return ((block & 255) << 2) // INFLOW_WORDS


@inlined
def inflow_at(block, ring, k):
    """The first word of an account's k-th inflow, the oldest being 0."""
    at = (ring >> 8) + k
    if at >= capacity_of(block):
        at -= capacity_of(block)
    return (block >> 8) + at * INFLOW_WORDS


@inlined
def bit_of(origin):
    """The bit of an origin in the word of ends; 24 bits above the count."""
    return np.int64(256) << (origin % 24)


@inlined
def ends_of(word):
    """Where ends stand, and how many there are."""
    return word >> 32, word & 255


@inlined
def use_up(pool, at):
    """An inflow's money is gone: only the ends of its trails will be asked for."""
    pool[at + REST] = 0
    trails = pool[at + TRAILS]
    if trails != 0:
        release(pool, trails >> 8, trails & 255)
        pool[at + TRAILS] = 0


@inlined
def drop_oldest(accounts, pool, row):
    block, ring = accounts[row, BLOCK], accounts[row, RING]
    at = inflow_at(block, ring, 0)
    use_up(pool, at)
    start, count = ends_of(pool[at + ENDS])
    if count != 0:
        release(pool, start, quads_for(count))
    head = (ring >> 8) + 1
    accounts[row, RING] = ((0 if head == capacity_of(block) else head) << 8) | ((ring & 255) - 1)


@inlined
def expire(accounts, pool, counts, row, since_us):
    """Let go of the oldest inflows, as long as they were before a time."""
    while accounts[row, RING] & 255:
        at = inflow_at(accounts[row, BLOCK], accounts[row, RING], 0)
        if pool[at + TIME] >= since_us:
            break
        drop_oldest(accounts, pool, row)
        counts[C_HELD] -= 1


@inlined
def _bits(word):
    """How many bits are set."""
    x = np.uint64(word)
    x = x - ((x >> np.uint64(1)) & np.uint64(0x5555555555555555))
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((x * np.uint64(0x0101010101010101)) >> np.uint64(56))


@inlined
def meet(state, limits, row, record, side, column, other):
    """Count the other side of a payment and let go of what is too old; with a new month, decide about the last one."""
    accounts, marks, counts, code = state.accounts, state.marks, state.counts, record[side]
    before_us = accounts[row, CLOCK]
    clock_us = max(before_us, record[R_TIME], counts[C_CLOCK] - limits.late_us)
    accounts[row, CLOCK] = clock_us
    expire(accounts, state.pool, counts, row, clock_us - limits.horizon_us)
    month = clock_us // MONTH_US
    if month > before_us // MONTH_US:
        is_wide = max(_bits(accounts[row, PAYERS]), _bits(accounts[row, PAYEES])) >= limits.hub_bits
        is_hub = np.int8(is_wide and month == before_us // MONTH_US + 1)
        if is_hub != marks[code] & 1:
            at = counts[C_CHANGED]
            state.changed[at, 0], state.changed[at, 1], state.changed[at, 2] = record[R_POSITION], code, is_hub
            counts[C_CHANGED] += 1
            marks[code] ^= 1
        accounts[row, PAYERS] = accounts[row, PAYEES] = 0
    if other >= 0:
        accounts[row, column] |= np.int64(1) << np.int64(marks[other] >> 1)


@inlined
def make_place(state, limits, row):
    """Make place for one more inflow; the oldest goes where the limit is reached."""
    accounts, pool = state.accounts, state.pool
    block, ring = accounts[row, BLOCK], accounts[row, RING]
    count = ring & 255
    if count >= limits.inflows:
        state.counts[C_INFLOWS_LOST] += np.int64(pool[inflow_at(block, ring, 0) + REST] > 0)
        drop_oldest(accounts, pool, row)
        state.counts[C_HELD] -= 1
    elif block == 0 or count == capacity_of(block):
        _move_inflows(accounts, pool, pool, row, count + (1 if count < 4 else 2))
        if block != 0:
            release(pool, block >> 8, block & 255)


@inlined
def _move_inflows(accounts, pool, target, row, places):
    """Copy an account's inflows into another block with at least so many places; the old one is not released."""
    block, ring = accounts[row, BLOCK], accounts[row, RING]
    quads = quads_for(places * INFLOW_WORDS)
    new = (allocate(target, quads) << 8) | quads
    for k in range(ring & 255):
        source, to = inflow_at(block, ring, k), inflow_at(new, np.int64(0), k)
        for word in range(INFLOW_WORDS):
            target[to + word] = pool[source + word]
    accounts[row, BLOCK], accounts[row, RING] = new, ring & 255


@inlined
def row_of_code(code, state):
    row = state.row_of[code]
    if row < 0:
        row = np.int32(state.counts[C_ACCOUNTS])
        state.row_of[code] = row
        state.counts[C_ACCOUNTS] += 1
    return np.int64(row)


@inlined
def take_back(state, code, position):
    """Take what is left of a reversed payment out of an account's inflows."""
    if code >= 0 and state.row_of[code] >= 0:
        row = state.row_of[code]
        for k in range(state.accounts[row, RING] & 255):
            at = inflow_at(state.accounts[row, BLOCK], state.accounts[row, RING], k)
            if state.pool[at + POSITION] == position:
                use_up(state.pool, at)


@called
def _moved(source, target, start, quads):
    """Copy a block into another pool."""
    to = allocate(target, quads)
    for word in range(quads << 2):
        target[to + word] = source[start + word]
    return to


@kernel
def bits_of_tokens(numbers: Int64s, marks: npt.NDArray[np.int8]) -> None:
    """Marks of accounts that are new: no hub, and the bit by which others count them, from 8 bytes of their tokens."""
    for i in range(len(numbers)):
        marks[i] = 2 * (mix(numbers[i], 0) & 63)


@kernel
def repack(accounts: Rows, rows: int, limits: Limits, counts: Int64s, pool: Int64s, new: Int64s) -> None:
    """Copy what can still be asked for into another pool; accounts without inflows give their blocks back."""
    for row in range(rows):
        clock_us = max(accounts[row, CLOCK], counts[C_CLOCK] - limits.late_us)
        expire(accounts, pool, counts, row, clock_us - limits.horizon_us)
        ring = accounts[row, RING]
        if ring & 255 == 0:
            accounts[row, BLOCK] = accounts[row, RING] = 0
            continue
        for k in range(ring & 255):
            at = inflow_at(accounts[row, BLOCK], ring, k)
            trails, (start, count) = pool[at + TRAILS], ends_of(pool[at + ENDS])
            if trails != 0:
                pool[at + TRAILS] = (_moved(pool, new, trails >> 8, trails & 255) << 8) | (trails & 255)
            if count != 0:
                start = _moved(pool, new, start, quads_for(count))
                pool[at + ENDS] = (start << 32) | (pool[at + ENDS] & 0xFFFFFFFF)
        _move_inflows(accounts, pool, new, row, ring & 255)
