"""The kernel of flow tracing: what each account received lately, and where that money had been before.

An *inflow* is a payment that an account received; its *rest* is what later payments out have left of it. A *trail* is
one earlier payment whose money is in an inflow: its *origin* is the holder who made it, its *first hop* the one who
received it, its amount what of it is in here. Within one inflow trails are taken in proportion.

A payment out takes the latest money first; but a payment to a hub takes money that came from hubs first, because
income pays for daily life. ADR 0021 compares this with other rules.

A payment is two steps. :func:`outgoing` takes money from the payer's inflows and writes a carried record;
:func:`incoming` enters the record at the payee. Only the record joins them, so that the two may be accounts of
different partitions. What an account received is let go when it is older than the horizon by the account's clock.

All lists have limits, so that a payment costs bounded time.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from monitor.domain.flow import (
    FIRST,
    HOPS,
    HOPS_BITS,
    HOPS_MAX,
    INFLOWS_MAX,
    MILLION,
    MONEY,
    R_AMOUNT,
    R_COUNT,
    R_CURRENCY,
    R_IS_HUB,
    R_PAYEE,
    R_PAYEE_OWNER,
    R_PAYER,
    R_PAYER_OWNER,
    R_POSITION,
    R_TIME,
    R_TRAILS,
    SENT,
    STARTED,
    T_ENDS,
    TRAIL_HEAD,
    TRAILS_MAX,
    Limits,
)
from monitor.domain.time import UNKNOWN
from monitor.domain.transaction import Int32s, Int64s
from monitor.engine.compiled import inlined, kernel, prefetch
from monitor.engine.inflows import (
    ACCOUNT_WORDS,
    AMOUNT,
    BLOCK,
    C_CLOCK,
    C_HELD,
    C_TRAILS_LOST,
    ENDS,
    PAYEES,
    PAYERS,
    POSITION,
    REST,
    RING,
    ROOM,
    SOURCE,
    TIME,
    TOP,
    TRAILS,
    State,
    allocate,
    bit_of,
    ends_of,
    inflow_at,
    make_place,
    meet,
    quads_for,
    row_of_code,
    take_back,
    use_up,
)

Rows = npt.NDArray[np.int64]

PATH_MAX = HOPS_MAX - 2
"""Payments between the first and the last of a trail."""
SEEN_MAX = INFLOWS_MAX * TRAILS_MAX + TRAILS_MAX
_EXACT = 2**31

# A packed trail is as long as its way; unpacked each has TRAIL_WORDS.
TRAIL_WORDS = TRAIL_HEAD + PATH_MAX
RECORD_WORDS = R_TRAILS + TRAILS_MAX * TRAIL_WORDS
PAYER_HERE, PAYEE_HERE = 1, 2
(
    RETURNED_SHARE, RETURN_KEPT, RETURN_HOPS, RETURN_TIME, MIDDLEMEN,
    CHAIN_DEPTH, CHAIN_TIME, CHAIN_KEPT,
    PASS_THROUGH, DWELL_TIME, RESIDUAL, GATHERED,
) = range(12)  # fmt: skip
MEASURES = 12
# Which trail of the record a measure is about; -1: none.
RETURN_TRAIL, MIDDLEMEN_TRAIL, CHAIN_TRAIL = range(3)


class Payments(NamedTuple):
    """Payments in the order of the log: codes of accounts and of who holds them, ``-1`` where none is known.

    ``sides`` says which sides are accounts of this partition. ``takes_back`` is the position of the payment that is
    reversed, ``UNKNOWN`` where none is, and ``taken_from`` the account that it had gone to.
    """

    position: Int64s
    time_us: Int64s
    payer: Int32s
    payer_owner: Int32s
    payee: Int32s
    payee_owner: Int32s
    amount: Int64s
    currency: npt.NDArray[np.int16]
    is_booked: npt.NDArray[np.bool_]
    takes_back: Int64s
    taken_from: Int32s
    sides: npt.NDArray[np.int8]


class Scratch(NamedTuple):
    """Room for what is gathered during one payment."""

    part: Int64s
    first_hops: Int64s
    payers: Int64s
    record: Int64s


@inlined
def trail_words(first):
    """How many words a trail takes in a packed record."""
    return TRAIL_HEAD + (first & HOPS) - 2


@inlined
def _part_of(money, taken, whole):
    """``money * taken / whole`` rounded down; of very large amounts as exact as a double is."""
    if money < _EXACT and taken < _EXACT:
        return money * taken // whole
    return np.int64(money * (taken / whole))


@inlined
def _share(money, whole):
    """A share in millionths, rounded down."""
    while money >= (np.int64(1) << 43):
        money >>= 1
        whole >>= 1
    return money * MILLION // max(whole, 1)


@inlined
def _put(record, n, part, limits, counts, ends, first, hops, money, sent, started):
    """Add a trail to a record, joined with what is there of the same first payment.

    Returns how many trails there are, and the first word of the trail whose way is to be written; -1 where the way of
    another part, or other trails, hold more money.
    """
    slot = -1
    for k in range(n):
        if record[R_TRAILS + k * TRAIL_WORDS + FIRST] >> HOPS_BITS == first:
            slot = k
    if slot >= 0:
        record[R_TRAILS + slot * TRAIL_WORDS + MONEY] += money
        if money <= part[slot]:
            return n, -1
    elif n < limits.trails:
        slot = n
        n += 1
        record[R_TRAILS + slot * TRAIL_WORDS + MONEY] = money
    else:
        counts[C_TRAILS_LOST] += 1
        slot = 0
        for k in range(1, n):
            if record[R_TRAILS + k * TRAIL_WORDS + MONEY] < record[R_TRAILS + slot * TRAIL_WORDS + MONEY]:
                slot = k
        if money <= record[R_TRAILS + slot * TRAIL_WORDS + MONEY]:
            return n, -1
        record[R_TRAILS + slot * TRAIL_WORDS + MONEY] = money
    part[slot] = money
    word = R_TRAILS + slot * TRAIL_WORDS
    record[word + T_ENDS], record[word + FIRST] = ends, (first << HOPS_BITS) | hops
    record[word + SENT], record[word + STARTED] = sent, started
    return n, word


@inlined
def _carry(pool, at, taken, record, n, part, limits, counts):
    """Carry on the trails of ``taken`` out of the inflow at ``at``; returns how many trails the record has."""
    payer, source, amount = record[R_PAYER_OWNER], pool[at + SOURCE], pool[at + AMOUNT]
    if source >= 0 and source >> 17 != payer and (source >> 16) & 1 == 0:
        ends = ((source >> 17) << 32) | payer
        n, _ = _put(record, n, part, limits, counts, ends, pool[at + POSITION], np.int64(2), taken, amount,
                    pool[at + TIME])  # fmt: skip
    start, count = ends_of(pool[at + ENDS])
    # Behind the ends, which begin a block of their own, a trail is shorter by one word.
    word = (pool[at + TRAILS] >> 8) - 1
    for k in range(count):
        first = pool[word + FIRST]
        hops = first & HOPS
        money = _part_of(pool[word + MONEY], taken, amount)
        if hops < HOPS_MAX and money > 0:
            n, into = _put(record, n, part, limits, counts, pool[start + k], first >> HOPS_BITS, hops + 1, money,
                           pool[word + SENT], pool[word + STARTED])  # fmt: skip
            if into >= 0:
                for j in range(hops - 2):
                    record[into + TRAIL_HEAD + j] = pool[word + TRAIL_HEAD + j]
                record[into + TRAIL_HEAD + hops - 2] = pool[at + POSITION]
        word += trail_words(first) - 1
    return n


@inlined
def _without_the_least(record, n, least):
    """Let go of trails that hold too little of the payment; returns how many stay."""
    kept = np.int64(0)
    for k in range(n):
        word, into = R_TRAILS + k * TRAIL_WORDS, R_TRAILS + kept * TRAIL_WORDS
        if record[word + MONEY] >= (record[R_AMOUNT] + least - 1) // least:
            if kept != k:
                for j in range(TRAIL_WORDS):
                    record[into + j] = record[word + j]
            kept += 1
    return kept


@inlined
def _take_money(state, limits, row, record, is_to_hub, part):
    """Take the payment from the inflows; returns what was found, how long it had stayed (summed), and the trails."""
    pool, block, ring = state.pool, state.accounts[row, BLOCK], state.accounts[row, RING]
    inflows, n, need = ring & 255, np.int64(0), record[R_AMOUNT]
    stayed = 0.0
    for turn in range(0 if is_to_hub else 1, 2):
        for step in range(inflows):
            at = inflow_at(block, ring, inflows - 1 - step)
            rest, source = pool[at + REST], pool[at + SOURCE]
            if need == 0:
                break
            if rest == 0 or source & 0xFFFF != record[R_CURRENCY] or (turn == 0 and (source >> 16) & 1 == 0):
                continue
            taken = min(rest, need)
            pool[at + REST] = rest - taken
            need -= taken
            stayed += np.float64(taken) * max(record[R_TIME] - pool[at + TIME], 0)
            if record[R_IS_HUB] == 0:
                n = _carry(pool, at, taken, record, n, part, limits, state.counts)
            if taken == rest:
                use_up(pool, at)
    return record[R_AMOUNT] - need, stayed, n


@inlined
def _measure_payer(pool, block, ring, currency, measures):
    """What of the inflows is left, and how many payers' money has been paid on."""
    left, received, payers = np.int64(0), np.int64(0), np.int64(0)
    for k in range(ring & 255):
        at = inflow_at(block, ring, k)
        if pool[at + SOURCE] & 0xFFFF != currency:
            continue
        left += pool[at + REST]
        received += pool[at + AMOUNT]
        is_new = pool[at + SOURCE] >= 0 and pool[at + REST] < pool[at + AMOUNT]
        for j in range(k):
            if not is_new:
                break
            other = inflow_at(block, ring, j)
            is_paid_on = pool[other + SOURCE] & 0xFFFF == currency and pool[other + REST] < pool[other + AMOUNT]
            is_new = not (is_paid_on and pool[other + SOURCE] >> 17 == pool[at + SOURCE] >> 17)
        payers += np.int64(is_new)
    measures[GATHERED] = payers
    if received > 0:
        measures[RESIDUAL] = _share(left, received)


@inlined
def outgoing(state, limits, row, is_to_hub, record, part, measures):
    """Take the money of a record from the payer's inflows, and write what it carries into the record."""
    meet(state, limits, row, record, R_PAYER, PAYEES, record[R_PAYEE])
    record[R_IS_HUB] = state.marks[record[R_PAYER]] & 1
    passed, stayed, n = _take_money(state, limits, row, record, is_to_hub, part)
    record[R_COUNT] = _without_the_least(record, n, limits.least)
    measures[PASS_THROUGH] = _share(passed, record[R_AMOUNT])
    if passed > 0:
        measures[DWELL_TIME] = np.int64(stayed / passed)
    _measure_payer(state.pool, state.accounts[row, BLOCK], state.accounts[row, RING], record[R_CURRENCY], measures)


@inlined
def _counted(seen, n, value):
    for k in range(n):
        if seen[k] == value:
            return n
    seen[n] = value
    return n + 1


@inlined
def _middlemen(pool, block, ring, record, origin, scratch):
    """Over how many others, apart at their first and at their last hop, money of this origin has arrived."""
    first_hops, payers = scratch.first_hops, scratch.payers
    hops, last = np.int64(0), np.int64(1)
    payers[0] = record[R_PAYER_OWNER]
    for j in range(record[R_COUNT]):
        ends = record[R_TRAILS + j * TRAIL_WORDS + T_ENDS]
        if ends >> 32 == origin:
            hops = _counted(first_hops, hops, ends & 0xFFFFFFFF)
    for j in range(ring & 255):
        at = inflow_at(block, ring, j)
        if pool[at + ENDS] & bit_of(origin) == 0:
            continue
        (start, count), has_origin = ends_of(pool[at + ENDS]), False
        for k in range(count):
            if pool[start + k] >> 32 == origin:
                hops = _counted(first_hops, hops, pool[start + k] & 0xFFFFFFFF)
                has_origin = True
        if has_origin:
            last = _counted(payers, last, pool[at + SOURCE] >> 17)
    return min(hops, last)


@inlined
def _measure_payee(pool, block, ring, record, scratch, measures, about):
    """What came back to its origin, and over how many middlemen the same origin's money came."""
    if record[R_PAYER] < 0:
        return
    payee, returned, largest, most = record[R_PAYEE_OWNER], np.int64(0), np.int64(0), np.int64(0)
    here = np.int64(0)
    for k in range(ring & 255):
        here |= pool[inflow_at(block, ring, k) + ENDS]
    for k in range(record[R_COUNT]):
        word = R_TRAILS + k * TRAIL_WORDS
        origin, money = record[word + T_ENDS] >> 32, record[word + MONEY]
        if origin == payee:
            returned += money
            if money > largest:
                largest = money
                measures[RETURN_KEPT] = _share(money, record[word + SENT])
                measures[RETURN_HOPS] = record[word + FIRST] & HOPS
                measures[RETURN_TIME] = max(record[R_TIME] - record[word + STARTED], 0)
                about[RETURN_TRAIL] = k
            continue
        # Money of an origin that is nowhere among the inflows has come over one.
        found = np.int64(1)
        if here & bit_of(origin) != 0:
            is_asked = False
            for j in range(k):
                is_asked |= record[R_TRAILS + j * TRAIL_WORDS + T_ENDS] >> 32 == origin
            if is_asked:
                continue
            found = _middlemen(pool, block, ring, record, origin, scratch)
        if found > most:
            most = found
            about[MIDDLEMEN_TRAIL] = k
    measures[RETURNED_SHARE], measures[MIDDLEMEN] = _share(returned, record[R_AMOUNT]), most


@inlined
def _measure_chain(record, measures, about):
    """The longest trail that makes up at least half of the payment; unknown where the payer is."""
    if record[R_PAYER] < 0:
        return
    measures[CHAIN_DEPTH], measures[CHAIN_TIME], measures[CHAIN_KEPT] = 1, 0, MILLION
    largest = np.int64(0)
    for k in range(record[R_COUNT]):
        word = R_TRAILS + k * TRAIL_WORDS
        hops, money = record[word + FIRST] & HOPS, record[word + MONEY]
        if money >= record[R_AMOUNT] - money and (
            hops > measures[CHAIN_DEPTH] or (hops == measures[CHAIN_DEPTH] and money > largest)
        ):
            largest = money
            measures[CHAIN_DEPTH], measures[CHAIN_KEPT] = hops, _share(money, record[word + SENT])
            measures[CHAIN_TIME] = max(record[R_TIME] - record[word + STARTED], 0)
            about[CHAIN_TRAIL] = k


@inlined
def _enter(state, limits, row, record):
    """Add a record to the payee's inflows, without the trails that have come home."""
    accounts, pool, payee = state.accounts, state.pool, record[R_PAYEE_OWNER]
    make_place(state, limits, row)
    at = inflow_at(accounts[row, BLOCK], accounts[row, RING], accounts[row, RING] & 255)
    accounts[row, RING] += 1
    state.counts[C_HELD] += 1
    pool[at + POSITION], pool[at + TIME] = record[R_POSITION], record[R_TIME]
    pool[at + AMOUNT] = pool[at + REST] = record[R_AMOUNT]
    pool[at + SOURCE] = (record[R_PAYER_OWNER] << 17) | (record[R_IS_HUB] << 16) | record[R_CURRENCY]
    pool[at + TRAILS] = pool[at + ENDS] = 0
    words, kept, bits = np.int64(0), np.int64(0), np.int64(0)
    for k in range(record[R_COUNT]):
        trail = R_TRAILS + k * TRAIL_WORDS
        if record[trail + T_ENDS] >> 32 != payee:
            words += trail_words(record[trail + FIRST]) - 1
            bits |= bit_of(record[trail + T_ENDS] >> 32)
            kept += 1
    if kept == 0:
        return
    quads = quads_for(words)
    start, word = allocate(pool, quads_for(kept)), allocate(pool, quads)
    pool[at + TRAILS], pool[at + ENDS] = (word << 8) | quads, (start << 32) | bits | kept
    for k in range(record[R_COUNT]):
        trail = R_TRAILS + k * TRAIL_WORDS
        if record[trail + T_ENDS] >> 32 != payee:
            pool[start] = record[trail + T_ENDS]
            start += 1
            for j in range(FIRST, trail_words(record[trail + FIRST])):
                pool[word] = record[trail + j]
                word += 1


@inlined
def incoming(state, limits, row, record, scratch, measures, about):
    """Measure what a record brings to the payee, and enter it."""
    meet(state, limits, row, record, R_PAYEE, PAYERS, record[R_PAYER])
    _measure_payee(state.pool, state.accounts[row, BLOCK], state.accounts[row, RING], record, scratch, measures, about)
    _enter(state, limits, row, record)


@inlined
def _begin(payments, i, record):
    record[R_POSITION], record[R_TIME] = payments.position[i], payments.time_us[i]
    record[R_PAYER], record[R_PAYEE] = payments.payer[i], payments.payee[i]
    record[R_PAYER_OWNER], record[R_PAYEE_OWNER] = payments.payer_owner[i], payments.payee_owner[i]
    record[R_AMOUNT], record[R_CURRENCY] = payments.amount[i], payments.currency[i] & 0xFFFF
    record[R_IS_HUB], record[R_COUNT] = 0, 0


@inlined
def _pack(record, words, into):
    """Write a record without gaps; returns where the next one begins."""
    for word in range(R_TRAILS):
        words[into + word] = record[word]
    into += R_TRAILS
    for k in range(record[R_COUNT]):
        trail = R_TRAILS + k * TRAIL_WORDS
        for word in range(trail_words(record[trail + FIRST])):
            words[into] = record[trail + word]
            into += 1
    return into


@inlined
def _unpack(words, start, record):
    """Read a record that was packed."""
    for word in range(R_TRAILS):
        record[word] = words[start + word]
    start += R_TRAILS
    for k in range(record[R_COUNT]):
        trail = R_TRAILS + k * TRAIL_WORDS
        for word in range(trail_words(words[start + FIRST])):
            record[trail + word] = words[start]
            start += 1


@inlined
def _ask_ahead(payments, i, state):
    """Ask for the rows of accounts 8 payments ahead, for their inflows 4 ahead, for the latest one's trails 2 ahead."""
    accounts, pool, row_of, last = state.accounts, state.pool, state.row_of, len(payments.position) - 1
    for code in (payments.payer[min(i + 8, last)], payments.payee[min(i + 8, last)]):
        if code >= 0 and row_of[code] >= 0:
            prefetch(accounts, np.int64(row_of[code]) * ACCOUNT_WORDS)
    for code in (payments.payer[min(i + 4, last)], payments.payee[min(i + 4, last)]):
        if code >= 0 and row_of[code] >= 0 and accounts[row_of[code], BLOCK] != 0:
            block = accounts[row_of[code], BLOCK]
            for word in range(0, (block & 255) << 2, 8):
                prefetch(pool, (block >> 8) + word)
    code = payments.payer[min(i + 2, last)]
    if code >= 0 and row_of[code] >= 0 and accounts[row_of[code], RING] & 255:
        block, ring = accounts[row_of[code], BLOCK], accounts[row_of[code], RING]
        at = inflow_at(block, ring, (ring & 255) - 1)
        trails = pool[at + TRAILS]
        if trails != 0:
            prefetch(pool, pool[at + ENDS] >> 32)
            for word in range(0, (trails & 255) << 2, 8):
                prefetch(pool, (trails >> 8) + word)


@kernel
def trace(
    done: int, payments: Payments, limits: Limits, state: State, scratch: Scratch, given_starts: Rows,
    given_words: Rows, starts: Rows, words: Rows, measures: Rows, about: npt.NDArray[np.int8],
) -> int:  # fmt: skip
    """Trace payments from ``done`` on; returns how many are done, fewer than all where the pool must grow.

    The record of payment ``i`` is written to ``words[starts[i]:starts[i + 1]]``. Where its payer is of another
    partition it is given.
    """
    pool, counts, record = state.pool, state.counts, scratch.record
    for i in range(done, len(payments.position)):
        if pool[TOP] + ROOM > len(pool):
            return i
        _ask_ahead(payments, i, state)
        for column in range(MEASURES):
            measures[i, column] = UNKNOWN
        about[i, RETURN_TRAIL] = about[i, MIDDLEMEN_TRAIL] = about[i, CHAIN_TRAIL] = -1
        counts[C_CLOCK] = max(counts[C_CLOCK], payments.time_us[i])
        if payments.takes_back[i] != UNKNOWN:
            take_back(state, payments.taken_from[i], payments.takes_back[i])
        payer, payee = payments.payer[i], payments.payee[i]
        is_moved = payments.is_booked[i] and payments.amount[i] > 0 and payer != payee
        if payments.sides[i] & PAYER_HERE:
            _begin(payments, i, record)
            if is_moved and payer >= 0:
                is_to_hub = payee >= 0 and state.marks[payee] & 1 != 0
                outgoing(state, limits, row_of_code(payer, state), is_to_hub, record, scratch.part, measures[i])
        else:
            _unpack(given_words, given_starts[i], record)
        if is_moved:
            _measure_chain(record, measures[i], about[i])
            if payments.sides[i] & PAYEE_HERE and payee >= 0:
                incoming(state, limits, row_of_code(payee, state), record, scratch, measures[i], about[i])
        starts[i + 1] = _pack(record, words, starts[i])
    return len(payments.position)
