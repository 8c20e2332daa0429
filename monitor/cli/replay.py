"""``aml replay``: what a change of the rulebook would have done, measured on recorded history."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from monitor.adapters.sql.store import open_store
from monitor.app.backtest import replay as replaying
from monitor.app.backtest.problem import BacktestError
from monitor.app.backtest.replay import ReplayRequest, record
from monitor.app.backtest.replay_json import replay_json
from monitor.app.backtest.report import replay_page
from monitor.cli.backtest_options import (
    ApproveExamples,
    Entities,
    HistoryArgument,
    HistoryOptions,
    Layout,
    Lists,
    MappingFile,
    Profiles,
    Rates,
    Rules,
    counting,
    history_of,
)
from monitor.cli.desk_session import AsUser, actor, wall_clock_us
from monitor.cli.model_mode import ModelMode
from monitor.cli.replay_tables import print_replay

BLOCKED = 1

EPILOG = """\b
examples:
  aml replay bank.db --with AML-STR-001.total_above=12000.00 --out report.html
  aml replay bank.db --with 'AML-STR-001.total_above[cash_business]=30000.00'
  aml replay bank.db --with rules/us/structuring/new_rule.yaml --days 2026-04-01..2026-04-30
  aml replay bank.db --with AML-PAS-002@active --with -AML-PAS-001
  aml replay bank.db --with high_risk_countries.yaml  the list in other words, over the whole history
  aml replay payments.jsonl --profiles profiles.jsonl --rates rates.csv --approve-examples --with mine.yaml
  aml replay bank.db                                  no change: the recorded alerts come out again

\b
exit status:
  0  measured; nothing that had led to a report is lost, or two persons override it
  1  blocked: a lost alert had led to a report
  2  the change or the history cannot be read; the message says what to do"""


def replay(
    history: HistoryArgument,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            metavar="CHANGE",
            help="a rule file or folder, RULE@draft|shadow|active, RULE.parameter=value, "
            "RULE.parameter[segment]=value, -RULE, or a file or folder of named lists; several are made in their order",
        ),
    ] = None,
    days: Annotated[
        str | None,
        typer.Option(metavar="FROM..TO", help="compare alerts judged on these days; windows know all before"),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="write the report as one HTML file")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object on stdout")] = False,
    override: Annotated[
        list[str] | None,
        typer.Option(metavar="BY:RECORD", help="a person who takes a lost report upon themselves; two must be given"),
    ] = None,
    as_recorded: Annotated[
        bool,
        typer.Option("--as-recorded", help="rulebooks at their log positions, instead of the last one over all"),
    ] = False,
    as_written: Annotated[
        bool,
        typer.Option("--as-written", help="without suppressions, switched-off rules and breakers"),
    ] = False,
    to_journal: Annotated[
        bool, typer.Option("--record", help="write result and overrides into the journal of the store")
    ] = False,
    user: AsUser = None,
    profiles: Profiles = None,
    rates: Rates = None,
    entities: Entities = None,
    rules: Rules = None,
    lists: Lists = None,
    layout: Layout = None,
    mapping: MappingFile = None,
    approve_examples: ApproveExamples = False,
    models: Annotated[ModelMode, typer.Option(help="anomaly models, for a file of payments")] = ModelMode.OFF,
) -> None:
    """Judge recorded history with and without a change: which alerts are new, lost and the same.

    The engine that runs live judges the log twice in memory, once by the rulebook in force and once with the change.
    Nothing is written to the store.
    """
    options = HistoryOptions(history, profiles, rates, entities, rules, lists, layout, mapping, approve_examples,
                             models.value)  # fmt: skip
    request = ReplayRequest(tuple(changes or ()), days, tuple(override or ()), as_recorded, as_written)
    with history_of(options) as opened:
        if to_journal and opened.store_place is None:
            raise BacktestError(f"{history}: --record needs a store; a file of payments has no journal.")
        with counting("judging with and without the change") as on_progress:
            made = replaying.replay(opened, request, on_progress)
        if out is not None:
            out.write_text(replay_page(made), encoding="utf-8")
        if to_journal and opened.store_place is not None:
            with open_store(opened.store_place) as store:
                record(store, made, by=actor(user, "analyst").name, at_us=wall_clock_us())
        if as_json:
            sys.stdout.write(json.dumps(replay_json(made), ensure_ascii=False) + "\n")
        else:
            print_replay(Console(highlight=False), made, out=out, is_recorded=to_journal)
    if made.is_blocked:
        raise typer.Exit(BLOCKED)
