"""The command line: ``aml``. Each group of commands has a module of its own, imported when it is asked for."""

from importlib.metadata import version
from typing import Annotated

import typer

from monitor.cli.lazy import Place, group

COMMANDS = {
    "run": Place(
        "monitor.cli.run:run",
        "Judge transactions: alerts into the store, cases into the queue.",
        "monitor.cli.run:EPILOG",
    ),
    "demo": Place(
        "monitor.cli.demo:demo",
        "Watch the main job: a simulated bank streams in, alerts come out, cases wait in a queue, and people work on "
        "them.",
    ),
    "simulate": Place(
        "monitor.cli.simulate:simulate",
        "Write a simulated bank: payments with labelled laundering cases, profiles, rates, entities and lists.",
    ),
    "explain": Place(
        "monitor.cli.explain:explain",
        "Why this alert: every number as stored and as computed again from the recorded history.",
    ),
    "replay": Place(
        "monitor.cli.replay:replay",
        "Judge recorded history with and without a change: which alerts are new, lost and the same.",
        "monitor.cli.replay:EPILOG",
    ),
    "evaluate": Place(
        "monitor.cli.evaluate:evaluate",
        "Measure detection on a labelled stream: one pass in event order, by case and account-day, chance beside it.",
        "monitor.cli.evaluate:EPILOG",
    ),
    "serve": Place("monitor.cli.serve:serve", "Serve the workbench and the REST interface."),
    "produce": Place(
        "monitor.cli.stream:produce",
        "Send a file of records into a topic, at a stated rate and in open loop.",
        "monitor.cli.stream:EXIT_STATUS",
    ),
    "settings": Place(
        "monitor.cli.stream:settings_command",
        "The settings in force: the environment before the file before the defaults.",
    ),
    "users": Place("monitor.cli.serve:users_app", "Who may come in to the workbench, and with which role."),
    "keys": Place("monitor.cli.keys:app", "Keys of the REST API."),
    "cases": Place("monitor.cli.cases:app", "Work the queue: list cases, look at one, note, decide."),
    "obligations": Place(
        "monitor.cli.obligations:app",
        "Reports that the law wants: list them by due date, look at one, prove that a day is complete.",
    ),
    "rules": Place("monitor.cli.rules:app", "Rules: test them, check them, explain them."),
    "suppressions": Place(
        "monitor.cli.suppressions:app",
        "Suppressions: hold a suspicion rule back for a customer or a segment, for a time, with a second person.",
    ),
    "lists": Place(
        "monitor.cli.lists:app",
        "Named lists: their versions in the log, and what a new version would have found in recorded payments.",
    ),
    "tune": Place(
        "monitor.cli.tune:app",
        "Walk thresholds over recorded history: aml tune RULE --parameter NAME --from A --to B --steps N HISTORY",
    ),
    "refused": Place(
        "monitor.cli.refused:app", "Records that were refused: list them, or take them out to be run again."
    ),
    "totals": Place(
        "monitor.cli.totals:app",
        "Control totals: what the bank says it sent, compared with what came, by feed, business day and currency.",
    ),
    "topics": Place(
        "monitor.cli.stream:topics",
        "Topics of the streaming shell: make them, and compare them with what they should be.",
    ),
    "worker": Place("monitor.cli.worker:app", "Workers of the streaming shell."),
    "journal": Place(
        "monitor.cli.journal:app", "The hash-chained record of everything that was done: verify it, read it."
    ),
}
"""Every command, in the order of ``aml --help``. A test compares each line with what the command says of itself."""

app = group(
    COMMANDS, name="aml", help="Anti-money-laundering monitor: payments in, explained alerts out, cases in a queue."
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


def main() -> None:
    """Run the command line; the console script ``aml``."""
    app(prog_name="aml")


if __name__ == "__main__":
    main()
