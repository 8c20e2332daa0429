"""``aml rules disable`` and ``enable``: one command takes a rule, or the anomaly models, out of the queue, and back."""

import getpass
from typing import Annotated

import typer

from monitor.casework.orders import DISABLE, ENABLE, Order
from monitor.cli.desk_session import Db, desk, examples, wall_clock_us
from monitor.cli.giving_orders import TAKEN_UP, give_order

RuleId = Annotated[
    str, typer.Argument(metavar="RULE", help="the id of a rule in force, such as AML-STR-001, or payment-ensemble")
]
By = Annotated[str | None, typer.Option("--by", metavar="NAME", help="who decides (default: your login name)")]
Second = Annotated[
    str | None, typer.Option("--second", metavar="NAME", help="the second person; an obligation needs one")
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="why; it stands in the journal")]


def register(rules: typer.Typer) -> None:
    """Add both commands to ``aml rules``."""
    rules.command(
        "disable",
        epilog=examples(
            'aml rules disable AML-FAN-001 --by ann --reason "Floods since the payroll change." --db bank.db',
            'aml rules disable payment-ensemble --by ann --reason "Drifts since the merger." --db bank.db',
            'aml rules disable AML-LCT-001 --by ann --second bob --reason "Wrong limit." --db bank.db',
        ),
    )(disable_command)
    rules.command(
        "enable", epilog=examples('aml rules enable AML-FAN-001 --by ann --reason "Mended in CR-212." --db bank.db')
    )(enable_command)


def disable_command(rule: RuleId, db: Db, reason: Reason, by: By = None, second: Second = None) -> None:
    """Put a rule, or the anomaly models, into shadow from the next log position on: alerts are stored, make no case."""
    _switch(DISABLE, rule, db, reason, by, second)
    typer.echo(f"{rule} goes into shadow. {TAKEN_UP}")


def enable_command(rule: RuleId, db: Db, reason: Reason, by: By = None, second: Second = None) -> None:
    """Take a rule or model that was disabled back into force, from the next log position on."""
    _switch(ENABLE, rule, db, reason, by, second)
    typer.echo(f"{rule} is in force again. {TAKEN_UP}")


def _switch(kind: str, rule: str, db: str, reason: str, by: str | None, second: str | None) -> None:
    order = Order(kind, by or getpass.getuser(), reason, wall_clock_us(), second=second, rule=rule)
    with desk(db) as store:
        give_order(db, store, order)
