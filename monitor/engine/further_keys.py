"""The keys of a payment besides its holders and their accounts, as columns of codes.

Conductor, on-behalf-of person, outside counterparty, device, link and the other side's bank are one column each. A
*person* is everyone who takes part in a payment in cash, each once on a side: four columns. A *pair* is a holder
together with the other side, seen from each side: two columns of numbers that pairs are given here, in payments that
some rule about pairs can be about. A pair is judged at its holder's time, so which payments these are moves no clock.
"""

import numpy as np
import numpy.typing as npt

from monitor.domain.transaction import Int16s, Int32s, TransactionBatch
from monitor.domain.vocabulary import CHANNELS, DIRECTIONS, STATUSES
from monitor.engine.compiled import inlined, kernel
from monitor.engine.hashing import find, is_full, new_table, regrown

Rows = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

HOLDER, ACCOUNT, CONDUCTOR, ON_BEHALF_OF, COUNTERPARTY, DEVICE, PERSON, LINK, AGENT, PAIR = range(10)
KEY_KINDS = ("customer", "account", "conductor", "on_behalf_of", "counterparty", "device", "person", "link", "agent",
             "pair")  # fmt: skip
_CASH = np.array([CHANNELS.index("cash"), CHANNELS.index("atm")], np.int16)
_COLUMNS = {PERSON: 4, PAIR: 2}
"""Columns of a kind, where it has more than one. Those of persons: debtor, creditor, conductor, on-behalf-of person."""
DEBTOR, CREDITOR = 0, 1
ROLES = ("debtor", "creditor")
_DIRECTION_OF_SIDE = np.array([DIRECTIONS.index("debit"), DIRECTIONS.index("credit")])
_BOOKED = STATUSES.index("booked")


class FurtherKeys:
    """Gives each batch its columns of further keys; remembers the numbers of pairs."""

    def __init__(self, kinds: tuple[int, ...], asked_of_pairs: npt.NDArray[np.bool_]) -> None:
        """``asked_of_pairs`` says by class of leg (:mod:`monitor.rulebook.dispatch`) whether its pair matters."""
        self.kinds = kinds
        by_direction = asked_of_pairs.reshape(len(DIRECTIONS), len(CHANNELS) + 1, 2)
        self.asked_of_pairs = np.ascontiguousarray(by_direction[_DIRECTION_OF_SIDE])
        self.column_kinds = [kind for kind in kinds for _ in range(_COLUMNS.get(kind, 1))]
        of_sides = [self.column_kinds.index(kind) for kind in kinds if kind in (PERSON, PAIR)]
        self._of_others = sorted({*range(len(self.column_kinds))} - {n + side for n in of_sides for side in (0, 1)})
        self.pairs, self.pairs_used = new_table(64, 3), 0

    def of(self, batch: TransactionBatch, is_owned: Bools | None = None) -> tuple[Int32s, Int32s]:
        """Codes and sides of the further keys that the rulebook uses, shape (n, columns).

        Only keys that are owned, by code, None for all; of a pair its holder must be. Debtor and creditor as persons
        stand there also where they are not: they say that the payment is one in cash, which further holders need.
        """
        side = _side_of(batch)
        codes = np.empty((len(batch), len(self.column_kinds)), np.int32)
        sides = np.ascontiguousarray(np.repeat(side[:, None], codes.shape[1], axis=1))
        for kind in self.kinds:
            column = self.column_kinds.index(kind)
            codes[:, column : column + _COLUMNS.get(kind, 1)] = (
                self._pairs(batch, is_owned) if kind == PAIR else _coded(batch, kind, side)
            )
            if kind in (PERSON, PAIR):
                sides[:, column], sides[:, column + 1] = DEBTOR, CREDITOR
        if is_owned is not None:
            for column in self._of_others:
                found = codes[:, column]
                codes[:, column] = np.where((found >= 0) & is_owned[found], found, -1)
        return codes, sides

    def _pairs(self, batch: TransactionBatch, is_owned: Bools | None) -> Int32s:
        """Numbers of the pairs (holder, other side) seen from the debtor and from the creditor; new ones are added."""
        if is_full(self.pairs, self.pairs_used, 2 * len(batch)):
            self.pairs, self.pairs_used = regrown(self.pairs, self.pairs_used, 2 * len(batch))
        found = np.full((len(batch), 2), -1, np.int32)
        holders = (batch.debtor_holder, batch.creditor_holder)
        accounts = (batch.debtor_account, batch.creditor_account)
        self.pairs_used += _number_pairs(
            *holders, *accounts, batch.channel, batch.status, self.asked_of_pairs, is_owned, self.pairs,
            self.pairs_used, found,
        )  # fmt: skip
        return found


def keys_of(batch: TransactionBatch, kinds: tuple[int, ...]) -> Int32s:
    """The codes of all keys of payments, ``-1`` for none, shape (n, columns): holders, and further keys of ``kinds``.

    A pair lives with its holder, and so does an account.
    """
    side = _side_of(batch)
    further = [_coded(batch, kind, side) for kind in kinds if kind != PAIR]
    return np.column_stack((batch.debtor_holder, batch.creditor_holder, *further))


def _side_of(batch: TransactionBatch) -> Int32s:
    """The side from which a key that is neither side's own sees a payment."""
    return np.where(batch.debtor_holder >= 0, DEBTOR, CREDITOR).astype(np.int32)


def _coded(batch: TransactionBatch, kind: int, side: Int32s) -> Int32s:
    """The codes of the further keys of a kind other than pairs, shape (n, columns)."""
    return _persons(batch, side) if kind == PERSON else _single(batch, kind, side)[:, None]


def _single(batch: TransactionBatch, kind: int, side: Int32s) -> Int32s:
    """The key of a kind that a payment has once; ``-1`` where it has none."""
    if kind == COUNTERPARTY:
        outside = np.where(batch.debtor_holder < 0, batch.debtor_account, -1)
        return np.where((outside < 0) & (batch.creditor_holder < 0), batch.creditor_account, outside)
    if kind == AGENT:
        return np.where(side == DEBTOR, batch.creditor_agent, batch.debtor_agent)
    columns = {CONDUCTOR: batch.conductor, ON_BEHALF_OF: batch.on_behalf_of, DEVICE: batch.device, LINK: batch.link}
    return columns[kind]


def _persons(batch: TransactionBatch, side: Int32s) -> Int32s:
    """Who takes part in payments in cash: debtor, creditor, conductor, on-behalf-of person, each once on a side."""
    own = np.where(side == DEBTOR, batch.debtor_holder, batch.creditor_holder)
    conductor = np.where(batch.conductor == own, -1, batch.conductor)
    principal = np.where((batch.on_behalf_of == own) | (batch.on_behalf_of == conductor), -1, batch.on_behalf_of)
    # Without a holder of ours there is no side to see it from.
    is_seen = np.isin(batch.channel, _CASH) & (own >= 0)
    everyone = (batch.debtor_holder, batch.creditor_holder, conductor, principal)
    return np.column_stack([np.where(is_seen, codes, -1) for codes in everyone]).astype(np.int32)


@inlined
def is_home(is_owned, code):
    """Whether a key is of this partition; where all are, ``is_owned`` is None and nothing is compiled to look it up."""
    if is_owned is None:
        return True
    return is_owned[code]


@kernel
def _number_pairs(
    debtor_holder: Int32s, creditor_holder: Int32s, debtor_account: Int32s, creditor_account: Int32s, channel: Int16s,
    status: Int16s, asked: Bools, is_owned: Bools | None, pairs: Rows, used: int, found: Int32s,
) -> int:  # fmt: skip
    """Write the number of each pair; returns how many are new."""
    added = 0
    for i in range(len(debtor_holder)):
        for side in range(2):
            if not asked[side, channel[i] + 1, np.int64(status[i] == _BOOKED)]:
                continue
            own = debtor_holder[i] if side == DEBTOR else creditor_holder[i]
            across = creditor_account[i] if side == DEBTOR else debtor_account[i]
            if across < 0:
                across = creditor_holder[i] if side == DEBTOR else debtor_holder[i]
            if own >= 0 and across >= 0 and is_home(is_owned, own):
                at = find(pairs, np.int64(own), np.int64(across))
                if at < 0:
                    at = -1 - at
                    pairs[at, 0], pairs[at, 1], pairs[at, 2] = own, across, used + added
                    added += 1
                found[i, side] = pairs[at, 2]
    return added
