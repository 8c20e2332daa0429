"""``aml lists``: which named lists a run has used from when, and looking back after one changed."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from monitor.adapters.block_log import DamagedError
from monitor.adapters.input_archive import InputNotKept
from monitor.adapters.sql.store import StoreError
from monitor.app.embedded import RUN
from monitor.app.looking_back import NoLookback, look_back
from monitor.app.store import StoreFilesError
from monitor.cli.desk_session import AsJson, Db, desk, examples
from monitor.cli.ending import fail
from monitor.cli.giving_orders import day_us
from monitor.domain.time import UNKNOWN

app = typer.Typer(
    help="Named lists: their versions in the log, and what a new version would have found in recorded payments.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("list", epilog=examples("aml lists list --db bank.db"))
def list_command(db: Db, as_json: AsJson = False) -> None:
    """Which version of each list was in force from which log position."""
    with desk(db) as store:
        noted = [each for each in store.inputs(RUN) if each.kind == "list"]
    table = Table("list", "version", "from position", "digest", box=None, pad_edge=False)
    for each in sorted(noted, key=lambda each: (each.name, each.position)):
        if as_json:
            body = {"list": each.name, "version": each.version, "position": each.position, "digest": each.digest}
            sys.stdout.write(json.dumps(body) + "\n")
        table.add_row(each.name, each.version or "none", str(each.position), each.digest[:12])
    if not as_json:
        Console(highlight=False).print(table if table.row_count else "No run has used a named list here.")


@app.command(
    "lookback",
    epilog=examples(
        "aml lists lookback high_risk_countries --db bank.db                      the words of the newest version",
        "aml lists lookback high_risk_countries --since 2023-11-01 --db bank.db   payments booked from that day on",
    ),
)
def lookback_command(
    name: Annotated[str, typer.Argument(metavar="LIST", help="the name of the list")],
    db: Db,
    since: Annotated[
        str | None, typer.Option("--since", metavar="DATE", help="payments booked from DATE on (default: all recorded)")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Judge recorded payments by the words that were added last; a run does it by itself when a list changes."""
    if "://" in db:
        fail(f"{db}: the history lies beside a database in a file. Name the file of the run with --db.", 2)
    since_us = day_us("--since", since) if since else UNKNOWN
    try:
        found = look_back(Path(db), name, since_us=since_us)
    except NoLookback as error:
        fail(str(error), 1)
        raise
    except (InputNotKept, StoreFilesError, StoreError, DamagedError) as error:
        fail(str(error), 2)
        raise
    if as_json:
        ids = [alert.alert_id for alert in found.alerts]
        sys.stdout.write(json.dumps(found.facts | {"alert_ids": ids, "added": list(found.added)}) + "\n")
    else:
        typer.echo(found.summary)
