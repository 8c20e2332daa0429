"""Profiles as columns: what the engine joins by customer and by account.

Identifiers become codes of the run's table, in the order of the records: customer, segment, occupation,
industry, then accounts with their holders.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from monitor.domain.identifiers import IdentifierKind
from monitor.domain.transaction import Int16s, Int32s, Int64s
from monitor.intake.identifiers import IdentifierTable
from monitor.intake.profiles import ProfileRecord


@dataclass(frozen=True, slots=True)
class ProfileColumns:
    """m profile versions in the order of their records; ``-1`` and ``UNKNOWN`` where not known.

    Accounts are apart: ``accounts`` says how many each version names; ``account``, ``account_kind``, ``opened_us``,
    ``closed_us`` and ``holders`` have one entry for each. ``holders`` says how many hold it; ``holder`` has one entry
    for each of them.
    """

    customer: Int32s
    version: Int64s
    recorded_at_us: Int64s
    segment: Int32s
    occupation: Int32s
    industry: Int32s
    kind: Int16s
    risk_rating: Int16s
    is_pep: Int16s
    is_occasional: Int16s
    screening: Int16s
    residence: Int16s
    nationality: Int16s
    income_minor: Int64s
    income_currency: Int16s
    expected_in_minor: Int64s
    expected_out_minor: Int64s
    expected_cash_minor: Int64s
    expected_currency: Int16s
    customer_since_us: Int64s
    credentials_changed_us: Int64s
    exemption_reviewed_us: Int64s
    birth_day: Int64s
    accounts: Int64s
    account: Int32s
    account_kind: Int16s
    opened_us: Int64s
    closed_us: Int64s
    holders: Int64s
    holder: Int32s


_CODES = {
    "customer": IdentifierKind.CUSTOMER,
    "segment": IdentifierKind.SEGMENT,
    "occupation": IdentifierKind.OCCUPATION,
    "industry": IdentifierKind.INDUSTRY,
}
_WORDS = ("kind", "risk_rating", "is_pep", "residence", "nationality", "income_currency", "expected_currency",
          "is_occasional", "screening")  # fmt: skip
_WIDE = ("version", "recorded_at_us", "income_minor", "expected_in_minor", "expected_out_minor", "customer_since_us",
         "birth_day", "expected_cash_minor", "credentials_changed_us", "exemption_reviewed_us")  # fmt: skip
ROW = (*_CODES, *_WORDS, *_WIDE)
"""The values of a profile in a row: texts and numbers as in :class:`monitor.intake.profiles.ProfileRecord`."""

Row = tuple[Any, ...]
Account = tuple[str, int, int, int, tuple[str, ...]]
"""Account, kind, opening, closing and holders, as in :class:`monitor.intake.profiles.AccountRecord`."""


class ProfileRows:
    """Checked profiles, gathered until they become columns.

    One tuple a profile and plain lists besides: each container more that is kept costs Python's collector a visit.
    """

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._accounts: list[int] = []
        self._account: list[str] = []
        self._account_kind: list[int] = []
        self._opened_us: list[int] = []
        self._closed_us: list[int] = []
        self._holders: list[int] = []
        self._holder: list[str] = []

    def __len__(self) -> int:
        return len(self._rows)

    def append(self, row: Row, accounts: Sequence[Account]) -> None:
        """Add a profile in the order of :data:`ROW`, and its accounts."""
        self._rows.append(row)
        self._accounts.append(len(accounts))
        for account, kind, opened_us, closed_us, holders in accounts:
            self._account.append(account)
            self._account_kind.append(kind)
            self._opened_us.append(opened_us)
            self._closed_us.append(closed_us)
            self._holders.append(len(holders))
            self._holder += holders

    def add(self, profile: ProfileRecord) -> None:
        """Add a record."""
        accounts = [
            (each.account, each.kind, each.opened_us, each.closed_us, each.holders) for each in profile.accounts
        ]
        self.append(tuple(getattr(profile, name) for name in ROW), accounts)

    def columns(self, identifiers: IdentifierTable) -> ProfileColumns:
        """All of them as columns; new identifiers are added to the table."""
        values = dict(zip(ROW, zip(*self._rows, strict=True) if self._rows else [()] * len(ROW), strict=True))
        codes: dict[str, Any] = {name: identifiers.encode(kind, values[name]) for name, kind in _CODES.items()}
        words: dict[str, Any] = {name: np.fromiter(values[name], np.int16) for name in _WORDS}
        wide: dict[str, Any] = {name: np.fromiter(values[name], np.int64) for name in _WIDE}
        return ProfileColumns(
            **codes,
            **words,
            **wide,
            accounts=np.array(self._accounts, np.int64),
            account=identifiers.encode(IdentifierKind.ACCOUNT, self._account),
            account_kind=np.array(self._account_kind, np.int16),
            opened_us=np.array(self._opened_us, np.int64),
            closed_us=np.array(self._closed_us, np.int64),
            holders=np.array(self._holders, np.int64),
            holder=identifiers.encode(IdentifierKind.CUSTOMER, self._holder),
        )


def profile_columns(profiles: Iterable[ProfileRecord], identifiers: IdentifierTable) -> ProfileColumns:
    """Columns of checked profiles; new identifiers are added to the table.

    >>> from monitor.intake.profiles import profile_of
    >>> line = (
    ...     b'{"customer":"C1","version":1,"recorded_at":"2026-01-01T00:00:00Z","kind":"business",'
    ...     b'"accounts":[{"account":"A1","opened_on":"1970-01-02","holders":["C2"]}]}'
    ... )
    >>> columns = profile_columns([profile_of(line, place="x:1", position=0)], IdentifierTable(b"k" * 32))
    >>> columns.customer.tolist(), columns.opened_us.tolist(), columns.holder.tolist()
    ([0], [86400000000], [0, 2])
    """
    rows = ProfileRows()
    for profile in profiles:
        rows.add(profile)
    return rows.columns(identifiers)
