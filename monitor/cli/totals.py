"""``aml totals``: the bank's control totals in, and what came compared with them."""

import json
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from monitor.adapters.sql.feed_totals import read_control_totals, read_totals, write_control_totals
from monitor.cli.desk_session import AsJson, Db, desk, wall_clock_us
from monitor.cli.ending import fail
from monitor.domain.feed import Compared, FeedTotal, added, compare
from monitor.domain.money import format_amount_for_reading
from monitor.domain.time import format_time
from monitor.intake.control_totals import ControlTotalsError
from monitor.intake.control_totals import read_control_totals as read_file

app = typer.Typer(
    help="Control totals: what the bank says it sent, compared with what came, by feed, business day and currency.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

EXIT_STATUS = """\b
exit status:
  0  done; nothing differs
  1  something differs, or the file is wrong
  2  the store or the file could not be opened, or the command line is wrong"""
DAYS = 14
_FIRST_DAY = date(1970, 1, 1)
_LAST_DAY = (date.max - _FIRST_DAY).days
WORDS = {
    "missing": "nothing came", "too_few": "too few", "refused": "came, and was refused", "too_many": "too many",
    "sum": "another sum", "not_stated": "the bank states none", "awaited": "awaited", "equal": "equal",
    "": "no control total",
}  # fmt: skip
"""Findings for reading."""


@app.command("load", epilog="\b\nexamples:\n  aml totals load totals-2026-05-04.csv --db bank.db\n\n" + EXIT_STATUS)
def load_command(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="CSV or JSON lines: feed, day, currency, count, sum_minor, expected_at"),
    ],
    db: Db,
) -> None:
    """Take the bank's control totals; a later total of a feed, day and currency replaces the former."""
    totals = []
    try:
        totals = read_file(file)
    except ControlTotalsError as error:
        fail(str(error), 1)
    except OSError as error:
        fail(f"{file}: {error.strerror}. Correct the path.", 2)
    with desk(db) as store, store.writing() as connection:
        replaced = write_control_totals(connection, totals, recorded_at_us=wall_clock_us())
    again = f"; {replaced} replaced others" if replaced else ""
    typer.echo(f"{len(totals)} control totals taken{again}. Compare them:  aml totals show")


@app.command(
    "show",
    epilog="\b\nexamples:\n  aml totals show --db bank.db\n  aml totals show --day 2026-05-04 --json\n\n" + EXIT_STATUS,
)
def show_command(
    db: Db,
    day: Annotated[str | None, typer.Option("--day", metavar="DATE", help="one business day")] = None,
    days: Annotated[int, typer.Option("--days", min=1, metavar="N", help="without --day: the last N days")] = DAYS,
    as_json: AsJson = False,
) -> None:
    """Show what came and what the bank says, with every difference named."""
    chosen = _day(day)
    with desk(db) as store, store.reading() as connection:
        received, expected = added(read_totals(connection)), read_control_totals(connection)
    # The day of a refused record can be that on which it came, long after those of its payments.
    days_of = {each.day for each in received if each.payments} | {each.day for each in expected if each.payments}
    newest = max(days_of, default=0)
    shown = range(chosen, chosen + 1) if chosen is not None else range(newest - days + 1, _LAST_DAY)
    received = [each for each in received if each.day in shown]
    found = compare(received, [each for each in expected if each.day in shown], now_us=wall_clock_us())
    compared = {(each.received.feed, each.received.day, each.received.currency) for each in found}
    found += [Compared(each, None, "") for each in received if (each.feed, each.day, each.currency) not in compared]
    found.sort(key=lambda each: (each.received.day, each.received.feed, each.received.currency))
    differing = sum(each.is_difference for each in found)
    if as_json:
        for each in found:
            typer.echo(json.dumps(_facts(each)))
    else:
        _print(found)
        typer.echo(
            f"{differing} of {len(compared)} differ." if compared else "There are no control totals for these days."
        )
    raise typer.Exit(1 if differing else 0)


def _day(text: str | None) -> int | None:
    try:
        return None if text is None else (date.fromisoformat(text) - _FIRST_DAY).days
    except ValueError:
        fail(f"--day: {text!r} is no date. Give one such as 2026-05-04.", 2)
        raise


def _date(day: int) -> str:
    return (_FIRST_DAY + timedelta(days=day)).isoformat()


def _facts(each: Compared) -> dict[str, Any]:
    facts: dict[str, Any] = asdict(each.received) | {"day": _date(each.received.day), "finding": each.finding or None}
    if each.expected is not None:
        facts["expected"] = {
            "payments": each.expected.payments,
            "amount_minor": each.expected.amount_minor,
            "at": format_time(each.expected.expected_at_us),
        }
    return facts


def _print(found: list[Compared]) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("Day", "Feed", "Currency"):
        table.add_column(name)
    for name in ("Payments", "Expected", "Sum", "Expected", "Refused", "Repeated"):
        table.add_column(name, justify="right")
    table.add_column("Finding")
    for each in found:
        own, said = each.received, each.expected
        table.add_row(
            _date(own.day), own.feed, own.currency or "-", f"{own.payments:,}", f"{said.payments:,}" if said else "-",
            _amount(own, own.amount_minor), _amount(own, said.amount_minor) if said else "-", f"{own.refused:,}",
            f"{own.repeated:,}", WORDS[each.finding],
        )  # fmt: skip
    Console(highlight=False, soft_wrap=True).print(table)


def _amount(own: FeedTotal, amount_minor: int) -> str:
    return format_amount_for_reading(amount_minor, own.currency) if own.currency else "-"
