"""What keeps judging from pausing: copies of states, saves one by one, threads behind others, fetches that gather."""

import asyncio
import gc
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from monitor.adapters.kafka.fetching import FETCH_MIN_BYTES
from monitor.app.settings import KafkaSettings, WorkerSettings
from monitor.app.streaming import saving
from monitor.app.streaming.faust_app import SESSION_SECONDS, make_app
from monitor.app.streaming.pauses import Garbage, beside_judging
from monitor.app.streaming.saving import Saving
from monitor.app.streaming.scoring import ScoringWorker
from monitor.app.streaming.scoring_state import CopyRoom, Held


class Partition:
    """One whose state is some arrays."""

    def __init__(self, **arrays: np.ndarray[Any, Any]) -> None:
        self.arrays, self.offset, self.clock_us, self.layout = arrays, 7, 11, "layout"

    def save(self) -> dict[str, np.ndarray[Any, Any]]:
        return self.arrays


def test_a_copy_stays_as_it_is_and_the_next_one_is_made_in_the_same_memory():
    room = CopyRoom()
    partition: Any = Partition(
        rows=np.arange(12.0).reshape(3, 4), none=np.zeros((0, 5), np.int32), bits=np.array([True, False, True]),
        cut=np.arange(20, dtype=np.int16)[::2],
    )  # fmt: skip
    before = {name: values.copy() for name, values in partition.arrays.items()}
    saved = room.copied(partition)
    for values in partition.arrays.values():
        values[...] = 1
    assert (saved.offset, saved.clock_us, saved.layout) == (7, 11, "layout")
    for name, values in saved.arrays.items():
        assert (values.dtype, values.shape) == (before[name].dtype, before[name].shape)
        assert values.tolist() == before[name].tolist()
    again = room.copied(partition)
    assert np.shares_memory(again.arrays["rows"], saved.arrays["rows"])
    larger: Any = Partition(rows=np.arange(5_000))
    assert room.copied(larger).arrays["rows"].tolist() == [*range(5_000)]


def test_of_many_partitions_one_is_saved_after_the_other_and_each_as_often_as_it_is_set(monkeypatch):
    now, saves, usual, copies = [1_000.0], [], [], []
    monkeypatch.setattr(saving, "time", SimpleNamespace(monotonic=lambda: now[0]))
    held: list[Any] = [
        Held(SimpleNamespace(number=n, offset=1), SimpleNamespace(), 0, saved_at=1_000.0) for n in range(4)
    ]  # type: ignore[arg-type]

    async def nothing(*_: object) -> None:
        return None

    async def saved(of: Held, *_: object) -> None:
        saves.append((of.partition.number, now[0]))
        of.saved_at = now[0]

    async def copied(of: Held, _: object) -> tuple[None, list[Any]]:
        assert of.is_copied
        copies.append(of)
        return None, []

    outbox: Any = SimpleNamespace(send_totals=nothing, unsent=list)
    worker = Saving(
        dict(enumerate(held)), 8.0, outbox, None, None, in_thread=nothing, acknowledge=None, is_behind=None,  # type: ignore[arg-type]
    )  # fmt: skip
    worker.save, worker._copied = saved, copied  # type: ignore[method-assign,assignment]

    async def run() -> None:
        for _ in range(400):
            now[0] += 0.1
            for each in held:
                each.partition.offset += 1
            worker.what_is_due()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert not worker.is_copying
        assert len(copies) == len(saves)
        usual.extend(saves)
        async with worker._lock:  # Another copy is needed meanwhile, as when the worker stops.
            now[0] += 100.0
            worker.what_is_due()
            assert not worker.is_copying
        worker.what_is_due()
        assert worker.is_copying

    asyncio.run(run())
    times = [at for _, at in usual]
    assert np.diff(times).min() >= 2.0 - 1e-6
    for number in range(4):
        own = np.diff([at for of, at in usual if of == number])
        assert len(own) >= 2
        assert own.max() <= 8.0 + 4 * 0.1 + 1e-6


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own there")
def test_the_thread_that_writes_stands_behind_all_others_and_alone():
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = niceness()
    with ThreadPoolExecutor(1, "writing", beside_judging) as pool:
        assert pool.submit(niceness).result() == 10
    assert niceness() == before


def test_what_is_here_is_looked_through_no_more():
    try:
        gc.unfreeze()
        Garbage().leave_what_is_here()
        assert gc.get_freeze_count() > 1_000
    finally:
        gc.unfreeze()


def test_brokers_are_asked_to_gather_what_they_answer():
    async def run() -> None:
        worker = WorkerSettings(fetch_wait_ms=37)
        app = make_app("g", KafkaSettings(bootstrap="127.0.0.1:1"), worker, commit_seconds=1.0)
        thread = app.consumer._thread
        made = thread._create_worker_consumer(app.transport)
        assert (made._fetch_min_bytes, made._fetch_max_wait_ms) == (FETCH_MIN_BYTES, 37)
        assert made._session_timeout_ms == SESSION_SECONDS * 1_000
        thread.thread_loop.close()

    asyncio.run(run())


def test_while_a_state_is_copied_its_partition_rests_and_the_others_are_judged():
    """The copy is held up until the other partition has been judged: who waited for it would never end."""

    async def run() -> None:
        copies, judged = threading.Event(), list[int]()

        class Slow(Partition):
            def save(self) -> dict[str, np.ndarray[Any, Any]]:
                assert copies.wait(30)
                return super().save()

        partitions: list[Any] = [Slow(rows=np.arange(3)), Partition(rows=np.arange(3))]
        written = list[int]()
        held = {n: Held(each, SimpleNamespace(), 0, saved_at=-1e9) for n, each in enumerate(partitions)}  # type: ignore[arg-type]
        held[1].saved_offset = 7  # Nothing is new there.
        worker: Any = ScoringWorker.__new__(ScoringWorker)

        async def nothing(*_: object) -> None:
            return None

        async def take(of: Held, _: int) -> None:
            judged.append(0 if of is held[0] else 1)
            of.waiting = []

        async def save(of: Held, saved: Any, *_: object) -> None:
            written.extend(saved.arrays["rows"].tolist())

        outbox: Any = SimpleNamespace(send_totals=nothing, unsent=list)
        its = Saving(held, 0.0, outbox, None, None, in_thread=nothing, acknowledge=None, is_behind=None)  # type: ignore[arg-type]
        its.save = save  # type: ignore[method-assign]
        worker._held, worker._saving, worker._take = held, its, take
        its.what_is_due()
        for each in held.values():
            each.waiting = ["a record"]  # type: ignore[list-item]
        for each in list(worker._free()):
            await worker._take(each, 0)
        assert judged == [1]
        copies.set()
        while its.is_copying:
            await asyncio.sleep(0.01)
        for each in list(worker._free()):
            await worker._take(each, 0)
        assert judged == [1, 0]
        assert written == [0, 1, 2]

    asyncio.run(run())
