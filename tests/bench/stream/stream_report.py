"""The stream bench's table."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench.report import section, verdict


def show(found: dict[str, Any], out: Path) -> None:
    """Print all figures as one table."""
    table = Table(title="Through Kafka, one process of each kind", title_justify="left", box=None, pad_edge=False)
    table.add_column("", no_wrap=True)
    table.add_column("figure", justify="right")
    table.add_column("beside it", style="dim")
    _rates(table, found)
    _delays(table, found)
    _sizes(table, found)
    console, where, of = Console(width=118), found["machine"], found["bank"]
    console.print(table)
    console.print(
        f"\n{of['payments']:,} payments of {of['customers']:,} customers, seed {of['seed']}. {where['processor']}, "
        f"{where['cores']} cores that broker, Redis and workers share, load {where['load_at_start']} at the start and "
        f"{where['load_at_end']} at the end; {found['seconds']} s; all figures in {out}",
        style="dim", highlight=False,
    )  # fmt: skip


def _rate(table: Table, name: str, figures: dict[str, Any], beside: str = "") -> None:
    told = f"{figures['payments_per_cpu_second']:,} a CPU-second, {figures['cpu_us_per_payment']} us each"
    table.add_row(f"  {name}", f"{figures['payments_per_second']:,}", f"{told}{beside and '; '}{beside}")


def _rates(table: Table, found: dict[str, Any]) -> None:
    section(table, "payments a second by the wall")
    _rate(table, "intake", found["intake"], f"{found['intake']['rows_per_payment']} rows a payment")
    one, two = found["scoring"], found["two_scoring"]
    _rate(table, "scoring, one worker", one, verdict(found, "scoring_payments_per_second"))
    table.add_row("    in rows", f"{one['rows_per_second']:,}", f"{one['rows_per_cpu_second']:,} a CPU-second")
    _rate(table, "scoring, two workers", two)
    table.add_row("    ratio to one", f"{two['ratio']}",
                  f"{two['ratio_per_cpu_second']} a CPU-second; {verdict(found, 'two_workers_ratio')}")  # fmt: skip
    plain, alone, both = found["plain_agent"], found["decode_only"], found["saturation"]
    _rate(table, "plain Faust agent, one message at a time", plain)
    table.add_row("    intake and scoring to it", f"{plain['ratio']}",
                  f"a CPU-second; scoring by the wall {plain['ratio_by_the_wall']}; "
                  + verdict(found, "ratio_to_plain_agent"))  # fmt: skip
    _rate(table, "confluent-kafka and msgspec, no more", alone)
    table.add_row("    intake and scoring to it", f"{alone['ratio']}", "a CPU-second")
    table.add_row("  intake and scoring together", f"{both['payments_per_second']:,}", "saturation of this machine")
    _rate(table, "casework, alerts", found["cases"])


def _delays(table: Table, found: dict[str, Any]) -> None:
    for load in found["loads"]:
        section(
            table, f"ms at {load['share']:.0%} of saturation", f"{load['payments_per_second']:,} payments a second; "
            f"sending was {load['behind_ms']} ms behind at most",
        )  # fmt: skip
        for key, name in (("to_legs", "until legs has a payment"), ("to_alert", "until alerts has its alert")):
            of = load[key]
            table.add_row(f"  {name}", f"{of['p50_ms']:,} p50", f"p99 {of['p99_ms']:,}, p99.9 {of['p99_9_ms']:,}, "
                          f"p99.99 {of['p99_99_ms']:,}, longest {of['max_ms']:,}, of {of['delays']:,}")  # fmt: skip
        if load is found["loads"][0]:
            table.add_row("", "", "p99.9 to the alert: " + verdict(found, "p99_9_ms_at_half_load"))
        for kind in ("intake", "scoring"):
            table.add_row(f"  {kind}, us of CPU a payment", f"{load[kind]['cpu_us_per_payment']}",
                          f"{load[kind]['cores_busy']} cores busy")  # fmt: skip


def _sizes(table: Table, found: dict[str, Any]) -> None:
    kept, profiles = found["sizes"], found["profiles"]
    section(table, "bytes, as brokers and Redis keep them")
    table.add_row("  a payment in transactions", f"{kept['transactions_bytes_per_payment']}", "lz4")
    table.add_row("  a row in legs", f"{kept['legs_bytes_per_row']}", "rows a payment by partitions of legs: "
                  + ", ".join(f"{name}: {rows}" for name, rows in found["rows_per_payment"].items()))  # fmt: skip
    table.add_row(
        "  an alert", f"{kept['alerts_bytes_per_alert']}", f"{kept['alerts_per_thousand']} alerts per thousand"
    )
    table.add_row("  a profile in Redis", f"{profiles['redis_bytes'] / profiles['versions']:.0f}",
                  f"{profiles['versions']:,} versions")  # fmt: skip
