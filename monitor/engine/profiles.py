"""Profiles as columns: one row per customer, joined by code; openings and joint holders by account.

The table holds what is in force. A new version takes effect at its position in the log: the shell puts it between
two batches. A change costs what it changes, not what the table holds.
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
    "expected_monthly_cash",
    "is_occasional",
    "screening",
    "credentials_changed_us",
    "exemption_reviewed_us",
)
"""Columns of a profile row. Codes of words and identifiers, minor units, microseconds; UNKNOWN where not held."""

COLUMN = {name: number for number, name in enumerate(PROFILE_COLUMNS)}
HOLDERS_MAX = 64
"""Most holders of one account that have legs of their own; further ones are left out."""


@dataclass(slots=True)
class JointHolders:
    """Who holds the accounts that several hold: those of account ``code`` are ``holder[start[code]:stop[code]]``.

    A changed list goes behind all others. What it leaves behind is tidied away when there is no room.
    """

    start: Int32s = field(default_factory=lambda: np.zeros(0, np.int32))
    stop: Int32s = field(default_factory=lambda: np.zeros(0, np.int32))
    holder: Int32s = field(default_factory=lambda: np.zeros(0, np.int32))
    used: int = 0
    live: int = 0
    codes: int = 0
    """All codes of holders are below."""

    def put(self, accounts: Int32s, counts: Int64s, holders: Int32s) -> None:
        """Take over lists in place of those that were.

        Args:
            accounts: Account codes, shape (n,), each once.
            counts: Number of holders of each, shape (n,), 0 or 2 to :data:`HOLDERS_MAX`.
            holders: The lists one behind the other, shape (counts.sum(),).
        """
        length = int(accounts.max(initial=-1)) + 1
        self.start, self.stop = _at_least(self.start, length, 0), _at_least(self.stop, length, 0)
        self.live += len(holders) - int((self.stop[accounts] - self.start[accounts]).sum())
        self.stop[accounts] = self.start[accounts]
        if self.used + len(holders) > len(self.holder):
            self._tidy(len(holders))
        stops = self.used + np.cumsum(counts)
        self.start[accounts], self.stop[accounts] = stops - counts, stops
        self.holder[self.used : self.used + len(holders)] = holders
        self.used += len(holders)
        self.codes = max(self.codes, int(holders.max(initial=-1)) + 1)

    def counts(self, accounts: Int32s) -> Int64s:
        """How many hold each account jointly; 0 where nobody or one does, and for ``-1``."""
        known = (accounts >= 0) & (accounts < len(self.start))
        if not self.live:
            return np.zeros(accounts.shape, np.int64)
        inside = np.where(known, accounts, 0)
        return np.where(known, self.stop[inside] - self.start[inside], 0).astype(np.int64)

    def _tidy(self, coming: int) -> None:
        """Only the lists in force, and room for as much again."""
        counts = (self.stop - self.start).astype(np.int64)
        starts = np.cumsum(counts) - counts
        total = int(counts.sum())
        kept = self.holder[np.repeat(self.start - starts, counts) + np.arange(total)]
        # Tidying walks over all accounts, so it comes after as many changes.
        self.holder = np.zeros(2 * (total + coming) + len(self.start) // 4 + 64, np.int32)
        self.holder[:total] = kept
        self.start, self.stop = starts.astype(np.int32), (starts + counts).astype(np.int32)
        self.used = total


@dataclass(slots=True)
class ProfileTable:
    """Profiles by customer code, opening times and joint holders by account code.

    ``values[row_of[code]]`` is the profile of a customer, ``row_of[code]`` is ``-1`` where none is held. Rows from
    ``count`` on are free.
    """

    row_of: Int32s = field(default_factory=lambda: np.full(0, -1, np.int32))
    values: Int64s = field(default_factory=lambda: np.zeros((0, len(PROFILE_COLUMNS)), np.int64))
    count: int = 0
    opened_us: Int64s = field(default_factory=lambda: np.zeros(0, np.int64))
    account_kind: Int64s = field(default_factory=lambda: np.zeros(0, np.int64))
    joint: JointHolders = field(default_factory=JointHolders)
    lacking: dict[int, int] = field(default_factory=dict)
    """By code of a customer the number of the version that should be in force and is not there."""

    def put(self, codes: Int32s, values: Int64s) -> None:
        """Take over profiles; a code that is already held gets the new row.

        Args:
            codes: Customer codes, shape (n,), each once.
            values: Rows in the order of :data:`PROFILE_COLUMNS`, shape (n, 21).
        """
        self.row_of = _at_least(self.row_of, int(codes.max(initial=-1)) + 1, -1)
        new = codes[self.row_of[codes] < 0]
        self.row_of[new] = np.arange(self.count, self.count + len(new), dtype=np.int32)
        self.count += len(new)
        self.values = _at_least(self.values, self.count, UNKNOWN)
        self.values[self.row_of[codes]] = values

    def put_accounts(self, codes: Int32s, opened_us: Int64s, kind: Int64s) -> None:
        """Take over opening times and kinds by account code; UNKNOWN where not known."""
        length = int(codes.max(initial=-1)) + 1
        self.opened_us = _at_least(self.opened_us, length, UNKNOWN)
        self.account_kind = _at_least(self.account_kind, length, UNKNOWN)
        self.opened_us[codes], self.account_kind[codes] = opened_us, kind


def _at_least(values, length: int, fill: int):
    if length <= len(values):
        return values
    grown = np.full((max(length, 2 * len(values)), *values.shape[1:]), fill, values.dtype)
    grown[: len(values)] = values
    return grown
