"""A plan of a large installation out of the figures of the stream bench.

    python -m tests.bench.stream.plan bench-stream.json [--payments 1000000] [--page docs/planning.md]

Nothing is measured here: rates of one process, bytes of one record and rows of one payment are multiplied. Workers are
planned for a share of what one processor core does, so that a peak has room and delays are those of that share. With
``--page`` the table on the page is written anew, between the lines that mark it.
"""

import argparse
import json
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- plan: begin -->", "<!-- plan: end -->"
DAY_SECONDS = 86_400
ACCOUNT_BYTES, EVENT_BYTES = 1_024, 48
"""Budgets of the state: of an active account, and of an event that a window still reaches."""
WORKER_BYTES = 500 << 20
"""Of a scoring worker that holds nothing yet: program, kernels, rules."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is planned for.

    ``day_payments`` are those of a whole day, which brokers keep; ``share`` of a core's rate is what a worker is given.
    """

    payments_per_second: float = 1_000_000
    day_payments: float = 20e9
    accounts: float = 500e6
    events: float = 30
    customers: float = 400e6
    share: float = 0.5
    replicas: int = 3
    partitions_per_worker: int = 2
    broker_mb_per_second: float = 200
    broker_disk_tb: float = 30
    transactions_days: float = 7
    legs_days: float = 40


@dataclass(frozen=True, slots=True)
class Plan:
    """What that takes."""

    intake_workers: int
    score_workers: int
    cases_workers: int
    transactions_partitions: int
    legs_partitions: int
    rows_per_payment: float
    score_gib: float
    kafka_in_mb: float
    kafka_out_mb: float
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
    per_second, share, kept = wanted.payments_per_second, wanted.share, found["sizes"]
    legs, score = 1, 0
    while True:  # More partitions make more rows, which ask for more workers.
        rows = rows_at(found["rows_per_payment"], legs)
        score = ceil(per_second * rows / (found["scoring"]["rows_per_cpu_second"] * share))
        if score * wanted.partitions_per_worker <= legs:
            break
        legs = score * wanted.partitions_per_worker
    intake = ceil(per_second / (found["intake"]["payments_per_cpu_second"] * share))
    alerts = per_second * kept["alerts_per_thousand"] / 1_000
    state = wanted.accounts * (ACCOUNT_BYTES + wanted.events * EVENT_BYTES)
    payment = kept["transactions_bytes_per_payment"] + kept["legs_bytes_per_row"] * rows
    alert = kept["alerts_bytes_per_alert"] * kept["alerts_per_thousand"] / 1_000
    written = per_second * (payment + alert) / 1e6
    disk = wanted.replicas * wanted.day_payments / 1e12 * (
        kept["transactions_bytes_per_payment"] * wanted.transactions_days
        + (kept["legs_bytes_per_row"] * rows + alert) * wanted.legs_days
    )  # fmt: skip
    profile = found["profiles"]["redis_bytes"] / found["profiles"]["versions"]
    return Plan(
        intake_workers=intake, score_workers=score,
        cases_workers=ceil(alerts / (found["cases"]["payments_per_cpu_second"] * share)),
        transactions_partitions=intake, legs_partitions=legs, rows_per_payment=rows,
        score_gib=(WORKER_BYTES + state * (1 + 1 / wanted.partitions_per_worker) / score) / 2**30,
        kafka_in_mb=written, kafka_out_mb=written,
        kafka_tb=disk,
        brokers=max(
            wanted.replicas, ceil(written * (1 + wanted.replicas) / wanted.broker_mb_per_second),
            ceil(disk / wanted.broker_disk_tb)
        ),
        redis_gib=wanted.customers * profile / 2**30, alerts_per_second=alerts,
    )  # fmt: skip


def lines(found: dict[str, Any], wanted: Wanted) -> list[str]:
    """The plan as a table in Markdown, and what it was computed from."""
    plan, kept, where = planned(found, wanted), found["sizes"], found["machine"]
    quick = " The quick form of the bench: too short for a plan to order by." if found["quick"] else ""
    rows = [
        ("intake workers", f"{plan.intake_workers:,}",
         f"{found['intake']['payments_per_cpu_second']:,} payments a CPU-second; one core each"),
        ("partitions of `transactions`", f"{plan.transactions_partitions:,}", "one for each intake worker"),
        ("rows of `legs` a second", f"{wanted.payments_per_second * plan.rows_per_payment:,.0f}",
         f"{plan.rows_per_payment} rows a payment with so many partitions"),
        ("scoring workers", f"{plan.score_workers:,}",
         f"{found['scoring']['rows_per_cpu_second']:,} rows a CPU-second; one core each"),
        ("partitions of `legs`", f"{plan.legs_partitions:,}", f"{wanted.partitions_per_worker} a scoring worker"),
        ("memory of a scoring worker", f"{plan.score_gib:.1f} GiB",
         f"{wanted.accounts:,.0f} accounts with {wanted.events:g} events, at the budget of {ACCOUNT_BYTES:,} and "
         f"{EVENT_BYTES} bytes; and a copy of the partition that is saved"),
        ("into Kafka", f"{plan.kafka_in_mb:,.0f} MB/s",
         f"{kept['transactions_bytes_per_payment']} bytes a payment in `transactions` (lz4), "
         f"{kept['legs_bytes_per_row']} a row in `legs`"),
        ("out of Kafka, besides replicas", f"{plan.kafka_out_mb:,.0f} MB/s", "each topic is read once"),
        ("disks of Kafka", f"{plan.kafka_tb:,.0f} TB",
         f"{wanted.replicas} replicas; {wanted.day_payments:,.0f} payments a day; {wanted.transactions_days:g} days of "
         f"`transactions`, {wanted.legs_days:g} of `legs`"),
        ("brokers", f"{plan.brokers:,}",
         f"{wanted.broker_mb_per_second:g} MB/s and {wanted.broker_disk_tb:g} TB each: assumed, not measured"),
        ("Redis", f"{plan.redis_gib:,.0f} GiB",
         f"{found['profiles']['redis_bytes'] / found['profiles']['versions']:.0f} bytes a profile version, "
         f"{wanted.customers:,.0f} customers with one each"),
        ("alerts a second", f"{plan.alerts_per_second:,.0f}",
         f"{kept['alerts_per_thousand']} a thousand payments of the simulated bank"),
        ("casework workers", f"{plan.cases_workers:,}",
         f"{found['cases']['payments_per_cpu_second']:,} alerts a CPU-second into SQLite"),
    ]  # fmt: skip
    return [
        f"{wanted.payments_per_second:,.0f} payments a second, workers at {wanted.share:.0%} of a core's rate:", "",
        "| what | how much | from |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows), "",
        f"Figures of {where['processor']}, {where['cores']} cores, load {where['load_at_start']} at the start and "
        f"{where['load_at_end']} at the end; {found['bank']['payments']:,} payments of a simulated bank.{quick}",
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
