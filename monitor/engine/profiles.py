"""Profiles as columns: one row per customer, joined by code.

The table holds the newest version recorded so far. A new version takes effect at
its position in the log: the shell puts it between two batches.
"""

from dataclasses import dataclass, field

import numpy as np

from monitor.domain.time import UNKNOWN
from monitor.domain.transaction import Int32s, Int64s

PROFILE_COLUMNS = (
    "version",
    "segment",
    "kind",
    "risk_rating",
    "is_pep",
    "residence",
    "nationality",
    "occupation",
    "industry",
    "declared_monthly_income",
    "income_currency",
    "expected_monthly_in",
    "expected_monthly_out",
    "expected_currency",
    "customer_since_us",
    "birth_us",
)
"""Columns of a profile row. Codes of words and identifiers, minor units, microseconds; UNKNOWN where not held."""

COLUMN = {name: number for number, name in enumerate(PROFILE_COLUMNS)}


@dataclass(slots=True)
class ProfileTable:
    """Profiles by customer code, opening times and joint holders by account code.

    ``values[row_of[code]]`` is the profile of a customer, ``row_of[code]`` is ``-1`` where none is held. The joint
    holders of account ``code`` are ``joint_holder[joint_start[code]:joint_start[code + 1]]``.
    """

    row_of: Int32s = field(default_factory=lambda: np.full(0, -1, np.int32))
    values: Int64s = field(default_factory=lambda: np.zeros((0, len(PROFILE_COLUMNS)), np.int64))
    opened_us: Int64s = field(default_factory=lambda: np.zeros(0, np.int64))
    joint_start: Int32s = field(default_factory=lambda: np.zeros(1, np.int32))
    joint_holder: Int32s = field(default_factory=lambda: np.zeros(0, np.int32))

    def put(self, codes: Int32s, values: Int64s) -> None:
        """Take over profiles; a code that is already held gets the new row.

        Args:
            codes: Customer codes, shape (n,), each once.
            values: Rows in the order of :data:`PROFILE_COLUMNS`, shape (n, 16).
        """
        self.row_of = _at_least(self.row_of, int(codes.max(initial=-1)) + 1, -1)
        is_new = self.row_of[codes] < 0
        first = len(self.values)
        self.row_of[codes[is_new]] = np.arange(first, first + int(is_new.sum()), dtype=np.int32)
        self.values = np.concatenate((self.values, values[is_new]))
        self.values[self.row_of[codes]] = values

    def put_accounts(self, codes: Int32s, opened_us: Int64s) -> None:
        """Take over opening times by account code; UNKNOWN where not known."""
        self.opened_us = _at_least(self.opened_us, int(codes.max(initial=-1)) + 1, UNKNOWN)
        self.opened_us[codes] = opened_us

    def put_joint(self, accounts: Int32s, holders: Int32s) -> None:
        """Take over pairs of account and further holder; replaces what was held of all accounts."""
        order = np.lexsort((holders, accounts))
        accounts, self.joint_holder = accounts[order], holders[order].astype(np.int32)
        length = int(accounts.max(initial=-1)) + 2
        self.joint_start = np.searchsorted(accounts, np.arange(length)).astype(np.int32)

    def rows(self, codes: Int32s) -> Int32s:
        """Profile rows of customer codes; ``-1`` where none is held."""
        known = (codes >= 0) & (codes < len(self.row_of))
        return np.where(known, self.row_of[np.where(known, codes, 0)] if len(self.row_of) else -1, -1).astype(np.int32)


def _at_least(values, length: int, fill: int):
    if length <= len(values):
        return values
    grown = np.full(max(length, 2 * len(values)), fill, values.dtype)
    grown[: len(values)] = values
    return grown
