"""One payment at a time through a warm engine: decode of its line and one step, by the clock on the wall.

The process has nothing else to do and its garbage collector has been told, as a service would after loading,
that what lives now stays (``gc.freeze``); it stays on.
"""

import gc
import time
from collections.abc import Iterator
from itertools import islice

import numpy as np
import numpy.typing as npt

from monitor.intake.records import RecordChunk
from tests.bench.pipeline import AlertDigest, Pipeline

WARM_UP = 200


def lines_of(chunks: Iterator[RecordChunk]) -> Iterator[RecordChunk]:
    """Each line as a chunk of its own."""
    for chunk in chunks:
        for line in (chunk.lines or b"").splitlines(keepends=True):
            yield RecordChunk(chunk.name, chunk.after, chunk.after, 1, lines=line)


def single_records(pipeline: Pipeline, chunks: Iterator[RecordChunk], digest: AlertDigest, *, records: int
                   ) -> dict[str, float]:  # fmt: skip
    """Milliseconds of single payments: p50, p99, p99.9 and the longest; by the wall and by processor time."""
    lines = lines_of(chunks)
    for part in islice(lines, WARM_UP):
        digest.add(pipeline.run(part)[1])
    gc.collect()
    gc.freeze()
    wall, cpu = np.empty(records), np.empty(records)
    for number, part in enumerate(islice(lines, records)):
        start_wall, start_cpu = time.perf_counter(), time.thread_time()
        alerts = pipeline.run(part)[1]
        cpu[number], wall[number] = time.thread_time() - start_cpu, time.perf_counter() - start_wall
        digest.add(alerts)
    gc.unfreeze()
    return {"records": records, **_quantiles("", wall), **_quantiles("cpu_", cpu)}


def _quantiles(kind: str, seconds: npt.NDArray[np.float64]) -> dict[str, float]:
    points = {"p50": 50.0, "p99": 99.0, "p99_9": 99.9, "max": 100.0}
    return {f"{kind}{name}_ms": round(float(np.percentile(seconds, at)) * 1e3, 3) for name, at in points.items()}
