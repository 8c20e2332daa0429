"""A plan of a large installation out of the figures of the stream bench.

    python -m tests.bench.stream.plan bench-stream.json [--payments 1000000] [--page docs/planning.md]

Nothing is measured here: rates of one process, bytes of one record and rows of one payment are multiplied. Workers are
planned for a share of what one processor core does, so that delays are those of that share, and for what they hold.
With ``--page`` the table on the page is written anew, between the lines that mark it.
"""

import argparse
import json
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- plan: begin -->", "<!-- plan: end -->"
DAY_SECONDS = 86_400
ACCOUNT_BYTES, EVENT_BYTES, ID_BYTES = 2_845, 254, 128
"""Of the state, in memory: an active account and an event that a window still reaches, as ``make bench`` counts them
(their budgets are 1,024 and 48); and a remembered payment id at the fill at which its table grows (80 bytes in 5/8 of
the places)."""
WORKER_BYTES = 500 << 20
"""Of a scoring worker that holds nothing yet: program, kernels, rules."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is planned for.

    ``payments_per_second`` is the peak, of which ``mean_share`` is the mean of a long time; ``cpu_share`` of what a
    core does is given to a worker at the peak. Events stay ``window_days``, ids of payments ``id_days``: as
    long as a payment may be late, and its reversal could still find it in a window.
    """

    payments_per_second: float = 1_000_000
    mean_share: float = 0.1
    cpu_share: float = 0.5
    accounts: float = 1e9
    customers: float = 800e6
    window_days: float = 30
    id_days: float = 65
    worker_gib: float = 64
    snapshot_seconds: float = 3_600
    partitions_per_worker: int = 2
    replicas: int = 3
    broker_mb_per_second: float = 200
    broker_disk_tb: float = 30
    transactions_days: float = 7
    legs_days: float = 40


@dataclass(frozen=True, slots=True)
class Plan:
    """What that takes."""

    intake_workers: int
    score_workers_by_cpu: int
    score_workers: int
    cases_workers: int
    legs_partitions: int
    rows_per_payment: float
    accounts_tb: float
    events_tb: float
    ids_tb: float
    store_mb: float
    kafka_mb: float
    kafka_tb: float
    brokers: int
    redis_gib: float
    alerts_per_second: float


def rows_at(measured: dict[str, float], partitions: int) -> float:
    """Rows that a payment makes with so many partitions of ``legs``: those of the next number that was counted.

    >>> rows_at({"1": 1.0, "4": 1.4, "48": 1.8}, 20), rows_at({"1": 1.0, "4": 1.4}, 9)
    (1.8, 1.4)
    """
    counted = sorted((int(count), rows) for count, rows in measured.items())
    return next((rows for count, rows in counted if count >= partitions), counted[-1][1])


def planned(found: dict[str, Any], wanted: Wanted) -> Plan:
    """The plan that follows from the figures of a bench."""
    per_second, kept = wanted.payments_per_second, found["sizes"]
    day = per_second * wanted.mean_share * DAY_SECONDS
    events = day * wanted.window_days * found["scoring"]["legs_per_payment"] * EVENT_BYTES
    accounts = wanted.accounts * ACCOUNT_BYTES
    legs = 1
    while True:  # More partitions make more rows, which ask for more workers.
        rows = rows_at(found["rows_per_payment"], legs)
        ids = day * wanted.id_days * rows * ID_BYTES
        by_cpu = ceil(per_second * rows / (found["scoring"]["rows_per_cpu_second"] * wanted.cpu_share))
        # Of a worker's memory a copy of one of its partitions is made when that is saved.
        room = (wanted.worker_gib * 2**30 - WORKER_BYTES) / (1 + 1 / wanted.partitions_per_worker)
        score = max(by_cpu, ceil((accounts + events + ids) / room))
        if score * wanted.partitions_per_worker <= legs:
            break
        legs = score * wanted.partitions_per_worker
    alerts = per_second * kept["alerts_per_thousand"] / 1_000
    alert = kept["alerts_bytes_per_alert"] * kept["alerts_per_thousand"] / 1_000
    transactions, of_legs = kept["transactions_bytes_per_payment"], kept["legs_bytes_per_row"] * rows
    written = per_second * (transactions + of_legs + alert) / 1e6
    disk = (
        wanted.replicas * day * (transactions * wanted.transactions_days + (of_legs + alert) * wanted.legs_days) / 1e12
    )
    profile = found["profiles"]["redis_bytes"] / found["profiles"]["versions"]
    by_rate, by_disk = written * (1 + wanted.replicas) / wanted.broker_mb_per_second, disk / wanted.broker_disk_tb
    return Plan(
        intake_workers=ceil(per_second / (found["intake"]["payments_per_cpu_second"] * wanted.cpu_share)),
        score_workers_by_cpu=by_cpu, score_workers=score,
        cases_workers=ceil(alerts / (found["cases"]["payments_per_cpu_second"] * wanted.cpu_share)),
        legs_partitions=legs, rows_per_payment=rows, accounts_tb=accounts / 1e12, events_tb=events / 1e12,
        ids_tb=ids / 1e12, store_mb=(accounts + events + ids) / wanted.snapshot_seconds / 1e6, kafka_mb=written,
        kafka_tb=disk, brokers=max(wanted.replicas, ceil(by_rate), ceil(by_disk)),
        redis_gib=wanted.customers * profile / 2**30, alerts_per_second=alerts,
    )  # fmt: skip


def lines(found: dict[str, Any], wanted: Wanted) -> list[str]:
    """The plan as a table in Markdown, and what it was computed from."""
    plan, kept, where = planned(found, wanted), found["sizes"], found["machine"]
    quick = " The bench was run in its quick form, too short for a plan to order by." if found["quick"] else ""
    rows = [
        ("intake workers", f"{plan.intake_workers:,}",
         f"{found['intake']['payments_per_cpu_second']:,} payments a CPU-second; as many partitions of `transactions`"),
        ("scoring workers, by processor", f"{plan.score_workers_by_cpu:,}",
         f"{found['scoring']['rows_per_cpu_second']:,} rows a CPU-second, {plan.rows_per_payment} rows a payment"),
        ("scoring workers, by memory too", f"{plan.score_workers:,}", f"{wanted.worker_gib:g} GiB each"),
        ("partitions of `legs`", f"{plan.legs_partitions:,}", f"{wanted.partitions_per_worker} a scoring worker"),
        ("memory of accounts", f"{plan.accounts_tb:,.1f} TB", f"{wanted.accounts:,.0f} at {ACCOUNT_BYTES:,} bytes"),
        ("memory of events", f"{plan.events_tb:,.1f} TB",
         f"{wanted.window_days:g} days, {found['scoring']['legs_per_payment']} a payment at {EVENT_BYTES} bytes"),
        ("memory of payment ids", f"{plan.ids_tb:,.1f} TB",
         f"{wanted.id_days:g} days, one a row at {ID_BYTES} bytes: a repeat is known so long"),
        ("written to the store folder", f"{plan.store_mb:,.0f} MB/s",
         f"states whole, every {wanted.snapshot_seconds:,.0f} s; as shipped every 30 s"),
        ("into Kafka, and out of it", f"{plan.kafka_mb:,.0f} MB/s",
         f"{kept['transactions_bytes_per_payment']} bytes a payment in `transactions`, {kept['legs_bytes_per_row']} a "
         "row in `legs`; replicas come on top"),
        ("disks of Kafka", f"{plan.kafka_tb:,.0f} TB",
         f"{wanted.replicas} replicas; {wanted.transactions_days:g} days of `transactions`, {wanted.legs_days:g} of "
         "`legs`"),
        ("brokers", f"{plan.brokers:,}",
         f"{wanted.broker_mb_per_second:g} MB/s and {wanted.broker_disk_tb:g} TB each: assumed, not measured"),
        ("Redis", f"{plan.redis_gib:,.0f} GiB",
         f"{found['profiles']['redis_bytes'] / found['profiles']['versions']:.0f} bytes a version, "
         f"{wanted.customers:,.0f} customers with one each"),
        ("alerts a second", f"{plan.alerts_per_second:,.0f}",
         f"{kept['alerts_per_thousand']} a thousand payments of the simulated bank, in shadow and quiet ones too"),
        ("casework workers", f"{plan.cases_workers:,}",
         f"{found['cases']['payments_per_cpu_second']:,} alerts a CPU-second into SQLite"),
    ]  # fmt: skip
    return [
        f"{wanted.payments_per_second:,.0f} payments a second at the peak, {wanted.mean_share:.0%} of that in the "
        f"mean; workers have {wanted.cpu_share:.0%} of a core's rate to do at the peak:",
        "", "| what | how much | from |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows), "",
        f"Measured on {where['processor']}, {where['cores']} cores, load {where['load_at_start']} at the start and "
        f"{where['load_at_end']} at the end, with {found['bank']['payments']:,} payments of a simulated bank.{quick}",
    ]  # fmt: skip


def on_page(page: str, table: list[str]) -> str:
    """The page with another table between the marks.

    >>> on_page("a\\n<!-- plan: begin -->\\nold\\n<!-- plan: end -->\\nb\\n", ["new"])
    'a\\n<!-- plan: begin -->\\nnew\\n<!-- plan: end -->\\nb\\n'
    """
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return "\n".join([before + BEGIN, *table, END]) + after


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.stream.plan", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("results", type=Path, help="what make bench-stream wrote")
    parser.add_argument("--page", type=Path, help="the page whose table is written anew")
    defaults = Wanted()
    options = {name.replace("_", "-"): name for name in Wanted.__slots__}
    for option, name in options.items():
        kind = type(getattr(defaults, name))
        parser.add_argument(f"--{option}", dest=name, type=kind, default=getattr(defaults, name))
    given = parser.parse_args()
    table = lines(
        json.loads(given.results.read_text()), Wanted(**{name: getattr(given, name) for name in options.values()})
    )
    print("\n".join(table))
    if given.page:
        given.page.write_text(on_page(given.page.read_text(encoding="utf-8"), table), encoding="utf-8")


if __name__ == "__main__":
    main()
