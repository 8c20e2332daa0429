"""``aml obligations``: the reports that the law wants, by when each is due, and the proof that none is missing."""

import json
import sys
import time
from datetime import date
from typing import Annotated

import typer
from rich.console import Console

from monitor.adapters.block_log import DamagedError
from monitor.adapters.input_archive import InputNotKept
from monitor.adapters.sql.obligations import (
    ObligationUnknown,
    count_by_state,
    list_obligations,
    obligation_with,
    revisions_of,
)
from monitor.adapters.sql.store import StoreError
from monitor.app.obligation_payments import reported_payments
from monitor.app.reconciling import CannotReconcile, Reconciler
from monitor.app.rerun_history import HistoryLost
from monitor.cli.desk_session import AsJson, AsUser, Db, actor, desk, resolver, wall_clock_us
from monitor.cli.ending import fail
from monitor.cli.obligation_json import difference_json, obligation_json, reconciliation_json
from monitor.cli.obligation_tables import print_obligation, print_obligations, print_reconciliation
from monitor.domain.obligation import STATES

app = typer.Typer(
    help="Reports that the law wants: list them by due date, look at one, prove that a day is complete.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Day = Annotated[str, typer.Option("--date", metavar="DATE", help="the business day, such as 2026-05-04")]


@app.command(
    "list",
    epilog="""\b
examples:
  aml obligations list --db bank.db                           all that stand, the first due first
  aml obligations list --due-before 2026-05-20 --db bank.db   what has to be filed by the 19th
  aml obligations list --rule AML-LCT-001 --json --db bank.db

\b
exit status:
  0  done
  2  the store could not be opened, or the command line is wrong""",
)
def list_command(
    db: Db,
    due_before: Annotated[str | None, typer.Option(metavar="DATE", help="due before this day")] = None,
    rule: Annotated[str | None, typer.Option(metavar="RULE", help="of this rule")] = None,
    entity: Annotated[str | None, typer.Option(metavar="ENTITY", help="of this booking entity")] = None,
    state: Annotated[str | None, typer.Option(metavar="WORD", help=f"{', '.join(STATES)}")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, metavar="N", help="at most N")] = 100,
    as_json: AsJson = False,
) -> None:
    """What has to be filed, the first due first. Withdrawn ones are shown with --state withdrawn."""
    if state is not None and state not in STATES:
        fail(f"--state {state}: there is no such word. One of: {', '.join(STATES)}.", 2)
    before = _day(due_before, "--due-before").isoformat() if due_before else None
    with desk(db) as store, store.reading() as connection:
        counts = count_by_state(connection)
        found = list_obligations(connection, due_before=before, rule=rule, entity=entity, state=state)
    shown = [each for each in found if state is not None or each.state != "withdrawn"]
    resolve = resolver(db)
    if as_json:
        for each in shown[:limit]:
            _print_json(obligation_json(each, resolve=resolve))
        return
    print_obligations(Console(highlight=False), shown[:limit], counts, matching=len(shown), resolve=resolve)


@app.command(
    "show",
    epilog="""\b
examples:
  aml obligations show O-7KQ2 --db bank.db      totals, payments, deadline, and every revision

\b
exit status:
  0  done
  1  there is no such obligation, or several begin so
  2  the store could not be opened""",
)
def show_command(
    obligation: Annotated[
        str, typer.Argument(metavar="OBLIGATION", help="its id, or the first 4 or more characters of it")
    ],
    db: Db,
    as_json: AsJson = False,
) -> None:
    """One obligation: who, when, how much, by when, the payments, and how it became what it is."""
    try:
        with desk(db) as store, store.reading() as connection:
            found = obligation_with(connection, obligation)
            revisions = revisions_of(connection, found.obligation_id)
    except ObligationUnknown as error:
        fail(str(error), 1)
        raise
    payments = reported_payments(db, found.transactions)
    if as_json:
        _print_json(obligation_json(found, resolve=resolver(db), payments=payments, revisions=revisions))
    else:
        print_obligation(Console(highlight=False), found, payments, revisions, resolve=resolver(db))


@app.command(
    "reconcile",
    epilog="""\b
examples:
  aml obligations reconcile --date 2026-05-04 --db bank.db
  aml obligations reconcile --date 2026-05-04 --record --db bank.db     and store what was found

\b
exit status:
  0  the day is complete
  1  something differs, or a payment of the day could not be read; each is named
  2  the store could not be opened, or holds no history""",
)
def reconcile_command(
    day: Day,
    db: Db,
    rule: Annotated[str | None, typer.Option(metavar="RULE", help="only this rule")] = None,
    entity: Annotated[str | None, typer.Option(metavar="ENTITY", help="only this booking entity")] = None,
    record: Annotated[bool, typer.Option("--record", help="store the differences as revisions")] = False,
    user: AsUser = None,
    as_json: AsJson = False,
) -> None:
    """Compute a day's obligations anew from the raw stream, too-late records included, and name every difference.

    The recomputation shares no code with the engine's windows. What it finds beyond them is stored with --record.
    """
    wanted = _day(day, "--date")
    try:
        with Reconciler(db) as reconciler:
            begun = time.monotonic()
            found = reconciler.reconcile(wanted, rule=rule, entity=entity)
            seconds = time.monotonic() - begun
            if as_json:
                for each in found.compared.differences:
                    _print_json(difference_json(each, resolve=resolver(db), transaction_id=reconciler.transaction_id))
                proof = reconciliation_json(found, transaction_id=reconciler.transaction_id)
                _print_json(proof | {"seconds": round(seconds, 3)})
            else:
                console = Console(highlight=False)
                print_reconciliation(
                    console, found, resolve=resolver(db), transaction_id=reconciler.transaction_id, seconds=seconds
                )  # fmt: skip
            if record:
                count = reconciler.record(found, at_us=wall_clock_us(), actor=actor(user, "officer").name)
                if not as_json:
                    typer.echo(_recorded(count))
            elif found.compared.differences and not as_json:
                typer.echo("With --record they are stored as revisions, marked as found by reconciliation.")
    except (StoreError, CannotReconcile, InputNotKept, HistoryLost, DamagedError) as error:
        fail(str(error), 2)
        raise
    except ValueError as error:
        fail(str(error), 2)
        raise
    if not found.is_complete:
        raise typer.Exit(1)


def _recorded(count: int) -> str:
    if not count:
        return "Nothing had to be recorded."
    return f"{count} revision{'' if count == 1 else 's'} recorded, marked as found by reconciliation."


def _day(text: str, option: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        fail(f"{option} {text}: not a date. Write for example 2026-05-04.", 2)
        raise


def _print_json(body: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(body, ensure_ascii=False) + "\n")
