"""Versions that partitions went on without are asked for again, and go into their logs when they are there.

At first after a second, then after twice as long, up to a minute. Nothing is judged here: a version takes effect, and
what lacked it is judged again, where its record stands in the partition's log.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Protocol

from monitor.adapters.redis.stored_profile import decode
from monitor.app.streaming.partition import Partition
from monitor.app.streaming.profile_source import Asked

WAIT_SECONDS_FIRST, WAIT_SECONDS_MAX = 1.0, 60.0


class Outbox(Protocol):
    """Where records for logs go."""

    async def late(self, number: int, versions: Sequence[bytes]) -> None:
        """Write versions that were missing into a partition's log."""


@dataclass(slots=True)
class _Asking:
    """What is asked for a partition. Times are seconds of the clock."""

    at: float
    wait: float = WAIT_SECONDS_FIRST
    sent: set[Asked] = field(default_factory=set)
    """On their way through the log; a producer that fails ends the worker."""
    task: "asyncio.Task[None] | None" = None


class LateProfiles:
    """Asks for missing versions of the partitions of a worker.

    Args:
        outbox: Where what is found goes.
        reading: Runs the requests.
        tick: A clock that never goes back, seconds.
    """

    def __init__(self, outbox: Outbox, reading: Executor, *, tick: Callable[[], float] = time.monotonic) -> None:
        self._outbox, self._reading, self._tick = outbox, reading, tick
        self._asking: dict[int, _Asking] = {}

    def look(self, partitions: Iterable[Partition]) -> None:
        """Begin to ask for what these partitions lack, where it is time. Call it between steps."""
        held, now = {each.number: each for each in partitions}, self._tick()
        for number in set(self._asking) - set(held):
            del self._asking[number]
        for number, partition in held.items():
            wanted = partition.wanted()
            if not wanted:
                self._asking.pop(number, None)
                continue
            asking = self._asking.setdefault(number, _Asking(now + WAIT_SECONDS_FIRST))
            asking.sent.intersection_update(wanted)
            asked = [each for each in wanted if each not in asking.sent]
            if asked and now >= asking.at and (asking.task is None or asking.task.done()):
                asking.task = asyncio.ensure_future(self._ask(partition, asked, asking))

    async def _ask(self, partition: Partition, asked: Sequence[Asked], asking: _Asking) -> None:
        fetch = partition.profiles.fetch
        found = await asyncio.get_running_loop().run_in_executor(self._reading, lambda: fetch(asked))
        await self._outbox.late(partition.number, found)
        asking.sent |= {(each.customer, each.version) for each in map(decode, found)}
        asking.wait = WAIT_SECONDS_FIRST if found else min(2 * asking.wait, WAIT_SECONDS_MAX)
        asking.at = self._tick() + asking.wait
