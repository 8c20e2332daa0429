"""``aml evaluate``: how much laundering is found in a labelled stream, at which price, and what chance finds."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

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
from monitor.app.evaluate.wording import spaced
from monitor.cli.backtest_options import MISTAKES, NOT_POSSIBLE
from monitor.cli.evaluate_tables import print_evaluation

BUDGET, BUDGET_D = 0.001, 0.01
"""What is alerted unless asked otherwise; an order is learned from decisions, and takes hundreds of them."""

EPILOG = """\b
examples:
  aml evaluate tx.csv.gz                          no labels, at 0.1 % of the account-days
  aml evaluate tx.csv.gz --track S --out s.html   labels after 14 days, with charts
  aml evaluate bank --only rules                  a folder that aml simulate wrote
  aml evaluate streams --track U --out reports    every labelled stream below a folder
  aml evaluate tx.csv.gz --alerts alerts.jsonl    the alerts of aml run, measured

\b
exit status:
  0  measured
  2  the data or an option cannot be evaluated; the message says what to do"""


def evaluate(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="a labelled CSV file, a simulated bank, or a folder of such")
    ],
    track: Annotated[str, typer.Option(metavar="U|D|S", help="no labels; of alerts, late; all, late")] = "U",
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
        Path | None, typer.Option(metavar="FILE", help="write the report as HTML; for a folder of streams a folder")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a stream on stdout")] = False,
    seed: Annotated[int, typer.Option(help="of methods that draw, and of intervals")] = 1,
) -> None:
    """Measure detection on a labelled stream: one pass in event order, by case and account-day, chance beside it."""
    try:
        places = _places(data)
        is_folder = places != [data]
        share = budget if budget is not None else BUDGET_D if track == "D" else BUDGET
        for place in places:
            name = place.name.split(".")[0]
            request = EvaluateRequest(
                place, track, share, seed, tuple(only or ()), parties, tuple(rules or ()), tuple(alerts or ()),
                alerts_out / name if alerts_out is not None and is_folder else alerts_out,
            )  # fmt: skip
            with _showing(place) as (on_method, on_progress):
                found = run_evaluation(request, on_method=on_method, on_progress=on_progress)
            _show(found, out / f"{name}-{track}.html" if out is not None and is_folder else out, as_json=as_json)
    except (EvaluateError, *MISTAKES) as error:
        words = f"{error.filename}: {error.strerror}." if isinstance(error, OSError) and error.filename else str(error)
        Console(stderr=True).print(Text(words), style="red", soft_wrap=True, highlight=False)
        raise typer.Exit(NOT_POSSIBLE) from None


def _places(data: Path) -> list[Path]:
    if not data.is_dir() or is_simulated(data):
        return [data]
    found = streams_below(data)
    if not found:
        raise EvaluateError(f"{data}: no labelled stream below this folder. docs/evaluating.md has the columns.")
    return found


def _show(found: Evaluation, out: Path | None, *, as_json: bool) -> None:
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(evaluation_page(found), encoding="utf-8")
    if as_json:
        sys.stdout.write(json.dumps(evaluation_json(found), ensure_ascii=False) + "\n")
        return
    console = Console(highlight=False)
    print_evaluation(console, found)
    if out is not None:
        console.print(f"The report with charts: {out}")
    console.print()


@contextmanager
def _showing(place: Path) -> Iterator[tuple[Callable[[str], None], Callable[[int], None]]]:
    """A line on stderr that says which method is at which row, on a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda name: None, lambda rows: None
        return
    now = [""]
    with console.status(f"reading {place.name}") as status:

        def on_method(name: str) -> None:
            now[0] = name
            status.update(f"{place.name}: {name} gets ready; the first start compiles, which takes a minute or two")

        yield on_method, lambda rows: status.update(f"{place.name}: {now[0]}, {spaced(rows)} rows")
