"""Messages of a scoring worker between Faust's agent and the partitions that will judge them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from typing import Any

from faust.types import TP
from faust.types import Message as FaustMessage

from monitor.app.streaming.scoring_state import RETRY_SECONDS, Held

WAITING_MAX = 256
"""Most records that wait in memory, read or blocked; Faust stops reading where there are more."""
WAITING_OF_ONE_MAX = 64
"""Where so many of one partition wait, no more of it are fetched until it goes on."""
COMING_SECONDS = 0.05
"""While states are read or copied, so often it is looked whether one is done."""
IDLE_SECONDS = 1.0
"""Where nothing waits and nothing comes, so often the worker looks after what is due."""


class WaitingMessages:
    """What was read and is not judged: in a queue, then with its partition, or set aside until that is held.

    Args:
        topic: What is read.
        held: The partitions that the worker holds; it changes them.
    """

    def __init__(self, topic: str, held: Mapping[int, Held]) -> None:
        self._topic, self._held = topic, held
        self._queue: asyncio.Queue[tuple[int, FaustMessage]] | None = None
        self.early: dict[int, list[FaustMessage]] = {}
        """What came of partitions that are not held yet."""
        self.paused: set[int] = set()
        """Partitions of which no more is fetched."""

    @property
    def queue(self) -> "asyncio.Queue[tuple[int, FaustMessage]]":
        """What was read, each with the generation that it is of; whoever puts waits where there is much."""
        if self._queue is None:  # It belongs to the loop that asks first.
            self._queue = asyncio.Queue(WAITING_MAX)
        return self._queue

    def of(self, number: int) -> list[FaustMessage]:
        """What waits of a partition, in the order of the log."""
        held = self._held.get(number)
        return self.early.setdefault(number, []) if held is None else held.waiting

    def forget(self) -> None:
        """None waits: all of them come again from the committed offset."""
        while not self.queue.empty():
            self.queue.get_nowait()
        for held in self._held.values():
            held.waiting = []
        self.early.clear()

    async def waves(
        self, is_coming: Callable[[], bool], has_more: Callable[[], bool]
    ) -> AsyncIterator[list[tuple[int, FaustMessage]]]:
        """All that was read meanwhile, again and again; nothing where nothing came for a while.

        Args:
            is_coming: Whether partitions are about to be held or judged again, for which something may wait.
            has_more: Whether of what waits something could be judged at once.
        """
        while True:
            pause = 0.0 if has_more() else COMING_SECONDS if is_coming() else RETRY_SECONDS
            if sum(len(waiting) for number, waiting in self._all() if number not in self.paused) >= WAITING_MAX:
                await asyncio.sleep(pause)  # Read no more, until some of it goes on.
                yield []
                continue
            if pause == RETRY_SECONDS and not any(waiting for _, waiting in self._all()):
                pause = IDLE_SECONDS
            found = await self._next(pause)
            while not self.queue.empty():
                found.append(self.queue.get_nowait())
            yield found

    async def _next(self, seconds: float) -> list[tuple[int, FaustMessage]]:
        """The next that is read, or none after so long."""
        if not seconds:
            await asyncio.sleep(0)
            return []
        try:
            return [await asyncio.wait_for(self.queue.get(), timeout=seconds)]
        except TimeoutError:
            return []

    def fetch_less(self, consumer: Any) -> None:
        """No more of a partition of which much waits, so that the others go on; of one that goes on, again.

        What was fetched already still comes: a partition that Faust is told to pause would lose it.
        """
        for number, waiting in self._all():
            if len(waiting) >= WAITING_OF_ONE_MAX:
                consumer.on_buffer_full(TP(self._topic, number))
                self.paused.add(number)
        self.fetch_again(consumer, self.paused)

    def fetch_again(self, consumer: Any, assigned: Collection[int]) -> None:
        """Of partitions that go on; of ``assigned`` others nothing is fetched anyway."""
        self.paused &= set(assigned)
        waiting = {number for number, messages in self._all() if messages}
        for number in self.paused - waiting:
            consumer.on_buffer_drop(TP(self._topic, number))
        self.paused &= waiting

    def _all(self) -> list[tuple[int, list[FaustMessage]]]:
        return [*self.early.items(), *((number, held.waiting) for number, held in self._held.items())]
