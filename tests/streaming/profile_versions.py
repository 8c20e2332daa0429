"""Profile versions for tests of the streaming shell: kept in memory, coded, and read out of tables by their texts."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from monitor.adapters.kafka.profile_records import Announcements
from monitor.adapters.redis.profiles import (
    PARTIES_MAX,
    Known,
    Named,
    NewVersion,
    ProfilesUnavailable,
    Stored,
    Written,
    profile_key,
)
from monitor.app.streaming.profile_batch import ProfileMessage, read_batch
from monitor.domain.identifiers import PERSONAL_KINDS, IdentifierKind
from monitor.domain.time import UNKNOWN, format_time
from monitor.domain.transaction import Bytes16, Int32s
from monitor.engine.profiles import COLUMN, PROFILE_COLUMNS, ProfileTable
from monitor.intake.identifiers import IdentifierTable

KEY = b"k" * 32
IDENTIFIER_COLUMNS = ("segment", "occupation", "industry")


class MemoryProfiles:
    """Profile versions in dictionaries; ``is_down`` makes them unavailable."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.homes: dict[bytes, set[int]] = {}
        self.versions: dict[bytes, dict[int, int]] = {}
        self.accounts: dict[bytes, tuple[set[bytes], set[bytes]]] = {}
        self.is_down = False
        self.reads: list[int] = []
        """How many versions each request asked for."""

    def read(self, versions: Sequence[tuple[bytes, int]]) -> list[bytes | None]:
        self._check()
        self.reads.append(len(versions))
        return [self.values.get(profile_key(*each)) for each in versions]

    def write(self, versions: Sequence[NewVersion]) -> list[Written]:
        self._check()
        return [Written(self._store(each), tuple(self._name(each))) for each in versions]

    def _store(self, new: NewVersion) -> Stored:
        self.versions.setdefault(new.customer, {}).setdefault(new.version, new.recorded_at_us)
        key = profile_key(new.customer, new.version)
        if key not in self.values:
            self.values[key] = new.value
            return Stored.NEW
        return Stored.SAME if self.values[key] == new.value else Stored.DIFFERS

    def _name(self, new: NewVersion) -> Iterator[Named]:
        for account, holders in new.accounts:
            customers, further = self.accounts.setdefault(account, (set(), set()))
            customers.add(new.customer)
            further.update(holders)
            is_cut = len(customers) + len(further) > PARTIES_MAX
            yield Named(frozenset() if is_cut else frozenset(customers), frozenset(customers | further), is_cut)

    def known(self, customers: Sequence[bytes]) -> list[Known]:
        self._check()
        return [Known(frozenset(self.homes.get(each, ())), dict(self.versions.get(each, {}))) for each in customers]

    def note_homes(self, homes: Mapping[bytes, frozenset[int]]) -> None:
        self._check()
        for customer, partitions in homes.items():
            self.homes.setdefault(customer, set()).update(partitions)

    def _check(self) -> None:
        if self.is_down:
            raise ProfilesUnavailable("memory: it is down.")


class Codes:
    """Codes of tokens in the order in which they are asked for, as a scoring worker gives them."""

    def __init__(self) -> None:
        self.code: dict[bytes, int] = {}
        self.texts: list[str | None] = []

    def __call__(self, tokens: Bytes16, kinds: npt.NDArray[np.int8], texts: pa.Array) -> Int32s:
        assert len(tokens) == len(kinds) == len(texts)
        found = []
        for token, kind, text in zip(tokens, kinds.tolist(), texts.to_pylist(), strict=True):
            assert (text is None) == (IdentifierKind(kind) in PERSONAL_KINDS)
            code = self.code.setdefault(token.tobytes(), len(self.code))
            if code == len(self.texts):
                self.texts.append(text)
            found.append(code)
        return np.array(found, np.int32)

    def tokens(self) -> list[bytes]:
        return list(self.code)


@dataclass(frozen=True)
class Version:
    """One profile version. Times are microseconds since 1970."""

    customer: str
    number: int
    recorded_us: int
    values: dict[str, Any] = field(default_factory=dict)

    def line(self) -> bytes:
        whole = {"customer": self.customer, "version": self.number, "recorded_at": format_time(self.recorded_us)}
        return json.dumps(whole | {"kind": "person"} | self.values).encode()


def kept(lines: Iterable[bytes], store: MemoryProfiles) -> Announcements:
    """Put versions where profiles are kept; their announcements, in the same order."""
    batch = read_batch([ProfileMessage(0, at, line) for at, line in enumerate(lines)], key=KEY)
    assert not batch.refused
    assert all(each.stored is not Stored.DIFFERS for each in store.write(batch.versions))
    return Announcements.of([(each.customer, each.version, each.recorded_at_us) for each in batch.versions])


def by_token(table: ProfileTable, tokens: Sequence[bytes], text: Callable[[int], str | None]) -> dict[str, Any]:
    """What a table says of each customer and account, by token; nothing where nothing is known."""
    profiles, accounts = {}, {}
    for code, token in enumerate(tokens):
        if code < len(table.row_of) and table.row_of[code] >= 0:
            row: dict[str, Any] = dict(zip(PROFILE_COLUMNS, table.values[table.row_of[code]].tolist(), strict=True))
            for name in IDENTIFIER_COLUMNS:
                value = int(table.values[table.row_of[code], COLUMN[name]])
                row[name] = None if value == UNKNOWN else text(value)
            profiles[token.hex()] = row
        opened = int(table.opened_us[code]) if code < len(table.opened_us) else UNKNOWN
        kind = int(table.account_kind[code]) if code < len(table.account_kind) else UNKNOWN
        holders: list[str] = []
        if table.joint.counts(np.array([code], np.int32))[0]:
            held = table.joint.holder[table.joint.start[code] : table.joint.stop[code]]
            holders = [tokens[holder].hex() for holder in held.tolist()]
        if (opened, kind, holders) != (UNKNOWN, UNKNOWN, []):
            accounts[token.hex()] = (opened, kind, holders)
    return {"profiles": profiles, "accounts": accounts}


def by_token_of(identifiers: IdentifierTable, table: ProfileTable) -> dict[str, Any]:
    """The same for the table of an embedded run."""
    return by_token(table, [token.tobytes() for token in identifiers.tokens], identifiers.text)
