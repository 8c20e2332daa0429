"""Records of topic ``profiles`` become versions to keep, identifiers to resolve by, and refusals.

The readers are those of the embedded run: the fast one, and the definition where it is not certain. Tokens are made
for a batch at a time, in a table that is dropped with it, so that memory does not grow with the bank.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from monitor.adapters.kafka import identity_records
from monitor.adapters.redis.profiles import NewVersion, Profiles, Stored, Written
from monitor.adapters.redis.stored_profile import encode, stored_profiles
from monitor.domain.refusal import Reason, Refusal
from monitor.intake.identifiers import IdentifierTable
from monitor.intake.profile_columns import ProfileRows
from monitor.intake.profile_fast import add_line
from monitor.intake.profiles import profile_of

Announced = tuple[bytes, int, int]
"""Token of the customer, version, and time of its recording."""


@dataclass(frozen=True, slots=True)
class ProfileMessage:
    """A record as it came."""

    partition: int
    offset: int
    value: bytes

    @property
    def place(self) -> str:
        """Where it stands."""
        return f"profiles:{self.partition}:{self.offset}"


@dataclass(slots=True)
class ProfileBatch:
    """What some records are. ``versions`` and ``sources`` go together."""

    versions: list[NewVersion] = field(default_factory=list)
    sources: list[ProfileMessage] = field(default_factory=list)
    refused: list[tuple[ProfileMessage, Refusal]] = field(default_factory=list)
    identities: dict[bytes, bytes] = field(default_factory=dict)
    """By token: one byte of kind, and the text."""


def home(token: bytes, partitions: int) -> int:
    """The partition of ``legs`` in which a token lives.

    >>> home(bytes([0, 0, 0, 0, 0, 0, 0, 11]) + bytes(8), 4)
    3
    """
    return int.from_bytes(token[:8], "big") % partitions


def read_batch(messages: Sequence[ProfileMessage], *, key: bytes) -> ProfileBatch:
    """Read records that have a value; ``key`` is the key of the tokens."""
    rows, batch = ProfileRows(), ProfileBatch()
    for message in messages:
        line = message.value
        if not add_line(rows, line):
            given = profile_of(line, place=message.place, position=message.offset)
            if isinstance(given, Refusal):
                batch.refused.append((message, given))
                continue
            rows.add(given)
        batch.sources.append(message)
    identifiers = IdentifierTable(key)
    columns = rows.columns(identifiers)
    tokens = identifiers.tokens
    for profile in stored_profiles(columns, tokens, identifiers.text):
        accounts = tuple((each.account, tuple(each.holders)) for each in profile.accounts)
        batch.versions.append(
            NewVersion(profile.customer, profile.version, profile.recorded_at_us, encode(profile), accounts)
        )
    batch.identities = dict(identity_records.encode(identifiers, 0))
    return batch


def differing(batch: ProfileBatch, written: Sequence[Written]) -> list[tuple[ProfileMessage, Refusal]]:
    """The records whose version is kept with other content."""
    found = []
    for version, source, each in zip(batch.versions, batch.sources, written, strict=True):
        if each.stored is Stored.DIFFERS:
            detail = (
                f"version: {version.version} of this customer is kept with other content, which stays. "
                "Send the change under a new version"
            )
            refusal = Refusal(source.offset, source.place, Reason.DUPLICATE_DIFFERS, detail, source.value)
            found.append((source, refusal))
    return found


def announcements(
    versions: Sequence[NewVersion], written: Sequence[Written], kept: Profiles, *, partitions: int
) -> tuple[dict[int, list[Announced]], dict[bytes, frozenset[int]]]:
    """What to announce in which partition, and by customer which partitions are then to be noted as told.

    A customer concerns the home of the customer and of all who hold an account that a version names, or whose profile
    names it. A new version goes to all partitions that were told of the customer before. To a partition that was
    not, all versions go that are kept, since the one in force need not be the new one; and so it is for other customers
    who name the same account.

    Raises:
        ProfilesUnavailable: What was announced before cannot be read.
    """
    valid = [version for version, each in zip(versions, written, strict=True) if each.stored is not Stored.DIFFERS]
    concerned = {version.customer: {home(version.customer, partitions)} for version in valid}
    for version, each in zip(versions, written, strict=True):
        for named in () if each.stored is Stored.DIFFERS else each.accounts:
            homes = {home(party, partitions) for party in named.parties}
            for customer in (version.customer, *named.customers):
                concerned.setdefault(customer, set()).update(homes)
    known = dict(zip(concerned, kept.known(list(concerned)), strict=True))
    told: dict[int, dict[tuple[bytes, int], int]] = {}
    for version in valid:
        for partition in known[version.customer].homes:
            told.setdefault(partition, {})[version.customer, version.version] = version.recorded_at_us
    new_homes = {customer: frozenset(homes) - known[customer].homes for customer, homes in concerned.items()}
    for customer, new in new_homes.items():
        for partition in new:
            for number, recorded_us in known[customer].versions.items():
                told.setdefault(partition, {})[customer, number] = recorded_us
    found = {partition: [(*key, at) for key, at in rows.items()] for partition, rows in told.items()}
    return found, {customer: new for customer, new in new_homes.items() if new}
