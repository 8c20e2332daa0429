"""``aml journal``: prove that nothing was altered, and read what was done."""

import json
import sys
from typing import Annotated

import typer
from rich.console import Console

from monitor.adapters.sql.desk import find_case_id
from monitor.adapters.sql.ledger import chain_entries, latest_entries
from monitor.app.case_json import entry_json
from monitor.cli.case_tables import print_entries
from monitor.cli.desk_session import AsJson, Db, desk
from monitor.domain.time import format_time

app = typer.Typer(
    help="The hash-chained record of everything that was done: verify it, read it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

FINDINGS_SHOWN_MAX = 50


@app.command(
    "verify",
    epilog="""\b
examples:
  aml journal verify --db bank.db
  aml journal verify --db bank.db --root 4d1f...   and check that this root, kept elsewhere, is among its roots

\b
exit status:
  0  the journal is whole
  1  an entry was altered, is missing or was moved; the first of each chain is named
  2  the store could not be opened""",
)
def verify_command(
    db: Db,
    root: Annotated[
        str | None, typer.Option(metavar="HASH", help="a root hash kept elsewhere, or its first 16 or more characters")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check every chain, every root, and the alerts, notes and cases that the journal speaks of."""
    with desk(db) as store:
        verified = store.verify()
        kept = store.root_numbered(root) if root else None
    findings = [(finding.kind, finding.place, finding.fact) for finding in verified.findings]
    if root and kept is None:
        findings.append(("root", f"root {root}", "no root of this store has this hash: the journal was rewritten"))
    last = verified.last_root
    if as_json:
        body = {
            "is_whole": not findings,
            "entries": verified.entries,
            "chains": verified.chains,
            "roots": verified.roots,
            "last_root": last and {"seq": last.seq, "hash": last.hash, "recorded_at": format_time(last.recorded_at_us)},
            "findings": [{"kind": kind, "place": place, "fact": fact} for kind, place, fact in findings],
        }
        sys.stdout.write(json.dumps(body) + "\n")
        raise typer.Exit(1 if findings else 0)
    counts = f"{verified.entries} entries in {verified.chains} chains, {verified.roots} roots"
    if not findings:
        typer.echo(f"The journal is whole: {counts}.")
        if last is not None:
            typer.echo(f"Last root {last.seq} of {format_time(last.recorded_at_us)[:19]}Z: {last.hash}")
            typer.echo("Keep it elsewhere; with --root it proves later that nothing before it was rewritten.")
        return
    typer.echo(f"The journal is NOT whole: {len(findings)} findings in {counts}.")
    for kind, place, fact in findings[:FINDINGS_SHOWN_MAX]:
        typer.echo(f"  {kind:<10} {place}: {fact}.")
    typer.echo("Keep this file as it is, and compare it with the last backup whose journal is whole.")
    raise typer.Exit(1)


@app.command(
    "show",
    epilog="""\b
examples:
  aml journal show --db bank.db                the newest entries of all chains
  aml journal show C-7KQ2 --db bank.db         everything that was done in a case
  aml journal show access:cli --db bank.db     who looked at what

\b
exit status:
  0  done
  1  there is no such case
  2  the store could not be opened""",
)
def show_command(
    db: Db,
    chain: Annotated[str | None, typer.Argument(metavar="[CASE|CHAIN]", help="a case, or the name of a chain")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, metavar="N", help="the newest N entries")] = 50,
    as_json: AsJson = False,
) -> None:
    """Read the journal: what happened, when, by whom."""
    with desk(db) as store, store.reading() as connection:
        if chain is None:
            entries = latest_entries(connection, limit=limit)
        else:
            name = chain if ":" in chain else find_case_id(connection, chain)
            entries = chain_entries(connection, name)[-limit:]
    if as_json:
        for entry in entries:
            sys.stdout.write(json.dumps(entry_json(entry), ensure_ascii=False) + "\n")
    elif entries:
        print_entries(Console(highlight=False), entries)
    else:
        typer.echo("No entries.")
