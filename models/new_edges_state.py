"""What :mod:`models.new_edges` keeps of an account: one cache line, and what is remembered beside it in one pool.

An account's line has when it last paid, where its remembered payments in and out stand, and its habits in the first
channel that it used. Remembered payments are rings in blocks that begin with room for two and are doubled up to the
limit, as long as the oldest one is young enough to matter; habits in further channels are blocks of one, two, four and
seven. Blocks that were grown out of are kept in lists by length and given again. So most accounts, which have few new
partners, take few bytes, and a payment waits for few cache lines.

Times are whole seconds since 1970 in 32 bits, up to the year 2106; a time outside counts as the nearest inside.
"""

import numpy as np
import numpy.typing as npt

from models.compiled import called, inlined, kernel, prefetch
from models.room import reserved

Words = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]
"""The same memory as words."""

CHANNELS = 8
"""Channels told apart; a code beyond shares a place with another."""

# An account. IN and OUT are added to BLOCK and RING; a ring is its count, newest entry and class, 8 bits each.
PAID, BLOCK, RING, MORE, SLOTS, NEW_INS, _HABIT = 0, 1, 3, 5, 6, 7, 8
ACCOUNT_WORDS = 16
"""One cache line."""
IN, OUT = 0, 1
# Remembered: its time and its other side (``-1 - payer`` where a payment in was not the first); in: ln amount, chain.
TIME, OTHER, AMOUNT, CHAINED = range(4)
IN_WORDS, OUT_WORDS = 4, 2
# Habits of an account in a channel.
NEW_OUT, NEW_IN, ROWS_OUT, ROWS_IN, MEAN, VARIANCE = range(6)
_HABIT_WORDS = 6
_NOT_YET, _INLINE = 0, -1

REMEMBERED_MAX = 128

# The pool: how far it is used, lists of free blocks, blocks; place 0 is no block.
TOP, _FREE, _FIRST_BLOCK = 0, 1, 32
_CLASSES = 8
_SECOND_US = 1_000_000
_LINE = 16


def words_of_account(remembered: int) -> int:
    """Words of the pool that one account can have in use."""
    return remembered * (IN_WORDS + OUT_WORDS) + (CHANNELS - 1) * _HABIT_WORDS


def words_of_payment(remembered: int) -> int:
    """Words of the pool that one payment can take: a block of each kind, and one for each side's habits."""
    return remembered * (IN_WORDS + OUT_WORDS) + 2 * (CHANNELS - 1) * _HABIT_WORDS


def new_accounts(rows: int) -> Words:
    """Room for accounts without a past, each in one cache line."""
    return reserved((rows, ACCOUNT_WORDS), np.int32)


def new_pool(words: int) -> Words:
    """An empty pool with room for so many words of blocks."""
    pool = reserved((_FIRST_BLOCK + words,), np.int32)
    pool[TOP] = _FIRST_BLOCK
    return pool


@inlined
def seconds(time_us):
    """A time as it is kept."""
    return min(max(time_us // _SECOND_US, 0), 0xFFFFFFFF)


@inlined
def kept_time(word):
    """A kept time in seconds."""
    return np.int64(word) & 0xFFFFFFFF


@inlined
def _allocate(pool, free, words):
    start = np.int64(pool[_FREE + free])
    if start != 0:
        pool[_FREE + free] = pool[start]
        return start
    start = np.int64(pool[TOP])
    pool[TOP] = start + words
    return start


@inlined
def _release(pool, free, start):
    pool[start] = pool[_FREE + free]
    pool[_FREE + free] = start


@inlined
def _capacity(ring, remembered):
    return min(np.int64(2) << (ring >> 16), remembered)


@inlined
def entry_at(block, ring, back, words, remembered):
    """The first word of the remembered payment that is ``back`` before the newest."""
    place = ((ring >> 8) & 255) - back
    if place < 0:
        place += _capacity(ring, remembered)
    return block + place * words


@inlined
def remember(accounts, pool, row, side, words, remembered, oldest):
    """Place for one more payment; the oldest goes where it is older than ``oldest`` seconds, or at the limit."""
    block, ring = np.int64(accounts[row, BLOCK + side]), np.int64(accounts[row, RING + side])
    if block == 0:
        accounts[row, BLOCK + side] = block = _allocate(pool, side * _CLASSES, min(np.int64(2), remembered) * words)
        accounts[row, RING + side] = 1
        return block
    count, newest, log2, capacity = ring & 255, (ring >> 8) & 255, ring >> 16, _capacity(ring, remembered)
    if count == capacity:
        is_old = kept_time(pool[entry_at(block, ring, count - 1, words, remembered) + TIME]) < oldest
        if not is_old and capacity < remembered:
            grown = _allocate(pool, side * _CLASSES + log2 + 1, min(2 * capacity, remembered) * words)
            for back in range(count):
                source, target = entry_at(block, ring, back, words, remembered), grown + (count - 1 - back) * words
                for word in range(words):
                    pool[target + word] = pool[source + word]
            _release(pool, side * _CLASSES + log2, block)
            accounts[row, BLOCK + side] = block = grown
            newest, log2, capacity = count - 1, log2 + 1, min(2 * capacity, remembered)
    newest = newest + 1 if newest + 1 < capacity else np.int64(0)
    accounts[row, RING + side] = min(count + 1, capacity) | (newest << 8) | (log2 << 16)
    return block + newest * words


@inlined
def is_known(accounts, row):
    """Whether an account has paid or received before."""
    return accounts[row, SLOTS] != 0


@inlined
def habit_place(accounts, row, channel):
    """Where an account's habit in a channel stands: in its line, in the pool, or nowhere yet."""
    slot = (np.int64(accounts[row, SLOTS]) >> (4 * channel)) & 15
    if slot <= 1:
        return np.int64(-slot)
    return np.int64(accounts[row, MORE]) + (slot - 2) * _HABIT_WORDS


@inlined
def habit(accounts_f, pool_f, row, place, field):
    """One figure of a habit; 0 where there is none yet."""
    if place == _INLINE:
        return np.float64(accounts_f[row, _HABIT + field])
    return np.float64(pool_f[place + field]) if place != _NOT_YET else 0.0


@inlined
def set_habit(accounts_f, pool_f, row, place, field, value):
    """Write one figure of a habit that has a place."""
    if place == _INLINE:
        accounts_f[row, _HABIT + field] = value
    else:
        pool_f[place + field] = value


@inlined
def _habit_class(further):
    """Blocks of 1, 2, 4 and 7 habits."""
    return 0 if further <= 1 else 1 if further == 2 else 2 if further <= 4 else 3


@called
def _made_habit_place(accounts, pool, row, channel):
    slots, used = np.int64(accounts[row, SLOTS]) & 0xFFFFFFFF, np.int64(0)
    for each in range(CHANNELS):
        used += np.int64((slots >> (4 * each)) & 15 != 0)
    accounts[row, SLOTS] = slots | ((used + 1) << (4 * channel))
    if used == 0:
        return np.int64(_INLINE)
    block = np.int64(accounts[row, MORE])
    log2 = _habit_class(used)
    if used == 1 or log2 != _habit_class(used - 1):
        grown = _allocate(pool, 2 * _CLASSES + log2, min(np.int64(1) << log2, CHANNELS - 1) * _HABIT_WORDS)
        for word in range((used - 1) * _HABIT_WORDS):
            pool[grown + word] = pool[block + word]
        if used > 1:
            _release(pool, 2 * _CLASSES + log2 - 1, block)
        accounts[row, MORE] = block = grown
    for word in range(_HABIT_WORDS):
        pool[block + (used - 1) * _HABIT_WORDS + word] = 0
    return block + (used - 1) * _HABIT_WORDS


@inlined
def make_habit_place(accounts, pool, row, channel, place):
    """The place of a habit, made if there is none yet."""
    return _made_habit_place(accounts, pool, row, channel) if place == _NOT_YET else place


@inlined
def ask_for_remembered(accounts, pool, row, side, words):
    """Ask ahead for the remembered payments of an account, whose line is here."""
    block, ring = np.int64(accounts[row, BLOCK + side]), np.int64(accounts[row, RING + side])
    if block != 0:
        for word in range(0, (ring & 255) * words, _LINE):
            prefetch(pool, block + word)


@kernel
def repack(accounts: Words, pool: Words, new: Words, remembered: int, oldest_in: int, oldest_out: int) -> None:
    """Copy what is in use into another pool, without remembered payments that are too old, into blocks that fit."""
    for row in range(len(accounts)):
        for side in range(2):
            words, oldest = (IN_WORDS, oldest_in) if side == IN else (OUT_WORDS, oldest_out)
            block, ring = np.int64(accounts[row, BLOCK + side]), np.int64(accounts[row, RING + side])
            young = np.int64(0)
            while young < ring & 255:
                if kept_time(pool[entry_at(block, ring, young, words, remembered) + TIME]) < oldest:
                    break
                young += 1
            accounts[row, BLOCK + side] = accounts[row, RING + side] = 0
            if young == 0:
                continue
            log2 = np.int64(0)
            while _capacity(log2 << 16, remembered) < young:
                log2 += 1
            to = _allocate(new, side * _CLASSES + log2, _capacity(log2 << 16, remembered) * words)
            for back in range(young):
                source, target = entry_at(block, ring, back, words, remembered), to + (young - 1 - back) * words
                for word in range(words):
                    new[target + word] = pool[source + word]
            accounts[row, BLOCK + side], accounts[row, RING + side] = to, young | ((young - 1) << 8) | (log2 << 16)
        slots, further = np.int64(accounts[row, SLOTS]) & 0xFFFFFFFF, np.int64(-1)
        for each in range(CHANNELS):
            further += np.int64((slots >> (4 * each)) & 15 != 0)
        if further > 0:
            block, log2 = np.int64(accounts[row, MORE]), _habit_class(further)
            to = _allocate(new, 2 * _CLASSES + log2, min(np.int64(1) << log2, CHANNELS - 1) * _HABIT_WORDS)
            for word in range(further * _HABIT_WORDS):
                new[to + word] = pool[block + word]
            accounts[row, MORE] = to
