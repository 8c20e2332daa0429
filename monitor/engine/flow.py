"""Flow tracing: where the money of a payment comes from, and whether it has been here before.

:class:`FlowTable` holds what each account received lately and traces payments in the order of the log; how, say
``engine/inflows.py`` and ``engine/trails.py``. Each payment leaves a carried record, :data:`RECORD`, which is all that
the payee's side needs: in a bank with several partitions it travels to the payee's partition as a record of the log; in
one partition the same array goes straight on.

Limits: 10 inflows an account, 7 trails an inflow, 8 hops, 30 days. An account costs 40 bytes, with one inflow 104,
with ten 552; a trail 40, and 8 more for each payment between its first and its last. Reaching a limit loses trails and
never invents one; how many inflows were displaced before their money had gone, and how many trails, is counted.
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
from monitor.engine.trails import MEASURES, PATH_MAX, PAYEE_HERE, PAYER_HERE, RECORD_WORDS, SEEN_MAX, Payments, Scratch

Rows = npt.NDArray[np.int64]

TRAIL = np.dtype([
    ("first_hop", np.int32), ("origin", np.int32), ("first_and_hops", np.int64), ("amount", np.int64),
    ("sent", np.int64), ("started_us", np.int64), ("between", np.int64, PATH_MAX),
])  # fmt: skip
"""A trail in a record: who made the first payment and who received it; its log position times 256 plus the number of
payments with this one; what of it is in here and what was sent, in minor units; when; and the log positions of the
payments between the first and this one, ``hops - 2`` of them."""
RECORD = np.dtype([
    ("position", np.int64), ("time_us", np.int64), ("payer", np.int64), ("payer_owner", np.int64), ("payee", np.int64),
    ("payee_owner", np.int64), ("amount", np.int64), ("currency", np.int64), ("is_hub", np.int64),
    ("trails", np.int64), ("trail", TRAIL, TRAILS_MAX),
])  # fmt: skip
"""A carried record: the payment, whether its payer was a hub, and how many of ``trail`` are used."""

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
class Traced:
    """What tracing a batch gave; one entry per payment.

    ``measures`` are the columns of ``engine/trails.py`` in millionths, counts and microseconds; ``about`` says which
    trail of the record each of the three findings is about, ``-1`` for none.
    """

    records: npt.NDArray[np.void]
    measures: Rows
    about: npt.NDArray[np.int8]

    def path(self, row: int, finding: int) -> Path | None:
        """The way behind a finding of a payment: ``RETURN_TRAIL``, ``MIDDLEMEN_TRAIL`` or ``CHAIN_TRAIL``."""
        number = int(self.about[row, finding])
        return None if number < 0 else path_of(self.records[row], number)


def path_of(record: np.void, number: int) -> Path:
    """The way of one trail of a record."""
    trail = record["trail"][number]
    first, hops = divmod(int(trail["first_and_hops"]), 1 << trails.HOPS_BITS)
    between = trail["between"][: hops - 2].tolist()
    return Path(
        (first, *between, int(record["position"])), int(trail["origin"]), int(trail["amount"]), int(trail["sent"])
    )


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
        self.scratch = Scratch(*(np.zeros(length, np.int64) for length in (TRAILS_MAX, SEEN_MAX, INFLOWS_MAX + 1)))

    def trace(self, payments: Payments, given: npt.NDArray[np.void] | None = None) -> Traced:
        """Trace payments in the order of the log.

        Args:
            payments: The payments; a side whose account is of another partition is not marked in ``sides``.
            given: Records by payment, where the payer is of another partition.
        """
        count = len(payments.position)
        self._make_room(payments)
        records = np.empty(count, RECORD) if given is None else given.copy()
        words = records.view(np.int64).reshape(count, RECORD_WORDS)
        measures, about = np.empty((count, MEASURES), np.int64), np.empty((count, 3), np.int8)
        done = 0
        while True:
            done = trails.trace(done, payments, self.limits, self._state(), self.scratch, words, measures, about)
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
