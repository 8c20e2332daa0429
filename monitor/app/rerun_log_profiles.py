"""Profiles as a partition of the log of legs knew them, for the slow evaluator: by what the log says of versions.

A version is in force from its place in the log on, once the clock of the log has reached the time of its recording; of
several the latest recorded one, then the one with the highest number. One that the partition went on without is in
force from where the log brings it later. People and accounts go by their tokens in hex.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from monitor.adapters.kafka.missing_profiles import LATE, MISSING
from monitor.adapters.leg_history import ProfileEvent
from monitor.adapters.redis.stored_profile import StoredProfile, decode
from monitor.app.rerun_history import HistoryLost
from monitor.app.rerun_profiles import KeptVersion, ProfileVersions
from monitor.domain.time import UNKNOWN
from monitor.intake.profiles import AccountRecord, ProfileRecord

Asked = tuple[bytes, int]
"""A version: the token of the customer, and its number."""


class _Begun(NamedTuple):
    position: int
    """From there on it is in force, where the clock allows it."""
    recorded_at_us: int
    arrival: int


class LogProfiles(ProfileVersions):
    """What a partition's log says of profile versions.

    Args:
        events: In the order of the log.
        first: The position of row 0.
        found_later: By position a version by which what was judged there was judged again.
    """

    def __init__(
        self, events: Sequence[ProfileEvent], *, first: int, found_later: Mapping[int, int] | None = None
    ) -> None:
        super().__init__()
        self._position = UNKNOWN
        self._found_later = dict(found_later or {})
        self._first = first
        self._contents = contents_of(events)
        self._begun: dict[Asked, _Begun] = {}
        self.went_without: frozenset[Asked] = frozenset()
        """Versions that the partition went on without, whatever came later."""
        self._begin(events)
        self._starts: dict[str, dict[int, _Begun]] = {}

    def _begin(self, events: Sequence[ProfileEvent]) -> None:
        without: dict[int, set[Asked]] = {}
        for event in events:
            if event.kind == MISSING:
                without.setdefault(event.about, set()).update((token, version) for token, version, *_ in event.versions)
        self.went_without = frozenset(each for versions in without.values() for each in versions)
        pending: dict[Asked, int] = {}
        arrival = 0
        for event in events:
            position = self._first + event.row
            for token, version, recorded_us, _ in event.versions:
                asked, arrival = (token, version), arrival + 1
                if event.kind == LATE:
                    if asked in pending:
                        self._begun.setdefault(asked, _Begun(position, recorded_us, pending.pop(asked)))
                elif event.kind != MISSING:
                    if asked in without.get(event.offset, ()):
                        pending.setdefault(asked, arrival)
                    else:
                        begun = _Begun(position, recorded_us, pending.pop(asked, arrival))
                        self._begun.setdefault(asked, begun)

    def accounts_of(self, customers: Collection[str]) -> set[str]:
        """Accounts of which one of the customers is a holder."""
        wanted = {bytes.fromhex(each) for each in customers}
        return {
            account.account.hex()
            for profile in self._profiles(self._contents)
            for account in profile.accounts
            if not wanted.isdisjoint({profile.customer, *account.holders})
        }

    def read(self, customers: Collection[str], accounts: Collection[str]) -> None:
        """Take over the versions of these customers, and of all who ever named one of these accounts."""
        self.versions.clear()
        self.named_by.clear()
        self._starts.clear()
        wanted, wanted_accounts = set(customers), {bytes.fromhex(each) for each in accounts}
        for profile in self._profiles(self._contents):
            for account in profile.accounts:
                if account.account in wanted_accounts:
                    self.named_by[account.account.hex()].add(profile.customer.hex())
        wanted |= {customer for named in self.named_by.values() for customer in named}
        for (token, version), begun in self._begun.items():
            if (customer := token.hex()) in wanted:
                self._starts.setdefault(customer, {})[version] = begun
        held = [asked for asked in self._contents if asked[0].hex() in wanted]
        for profile in self._profiles(held):
            held_since = self._begun.get((profile.customer, profile.version))
            arrival = held_since.arrival if held_since is not None else 0
            kept = KeptVersion(profile.recorded_at_us, profile.version, arrival, _record(profile))
            self.versions[profile.customer.hex()].append(kept)
        for versions in self.versions.values():
            versions.sort(key=lambda each: each[:3])

    def at(self, position: int) -> "LogProfiles":
        """The versions as of a position of the log."""
        self._position = position
        return self

    def _in_force(self, customer: str, clock_us: int) -> KeptVersion | None:
        held = {each.version: each for each in self.versions.get(customer, ())}
        later = self._found_later.get(self._position)
        if later is not None and (bytes.fromhex(customer), later) in self.went_without:
            return self._held(held, customer, later)
        begun = [
            (each.recorded_at_us, version)
            for version, each in self._starts.get(customer, {}).items()
            if each.position <= self._position and each.recorded_at_us <= clock_us
        ]
        return self._held(held, customer, max(begun)[1]) if begun else None

    def _held(self, held: Mapping[int, KeptVersion], customer: str, version: int) -> KeptVersion:
        if version not in held:
            raise HistoryLost(not_held(customer, version))
        return held[version]

    def _profiles(self, asked: Iterable[Asked]) -> Iterator[StoredProfile]:
        for each in asked:
            yield decode(self._contents[each])


def not_held(customer: str, version: int) -> str:
    """What is said of a version whose content the history does not hold."""
    return (
        f"version {version} of the profile of customer {customer} (token) was in force, and the history does "
        "not hold what it says: Redis did not have it any more when the history worker came to it. Fill Redis "
        "again (aml worker profiles --from-start); versions are then announced and recorded once more"
    )


def contents_of(events: Sequence[ProfileEvent]) -> dict[Asked, bytes]:
    """What versions hold: a version never changes, so any record with its content will do."""
    found: dict[Asked, bytes] = {}
    for event in events:
        for token, version, _, content in event.versions:
            if content is not None:
                found.setdefault((token, version), content)
    return found


def _record(profile: StoredProfile) -> ProfileRecord:
    """The version as the slow evaluator reads it, with tokens for names."""
    segment, occupation, industry = (None if named is None else named[1] for named in profile.named)
    (kind, rating, is_pep, residence, nationality, income_currency, expected_currency, is_occasional, screening) = (
        -1 if word is None else word for word in profile.words
    )
    (income, expected_in, expected_out, since, birth_day, expected_cash, credentials, reviewed) = (
        UNKNOWN if wide is None else wide for wide in profile.wide
    )
    accounts = tuple(
        AccountRecord(
            account=each.account.hex(),
            kind=-1 if each.kind is None else each.kind,
            opened_us=UNKNOWN if each.opened_us is None else each.opened_us,
            closed_us=UNKNOWN if each.closed_us is None else each.closed_us,
            holders=(profile.customer.hex(), *(holder.hex() for holder in each.holders)),
        )
        for each in profile.accounts
    )
    return ProfileRecord(
        customer=profile.customer.hex(), version=profile.version, recorded_at_us=profile.recorded_at_us, kind=kind,
        segment=segment, risk_rating=rating, is_pep=is_pep, is_occasional=is_occasional, screening=screening,
        residence=residence, nationality=nationality, occupation=occupation, industry=industry, income_minor=income,
        income_currency=income_currency, expected_in_minor=expected_in, expected_out_minor=expected_out,
        expected_cash_minor=expected_cash, expected_currency=expected_currency, customer_since_us=since,
        credentials_changed_us=credentials, exemption_reviewed_us=reviewed, birth_day=birth_day, accounts=accounts,
        original=b"",
    )  # fmt: skip
