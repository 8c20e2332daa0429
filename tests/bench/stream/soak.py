"""A long run at a fixed load, with event time so fast that everything that is kept has been replaced twice at its end.

    python -m tests.bench.stream.soak --minutes 20 --rate N [--out soak.json]

What a scoring worker keeps, it keeps for at most :data:`KEPT_DAYS` of event time: events for the longest window, ids of
payments as long as a payment may be late and its reversal could still find it in a window. So the bank's payments of
:data:`DAYS` days are fed in about the minutes that are given, at ``--rate`` payments a second, 80 % of the saturation
that the stream bench found. The bank is as large as that asks for. Its payments are made while they are fed. Each
second the memory of the scoring worker and what waits is noted.

Memory after the first wrap is what a worker needs; from there on it may not grow. The time behind the first wrap is
cut into ten parts; what is compared is the mean of the third, when a copy for the snapshot has been made of the
largest state, with the last. What waited is told for each tenth of the run.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from monitor.app.simulate import surroundings
from monitor.app.simulate.cases import plan_cases
from monitor.app.simulate.names import names_of
from monitor.app.simulate.population import Population, populate
from monitor.app.simulate.profiles import write_profiles
from monitor.app.simulate.rhythm import day
from monitor.app.simulate.simulation import DEFAULT_START
from monitor.app.simulate.stream import in_blocks, in_order_of_arrival
from monitor.app.simulate.writers import BLOCK_ROWS, JsonLinesWriter
from monitor.domain.time import DAY_US
from monitor.engine.admission import LATENESS_MAX_US
from tests.bench.banks import Bank, Plan
from tests.bench.stream import stages
from tests.bench.stream.cluster import ROOT, Cluster, Sample, end_in_order_on_sigterm
from tests.bench.stream.stream_bench import LEGS, machine

WINDOW_DAYS = 75
"""The longest window of the shipped rules; a test holds it to them."""
KEPT_DAYS = LATENESS_MAX_US // DAY_US + WINDOW_DAYS
"""The longest that anything is kept: the id of a payment (:mod:`monitor.engine.admission`)."""
DAYS = 2 * KEPT_DAYS + 5
PAYMENTS_PER_CUSTOMER_DAY = 1.19
"""Of a simulated bank, counted over 20 days."""
SEED = 731_403
_EVERY_SECONDS = 1.0


class Moment(msgspec.Struct, frozen=True):
    """The scoring worker at one moment; ``fed`` is how many payments intake has taken in."""

    seconds: float
    fed: int
    rss_bytes: int
    lag_records: int
    taken: int


def customers_for(minutes: float, rate: float) -> int:
    """How many customers make as many payments in :data:`DAYS` days as are fed.

    >>> customers_for(20, 20_000)
    89636
    """
    return max(200, round(minutes * 60 * rate / DAYS / PAYMENTS_PER_CUSTOMER_DAY))


def write_bank(folder: Path, customers: int) -> Bank:
    """Everything of the bank but its payments."""
    population = populate(customers, DAYS, SEED)
    last = day(DEFAULT_START, DAYS - 1)
    surroundings.write_rates(folder / "rates.csv", surroundings.daily_rates(SEED, DEFAULT_START, DAYS))
    surroundings.write_entities(folder / "entities.yaml", range(DEFAULT_START.year, last.on.year + 1))
    write_profiles(folder / "profiles.jsonl", population, names_of(population), DEFAULT_START)
    return Bank(Plan(customers, DAYS, SEED), folder)


def payments_of(population: Population, folder: Path) -> Iterator[bytes]:
    """The bank's payments in their order, made a block at a time; a file in ``folder`` holds the block."""
    calendar = [day(DEFAULT_START, number) for number in range(DAYS)]
    names, path = names_of(population), folder / "block.jsonl"
    for block in in_blocks(in_order_of_arrival(population, calendar, plan_cases(population, calendar)), BLOCK_ROWS):
        writer = JsonLinesWriter(path, population, names)
        writer.write(block)
        writer.close()
        yield from path.read_bytes().splitlines()


def tenths(values: Sequence[float]) -> list[float]:
    """The means of ten parts of a run.

    >>> tenths(range(20))
    [0.5, 2.5, 4.5, 6.5, 8.5, 10.5, 12.5, 14.5, 16.5, 18.5]
    """
    return [round(float(each.mean()), 1) for each in np.array_split(np.asarray(values, float), 10)]


def figures(moments: Sequence[Moment], payments: int) -> dict[str, Any]:
    """What the run says: memory after the first wrap against the end, and what waited.

    Args:
        moments: The samples in their order.
        payments: How many payments make up :data:`DAYS` of event time.

    Raises:
        SystemExit: There are too few moments behind the first wrap.
    """
    later = [each for each in moments if each.fed / payments * DAYS >= KEPT_DAYS]
    if len(later) < 20 or len(moments) < 10:
        raise SystemExit(f"soak: {len(later)} samples behind the first wrap are too few; give it more minutes")
    memory = tenths([each.rss_bytes for each in later])
    lag = tenths([each.lag_records for each in moments])
    return {
        "wraps": round(moments[-1].fed / payments * DAYS / KEPT_DAYS, 2),
        "rss_bytes_after_first_wrap": round(memory[2]),
        "rss_bytes_at_end": round(memory[-1]),
        "growth": round(memory[-1] / memory[2], 3),
        "rss_bytes_tenths_after_first_wrap": [round(each) for each in memory],
        "lag_records_tenths": lag,
        "lag_records_max": max(each.lag_records for each in moments),
        "moments": len(moments),
    }


def soak(minutes: float, rate: float, root: Path) -> dict[str, Any]:
    """The run."""
    customers = customers_for(minutes, rate)
    print(f"A bank of {customers:,} customers, {DAYS} days in {minutes:g} minutes", file=sys.stderr, flush=True)
    made = write_bank(root, customers)
    begun = time.monotonic()
    with Cluster(root, made, legs=LEGS) as cluster:
        profiles = stages.profiles(cluster)
        intake, score = cluster.start("intake"), cluster.start("score")
        cluster.wait("intake and scoring", lambda: intake.is_ready() and score.is_ready())
        feeding = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.stream.soak", "--feed", cluster.broker.bootstrap, "--rate", str(rate),
             "--customers", str(customers), "--folder", str(root)], cwd=ROOT
        )  # fmt: skip
        start, moments = time.monotonic(), []

        def is_over(now: Sequence[Sample]) -> bool:
            intaken, scored = now
            moments.append(Moment(scored.at - start, intaken.taken, scored.rss_bytes, scored.lag, scored.taken))
            is_fed = feeding.poll() is not None
            return is_fed and intaken.taken >= stages.schedule_of(cluster, feeding).payments and not scored.lag

        cluster.watch([intake, score], is_over, every_seconds=_EVERY_SECONDS, seconds=minutes * 120 + 600)
        schedule = stages.schedule_of(cluster, feeding)
        found = figures(moments, schedule.payments) | {
            "payments": schedule.payments, "rate": rate, "minutes": minutes, "customers": customers,
            "behind_ms": round(schedule.behind_seconds * 1e3, 1), "outcomes": score.outcomes(), "profiles": profiles,
            "rss_bytes_of_intake": intake.sample().rss_bytes if intake.sample() else None,  # type: ignore[union-attr]
            "samples": [msgspec.to_builtins(each) for each in moments[:: max(1, len(moments) // 200)]],
            "machine": machine(), "seconds": round(time.monotonic() - begun),
        }  # fmt: skip
        score.stop()
        intake.stop()
    return found


def feed(given: argparse.Namespace) -> None:
    """The process that makes and feeds payments."""
    from tests.bench.stream.feeding import Feeder

    population = populate(given.customers, DAYS, SEED)
    stream = payments_of(population, given.folder)
    Feeder({"bootstrap.servers": given.feed}, given.rate).feed(stream).save(given.folder / "schedule.npz")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.stream.soak", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--rate", type=float, required=True, help="payments a second: 80 %% of saturation")
    parser.add_argument("--out", type=Path, default=Path("soak.json"))
    parser.add_argument("--feed", metavar="BOOTSTRAP", help=argparse.SUPPRESS)
    parser.add_argument("--customers", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.feed:
        feed(given)
        return
    end_in_order_on_sigterm()
    with tempfile.TemporaryDirectory(prefix="aml-soak-") as folder:
        found = soak(given.minutes, given.rate, Path(folder))
    given.out.write_text(json.dumps(found, indent=2) + "\n")
    gib, lag = 2**30, found["lag_records_tenths"]
    print(
        f"{found['payments']:,} payments in {found['minutes']:g} minutes, {found['wraps']} times what is kept.\n"
        f"Memory of the scoring worker: {found['rss_bytes_after_first_wrap'] / gib:.2f} GiB after the first wrap, "
        f"{found['rss_bytes_at_end'] / gib:.2f} GiB at the end, ratio {found['growth']}.\n"
        f"Records that waited, by tenths of the run: {', '.join(f'{each:g}' for each in lag)}; "
        f"most {found['lag_records_max']}.\nAll figures in {given.out}"
    )  # fmt: skip


if __name__ == "__main__":
    main()
