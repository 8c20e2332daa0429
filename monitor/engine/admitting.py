"""The kernels of admission: each payment decided in the order of the log, its legs emitted, and what is forgotten.

What they do, and why, stands in :mod:`monitor.engine.admission`.
"""

import numpy as np
import numpy.typing as npt

from monitor.domain.time import DAY_US, UNKNOWN
from monitor.domain.transaction import Int32s, Int64s
from monitor.domain.vocabulary import STATUSES
from monitor.engine.compiled import inlined, kernel, prefetch
from monitor.engine.further_keys import ACCOUNT, CREDITOR, DEBTOR, HOLDER, PAIR, PERSON, Bools, is_home
from monitor.engine.hashing import EMPTY, find
from monitor.engine.key_spaces import NEVER, Spaces
from monitor.engine.remembered import FREE, HAND, LOOKED_AT, TOP, Remembered, find_row, let_go, place, take_row

Rows = npt.NDArray[np.int64]

JUDGED, DUPLICATE, DIFFERS, TOO_LATE, TAKEN_BACK = range(5)
"""Outcomes of a transaction; TAKEN_BACK: a reversal or return, which is not judged itself."""

_BOOKED, _REVERSED, _RETURNED = STATUSES.index("booked"), STATUSES.index("reversed"), STATUSES.index("returned")

# Columns of a remembered id: the id, digest, position and day, holders, accounts; behind them the further keys, two to
# a word.
_DIGEST, _POSITION, _HOLDERS, _ACCOUNTS, FURTHER = range(2, 7)
# Columns of the legs of further holders: log position and number, holder and side, then as of a remembered id.
_OF_POSITION, _NUMBER, _HOLDER_AND_SIDE = range(3)
SHARED_WIDTH = 5
_DAY_BITS = 20
_AHEAD, _NEAR = 16, 8
"""How many payments ahead places of ids and keys, and then clocks of keys, are asked for."""


@inlined
def _row(code, row_of, code_of, counts, kind):
    """The row of a code; a new one where there is none."""
    if code < 0:
        return -1
    row = row_of[code]
    if row < 0:
        row = counts[kind]
        row_of[code] = row
        code_of[row] = code
        counts[kind] += 1
    return row


@inlined
def _emit(wide, small, n, transaction, side, kind, row, account_row, judged_us, before_us, operation, target):
    wide[0, n], wide[1, n], wide[2, n], wide[3, n] = transaction, row, account_row, judged_us
    wide[4, n], wide[5, n] = before_us, target
    small[0, n], small[1, n], small[2, n] = side, kind, operation
    return n + 1


@inlined
def _judge(code, i, side, kind, time_us, is_booked, spaces, counts, is_late, wide, small, n):
    """Emit the leg of a key that has a clock of its own, and move the clock; returns the number of legs."""
    row = _row(code, spaces.row_of[kind], spaces.code_of[kind], counts, kind)
    judged_us = max(time_us, spaces.clock_us[kind][row])
    is_late[i] |= judged_us > time_us
    n = _emit(wide, small, n, i, side, kind, row, -1, judged_us, spaces.booked_us[kind][row], 0, 0)
    spaces.clock_us[kind][row] = judged_us
    if is_booked:
        spaces.booked_us[kind][row] = judged_us
    return n


@inlined
def _judge_pair(code, i, side, judged_us, is_booked, spaces, counts, wide, small, n):
    """Emit the leg of a pair, which is judged at its holder's time; returns the number of legs."""
    row = _row(code, spaces.row_of[PAIR], spaces.code_of[PAIR], counts, PAIR)
    n = _emit(wide, small, n, i, side, PAIR, row, -1, judged_us, spaces.booked_us[PAIR][row], 0, 0)
    if is_booked:
        spaces.booked_us[PAIR][row] = judged_us
    return n


@inlined
def _latest_elsewhere(elsewhere_us, code):
    """The latest payment here of a holder of another partition, NEVER without."""
    if elsewhere_us is None:
        return NEVER
    return elsewhere_us[code]


@inlined
def _note_elsewhere(elsewhere_us, code, time_us):
    """Note a payment of a holder of another partition."""
    if elsewhere_us is not None:
        elsewhere_us[code] = max(elsewhere_us[code], time_us)


@inlined
def _enter_account(code, i, side, time_us, spaces, counts, wide, small, n):
    """Emit the leg of an account whose holder is judged elsewhere; returns the number of legs."""
    row = _row(code, spaces.row_of[ACCOUNT], spaces.code_of[ACCOUNT], counts, ACCOUNT)
    judged_us = max(time_us, spaces.clock_us[ACCOUNT][row])
    spaces.clock_us[ACCOUNT][row] = judged_us
    return _emit(wide, small, n, i, side, ACCOUNT, row, row, judged_us, NEVER, 0, 0)


@inlined
def _is_forgotten(seen, at, row_of, clock_us, elsewhere_us, retention_us):
    """Whether the clock of its first holder has passed an id by more than the retention."""
    code = seen[at, _HOLDERS] >> 32
    if code < 0:
        code = np.int64(np.int32(seen[at, _HOLDERS] & 0xFFFFFFFF))
    is_forgotten = False
    if code >= 0 and row_of[code] >= 0:
        last_us = ((seen[at, _POSITION] & ((1 << _DAY_BITS) - 1)) + 1) * DAY_US
        is_forgotten = clock_us[row_of[code]] - last_us > retention_us
    elif code >= 0 and _latest_elsewhere(elsewhere_us, code) != NEVER:
        last_us = ((seen[at, _POSITION] & ((1 << _DAY_BITS) - 1)) + 1) * DAY_US
        is_forgotten = _latest_elsewhere(elsewhere_us, code) - last_us > retention_us
    return is_forgotten


@inlined
def _keep_further(seen, at, codes, i):
    """Remember the codes of the further keys of payment ``i``."""
    for k in range(0, codes.shape[1], 2):
        high = codes[i, k + 1] if k + 1 < codes.shape[1] else np.int32(-1)
        seen[at, FURTHER + (k >> 1)] = (np.int64(high) << 32) | (np.int64(codes[i, k]) & 0xFFFFFFFF)


@inlined
def _further(seen, at, k):
    """The code of the further key ``k`` that is remembered."""
    word = seen[at, FURTHER + (k >> 1)]
    return word >> 32 if k & 1 else np.int64(np.int32(word & 0xFFFFFFFF))


@inlined
def _first_side(word):
    """The side whose holder comes first: the debtor's where there is one."""
    return DEBTOR if word >> 32 >= 0 else CREDITOR


@inlined
def _takes_part(conductor, on_behalf_of, side, first_side, code):
    """Whether a person has a leg on this side already, as conductor or as the one for whom it was done."""
    return side == first_side and code in (conductor, on_behalf_of)


@kernel
def admit(
    position: Int64s,
    booked_us: Int64s,
    id_hi: Int64s,
    id_lo: Int64s,
    digest: Int64s,
    status: npt.NDArray[np.int16],
    reverses_hi: Int64s,
    reverses_lo: Int64s,
    has_original: npt.NDArray[np.bool_],
    holders: Int32s,
    accounts: Int32s,
    extra_codes: Int32s,
    extra_sides: Int32s,
    extra_kinds: Int64s,
    person: int,
    lateness_us: int,
    retention_us: int,
    keep_accounts: bool,
    spaces: Spaces,
    joint_start: Int32s,
    joint_stop: Int32s,
    joint_holder: Int32s,
    is_owned: Bools | None,
    elsewhere_us: Int64s | None,
    counts: Int64s,
    remembered: Remembered,
    shared: Rows,
    tallies: Int64s,
    outcome: npt.NDArray[np.int8],
    is_late: npt.NDArray[np.bool_],
    wide: Rows,
    small: npt.NDArray[np.int32],
    taken_back: Rows,
) -> int:
    """Decide each transaction in order and emit legs; returns the number of legs.

    ``person`` is the first of the four columns of persons among the further keys, ``-1`` where there are none.
    ``is_owned`` says by code whether a key is of this partition, ``elsewhere_us`` is by code the latest payment here of
    a holder that is not; both are None where all are.
    ``tallies``: reversals whose original was found, reversals without, legs of further holders added. A reversal is
    counted where its first holder is owned.
    """
    n = 0
    row_of, code_of, clock_us = spaces.row_of, spaces.code_of, spaces.clock_us
    row_of_0, clock_0 = row_of[HOLDER], clock_us[HOLDER]
    row_of_1, clock_1 = row_of[ACCOUNT], clock_us[ACCOUNT]
    last_0 = spaces.booked_us[HOLDER]
    seen, index, marks = remembered.rows, remembered.slots, remembered.marks
    for i in range(len(position)):
        if i + _AHEAD < len(position):
            later = i + _AHEAD
            prefetch(index, place(index, id_hi[later], id_lo[later]))
            for side in range(2):
                if holders[later, side] >= 0:
                    prefetch(row_of_0, np.int64(holders[later, side]))
                    if keep_accounts and accounts[later, side] >= 0:
                        prefetch(row_of_1, np.int64(accounts[later, side]))
        if i + _NEAR < len(position):
            for side in range(2):
                code, account = holders[i + _NEAR, side], accounts[i + _NEAR, side]
                if code >= 0 and row_of_0[code] >= 0:
                    prefetch(clock_0, np.int64(row_of_0[code]))
                    prefetch(last_0, np.int64(row_of_0[code]))
                    if keep_accounts and account >= 0 and row_of_1[account] >= 0:
                        prefetch(clock_1, np.int64(row_of_1[account]))
        at = find_row(seen, index, id_hi[i], id_lo[i])
        if at >= 0 and not _is_forgotten(seen, at, row_of_0, clock_0, elsewhere_us, retention_us):
            outcome[i] = DUPLICATE if seen[at, _DIGEST] == digest[i] else DIFFERS
            continue
        time_us = booked_us[i]
        is_too_late = False
        for side in range(2):
            code = holders[i, side]
            if code >= 0 and row_of_0[code] >= 0:
                clock = clock_0[row_of_0[code]]
                if clock != NEVER and clock - time_us > lateness_us:
                    is_too_late = True
        if is_too_late:
            outcome[i] = TOO_LATE
            continue
        if at < 0:
            at = take_row(seen, index, marks, -1 - at, id_hi[i], id_lo[i])
        seen[at, _DIGEST] = digest[i]
        seen[at, _POSITION] = (position[i] << _DAY_BITS) | (time_us // DAY_US)
        seen[at, _HOLDERS] = (np.int64(holders[i, 0]) << 32) | (np.int64(holders[i, 1]) & 0xFFFFFFFF)
        seen[at, _ACCOUNTS] = (np.int64(accounts[i, 0]) << 32) | (np.int64(accounts[i, 1]) & 0xFFFFFFFF)
        _keep_further(seen, at, extra_codes, i)
        if has_original[i]:
            origin = find_row(seen, index, reverses_hi[i], reverses_lo[i])
            first = holders[i, 0] if holders[i, 0] >= 0 else holders[i, 1]
            counted = np.int64(first >= 0 and is_home(is_owned, first))
            if origin < 0 or _is_forgotten(seen, origin, row_of_0, clock_0, elsewhere_us, retention_us):
                tallies[1] += counted
            else:
                tallies[0] += counted
                target = seen[origin, _POSITION] >> _DAY_BITS
                payer = seen[origin, _HOLDERS] >> 32
                payee = np.int64(np.int32(seen[origin, _HOLDERS] & 0xFFFFFFFF))
                account = np.int64(np.int32(seen[origin, _ACCOUNTS] & 0xFFFFFFFF))
                taken_back[i, 0], taken_back[i, 1] = target, account if account >= 0 else payee
                taken_back[i, 2] = payer if payer >= 0 else seen[origin, _ACCOUNTS] >> 32
                taken_back[i, 3] = payee if payee >= 0 else account
                number = 0
                for side in range(2):
                    word, other = seen[origin, _HOLDERS], seen[origin, _ACCOUNTS]
                    code = word >> 32 if side == 0 else np.int64(np.int32(word & 0xFFFFFFFF))
                    account = other >> 32 if side == 0 else np.int64(np.int32(other & 0xFFFFFFFF))
                    # Keys of others have no rows here.
                    if code < 0 or (is_home(is_owned, code) and row_of_0[code] < 0):
                        continue
                    account_row = row_of_1[account] if account >= 0 and keep_accounts else -1
                    if row_of_0[code] >= 0:
                        n = _emit(wide, small, n, i, side, HOLDER, row_of_0[code], account_row, 0, NEVER, 1, target)
                    elif account_row >= 0:
                        n = _emit(wide, small, n, i, side, ACCOUNT, account_row, account_row, 0, NEVER, 1, target)
                    held = find(shared, target, number)
                    while held >= 0 and shared[held, _HOLDER_AND_SIDE] & 1 == side:
                        row = row_of_0[shared[held, _HOLDER_AND_SIDE] >> 1]
                        n = _emit(wide, small, n, i, side, HOLDER, row, -1, 0, NEVER, 1, target)
                        if person >= 0 and _further(seen, origin, person + side) >= 0:
                            other = shared[held, _HOLDER_AND_SIDE] >> 1
                            if not _takes_part(_further(seen, origin, person + 2), _further(seen, origin, person + 3),
                                               side, _first_side(seen[origin, _HOLDERS]), other):  # fmt: skip
                                row = row_of[PERSON][other]
                                n = _emit(wide, small, n, i, side, PERSON, row, -1, 0, NEVER, 1, target)
                        number += 1
                        held = find(shared, target, number)
                for k in range(extra_codes.shape[1]):
                    further = _further(seen, origin, k)
                    if further >= 0 and row_of[extra_kinds[k]][further] >= 0:
                        row = row_of[extra_kinds[k]][further]
                        n = _emit(wide, small, n, i, extra_sides[i, k], extra_kinds[k], row, -1, 0, NEVER, 1, target)
        if status[i] == _REVERSED or status[i] == _RETURNED:
            outcome[i] = TAKEN_BACK
            continue
        outcome[i] = JUDGED
        number, debtor_judged_us, creditor_judged_us = 0, time_us, time_us
        is_booked = status[i] == _BOOKED
        for side in range(2):
            code, account = holders[i, side], accounts[i, side]
            if code < 0:
                continue
            is_here = is_home(is_owned, code)
            if is_here:
                row = _row(code, row_of_0, code_of[HOLDER], counts, HOLDER)
                account_row = _row(account, row_of_1, code_of[ACCOUNT], counts, ACCOUNT) if keep_accounts else -1
                judged_us = max(time_us, clock_0[row])
                if account_row >= 0:
                    judged_us = max(judged_us, clock_1[account_row])
                    clock_1[account_row] = judged_us
                is_late[i] |= judged_us > time_us
                n = _emit(wide, small, n, i, side, HOLDER, row, account_row, judged_us, last_0[row], 0, 0)
                clock_0[row] = judged_us
                if side == DEBTOR:
                    debtor_judged_us = judged_us
                else:
                    creditor_judged_us = judged_us
                if is_booked:
                    last_0[row] = judged_us
                if person >= 0 and extra_codes[i, person + side] >= 0:
                    n = _judge(code, i, side, PERSON, time_us, is_booked, spaces, counts, is_late, wide, small, n)
            else:
                _note_elsewhere(elsewhere_us, code, time_us)
            if account >= 0 and account < len(joint_start):
                is_entered = is_here or not keep_accounts
                for k in range(joint_start[account], joint_stop[account]):
                    if joint_holder[k] == code or not is_home(is_owned, joint_holder[k]):
                        continue
                    if not is_entered:
                        n = _enter_account(account, i, side, time_us, spaces, counts, wide, small, n)
                        is_entered = True
                    held = -1 - find(shared, position[i], number)
                    shared[held, _OF_POSITION], shared[held, _NUMBER] = position[i], number
                    shared[held, _HOLDER_AND_SIDE] = (np.int64(joint_holder[k]) << 1) | side
                    shared[held, _POSITION], shared[held, _HOLDERS] = seen[at, _POSITION], seen[at, _HOLDERS]
                    number += 1
                    tallies[2] += 1
                    other = joint_holder[k]
                    n = _judge(other, i, side, HOLDER, time_us, is_booked, spaces, counts, is_late, wide, small, n)
                    if person >= 0 and extra_codes[i, person + side] >= 0:
                        first_side = DEBTOR if holders[i, 0] >= 0 else CREDITOR
                        if not _takes_part(extra_codes[i, person + 2], extra_codes[i, person + 3], side, first_side,
                                           other):  # fmt: skip
                            n = _judge(other, i, side, PERSON, time_us, is_booked, spaces, counts, is_late, wide,
                                       small, n)  # fmt: skip
        for k in range(extra_codes.shape[1]):
            # The holders' own legs as persons stand beside their other ones.
            if extra_codes[i, k] >= 0 and extra_kinds[k] == PAIR:
                side = extra_sides[i, k]
                judged_us = debtor_judged_us if side == DEBTOR else creditor_judged_us
                n = _judge_pair(extra_codes[i, k], i, side, judged_us, is_booked, spaces, counts, wide, small, n)
            elif extra_codes[i, k] >= 0 and not (person >= 0 and person <= k < person + 2):
                n = _judge(extra_codes[i, k], i, extra_sides[i, k], extra_kinds[k], time_us, is_booked, spaces, counts,
                           is_late, wide, small, n)  # fmt: skip
    return n


@kernel
def positions_of(remembered: Remembered, ids: Rows, positions: Int64s) -> None:
    """Write the log positions of the payments with these ids; UNKNOWN of those that are not remembered."""
    for i in range(len(ids)):
        at = find_row(remembered.rows, remembered.slots, ids[i, 0], ids[i, 1])
        positions[i] = remembered.rows[at, _POSITION] >> _DAY_BITS if at >= 0 else UNKNOWN


@kernel
def let_go_of_forgotten(
    remembered: Remembered, wanted: int, row_of: Int32s, clock_us: Int64s, elsewhere_us: Int64s | None,
    retention_us: int,
) -> bool:  # fmt: skip
    """Let the hand free rows of forgotten ids until ``wanted`` are free; of all where its share of them is too few.

    Returns whether it has looked at all.
    """
    seen, index, marks = remembered.rows, remembered.slots, remembered.marks
    for looked_at in range(marks[TOP]):
        if marks[FREE] >= wanted and looked_at <= LOOKED_AT * wanted:
            return False
        at = marks[HAND]
        marks[HAND] = at + 1 if at + 1 < marks[TOP] else 0
        if seen[at, 0] != EMPTY and _is_forgotten(seen, at, row_of, clock_us, elsewhere_us, retention_us):
            let_go(seen, index, marks, at)
    return True


@kernel
def still_needed(
    shared: Rows, row_of: Int32s, clock_us: Int64s, elsewhere_us: Int64s | None, retention_us: int, keep: Bools
) -> None:
    """Clear ``keep`` where the id of a leg's payment has been forgotten."""
    for at in range(len(shared)):
        if shared[at, 0] != EMPTY and _is_forgotten(shared, at, row_of, clock_us, elsewhere_us, retention_us):
            keep[at] = False
