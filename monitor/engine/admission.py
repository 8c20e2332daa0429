"""Who gets in: duplicates, late records, reversals; and the legs of those that do.

A transaction becomes legs, one per key that rules can aggregate by: its holders (each of a joint
account) and, where the rulebook uses them, conductor, on-behalf-of person, outside counterparty, device, link, the
other side's bank, each holder together with the other side (*pair*), and in a payment in cash each *person* who takes
part, once on each side.

Lateness is measured on one clock per key: a leg is judged at the latest time already judged for its
key or its account, a pair's at its holder's time. A record older than ``lateness_max_us`` on the clock of one of its
holders is refused. An id is kept, by the clock of its holder, as long as a repeat could still be accepted or a window
could still hold the payment, so that a reversal finds it: for ``lateness_max_us`` and the longest window. When an id
has been forgotten is decided by the clock alone, never by when the table was tidied, so that the division into batches
changes nothing.

Who holds an account can change between a payment and its reversal. So each leg of a further holder is remembered as
long as the payment's id, and a reversal reaches exactly the holders whose windows the payment entered.

Of several partitions each admits what comes to it, and emits legs of the keys that it owns
(:mod:`monitor.engine.ownership`). It refuses as too late by the clocks of holders that it owns. Of other holders it
knows the latest payment that came here, by which ids are forgotten: never sooner than if it had seen all.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from monitor.domain.partitions import Partition
from monitor.domain.time import DAY_US, UNKNOWN
from monitor.domain.transaction import Int32s, Int64s, TransactionBatch
from monitor.domain.vocabulary import STATUSES
from monitor.engine.compiled import inlined, kernel, prefetch
from monitor.engine.further_keys import (
    ACCOUNT,
    CREDITOR,
    DEBTOR,
    HOLDER,
    KEY_KINDS,
    PAIR,
    PERSON,
    Bools,
    FurtherKeys,
    is_home,
)
from monitor.engine.growing import extended
from monitor.engine.hashing import EMPTY, find, is_full, mix, new_table, regrown
from monitor.engine.ownership import Ownership
from monitor.engine.profiles import HOLDERS_MAX, JointHolders
from monitor.rulebook.dispatch import CLASSES

Rows = npt.NDArray[np.int64]

LATENESS_MAX_US = 35 * DAY_US
EVERY_CLASS = np.ones(CLASSES, np.bool_)
ALL_KEYS = Partition()
JUDGED, DUPLICATE, DIFFERS, TOO_LATE, TAKEN_BACK = range(5)
"""Outcomes of a transaction; TAKEN_BACK: a reversal or return, which is not judged itself."""

_BOOKED, _REVERSED, _RETURNED = STATUSES.index("booked"), STATUSES.index("reversed"), STATUSES.index("returned")

# Columns of the duplicate filter: id, digest, position and day, holders, accounts; behind them the further keys, two to
# a word.
_HIGH, _LOW, _DIGEST, _POSITION, _HOLDERS, _ACCOUNTS, _FURTHER = range(7)
# Columns of the legs of further holders: log position and number, holder and side, then as in the duplicate filter.
_OF_POSITION, _NUMBER, _HOLDER_AND_SIDE = range(3)
_SHARED_WIDTH = 5
_DAY_BITS = 20
NEVER = -(2**63)
_AHEAD, _NEAR = 16, 8
"""How many payments ahead places of ids and keys, and then clocks of keys, are asked for."""


@dataclass(slots=True)
class KeySpace:
    """Dense rows for the keys of one kind: ``row_of[code]``, ``code_of[row]``, each key's clock, and the judged time
    of its latest booked leg (``NEVER`` before the first)."""

    row_of: Int32s
    code_of: Int32s
    clock_us: Int64s
    booked_us: Int64s
    count: int = 0

    @classmethod
    def empty(cls) -> "KeySpace":
        return cls(
            np.full(1024, -1, np.int32),
            np.full(1024, -1, np.int32),
            np.full(1024, NEVER, np.int64),
            np.full(1024, NEVER, np.int64),
        )

    def row_for(self, code: int) -> int:
        """The row of a key, also of one that no payment has named yet."""
        self.make_room(code + 1, 1)
        if self.row_of[code] < 0:
            self.row_of[code], self.code_of[self.count] = self.count, code
            self.count += 1
        return int(self.row_of[code])

    def make_room(self, codes: int, coming: int) -> None:
        """Room for codes below ``codes`` and for ``coming`` new keys."""
        if codes > len(self.row_of):
            self.row_of = extended(self.row_of, 2 * codes, -1)
        if self.count + coming > len(self.code_of):
            length = max(2 * len(self.code_of), self.count + coming)
            self.code_of = extended(self.code_of, length, -1)
            self.clock_us = extended(self.clock_us, length, NEVER)
            self.booked_us = extended(self.booked_us, length, NEVER)


class Spaces(NamedTuple):
    """The key spaces as kernels see them: each field by kind of key."""

    row_of: tuple[Int32s, ...]
    code_of: tuple[Int32s, ...]
    clock_us: tuple[Int64s, ...]
    booked_us: tuple[Int64s, ...]


@dataclass(frozen=True, slots=True)
class Legs:
    """Legs of a batch in the order of the log, columns of length m.

    ``transaction`` is the row of the batch, ``kind`` the kind of key (HOLDER and beyond), ``row`` its row in that key
    space, ``account_row`` that of the account (``-1`` where none, and for the second holder of a joint account). A leg
    of kind ACCOUNT only enters the account's windows: its holder is judged in another partition.
    ``operation`` 1 takes the event of position ``target`` out instead of judging. ``before_us`` is
    the judged time of the key's latest booked leg before this one, or NEVER.
    """

    transaction: Int64s
    side: Int32s
    kind: Int32s
    row: Int64s
    account_row: Int64s
    judged_us: Int64s
    before_us: Int64s
    operation: Int32s
    target: Int64s

    def __len__(self) -> int:
        return len(self.transaction)

    def where(self, kept: npt.NDArray[np.bool_]) -> "Legs":
        """The legs where ``kept`` is true."""
        return Legs(*(getattr(self, name)[kept] for name in self.__slots__))

    def slice(self, start: int, stop: int) -> "Legs":
        """Legs ``start`` to ``stop`` as views."""
        return Legs(*(getattr(self, name)[start:stop] for name in self.__slots__))


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
        seen[at, _FURTHER + (k >> 1)] = (np.int64(high) << 32) | (np.int64(codes[i, k]) & 0xFFFFFFFF)


@inlined
def _further(seen, at, k):
    """The code of the further key ``k`` that is remembered."""
    word = seen[at, _FURTHER + (k >> 1)]
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
def _admit(
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
    seen: Rows,
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
    ``tallies``: ids added, reversals whose original was found, reversals without, legs of further holders added. A
    reversal is counted where its first holder is owned.
    """
    n = 0
    row_of, code_of, clock_us = spaces.row_of, spaces.code_of, spaces.clock_us
    row_of_0, clock_0 = row_of[HOLDER], clock_us[HOLDER]
    row_of_1, clock_1 = row_of[ACCOUNT], clock_us[ACCOUNT]
    last_0, width = spaces.booked_us[HOLDER], seen.shape[1]
    for i in range(len(position)):
        if i + _AHEAD < len(position):
            later = i + _AHEAD
            home = (mix(id_hi[later], id_lo[later]) & (len(seen) - 1)) * width
            prefetch(seen, home)
            prefetch(seen, home + width - 1)
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
        at = find(seen, id_hi[i], id_lo[i])
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
            at = -1 - at
            tallies[0] += 1
        seen[at, _HIGH], seen[at, _LOW], seen[at, _DIGEST] = id_hi[i], id_lo[i], digest[i]
        seen[at, _POSITION] = (position[i] << _DAY_BITS) | (time_us // DAY_US)
        seen[at, _HOLDERS] = (np.int64(holders[i, 0]) << 32) | (np.int64(holders[i, 1]) & 0xFFFFFFFF)
        seen[at, _ACCOUNTS] = (np.int64(accounts[i, 0]) << 32) | (np.int64(accounts[i, 1]) & 0xFFFFFFFF)
        _keep_further(seen, at, extra_codes, i)
        if has_original[i]:
            origin = find(seen, reverses_hi[i], reverses_lo[i])
            first = holders[i, 0] if holders[i, 0] >= 0 else holders[i, 1]
            counted = np.int64(first >= 0 and is_home(is_owned, first))
            if origin < 0 or _is_forgotten(seen, origin, row_of_0, clock_0, elsewhere_us, retention_us):
                tallies[2] += counted
            else:
                tallies[1] += counted
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
                    tallies[3] += 1
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
def _find_ids(seen: Rows, ids: Rows, is_known: Bools) -> None:
    for i in range(len(ids)):
        is_known[i] = find(seen, ids[i, 0], ids[i, 1]) >= 0


@kernel
def _still_needed(
    seen: Rows, row_of: Int32s, clock_us: Int64s, elsewhere_us: Int64s | None, retention_us: int, keep: Bools
) -> None:
    """Clear ``keep`` where an id has been forgotten."""
    for at in range(len(seen)):
        if seen[at, 0] != EMPTY and _is_forgotten(seen, at, row_of, clock_us, elsewhere_us, retention_us):
            keep[at] = False


@dataclass(frozen=True, slots=True)
class Admitted:
    """What became of a batch: an outcome and a lateness mark per transaction, and the legs."""

    outcome: npt.NDArray[np.int8]
    is_late: npt.NDArray[np.bool_]
    legs: Legs
    reversals_found: int
    reversals_without_original: int
    taken_back: Rows
    """Shape (n, 4): the log position of the payment that a record takes back, ``UNKNOWN`` where it takes none; the
    account that it had gone to, or else its holder; who had paid it, and who had received it, as an account where no
    holder is known; ``-1`` for none. The record itself can name others."""


class Admission:
    """Duplicate filter, clocks and key spaces of one partition."""

    def __init__(
        self,
        *,
        extra_kinds: tuple[int, ...],
        keep_accounts: bool,
        lateness_us: int = LATENESS_MAX_US,
        window_us: int = 0,
        asked_of_pairs: npt.NDArray[np.bool_] = EVERY_CLASS,
        partition: Partition = ALL_KEYS,
    ) -> None:
        self.extra_kinds, self.keep_accounts, self.lateness_us = extra_kinds, keep_accounts, lateness_us
        self.further = FurtherKeys(extra_kinds, asked_of_pairs)
        self.column_kinds = self.further.column_kinds
        self.spaces = [KeySpace.empty() for _ in KEY_KINDS]
        self.retention_us = lateness_us + window_us
        self.seen, self.seen_used = new_table(4096, _FURTHER + (len(self.column_kinds) + 1) // 2), 0
        self.shared, self.shared_used = new_table(64, _SHARED_WIDTH), 0
        self.codes = 0
        self.ownership = Ownership(partition)
        self.elsewhere_us = None if self.ownership.is_of_all else np.zeros(0, np.int64)
        """By code, the latest payment here of a holder of another partition; None where there is none."""

    def admit(self, batch: TransactionBatch, joint: JointHolders) -> Admitted:
        """Admit a batch; ``joint`` names the holders of joint accounts as they are in force.

        Of several partitions, the ownership of all codes must be known.
        """
        n = len(batch)
        holders = np.column_stack((batch.debtor_holder, batch.creditor_holder))
        accounts = np.column_stack((batch.debtor_account, batch.creditor_account))
        is_owned = self.ownership.is_owned
        extra_codes, extra_sides = self.further.of(batch, is_owned)
        is_code = np.array(self.column_kinds, np.int64) != PAIR
        further_codes = extra_codes[:, is_code].max(initial=-1)
        codes = int(max(holders.max(initial=-1), accounts.max(initial=-1), further_codes)) + 1
        # A reversal can name an original of an earlier batch, whose codes are not in this one.
        self.codes = codes = max(codes, joint.codes, self.codes)
        if self.elsewhere_us is not None and codes > len(self.elsewhere_us):
            self.elsewhere_us = extended(self.elsewhere_us, 2 * codes, NEVER)
        has_original = batch.reverses_hi != UNKNOWN
        further = int(joint.counts(accounts).sum())
        for kind in (HOLDER, *((ACCOUNT,) if self.keep_accounts else ()), *self.extra_kinds):
            self.spaces[kind].make_room(self.further.pairs_used if kind == PAIR else codes, 4 * n + further)
        self.seen, self.seen_used = self._tidied(self.seen, self.seen_used, n)
        self.shared, self.shared_used = self._tidied(self.shared, self.shared_used, further)
        of_reversal = 2 + len(self.column_kinds) + (4 * HOLDERS_MAX if self.shared_used or further else 0)
        most = n * (2 + len(self.column_kinds)) + 2 * further + int(has_original.sum()) * of_reversal
        counts = np.array([space.count for space in self.spaces], np.int64)
        outcome, is_late = np.zeros(n, np.int8), np.zeros(n, np.bool_)
        wide, small = np.empty((6, most), np.int64), np.empty((3, most), np.int32)
        tallies, taken_back = np.zeros(4, np.int64), np.full((n, 4), UNKNOWN, np.int64)
        taken_back[:, 1:] = -1
        emitted = _admit(
            batch.position, batch.booked_at_us, batch.id_hi, batch.id_lo, batch.digest, batch.status, batch.reverses_hi,
            batch.reverses_lo, has_original, holders, accounts, extra_codes, extra_sides,
            np.array(self.column_kinds, np.int64),
            self.column_kinds.index(PERSON) if PERSON in self.column_kinds else -1,
            self.lateness_us, self.retention_us, self.keep_accounts,
            Spaces(*(tuple(getattr(space, name) for space in self.spaces) for name in Spaces._fields)),
            joint.start, joint.stop, joint.holder, is_owned, self.elsewhere_us, counts, self.seen,
            self.shared, tallies, outcome, is_late, wide, small, taken_back,
        )  # fmt: skip
        for space, count in zip(self.spaces, counts, strict=True):
            space.count = int(count)
        self.seen_used += int(tallies[0])
        self.shared_used += int(tallies[3])
        (transaction, row, account_row, judged_us, before_us, target), (side, kind, operation) = (
            wide[:, :emitted],
            small[:, :emitted],
        )
        legs = Legs(transaction, side, kind, row, account_row, judged_us, before_us, operation, target)
        return Admitted(outcome, is_late, legs, int(tallies[1]), int(tallies[2]), taken_back)

    def knows(self, ids: Rows) -> Bools:
        """Which ids, shape (n, 2), are those of payments that have come here and are remembered."""
        is_known = np.zeros(len(ids), np.bool_)
        _find_ids(self.seen, ids, is_known)
        return is_known

    def _tidied(self, table: Rows, used: int, coming: int) -> tuple[Rows, int]:
        """The table with room for ``coming`` more rows; if that takes another one, without what has been forgotten."""
        if not is_full(table, used, coming):
            return table, used
        holder, keep = self.spaces[HOLDER], np.ones(len(table), np.bool_)
        _still_needed(table, holder.row_of, holder.clock_us, self.elsewhere_us, self.retention_us, keep)
        return regrown(table, used, coming, keep)
