"""What a worker holds: when a state may be found by others, when its records are done, of what no more is fetched."""

import asyncio
import io
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, ClassVar

from monitor.app.streaming.book import Book
from monitor.app.streaming.recording import ScoringMetrics
from monitor.app.streaming.saving import Saving
from monitor.app.streaming.scoring_state import Held
from monitor.app.streaming.telling import telling
from monitor.app.streaming.waiting_messages import WAITING_OF_ONE_MAX, WaitingMessages


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


Case = tuple[Saving, Held, list[Message]]


def saving(*, is_behind: Callable[[], bool] = lambda: False) -> Case:
    """That of a worker with one partition, without brokers."""
    messages = [Message(offset) for offset in (3, 4, 5, 6)]
    partition: Any = SimpleNamespace(number=0, offset=7)
    given: Any = list(messages)
    held = Held(partition, SimpleNamespace(), 0, unacknowledged=given)  # type: ignore[arg-type]
    metrics, say, outbox = ScoringMetrics(Book()), telling("score", io.StringIO()), SimpleNamespace()
    its = Saving(
        {0: held}, 30.0, outbox, metrics, say, in_thread=asyncio.to_thread,  # type: ignore[arg-type]
        acknowledge=lambda message: message.ack(None), is_behind=is_behind,
    )  # fmt: skip
    return its, held, messages


def test_a_state_is_written_when_the_brokers_have_all_that_it_raised_and_not_before():
    async def run() -> None:
        saved = Saved()
        its, held, messages = saving()
        sent: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done = asyncio.create_task(its.save(held, saved, [sent], 0))
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
        its, held, messages = saving()
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        failed.set_exception(OSError("no broker"))
        await its.save(held, saved, [failed], 0)
        assert not saved.is_written
        assert not any(each.is_acked for each in messages)

    asyncio.run(run())


def test_a_full_disk_and_a_rebalance_leave_records_to_be_judged_again():
    async def run() -> None:
        for saved, generation in ((Saved(is_full=True), 0), (Saved(), 1)):
            its, held, messages = saving()
            await its.save(held, saved, [], generation)
            assert not any(each.is_acked for each in messages)
            assert held.saved_offset == (0 if saved.is_full else 5)

    asyncio.run(run())


def test_each_place_is_there_where_it_takes_what_it_is_for():
    async def run() -> None:
        is_behind = [True]
        its, held, _ = saving(is_behind=lambda: is_behind[0])

        def are_there() -> tuple[float, float]:
            (family,) = (each for each in its._metrics.book.registry.collect() if each.name == "aml_dependency_up")
            found = {sample.labels["dependency"]: sample.value for sample in family.samples}
            return found["snapshots"], found["inputs"]

        await its.save(held, Saved(), [], 0)
        assert are_there() == (1, 0)
        is_behind[0] = False
        await its.save(held, Saved(is_full=True), [], 0)
        assert are_there() == (0, 1)
        await its.save(held, Saved(), [], 0)
        assert are_there() == (1, 1)
        held.runbook = "DiskFull"
        its.show()
        assert are_there() == (0, 1)

    asyncio.run(run())


def test_of_a_partition_that_waits_long_no_more_is_fetched_until_it_goes_on():
    _, held, _ = saving()
    messages, paused = WaitingMessages("legs", {0: held}), set[int]()
    consumer = SimpleNamespace(
        on_buffer_full=lambda one: paused.add(one.partition),
        on_buffer_drop=lambda one: paused.discard(one.partition),
    )
    seen = []
    for waiting in (WAITING_OF_ONE_MAX - 1, WAITING_OF_ONE_MAX, 1, 0):
        held.waiting = [Message(offset) for offset in range(waiting)]  # type: ignore[misc]
        messages.fetch_less(consumer)
        seen.append((set(paused), set(messages.paused)))
    assert seen == [(set(), set()), ({0}, {0}), ({0}, {0}), (set(), set())]
