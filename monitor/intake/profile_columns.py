"""Profiles as columns: what the engine joins by customer and by account.

Identifiers become codes of the run's table, in the order of the records: customer, segment, occupation,
industry, then accounts with their holders.
"""

from collections.abc import Sequence
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

    Accounts are apart: ``accounts`` says how many each version names; ``account``, ``opened_us``, ``closed_us`` and
    ``holders`` have one entry for each. ``holders`` says how many hold it; ``holder`` has one entry for each of them.
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
    residence: Int16s
    nationality: Int16s
    income_minor: Int64s
    income_currency: Int16s
    expected_in_minor: Int64s
    expected_out_minor: Int64s
    expected_currency: Int16s
    customer_since_us: Int64s
    birth_day: Int64s
    accounts: Int64s
    account: Int32s
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
_WORDS = ("kind", "risk_rating", "is_pep", "residence", "nationality", "income_currency", "expected_currency")
_WIDE = ("version", "recorded_at_us", "income_minor", "expected_in_minor", "expected_out_minor", "customer_since_us",
         "birth_day")  # fmt: skip


def profile_columns(profiles: Sequence[ProfileRecord], identifiers: IdentifierTable) -> ProfileColumns:
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
    codes: dict[str, Any] = {
        name: identifiers.encode(kind, [getattr(profile, name) for profile in profiles])
        for name, kind in _CODES.items()
    }
    words: dict[str, Any] = {
        name: np.array([getattr(profile, name) for profile in profiles], np.int16) for name in _WORDS
    }
    wide: dict[str, Any] = {
        name: np.array([getattr(profile, name) for profile in profiles], np.int64) for name in _WIDE
    }
    accounts = [account for profile in profiles for account in profile.accounts]
    account = identifiers.encode(IdentifierKind.ACCOUNT, [each.account for each in accounts])
    holders = [holder for each in accounts for holder in each.holders]
    return ProfileColumns(
        **codes,
        **words,
        **wide,
        accounts=np.array([len(profile.accounts) for profile in profiles], np.int64),
        account=account,
        opened_us=np.array([each.opened_us for each in accounts], np.int64),
        closed_us=np.array([each.closed_us for each in accounts], np.int64),
        holders=np.array([len(each.holders) for each in accounts], np.int64),
        holder=identifiers.encode(IdentifierKind.CUSTOMER, holders),
    )
