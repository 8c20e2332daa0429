"""Which keys an engine owns, and to which partitions payments go, so that each key's home sees all of its payments.

A key lives in one partition, by its token (:mod:`monitor.domain.partitions`): there its legs are judged and its
windows, its clock and what it remembers are kept. A pair lives with its holder, and so does an account. A payment
goes, as a whole row, to the home of each of its keys; a record that takes another back goes to all partitions, since
the keys of the other can be any.
"""

from typing import NamedTuple

import numpy as np

from monitor.domain.partitions import Partition, home_of
from monitor.domain.time import UNKNOWN
from monitor.domain.transaction import Bytes16, Int32s, Int64s, TransactionBatch
from monitor.engine.further_keys import Bools, keys_of
from monitor.engine.growing import extended
from monitor.engine.profiles import JointHolders


class Destinations(NamedTuple):
    """Rows of a batch and the partitions that each goes to, as columns of equal length, by row and then partition; no
    pair twice."""

    row: Int64s
    partition: Int32s


NOWHERE = Destinations(np.zeros(0, np.int64), np.zeros(0, np.int32))


def destinations(
    batch: TransactionBatch, tokens: Bytes16, kinds: tuple[int, ...], partitions: int, *, follows_money: bool = False
) -> Destinations:
    """Where the payments of a batch go: to the home of each key that rules can aggregate by.

    Joint holders who are no party of the payment are not known here; the engine says where it must go on to
    (:attr:`monitor.engine.engine.Step.forward`).

    Args:
        batch: The payments.
        tokens: The tokens by code, shape (codes, 16).
        kinds: The further kinds of keys of the rulebook in force, :attr:`monitor.engine.binding.Bound.extra_kinds`.
        partitions: How many partitions there are.
        follows_money: Whether a rule asks for the flow of money: then a payment goes to the home of the account that
            pays too, also that of an outside party, whose money may have come from here.
    """
    goes = np.zeros((len(batch), partitions), np.bool_)
    keys = keys_of(batch, kinds)
    if follows_money:
        payee = np.where(batch.creditor_holder >= 0, -1, batch.creditor_account)
        payer = np.where(batch.debtor_account >= 0, batch.debtor_account, payee)
        keys = np.column_stack((keys, np.where(batch.debtor_holder >= 0, -1, payer)))
    row, column = np.nonzero(keys >= 0)
    goes[row, home_of(tokens[keys[row, column], :8], partitions)] = True
    goes[batch.reverses_hi != UNKNOWN] = True
    return _where(goes)


class Ownership:
    """Which identifiers of this process have their home in the partition, by code."""

    def __init__(self, partition: Partition) -> None:
        self.partition = partition
        self.home, self.known = np.zeros(0, np.int32), 0
        self.is_owned: Bools | None = None if partition.count == 1 else np.zeros(0, np.bool_)
        """By code; None where there is one partition, which owns every key."""

    @property
    def is_of_all(self) -> bool:
        """Whether there is one partition, which owns every key."""
        return self.is_owned is None

    def learn(self, tokens: Bytes16) -> None:
        """Find the homes of codes that are new; ``tokens`` are those of all codes, shape (codes, 16)."""
        if self.is_owned is None or len(tokens) <= self.known:
            return
        if len(tokens) > len(self.home):
            self.home = extended(self.home, 2 * len(tokens), -1)
            self.is_owned = extended(self.is_owned, 2 * len(tokens), 0)
        new = slice(self.known, len(tokens))
        self.home[new] = home_of(tokens[new], self.partition.count)
        self.is_owned[new] = self.home[new] == self.partition.number
        self.known = len(tokens)

    def forward(
        self, batch: TransactionBatch, is_judged: Bools, joint: JointHolders, tokens: Bytes16, kinds: tuple[int, ...],
        *, follows_money: bool = False,
    ) -> Destinations:  # fmt: skip
        """Where judged payments must go on to: the homes of further holders, which :func:`destinations` cannot know.

        The home of the holder whom the payment names says it, so that it is said once.
        """
        if self.is_owned is None or not joint.live:
            return NOWHERE
        found = []
        for holder, account in (
            (batch.debtor_holder, batch.debtor_account),
            (batch.creditor_holder, batch.creditor_account),
        ):
            count = np.where(is_judged & (holder >= 0) & self.is_owned[holder], joint.counts(account), 0)
            rows = np.flatnonzero(count)
            before = np.cumsum(count[rows]) - count[rows]
            each = np.repeat(joint.start[account[rows]] - before, count[rows]) + np.arange(int(count[rows].sum()))
            found.append((np.repeat(rows, count[rows]), self.home[joint.holder[each]]))
        row, home = (np.concatenate(both) for both in zip(*found, strict=True))
        if not len(row):
            return NOWHERE
        rows, number = np.unique(row, return_inverse=True)
        concerned = TransactionBatch(*(getattr(batch, name)[rows] for name in TransactionBatch.__slots__))
        goes = np.zeros((len(rows), self.partition.count), np.bool_)
        goes[number, home] = True
        known = destinations(concerned, tokens, kinds, self.partition.count, follows_money=follows_money)
        goes[known.row, known.partition] = False
        further = _where(goes)
        return Destinations(rows[further.row], further.partition)


def where_known(codes: Int32s | Int64s, values: Int32s) -> Int32s:
    """The value of each code, -1 where there is none."""
    return np.where(codes >= 0, values[codes], -1) if len(values) else np.full(len(codes), -1, np.int32)


def _where(goes: Bools) -> Destinations:
    rows, homes = np.divmod(np.flatnonzero(goes), goes.shape[1])
    return Destinations(rows, homes.astype(np.int32))
