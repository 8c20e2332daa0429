"""``aml tune``: thresholds walked over recorded history, samples around the line, and what a review proves."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from monitor.app.backtest.advice import advise
from monitor.app.backtest.grid import Walk, axes_of
from monitor.app.backtest.grid import walk as walk_grid
from monitor.app.backtest.history import FileHistory, StoreHistory
from monitor.app.backtest.problem import BacktestError
from monitor.app.backtest.review import score as score_review
from monitor.app.backtest.review import write_files, written
from monitor.app.backtest.sampling import draw, population
from monitor.app.backtest.truth import Truth
from monitor.app.backtest.tune_json import grid_json, score_json
from monitor.casework.intervals import most_if_none, sample_size
from monitor.cli.backtest_options import (
    MISTAKES,
    NOT_POSSIBLE,
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
from monitor.cli.tune_tables import print_grid, print_sample, print_score
from monitor.rulebook.rule import Rule

EPILOG = """\b
examples:
  aml tune AML-STR-001 --parameter total_above --from 6000.00 --to 16000.00 --steps 11 bank.db
  aml tune AML-STR-001 --parameter 'total_above[cash_business]' --from 30000.00 --to 60000.00 --steps 7 bank.db
  aml tune AML-FAN-001 --parameter payers_min --from 3 --to 12 --steps 10 --labels labels.csv bank.db
  aml tune AML-STR-001 --parameter total_above --from 6000.00 --to 16000.00 --steps 11 bank.db --review review.csv
  aml tune score review.csv review.csv.key.json      when the list is back
  aml tune size --tolerable 5% --confidence 95%      how many items prove it

\b
exit status:
  0  measured
  2  the rule, a value or the history cannot be read; the message says what to do"""


class _Walk(TyperGroup):
    """A group in which a first word that is no command begins a walk: ``aml tune RULE ...``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        is_command = bool(args) and (args[0] in self.commands or args[0] == "--help")
        return super().parse_args(ctx, args if is_command or not args else ["walk", *args])


app = typer.Typer(
    cls=_Walk, no_args_is_help=True, rich_markup_mode=None, epilog=EPILOG,
    help="Walk thresholds over recorded history:  aml tune RULE --parameter NAME --from A --to B --steps N HISTORY",
)  # fmt: skip


@app.command("walk", epilog=EPILOG)
def walk(
    rule: Annotated[str, typer.Argument(metavar="RULE", help="a rule in force, or one of --rules")],
    history: HistoryArgument,
    parameter: Annotated[
        list[str], typer.Option(metavar="NAME", help="what to walk: NAME or NAME[segment]; two at most, in turn")
    ],
    first: Annotated[list[str], typer.Option("--from", metavar="A", help="the first value of each parameter")],
    last: Annotated[list[str], typer.Option("--to", metavar="B", help="the last value of each parameter")],
    steps: Annotated[
        list[int] | None, typer.Option(metavar="N", help="how many values of each parameter (default: 11)")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(metavar="CSV", help="known cases: transaction_id, typology, case_id")
    ] = None,
    typology: Annotated[
        list[str] | None, typer.Option(metavar="WORD", help="labels that the rule should find (default: its typology)")
    ] = None,
    split: Annotated[
        float, typer.Option(min=0.1, max=0.9, help="share of the time on which the value is chosen; the rest checks it")
    ] = 0.6,
    review: Annotated[
        Path | None, typer.Option(metavar="FILE", help="draw a sample around the line into a blind list, CSV or JSON")
    ] = None,
    key: Annotated[Path | None, typer.Option(metavar="FILE", help="its key (default: FILE.key.json)")] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="items of each side (default: as many as prove --tolerable)")
    ] = None,
    tolerable: Annotated[str, typer.Option(metavar="SHARE", help="productive share below the line to tolerate")] = "5%",
    confidence: Annotated[str, typer.Option(metavar="SHARE", help="confidence of that proof")] = "95%",
    seed: Annotated[int, typer.Option(help="the same seed draws the same sample")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object on stdout")] = False,
    profiles: Profiles = None,
    rates: Rates = None,
    entities: Entities = None,
    rules: Rules = None,
    lists: Lists = None,
    layout: Layout = None,
    mapping: MappingFile = None,
    approve_examples: ApproveExamples = False,
) -> None:
    """Walk one or two thresholds of a rule over recorded history: alerts against recall, and which value holds.

    The history is measured once; every value decides on the same measures. What lies below the line is no alert.
    """
    options = HistoryOptions(history, profiles, rates, entities, rules, lists, layout, mapping, approve_examples)
    with history_of(options) as opened:
        shares = [share_of(text, name) for text, name in ((tolerable, "--tolerable"), (confidence, "--confidence"))]
        wanted = _rule(opened, rule)
        axes = axes_of(wanted, _walks(parameter, first, last, steps or []), time_us=opened.latest_us)
        with counting("walking the thresholds") as on_progress:
            truth = Truth(labels, tuple(typology or ()))
            grid = walk_grid(opened, wanted, axes, truth, split=split, on_progress=on_progress)
        advice = advise(grid)
        drawn, places = None, None
        if review is not None:
            drawn = draw(population(grid), seed=seed, size=sample, tolerable=shares[0], confidence=shares[1])
            places = review, key or review.with_name(review.name + ".key.json")
            is_json = review.suffix == ".json"
            both = written(opened, grid, drawn, seed=seed, tolerable=shares[0], confidence=shares[1], as_json=is_json)
            write_files(both, *places)
        if as_json:
            _print_json(grid_json(grid, advice, drawn, seed=seed))
            return
        console = Console(highlight=False)
        print_grid(console, grid, advice, name=opened.name)
        if drawn is not None and places is not None:
            print_sample(console, drawn, *places, seed=seed, tolerable=shares[0], confidence=shares[1])
        else:
            console.print("\nNext: add --review review.csv to draw a blind sample above and below the line")


@app.command("score")
def score(
    review: Annotated[Path, typer.Argument(metavar="REVIEW", help="the list that came back, CSV or JSON")],
    key: Annotated[Path, typer.Argument(metavar="KEY", help="the key that was written beside it")],
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object on stdout")] = False,
) -> None:
    """What a returned review list proves: Wilson intervals per band, and whether the line holds.

    \b
    exit status:
      0  scored
      2  the list is not that of the key, or an answer is not understood
    """
    try:
        made = score_review(review, key)
    except MISTAKES as error:
        _fail(error)
    if as_json:
        _print_json(score_json(made))
    else:
        print_score(Console(highlight=False), made)


@app.command("size")
def size(
    tolerable: Annotated[str, typer.Option(metavar="SHARE", help="the share of productive items to tolerate")] = "5%",
    confidence: Annotated[str, typer.Option(metavar="SHARE", help="the confidence wanted")] = "95%",
    items: Annotated[
        int | None, typer.Option("--population", min=1, metavar="N", help="how many items there are (default: endless)")
    ] = None,
) -> None:
    """How many items must be reviewed so that none found proves less than a tolerable share.

    \b
    examples:
      aml tune size --tolerable 5% --confidence 95%           59: 0 of 59 proves less than 5 %
      aml tune size --tolerable 1% --population 800
    """
    try:
        shares = share_of(tolerable, "--tolerable"), share_of(confidence, "--confidence")
    except BacktestError as error:
        _fail(error)
    number = sample_size(tolerable=shares[0], confidence=shares[1], population=items)
    most = most_if_none(number, confidence=shares[1], population=items)
    of = f" of {items}" if items is not None else ""
    print(
        f"Review {number} items{of}. If none is productive, at {100 * shares[1]:g} % confidence fewer than "
        f"{100 * shares[0]:g} % are (at most {100 * most:.2f} %)."
    )


def _walks(names: list[str], first: list[str], last: list[str], steps: list[int]) -> list[Walk]:
    if not len(names) == len(first) == len(last):
        raise BacktestError(
            f"{len(names)} --parameter, {len(first)} --from and {len(last)} --to were given: each parameter needs "
            "one of each, in the same order."
        )
    if steps and len(steps) not in (1, len(names)):
        raise BacktestError(
            f"{len(steps)} --steps were given for {len(names)} parameters. Give one for all, or one each."
        )
    numbers = steps * len(names) if len(steps) == 1 else steps or [11] * len(names)
    return [Walk(*each) for each in zip(names, first, last, numbers, strict=True)]


def _rule(history: StoreHistory | FileHistory, rule_id: str) -> Rule:
    known = {**history.known_rules, **history.epochs[-1].rules.rules}
    if rule_id not in known:
        raise BacktestError(f"There is no rule {rule_id}. The rules are: {', '.join(sorted(known)) or 'none'}.")
    rule = known[rule_id]
    if rule.kind == "obligation":
        raise BacktestError(
            f"{rule_id} is an obligation: the law sets its values, so there is nothing to tune. A change of the law is "
            "a new dated row; measure it with aml replay."
        )
    return rule


def share_of(text: str, option: str) -> float:
    """A share as ``5%``, ``5 %`` or ``0.05``.

    >>> share_of("5%", "--tolerable"), share_of("0.05", "--tolerable")
    (0.05, 0.05)

    Raises:
        BacktestError: It is no share between 0 and 1, both excluded.
    """
    body = text.strip()
    try:
        value = float(body.removesuffix("%")) / 100 if body.endswith("%") else float(body)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise BacktestError(f"{option} {text}: write a share such as 5% or 0.05, above 0 and below 100 %.")
    return value


def _print_json(body: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(body, ensure_ascii=False) + "\n")


def _fail(error: Exception) -> None:
    words = str(error)
    if isinstance(error, OSError) and error.filename:
        words = f"{error.filename}: {error.strerror}. Check the path and the permissions."
    typer.echo(words, err=True)
    raise typer.Exit(NOT_POSSIBLE)
