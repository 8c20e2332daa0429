"""Profiles as they were known at a time of the log, for the slow evaluator: :class:`KeptProfiles` reads a kept file.

The version in force at a payment is the newest one recorded by the clock of the log there, the payment included; of
versions recorded at the same moment the one with the highest number. Kind, opening and joint holders of an account
are what the versions in force then name, over all customers.
"""

import gzip
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from monitor.domain.countries import COUNTRIES
from monitor.domain.money import CURRENCIES
from monitor.domain.time import DAY_US, UNKNOWN
from monitor.domain.vocabulary import ACCOUNT_KINDS, CUSTOMER_KINDS, RISK_RATINGS, SCREENINGS
from monitor.engine.profiles import HOLDERS_MAX
from monitor.intake.profiles import AccountRecord, ProfileRecord, profile_of
from monitor.rulebook.reference.transactions import ProfileValue

_YEAR_US = 31_556_952_000_000


class _Account(msgspec.Struct, gc=False):
    account: str
    holders: list[str] = []


class _Outline(msgspec.Struct, gc=False):
    customer: str
    accounts: list[_Account] = []


_OUTLINE = msgspec.json.Decoder(_Outline)


class KeptVersion(NamedTuple):
    """A version, after what orders it: of versions alike in all else the later line comes later."""

    recorded_at_us: int
    version: int
    line: int
    profile: ProfileRecord


class ProfileVersions:
    """Versions of some customers, by name: the source's own, or tokens in hex."""

    def __init__(self) -> None:
        self.versions: dict[str, list[KeptVersion]] = defaultdict(list)
        """By customer, in the order in which they take effect."""
        self.named_by: dict[str, set[str]] = defaultdict(set)
        """By account the customers of whom any version names it."""

    def accounts_of(self, customers: Collection[str]) -> set[str]:
        """Accounts of which one of the customers is a holder."""
        raise NotImplementedError

    def read(self, customers: Collection[str], accounts: Collection[str]) -> None:
        """Take over the versions of these customers, and of all who ever named one of these accounts."""
        raise NotImplementedError

    def at(self, position: int) -> "ProfileVersions":
        """The versions as of a position of the log, where it matters where one stands in it."""
        return self

    def in_force(self, customer: str, clock_us: int) -> ProfileRecord | None:
        """The version in force when the clock of the log stood at ``clock_us``."""
        kept = self._in_force(customer, clock_us)
        return None if kept is None else kept.profile

    def opened_us(self, account: str | None, clock_us: int) -> int | None:
        """When an account was opened, as known then: the day that was recorded last."""
        known = [named.opened_us for named in self._named(account, clock_us) if named.opened_us != UNKNOWN]
        return known[-1] if known else None

    def kind(self, account: str | None, clock_us: int) -> str | None:
        """What account it is, as known then: the kind that was recorded last."""
        known = [named.kind for named in self._named(account, clock_us) if named.kind >= 0]
        return ACCOUNT_KINDS[known[-1]] if known else None

    def joint_holders(self, account: str | None, but: str, clock_us: int) -> list[str]:
        """The further holders of an account that has several then."""
        named = self._named(account, clock_us)
        holders = list(dict.fromkeys(holder for each in named for holder in each.holders))[:HOLDERS_MAX]
        return [holder for holder in holders if holder != but] if len(holders) > 1 else []

    def _in_force(self, customer: str, clock_us: int) -> KeptVersion | None:
        recorded = [kept for kept in self.versions.get(customer, ()) if kept.recorded_at_us <= clock_us]
        return recorded[-1] if recorded else None

    def _named(self, account: str | None, clock_us: int) -> list[AccountRecord]:
        """What the versions in force say of an account, in the order of recording."""
        found = (self._in_force(customer, clock_us) for customer in self.named_by.get(account or "", ()))
        return [
            named
            for kept in sorted(kept for kept in found if kept is not None)
            for named in kept.profile.accounts
            if named.account == account
        ]


class KeptProfiles(ProfileVersions):
    """One kept profiles file, read for the customers and accounts that an alert needs."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def accounts_of(self, customers: Collection[str]) -> set[str]:
        """Accounts of which one of the customers is a holder."""
        wanted = set(customers)
        return {
            account.account
            for _, outline in self._outlines()
            for account in outline.accounts
            if wanted & {outline.customer, *account.holders}
        }

    def read(self, customers: Collection[str], accounts: Collection[str]) -> None:
        """Take over the versions of these customers, and of all who ever named one of these accounts."""
        self.versions.clear()
        self.named_by.clear()
        wanted, wanted_accounts = set(customers), set(accounts)
        for _, outline in self._outlines():
            for account in outline.accounts:
                if account.account in wanted_accounts:
                    self.named_by[account.account].add(outline.customer)
        wanted |= {customer for named in self.named_by.values() for customer in named}
        for number, (line, outline) in enumerate(self._outlines()):
            profile = profile_of(line, place=str(self.path), position=0) if outline.customer in wanted else None
            if isinstance(profile, ProfileRecord):
                kept = KeptVersion(profile.recorded_at_us, profile.version, number, profile)
                self.versions[profile.customer].append(kept)
        for versions in self.versions.values():
            versions.sort()

    def _outlines(self) -> Iterator[tuple[bytes, _Outline]]:
        for line in _lines(self.path):
            try:
                yield line, _OUTLINE.decode(line)
            except msgspec.DecodeError:
                continue


def _lines(path: Path) -> Iterable[bytes]:
    with gzip.open(path) as file:
        yield from (line for line in file if line.strip())


def profile_fields(
    profile: ProfileRecord | None, *, opened_us: int | None, account_kind: str | None, booked_at_us: int
) -> dict[str, ProfileValue]:
    """The fields of rules after ``profile.`` at a payment; what is not known is left out."""
    found: dict[str, ProfileValue | None] = {
        "account_age": None if opened_us is None else max(booked_at_us - opened_us, 0),
        "account_kind": account_kind,
    }
    if profile is not None:
        found |= _of_version(profile, booked_at_us)
    return {name: value for name, value in found.items() if value is not None}


def _of_version(profile: ProfileRecord, booked_at_us: int) -> dict[str, ProfileValue | None]:
    def money(amount_minor: int, currency: int) -> tuple[int, str] | None:
        return None if amount_minor == UNKNOWN or currency < 0 else (amount_minor, CURRENCIES[currency])

    def age(since_us: int) -> int | None:
        return None if since_us == UNKNOWN else max(booked_at_us - since_us, 0)

    income, born = profile.income_minor, profile.birth_day
    return {
        "segment": profile.segment,
        "kind": CUSTOMER_KINDS[profile.kind],
        "risk_rating": None if profile.risk_rating < 0 else RISK_RATINGS[profile.risk_rating],
        "is_pep": None if profile.is_pep < 0 else bool(profile.is_pep),
        "residence": None if profile.residence < 0 else COUNTRIES[profile.residence],
        "nationality": None if profile.nationality < 0 else COUNTRIES[profile.nationality],
        "occupation": profile.occupation,
        "industry": profile.industry,
        # A twelfth of the year's, whole minor units.
        "declared_monthly_income": money(income if income == UNKNOWN else income // 12, profile.income_currency),
        "expected_monthly_in": money(profile.expected_in_minor, profile.expected_currency),
        "expected_monthly_out": money(profile.expected_out_minor, profile.expected_currency),
        "expected_monthly_cash": money(profile.expected_cash_minor, profile.expected_currency),
        "is_occasional": None if profile.is_occasional < 0 else bool(profile.is_occasional),
        "screening": None if profile.screening < 0 else SCREENINGS[profile.screening],
        "relationship_age": age(profile.customer_since_us),
        "credentials_age": age(profile.credentials_changed_us),
        "exemption_review_age": age(profile.exemption_reviewed_us),
        "age_years": None if born == UNKNOWN else (booked_at_us - born * DAY_US) // _YEAR_US,
    }
