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

import numpy as np
import numpy.typing as npt

from monitor.domain.partitions import Partition
from monitor.domain.time import DAY_US, UNKNOWN
from monitor.domain.transaction import Int32s, Int64s, TransactionBatch
from monitor.engine import admitting
from monitor.engine.further_keys import ACCOUNT, HOLDER, KEY_KINDS, PAIR, PERSON, Bools, FurtherKeys
from monitor.engine.growing import extended
from monitor.engine.hashing import is_full, new_table, regrown
from monitor.engine.key_spaces import NEVER, KeySpace, Spaces
from monitor.engine.ownership import Ownership
from monitor.engine.profiles import HOLDERS_MAX, JointHolders
from monitor.engine.remembered import empty, room, used, with_room
from monitor.rulebook.dispatch import CLASSES

Rows = npt.NDArray[np.int64]

LATENESS_MAX_US = 35 * DAY_US
EVERY_CLASS = np.ones(CLASSES, np.bool_)
ALL_KEYS = Partition()


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
        self.remembered = empty(admitting.FURTHER + (len(self.column_kinds) + 1) // 2)
        self.shared, self.shared_used = new_table(64, admitting.SHARED_WIDTH), 0
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
        self._make_room_for_ids(n)
        self._make_room_for_shared(further)
        of_reversal = 2 + len(self.column_kinds) + (4 * HOLDERS_MAX if self.shared_used or further else 0)
        most = n * (2 + len(self.column_kinds)) + 2 * further + int(has_original.sum()) * of_reversal
        counts = np.array([space.count for space in self.spaces], np.int64)
        outcome, is_late = np.zeros(n, np.int8), np.zeros(n, np.bool_)
        wide, small = np.empty((6, most), np.int64), np.empty((3, most), np.int32)
        tallies, taken_back = np.zeros(3, np.int64), np.full((n, 4), UNKNOWN, np.int64)
        taken_back[:, 1:] = -1
        emitted = admitting.admit(
            batch.position, batch.booked_at_us, batch.id_hi, batch.id_lo, batch.digest, batch.status, batch.reverses_hi,
            batch.reverses_lo, has_original, holders, accounts, extra_codes, extra_sides,
            np.array(self.column_kinds, np.int64),
            self.column_kinds.index(PERSON) if PERSON in self.column_kinds else -1,
            self.lateness_us, self.retention_us, self.keep_accounts,
            Spaces(*(tuple(getattr(space, name) for space in self.spaces) for name in Spaces._fields)),
            joint.start, joint.stop, joint.holder, is_owned, self.elsewhere_us, counts,
            self.remembered, self.shared, tallies, outcome, is_late, wide, small, taken_back,
        )  # fmt: skip
        for space, count in zip(self.spaces, counts, strict=True):
            space.count = int(count)
        self.shared_used += int(tallies[2])
        (transaction, row, account_row, judged_us, before_us, target), (side, kind, operation) = (
            wide[:, :emitted],
            small[:, :emitted],
        )
        legs = Legs(transaction, side, kind, row, account_row, judged_us, before_us, operation, target)
        return Admitted(outcome, is_late, legs, int(tallies[0]), int(tallies[1]), taken_back)

    def positions_of(self, ids: Rows) -> Int64s:
        """The log positions of the payments with these ids, shape (n, 2); UNKNOWN of those that are not remembered."""
        positions = np.zeros(len(ids), np.int64)
        admitting.positions_of(self.remembered, ids, positions)
        return positions

    def knows(self, ids: Rows) -> Bools:
        """Which ids, shape (n, 2), are those of payments that have come here and are remembered."""
        is_known: Bools = self.positions_of(ids) != UNKNOWN
        return is_known

    @property
    def ids_held(self) -> int:
        """How many ids are remembered."""
        return used(self.remembered)

    def _make_room_for_ids(self, coming: int) -> None:
        """Room for ``coming`` more ids: first that of forgotten ones."""
        wanted = coming
        if room(self.remembered) < coming:
            holder = self.spaces[HOLDER]
            is_round = admitting.let_go_of_forgotten(
                self.remembered, coming, holder.row_of, holder.clock_us, self.elsewhere_us, self.retention_us
            )
            wanted = max(coming, len(self.remembered.rows) // 8) if is_round else coming
        self.remembered = with_room(self.remembered, wanted)

    def _make_room_for_shared(self, coming: int) -> None:
        """Room for ``coming`` more legs of further holders; if that takes another table, without what is forgotten."""
        if is_full(self.shared, self.shared_used, coming):
            holder, keep = self.spaces[HOLDER], np.ones(len(self.shared), np.bool_)
            admitting.still_needed(
                self.shared, holder.row_of, holder.clock_us, self.elsewhere_us, self.retention_us, keep
            )
            self.shared, self.shared_used = regrown(self.shared, self.shared_used, coming, keep)
