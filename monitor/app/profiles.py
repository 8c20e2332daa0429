"""Profile versions in the log: each takes effect before the first payment that follows its recording.

All versions of a profiles file are read at the start. A version recorded by the clock of the log (the latest
``booked_at`` so far) is in force; a later one waits, and is put in force between the two payments where the
clock passes it. So the engine never sees a profile before it was recorded, however the stream is cut.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import file_digest
from pathlib import Path

import numpy as np

from monitor.domain.refusal import Refusal
from monitor.domain.time import DAY_US, UNKNOWN
from monitor.domain.transaction import Int32s, Int64s, TransactionBatch
from monitor.engine.profiles import PROFILE_COLUMNS, ProfileTable
from monitor.intake.identifiers import IdentifierTable
from monitor.intake.profile_columns import ProfileColumns, profile_columns
from monitor.intake.profiles import ProfileRecord, read_profiles

_READ_AT_ONCE = 50_000


@dataclass(frozen=True, slots=True)
class ProfileFile:
    """What a profiles file held."""

    profiles: int
    refusals: list[Refusal]
    digest: str


@dataclass(slots=True)
class ProfileTimeline:
    """The table of profiles in force, and the versions that wait for the clock."""

    table: ProfileTable = field(default_factory=ProfileTable)
    recorded_us: Int64s = field(default_factory=lambda: np.zeros(0, np.int64))
    codes: Int32s = field(default_factory=lambda: np.zeros(0, np.int32))
    values: Int64s = field(default_factory=lambda: np.zeros((0, len(PROFILE_COLUMNS)), np.int64))
    next: int = 0

    def load(self, path: Path, identifiers: IdentifierTable) -> ProfileFile:
        """Read a profiles file (JSON lines, perhaps gzip); its versions wait until :meth:`advance`."""
        profiles: list[ProfileRecord] = []
        refusals: list[Refusal] = []
        parts: list[ProfileColumns] = []
        for item in read_profiles(path):
            if isinstance(item, Refusal):
                refusals.append(item)
                continue
            profiles.append(item)
            if len(profiles) == _READ_AT_ONCE:
                parts.append(profile_columns(profiles, identifiers))
                profiles = []
        parts.append(profile_columns(profiles, identifiers))
        self._take(parts)
        with path.open("rb") as file:
            digest = file_digest(file, "sha256").hexdigest()
        return ProfileFile(len(self.codes), refusals, digest)

    def _take(self, parts: list[ProfileColumns]) -> None:
        def joined(name: str) -> Int64s:
            return np.concatenate([getattr(part, name) for part in parts]).astype(np.int64)

        order = np.lexsort((joined("version"), joined("recorded_at_us")))
        self.recorded_us, self.codes = joined("recorded_at_us")[order], joined("customer")[order].astype(np.int32)
        self.values = _values(joined)[order]
        account, opened = joined("account").astype(np.int32), joined("opened_us")
        known = opened != UNKNOWN
        self.table.put_accounts(account[known], opened[known])
        held, holder = joined("held_account"), joined("holder")
        # Each version of a profile names its accounts again: holders are counted once.
        pairs = np.unique(np.column_stack((held, holder)), axis=0)
        shared, counts = np.unique(pairs[:, 0], return_counts=True)
        is_joint = np.isin(pairs[:, 0], shared[counts > 1])
        if is_joint.any():
            self.table.put_joint(pairs[is_joint, 0].astype(np.int32), pairs[is_joint, 1].astype(np.int32))

    def advance(self, clock_us: int) -> None:
        """Put all versions in force that were recorded by ``clock_us``."""
        stop = int(np.searchsorted(self.recorded_us, clock_us, side="right"))
        if stop <= self.next:
            return
        codes, values = self.codes[self.next : stop], self.values[self.next : stop]
        # Of several versions of a customer the last one stays.
        _, last = np.unique(codes[::-1], return_index=True)
        keep = len(codes) - 1 - last
        self.table.put(codes[keep], values[keep])
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


def _values(joined) -> Int64s:  # type: ignore[no-untyped-def]
    """Rows in the order of :data:`PROFILE_COLUMNS`."""

    def known(name: str) -> Int64s:
        column: Int64s = joined(name)
        return np.where(column == -1, UNKNOWN, column)

    income, birth = joined("income_minor"), joined("birth_day")
    columns = {
        "version": joined("version"),
        "declared_monthly_income": np.where(income == UNKNOWN, UNKNOWN, income // 12),
        "expected_monthly_in": joined("expected_in_minor"),
        "expected_monthly_out": joined("expected_out_minor"),
        "customer_since_us": joined("customer_since_us"),
        "birth_us": np.where(birth == UNKNOWN, UNKNOWN, birth * DAY_US),
    }
    return np.column_stack([columns[name] if name in columns else known(name) for name in PROFILE_COLUMNS])
