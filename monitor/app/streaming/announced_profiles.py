"""Announced profile versions as a partition takes them over: wait for their content, then go on without it.

While the content of a version cannot be had the partition is blocked. After ``wait_seconds`` it goes on with the
version before, or with none: then the general parameters hold, what rules ask of the profile is unknown and counted so,
and what is judged of these customers is *degraded*.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy.typing as npt

from monitor.adapters.kafka.profile_records import ProfileRecordError, decode
from monitor.adapters.redis.profiles import Profiles, ProfilesUnavailable
from monitor.app.streaming.partition import Arrays, Blocked, Damaged
from monitor.app.streaming.profile_source import PartitionProfiles
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
        self._in_force = PartitionProfiles(
            kept, lambda each, kinds, texts: tokens.add(each, kinds, lambda row: texts[row].as_py())
        )
        self._wait_seconds, self._tick = wait_seconds, tick
        self._since: float | None = None
        """When the content of versions could first not be had."""
        self._blocked = 0
        """Versions of the record that blocks the partition."""

    @property
    def table(self) -> ProfileTable:
        """The profiles in force."""
        return self._in_force.table

    @property
    def degraded(self) -> frozenset[bytes]:
        """Tokens of the customers of whom a version that should be in force is missing."""
        return self._in_force.degraded_tokens() if self._in_force.pending else frozenset()

    @property
    def awaited(self) -> int:
        """How many announced versions could not be read yet."""
        return self._in_force.pending + self._blocked

    def apply(self, value: bytes) -> None:
        """Take over the announcements of a record.

        Raises:
            Blocked: The content of a version cannot be had, and the time to wait is not over.
            Damaged: The record is no announcement.
        """
        try:
            announcements = decode(value)
        except ProfileRecordError as error:
            raise Damaged(str(error)) from None
        try:
            self._in_force.apply(announcements)
            self._since, self._blocked = None, 0
        except ProfilesUnavailable as error:
            self._since = self._tick() if self._since is None else self._since
            if self._tick() - self._since < self._wait_seconds:
                self._blocked = len(announcements)
                raise Blocked(str(error)) from None
            self._blocked = 0
            self._in_force.skip(announcements)

    def runs(self, batch: TransactionBatch, clock_us: int) -> Iterator[tuple[TransactionBatch, int]]:
        """The batch in runs within which no version takes effect, each with the clock behind it."""
        self._in_force.retry()
        return self._in_force.runs(batch, clock_us)

    def save(self) -> Arrays:
        """All versions in force, waiting and missing."""
        return self._in_force.save()

    def load(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take over what :meth:`save` gave."""
        self._in_force.load(dict(arrays))
