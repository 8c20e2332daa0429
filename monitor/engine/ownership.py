"""Which keys an engine owns, and to which partitions payments go, so that each key's home sees all of its payments.

A key lives in one partition, by its token (:mod:`monitor.domain.partitions`): there its legs are judged and its
windows, its clock and what it remembers are kept. A pair lives with its holder, and so does an account. A payment
goes, as a whole row, to the home of each of its keys; a record that takes another back goes to all partitions, since
the keys of the other can be any.
"""

from typing import NamedTuple

import numpy as np

from monitor.domain.partitions import home_of
from monitor.domain.time import UNKNOWN
from monitor.domain.transaction import Bytes16, Int32s, Int64s, TransactionBatch
from monitor.engine.further_keys import keys_of


class Destinations(NamedTuple):
    """Rows of a batch and the partitions that each goes to, as columns of equal length, by row and then partition; no
    pair twice."""

    row: Int64s
    partition: Int32s


def destinations(batch: TransactionBatch, tokens: Bytes16, kinds: tuple[int, ...], partitions: int) -> Destinations:
    """Where the payments of a batch go: to the home of each key that rules can aggregate by.

    Joint holders who are no party of the payment are not known here; the engine says where it must go on to
    (:attr:`monitor.engine.engine.Step.forward`).

    Args:
        batch: The payments.
        tokens: The tokens by code, shape (codes, 16).
        kinds: The further kinds of keys of the rulebook in force, :attr:`monitor.engine.binding.Bound.extra_kinds`.
        partitions: How many partitions there are.
    """
    goes = np.zeros((len(batch), partitions), np.bool_)
    keys = keys_of(batch, kinds)
    row, column = np.nonzero(keys >= 0)
    goes[row, home_of(tokens[keys[row, column], :8], partitions)] = True
    goes[batch.reverses_hi != UNKNOWN] = True
    rows, homes = np.nonzero(goes)
    return Destinations(rows.astype(np.int64), homes.astype(np.int32))
