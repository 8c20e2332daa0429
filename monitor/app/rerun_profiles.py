"""Profiles as they were known at a time of the log, out of the kept profiles file, for the slow evaluator.

The version in force at a payment is the newest one recorded by the clock of the log there, the payment included; of
versions recorded at the same moment the one with the highest number. Opening times and joint holders of accounts
are those of the whole file, as in the run.
"""

import gzip
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from monitor.domain.countries import COUNTRIES
from monitor.domain.money import CURRENCIES
from monitor.domain.refusal import Refusal
from monitor.domain.time import DAY_US, UNKNOWN
from monitor.domain.vocabulary import CUSTOMER_KINDS, RISK_RATINGS
from monitor.intake.profiles import ProfileRecord, profile_of
from monitor.rulebook.reference.transactions import ProfileValue

_YEAR_US = 31_556_952_000_000


class _Account(msgspec.Struct, gc=False):
    account: str
    holders: list[str] = []


class _Outline(msgspec.Struct, gc=False):
    customer: str
    accounts: list[_Account] = []


_OUTLINE = msgspec.json.Decoder(_Outline)


@dataclass(slots=True)
class KeptProfiles:
    """One kept profiles file, read for the customers and accounts that an alert needs."""

    path: Path
    versions: dict[str, list[ProfileRecord]] = field(default_factory=lambda: defaultdict(list))
    opened_us: dict[str, int] = field(default_factory=dict)
    holders: dict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))

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
        """Take over the versions of these customers, and opening times and holders of these accounts."""
        for known in (self.versions, self.opened_us, self.holders):
            known.clear()
        wanted, wanted_accounts = set(customers), set(accounts)
        for line, outline in self._outlines():
            named = {account.account for account in outline.accounts} & wanted_accounts
            if outline.customer not in wanted and not named:
                continue
            profile = profile_of(line, place=str(self.path), position=0)
            if isinstance(profile, Refusal):
                continue
            if profile.customer in wanted:
                self.versions[profile.customer].append(profile)
            for account in profile.accounts:
                if account.account in named:
                    self.holders[account.account] |= dict.fromkeys(account.holders)
                    if account.opened_us != UNKNOWN:
                        self.opened_us[account.account] = account.opened_us
        for versions in self.versions.values():
            versions.sort(key=lambda profile: (profile.recorded_at_us, profile.version))

    def in_force(self, customer: str, clock_us: int) -> ProfileRecord | None:
        """The version in force when the clock of the log stood at ``clock_us``."""
        recorded = [profile for profile in self.versions.get(customer, ()) if profile.recorded_at_us <= clock_us]
        return recorded[-1] if recorded else None

    def joint_holders(self, account: str | None, but: str) -> list[str]:
        """The further holders of an account that has several."""
        holders = self.holders.get(account or "", {})
        return [holder for holder in holders if holder != but] if len(holders) > 1 else []

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
    profile: ProfileRecord | None, *, opened_us: int | None, booked_at_us: int
) -> dict[str, ProfileValue]:
    """The fields of rules after ``profile.`` at a payment; what is not known is left out."""
    found: dict[str, ProfileValue | None] = {
        "account_age": None if opened_us is None else max(booked_at_us - opened_us, 0)
    }
    if profile is not None:
        found |= _of_version(profile, booked_at_us)
    return {name: value for name, value in found.items() if value is not None}


def _of_version(profile: ProfileRecord, booked_at_us: int) -> dict[str, ProfileValue | None]:
    def money(amount_minor: int, currency: int) -> tuple[int, str] | None:
        return None if amount_minor == UNKNOWN or currency < 0 else (amount_minor, CURRENCIES[currency])

    income, since, born = profile.income_minor, profile.customer_since_us, profile.birth_day
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
        "relationship_age": None if since == UNKNOWN else max(booked_at_us - since, 0),
        "age_years": None if born == UNKNOWN else (booked_at_us - born * DAY_US) // _YEAR_US,
    }
