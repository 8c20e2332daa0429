"""The money of one of several partitions: traced here, told to others, and heard from them.

A payment's money is taken from the payer where the payer lives and entered where the payee lives;
the account of either lives with the holder whom the payment names. The payee's partition learns of it by a message of
the payer's. Until then a payment that has come is *awaited*; what is heard of a payment that has not come is kept
until it does, at most :data:`EARLY_MAX` payments of them, the latest. With one partition all is traced at once.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from monitor.domain.flow import FINDINGS, N_POSITION, OFFSET_BITS, R_POSITION, FlowMessage, Records
from monitor.domain.time import UNKNOWN
from monitor.domain.transaction import Bytes16, Int32s, Int64s, TransactionBatch
from monitor.engine.admission import Admitted
from monitor.engine.flow import NO_ROWS, FlowTable, Traced, leaving, message_to, payments_of
from monitor.engine.flow_messages import CodeOf
from monitor.engine.further_keys import Bools
from monitor.engine.ownership import Ownership, where_known
from monitor.engine.trails import MEASURES, PAYEE_HERE, PAYER_HERE, Payments

Rows = npt.NDArray[np.int64]
Arrays = dict[str, npt.NDArray[Any]]

EARLY_MAX = 65_536
ROWS_MAX = 1_024
"""Most records of a message: it is about a megabyte with every list full."""
_LAST = 2**63 - 1
_NO_ID = (UNKNOWN, UNKNOWN)


class Told(NamedTuple):
    """What another partition must be told.

    ``ids`` has the id of the payment of each record, shape (records, 2); ``UNKNOWN`` where the payee is nobody whose
    legs are judged.
    """

    partition: int
    message: FlowMessage
    ids: Rows


class Followed(NamedTuple):
    """What following the money of a batch gave. ``is_awaited`` says by row whether its payee will know it later; None
    where there is one partition."""

    traced: Traced
    is_awaited: Bools | None
    told: list[Told]


class Heard(NamedTuple):
    """What was heard of payments: their ids, shape (n, 2), and what tracing gave, by the same rows."""

    ids: Rows
    traced: Traced
    told: list[Told]


class Following:
    """Follows the money of the payments that one partition is given.

    Args:
        table: What accounts of the partition received lately.
        ownership: Which identifiers live here.
    """

    def __init__(self, table: FlowTable, ownership: Ownership) -> None:
        self.table, self.ownership = table, ownership
        self.first = ownership.partition.number << OFFSET_BITS
        """The position of the partition's first payment, as all partitions count them."""
        self.early: dict[tuple[int, int], tuple[Int64s, npt.NDArray[np.int8], Int64s]] = {}
        """By id of a payment that has not come: its measures, which trails they are about, and its record."""

    def follow(self, batch: TransactionBatch, admitted: Admitted, tokens: Bytes16) -> Followed:
        """Trace the payments made here, and say what others must be told; ``tokens`` are those of all codes."""
        payments, ownership = payments_of(batch, admitted, self.first), self.ownership
        if ownership.is_of_all:
            return Followed(self.table.trace(payments), None, [])
        here = ownership.partition.number
        home = where_known(payments.payee_owner, ownership.home)
        is_made = np.where(payments.payer >= 0, where_known(payments.payer_owner, ownership.home), home) == here
        is_back = payments.takes_back != UNKNOWN
        chosen = np.flatnonzero(is_made | is_back)
        own = Payments._make(column[chosen] for column in payments)
        sides = np.where(home[chosen] == here, PAYER_HERE | PAYEE_HERE, PAYER_HERE).astype(np.int8)
        own = own._replace(sides=sides, is_booked=own.is_booked & is_made[chosen])
        traced = self.table.trace(own)
        payer, payee = admitted.taken_back[chosen, 2], admitted.taken_back[chosen, 3]
        back_to = np.where(where_known(payer, ownership.home) == here, where_known(payee, ownership.home), -1)
        told = list(self._told(own, traced, home[chosen], back_to, batch, chosen, tokens))
        is_moved = payments.is_booked & (payments.amount > 0) & (payments.payer != payments.payee)
        is_awaited = is_moved & ~is_made & (payments.payee >= 0) & (home == here)
        return Followed(self._spread(traced, chosen, batch, is_awaited), is_awaited, told)

    def hear(self, message: FlowMessage, ids: Rows, code_of: CodeOf, tokens: Any, position: int) -> Heard:
        """Take in what another partition told.

        Args:
            message: What was told.
            ids: See :class:`Told`.
            code_of: The codes of tokens in this process.
            tokens: Gives the tokens of all codes.
            position: Where the message stands in this partition's log, as a row of it.

        Raises:
            UnsoundMessage: The message is not sound; nothing has been taken in.
        """
        traced = self.table.receive(message, code_of, self.first + position)
        at = np.searchsorted(message.records.head(R_POSITION), traced.records.head(R_POSITION))
        others = [n for n in range(self.ownership.partition.count) if n != self.ownership.partition.number]
        hubs = message_to(traced, tokens())
        none = np.zeros((0, 2), np.int64)
        return Heard(ids[at], traced, [] if hubs is None else [Told(other, hubs, none) for other in others])

    def keep(self, heard: Heard, rows: Int64s) -> None:
        """Keep what was heard of payments, by row, that have not come."""
        traced = heard.traced
        for row, (high, low) in zip(rows.tolist(), heard.ids[rows].tolist(), strict=True):
            words = traced.records.rows(np.array([row])).words
            self.early[high, low] = traced.measures[row].copy(), traced.about[row].copy(), words
        for key in list(islice(self.early, max(len(self.early) - EARLY_MAX, 0))):
            del self.early[key]

    def _told(
        self, own: Payments, traced: Traced, home: Int32s, back_to: Int32s, batch: TransactionBatch, chosen: Int64s,
        tokens: Bytes16,
    ) -> Iterator[Told]:  # fmt: skip
        """What each other partition must be told; ``home`` is that of each payee, ``back_to`` of what goes back."""
        leaves, here = leaving(own), self.ownership.partition.number
        goes_back = np.flatnonzero((own.takes_back != UNKNOWN) & (back_to >= 0))
        to = np.arange(self.ownership.partition.count) if len(traced.hubs) else home[leaves]
        for partition in np.unique(np.concatenate((to, home[leaves], back_to[goes_back]))).tolist():
            if partition == here:
                continue
            all_rows, all_back = leaves[home[leaves] == partition], goes_back[back_to[goes_back] == partition]
            edges = [UNKNOWN, *own.position[all_rows[ROWS_MAX::ROWS_MAX]].tolist(), _LAST]
            for start, stop in pairwise(edges):
                rows, back = (
                    each[(own.position[each] >= start) & (own.position[each] < stop)] for each in (all_rows, all_back)
                )
                hubs = traced.hubs[(traced.hubs[:, N_POSITION] >= start) & (traced.hubs[:, N_POSITION] < stop)]
                message = message_to(replace(traced, hubs=hubs), tokens, own, rows, back)
                if message is not None:
                    at = chosen[rows]
                    ids = np.column_stack((batch.id_hi[at], batch.id_lo[at]))
                    ids[batch.creditor_holder[at] < 0] = _NO_ID
                    yield Told(partition, message, ids)

    def _spread(self, traced: Traced, chosen: Int64s, batch: TransactionBatch, is_awaited: Bools) -> Traced:
        """What was traced by row of the whole batch, with what had been heard early of awaited payments, which are not
        awaited any more."""
        records, measures, about = traced.records, traced.measures, traced.about
        if self.early:
            found = []
            for row in np.flatnonzero(is_awaited).tolist():
                known = self.early.pop((int(batch.id_hi[row]), int(batch.id_lo[row])), None)
                if known is not None:
                    found.append((row, *known))
                    is_awaited[row] = False
            if found:
                rows, more, which, words = zip(*found, strict=True)
                chosen = np.concatenate((chosen, np.array(rows)))
                records = _joined(records, list(words))
                measures, about = np.concatenate((measures, more)), np.concatenate((about, which))
        wide = np.full((len(batch), MEASURES), UNKNOWN, np.int64)
        marks = np.full((len(batch), about.shape[1]), -1, np.int8)
        wide[chosen], marks[chosen] = measures, about
        order, lengths = np.argsort(chosen), np.zeros(len(batch), np.int64)
        records = records.rows(order)
        lengths[chosen[order]] = np.diff(records.starts)
        starts = np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths)))
        return Traced(Records(starts, records.words), wide, marks, traced.hubs)

    def save(self) -> Arrays:
        """The state as arrays."""
        arrays = self.table.save()
        if not self.ownership.is_of_all:
            measures, about, words = zip(*self.early.values(), strict=True) if self.early else ((), (), ())
            records = _joined(Records(np.zeros(1, np.int64), NO_ROWS), list(words))
            arrays |= {
                "early.ids": np.array(list(self.early), np.int64).reshape(-1, 2),
                "early.measures": np.array(measures, np.int64).reshape(-1, MEASURES),
                "early.about": np.array(about, np.int8).reshape(-1, len(FINDINGS)),
                "early.starts": records.starts,
                "early.words": records.words,
            }
        return arrays

    def load(self, arrays: Arrays) -> None:
        """Take over a saved state."""
        self.table.load(arrays)
        self.early = {}
        if not self.ownership.is_of_all:
            starts, words = arrays["early.starts"], arrays["early.words"]
            for row, (high, low) in enumerate(arrays["early.ids"].tolist()):
                measures, about = np.array(arrays["early.measures"][row]), np.array(arrays["early.about"][row])
                self.early[high, low] = measures, about, np.array(words[starts[row] : starts[row + 1]])


def _joined(records: Records, more: list[Int64s]) -> Records:
    """Records and, behind them, further ones."""
    stop = records.starts[-1]
    ends = stop + np.cumsum(np.array([len(words) for words in more], np.int64))
    return Records(np.concatenate((records.starts, ends)), np.concatenate((records.words[:stop], *more)))
