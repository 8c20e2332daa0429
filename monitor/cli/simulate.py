"""``aml simulate``: a simulated bank in a folder, ready for ``aml run``."""

import time
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from monitor.app.simulate import ParameterError, Summary
from monitor.app.simulate import simulate as run_simulation
from monitor.app.simulate.simulation import DEFAULT_START


class FileFormat(StrEnum):
    """Which files hold the transactions."""

    JSON = "json"
    PARQUET = "parquet"
    BOTH = "both"


def simulate(
    out: Annotated[Path, typer.Option(help="Folder for the files; made if missing, overwritten if not empty.")],
    customers: Annotated[int, typer.Option(help="Number of customers, from 100.")] = 2_000,
    days: Annotated[int, typer.Option(help="Length of the stream in days, from 14.")] = 60,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    start: Annotated[str, typer.Option(help="First day of the stream.")] = str(DEFAULT_START),
    file_format: Annotated[FileFormat, typer.Option("--format", help="Files of transactions.")] = FileFormat.BOTH,
    days_per_chunk: Annotated[
        int, typer.Option(min=1, help="Days in memory at a time; the bytes do not depend on it.")
    ] = 1,
    progress: Annotated[bool, typer.Option(help="Show a progress line.")] = True,
) -> None:
    """Write a simulated bank: payments with labelled laundering cases, profiles, rates, entities and lists.

    \b
    examples:
      aml simulate --out bank                                    2,000 customers, 60 days
      aml simulate --customers 100000 --days 90 --seed 7 --out bank --format parquet
    \b
    exit status:
      0  written
      1  the folder cannot be written
      2  a parameter is out of range
    """
    begun = time.monotonic()
    console = Console(stderr=True)

    def show(rows: int, day: int) -> None:
        rate = rows / max(time.monotonic() - begun, 1e-9)
        console.print(f"day {day} of {days}, {rows:,} transactions, {rate:,.0f} a second", end="\r", highlight=False)

    try:
        first_day = date.fromisoformat(start)
    except ValueError:
        console.print(f"aml simulate: --start {start}: give a day such as {DEFAULT_START}", style="red")
        raise typer.Exit(2) from None
    try:
        summary = run_simulation(
            customers=customers, days=days, seed=seed, out=out, start=first_day, file_format=file_format.value,
            days_per_chunk=days_per_chunk, progress=show if progress and console.is_terminal else None,
        )  # fmt: skip
    except ParameterError as error:
        console.print(f"aml simulate: {error}", style="red", highlight=False)
        raise typer.Exit(2) from None
    except OSError as error:
        console.print(f"aml simulate: {out}: {error.strerror}. Choose another folder with --out.", style="red")
        raise typer.Exit(1) from None
    _print_summary(summary, out, time.monotonic() - begun)


def _print_summary(summary: Summary, out: Path, seconds: float) -> None:
    table = Table("typology", "cases", "transactions", title=None, box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for typology in sorted(summary.cases):
        table.add_row(typology, str(summary.cases[typology]), str(summary.rows_by_typology[typology]))
    console = Console()
    console.print(table)
    share = summary.labelled / max(summary.transactions, 1)
    console.print(
        f"{summary.transactions:,} transactions, {summary.labelled:,} of them in {sum(summary.cases.values())} cases "
        f"({share:.2%}); {summary.profiles:,} profile versions; {seconds:.1f} s; in {out}",
        highlight=False,
    )
