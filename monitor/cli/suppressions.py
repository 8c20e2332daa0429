"""``aml suppressions``: what is held back from the queue, by whose decision and until when, and what that hid."""

import getpass
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from monitor.adapters.sql.orders import HeldBack, held_back, orders, taken_up
from monitor.app.case_json import Resolve
from monitor.app.embedded import RUN
from monitor.app.streaming.given import RUN_START
from monitor.casework.orders import END, SAMPLE_SHARE_DEFAULT, SUPPRESS, Order, sample_ppm
from monitor.cli.desk_session import AsJson, Db, desk, examples, resolver, wall_clock_us
from monitor.cli.ending import fail
from monitor.cli.giving_orders import TAKEN_UP, day_us, give_order, subject_token
from monitor.domain.money import format_amount_for_reading
from monitor.domain.time import format_time

app = typer.Typer(
    help="Suppressions: hold a suspicion rule back for a customer or a segment, for a time, with a second person.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command(
    "add",
    epilog=examples(
        "aml suppressions add --rule AML-FAN-001 --customer C1 --from 2026-05-01 --until 2026-08-01 \\",
        '    --reason "Payroll agent; contract seen." --by ann --approver bob --db bank.db',
        "aml suppressions add --rule AML-CSH-002 --segment retail_cash --from 2026-05-01 --until 2026-06-01 ...",
    ),
)
def add_command(
    db: Db,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="why; it stands in the journal")],
    approver: Annotated[str, typer.Option("--approver", metavar="NAME", help="who approves: another person")],
    start: Annotated[str, typer.Option("--from", metavar="DATE", help="first day, by the time of the log")],
    until: Annotated[str, typer.Option("--until", metavar="DATE", help="from here on no longer; at most 365 days")],
    rule: Annotated[str | None, typer.Option("--rule", metavar="RULE", help="one suspicion rule")] = None,
    typology: Annotated[str | None, typer.Option("--typology", metavar="WORD", help="all its suspicion rules")] = None,
    customer: Annotated[str | None, typer.Option("--customer", metavar="ID", help="as the source names it")] = None,
    account: Annotated[str | None, typer.Option("--account", metavar="ID", help="as the source names it")] = None,
    segment: Annotated[str | None, typer.Option("--segment", metavar="WORD", help="all customers of a segment")] = None,
    sample: Annotated[
        float, typer.Option("--sample", metavar="SHARE", help="share that is reviewed all the same")
    ] = SAMPLE_SHARE_DEFAULT,
    by: Annotated[
        str | None, typer.Option("--by", metavar="NAME", help="who asks for it (default: your login name)")
    ] = None,
) -> None:
    """Hold alerts back: they are stored and counted, and make no case. Never an obligation's."""
    if customer is not None and account is not None:
        fail("A suppression names a customer or an account. Give one of --customer and --account.", 2)
    kind = "customer" if customer is not None else "account" if account is not None else None
    order = Order(
        SUPPRESS, by or getpass.getuser(), reason, wall_clock_us(), second=approver, rule=rule, typology=typology,
        subject_kind=kind, subject_token=subject_token(db, kind, customer or account or "") if kind else None,
        segment=segment, from_us=day_us("--from", start), until_us=day_us("--until", until),
        sample_ppm=sample_ppm(sample),
    )  # fmt: skip
    with desk(db) as store:
        typer.echo(f"Suppression {give_order(db, store, order)}. {TAKEN_UP}")
    if typology is not None:
        typer.echo("Obligations of this typology are not reached by it.")


@app.command("end", epilog=examples('aml suppressions end S-7KQ2... --reason "New contract." --by ann --db bank.db'))
def end_command(
    suppression: Annotated[str, typer.Argument(metavar="SUPPRESSION", help="its id")],
    db: Db,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="why; it stands in the journal")],
    by: Annotated[str | None, typer.Option("--by", metavar="NAME", help="who decides")] = None,
) -> None:
    """End a suppression before its date."""
    order = Order(END, by or getpass.getuser(), reason, wall_clock_us(), refers_to=suppression.upper())
    with desk(db) as store:
        give_order(db, store, order)
    typer.echo(f"{suppression} ends. {TAKEN_UP}")


@app.command("list", epilog=examples("aml suppressions list --db bank.db"))
def list_command(db: Db, as_json: AsJson = False) -> None:
    """All suppressions with their scope, dates and persons."""
    with desk(db) as store:
        known, resolve = orders(store), resolver(db)
        positions = {run: taken_up(store, run) for run in store.runs() if run == RUN or run.startswith(RUN_START)}
    ended = {each.refers_to: each for each in known if each.kind == END}
    table = Table(box=None, pad_edge=False)
    for column in ("id", "scope", "from", "until", "asked", "approved", "sample", "state"):
        table.add_column(column, no_wrap=column in ("id", "state"))
    for order in (each for each in known if each.kind == SUPPRESS):
        state = _state(order, ended.get(order.order_id), positions)
        if as_json:
            since = {run: taken[order.order_id] for run, taken in positions.items() if order.order_id in taken}
            body = asdict(order) | {"id": order.order_id, "state": state, "position": since.get(RUN), "since": since}
            sys.stdout.write(json.dumps(body) + "\n")
        assert order.from_us is not None
        assert order.until_us is not None
        assert order.sample_ppm is not None
        table.add_row(order.order_id, _scope(order, resolve), format_time(order.from_us)[:10],
                      format_time(order.until_us)[:10], order.by, order.second or "",
                      f"{order.sample_ppm / 10_000:g} %", state)  # fmt: skip
    if not as_json:
        Console(highlight=False).print(table if table.row_count else "There are no suppressions.")


@app.command(
    "report",
    epilog=examples(
        "aml suppressions report --db bank.db               by suppression, rule and subject",
        "aml suppressions report --db bank.db --json        for other programs",
    ),
)
def report_command(db: Db, as_json: AsJson = False) -> None:
    """What did suppression hide? By suppression, rule and subject, with the largest amount and what was reviewed."""
    with desk(db) as store:
        rows = _grouped(held_back(store))
        resolve = resolver(db)
        table = Table(box=None, pad_edge=False)
        for column in ("suppression", "rule", "subject"):
            table.add_column(column, no_wrap=column != "subject")
        for column in ("hidden", "reviewed", "largest", "last"):
            table.add_column(column, justify="right", no_wrap=True)
        for (suppression, rule, kind, token, currency), found in rows:
            hidden, sampled = sum(not each.is_sampled for each in found), sum(each.is_sampled for each in found)
            amount = max(each.amount_minor for each in found)
            first, last = (format_time(each.judged_at_us)[:10] for each in (found[0], found[-1]))
            if as_json:
                body = {"suppression": suppression, "rule": rule, "subject": {"kind": kind, "id": resolve(token)},
                        "hidden": hidden, "reviewed": sampled, "amount_minor_max": amount, "currency": currency,
                        "first": first, "last": last}  # fmt: skip
                sys.stdout.write(json.dumps(body) + "\n")
            amount_text = format_amount_for_reading(amount, currency)
            table.add_row(suppression, rule, resolve(token), str(hidden), str(sampled), amount_text, last)
    if not as_json:
        Console(highlight=False).print(table if table.row_count else "Suppressions have held nothing back.")


Group = tuple[str, str, str, str, str]


def _grouped(found: Iterable[HeldBack]) -> list[tuple[Group, list[HeldBack]]]:
    """By suppression, rule, subject and currency; those that hid most first."""
    groups: defaultdict[Group, list[HeldBack]] = defaultdict(list)
    for each in found:
        groups[each.suppression, each.rule, each.subject_kind, each.subject_token, each.currency].append(each)
    return sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))


def _scope(order: Order, resolve: Resolve) -> str:
    what = order.rule or f"typology {order.typology}"
    whom = f"segment {order.segment}" if order.segment else f"{order.subject_kind} {resolve(order.subject_token or '')}"
    return f"{what}, {whom}"


def _state(order: Order, end: Order | None, positions: Mapping[str, Mapping[str, int]]) -> str:
    """``positions``: by run, from where on each order is in force."""
    begun = [run for run, taken in positions.items() if order.order_id in taken]
    if not begun:
        return "waits for a run"
    if end is not None:
        ended = [run for run in begun if end.order_id in positions[run]]
        waits = "its end waits for a run" if not ended else f"ended in {len(ended)} of {len(begun)} partitions"
        return f"ended by {end.by}" if ended == begun else waits
    if begun == [RUN]:
        return f"since position {positions[RUN][order.order_id]}"
    return f"in {len(begun)} of {len(positions)} partitions"
