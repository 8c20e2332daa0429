"""States of partitions saved one after the other, and then their records acknowledged.

A partition rests while its state is copied; the others are judged meanwhile.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import structlog

from monitor.app.streaming.pauses import beside_judging
from monitor.app.streaming.recording import ScoringMetrics
from monitor.app.streaming.scoring_outbox import Future, ScoringOutbox
from monitor.app.streaming.scoring_state import CopyRoom, Held, Saved, reason_of


class Saving:
    """Copies between two steps of a partition, writes beside judging.

    An offset is committed once a state at or behind it is whole in the store, and no state can be found before the
    brokers have all that it raised.

    Args:
        held: The partitions that the worker holds.
        seconds: How often each is saved.
        outbox: Knows what the brokers have not acknowledged.
        metrics: What it records.
        say: What it says.
        in_thread: Does work in the thread of judging, when no step can be between.
        acknowledge: Lets Faust commit a message.
        is_behind: Whether what explains alerts is not all written.
    """

    def __init__(
        self,
        held: Mapping[int, Held],
        seconds: float,
        outbox: ScoringOutbox,
        metrics: ScoringMetrics,
        say: structlog.typing.FilteringBoundLogger,
        *,
        in_thread: Callable[[Callable[[], Any]], Awaitable[Any]],
        acknowledge: Callable[[Any], None],
        is_behind: Callable[[], bool],
    ) -> None:
        self._held, self._seconds, self._outbox, self._metrics, self._say = held, seconds, outbox, metrics, say
        self._in_thread, self._acknowledge, self._is_behind = in_thread, acknowledge, is_behind
        self.generation = 0
        """That of the group: what was read under another one is not acknowledged."""
        self._writing = ThreadPoolExecutor(1, "writing", beside_judging)
        self._copying = ThreadPoolExecutor(1, "copying")
        self._room, self._lock = CopyRoom(), asyncio.Lock()
        """The lock is held from before a copy until it is written: the next one is made in the same memory."""
        self._task: asyncio.Task[None] | None = None
        self._began_at, self._is_taken = time.monotonic(), True
        """When the last save began, and whether the store took the last that ended."""

    @property
    def is_copying(self) -> bool:
        """Whether a partition rests because its state is copied."""
        return any(held.is_copied for held in self._held.values())

    def what_is_due(self) -> None:
        """Begin to save the partition that waits longest; one at a time, and each pause as long behind the one before.

        Call it between two steps.
        """
        now, is_busy = time.monotonic(), self._task is not None and not self._task.done()
        if is_busy or self._lock.locked() or now - self._began_at < self._seconds / max(len(self._held), 1):
            return
        due = [
            held
            for held in self._held.values()
            if held.partition.offset > held.saved_offset
            and not held.is_unread
            and now - held.saved_at >= self._seconds / 2
        ]
        if due:
            held, self._began_at = min(due, key=lambda each: each.saved_at), now
            held.is_copied = True  # From now on it rests.
            self._task = asyncio.ensure_future(self._copy_and_save(held, self.generation))
            self._task.add_done_callback(self._ended)

    async def _copy_and_save(self, held: Held, generation: int) -> None:
        async with self._lock:
            try:
                saved, unsent = await self._copied(held, self._beside)
            finally:
                held.is_copied = False
            await self.save(held, saved, unsent, generation)

    async def _beside(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._copying, work)

    async def all_that_stand(self) -> None:
        """Save the partitions that stand between two steps: who takes over has nothing to judge again."""
        for held in list(self._held.values()):
            async with self._lock:
                offset = held.partition.offset
                if held.is_told and not held.is_unread and offset > held.saved_offset:
                    saved, unsent = await self._copied(held, self._in_thread)
                    if held.is_told and saved.offset == offset == held.partition.offset:
                        await self.save(held, saved, unsent, self.generation)

    async def _copied(
        self, held: Held, in_thread: Callable[[Callable[[], Any]], Awaitable[Any]]
    ) -> tuple[Saved, list[Future]]:
        """A copy of a state, and what it has raised that the brokers have not acknowledged."""
        # Between two steps of it: what the state covers has been handed to the brokers.
        await self._outbox.send_totals(held.partition)
        saved = await in_thread(partial(self._room.copied, held.partition))
        return saved, self._outbox.unsent()

    async def save(self, held: Held, saved: Saved, unsent: list[Future], generation: int) -> None:
        """Write a state whole once the brokers have all that it raised, then let Faust commit what it covers.

        Whoever finds the state goes on behind it, so it must not be found before.
        """
        number, held.saved_at = held.partition.number, time.monotonic()
        sent = await asyncio.gather(*unsent, return_exceptions=True)
        if any(isinstance(each, BaseException) for each in sent):
            return  # The worker ends; see the outbox.
        start = time.perf_counter()
        try:
            await asyncio.get_running_loop().run_in_executor(self._writing, lambda: saved.write(held.snapshots))
        except OSError as error:  # The disk is full, or the folder or the bucket is away: go on, and commit nothing.
            self._is_taken = False
            self.show()
            self._say.error("state_not_saved", partition=number, reason=reason_of(error), error=error)
            return
        self._is_taken = True
        self.show()
        if self._held.get(number) is held:
            size = sum(values.nbytes for values in saved.arrays.values())
            seconds = time.perf_counter() - start
            self._metrics.saved(number, seconds=seconds, size_bytes=size, at_seconds=time.time())
        held.saved_offset = saved.offset
        if generation == self.generation:
            covered = [each for each in held.unacknowledged if each.offset < saved.offset]
            held.unacknowledged = held.unacknowledged[len(covered) :]
            for message in covered:
                self._acknowledge(message)

    def show(self) -> None:
        """Whether the store took the last state and gave what was asked of it, and took all that explains alerts."""
        is_read = not any(held.runbook == "DiskFull" for held in self._held.values())
        self._metrics.dependency("snapshots", self._is_taken and is_read)
        self._metrics.dependency("inputs", not self._is_behind())

    def _ended(self, saving: "asyncio.Task[None]") -> None:
        """What is no fault of the disk is said too; the state is saved when it is due again."""
        if not saving.cancelled() and (error := saving.exception()) is not None:
            self._say.error("state_not_saved", error=error)
