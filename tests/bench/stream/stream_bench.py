"""The streaming shell measured in open loop: intake, scoring, delays, and ratios to baselines of the same run.

    python -m tests.bench.stream.stream_bench [--quick] [--keep FOLDER] [--out bench-stream.json]

Broker, Redis and workers are processes of their own on this machine and share its cores; so rates stand by the wall and
by the processor time of the worker itself. A payment goes to the partition of each of its keys, so ``legs`` holds more
rows than there are payments; figures are for payments unless they say rows. The bench fails if a payment is missing or
stands twice. A floor that is missed is told and changes the exit status only with ``--strict``: on a machine that is
shared, what the wall says is not what the program can.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from monitor.app.inputs import GivenInputs, load_inputs
from monitor.app.streaming.intake_making import further_kinds_of
from monitor.engine.ownership import destinations
from monitor.intake.identifiers import IdentifierTable
from monitor.intake.jsonl import JsonLinesDecoder
from tests.bench.banks import Bank, Plan, bank
from tests.bench.stream import delays, stages
from tests.bench.stream.cluster import BenchFailed, Cluster, end_in_order_on_sigterm
from tests.bench.stream.stream_report import show

LEGS = 4
"""Partitions of ``legs``: two for each of two scoring workers."""
SHARES = (0.5, 0.8)
"""Of saturation: the loads at which delays are measured."""
PARTITIONS = (1, 4, 16, 48, 192, 768)
"""Partitions of ``legs`` for which it is counted how many rows a payment makes."""
_SAMPLE_PAYMENTS = 40_000


@dataclass(frozen=True, slots=True)
class Size:
    """How large the bench is. The bank's payments are enough for all stages.

    ``fill`` are those that intake and scoring work off, ``burst`` those that are fed at once to find saturation.
    """

    plan: Plan
    fill: int
    burst: int
    load_seconds: float
    plain_seconds: float
    cases_seconds: float


FULL = Size(Plan(40_000, 60, 731_401, 2_400_000), fill=800_000, burst=400_000, load_seconds=45, plain_seconds=15,
            cases_seconds=20)  # fmt: skip
QUICK = Size(Plan(2_000, 30, 731_402, 62_000), fill=30_000, burst=12_000, load_seconds=5, plain_seconds=3,
             cases_seconds=3)  # fmt: skip

FLOORS: dict[str, tuple[str, float, float | None]] = {
    "scoring_payments_per_second": (">=", 60_000, 120_000),
    "ratio_to_plain_agent": (">=", 20, None),
    "p99_9_ms_at_half_load": ("<", 100, 25),
    "two_workers_ratio": (">=", 1.7, None),
}
"""Figure, direction, floor, aim."""


def verdicts(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Which floors and aims are met."""
    values = {
        "scoring_payments_per_second": found["scoring"]["payments_per_second"],
        "ratio_to_plain_agent": found["plain_agent"]["ratio"],
        "p99_9_ms_at_half_load": found["loads"][0]["to_alert"]["p99_9_ms"],
        "two_workers_ratio": found["two_scoring"]["ratio"],
    }
    told = {}
    for name, (direction, floor, aim) in FLOORS.items():
        value = values[name]
        told[name] = {"value": value, "floor": f"{direction} {floor}", "met": _holds(value, direction, floor)}
        if aim is not None:
            told[name] |= {"aim": f"{direction} {aim}", "aim_met": _holds(value, direction, aim)}
    return told


def _holds(value: float, direction: str, limit: float) -> bool:
    return value >= limit if direction == ">=" else value < limit


def bench(size: Size, made: Bank, folder: Path, say: Any) -> dict[str, Any]:
    """All figures."""
    found: dict[str, Any] = {"machine": machine()}
    with Cluster(folder, made, legs=LEGS) as cluster:
        say("profiles")
        found["profiles"] = stages.profiles(cluster) | redis_bytes(cluster)
        say(f"{size.fill:,} payments into transactions")
        fed = stages.schedule_of(cluster, stages.feed(cluster, skip=0, count=size.fill, per_second=None))
        found["feeding"] = {"payments_per_second": round(fed.rate)}
        say("intake")
        intake, rows = stages.intake(cluster, size.fill)
        found["intake"] = intake.figures() | {"rows": rows, "rows_per_payment": round(rows / size.fill, 3)}
        counted = delays.counted(delays.rows_of_legs(cluster), size.fill)
        if counted["repeated"] or counted["rows"] != rows:
            raise BenchFailed(f"intake says that it sent {rows} rows, and legs holds {counted}")
        say("confluent-kafka and msgspec alone")
        alone = stages.decode_only(cluster)
        say("the plain Faust agent")
        plain = stages.plain_agent(cluster, size.plain_seconds)
        say("one scoring worker")
        one, outcomes, legs = stages.scoring(cluster, 1, rows)
        checked = delays.counted(delays.rows_of_legs(cluster), size.fill)
        if sum(outcomes.values()) != checked["rows"] or checked["repeated"]:
            raise BenchFailed(f"{sum(outcomes.values())} rows were judged of {checked}: {outcomes}")
        found["scoring"] = one.figures(checked["rows"] / size.fill) | {
            "rows_per_second": round(one.per_second), "rows_per_cpu_second": round(one.per_cpu_second),
            "rows": checked["rows"], "outcomes": outcomes, "legs_per_payment": round(legs / size.fill, 3),
        }  # fmt: skip
        say("two scoring workers")
        cluster.rewind()
        two, again, _ = stages.scoring(cluster, 2, checked["rows"])
        found["two_scoring"] = two.figures(checked["rows"] / size.fill) | {
            "rows_judged": sum(again.values()),
            "ratio": round(two.per_second / one.per_second, 2),
            "ratio_per_cpu_second": round(two.per_cpu_second / one.per_cpu_second, 2),
        }
        both_cpu = 1 / intake.per_cpu_second + checked["rows"] / size.fill / one.per_cpu_second
        found["plain_agent"] = plain.figures() | {
            "ratio": round(1 / both_cpu / plain.per_cpu_second, 1),
            "ratio_by_the_wall": round(one.per_second * size.fill / checked["rows"] / plain.per_second, 1),
        }
        found["decode_only"] = alone.figures() | {"ratio": round(1 / both_cpu / alone.per_cpu_second, 3)}
        say("the casework worker")
        found["cases"] = stages.cases(cluster, size.cases_seconds).figures()
        found |= loaded(cluster, size, say)
        found["sizes"] = sizes_of(cluster, made)
    found["rows_per_payment"] = rows_per_payment(made)
    found["verdicts"] = verdicts(found)
    return found


def loaded(cluster: Cluster, size: Size, say: Any) -> dict[str, Any]:
    """Saturation of intake and scoring together, and delays at shares of it, on the state that scoring left."""
    chain, at = stages.Chain(cluster), size.fill
    say("intake and scoring together, as fast as they can")
    before = chain.taken()
    _, intake, scored = chain.run(skip=at, count=size.burst, per_second=None)
    at += size.burst
    per_payment = chain.rows_since(before) / size.burst
    saturation = min(intake.per_second, scored.per_second / per_payment)
    found: dict[str, Any] = {
        "saturation": {"payments_per_second": round(saturation), "rows_per_payment": round(per_payment, 3),
                       "intake": intake.figures(), "scoring": scored.figures(per_payment)},
        "loads": [],
    }  # fmt: skip
    left, schedules = size.plan.rows_max - at if size.plan.rows_max else 0, []
    seconds = min(size.load_seconds, left / (sum(SHARES) * saturation))
    for share in SHARES:
        per_second = share * saturation
        say(f"delays at {share:.0%} of saturation, {per_second:,.0f} payments a second for {seconds:.0f} s")
        before, starts, count = chain.taken(), cluster.ends("alerts"), int(per_second * seconds)
        schedule, intake, scored = chain.run(skip=at, count=count, per_second=per_second)
        at += count
        rows = chain.rows_since(before) / count
        found["loads"].append(
            {"share": share, "payments_per_second": round(per_second), "payments": count, "rows_per_payment": rows,
             "behind_ms": round(schedule.behind_seconds * 1e3, 1), "intake": intake.figures(),
             "scoring": scored.figures(rows)}
        )  # fmt: skip
        schedules.append((schedule, starts))
    rows_now = delays.rows_of_legs(cluster)
    found["counts"] = delays.counted(rows_now, at) | {"judged_by_chain": sum(chain.outcomes().values())}
    chain.stop()
    for load, (schedule, starts) in zip(found["loads"], schedules, strict=True):
        load["to_legs"] = delays.quantiles(delays.of_intake(rows_now, schedule))
        load["to_alert"] = delays.quantiles(delays.to_alerts(rows_now, schedule, cluster.alert_records(starts)))
    again = found["counts"]["judged_by_chain"] - (found["counts"]["rows"] - chain.rows_before)
    if again < 0:
        raise BenchFailed(f"rows of legs and what was judged differ: {found['counts']}, {chain.rows_before} before")
    # A worker before them that did not end in time was killed: what it had judged since its last state is judged again.
    found["counts"]["judged_again"] = again
    return found


def sizes_of(cluster: Cluster, made: Bank) -> dict[str, float]:
    """Bytes that topics take, as the broker keeps them."""
    payments = sum(cluster.ends("transactions"))
    alerts = sum(len(each) for each in cluster.alerts())
    kept = {name: cluster.bytes_on_disk(name) for name in ("transactions", "legs", "alerts", "identities", "profiles")}
    rows = sum(len(each) for each in delays.rows_of_legs(cluster))
    return {
        "payments": payments, "rows": rows, "alerts": alerts, "alerts_per_thousand": round(1e3 * alerts / payments, 2),
        "transactions_bytes_per_payment": round(kept["transactions"] / payments, 1),
        "legs_bytes_per_row": round(kept["legs"] / rows, 1),
        "alerts_bytes_per_alert": round(kept["alerts"] / max(alerts, 1), 1),
        "identities_bytes": kept["identities"], "profiles_bytes": kept["profiles"],
    }  # fmt: skip


def redis_bytes(cluster: Cluster) -> dict[str, float]:
    """What Redis takes for the profiles."""
    import redis

    with redis.Redis.from_url(cluster.redis.address) as client:
        return {"redis_bytes": int(client.info("memory")["used_memory_dataset"])}


def rows_per_payment(made: Bank) -> dict[str, float]:
    """How many rows of ``legs`` a payment makes, by the number of partitions."""
    identifiers = IdentifierTable(bytes(32))
    given = GivenInputs(entities=made.folder / "entities.yaml", approve_examples=True)
    loaded = load_inputs(given)
    decoder = JsonLinesDecoder(identifiers, entities=None, default_entity=loaded.entities.default)
    kinds, payments = further_kinds_of(loaded, bytes(32)), 0
    rows = dict.fromkeys(PARTITIONS, 0)
    for chunk in made.chunks():
        batch = decoder.decode(chunk, first_position=payments).batch
        payments += len(batch)
        for count in PARTITIONS:
            rows[count] += len(destinations(batch, identifiers.tokens, kinds, count).row)
        if payments >= _SAMPLE_PAYMENTS:
            break
    return {str(count): round(each / payments, 3) for count, each in rows.items()}


def machine() -> dict[str, Any]:
    """Where the figures were taken."""
    named = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "processor": named[0].split(":")[1].strip() if named else platform.machine(), "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1), "load_at_start": round(os.getloadavg()[0], 2),
        "python": platform.python_version(), "numpy": np.__version__,
    }  # fmt: skip


def run(size: Size, root: Path) -> dict[str, Any]:
    """The whole bench; simulated banks stay in ``root``."""
    begun = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - begun:5.0f} s  {text}", file=sys.stderr, flush=True)

    say("making the bank")
    made = bank(size.plan, root)
    with tempfile.TemporaryDirectory(prefix="aml-bench-") as folder:
        found = bench(size, made, Path(folder), say)
    plan = size.plan
    found["bank"] = {"customers": plan.customers, "payments": plan.rows_max, "seed": plan.seed}
    found["machine"]["load_at_end"] = round(os.getloadavg()[0], 2)
    found["quick"], found["seconds"] = size is QUICK, round(time.monotonic() - begun)
    return found


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.stream.stream_bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="a small bank and short stages")
    parser.add_argument("--keep", type=Path, help="folder in which simulated banks stay for the next bench")
    parser.add_argument("--out", type=Path, default=Path("bench-stream.json"), help="where the figures go")
    parser.add_argument("--strict", action="store_true", help="a missed floor is an error")
    given = parser.parse_args()
    end_in_order_on_sigterm()
    with tempfile.TemporaryDirectory() as temporary:
        try:
            found = run(QUICK if given.quick else FULL, given.keep or Path(temporary))
        except BenchFailed as error:
            raise SystemExit(f"bench-stream: {error}") from None
    given.out.write_text(json.dumps(found, indent=2) + "\n")
    show(found, given.out)
    missed = [name for name, verdict in found["verdicts"].items() if not verdict["met"]]
    if missed and given.strict:
        raise SystemExit(f"bench-stream: floor missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
