"""Profiles as a scoring worker reads them: each request is counted and timed, and tells whether Redis is reached.

A Redis that does not answer costs the time of all attempts. So after a request that failed nothing is asked for
:data:`RESTS` times as long as it took, and requests of that time fail at once: a worker waits for Redis at most a fifth
of its time, and judges in the rest. The probe asks all the same; when it is answered, requests are too.
"""

import time
from collections.abc import Callable, Mapping, Sequence

from monitor.adapters.redis.profiles import Known, NewVersion, Profiles, ProfilesUnavailable, Written
from monitor.app.streaming.recording import ScoringMetrics
from monitor.domain.identifiers import TOKEN_BYTES

_NOBODY = (bytes(TOKEN_BYTES), 0)
"""A version that nobody has: the question shows whether Redis answers."""
RESTS = 4
"""How long nothing is asked after a request that failed, in times of what that took."""


class WatchedProfiles:
    """What the adapter given answers, and metrics of it. All partitions of a worker share one.

    Args:
        kept: Where versions are kept.
        metrics: Where reads are counted.
        tick: A clock that never goes back, seconds.
    """

    def __init__(
        self, kept: Profiles, metrics: ScoringMetrics, *, tick: Callable[[], float] = time.perf_counter
    ) -> None:
        self._kept, self._metrics, self._tick = kept, metrics, tick
        self._rests_until, self._failed = 0.0, ""

    def read(self, versions: Sequence[tuple[bytes, int]]) -> list[bytes | None]:
        """The values of (token of the customer, version); ``None`` where there is none.

        Raises:
            ProfilesUnavailable: None of them can be read now.
        """
        started = self._tick()
        if started < self._rests_until:
            raise ProfilesUnavailable(f"{self._failed} It is asked again in {self._rests_until - started:.0f} s.")
        found = self._asked(versions)
        hits = sum(value is not None for value in found)
        self._metrics.profiles(hits=hits, misses=len(found) - hits, seconds=self._tick() - started)
        return found

    def probe(self) -> None:
        """Find out whether Redis answers; it shows in the metrics."""
        try:
            self._asked([_NOBODY])
        except ProfilesUnavailable:
            return

    def _asked(self, versions: Sequence[tuple[bytes, int]]) -> list[bytes | None]:
        started = self._tick()
        try:
            found = self._kept.read(versions)
        except ProfilesUnavailable as error:
            now = self._tick()
            self._rests_until, self._failed = now + RESTS * (now - started), str(error)
            self._metrics.dependency("redis", False)
            raise
        self._rests_until = 0.0
        self._metrics.dependency("redis", True)
        return found

    def write(self, versions: Sequence[NewVersion]) -> list[Written]:
        """As :meth:`monitor.adapters.redis.profiles.Profiles.write`."""
        return self._kept.write(versions)

    def known(self, customers: Sequence[bytes]) -> list[Known]:
        """As :meth:`monitor.adapters.redis.profiles.Profiles.known`."""
        return self._kept.known(customers)

    def note_homes(self, homes: Mapping[bytes, frozenset[int]]) -> None:
        """As :meth:`monitor.adapters.redis.profiles.Profiles.note_homes`."""
        self._kept.note_homes(homes)
