"""``aml worker score``: partitions of the log of legs judged by the engine, assigned by Faust.

::

    legs ─► Faust agent ─► waiting ─► Partition.step (a thread) ─► alerts, acknowledged by the brokers
                                            │                            │
                                            └── every snapshot_seconds: state copied while the partition rests and
                                                the others go on, written whole, then offsets committed

An offset is committed only when a snapshot at or behind it is whole in the store folder and all alerts before it are
acknowledged. So after a kill a partition begins at its newest snapshot and judges again what came after: the same
alerts with the same ids, which casework inserts once. Where no snapshot fits, because the rules are others, the log up
to the committed offset is measured again and raises nothing. A partition that stays through a rebalance keeps its state
in memory; only what moved is restored.

Faust does assignment, rebalancing and producing. What its agent would do with each message is done here for all
messages that wait, in one step.
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Thread
from typing import Any

from faust.types import TP
from faust.types import Message as FaustMessage

from monitor.adapters.kafka import legs_log
from monitor.adapters.kafka.legs_log import KIND
from monitor.adapters.kafka.topics import KafkaError
from monitor.app.inputs import load_inputs
from monitor.app.settings import Settings
from monitor.app.streaming.book import Book
from monitor.app.streaming.faust_app import make_app
from monitor.app.streaming.given import given_inputs
from monitor.app.streaming.health import Health
from monitor.app.streaming.judged_with import JudgedWith
from monitor.app.streaming.late_profiles import LateProfiles
from monitor.app.streaming.partition import LogRecord, Profiles
from monitor.app.streaming.pauses import Garbage
from monitor.app.streaming.recording import ScoringMetrics
from monitor.app.streaming.restoring import Restoring
from monitor.app.streaming.saving import Saving
from monitor.app.streaming.scoring_outbox import ScoringOutbox, ScoringTopics
from monitor.app.streaming.scoring_shown import ShownScoring
from monitor.app.streaming.scoring_state import (
    RETRY_SECONDS,
    UNREAD_SECONDS,
    Held,
    in_order,
    measure_again,
    within,
)
from monitor.app.streaming.telling import telling
from monitor.app.streaming.token_table import TokenTable
from monitor.app.streaming.tracing import tracing_of
from monitor.app.streaming.waiting_messages import WaitingMessages

GROUP = "aml-score"
UNSAVED_MAX = 200_000
"""Most records that a partition judges behind its last saved state; each takes memory until then, some 0.6 kB."""
STEP_BYTES_MAX = 8 << 20
"""Most bytes of records in one step, some 60,000 rows; a single record may be larger. What waits behind them has its
turn after the other partitions, and what was raised is told before."""
FAILED_SECONDS_MAX = 60.0
"""Most between two attempts at a partition whose step raises."""
COMMIT_SECONDS = 1.0
TOTALS_SECONDS = 1.0
"""How often totals of feeds are handed over."""
SHOW_SECONDS = 0.5
"""How often lag and readiness are shown."""
PROBE_SECONDS = 15.0
"""How often brokers and Redis are asked whether they answer."""
LIVE_SECONDS = 1.0
"""How often a worker that judges or restores says that it lives."""
RESTORED_AT_ONCE = 2
"""How many partitions are taken over at once; each needs the memory of its state twice meanwhile."""
STOP_SECONDS = 20.0
"""How long stopping may take."""


class ScoringWorker:
    """Judges the partitions that Faust assigns, until it is stopped.

    Args:
        settings: All settings.
        new_profiles: Makes the empty profiles of a partition.
        metrics: What it records; whoever reads profiles for it records there too.
        probe: Asks whether what profiles are read from answers.
        topics: Names of topics.
        group: The consumer group.
    """

    def __init__(
        self,
        settings: Settings,
        new_profiles: Callable[[TokenTable], Profiles],
        *,
        metrics: ScoringMetrics | None = None,
        probe: Callable[[], None] = lambda: None,
        topics: ScoringTopics | None = None,
        group: str = GROUP,
    ) -> None:
        self.settings, self.topics, self.group = settings, topics or ScoringTopics(), group
        self._probe = probe
        self._say, self.tracing = telling("score"), tracing_of("score")
        self._totals_at = 0.0
        self.metrics = metrics or ScoringMetrics(Book())
        self.health = Health(settings.worker.host, settings.worker.port, self.metrics.book.registry)
        self.metrics.health, self._shown = self.health, ShownScoring(self.metrics)
        self.loaded = load_inputs(given_inputs(settings.inputs))
        self.metrics.left_out(len(self.loaded.errors))
        if self.loaded.rates is not None:
            self.metrics.rates(self.loaded.rates.newest_us)
        given = given_inputs(settings.inputs)
        self._judged_with = JudgedWith(settings.store.folder, self.topics.legs, self.loaded, given)
        client = settings.kafka.client()
        self.restoring = Restoring(
            settings, self.loaded, self.topics.legs, group, new_profiles, self.metrics, self._say
        )
        self._held: dict[int, Held] = {}
        self._coming: dict[int, asyncio.Task[None]] = {}
        """Partitions whose state is being read, beside judging."""
        self._messages = WaitingMessages(self.topics.legs, self._held)
        self._assigned: set[int] = set()
        self._is_assigned = False
        """Whether the group has given this worker its partitions, which may be none."""
        self._generation = 0
        self._judging = ThreadPoolExecutor(1, "judging")
        self._restoring = ThreadPoolExecutor(RESTORED_AT_ONCE, "restoring")
        self._probing = ThreadPoolExecutor(1, "probing")
        self._reading = ThreadPoolExecutor(1, "reading")
        self._garbage = Garbage()
        self.app = make_app(group, settings.kafka, settings.worker, commit_seconds=COMMIT_SECONDS)
        self._outbox = ScoringOutbox(self.app, self.topics, legs_log.partitions_of(client, self.topics.alerts))
        self._saving = Saving(
            self._held, settings.worker.snapshot_seconds, self._outbox, self.metrics, self._say,
            in_thread=self._in_thread, acknowledge=lambda message: message.ack(self.app.consumer),
            is_behind=lambda: self._judged_with.is_behind,
        )  # fmt: skip
        self._late = LateProfiles(self._outbox, self._reading)
        legs = self.app.topic(
            self.topics.legs, key_serializer="raw", value_serializer="raw", key_type=bytes, value_type=bytes
        )
        self.app.agent(legs, name="score")(self._read)
        self.app.task(self._judge_all)
        self.app.task(self._show_all)
        self.app.task(self._probe_all)
        self.app.on_partitions_revoked.connect(self._on_revoked)
        self.app.on_partitions_assigned.connect(self._on_assigned)
        self.app.on_before_shutdown.connect(self._on_shutdown)

    def run(self) -> None:
        """Work until SIGTERM or SIGINT."""
        from faust.worker import Worker

        with self.health:
            worker = Worker(self.app, loglevel="WARN", redirect_stdouts=False, quiet=True)
            worker.spinner = None
            Thread(target=self._end_at_last, args=(worker,), daemon=True).start()
            worker.execute_from_commandline()

    def _end_at_last(self, worker: Any) -> None:
        """A stop that hangs, because brokers are away, ends as a kill would: nothing is lost by either."""
        while not worker.should_stop and not self.app.should_stop:
            time.sleep(0.2)
        time.sleep(STOP_SECONDS)
        self._say.warning("stopped_late", seconds=STOP_SECONDS)
        os._exit(0)

    # Reading ----------------------------------------------------------------------------------------------

    async def _read(self, stream: Any) -> None:
        """The agent: hands each message on; what waits too long stops the reading."""
        async for event in stream.noack().events():
            event.message.time_in = time.monotonic()
            if self._is_assigned:  # What comes between two assignments comes again from the committed offset.
                await self._messages.queue.put((self._generation, event.message))

    async def _on_revoked(self, *_: Any, **__: Any) -> None:
        """What waits comes again from the committed offset; the state stays, in case the partition does."""
        self._generation = self._saving.generation = self._generation + 1
        self._is_assigned = False
        self._messages.forget()
        for held in self._held.values():
            held.unacknowledged, held.is_joined = [], False

    async def _on_assigned(self, _app: Any, /, *given: Any, **_: Any) -> None:
        assigned: set[TP] = given[0]
        self._assigned = {each.partition for each in assigned if each.topic == self.topics.legs}
        self._is_assigned = True
        for number in set(self._held) - self._assigned:
            del self._held[number]
            self.metrics.gone(number)
        self._messages.fetch_again(self.app.consumer, self._assigned)

    # Judging ----------------------------------------------------------------------------------------------

    async def _judge_all(self) -> None:
        """Take all that waits, partition by partition, for ever."""

        def is_coming() -> bool:
            return bool(self._coming) or self._saving.is_copying

        async for messages in self._messages.waves(is_coming, lambda: any(self._free())):
            self.health.live()
            self._take_up()
            generation = self._generation
            for of_generation, message in messages:
                if of_generation == generation:
                    self._messages.of(message.partition).append(message)
            for held in list(self._free()):
                if generation == self._generation:
                    await self._take(held, generation)
            await self._send_totals()
            self._messages.fetch_less(self.app.consumer)
            self._saving.what_is_due()
            self._late.look(held.partition for held in self._held.values())

    def _free(self) -> Iterator[Held]:
        """Partitions of which something waits that can be judged now."""
        for held in self._held.values():
            can_be_judged = not held.is_unread and not held.is_copied and len(held.unacknowledged) < UNSAVED_MAX
            if held.waiting and can_be_judged and time.monotonic() >= held.retry_at:
                yield held

    async def _take(self, held: Held, generation: int) -> None:
        """Judge what waits of one partition; where a record is blocked it waits on, and other partitions do not."""
        if not held.is_joined and not await self._join(held, generation):
            return
        if in_order(held.waiting, held.partition.offset) < len(held.waiting):
            await self._close_gap(held, generation)
        if generation != self._generation or not held.waiting:
            return
        waiting = within(held.waiting, STEP_BYTES_MAX)
        records = [_record(each) for each in waiting]
        if records[0].offset <= held.one_by_one_to:
            records = records[:1]
        start, held.is_told = time.perf_counter(), False
        headers = [list(dict(each.headers or {}).items()) for each in waiting]
        with self.tracing.step("score", *headers, partition=held.partition.number, records=len(records)) as trace:
            try:
                judged = await self._in_thread(partial(held.partition.step, records))
            except Exception as error:  # whatever it is, the other partitions go on
                await self._begin_again(held, records, error)
                return
            held.failures = 0
            if judged.payments:
                self._garbage.leave_what_is_here()
            if self._judged_with.has_something_of(judged.steps):
                await self._keep(partial(self._judged_with.stepped, held.partition, judged.steps))
            await self._outbox.send(held.partition, judged, trace)
        held.is_told = True
        came = [each.time_in or time.monotonic() for each in waiting[: judged.records]]
        if self._held.get(held.partition.number) is held:
            self._shown.step(held.partition, judged, records[: judged.records], came, time.perf_counter() - start)
        if judged.blocked is not None:
            held.retry_at = time.monotonic() + RETRY_SECONDS
        if generation == self._generation:
            done, held.waiting = held.waiting[: judged.records], held.waiting[judged.records :]
            for each in done:
                each.value = None
            held.unacknowledged += done

    async def _show_all(self) -> None:
        """Show lag and readiness, also while a step takes long."""
        while True:
            self._show()
            await asyncio.sleep(SHOW_SECONDS)

    def _show(self) -> None:
        """Lag and readiness: ready with all partitions assigned, restored and nearly caught up."""
        why = self._shown.lags({number: (held.partition, self._end(number)) for number, held in self._held.items()})
        for number, held in self._held.items():
            if held.partition.offset <= held.saved_offset and not held.is_unread:
                self.metrics.unchanged(number, at_seconds=time.time())
        failed = sorted(number for number, held in self._held.items() if held.partition.offset <= held.one_by_one_to)
        if not self._is_assigned:
            why = "no partitions are assigned to it yet"
        elif missing := len(self._assigned - set(self._held)):
            why = f"{missing} partitions are not restored yet"
        elif unread := sorted(number for number, held in self._held.items() if held.is_unread):
            why = f"the state of partition {unread[0]} cannot be read; docs/runbooks/{self._held[unread[0]].runbook}.md"
        elif unsaved := sorted(n for n, held in self._held.items() if len(held.unacknowledged) >= UNSAVED_MAX):
            why = f"partition {unsaved[0]} waits until its state can be saved; docs/runbooks/DiskFull.md"
        elif failed:
            why = f"partition {failed[0]} raises when it is judged; docs/runbooks/StepRaises.md"
        self.metrics.ready(not why, why)

    def _end(self, number: int) -> int | None:
        """The end of a partition's log as of the last fetch; ``None`` without one, and during a rebalance."""
        if not self._is_assigned:
            return None
        end: int | None = self.app.consumer.highwater(TP(self.topics.legs, number))
        return end

    async def _probe_all(self) -> None:
        """Ask brokers and Redis now and then whether they answer."""
        while True:
            await asyncio.get_running_loop().run_in_executor(self._probing, self._probe_once)
            await asyncio.sleep(PROBE_SECONDS)

    def _probe_once(self) -> None:
        self._shown.probe(self.settings.kafka.client(), self.topics.legs)
        self._probe()

    async def _begin_again(self, held: Held, records: list[LogRecord], error: Exception) -> None:
        """A step raised and left a state that nobody knows: go on with the last one that is whole, after a pause.

        Records up to those that wait are measured again then, and raise nothing; what they raised was handed over.
        Those of the step are judged one by one, so that only the one at fault waits, and what is behind it.
        """
        self._shown.failed(held.partition.number, records[0].offset, error)
        held.one_by_one_to = max(held.one_by_one_to, records[-1].offset)
        whole = await self._in_thread(lambda: self.restoring.restored(held.partition.number))
        held.take_over(whole)
        held.failures += 1
        held.retry_at = time.monotonic() + min(2.0**held.failures, FAILED_SECONDS_MAX)

    async def _send_totals(self) -> None:
        """Hand over the totals of feeds, once a second."""
        if time.monotonic() - self._totals_at >= TOTALS_SECONDS:
            self._totals_at = time.monotonic()
            for held in list(self._held.values()):
                if not held.is_copied:
                    await self._outbox.send_totals(held.partition)

    # Restoring --------------------------------------------------------------------------------------------

    def _take_up(self) -> None:
        """Have states read, of partitions that are new and of those whose state could not be read; judging goes on."""
        for number in [number for number, task in self._coming.items() if task.done()]:
            self._coming.pop(number).result()
        for number in sorted(self._assigned - set(self._held) - set(self._coming)):
            self._coming[number] = asyncio.ensure_future(self._hold(number))
        for number, held in self._held.items():
            if held.is_unread and time.monotonic() >= held.retry_at and number not in self._coming:
                self._coming[number] = asyncio.ensure_future(self._read_again(held))

    async def _hold(self, number: int) -> None:
        """Take a partition over: its newest snapshot, or an empty state."""
        start = time.perf_counter()
        held = await self._in_thread(lambda: self.restoring.restored(number), self._restoring)
        if number not in self._assigned:  # It has gone on meanwhile.
            return
        held.restoring_seconds = time.perf_counter() - start
        held.waiting = self._messages.early.pop(number, [])
        self._held[number] = held

    async def _read_again(self, held: Held) -> None:
        """Go on with the state of a partition if it can be read now."""
        whole = await self._in_thread(lambda: self.restoring.restored(held.partition.number), self._restoring)
        held.take_over(whole)
        self._saving.show()

    async def _join(self, held: Held, generation: int) -> bool:
        """Bring the state to the committed offset; all alerts before it are known outside. Whether it stands there.

        It is the brokers that say what is committed: the first record that has come may be another one.
        """
        start, number = time.perf_counter(), held.partition.number
        client, topic = self.settings.kafka.client(), self.topics.legs
        try:
            log = await self._in_thread(lambda: self.restoring.extent(number))
            if held.partition.offset < log.committed:
                missing = await self._in_thread(lambda: measure_again(held.partition, client, topic, log.committed))
                await self._outbox.decided(number, missing)
        except KafkaError as error:
            self.metrics.dependency("kafka", False)
            self._say.error("log_not_read", partition=number, error=error)
            # What it was measured to is not known to be in the log: begin at its state again.
            held.runbook, held.retry_at = "KafkaDown", time.monotonic() + UNREAD_SECONDS
            return False
        except Exception as error:  # whatever it is, the other partitions go on
            if generation == self._generation:  # After a rebalance nothing waits, and whoever holds it measures anew.
                await self._begin_again(held, [_record(each) for each in held.waiting], error)
            else:
                held.take_over(await self._in_thread(lambda: self.restoring.restored(number)))
            return False
        if generation != self._generation:
            return False
        await self._keep(partial(self._judged_with.took_up, held.partition))
        held.is_joined = generation == self._generation
        if held.is_joined and held.restoring_seconds is not None:
            seconds = held.restoring_seconds + time.perf_counter() - start
            held.restoring_seconds = None
            self.metrics.began(number, held.partition.engine, seconds=seconds)
        return held.is_joined

    async def _close_gap(self, held: Held, generation: int) -> None:
        """Have what lies between two messages given again: nothing is judged behind a gap, or its alerts were lost.

        What retention has removed does not come again: then the partition goes on behind it, and says so.
        """
        number, count = held.partition.number, in_order(held.waiting, held.partition.offset)
        wanted = max((each.offset + 1 for each in held.waiting[:count]), default=0)
        wanted, came = max(wanted, held.partition.offset), held.waiting[count].offset
        try:
            log = await self._in_thread(lambda: self.restoring.extent(number))
        except KafkaError:
            held.retry_at = time.monotonic() + RETRY_SECONDS
            return
        if generation != self._generation:
            return
        if log.low > wanted:
            self._say.error("records_gone", partition=number, offset=wanted, until=min(log.low, came))
        if log.low < came:
            self._say.warning("records_skipped", partition=number, offset=wanted, until=came)
            del held.waiting[count:]
            await self.app.consumer.seek(TP(self.topics.legs, number), max(wanted, log.low))

    async def _keep(self, work: Callable[[], None]) -> None:
        """Keep what explains alerts; judging goes on where the disk does not take it."""
        try:
            await self._in_thread(work)
        except OSError as error:
            self._say.error("inputs_not_kept", error=error)
        self._saving.show()

    # Going ------------------------------------------------------------------------------------------------

    async def _on_shutdown(self, *_: Any, **__: Any) -> None:
        await self._saving.all_that_stand()
        self.tracing.close()

    async def _in_thread(self, work: Callable[[], Any], pool: ThreadPoolExecutor | None = None) -> Any:
        """Work in a thread, that of judging if no other is given; the worker lives meanwhile, however long it takes."""
        done = asyncio.get_running_loop().run_in_executor(pool or self._judging, work)
        while not (await asyncio.wait({done}, timeout=LIVE_SECONDS))[0]:
            self.health.live()
        return done.result()


def _record(message: FaustMessage) -> LogRecord:
    kind = dict(message.headers or {}).get(KIND, b"")
    timestamp_us = int((message.timestamp or 0) * 1e6)
    return LogRecord(message.offset, kind.decode("utf-8", "replace"), message.value or b"", timestamp_us)
