"""What a worker judges after a rebalance: nothing that was read before it, nothing behind a gap, and all in between."""

import asyncio
import io
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.adapters.kafka.legs_log import Extent, LogShorter
from monitor.adapters.kafka.topics import KafkaError
from monitor.app.streaming import restoring as module
from monitor.app.streaming import scoring, waiting_messages
from monitor.app.streaming.book import Book
from monitor.app.streaming.recording import ScoringMetrics
from monitor.app.streaming.restoring import Restoring
from monitor.app.streaming.scoring import ScoringWorker
from monitor.app.streaming.scoring_outbox import ScoringTopics
from monitor.app.streaming.scoring_state import Held, in_order
from monitor.app.streaming.telling import telling
from monitor.app.streaming.waiting_messages import WaitingMessages


def message(offset: int) -> Any:
    return SimpleNamespace(partition=0, offset=offset, headers={}, value=b"", timestamp=0, time_in=0.0)


async def nothing(*_: object) -> None:
    pass


class Consumer:
    """Remembers where it was told to go on."""

    def __init__(self) -> None:
        self.sought: list[tuple[int, int]] = []

    async def seek(self, place: Any, offset: int) -> None:
        self.sought.append((place.partition, offset))


def a_worker(offset: int = 10, waiting: Sequence[int] = ()) -> tuple[ScoringWorker, Held]:
    """A worker that holds partition 0 at an offset, without brokers."""
    worker = ScoringWorker.__new__(ScoringWorker)
    partition: Any = SimpleNamespace(number=0, offset=offset, engine=None, feeds=None)
    held = Held(partition, SimpleNamespace(), offset, waiting=list(map(message, waiting)))  # type: ignore[arg-type]
    worker.topics, worker.group, worker._held, worker._assigned = ScoringTopics(), "g", {0: held}, {0}
    worker._coming, worker._messages = {}, WaitingMessages("legs", worker._held)
    worker._generation, worker._is_assigned = 1, True
    worker.metrics, worker._say = ScoringMetrics(Book()), telling("score", io.StringIO())
    worker.app = SimpleNamespace(consumer=Consumer())
    worker._judging = worker._restoring = ThreadPoolExecutor(1)
    worker.restoring = SimpleNamespace()  # type: ignore[assignment]
    worker._outbox = SimpleNamespace(decided=nothing, send_totals=nothing)  # type: ignore[assignment]
    worker._late = SimpleNamespace(look=lambda _: None)  # type: ignore[assignment]
    worker._judged_with = SimpleNamespace(took_up=lambda _: None, is_behind=False)  # type: ignore[assignment]
    worker.health = SimpleNamespace(live=lambda: None)  # type: ignore[assignment]
    worker.settings = SimpleNamespace(
        kafka=SimpleNamespace(client=lambda: {"bootstrap.servers": "b:1"}), worker=SimpleNamespace(snapshot_seconds=60)
    )  # type: ignore[assignment]
    worker._totals_at, worker._saving = (
        0.0,
        SimpleNamespace(what_is_due=lambda: None, show=lambda: None, generation=0, is_copying=False),
    )  # type: ignore[assignment]
    return worker, held


class Stream:
    """Gives messages one after the other, as an agent's stream does."""

    def __init__(self, offsets: Sequence[int]) -> None:
        self._offsets = offsets

    def noack(self) -> "Stream":
        return self

    async def events(self) -> AsyncIterator[Any]:
        for offset in self._offsets:
            yield SimpleNamespace(message=message(offset))


def test_what_was_read_before_a_rebalance_is_not_judged_after_it_though_it_waited_for_room(
    monkeypatch: pytest.MonkeyPatch,
):
    async def run() -> None:
        monkeypatch.setattr(waiting_messages, "WAITING_MAX", 1)
        worker, held = a_worker()
        judged: list[int] = []

        async def take(held: Held, _generation: int) -> None:
            judged.extend(each.offset for each in held.waiting)
            held.waiting = []

        monkeypatch.setattr(worker, "_take", take)
        before = asyncio.create_task(worker._read(Stream([11, 12])))
        await asyncio.sleep(0.01)  # The second waits for room now.
        await worker._on_revoked()
        await asyncio.sleep(0.01)
        worker._is_assigned = True
        after = asyncio.create_task(worker._read(Stream([10, 11])))
        judging = asyncio.create_task(worker._judge_all())
        await asyncio.wait_for(asyncio.gather(before, after), 5)
        while len(judged) < 2:
            await asyncio.sleep(0.01)
        judging.cancel()
        assert judged == [10, 11]
        assert held.partition.offset == 10

    asyncio.run(run())


def test_a_store_that_hangs_holds_up_the_partition_that_came_and_not_the_one_that_stayed():
    async def run() -> None:
        worker, held = a_worker()
        _, other = a_worker()
        other.partition.number = 1
        other.partition.offset = 0
        worker._assigned, store = {0, 1}, Event()
        worker.restoring.restored = lambda number: (store.wait(10), other)[1]
        worker._restoring = ThreadPoolExecutor(1)
        judged: list[tuple[int, int]] = []

        async def take(its: Held, _generation: int) -> None:
            judged.extend((its.partition.number, each.offset) for each in its.waiting)
            its.waiting = []

        worker._take = take  # type: ignore[method-assign]
        judging = asyncio.create_task(worker._judge_all())
        for partition, offset in ((1, 0), (0, 10), (1, 1)):
            worker._messages.queue.put_nowait((1, SimpleNamespace(partition=partition, offset=offset)))  # type: ignore[arg-type]
        while (0, 10) not in judged:
            await asyncio.sleep(0.01)
        assert judged == [(0, 10)]
        store.set()
        while len(judged) < 3:
            await asyncio.sleep(0.01)
        judging.cancel()
        assert judged == [(0, 10), (1, 0), (1, 1)]
        assert worker._held == {0: held, 1: other}

    asyncio.run(asyncio.wait_for(run(), 20))


def test_a_partition_waits_where_too_much_is_judged_behind_its_last_saved_state(monkeypatch: pytest.MonkeyPatch):
    async def run() -> None:
        monkeypatch.setattr(scoring, "UNSAVED_MAX", 2)
        worker, held = a_worker()
        judged: list[int] = []

        async def take(its: Held, _generation: int) -> None:
            judged.extend(each.offset for each in its.waiting)
            its.unacknowledged += its.waiting
            its.waiting = []

        worker._take = take  # type: ignore[method-assign]
        judging = asyncio.create_task(worker._judge_all())
        for offset in (10, 11, 12):
            worker._messages.queue.put_nowait((1, SimpleNamespace(partition=0, offset=offset)))  # type: ignore[arg-type]
            await asyncio.sleep(0.1)
        assert judged == [10, 11]
        held.unacknowledged = []
        while len(judged) < 3:
            await asyncio.sleep(0.01)
        judging.cancel()
        assert judged == [10, 11, 12]

    asyncio.run(asyncio.wait_for(run(), 20))


def test_between_two_assignments_nothing_is_taken():
    async def run() -> None:
        worker, _ = a_worker()
        await worker._on_revoked()
        await worker._read(Stream([11]))
        assert worker._messages.queue.empty()

    asyncio.run(run())


def test_what_is_measured_again_ends_where_the_brokers_say_that_it_is_committed(monkeypatch: pytest.MonkeyPatch):
    async def run() -> None:
        worker, held = a_worker(offset=3, waiting=[12])
        until: list[int] = []

        def measure(partition: Any, _client: object, _topic: str, stop: int) -> list[bytes]:
            until.append(stop)
            partition.offset = stop
            return []

        monkeypatch.setattr(scoring, "measure_again", measure)
        worker.restoring.extent = lambda *_: Extent(0, 20, 10)
        assert await worker._join(held, 1)
        assert (until, held.partition.offset, held.is_joined) == ([10], 10, True)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("low", "sought", "left"), [(0, [(0, 10)], [9]), (11, [(0, 11)], [9]), (13, [], [9, 13, 14]), (12, [(0, 12)], [9])]
)
def test_a_gap_is_asked_for_again_unless_retention_has_removed_it(
    monkeypatch: pytest.MonkeyPatch, low: int, sought: list[tuple[int, int]], left: list[int]
):
    async def run() -> None:
        worker, held = a_worker(offset=10, waiting=[9, 13, 14])
        worker.restoring.extent = lambda *_: Extent(low, 20, low)
        await worker._close_gap(held, 1)
        assert worker.app.consumer.sought == sought
        assert [each.offset for each in held.waiting] == left

    asyncio.run(run())


def test_a_rebalance_meanwhile_leaves_the_join_to_whoever_holds_the_partition_then(monkeypatch: pytest.MonkeyPatch):
    async def run() -> None:
        worker, held = a_worker(offset=10, waiting=[10])

        def extent(*_: object) -> Extent:
            worker._generation += 1
            return Extent(0, 20, 10)

        worker.restoring.extent = extent
        assert not await worker._join(held, 1)
        assert not held.is_joined

    asyncio.run(run())


def test_what_raises_while_a_rebalance_takes_the_waiting_away_ends_no_worker(monkeypatch: pytest.MonkeyPatch):
    async def run() -> None:
        worker, held = a_worker(offset=3, waiting=[10])
        _, whole = a_worker(offset=3)
        worker.restoring.restored = lambda _: whole
        worker.restoring.extent = lambda *_: Extent(0, 20, 10)

        def measure(*_: object) -> list[bytes]:
            worker._generation += 1
            held.waiting = []
            raise ZeroDivisionError

        monkeypatch.setattr(scoring, "measure_again", measure)
        assert not await worker._join(held, 1)
        assert held.partition is whole.partition

    asyncio.run(run())


@pytest.mark.parametrize("error", [KafkaError("no broker"), ZeroDivisionError("a step")])
def test_a_log_that_cannot_be_measured_lets_the_partition_wait_and_the_worker_go_on(
    monkeypatch: pytest.MonkeyPatch, error: Exception
):
    async def run() -> None:
        worker, held = a_worker(offset=3, waiting=[10])
        raised: list[Exception] = []

        async def begin_again(_held: Held, _records: object, error: Exception) -> None:
            raised.append(error)

        def measure(*_: object) -> list[bytes]:
            raise error

        monkeypatch.setattr(worker, "_begin_again", begin_again)
        monkeypatch.setattr(scoring, "measure_again", measure)
        worker.restoring.extent = lambda *_: Extent(0, 20, 10)
        assert not await worker._join(held, 1)
        is_of_brokers = isinstance(error, KafkaError)
        assert (held.runbook, raised) == (("KafkaDown", []) if is_of_brokers else ("", [error]))

    asyncio.run(run())


def restoring(monkeypatch: pytest.MonkeyPatch, extent: Any) -> Restoring:
    """Finds a state at offset 28."""

    class Restored:
        offset = 0

        def __init__(self, *_: object) -> None:
            self.engine = None

        def load(self, _arrays: object, *, offset: int, clock_us: int) -> None:
            self.offset = offset

    its = Restoring.__new__(Restoring)
    its.places = SimpleNamespace(of=lambda _: None)  # type: ignore[assignment]
    its._client, its._topic, its._group, its._partitions = {"bootstrap.servers": "b:1"}, "legs", "g", 4
    its._key, its._loaded, its._new_profiles = b"", None, None  # type: ignore[assignment]
    its._metrics, its._say = ScoringMetrics(Book()), telling("score", io.StringIO())
    monkeypatch.setattr(module, "Partition", Restored)
    found = SimpleNamespace(arrays={}, position=28, clock_us=0)
    monkeypatch.setattr(module.state_formats, "newest", lambda *_: found)
    monkeypatch.setattr(module.legs_log, "extent", extent)
    return its


def test_a_log_that_ends_before_the_state_is_no_log_of_that_state(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(LogShorter, match=r"partition 0 ends at 5, and its state is of 28.*made anew"):
        restoring(monkeypatch, lambda *_: Extent(0, 5, 0)).restored(0)


def test_without_brokers_the_partition_waits_for_its_state(monkeypatch: pytest.MonkeyPatch):
    def extent(*_: object) -> Extent:
        raise KafkaError("no broker")

    assert restoring(monkeypatch, extent).restored(0).runbook == "KafkaDown"


@given(st.lists(st.integers(0, 12), max_size=8), st.integers(0, 12))
def test_messages_are_in_order_up_to_the_first_behind_a_gap(offsets: list[int], offset: int):
    count = in_order([message(each) for each in offsets], offset)
    known = set(range(offset))
    for each in offsets[:count]:
        assert each == 0 or each - 1 in known
        known.add(each)
    if count < len(offsets):
        assert offsets[count] - 1 not in known
