"""Throughput: slices of the stream through a warm engine, with baselines on the same bytes between them."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from statistics import median

import msgspec

from monitor.adapters.background import BackgroundWriter
from monitor.adapters.history import HistoryStore
from monitor.adapters.vault import PlainVault
from monitor.domain.alert import Alert
from monitor.intake.record_fields import FIELDS
from monitor.intake.records import DecodedChunk, RecordChunk
from tests.bench.pipeline import AlertDigest, Pipeline, Stopwatch

SLICE_CHUNKS = 8
"""About 20,000 payments; figures are medians over slices."""
COMMIT_CHUNKS = 32
"""About 80,000 payments: what a run commits at once, every second."""
Payment = msgspec.defstruct("Payment", [(name, str | None, None) for name in FIELDS])


@dataclass(slots=True)
class Slice:
    """What one slice cost, in nanoseconds per payment."""

    payments: int
    cpu_ns: float
    wall_ns: float
    alerts: int = 0
    stages: dict[str, float] = field(default_factory=dict)
    structs_ns: float = 0.0
    decode_ns: float = 0.0


def per_second(slices: list[Slice], *, wall: bool = False) -> float:
    """Payments a second: of the median slice, by processor time or by the clock on the wall."""
    return 1e9 / median(each.wall_ns if wall else each.cpu_ns for each in slices)


def slices_of(chunks: Iterator[RecordChunk], size: int = SLICE_CHUNKS) -> Iterator[list[RecordChunk]]:
    """Whole slices; what is left at the end is no slice."""
    while len(found := list(islice(chunks, size))) == size:
        yield found


def timed(work: Callable[[], int], clock: Callable[[], float]) -> tuple[int, float, float]:
    """What ``work`` returns, and its nanoseconds by ``clock`` and by the wall."""
    wall, cpu = time.perf_counter(), clock()
    count = work()
    return count, (clock() - cpu) * 1e9, (time.perf_counter() - wall) * 1e9


def warm(pipeline: Pipeline, chunks: Iterator[RecordChunk], digest: AlertDigest, until: Callable[[], bool]) -> None:
    """Feed the engine until it is as full as wanted."""
    while not until():
        chunk = next(chunks, None)
        if chunk is None:
            raise SystemExit(f"the stream of {pipeline.bank.plan} ends before the engine is warm; give it more days")
        digest.add(pipeline.run(chunk)[1])


def measure(pipeline: Pipeline, chunks: Iterator[RecordChunk], digest: AlertDigest, *, slices: int, baselines: bool
            ) -> list[Slice]:  # fmt: skip
    """The next slices through the engine, stage by stage; baselines decode the same bytes after each slice."""
    found = []
    read, alone = msgspec.json.Decoder(Payment), pipeline.new_decoder()
    for parts in islice(slices_of(chunks), slices):
        watch = Stopwatch()
        alerts: list[Alert] = []

        def run(parts: list[RecordChunk] = parts, alerts: list[Alert] = alerts) -> int:
            before = pipeline.position
            for part in parts:
                alerts.extend(pipeline.run(part)[1])
            return pipeline.position - before

        with watch.on():
            count, cpu_ns, wall_ns = timed(run, time.thread_time)
        digest.add(alerts)
        stages = {name: seconds * 1e9 / count for name, seconds in watch.seconds.items()}
        stages["rest"] = cpu_ns / count - sum(stages.values())
        one = Slice(count, cpu_ns / count, wall_ns / count, len(alerts), stages)
        if baselines:
            one.structs_ns = _each(parts, lambda part: read.decode_lines(part.lines)) / count
            one.decode_ns = _each(parts, lambda part: alone.decode(part, first_position=0)) / count
        found.append(one)
    return found


def _each(parts: list[RecordChunk], work: Callable[[RecordChunk], object]) -> float:
    """Processor nanoseconds for ``work`` on all parts."""
    start = time.thread_time()
    for part in parts:
        work(part)
    return (time.thread_time() - start) * 1e9


class Stores:
    """History and vault as an embedded run keeps them, written by a thread on the same core."""

    def __init__(self, folder: Path, pipeline: Pipeline) -> None:
        self.pipeline, self.writer = pipeline, BackgroundWriter()
        self.history = HistoryStore(folder / "history", writer=self.writer)
        self.vault = PlainVault(folder / "vault", writer=self.writer)

    def append(self, decoded: DecodedChunk, stop: int) -> None:
        """Hand a chunk over."""
        if len(decoded.batch):
            self.history.append(decoded.batch, self.pipeline.identifiers.tokens)
        self.vault.append_texts(decoded.batch.position, decoded.texts, stop=stop)

    def commit(self) -> None:
        """Make everything durable, as once a second in a run."""
        self.vault.append_identifiers(*self.pipeline.identifiers.export(self.vault.identifier_count))
        self.vault.commit()
        self.history.commit()
        self.writer.drain()

    def close(self) -> None:
        """End the writer."""
        self.vault.close()
        self.history.close()
        self.writer.close()


def measure_with_stores(pipeline: Pipeline, chunks: Iterator[RecordChunk], digest: AlertDigest, folder: Path, *,
                        slices: int) -> list[Slice]:  # fmt: skip
    """The next slices with history and vault written and committed; the whole process's time counts."""
    stores, found = Stores(folder, pipeline), []
    digest.add(_with_stores(stores, [next(chunks)]))
    stores.commit()
    for parts in islice(slices_of(chunks, COMMIT_CHUNKS), slices):
        alerts: list[Alert] = []

        def run(parts: list[RecordChunk] = parts, alerts: list[Alert] = alerts) -> int:
            before = pipeline.position
            alerts.extend(_with_stores(stores, parts))
            stores.commit()
            return pipeline.position - before

        count, cpu_ns, wall_ns = timed(run, time.process_time)
        digest.add(alerts)
        found.append(Slice(count, cpu_ns / count, wall_ns / count, len(alerts)))
    stores.close()
    return found


def _with_stores(stores: Stores, parts: list[RecordChunk]) -> list[Alert]:
    found: list[Alert] = []
    for part in parts:
        decoded, alerts = stores.pipeline.run(part)
        stores.append(decoded, stores.pipeline.position)
        found += alerts
    return found
