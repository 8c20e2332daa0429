"""The profiles of a partition: each announced version is in force from its position of the log on.

An announcement names a version; its content is fetched from where profiles are kept, once, with one request for all
announcements of a step. A version takes effect at its position, but not before the clock of the log (the latest
``booked_at`` so far) has reached its ``recorded_at``: until then it waits here, content and all. Of several versions
of a customer the latest recorded one is in force, and of those recorded at the same instant the one with the highest
number, whatever the order in which they were announced. So an embedded run over the recorded log, with the versions as
its profiles file, sees the same profiles.

Announcements may be repeated; a version that is in force or behind the one in force changes nothing.

**Without profiles.** :meth:`PartitionProfiles.apply` changes nothing when the content cannot be had. The worker waits,
or goes on without some versions: these are pending until :meth:`PartitionProfiles.arrive` brings them, which the log
says, or they are announced again. While a pending version would be in force, the table names it as lacking. A pending
version is given up when a later one of the customer is in force.
"""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from monitor.adapters.kafka.profile_records import Announcements
from monitor.adapters.redis.profiles import ProfilesUnavailable, profile_key
from monitor.adapters.redis.stored_profile import (
    CodesOfTokens,
    ProfileDamaged,
    StoredProfile,
    columns_of,
    decode,
)
from monitor.app.profiles import profile_rows
from monitor.app.streaming.leg_log import VersionsRead
from monitor.app.streaming.profile_accounts import AccountsInForce, Begun
from monitor.domain.identifiers import TOKEN_BYTES, IdentifierKind
from monitor.domain.time import UNKNOWN
from monitor.domain.transaction import Int32s, Int64s, TransactionBatch
from monitor.engine.kept_verdicts import Versions
from monitor.engine.profiles import JointHolders, ProfileTable
from monitor.intake.profile_columns import ProfileColumns

FORMAT = 1

Arrays = dict[str, npt.NDArray[Any]]
_Rank = tuple[int, int, int]
"""Time of recording, number of the version, and how many announcements came before."""
_JOINT = ("start", "stop", "holder")
_NEVER = np.iinfo(np.int64).max

Asked = tuple[bytes, int]
"""A version: the token of the customer, and its number."""


class VersionsAbsent(ProfilesUnavailable):
    """Some of the versions that were asked for are not kept, or damaged; the others are there."""

    def __init__(self, message: str, absent: frozenset[Asked]) -> None:
        super().__init__(message)
        self.absent = absent


class PartitionProfiles:
    """The table of profiles in force in a partition, the versions that wait for the clock, and those that are pending.

    Args:
        kept: Where the content of versions is kept.
        codes_of: From tokens to the codes of the partition; new ones are added.
    """

    def __init__(self, kept: VersionsRead, codes_of: CodesOfTokens) -> None:
        self.table = ProfileTable()
        self.clock_us = UNKNOWN
        self._kept, self._codes_of = kept, codes_of
        self._accounts = AccountsInForce()
        self._arrivals = 0
        self._waiting: list[tuple[_Rank, bytes]] = []
        """A heap: the version that takes effect next is the first."""
        self._pending: dict[tuple[bytes, int], _Rank] = {}
        self._is_stale = True
        """Whether the table does not name yet what lacks now."""
        self._due_us = _NEVER
        """When the next pending version would take effect."""

    # Announced ----------------------------------------------------------------------------------------

    def apply(self, announcements: Announcements, without: frozenset[Asked] = frozenset()) -> list[StoredProfile]:
        """Put versions in force at this position of the log, or let them wait for the clock; what they hold.

        Those of ``without`` are not asked for: they are pending from here on.

        Raises:
            ProfilesUnavailable: The content of others cannot be had; nothing has changed. :class:`VersionsAbsent` says
                of which.
        """
        rows = announcements.rows()
        asked = list(dict.fromkeys((token, version) for token, version, _ in rows if (token, version) not in without))
        values = dict(zip(asked, self._kept.read(asked) if asked else [], strict=True))
        profiles = self._checked(values)
        for token, version, recorded_us in rows:
            value = values.get((token, version))
            if value is not None:
                rank = self._pending.pop((token, version), None) or self._rank(version, recorded_us)
                heapq.heappush(self._waiting, (rank, value))
            elif (token, version) not in self._pending:
                self._pending[token, version] = self._rank(version, recorded_us)
        if without:
            self._forget_outdated(without)
        self._is_stale = True
        self.advance(self.clock_us)
        return profiles

    def arrive(self, values: Sequence[bytes]) -> list[StoredProfile]:
        """Take over pending versions whose content is here; any other changes nothing. What all of them hold.

        Raises:
            ProfileDamaged: One is damaged; nothing has changed.
        """
        profiles = [decode(value) for value in values]
        for profile, value in zip(profiles, values, strict=True):
            rank = self._pending.pop((profile.customer, profile.version), None)
            if rank is not None:
                heapq.heappush(self._waiting, (rank, value))
        self._is_stale = True
        self.advance(self.clock_us)
        return profiles

    def fetch(self, versions: Sequence[Asked]) -> list[bytes]:
        """The content of those versions that are there and whole. Changes nothing, and may run beside everything else.

        Raises:
            ProfilesUnavailable: None of them can be read now.
        """
        found = zip(versions, self._kept.read(versions), strict=True)
        return [value for each, value in found if value is not None and _fault(each, value) is None]

    @property
    def pending(self) -> list[Asked]:
        """The announced versions that are pending."""
        return list(self._pending)

    @property
    def waiting(self) -> int:
        """How many versions wait for the clock."""
        return len(self._waiting)

    @property
    def is_degraded(self) -> bool:
        """Whether a version that should be in force is pending."""
        return any(recorded_us <= self.clock_us for recorded_us, _, _ in self._pending.values())

    def _rank(self, version: int, recorded_us: int) -> _Rank:
        self._arrivals += 1
        return recorded_us, version, self._arrivals

    def _checked(self, values: Mapping[Asked, bytes | None]) -> list[StoredProfile]:
        """What the versions hold, where all are there and whole."""
        missing = frozenset(each for each, value in values.items() if value is None)
        faults = {each: _fault(each, value) for each, value in values.items() if value is not None}
        faulty = {each: fault for each, fault in faults.items() if fault is not None}
        absent = missing | faulty.keys()
        if missing:
            raise VersionsAbsent(
                f"{len(missing):,} of {len(values):,} announced profile versions are not kept. Most likely Redis was "
                "emptied. Fill it again:  aml worker profiles --from-start",
                absent,
            )
        for each, fault in faulty.items():
            raise VersionsAbsent(
                f"{profile_key(*each)}: {fault}. Delete the key, and fill it again:  aml worker profiles --from-start",
                absent,
            )
        return [decode(value) for value in values.values() if value is not None]

    # In force -----------------------------------------------------------------------------------------

    def advance(self, clock_us: int) -> None:
        """Put the versions in force that waited for the clock until ``clock_us``."""
        self.clock_us = max(self.clock_us, clock_us)
        due: list[tuple[_Rank, bytes]] = []
        while self._waiting and self._waiting[0][0][0] <= self.clock_us:
            due.append(heapq.heappop(self._waiting))
        if due:
            self._put_in_force([rank for rank, _ in due], [decode(value) for _, value in due])

    def runs(self, batch: TransactionBatch, clock_us: int) -> Iterator[tuple[TransactionBatch, int]]:
        """The batch in runs within which no version takes effect, each with the clock behind it.

        Advances the table before each run is handed out.
        """
        clock = np.maximum.accumulate(np.maximum(batch.booked_at_us, max(clock_us, self.clock_us)))
        start = 0
        while start < len(batch):
            self.advance(int(clock[start]))
            self._show_lacking()
            next_us = min(self._waiting[0][0][0] if self._waiting else _NEVER, self._due_us)
            stop = max(start + 1, int(np.searchsorted(clock, next_us, side="left")))
            self.clock_us = int(clock[stop - 1])
            yield batch.slice(start, stop), self.clock_us
            start = stop

    def _show_lacking(self) -> None:
        """Name in the table which version each customer lacks at the clock."""
        if not self._is_stale and self.clock_us < self._due_us:
            return
        due: dict[bytes, _Rank] = {}
        for (token, _), rank in self._pending.items():
            if rank[0] <= self.clock_us:
                due[token] = max(rank, due.get(token, rank))
        codes = self._codes_of_customers(list(due)).tolist()
        self.table.lacking = {code: rank[1] for code, rank in zip(codes, due.values(), strict=True)}
        self._due_us = min((rank[0] for rank in self._pending.values() if rank[0] > self.clock_us), default=_NEVER)
        self._is_stale = False

    def _codes_of_customers(self, tokens: Sequence[bytes]) -> Int32s:
        kinds = np.full(len(tokens), IdentifierKind.CUSTOMER, np.int8)
        asked = np.frombuffer(b"".join(tokens), np.uint8).reshape(-1, TOKEN_BYTES)
        return self._codes_of(asked, kinds, pa.nulls(len(tokens), pa.string()))

    def _put_in_force(self, ranks: Sequence[_Rank], profiles: Sequence[StoredProfile]) -> None:
        """Put versions in force, given in the order of their ranks."""
        last: dict[bytes, int] = {}
        for number, profile in enumerate(profiles):
            former = last.get(profile.customer)
            # Of a version that was announced twice the first announcement counts.
            if former is None or ranks[number][:2] > ranks[former][:2]:
                last[profile.customer] = number
        kept = sorted(last.values())
        columns = columns_of([profiles[number] for number in kept], self._codes_of)
        recorded_us, version, arrival = np.array([ranks[number] for number in kept], np.int64).T
        held = self._rows_of(columns.customer)
        in_force_us, in_force = self._accounts.newest(held)
        is_later = (recorded_us > in_force_us) | ((recorded_us == in_force_us) & (version > in_force))
        chosen = np.flatnonzero(is_later)
        codes = columns.customer[chosen]
        self.table.put(codes, profile_rows(lambda name: getattr(columns, name).astype(np.int64))[chosen])
        owner = self.table.row_of[codes].astype(np.int64)
        begun = _begun(columns, chosen, owner, (recorded_us[chosen], version[chosen], arrival[chosen]))
        self._accounts.replace(begun, self.table)
        self._give_up({profiles[number].customer: ranks[number] for number in kept})
        self._is_stale = True

    def _rows_of(self, customer: Int32s) -> Int64s:
        """The rows of customers in the table; beyond it where there is none."""
        known = customer < len(self.table.row_of)
        row = np.full(len(known), -1, np.int64)
        row[known] = self.table.row_of[customer[known]]
        return np.where(row < 0, np.iinfo(np.int64).max, row)

    def _give_up(self, in_force: dict[bytes, _Rank]) -> None:
        """Pending versions that are not later than one that has taken effect would change nothing."""
        for (token, version), rank in list(self._pending.items()):
            newest = in_force.get(token)
            if newest is not None and rank[:2] <= newest[:2]:
                del self._pending[token, version]

    def _forget_outdated(self, versions: frozenset[Asked]) -> None:
        """Of these versions those that are not later than what is in force are not pending."""
        tokens = [token for token, _ in versions]
        recorded_us, number = self._accounts.newest(self._rows_of(self._codes_of_customers(tokens)))
        self._give_up({t: (us, n, 0) for t, us, n in zip(tokens, recorded_us.tolist(), number.tolist(), strict=True)})

    # Snapshots ----------------------------------------------------------------------------------------

    def save(self) -> Arrays:
        """Everything as arrays, valid until the next step: what is in force, what waits and what is pending."""
        table = self.table
        waiting, pending = sorted(self._waiting), list(self._pending.items())
        values = [value for _, value in waiting]
        joint = [table.joint.used, table.joint.live, table.joint.codes]
        return {
            "numbers": np.array([FORMAT, self.clock_us, self._arrivals, table.count, *joint], np.int64),
            "row_of": table.row_of,
            "values": table.values[: table.count],
            "opened_us": table.opened_us,
            "account_kind": table.account_kind,
            **{f"joint.{name}": getattr(table.joint, name) for name in _JOINT},
            **{f"accounts.{name}": array for name, array in self._accounts.save().items()},
            "waiting.rank": np.array([rank for rank, _ in waiting], np.int64).reshape(-1, 3),
            "waiting.bytes": np.array([len(value) for value in values], np.int64),
            "waiting.values": np.frombuffer(b"".join(values), np.uint8),
            "pending.token": np.frombuffer(b"".join(t for (t, _), _ in pending), np.uint8).reshape(-1, TOKEN_BYTES),
            "pending.rank": np.array([rank for _, rank in pending], np.int64).reshape(-1, 3),
        }

    def load(self, arrays: Arrays) -> None:
        """Take over what :meth:`save` gave; nothing is asked for.

        Raises:
            ValueError: It is of another format.
        """
        form, clock_us, arrivals, count, used, live, codes = arrays["numbers"].tolist()
        if form != FORMAT:
            raise ValueError(f"the saved profiles are of format {form}; this release knows {FORMAT}")
        self.clock_us, self._arrivals = clock_us, arrivals
        start, stop, holder = (np.array(arrays[f"joint.{name}"], np.int32) for name in _JOINT)
        self.table = ProfileTable(
            np.array(arrays["row_of"], np.int32),
            np.array(arrays["values"], np.int64),
            count,
            np.array(arrays["opened_us"], np.int64),
            np.array(arrays["account_kind"], np.int64),
            JointHolders(start, stop, holder, used, live, codes),
        )
        prefix = "accounts."
        self._accounts.load({name[len(prefix) :]: each for name, each in arrays.items() if name.startswith(prefix)})
        values, ends = arrays["waiting.values"].tobytes(), np.cumsum(arrays["waiting.bytes"]).tolist()
        parts = [values[first:end] for first, end in zip([0, *ends[:-1]], ends, strict=False)]
        # A sorted list is a heap.
        self._waiting = list(zip(map(_rank_of, arrays["waiting.rank"]), parts, strict=True))
        ranks = list(map(_rank_of, arrays["pending.rank"]))
        tokens = [token.tobytes() for token in arrays["pending.token"]]
        self._pending = {(token, rank[1]): rank for token, rank in zip(tokens, ranks, strict=True)}
        self._is_stale, self._due_us = True, _NEVER


def versions_of(profiles: Sequence[StoredProfile], codes_of: CodesOfTokens) -> Versions:
    """Versions as the engine judges by them."""
    columns = columns_of(profiles, codes_of)
    rows = profile_rows(lambda name: getattr(columns, name).astype(np.int64))
    return Versions(columns.customer.astype(np.int64), columns.version, rows)


def _rank_of(row: Int64s) -> _Rank:
    recorded_us, version, arrival = row.tolist()
    return recorded_us, version, arrival


def _fault(asked: tuple[bytes, int], value: bytes) -> str | None:
    """What is wrong with the content of a version."""
    try:
        profile = decode(value)
    except ProfileDamaged as error:
        return str(error)
    is_it = (profile.customer, profile.version) == asked
    return None if is_it else "the bytes are another version than the key says"


def _begun(columns: ProfileColumns, chosen: Int64s, owner: Int64s, ranks: tuple[Int64s, Int64s, Int64s]) -> Begun:
    """The accounts of some of the versions."""
    entry = _of_spans(columns.accounts, chosen)
    kind = columns.account_kind[entry].astype(np.int64)
    return Begun(
        owner,
        *ranks,
        accounts=columns.accounts[chosen],
        account=columns.account[entry],
        opened_us=columns.opened_us[entry],
        kind=np.where(kind < 0, UNKNOWN, kind),
        holders=columns.holders[entry],
        holder=columns.holder[_of_spans(columns.holders, entry)],
    )


def _of_spans(counts: Int64s, chosen: Int64s) -> Int64s:
    """The entries of some of the spans that have ``counts`` entries each."""
    is_chosen = np.zeros(len(counts), np.bool_)
    is_chosen[chosen] = True
    return np.flatnonzero(np.repeat(is_chosen, counts))
