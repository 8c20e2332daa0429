"""Flow tracing: where the money of a payment comes from, and whether it has been here before.

:class:`FlowTable` holds what each account received lately and traces payments in the order of the log; how, say
``engine/inflows.py`` and ``engine/trails.py``. Each payment leaves a carried record
(:class:`monitor.domain.flow.Records`), which is all that the payee's side needs. In one partition it goes straight on;
to another it goes as a message in its log (:func:`message_to`, :meth:`FlowTable.receive`), and the same kernel
enters it there.

Limits: 10 inflows an account, 7 trails an inflow, 8 hops, 30 days. An account costs 40 bytes, with one inflow 104,
with ten 616; a trail 8, as long as its money is there 32 more, and 8 for each payment between its first and its last.
Reaching a limit loses trails and never invents one; how many inflows were displaced before their money had gone, and
how many trails, is counted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.room import reserved, roomier
from monitor.domain.flow import (
    HUB_MARK,
    INFLOWS_MAX,
    LIMITS,
    N_ACCOUNT,
    N_KIND,
    N_POSITION,
    N_VALUE,
    NOTE_WORDS,
    OFFSET_BITS,
    R_AMOUNT,
    R_CURRENCY,
    R_PAYEE,
    R_PAYEE_OWNER,
    R_PAYER,
    R_PAYER_OWNER,
    R_POSITION,
    R_TIME,
    TAKE_BACK,
    TRAILS_MAX,
    FlowMessage,
    Limits,
    Path,
    Records,
)
from monitor.domain.time import UNKNOWN
from monitor.domain.transaction import Bytes16, Int32s, Int64s, TransactionBatch
from monitor.domain.vocabulary import STATUSES
from monitor.engine import inflows, trails
from monitor.engine.admission import Admitted
from monitor.engine.admitting import JUDGED
from monitor.engine.flow_messages import CodeOf, from_message, to_message
from monitor.engine.growing import extended
from monitor.engine.inflows import (
    ACCOUNT_WORDS,
    C_ACCOUNTS,
    C_CHANGED,
    C_HELD,
    COUNTS,
    FIRST_BLOCK,
    ROOM,
    TOP,
    State,
)
from monitor.engine.trails import MEASURES, PAYEE_HERE, PAYER_HERE, RECORD_WORDS, SEEN_MAX, Payments, Scratch

Rows = npt.NDArray[np.int64]

NO_ROWS = np.zeros(0, np.int64)
_BOOKED = STATUSES.index("booked")
_ACCOUNTS, _POOL_WORDS = 1 << 20, 1 << 14
"""Room at the beginning; that of accounts takes no memory before they come."""
_STATE = ("row_of", "accounts", "marks", "pool", "counts", "heard")


def payments_of(batch: TransactionBatch, admitted: Admitted, first: int = 0) -> Payments:
    """The payments of a batch as tracing sees them: from account to account, or from holder where none is given.

    ``first`` is the position of a partition's first payment, as all partitions count them.
    """
    back = admitted.taken_back[:, 0]

    def given(code: Int32s, else_: Int32s) -> Int32s:
        return np.where(code >= 0, code, else_)

    return Payments(
        position=batch.position + first,
        time_us=batch.booked_at_us,
        payer=given(batch.debtor_account, batch.debtor_holder),
        payer_owner=given(batch.debtor_holder, batch.debtor_account),
        payee=given(batch.creditor_account, batch.creditor_holder),
        payee_owner=given(batch.creditor_holder, batch.creditor_account),
        amount=batch.amount_minor,
        currency=batch.currency,
        is_booked=(admitted.outcome == JUDGED) & (batch.status == _BOOKED),
        takes_back=np.where(back == UNKNOWN, UNKNOWN, back + first),
        taken_from=admitted.taken_back[:, 1].astype(np.int32),
        sides=np.full(len(batch), PAYER_HERE | PAYEE_HERE, np.int8),
    )


@dataclass(frozen=True, slots=True)
class Traced:
    """What tracing a batch gave; one entry per payment.

    ``measures`` are the columns of ``engine/trails.py`` in millionths, counts and microseconds; ``about`` says which
    trail of the record each of the three findings is about, ``-1`` for none. ``hubs`` are the hub marks that changed,
    as notes for all other partitions.
    """

    records: Records
    measures: Rows
    about: npt.NDArray[np.int8]
    hubs: Rows

    def path(self, row: int, finding: int) -> Path | None:
        """The way behind a finding of a payment: ``RETURN_TRAIL``, ``MIDDLEMEN_TRAIL`` or ``CHAIN_TRAIL``."""
        number = int(self.about[row, finding])
        return None if number < 0 else self.records.path(row, number)


def leaving(payments: Payments) -> Int64s:
    """The payments, by row, whose money goes to an account of another partition."""
    is_moved = payments.is_booked & (payments.amount > 0) & (payments.payer != payments.payee)
    return np.flatnonzero(is_moved & (payments.sides & PAYEE_HERE == 0) & (payments.payee >= 0))


def message_to(
    traced: Traced, tokens: Bytes16, payments: Payments | None = None, rows: Int64s = NO_ROWS, back: Int64s = NO_ROWS
) -> FlowMessage | None:
    """What tracing a batch has for another partition; None where that is nothing.

    Args:
        traced: What tracing the batch gave.
        tokens: The tokens by code, shape (codes, 16).
        payments: The batch; None where it had come as a message, of which only hub marks go on.
        rows: Of :func:`leaving`, those whose payee is of that partition.
        back: Those that take a payment back whose payee is of that partition.
    """
    notes = traced.hubs
    if payments is not None and len(back):
        kind = np.full(len(back), TAKE_BACK)
        columns = (payments.position[back], kind, payments.taken_from[back], payments.takes_back[back])
        notes = np.concatenate((notes, np.column_stack(columns)))
        notes = notes[np.argsort(notes[:, N_POSITION], kind="stable")]
    return to_message(traced.records.rows(rows), notes, tokens) if len(rows) or len(notes) else None


_NONE = Records(np.zeros(1, np.int64), np.zeros(0, np.int64))


class FlowTable:
    """What accounts of one partition received lately. Results depend on the order of the log, never on batches.

    Args:
        limits: How much is kept.
        tokens: The tokens of all codes so far, shape (codes, 16). The others of an account are counted by their tokens,
            so that partitions with other codes agree on who is a hub. Without it a code is its own token.
    """

    def __init__(self, limits: Limits = LIMITS, tokens: Callable[[], Bytes16] | None = None) -> None:
        assert limits.inflows <= INFLOWS_MAX
        assert limits.trails <= TRAILS_MAX
        self.limits, self.tokens = limits, tokens
        self.row_of = np.full(1024, -1, np.int32)
        self.marks, self.known = np.zeros(1024, np.int8), 0
        self.accounts = reserved((_ACCOUNTS, ACCOUNT_WORDS), np.int64)
        self.pool = _new_pool(_POOL_WORDS)
        self.counts = np.zeros(COUNTS, np.int64)
        self.heard = np.zeros(0, np.int64)
        """By partition: one more than the last position of which a message was taken in."""
        self.scratch = Scratch(*(np.zeros(length, np.int64) for length in (TRAILS_MAX, SEEN_MAX, INFLOWS_MAX + 1,
                                                                   RECORD_WORDS)))  # fmt: skip

    def trace(self, payments: Payments) -> Traced:
        """Trace payments of this partition's log, in its order; ``sides`` says which sides are its accounts."""
        return self._trace(payments, _NONE)

    def receive(self, message: FlowMessage, code_of: CodeOf, position: int) -> Traced:
        """Take in what another partition sent; gives the measures of the payments whose records came.

        What a partition told before, by position, changes nothing and is left out of the result. A record is entered
        where it comes: payments out before it are not traced anew, those after it take its money first.

        Args:
            message: What was sent.
            code_of: The codes of tokens in this process.
            position: Where the message stands in the log of this partition.

        Raises:
            UnsoundMessage: The message is not sound; nothing has been taken in.
        """
        records, notes = from_message(message, code_of)
        told = np.concatenate((records.head(R_POSITION), notes[:, N_POSITION]))
        partitions = told >> OFFSET_BITS
        if len(told) and int(partitions.max()) >= len(self.heard):
            self.heard = extended(self.heard, int(partitions.max()) + 1, 0)
        is_new = told >= self.heard[partitions]
        np.maximum.at(self.heard, partitions, told + 1)
        of_records, of_notes = np.split(is_new, [len(records)])
        records, notes = records.rows(np.flatnonzero(of_records)), notes[of_notes]
        traced = self._trace(_received(records), records)
        traced.hubs[:, N_POSITION] = position
        if len(notes):
            self._note(notes)
        return traced

    def listen_anew(self, partition: int) -> None:
        """Forget how far a partition was heard: it counts its positions from the beginning again."""
        self.heard[partition : partition + 1] = 0

    def _trace(self, payments: Payments, given: Records) -> Traced:
        count = len(payments.position)
        self._make_room(payments)
        # What is not written is not touched: a record is rarely as long as it can be.
        records = Records(np.zeros(count + 1, np.int64), np.empty(count * RECORD_WORDS, np.int64))
        measures, about = np.empty((count, MEASURES), np.int64), np.empty((count, 3), np.int8)
        changed, done = np.empty((2 * count, 3), np.int64), 0
        while True:
            done = trails.trace(done, payments, self.limits, self._state(changed), self.scratch, given.starts,
                                given.words, records.starts, records.words, measures, about)  # fmt: skip
            if done == count:
                break
            self._repack()
        hubs = np.full((int(self.counts[C_CHANGED]), NOTE_WORDS), HUB_MARK, np.int64)
        hubs[:, [N_POSITION, N_ACCOUNT, N_VALUE]] = changed[: len(hubs)]
        self.counts[C_CHANGED] = 0
        return Traced(records, measures, about, hubs)

    def _note(self, notes: Int64s) -> None:
        """Follow notes, in their order: hub marks, and payments taken back, whose own way here is a payment."""
        self._make_marks(int(notes[:, N_ACCOUNT].max()) + 1)
        for _, kind, account, value in notes.tolist():
            if kind == HUB_MARK:
                self.marks[account] = (self.marks[account] & ~1) | value
        back = notes[notes[:, N_KIND] == TAKE_BACK]
        accounts, none = back[:, N_ACCOUNT].astype(np.int32), np.full(len(back), -1, np.int32)
        nothing = np.zeros(len(back), np.int64)
        self._trace(
            Payments(
                back[:, N_POSITION], nothing, none, none, none, none, nothing, nothing.astype(np.int16),
                np.zeros(len(back), np.bool_), back[:, N_VALUE], accounts, np.full(len(back), PAYER_HERE, np.int8),
            ), _NONE,
        )  # fmt: skip

    @property
    def bytes_held(self) -> int:
        """Bytes of accounts and of the used part of the pool."""
        return int(self.counts[C_ACCOUNTS]) * 8 * ACCOUNT_WORDS + int(self.pool[TOP]) * 8

    @property
    def inflows_held(self) -> int:
        """How many inflows are kept."""
        return int(self.counts[C_HELD])

    def save(self) -> dict[str, npt.NDArray[Any]]:
        """The state as arrays; of the pool, accounts and marks only the used part."""
        used = {"accounts": int(self.counts[C_ACCOUNTS]), "pool": int(self.pool[TOP]), "marks": self.known}
        return {name: getattr(self, name)[: used.get(name)] for name in _STATE}

    def load(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Take over a saved state."""
        for name in _STATE:
            setattr(self, name, np.array(arrays[name]))
        self.known = len(self.marks)
        self.accounts = roomier(self.accounts, len(self.accounts), max(len(self.accounts), _ACCOUNTS))
        self.pool = extended(self.pool, 2 * len(self.pool) + ROOM, 0)

    def _state(self, changed: Rows) -> State:
        return State(self.row_of, self.accounts, self.marks, self.pool, self.counts, changed)

    def _make_room(self, payments: Payments) -> None:
        codes = 1 + max(int(side.max(initial=-1)) for side in (payments.payer, payments.payee, payments.taken_from))
        if codes > len(self.row_of):
            self.row_of = extended(self.row_of, 2 * codes, -1)
        self._make_marks(codes)
        accounts = int(self.counts[C_ACCOUNTS])
        self.accounts = roomier(self.accounts, accounts, accounts + 2 * len(payments.position))

    def _make_marks(self, codes: int) -> None:
        """Marks for codes that are new: no hub, and the bit of the token."""
        if codes <= self.known:
            return
        if codes > len(self.marks):
            self.marks = extended(self.marks, 2 * codes, 0)
        if self.tokens is None:
            numbers = np.arange(self.known, codes, dtype=np.uint64)
        else:
            numbers = np.ascontiguousarray(self.tokens()[self.known : codes, :8]).view("<u8")[:, 0]
        inflows.bits_of_tokens(numbers.view(np.int64), self.marks[self.known : codes])
        self.known = codes

    def _repack(self) -> None:
        """Another pool, without what has been forgotten, and twice as long as what is left."""
        new = _new_pool(2 * len(self.pool) + ROOM)
        rows = int(self.counts[C_ACCOUNTS])
        inflows.repack(self.accounts, rows, self.limits, self.counts, self.pool, new)
        self.pool = new[: max(2 * (int(new[TOP]) + ROOM), _POOL_WORDS)]


def _received(records: Records) -> Payments:
    """Records as the payments that they are of, seen from the payee."""
    count = len(records)

    def codes(word: int) -> Int32s:
        return records.head(word).astype(np.int32)

    return Payments(
        position=records.head(R_POSITION),
        time_us=records.head(R_TIME),
        payer=codes(R_PAYER),
        payer_owner=codes(R_PAYER_OWNER),
        payee=codes(R_PAYEE),
        payee_owner=codes(R_PAYEE_OWNER),
        amount=records.head(R_AMOUNT),
        currency=records.head(R_CURRENCY).astype(np.int16),
        is_booked=np.ones(count, np.bool_),
        takes_back=np.full(count, UNKNOWN),
        taken_from=np.full(count, -1, np.int32),
        sides=np.full(count, PAYEE_HERE, np.int8),
    )


def _new_pool(words: int) -> Rows:
    pool: Rows = reserved((FIRST_BLOCK + words,), np.int64)
    pool[TOP] = FIRST_BLOCK
    return pool
