"""The command line: ``aml``. Each group of commands has a module of its own."""

from importlib.metadata import version
from typing import Annotated

import typer

from monitor.cli import (
    cases,
    journal,
    keys,
    lists,
    obligations,
    refused,
    rule_switches,
    rules,
    stream,
    suppressions,
    totals,
    tune,
    worker,
)
from monitor.cli.demo import demo
from monitor.cli.evaluate import EPILOG as EVALUATE_EPILOG
from monitor.cli.evaluate import evaluate
from monitor.cli.explain import explain
from monitor.cli.replay import EPILOG as REPLAY_EPILOG
from monitor.cli.replay import replay
from monitor.cli.run import EPILOG, run
from monitor.cli.serve import serve, users_app
from monitor.cli.simulate import simulate

app = typer.Typer(
    name="aml",
    help="Anti-money-laundering monitor: payments in, explained alerts out, cases in a queue.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _tell_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"aml {version('aml-monitor')}")
        raise typer.Exit


@app.callback()
def aml(
    _: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Say which release this is.")
    ] = False,
) -> None:
    """Anti-money-laundering monitor: payments in, explained alerts out, cases in a queue."""


app.command(epilog=EPILOG)(run)
app.command()(demo)
app.command()(simulate)
app.command()(explain)
app.command(epilog=REPLAY_EPILOG)(replay)
app.command(epilog=EVALUATE_EPILOG)(evaluate)
app.command()(serve)
app.add_typer(users_app, name="users")
app.add_typer(keys.app, name="keys")
app.add_typer(cases.app, name="cases")
app.add_typer(obligations.app, name="obligations")
rule_switches.register(rules.app)
app.add_typer(rules.app, name="rules")
app.add_typer(suppressions.app, name="suppressions")
app.add_typer(lists.app, name="lists")
app.add_typer(tune.app, name="tune")
app.add_typer(refused.app, name="refused")
app.add_typer(totals.app, name="totals")
app.add_typer(stream.topics, name="topics")
app.add_typer(worker.app, name="worker")
app.command("produce", epilog=stream.EXIT_STATUS)(stream.produce)
app.command("settings")(stream.settings_command)
app.add_typer(journal.app, name="journal")


def main() -> None:
    """Run the command line; the console script ``aml``."""
    app(prog_name="aml")


if __name__ == "__main__":
    main()
