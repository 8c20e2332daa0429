"""The bench's table."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


def show(found: dict[str, Any], out: Path) -> None:
    """Print all figures as one table."""
    table = Table(title="JSON bytes to alerts on one core", title_justify="left", box=None, pad_edge=False)
    table.add_column("", no_wrap=True)
    table.add_column("figure", justify="right")
    table.add_column("beside it", style="dim")
    _throughput(table, found)
    _stages(table, found)
    _rest(table, found)
    console = Console(width=118)
    console.print(table)
    where = found["machine"]
    console.print(
        f"\n{where['processor']}, {where['cores']} cores, load {where['load_at_start']} at the start and "
        f"{where['load_at_end']} at the end, Python {where['python']}, numba {where['numba']}, "
        f"{where['fresh_page_ns']:,} ns for a page of memory that is new; {found['seconds']} s; "
        f"all figures in {out}", style="dim", highlight=False,
    )  # fmt: skip


def section(table: Table, name: str, beside: str = "") -> None:
    """Begin a section of a table of figures."""
    if table.row_count:
        table.add_row("")
    table.add_row(f"[bold]{name}[/bold]", "", beside)


def verdict(found: dict[str, Any], name: str) -> str:
    """Whether a figure meets its floor, and its aim."""
    given = found["verdicts"][name]
    told = f"[green]floor {given['floor']}[/green]" if given["met"] else f"[red]MISSES {given['floor']}[/red]"
    if "aim" in given:
        told += f", aim {given['aim']}" + (" met" if given["aim_met"] else " not met")
    return told


def _throughput(table: Table, found: dict[str, Any]) -> None:
    events = found["memory"]["reachable_events_per_account"]
    section(table, "transactions a second", f"{found['memory']['accounts']:,} accounts, {events} reachable events each")
    table.add_row("  bytes to alerts", f"{found['transactions_per_second']:,}",
                  f"{found['transactions_per_second_wall']:,} by the wall; "
                  + verdict(found, "transactions_per_second"))  # fmt: skip
    table.add_row("  with history and vault written",
                  f"{found['transactions_per_second_with_history_and_vault']:,}",
                  f"{found['transactions_per_second_with_history_and_vault_wall']:,} by the wall")  # fmt: skip
    whole = found["whole_run"]
    table.add_row("  whole aml run with cases, small bank", f"{whole['transactions_per_second']:,}",
                  f"{whole['transactions_per_second_wall']:,} by the wall; {whole['alerts_per_thousand']} alerts per "
                  "thousand")  # fmt: skip
    table.add_row("  limit: msgspec to structs, no more", f"{found['decode_only_structs_per_second']:,}",
                  f"ratio {found['ratio_to_decode_only']}")  # fmt: skip
    table.add_row("  limit: this decoder to columns, no more", f"{found['decode_only_columns_per_second']:,}",
                  f"ratio {found['ratio_to_own_decode_only']}")  # fmt: skip
    plain = found["plain_python"]
    table.add_row("  plain Python, same rules, same alerts", f"{1e9 / plain['plain_ns']:,.0f}",
                  f"ratio {plain['ratio']}, {plain['alerts_compared']:,} equal alerts; "
                  + verdict(found, "ratio_to_plain_python"))  # fmt: skip
    section(table, "ns per transaction by number of accounts")
    for line in found["accounts"]:
        table.add_row(f"  {line['accounts']:,} accounts", f"{line['ns_per_transaction']:,}",
                      f"{line['reachable_events_per_account']} reachable events each, "
                      f"{line['alerts_per_thousand']} alerts per thousand")  # fmt: skip


def _stages(table: Table, found: dict[str, Any]) -> None:
    section(table, "ns per transaction by stage")
    for name, ns in found["stages_ns"].items():
        beside = ""
        if name == "alerts":
            beside = f"{found['alert_us']} us an alert, {found['alerts_per_thousand']} alerts per thousand"
        if name == "rules":
            beside = verdict(found, "rules_ns")
        table.add_row(f"  {name}", f"{ns:,}", beside)
    table.add_row("  sum", f"{sum(found['stages_ns'].values()):,}", "budget 6,400 with models and flow")
    both = found["models_and_flow"]
    section(table, "ns per transaction of models and flow", f"{both['accounts']:,} accounts, models in shadow")
    graph = f"snapml's features take {both['snapml_ratio']} times as long" if both["snapml_ns"] else (
        "snapml is not installed: pip install snapml")  # fmt: skip
    table.add_row("  models", f"{both['stages_ns']['models']:,}",
                  f"river's half-space trees take {both['river_ratio']} times as long")  # fmt: skip
    table.add_row("  flow", f"{both['stages_ns']['flow']:,}", f"on the same payments {graph}" if both["snapml_ns"]
                  else graph)  # fmt: skip
    table.add_row("  both", f"{both['models_and_flow_ns']:,}",
                  f"{both['least_ns']:,} at least; " + verdict(found, "models_and_flow_ns"))  # fmt: skip


def _rest(table: Table, found: dict[str, Any]) -> None:
    one = found["single_record"]
    section(table, f"one record at a time, ms, {one['records']:,} records")
    table.add_row("  p50", f"{one['p50_ms']:.3f}", f"{one['cpu_p50_ms']:.3f} processor time")
    table.add_row("  p99", f"{one['p99_ms']:.3f}",
                  f"{one['cpu_p99_ms']:.3f} processor time; " + verdict(found, "single_record_p99_ms"))  # fmt: skip
    table.add_row("  p99.9", f"{one['p99_9_ms']:.3f}", f"longest {one['max_ms']:.3f}")
    held = found["memory"]
    section(table, "memory of the engine's state")
    table.add_row("  bytes an account", f"{held['bytes_per_account']:,}",
                  f"{held['bytes_per_account_used']:,} in use; " + verdict(found, "bytes_per_account"))  # fmt: skip
    table.add_row("  bytes a reachable event", f"{held['bytes_per_event']}",
                  f"{held['bytes_per_event_used']} in use; " + verdict(found, "bytes_per_event"))  # fmt: skip
    table.add_row("  bytes a remembered payment id", f"{held['bytes_per_remembered_id']}",
                  f"{held['bytes_per_remembered_id_used']} at the fill at which it grows")  # fmt: skip
    table.add_row("  bytes an identifier", f"{held['bytes_per_identifier']}", f"{held['identifiers']:,} identifiers")
    section(table, "seconds to the first verdict", "aml run from nothing")
    for name, seconds in found["startup"].items():
        table.add_row(f"  {name} cache", f"{seconds['first_verdict_seconds']:.1f}",
                      f"{seconds['imports_seconds']:.1f} imports; {seconds['cpu_seconds']:.1f} processor")  # fmt: skip
    _evaluation(table, found["evaluation"])
    section(table, "alerts")
    table.add_row(
        "  hash on the quick bank",
        found["alerts_hash"][:16],
        f"{found['quick_alerts']['alerts']:,} alerts, as recorded in expected.json and as plain Python says",
    )


def _evaluation(table: Table, found: dict[str, Any]) -> None:
    section(
        table, "detection, % of the cases found", f"simulated bank of {found['rows']:,} payments, "
        f"{found['cases_scored']} cases, track {found['track']}, seed {found['seed']}; in brackets the 95 % interval",
    )  # fmt: skip
    for method in found["methods"]:
        for at in method["at"]:
            recall, true = at["case_recall"], at["conversion"]
            low, high = (round(100 * end) for end in recall["interval"])
            table.add_row(
                f"  {method['method']}, {at['budget']}", f"{100 * (recall['value'] or 0):.0f} [{low}–{high}]",
                f"chance {100 * recall['chance']:.0f} %; {100 * (true['value'] or 0):.1f} % of the alerts true, "
                f"chance {100 * true['chance']:.1f} %",
            )  # fmt: skip
    for words in found["left_out"]:
        table.add_row("", "", words)
