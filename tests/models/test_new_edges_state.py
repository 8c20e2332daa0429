"""What is kept of accounts in one pool is what dictionaries would keep, also while blocks grow and are repacked."""

from collections import defaultdict, deque

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.compiled import kernel
from models.new_edges_state import (
    AMOUNT,
    CHANNELS,
    IN,
    IN_WORDS,
    MEAN,
    OTHER,
    OUT,
    OUT_WORDS,
    RING,
    TIME,
    TOP,
    Floats,
    Words,
    entry_at,
    habit,
    habit_place,
    kept_time,
    make_habit_place,
    new_accounts,
    new_pool,
    remember,
    repack,
    set_habit,
    words_of_account,
)

ACCOUNTS, HORIZON = 4, 50
BLOCK = RING - 2


@kernel
def put(accounts: Words, pool: Words, row: int, side: int, remembered: int, now: int, other: int) -> None:
    """Remember a payment of one second and one other side."""
    words = IN_WORDS if side == IN else OUT_WORDS
    at = remember(accounts, pool, row, side, words, remembered, now - HORIZON)
    pool[at + TIME], pool[at + OTHER] = np.int32(now), np.int32(other)
    if side == IN:
        pool[at + AMOUNT] = np.int32(2 * other)


@kernel
def read(accounts: Words, pool: Words, row: int, side: int, remembered: int, found: np.ndarray) -> int:
    """All of a ring, newest first."""
    words, ring = IN_WORDS if side == IN else OUT_WORDS, np.int64(accounts[row, RING + side])
    for back in range(ring & 255):
        at = entry_at(np.int64(accounts[row, BLOCK + side]), ring, back, words, remembered)
        found[back, 0], found[back, 1] = kept_time(pool[at + TIME]), pool[at + OTHER]
        found[back, 2] = pool[at + AMOUNT] if side == IN else 0
    return int(ring & 255)


@kernel
def add(accounts: Words, accounts_f: Floats, pool: Words, pool_f: Floats, row: int, channel: int, more: float) -> None:
    """Add to one figure of a habit."""
    place = make_habit_place(accounts, pool, row, channel, habit_place(accounts, row, channel))
    set_habit(accounts_f, pool_f, row, place, MEAN, habit(accounts_f, pool_f, row, place, MEAN) + more)


@kernel
def mean_of(accounts: Words, accounts_f: Floats, pool_f: Floats, row: int, channel: int) -> float:
    return float(habit(accounts_f, pool_f, row, habit_place(accounts, row, channel), MEAN))


steps = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, ACCOUNTS - 1), st.sampled_from([0, 1, 1, 7, 40])),
    min_size=20,
    max_size=150,
)


@given(steps, st.sampled_from([1, 3, 4, 5, 24]))
@settings(max_examples=40, deadline=None)
def test_rings_and_habits_are_what_dictionaries_would_keep(rows: list[tuple[int, int, int]], remembered: int) -> None:
    accounts, pool, now = new_accounts(ACCOUNTS), new_pool(100_000), 1_000
    rings: dict[tuple[int, int], deque[tuple[int, int, int]]] = defaultdict(lambda: deque(maxlen=remembered))
    habits: dict[tuple[int, int], float] = defaultdict(float)
    for number, (kind, row, later) in enumerate(rows):
        now += later
        if kind == 9:
            packed = new_pool(100_000)
            repack(accounts, pool, packed, remembered, now - HORIZON, now - HORIZON)
            pool = packed
            assert pool[TOP] <= 32 + ACCOUNTS * 2 * words_of_account(remembered)
        elif kind >= 4:
            add(accounts, accounts.view(np.float32), pool, pool.view(np.float32), row, kind % CHANNELS, 1.0 + number)
            habits[row, kind % CHANNELS] += 1.0 + number
        else:
            put(accounts, pool, row, kind % 2, remembered, now, number)
            rings[row, kind % 2].append((now, number, 2 * number if kind % 2 == IN else 0))
        if number % 15 and number != len(rows) - 1:
            continue
        for each in range(ACCOUNTS):
            for side in (IN, OUT):
                found = np.zeros((remembered, 3), np.int64)
                count = read(accounts, pool, each, side, remembered, found)
                kept = [tuple(one) for one in found[:count].tolist() if one[0] >= now - HORIZON]
                assert kept == [one for one in reversed(rings[each, side]) if one[0] >= now - HORIZON]
            for channel in range(CHANNELS):
                wanted = habits[each, channel]
                assert mean_of(accounts, accounts.view(np.float32), pool.view(np.float32), each, channel) == wanted


def test_an_account_is_one_cache_line() -> None:
    accounts = new_accounts(10)
    assert accounts.strides == (64, 4)
    assert accounts.ctypes.data % 64 == 0
