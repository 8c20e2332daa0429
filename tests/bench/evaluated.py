"""Simulated banks through the evaluation: what rules, models and flow find there, each alone and all together.

:func:`evaluated` is the short run of the bench; its recall per typology is in ``bench.json``. As a program,
``python -m tests.bench.evaluated --seed 1201 --seed 1202 --folder /tmp/banks``, it adds up banks of several seeds in
one table: cases found by typology and true alerts, by part of the product, at each budget. Seeds are those that
nobody has tuned against; 21-22, 31-36, 41-46, 901-903 and 911-913 are used up.
"""

from collections import defaultdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from monitor.app.evaluate.evaluation import EvaluateRequest, Evaluation, evaluate
from monitor.app.evaluate.figures_json import evaluation_json
from monitor.app.evaluate.measures import AtBudget
from monitor.app.evaluate.registry import BASELINES, PARTS, methods
from monitor.app.simulate import simulate
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
) -> None:
    """Cases found by typology for each part of the product and for all, over the banks of all seeds."""
    console = Console(highlight=False)
    makers = {name: maker for name, maker in methods(track="U").items() if name not in BASELINES}
    banks = []
    for each in seed:
        place = folder / f"{customers}-{days}-{each}-{START}"
        if not (place / "manifest.json").exists():
            simulate(customers=customers, days=days, seed=each, out=place, start=START, file_format="json")
        banks.append(evaluate(EvaluateRequest(place), makers=makers))
        console.print(f"seed {each}: {len(banks[-1].truth.scored)} cases in the scored part")
    for number in range(len(banks[0].figures[0].budgets)):
        console.print(_table(banks, number))


def _table(banks: list[Evaluation], number: int) -> Table:
    """A line for each typology, a column for each method, all banks together, at one budget."""
    names = [each.name for each in banks[0].figures]
    found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    cases: dict[str, int] = defaultdict(int)
    ats: dict[str, list[AtBudget]] = {
        name: [bank.figures[place].budgets[number] for bank in banks] for place, name in enumerate(names)
    }
    for name, measured in ats.items():
        for at in measured:
            for typology in at.typologies:
                found[typology.name][name] += typology.found.found
                cases[typology.name] += typology.found.of if name == names[0] else 0
    table = Table(box=None, pad_edge=False)
    for title in (f"at {ats[names[0]][0].name}", "cases", *names):
        table.add_column(title, justify="right" if table.columns else "left", no_wrap=not table.columns)
    for typology_name in sorted(cases):
        table.add_row(
            typology_name, str(cases[typology_name]), *(str(found[typology_name][name] or "·") for name in names)
        )
    table.add_row(
        "all cases", str(sum(cases.values())), *(str(sum(at.recall.found for at in ats[name])) for name in names)
    )
    table.add_row("true alerts, %", "", *(_percent(ats[name]) for name in names))
    return table


def _percent(measured: list[AtBudget]) -> str:
    of = sum(at.conversion.of for at in measured)
    return f"{100 * sum(at.conversion.found for at in measured) / of:.1f}" if of else "·"


if __name__ == "__main__":
    typer.run(main)
