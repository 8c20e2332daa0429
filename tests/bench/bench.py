"""Speed, latency, memory and start-up of the main job on one core, and ratios to baselines of the same run.

    python -m tests.bench.bench [--quick] [--keep FOLDER] [--out bench.json] [--update REASON]

The process pins itself to one core; background threads share it. Throughput is by processor time, medians over slices
of the stream; the clock on the wall stands beside it, because a machine that others use makes the wall slow and
not the program. ``--quick`` takes smaller banks and leaves out the million accounts and the cold start. The bench
fails if the alerts are not those of plain Python and of ``expected.json``, or a figure misses its floor.
"""

import argparse
import json
import mmap
import os
import platform
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from tests.bench import expected
from tests.bench.banks import Bank, Plan, bank
from tests.bench.baselines import against_plain_python
from tests.bench.evaluated import evaluated
from tests.bench.latency import single_records
from tests.bench.measuring import Slice, measure, measure_with_stores, per_second, warm
from tests.bench.memory import memory
from tests.bench.models_and_flow import models_and_flow
from tests.bench.pipeline import AlertDigest, Pipeline
from tests.bench.report import show
from tests.bench.startup import measure_startup
from tests.bench.whole_run import measure_whole_run

FEW_EVENTS, MANY_EVENTS = 3, 24
"""Reachable events per account at which costs are compared between sizes, and at which the main figure is taken."""


@dataclass(frozen=True, slots=True)
class Size:
    """How large the bench is."""

    small: Plan
    main: Plan
    large: Plan | None
    many_events: float
    slices: int
    plain_payments: int
    records: int
    is_cold: bool


FULL = Size(
    small=Plan(9_300, 21, 731_209), main=Plan(93_000, 28, 731_210), large=Plan(940_000, 14, 731_211, 3_400_000),
    many_events=MANY_EVENTS, slices=12, plain_payments=160_000, records=6_000, is_cold=True,
)  # fmt: skip
QUICK = Size(
    small=Plan(9_300, 14, 731_212, 90_000), main=Plan(93_000, 14, 731_213, 620_000), large=None,
    many_events=FEW_EVENTS, slices=6, plain_payments=60_000, records=3_000, is_cold=False,
)  # fmt: skip


def pin_to_one_core() -> int:
    """Run on the core that is idle most; its number."""
    allowed = sorted(os.sched_getaffinity(0))
    busy = psutil.cpu_percent(interval=1.0, percpu=True)
    core = min(allowed, key=lambda number: busy[number] if number < len(busy) else 0.0)
    os.sched_setaffinity(0, {core})
    return core


def fresh_page_ns(pages: int = 16_384) -> int:
    """What the first write to a page of memory costs: a machine that lends its memory makes all that grows dear."""
    with mmap.mmap(-1, pages * mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as room:
        begun = time.perf_counter_ns()
        for page in range(0, len(room), mmap.PAGESIZE):
            room[page] = 1
        return (time.perf_counter_ns() - begun) // pages


def machine(core: int) -> dict[str, Any]:
    """Where the figures were taken."""
    return {
        "processor": next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                           if line.startswith("model name")), platform.machine()),
        "cores": os.cpu_count(), "core_used": core, "load_at_start": round(os.getloadavg()[0], 2),
        "python": platform.python_version(), "numba": version("numba"), "numpy": version("numpy"),
        "fresh_page_ns": fresh_page_ns(),
    }  # fmt: skip


def cost(name: str, pipeline: Pipeline, slices: list[Slice]) -> dict[str, Any]:
    """The line of a size: what a payment costs there."""
    return {
        "customers": pipeline.bank.plan.customers,
        "name": name,
        "accounts": pipeline.accounts,
        "reachable_events_per_account": round(pipeline.reachable / max(pipeline.accounts, 1), 1),
        "ns_per_transaction": round(median(each.cpu_ns for each in slices)),
        "transactions_per_second": round(per_second(slices)),
        "transactions_per_second_wall": round(per_second(slices, wall=True)),
        "alerts_per_thousand": round(1000 * sum(s.alerts for s in slices) / sum(s.payments for s in slices), 1),
    }


def of_size(name: str, made: Bank, *, events: float, slices: int) -> dict[str, Any]:
    """The cost at one size, with few events per account."""
    pipeline, digest = Pipeline(made), AlertDigest()
    chunks = made.chunks()
    warm(pipeline, chunks, digest, lambda: pipeline.reachable >= events * max(pipeline.accounts, 1))
    return cost(name, pipeline, measure(pipeline, chunks, digest, slices=slices, baselines=False))


def main_run(made: Bank, size: Size, folder: Path) -> dict[str, Any]:
    """The main figure, its stages, its limits and its ratios; stores, single records and memory on the same engine."""
    pipeline, digest = Pipeline(made), AlertDigest()
    chunks, accounts = made.chunks(), []
    if size.many_events > FEW_EVENTS:
        warm(pipeline, chunks, digest, lambda: pipeline.reachable >= FEW_EVENTS * max(pipeline.accounts, 1))
        accounts.append(
            cost("100,000", pipeline, measure(pipeline, chunks, digest, slices=size.slices, baselines=False))
        )
    warm(pipeline, chunks, digest, lambda: pipeline.reachable >= size.many_events * max(pipeline.accounts, 1))
    slices = measure(pipeline, chunks, digest, slices=size.slices, baselines=True)
    accounts.append(cost("100,000", pipeline, slices))
    stored = measure_with_stores(pipeline, chunks, digest, folder, slices=max(2, size.slices // 3))
    bytes_of = memory(pipeline)
    latency = single_records(pipeline, chunks, digest, records=size.records)
    names = slices[0].stages
    return {
        "transactions_per_second": round(per_second(slices)),
        "transactions_per_second_wall": round(per_second(slices, wall=True)),
        "transactions_per_second_with_history_and_vault": round(per_second(stored)),
        "transactions_per_second_with_history_and_vault_wall": round(per_second(stored, wall=True)),
        "stages_ns": {name: round(median(each.stages[name] for each in slices)) for name in names},
        "rules_ns": round(median(each.stages["rules"] for each in slices)),
        "alert_us": round(median(s.stages["alerts"] * s.payments / max(s.alerts, 1) for s in slices) / 1e3, 1),
        "alerts_per_thousand": accounts[-1]["alerts_per_thousand"],
        "decode_only_structs_per_second": round(1e9 / median(each.structs_ns for each in slices)),
        "decode_only_columns_per_second": round(1e9 / median(each.decode_ns for each in slices)),
        "ratio_to_decode_only": round(median(each.structs_ns / each.cpu_ns for each in slices), 3),
        "ratio_to_own_decode_only": round(median(each.decode_ns / each.cpu_ns for each in slices), 3),
        "single_record_p99_ms": latency["p99_ms"],
        "single_record": latency,
        "bytes_per_account": bytes_of["bytes_per_account"],
        "bytes_per_event": bytes_of["bytes_per_event"],
        "memory": bytes_of,
        "main_alerts": digest.count,
        "main_alerts_hash": digest.hex(),
        "accounts": accounts,
    }


FLOORS: dict[str, tuple[str, float, float | None]] = {
    "transactions_per_second": (">=", 120_000, 250_000),
    "ratio_to_plain_python": (">=", 10, None),
    "single_record_p99_ms": ("<", 5, None),
    "rules_ns": ("<=", 900, None),
    "models_and_flow_ns": ("<=", 1_500, None),
    "bytes_per_account": ("<=", 1024, None),
    "bytes_per_event": ("<=", 48, None),
}
"""Figure, direction, floor (or budget), aim."""


def verdicts(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Which floors and aims are met."""
    told: dict[str, dict[str, Any]] = {}
    for name, (direction, floor, aim) in FLOORS.items():
        value = found[name]
        holds = {">=": value >= floor, "<": value < floor, "<=": value <= floor}[direction]
        told[name] = {"value": value, "floor": f"{direction} {floor}", "met": holds}
        if aim is not None:
            told[name] |= {"aim": f"{direction} {aim}", "aim_met": value >= aim}
    return told


def bench(size: Size, root: Path, *, update: str | None) -> dict[str, Any]:
    """All figures."""
    begun, core = time.monotonic(), pin_to_one_core()
    facts = machine(core)
    say = _Said(begun)
    say("the alerts of the quick bank")
    quick = bank(expected.QUICK, root)
    alerts = expected.alerts_of(quick)
    expected.check(alerts, update=update)
    plain_quick = against_plain_python(quick, payments=sys.maxsize)
    say("start-up")
    startup = measure_startup(quick, cold=size.is_cold)
    say("making the bank of 100,000 accounts")
    main = bank(size.main, root)
    say("plain Python")
    plain = against_plain_python(main, payments=size.plain_payments)
    say("bytes to alerts, 100,000 accounts")
    with tempfile.TemporaryDirectory(dir=root) as folder:
        found = main_run(main, size, Path(folder))
    say("models and flow, 100,000 accounts")
    found["models_and_flow"] = models_and_flow(main, events=FEW_EVENTS, slices=size.slices)
    found["models_and_flow_ns"] = found["models_and_flow"]["models_and_flow_ns"]
    say("10,000 accounts")
    small = bank(size.small, root)
    sizes = [of_size("10,000", small, events=FEW_EVENTS, slices=min(3, size.slices))]
    with tempfile.TemporaryDirectory(dir=root) as folder:
        found["whole_run"] = measure_whole_run(small, Path(folder))
    say("an evaluation on a simulated bank")
    found["evaluation"] = evaluated(root)
    if size.large is not None:
        say("making the bank of 1,000,000 accounts")
        large = bank(size.large, root)
        say("1,000,000 accounts")
        sizes.append(of_size("1,000,000", large, events=FEW_EVENTS, slices=size.slices))
    found["accounts"] = sorted([*found["accounts"], *sizes], key=lambda line: line["accounts"])
    found |= {
        "ratio_to_plain_python": plain["ratio"],
        "plain_python": plain,
        "plain_python_on_quick_bank": plain_quick,
        "startup": startup,
        "alerts_hash": alerts["alerts_hash"],
        "quick_alerts": alerts,
        "seeds": [plan.seed for plan in (expected.QUICK, size.small, size.main, size.large) if plan],
        "machine": facts | {"load_at_end": round(os.getloadavg()[0], 2)},
        "quick": size is QUICK,
    }
    found["verdicts"] = verdicts(found)
    found["seconds"] = round(time.monotonic() - begun)
    return found


class _Said:
    """What the bench is doing, for whoever waits."""

    def __init__(self, begun: float) -> None:
        self.begun = begun

    def __call__(self, text: str) -> None:
        print(f"{time.monotonic() - self.begun:5.0f} s  {text}", file=sys.stderr, flush=True)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="smaller banks, no cold start, no million accounts")
    parser.add_argument("--keep", type=Path, help="folder in which simulated banks stay for the next bench")
    parser.add_argument("--out", type=Path, default=Path("bench.json"), help="where the figures go")
    parser.add_argument("--update", metavar="REASON", help="record the alerts of the quick bank as expected")
    given = parser.parse_args()
    size = QUICK if given.quick else FULL
    with tempfile.TemporaryDirectory() as temporary:
        try:
            found = bench(size, given.keep or Path(temporary), update=given.update)
        except AssertionError as error:
            raise SystemExit(f"bench: {error}") from None
    given.out.write_text(json.dumps(found, indent=2) + "\n")
    show(found, given.out)
    missed = [name for name, verdict in found["verdicts"].items() if not verdict["met"]]
    if missed:
        raise SystemExit(f"bench: floor or budget missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
