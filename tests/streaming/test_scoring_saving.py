"""What a worker holds: when a state may be found by others, when its records are done, of what no more is fetched."""

import asyncio
import io
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, ClassVar

from monitor.app.streaming.book import Book
from monitor.app.streaming.recording import ScoringMetrics
from monitor.app.streaming.scoring import WAITING_OF_ONE_MAX, ScoringWorker
from monitor.app.streaming.scoring_outbox import ScoringTopics
from monitor.app.streaming.scoring_state import CopyRoom, Held
from monitor.app.streaming.telling import telling


class Message:
    """A record of the log that remembers whether it was acknowledged."""

    def __init__(self, offset: int) -> None:
        self.offset, self.is_acked = offset, False

    def ack(self, _consumer: object) -> None:
        self.is_acked = True


class Saved:
    """A state at offset 5 that remembers whether it was written, or cannot be."""

    arrays: ClassVar[dict[str, Any]] = {}
    offset, clock_us, layout = 5, 0, ""

    def __init__(self, *, is_full: bool = False) -> None:
        self.is_full, self.is_written = is_full, False

    def write(self, _store: object) -> None:
        if self.is_full:
            raise OSError(28, "No space left on device")
        self.is_written = True


def saving(saved: Saved) -> tuple[ScoringWorker, Held, list[Message]]:
    """A worker that holds one partition, without brokers."""
    worker = ScoringWorker.__new__(ScoringWorker)
    messages = [Message(offset) for offset in (3, 4, 5, 6)]
    partition: Any = SimpleNamespace(number=0, offset=7)
    given: Any = list(messages)
    held = Held(partition, SimpleNamespace(), 0, unacknowledged=given)  # type: ignore[arg-type]
    worker._writing, worker._held, worker._generation = ThreadPoolExecutor(1), {0: held}, 0
    worker._copies = CopyRoom()
    worker.metrics, worker._say = ScoringMetrics(Book()), telling("score", io.StringIO())
    worker._early, worker._paused, worker._is_saved = {}, set(), True
    worker._judged_with = SimpleNamespace(is_behind=False)  # type: ignore[assignment]
    worker.app = SimpleNamespace(consumer=None)
    return worker, held, messages


def test_a_state_is_written_when_the_brokers_have_all_that_it_raised_and_not_before():
    async def run() -> None:
        saved = Saved()
        worker, held, messages = saving(saved)
        sent: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done = asyncio.create_task(worker._save(held, saved, [sent], 0))
        await asyncio.sleep(0.05)
        assert not saved.is_written
        sent.set_result(None)
        await done
        assert saved.is_written
        assert [each.is_acked for each in messages] == [True, True, False, False]
        assert held.saved_offset == 5
        assert held.unacknowledged == messages[2:]

    asyncio.run(run())


def test_neither_is_a_state_written_nor_a_record_done_where_the_brokers_did_not_take_an_alert():
    async def run() -> None:
        saved = Saved()
        worker, held, messages = saving(saved)
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        failed.set_exception(OSError("no broker"))
        await worker._save(held, saved, [failed], 0)
        assert not saved.is_written
        assert not any(each.is_acked for each in messages)

    asyncio.run(run())


def test_a_full_disk_and_a_rebalance_leave_records_to_be_judged_again():
    async def run() -> None:
        for saved, generation in ((Saved(is_full=True), 0), (Saved(), 1)):
            worker, held, messages = saving(saved)
            await worker._save(held, saved, [], generation)
            assert not any(each.is_acked for each in messages)
            assert held.saved_offset == (0 if saved.is_full else 5)

    asyncio.run(run())


def test_the_store_is_there_only_where_it_takes_states_and_what_explains_alerts():
    async def run() -> None:
        worker, held, _ = saving(Saved())

        def is_there() -> float:
            (family,) = (each for each in worker.metrics.book.registry.collect() if each.name == "aml_dependency_up")
            (sample,) = (each for each in family.samples if each.labels["dependency"] == "disk")
            return sample.value

        worker._judged_with.is_behind = True  # type: ignore[misc]
        await worker._save(held, Saved(), [], 0)
        assert is_there() == 0
        worker._judged_with.is_behind = False  # type: ignore[misc]
        await worker._save(held, Saved(is_full=True), [], 0)
        assert is_there() == 0
        await worker._save(held, Saved(), [], 0)
        assert is_there() == 1
        held.runbook = "DiskFull"
        worker._show_store()
        assert is_there() == 0

    asyncio.run(run())


def test_of_a_partition_that_waits_long_no_more_is_fetched_until_it_goes_on():
    worker, held, _ = saving(Saved())
    worker.topics, paused = ScoringTopics(), set[int]()
    worker.app.consumer = SimpleNamespace(
        on_buffer_full=lambda one: paused.add(one.partition),
        on_buffer_drop=lambda one: paused.discard(one.partition),
    )
    seen = []
    for waiting in (WAITING_OF_ONE_MAX - 1, WAITING_OF_ONE_MAX, 1, 0):
        held.waiting = [Message(offset) for offset in range(waiting)]  # type: ignore[misc]
        worker._fetch_less()
        seen.append((set(paused), set(worker._paused)))
    assert seen == [(set(), set()), ({0}, {0}), ({0}, {0}), (set(), set())]
