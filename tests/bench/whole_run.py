"""The whole embedded run with everything it keeps: history, vault, identifiers, cases, journal, snapshots."""

import time
from itertools import pairwise
from pathlib import Path
from statistics import median

from monitor.app.embedded import Progress, RunSettings, run
from monitor.app.inputs import GivenInputs
from tests.bench.banks import Bank

PARTS = 8
"""Equal parts of the run by payments; the first is warm-up."""


def measure_whole_run(bank: Bank, folder: Path) -> dict[str, float]:
    """Payments a second of ``aml run`` with store, profiles and cases, all threads on one core."""
    marks: list[tuple[int, float, float]] = []

    def on_progress(progress: Progress) -> bool:
        marks.append((progress.records, time.process_time(), time.perf_counter()))
        return True

    given = GivenInputs(rates=bank.folder / "rates.csv", entities=bank.folder / "entities.yaml", approve_examples=True)
    done = run(
        RunSettings(
            (str(bank.folder / "transactions.jsonl"),), folder / "bench.db", inputs=given,
            profiles=bank.folder / "profiles.jsonl",
        ),
        on_progress,
    )  # fmt: skip
    step = max(1, (len(marks) - 1) // PARTS)
    chosen = marks[step::step]
    pairs = list(pairwise(chosen))
    counts = done.counts
    return {
        "customers": bank.plan.customers,
        "transactions_per_second": round(median((b[0] - a[0]) / (b[1] - a[1]) for a, b in pairs)),
        "transactions_per_second_wall": round(median((b[0] - a[0]) / (b[2] - a[2]) for a, b in pairs)),
        "alerts_per_thousand": round(
            1000 * sum(counts[f"alerts_{status}"] for status in ("new", "quiet", "shadow")) / max(done.records, 1), 1
        ),
    }
