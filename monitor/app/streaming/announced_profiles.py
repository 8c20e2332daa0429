"""Announced profile versions as a partition takes them over: wait for their content, then go on without it.

While the content of a version cannot be had the partition is blocked. After ``wait_seconds`` it goes on with the
version before, or with none: then the general parameters hold, what rules ask of the profile is unknown and counted so,
and what is judged of these customers is *degraded*.

Whether a version was there decides verdicts, so it stands in the log: the partition writes which versions it goes on
without, and later what they hold (:mod:`monitor.adapters.kafka.missing_profiles`). Whoever takes the partition over is
told the first before it comes to the announcements (:meth:`AnnouncedProfiles.go_without`), and comes to the same
verdicts.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy.typing as npt

from monitor.adapters.kafka.missing_profiles import decode_late, decode_missing, encode_missing
from monitor.adapters.kafka.profile_records import Announcements, ProfileRecordError, decode
from monitor.adapters.redis.profiles import Profiles, ProfilesUnavailable
from monitor.adapters.redis.stored_profile import ProfileDamaged, StoredProfile
from monitor.app.streaming.partition import Arrays, Blocked, Damaged
from monitor.app.streaming.profile_source import Asked, PartitionProfiles, VersionsAbsent
from monitor.app.streaming.token_table import TokenTable
from monitor.domain.transaction import TransactionBatch
from monitor.engine.profiles import ProfileTable


class AnnouncedProfiles:
    """The profiles of one partition.

    Args:
        kept: Where versions are kept.
        tokens: The codes of the partition.
        wait_seconds: How long the partition waits for the content of a version.
        tick: A clock that never goes back, seconds.
    """

    def __init__(
        self, kept: Profiles, tokens: TokenTable, *, wait_seconds: float, tick: Callable[[], float] = time.monotonic
    ) -> None:
        self._in_force = PartitionProfiles(kept, tokens.add_texts)
        self._wait_seconds, self._tick = wait_seconds, tick
        self._since: float | None = None
        """When the content of versions could first not be had."""
        self._blocked = 0
        """Versions of the record that blocks the partition."""
        self._without: dict[int, frozenset[Asked]] = {}
        """By offset of the log, the versions announced there that the partition goes on without."""
        self._decided: list[bytes] = []

    @property
    def table(self) -> ProfileTable:
        """The profiles in force."""
        return self._in_force.table

    @property
    def is_degraded(self) -> bool:
        """Whether a version is missing that should be in force."""
        return self._in_force.is_degraded

    @property
    def awaited(self) -> int:
        """How many announced versions could not be read yet."""
        return len(self._in_force.pending) + self._blocked

    @property
    def pending(self) -> list[Asked]:
        """The versions that the partition went on without."""
        return self._in_force.pending

    def go_without(self, value: bytes) -> None:
        """Take over a record of kind ``profiles_missing`` about announcements that are still to come.

        Raises:
            Damaged: The record is none.
        """
        try:
            offset, versions = decode_missing(value)
        except ProfileRecordError as error:
            raise Damaged(str(error)) from None
        rows = {(token, version) for token, version, _ in versions.rows()}
        self._without[offset] = self._without.get(offset, frozenset()) | rows

    def apply(self, value: bytes, offset: int) -> list[StoredProfile]:
        """Take over the announcements of the record at an offset; what their versions hold.

        Raises:
            Blocked: The content of a version cannot be had, and the time to wait is not over.
            Damaged: The record is no announcement.
        """
        try:
            announcements = decode(value)
        except ProfileRecordError as error:
            raise Damaged(str(error)) from None
        while True:
            without = self._without.get(offset, frozenset())
            try:
                found = self._in_force.apply(announcements, without)
            except ProfilesUnavailable as error:
                self._since = self._tick() if self._since is None else self._since
                if self._tick() - self._since < self._wait_seconds:
                    self._blocked = len(announcements)
                    raise Blocked(str(error)) from None
                self._decide(announcements, offset, error)
            else:
                self._blocked = 0
                if not without:
                    self._since = None
                self._without.pop(offset, None)
                return found

    def _decide(self, announcements: Announcements, offset: int, error: ProfilesUnavailable) -> None:
        """Go on without the versions that are absent, or without all where none can be read."""
        without = self._without.get(offset, frozenset())
        absent = error.absent if isinstance(error, VersionsAbsent) else None
        rows = [row for row in announcements.rows() if row[:2] not in without and (absent is None or row[:2] in absent)]
        self._without[offset] = without | {(token, version) for token, version, _ in rows}
        self._decided.append(encode_missing(offset, Announcements.of(rows)))

    def take_decided(self) -> list[bytes]:
        """Records of kind ``profiles_missing`` of what was decided since the last call: they belong into the log."""
        decided, self._decided = self._decided, []
        return decided

    def arrive(self, value: bytes) -> list[StoredProfile]:
        """Take over a record of kind ``profiles_late``; what its versions hold.

        Raises:
            Damaged: The record is none.
        """
        try:
            return self._in_force.arrive(decode_late(value))
        except (ProfileRecordError, ProfileDamaged) as error:
            raise Damaged(str(error)) from None

    def fetch(self, versions: Sequence[Asked]) -> list[bytes]:
        """The content of those versions that are there now. Changes nothing, and may run beside everything else."""
        try:
            return self._in_force.fetch(versions)
        except ProfilesUnavailable:
            return []

    def runs(self, batch: TransactionBatch, clock_us: int) -> Iterator[tuple[TransactionBatch, int]]:
        """The batch in runs within which no version takes effect or lacks, each with the clock behind it."""
        return self._in_force.runs(batch, clock_us)

    def save(self) -> Arrays:
        """All versions in force, waiting and missing."""
        return self._in_force.save()

    def load(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take over what :meth:`save` gave."""
        self._in_force.load(dict(arrays))
