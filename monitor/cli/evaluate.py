"""``aml evaluate``: how much laundering is found in a labelled stream, at which price, and what chance finds."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from monitor.app.evaluate.evaluation import EvaluateRequest, Evaluation
from monitor.app.evaluate.evaluation import evaluate as run_evaluation
from monitor.app.evaluate.figures_json import evaluation_json
from monitor.app.evaluate.page import evaluation_page
from monitor.app.evaluate.problem import EvaluateError
from monitor.app.evaluate.reading import streams_below
from monitor.app.evaluate.reading_simulated import is_simulated
from monitor.cli.backtest_options import NOT_POSSIBLE
from monitor.cli.evaluate_all import MISTAKES, evaluate_all, words_of
from monitor.cli.evaluate_progress import showing
from monitor.cli.evaluate_tables import print_evaluation

BUDGET, BUDGET_D = 0.001, 0.01
"""What is alerted unless asked otherwise; an order is learned from decisions, and takes hundreds of them."""

EPILOG = """\b
examples:
  aml evaluate tx.csv.gz                          no labels, at 0.1 % of the account-days
  aml evaluate tx.csv.gz --track S --out s.html   labels after 14 days, with charts
  aml evaluate bank --only rules                  a folder that aml simulate wrote
  aml evaluate streams --track U --track S --out reports    every labelled stream below a folder, both tracks
  aml evaluate tx.csv.gz --alerts alerts.jsonl    the alerts of aml run, measured

\b
exit status:
  0  measured
  1  some streams of a folder were measured, others were not; the last lines name them
  2  the data or an option cannot be evaluated; the message says what to do"""


def evaluate(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="a labelled CSV file, a simulated bank, or a folder of such")
    ],
    track: Annotated[
        list[str] | None,
        typer.Option(metavar="U|D|S", help="no labels; of alerts, late; all, late; several times (default: U)"),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(help="share of the active account-days that may be alerted (default: 0.001; in track D 0.01)"),
    ] = None,
    only: Annotated[list[str] | None, typer.Option(metavar="METHOD", help="one method; several times")] = None,
    parties: Annotated[
        Path | None, typer.Option(help="what is known of the accounts (default: NAME_parties.csv beside NAME_tx.csv)")
    ] = None,
    rules: Annotated[list[Path] | None, typer.Option(help="rule files or folders (default: the shipped rules)")] = None,
    alerts: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="measure an alerts file too, instead of all methods")
    ] = None,
    alerts_out: Annotated[
        Path | None,
        typer.Option("--alerts-out", metavar="FOLDER", help="write the alerts of each method, one file each"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="write the report as HTML; for several streams or tracks a folder, with the figures as JSON beside: "
            "what did not change is not measured again",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a stream on stdout")] = False,
    seed: Annotated[int, typer.Option(help="of methods that draw, and of intervals")] = 1,
) -> None:
    """Measure detection on a labelled stream: one pass in event order, by case and account-day, chance beside it."""
    tracks = tuple(dict.fromkeys(track or ["U"]))
    with _mistakes_told():
        places = _places(data)
        is_many = places != [data] or len(tracks) > 1
        asked = [
            EvaluateRequest(
                place, each, budget if budget is not None else BUDGET_D if each == "D" else BUDGET, seed,
                tuple(only or ()), parties, tuple(rules or ()), tuple(alerts or ()), alerts_out,
            )
            for each in tracks
            for place in places
        ]  # fmt: skip
        if is_many:
            show, show_kept = partial(_show, as_json=as_json), partial(_show_kept, as_json=as_json)
            raise typer.Exit(evaluate_all(data, asked, out, show=show, show_kept=show_kept))
        with showing(asked[0]) as watch:
            found = run_evaluation(asked[0], on_method=watch.method, on_progress=watch.progress)
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(evaluation_page(found), encoding="utf-8")
        _show(found, out, as_json=as_json)


def _show(found: Evaluation, page: Path | None, *, as_json: bool) -> None:
    if as_json:
        _show_kept(evaluation_json(found), as_json=True)
        return
    console = Console(highlight=False)
    print_evaluation(console, found)
    if page is not None:
        console.print(f"The report with charts: {page}")
    console.print()


def _show_kept(figures: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(figures, ensure_ascii=False) + "\n")
        sys.stdout.flush()


def _places(data: Path) -> list[Path]:
    if not data.is_dir() or is_simulated(data):
        return [data]
    found = streams_below(data)
    if not found:
        raise EvaluateError(f"{data}: no labelled stream below this folder. docs/evaluating.md has the columns.")
    return found


@contextmanager
def _mistakes_told() -> Iterator[None]:
    try:
        yield
    except MISTAKES as error:
        Console(stderr=True).print(Text(words_of(error)), style="red", soft_wrap=True, highlight=False)
        raise typer.Exit(NOT_POSSIBLE) from None
