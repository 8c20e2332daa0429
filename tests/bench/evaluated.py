"""Simulated banks through the evaluation: what rules, models and flow find there, each alone and all together.

:func:`evaluated` is the short run of the bench; its recall per typology is in ``bench.json``. As a program,
``python -m tests.bench.evaluated --seed 1501 --seed 1502 --folder FOLDER``, it adds up banks of several seeds in one
table: cases found by typology and true alerts, by part of the product, at each budget, with intervals and chance. Seeds
are those that nobody has tuned against; 21-22, 31-36, 41-46, 901-903, 911-913 and 1201-1204 are used up.
"""

import json
from collections import defaultdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from monitor.app.evaluate.evaluation import EvaluateRequest, Evaluation, evaluate
from monitor.app.evaluate.figures_json import evaluation_json
from monitor.app.evaluate.measures import AtBudget, TypologyRecall, bootstrap
from monitor.app.evaluate.registry import BASELINES, PARTS, methods
from monitor.app.simulate import simulate
from monitor.casework.intervals import Share, wilson
from tests.bench.detection import START

CUSTOMERS, DAYS, SEED = 1_200, 60, 731_220
LEFT_OUT = ("learned", "row-boosting", "graph-boosting")
"""What learns from labels alone: with labels after 14 days a bank of 60 days is too short."""


def evaluated(root: Path) -> dict[str, Any]:
    """The figures on track U at 0.1 % of the account-days and the other budgets."""
    folder = root / f"evaluated-{CUSTOMERS}-{DAYS}-{SEED}"
    if not (folder / "manifest.json").exists():
        simulate(customers=CUSTOMERS, days=DAYS, seed=SEED, out=folder, file_format="json")
    makers = {name: maker for name, maker in methods(PARTS).items() if name not in LEFT_OUT}
    assert makers.keys() & BASELINES.keys(), "no baseline is left to compare with"
    return evaluation_json(evaluate(EvaluateRequest(folder), makers=makers))


def main(
    seed: Annotated[list[int], typer.Option(help="Seeds of the banks; several times.")],
    folder: Annotated[Path, typer.Option(help="Where the banks go; what is there is used again.")],
    customers: Annotated[int, typer.Option(help="Customers of each bank.")] = 3_000,
    days: Annotated[int, typer.Option(help="Days of each stream.")] = 60,
    out: Annotated[Path | None, typer.Option(help="The figures as JSON.")] = None,
) -> None:
    """Cases found by typology for each part of the product and for all, over the banks of all seeds."""
    console = Console(highlight=False, width=130)
    makers = {name: maker for name, maker in methods(track="U").items() if name not in BASELINES}
    banks = []
    for each in seed:
        place = folder / f"{customers}-{days}-{each}-{START}"
        if not (place / "manifest.json").exists():
            simulate(customers=customers, days=days, seed=each, out=place, start=START, file_format="json")
        banks.append(evaluate(EvaluateRequest(place), makers=makers))
        console.print(f"seed {each}: {len(banks[-1].truth.scored)} cases in the scored part")
    at = [together(banks, number) for number in range(len(banks[0].figures[0].budgets))]
    for each_at in at:
        console.print(_table(each_at), f"found by none: {', '.join(found_by_none(each_at)) or 'no typology'}", "")
    if out is not None:
        told = {"seeds": seed, "customers": customers, "days": days, "seed": banks[0].request.seed, "at": at}
        out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def together(banks: list[Evaluation], number: int) -> dict[str, Any]:
    """All banks at one budget: of each method the cases found, its intervals and chance, and the same by typology.

    Chance is that of the whole budget, also where a method raised fewer alerts; intervals are a bootstrap over the
    cases of all banks.
    """
    ats = {
        each.name: [bank.figures[place].budgets[number] for bank in banks]
        for place, each in enumerate(banks[0].figures)
    }
    seed, cases = banks[0].request.seed, sum(len(bank.truth.scored) for bank in banks)
    budget = next(iter(ats.values()))[0].name
    return {"budget": budget, "cases": cases, "methods": {name: _of_method(mine, seed) for name, mine in ats.items()}}


def _of_method(measured: list[AtBudget], seed: int) -> dict[str, Any]:
    typologies: dict[str, list[TypologyRecall]] = defaultdict(list)
    for each in (each for at in measured for each in at.typologies):
        typologies[each.name].append(each)
    alerted, true = sum(at.conversion.of for at in measured), sum(at.conversion.found for at in measured)
    by_chance = sum(at.chance_conversion * at.conversion.of for at in measured)
    return _pooled([(at.recall, at.chance_recall) for at in measured], seed) | {
        "alerted": alerted,
        "conversion": round(true / max(1, alerted), 4),
        "conversion_interval": [round(end, 4) for end in wilson(Share(true, alerted))],
        "conversion_chance": round(by_chance / max(1, alerted), 4),
        "typologies": {
            name: _pooled([(each.found, each.chance) for each in mine], seed)
            for name, mine in sorted(typologies.items())
        },
    }


def _pooled(shares: list[tuple[Share, float]], seed: int) -> dict[str, Any]:
    """Cases found in all banks, with chance weighed by cases and the interval of a bootstrap over all of them."""
    found, of = sum(share.found for share, _ in shares), sum(share.of for share, _ in shares)
    return {
        "found": found,
        "of": of,
        "case_recall": round(found / of, 4),
        "interval": [round(end, 4) for end in bootstrap(np.arange(of) < found, seed=seed)],
        "chance": round(sum(share.of * chance for share, chance in shares) / of, 4),
    }


def found_by_none(at: dict[str, Any]) -> list[str]:
    """The typologies of which no method found a case."""
    methods = at["methods"].values()
    names = next(iter(methods))["typologies"]
    return [name for name in names if not any(each["typologies"][name]["found"] for each in methods)]


def _table(at: dict[str, Any]) -> Table:
    """A line for each typology, a column for each method; chance and the interval beside are those of ``all``."""
    methods = at["methods"]
    last = methods["all"]
    table = Table(box=None, pad_edge=False)
    for title in (f"at {at['budget']}", "cases", *methods, "95 % of all", "chance"):
        table.add_column(title, justify="right" if table.columns else "left", no_wrap=not table.columns)
    for name, of_all in last["typologies"].items():
        found = (str(each["typologies"][name]["found"] or "·") for each in methods.values())
        table.add_row(name, str(of_all["of"]), *found, _range(of_all["interval"]), _percent(of_all["chance"]))
    table.add_row("all cases", str(at["cases"]), *(str(each["found"]) for each in methods.values()))
    for title, key in (
        ("  %", "case_recall"), ("  95 %", "interval"), ("  chance, %", "chance"), ("alerts", "alerted"),
        ("  true, %", "conversion"), ("  95 %", "conversion_interval"), ("  chance, %", "conversion_chance"),
    ):  # fmt: skip
        table.add_row(title, "", *(_cell(each[key]) for each in methods.values()))
    return table


def _cell(value: Any) -> str:
    return _range(value) if isinstance(value, list) else _percent(value) if isinstance(value, float) else str(value)


def _range(interval: list[float]) -> str:
    return f"{100 * interval[0]:.0f}–{100 * interval[1]:.0f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


if __name__ == "__main__":
    typer.run(main)
