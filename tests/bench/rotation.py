"""Weights of the payment ensemble chosen on two labelled streams and read on the third, rotating.

    python -m tests.bench.rotation TIDE_tx.csv.gz AMLSIM_tx.csv.gz AMLGENTEX_tx.csv.gz [--out rotation.json]

The candidates are stated beforehand in :func:`candidates`: the product's weights, equal weights, and the product's with
each part left out or doubled. Track U. Of each pair of streams the candidate with the highest mean case recall at all
budgets is chosen, ties by the mean share of true alerts and then by the order of the candidates, and reported on the
stream that had no say. The tails of the parts do not depend on the weights, so a stream is run once; with the product's
weights the sum made here has to be the product's scores, bit by bit.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import log10
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from models.ensemble import payment_ensemble
from models.new_edges import NewEdges
from monitor.app.evaluate.measures import AtBudget, Judge
from monitor.app.evaluate.models_scorer import columns_of
from monitor.app.evaluate.reading import read_stream
from monitor.app.evaluate.scorer import nothing
from monitor.app.evaluate.stream import SOURCE, Floats, Stream
from monitor.app.evaluate.truth import Truth

BUDGETS = (0.001, 0.005)
SHIPPED = "shipped"
_CHANCE = log10(np.e)
Weights = tuple[float, ...]
Measured = list[AtBudget]
"""Of one candidate on one stream, by budget."""


def candidates() -> dict[str, Weights]:
    """The weights that are compared, by name; 0 leaves a part out.

    >>> len(candidates())
    14
    """
    shipped = tuple(float(weight) for weight in NewEdges.weights)
    found = {SHIPPED: shipped, "equal": tuple(1.0 for _ in shipped)}
    for change, factor in (("without", 0.0), ("twice", 2.0)):
        for place, part in enumerate(NewEdges.parts):
            found[f"{change} {part.name}"] = (*shipped[:place], factor * shipped[place], *shipped[place + 1 :])
    return found


def tails_of(stream: Stream) -> Floats:
    """``-log10`` of each part's tail by row and part, shape (n, parts); NaN where the ensemble is not ready."""
    ensemble, parts = payment_ensemble(), []
    for rows in stream.batches():
        said = ensemble.score_learn_many(columns_of(rows, stream), why=True)
        assert said.why is not None
        tails = np.where(said.ready[:, None], said.why[:, :, 2], np.nan)
        assert np.array_equal(weighed(tails, NewEdges.weights), said.values, equal_nan=True)
        parts.append(tails)
    return np.concatenate(parts)


def weighed(tails: Floats, weights: Sequence[float]) -> Floats:
    """The weighted sum of tails less what chance expects, added in the order of the product.

    >>> weighed(np.array([[1.0, 2.0]]), (1.0, 0.0)).round(3).tolist()
    [0.566]
    """
    total = np.zeros(len(tails))
    for weight, tail in zip(weights, tails.T, strict=True):
        total += weight * (tail - _CHANCE)
    return total


def measured_on(stream: Stream, seed: int) -> dict[str, Measured]:
    """Each candidate on one stream; alerts are about the payer, as the product's are."""
    judge, tails = Judge(Truth.of(stream), seed=seed), tails_of(stream)
    found = {}
    for name, weights in candidates().items():
        scores = nothing(len(tails))
        scores[:, SOURCE] = weighed(tails, weights)
        found[name] = [judge.at_budget(scores, budget) for budget in BUDGETS]
    return found


def chosen(on: Sequence[Mapping[str, Measured]]) -> str:
    """The candidate with the best mean case recall over streams and budgets, ties by the mean of true alerts."""
    return max(on[0], key=lambda name: merit([each[name] for each in on]))


def merit(measured: Sequence[Measured]) -> tuple[float, float]:
    """Mean case recall and mean share of true alerts, each figure counting the same."""
    at = [each for stream in measured for each in stream]
    return _mean(at, lambda each: each.recall.value), _mean(at, lambda each: each.conversion.value)


def _mean(at: list[AtBudget], figure: Callable[[AtBudget], float | None]) -> float:
    # Rounded, so that the order of adding decides no tie.
    return round(sum(figure(each) or 0.0 for each in at) / len(at), 9)


@dataclass(frozen=True, slots=True)
class Turn:
    """One stream that had no say."""

    held_out: str
    choice: str
    measured: Measured
    """The choice on it."""
    shipped: Measured
    best: str
    """What would have been chosen with only this stream in sight."""


def rotation(streams: Mapping[str, Mapping[str, Measured]]) -> list[Turn]:
    """Each stream once held out, the choice made on the others."""
    turns = []
    for name, mine in streams.items():
        choice = chosen([other for key, other in streams.items() if key != name])
        turns.append(Turn(name, choice, mine[choice], mine[SHIPPED], chosen([mine])))
    return turns


def as_json(streams: Mapping[str, Mapping[str, Measured]], seed: int) -> dict[str, Any]:
    """Everything that is printed."""
    return {
        "seed": seed,
        "track": "U",
        "budgets": BUDGETS,
        "candidates": candidates(),
        "streams": {
            stream: {name: [_figures(at) for at in each] for name, each in mine.items()}
            for stream, mine in streams.items()
        },
        "turns": [{"held_out": turn.held_out, "chosen": turn.choice, "best": turn.best} for turn in rotation(streams)],
    }


def _figures(at: AtBudget) -> dict[str, Any]:
    return {
        "budget": at.name, "alerted": at.chosen, "cases_found": at.recall.found, "cases": at.recall.of,
        "case_recall": at.recall.value, "recall_interval": at.recall_interval, "recall_chance": at.chance_recall,
        "conversion": at.conversion.value, "conversion_interval": at.conversion_interval,
        "conversion_chance": at.chance_conversion,
    }  # fmt: skip


def main(
    data: Annotated[list[Path], typer.Argument(help="Labelled streams, two or more, one of each generator.")],
    seed: Annotated[int, typer.Option(help="Of the intervals; chance has seeds of its own.")] = 1,
    out: Annotated[Path | None, typer.Option(help="All figures as JSON.")] = None,
) -> None:
    """Print every candidate on every stream, and what each pair of streams chooses for the third."""
    if len(data) < 2:
        raise typer.BadParameter("Name two streams or more: one has no say while the others choose.")
    streams = {place.name.split(".")[0].removesuffix("_tx"): measured_on(read_stream(place), seed) for place in data}
    console = Console(highlight=False, width=180)
    console.print(_every_candidate(streams), "", _turns(streams))
    if out is not None:
        out.write_text(json.dumps(as_json(streams, seed), indent=1) + "\n", encoding="utf-8")


def _every_candidate(streams: Mapping[str, Mapping[str, Measured]]) -> Table:
    table = Table("candidate", "weights", box=None, pad_edge=False, title="cases found / alerts true, %")
    for stream in streams:
        for budget in BUDGETS:
            table.add_column(f"{stream}\n{100 * budget:g} %", justify="right")
    for name, weights in candidates().items():
        table.add_row(
            name, "-".join(f"{weight:g}" for weight in weights),
            *(f"{_percent(at.recall.value)} / {_percent(at.conversion.value)}"
              for mine in streams.values() for at in mine[name]),
        )  # fmt: skip
    return table


def _turns(streams: Mapping[str, Mapping[str, Measured]]) -> Table:
    table = Table("held out", "at", "chosen by the others", box=None, pad_edge=False)
    for title in ("cases found, % [95 %]", "chance", "alerts true, % [95 %]", "chance", "shipped", "best in hindsight"):
        table.add_column(title, justify="right")
    for turn in rotation(streams):
        for at, shipped in zip(turn.measured, turn.shipped, strict=True):
            table.add_row(
                turn.held_out, at.name, turn.choice,
                _with_interval(at.recall.value, at.recall_interval), _percent(at.chance_recall),
                _with_interval(at.conversion.value, at.conversion_interval), _percent(at.chance_conversion),
                f"{_percent(shipped.recall.value)} / {_percent(shipped.conversion.value)}", turn.best,
            )  # fmt: skip
    return table


def _with_interval(value: float | None, interval: tuple[float, float]) -> str:
    return f"{_percent(value)} [{_percent(interval[0])}, {_percent(interval[1])}]"


def _percent(value: float | None) -> str:
    return "·" if value is None else f"{100 * value:.1f}"


if __name__ == "__main__":
    typer.run(main)
