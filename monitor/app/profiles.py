"""Profile versions in the log: each takes effect before the first payment that follows its recording.

All versions of a profiles file are read at the start. A version recorded by the clock of the log (the latest
``booked_at`` so far) is in force; a later one waits, and is put in force between the two payments where the
clock passes it. So the engine never sees a profile before it was recorded, however the stream is cut. Kinds
and openings of accounts and joint holders belong to the version that names them, and end with it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

import numpy as np

from monitor.domain.refusal import Refusal
from monitor.domain.time import DAY_US, UNKNOWN
from monitor.domain.transaction import Int64s, TransactionBatch
from monitor.engine.named_accounts import AccountsOfVersions, NamedAccounts
from monitor.engine.profiles import PROFILE_COLUMNS, ProfileTable
from monitor.intake.identifiers import IdentifierTable
from monitor.intake.profile_columns import ProfileColumns
from monitor.intake.profile_fast import read_profile_columns


@dataclass(frozen=True, slots=True)
class ProfileFile:
    """What a profiles file held. ``accounts_over_holders_max`` are those with more holders than have legs."""

    profiles: int
    refusals: list[Refusal]
    digest: str
    accounts_over_holders_max: int


class ProfileTimeline:
    """The table of profiles in force, and the versions that wait for the clock."""

    def __init__(self) -> None:
        self.table = ProfileTable()
        self.next = 0
        self._take([])

    def load(self, path: Path, identifiers: IdentifierTable) -> ProfileFile:
        """Read a profiles file (JSON lines, perhaps gzip); its versions wait until :meth:`advance`.

        Raises:
            OSError: The file cannot be read.
            SourceDamaged: The gzip data are damaged or cut.
        """
        refusals: list[Refusal] = []
        parts: list[ProfileColumns] = []
        for columns, refused in read_profile_columns(path, identifiers):
            parts.append(columns)
            refusals += refused
        self._take(parts)
        with path.open("rb") as file:
            digest = file_digest(file, "sha256").hexdigest()
        return ProfileFile(len(self.codes), refusals, digest, self.accounts.over_holders_max())

    def _take(self, parts: list[ProfileColumns]) -> None:
        def joined(name: str) -> Int64s:
            return np.concatenate([np.zeros(0, np.int64), *(getattr(part, name) for part in parts)]).astype(np.int64)

        order = np.lexsort((joined("version"), joined("recorded_at_us")))
        self.recorded_us, self.codes = joined("recorded_at_us")[order], joined("customer")[order].astype(np.int32)
        self.values = profile_rows(joined)[order]
        customers, number = np.unique(self.codes, return_inverse=True)
        self.customer, self.in_force = number, np.full(len(customers), -1, np.int64)
        entry_start, entries = _sorted_spans(joined("accounts"), order)
        holder_start, held = _sorted_spans(joined("holders"), entries)
        account, holder = joined("account")[entries].astype(np.int32), joined("holder")[held].astype(np.int32)
        kind = joined("account_kind")[entries]
        said = AccountsOfVersions(
            entry_start=entry_start,
            account=account,
            opened_us=joined("opened_us")[entries],
            kind=np.where(kind < 0, UNKNOWN, kind),
            holder_start=holder_start,
            holder=holder,
        )
        self.accounts = NamedAccounts(said)

    def rewound(self) -> "ProfileTimeline":
        """The same versions, none of them in force: for measuring the history again."""
        fresh = ProfileTimeline()
        for name in ("recorded_us", "codes", "values", "customer"):
            setattr(fresh, name, getattr(self, name))
        fresh.in_force = np.full(len(self.in_force), -1, np.int64)
        fresh.accounts = NamedAccounts(self.accounts.said)
        return fresh

    def advance(self, clock_us: int) -> None:
        """Put all versions in force that were recorded by ``clock_us``."""
        stop = int(np.searchsorted(self.recorded_us, clock_us, side="right"))
        if stop <= self.next:
            return
        # Of several versions of a customer the last one stays.
        _, last = np.unique(self.customer[self.next : stop][::-1], return_index=True)
        begun = np.sort(stop - 1 - last)
        who = self.customer[begun]
        ended = self.in_force[who]
        self.in_force[who] = begun
        self.table.put(self.codes[begun], self.values[begun])
        self.accounts.replace(ended, begun, self.table)
        self.next = stop

    def runs(self, batch: TransactionBatch, clock_us: int) -> Iterator[tuple[TransactionBatch, int]]:
        """The batch in runs within which no version takes effect, each with the clock behind it.

        Advances the table before each run is handed out.
        """
        clock = np.maximum.accumulate(np.maximum(batch.booked_at_us, clock_us))
        start = 0
        while start < len(batch):
            self.advance(int(clock[start]))
            stop = len(batch)
            if self.next < len(self.recorded_us):
                stop = max(start + 1, int(np.searchsorted(clock, self.recorded_us[self.next], side="left")))
            yield batch.slice(start, stop), int(clock[stop - 1])
            start = stop


def _sorted_spans(counts: Int64s, order: Int64s) -> tuple[Int64s, Int64s]:
    """Where each span begins when spans of ``counts`` entries are put in ``order``, and the entries in that order."""
    starts, sorted_counts = (np.cumsum(counts) - counts)[order], counts[order]
    edges = np.concatenate((np.zeros(1, np.int64), np.cumsum(sorted_counts)))
    return edges, np.repeat(starts - edges[:-1], sorted_counts) + np.arange(int(edges[-1]))


def profile_rows(joined: Callable[[str], Int64s]) -> Int64s:
    """Rows in the order of :data:`PROFILE_COLUMNS`, from columns of :class:`ProfileColumns` by name."""

    def known(name: str) -> Int64s:
        column = joined(name)
        return np.where(column == -1, UNKNOWN, column)

    income, birth = joined("income_minor"), joined("birth_day")
    columns = {
        "version": joined("version"),
        "declared_monthly_income": np.where(income == UNKNOWN, UNKNOWN, income // 12),
        "expected_monthly_in": joined("expected_in_minor"),
        "expected_monthly_out": joined("expected_out_minor"),
        "expected_monthly_cash": joined("expected_cash_minor"),
        "customer_since_us": joined("customer_since_us"),
        "birth_us": np.where(birth == UNKNOWN, UNKNOWN, birth * DAY_US),
        "credentials_changed_us": joined("credentials_changed_us"),
        "exemption_reviewed_us": joined("exemption_reviewed_us"),
    }
    return np.column_stack([columns[name] if name in columns else known(name) for name in PROFILE_COLUMNS])
