"""Flow tracing: where the money of a payment comes from, and whether it has been here before.

:class:`FlowTable` holds what each account received lately and traces payments in the order of the log; how, say
``engine/inflows.py`` and ``engine/trails.py``. Each payment leaves a carried record (:class:`Records`), which is all
that the payee's side needs: in a bank with several partitions it travels to the payee's partition as a record of the
log; in one partition the same words go straight on.

Limits: 10 inflows an account, 7 trails an inflow, 8 hops, 30 days. An account costs 40 bytes, with one inflow 104,
with ten 616; a trail 8, as long as its money is there 32 more, and 8 for each payment between its first and its last.
Reaching a limit loses trails and never invents one; how many inflows were displaced before their money had gone, and
how many trails, is counted.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from monitor.domain.flow import INFLOWS_MAX, LIMITS, TRAILS_MAX, Limits
from monitor.domain.transaction import Int32s, TransactionBatch
from monitor.domain.vocabulary import STATUSES
from monitor.engine import inflows, trails
from monitor.engine.admission import JUDGED, Admitted
from monitor.engine.inflows import (
    ACCOUNT_WORDS,
    C_ACCOUNTS,
    C_HELD,
    COUNTS,
    FIRST_BLOCK,
    ROOM,
    TOP,
    State,
)
from monitor.engine.trails import MEASURES, PAYEE_HERE, PAYER_HERE, RECORD_WORDS, SEEN_MAX, Payments, Scratch

Rows = npt.NDArray[np.int64]

_BOOKED = STATUSES.index("booked")
_STATE = ("row_of", "accounts", "is_hub", "pool", "counts")


def payments_of(batch: TransactionBatch, admitted: Admitted) -> Payments:
    """The payments of a batch as tracing sees them: from account to account, or from holder where none is given."""

    def first(given: Int32s, else_: Int32s) -> Int32s:
        return np.where(given >= 0, given, else_)

    return Payments(
        position=batch.position,
        time_us=batch.booked_at_us,
        payer=first(batch.debtor_account, batch.debtor_holder),
        payer_owner=first(batch.debtor_holder, batch.debtor_account),
        payee=first(batch.creditor_account, batch.creditor_holder),
        payee_owner=first(batch.creditor_holder, batch.creditor_account),
        amount=batch.amount_minor,
        currency=batch.currency,
        is_booked=(admitted.outcome == JUDGED) & (batch.status == _BOOKED),
        takes_back=admitted.taken_back[:, 0],
        taken_from=admitted.taken_back[:, 1].astype(np.int32),
        sides=np.full(len(batch), PAYER_HERE | PAYEE_HERE, np.int8),
    )


@dataclass(frozen=True, slots=True)
class Path:
    """The way of a trail: log positions of its payments, the first and the last included, and its money."""

    positions: tuple[int, ...]
    origin: int
    amount_minor: int
    sent_minor: int


@dataclass(frozen=True, slots=True)
class Records:
    """Carried records, one per payment, without gaps: that of payment ``i`` is ``words[starts[i]:starts[i + 1]]``.

    Ten words: log position and time of the payment, payer and who holds it, payee and who holds it, amount, currency,
    whether the payer was a hub, number of trails. Then each trail: who made the first payment (times 2**32) and who
    received it; its log position times 256 plus the number of payments with this one; what of it is in here and what
    was sent, in minor units; when; and the log positions of the payments between the first and this one.
    """

    starts: Rows
    words: Rows

    def __len__(self) -> int:
        return len(self.starts) - 1

    def amount(self, row: int) -> int:
        """The amount of a payment, in minor units."""
        return int(self.words[self.starts[row] + trails.R_AMOUNT])

    def trails(self, row: int) -> int:
        """How many trails a payment carries on."""
        return int(self.words[self.starts[row] + trails.R_COUNT])

    def path(self, row: int, number: int) -> Path:
        """The way of one trail of a payment."""
        at = int(self.starts[row])
        position, at = int(self.words[at]), at + trails.R_TRAILS
        for _ in range(number):
            at += trails.TRAIL_HEAD + (int(self.words[at + trails.FIRST]) & trails.HOPS) - 2
        first, hops = divmod(int(self.words[at + trails.FIRST]), 1 << trails.HOPS_BITS)
        between = self.words[at + trails.TRAIL_HEAD : at + trails.TRAIL_HEAD + hops - 2].tolist()
        origin, money, sent = (int(self.words[at + word]) for word in (trails.T_ENDS, trails.MONEY, trails.SENT))
        return Path((first, *between, position), origin >> 32, money, sent)


@dataclass(frozen=True, slots=True)
class Traced:
    """What tracing a batch gave; one entry per payment.

    ``measures`` are the columns of ``engine/trails.py`` in millionths, counts and microseconds; ``about`` says which
    trail of the record each of the three findings is about, ``-1`` for none.
    """

    records: Records
    measures: Rows
    about: npt.NDArray[np.int8]

    def path(self, row: int, finding: int) -> Path | None:
        """The way behind a finding of a payment: ``RETURN_TRAIL``, ``MIDDLEMEN_TRAIL`` or ``CHAIN_TRAIL``."""
        number = int(self.about[row, finding])
        return None if number < 0 else self.records.path(row, number)


_NONE = Records(np.zeros(1, np.int64), np.zeros(0, np.int64))


class FlowTable:
    """What accounts of one partition received lately. Results depend on the order of the log, never on batches."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        assert limits.inflows <= INFLOWS_MAX
        assert limits.trails <= TRAILS_MAX
        self.limits = limits
        self.row_of = np.full(1024, -1, np.int32)
        self.is_hub = np.zeros(1024, np.int8)
        self.accounts = np.zeros((1024, ACCOUNT_WORDS), np.int64)
        self.pool = _new_pool(16_384)
        self.counts = np.zeros(COUNTS, np.int64)
        self.scratch = Scratch(*(np.zeros(length, np.int64) for length in (TRAILS_MAX, SEEN_MAX, INFLOWS_MAX + 1,
                                                                   RECORD_WORDS)))  # fmt: skip

    def trace(self, payments: Payments, given: Records | None = None) -> Traced:
        """Trace payments in the order of the log.

        Args:
            payments: The payments; a side whose account is of another partition is not marked in ``sides``.
            given: Records by payment, needed where the payer is of another partition.
        """
        assert given is not None or bool((payments.sides & PAYER_HERE).all())
        count, known = len(payments.position), given or _NONE
        self._make_room(payments)
        # What is not written is not touched: a record is rarely as long as it can be.
        records = Records(np.zeros(count + 1, np.int64), np.empty(count * RECORD_WORDS, np.int64))
        measures, about = np.empty((count, MEASURES), np.int64), np.empty((count, 3), np.int8)
        done = 0
        while True:
            done = trails.trace(done, payments, self.limits, self._state(), self.scratch, known.starts, known.words,
                                records.starts, records.words, measures, about)  # fmt: skip
            if done == count:
                return Traced(records, measures, about)
            self._repack()

    @property
    def bytes_held(self) -> int:
        """Bytes of accounts and of the used part of the pool."""
        return int(self.counts[C_ACCOUNTS]) * 8 * ACCOUNT_WORDS + int(self.pool[TOP]) * 8

    @property
    def inflows_held(self) -> int:
        """How many inflows are kept."""
        return int(self.counts[C_HELD])

    def save(self) -> dict[str, npt.NDArray[Any]]:
        """The state as arrays; of the pool and of accounts only the used part."""
        used = {"accounts": int(self.counts[C_ACCOUNTS]), "pool": int(self.pool[TOP])}
        return {name: getattr(self, name)[: used.get(name)] for name in _STATE}

    def load(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Take over a saved state."""
        for name in _STATE:
            setattr(self, name, np.array(arrays[name]))
        self.pool = _longer(self.pool, 2 * len(self.pool) + ROOM)

    def _state(self) -> State:
        return State(self.row_of, self.accounts, self.is_hub, self.pool, self.counts)

    def _make_room(self, payments: Payments) -> None:
        codes = 1 + max(int(payments.payer.max(initial=-1)), int(payments.payee.max(initial=-1)))
        if codes > len(self.row_of):
            self.row_of = _longer(self.row_of, 2 * codes, -1)
            self.is_hub = _longer(self.is_hub, 2 * codes)
        coming = int(self.counts[C_ACCOUNTS]) + 2 * len(payments.position)
        if coming > len(self.accounts):
            self.accounts = _longer(self.accounts, max(coming, 2 * len(self.accounts)))

    def _repack(self) -> None:
        """Another pool, without what has been forgotten, and twice as long as what is left."""
        new = _new_pool(len(self.pool))
        rows = int(self.counts[C_ACCOUNTS])
        inflows.repack(self.accounts, rows, self.limits.horizon_us, self.counts, self.pool, new)
        length = max(2 * (int(new[TOP]) + ROOM), len(_new_pool(16_384)))
        self.pool = _longer(new[: new[TOP]], length)


def _new_pool(words: int) -> Rows:
    pool = np.zeros(FIRST_BLOCK + words, np.int64)
    pool[TOP] = FIRST_BLOCK
    return pool


def _longer(values: npt.NDArray[Any], length: int, fill: int = 0) -> npt.NDArray[Any]:
    grown = np.full((length, *values.shape[1:]), fill, values.dtype)
    grown[: len(values)] = values
    return grown
