"""The tables of ``aml evaluate`` on the terminal."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from monitor.app.evaluate.ablation import ablation, signed
from monitor.app.evaluate.charts import percentage
from monitor.app.evaluate.evaluation import Evaluation, Figures
from monitor.app.evaluate.measures import AtBudget
from monitor.app.evaluate.wording import beyond, conditions, facts, spaced
from monitor.casework.intervals import Share

METHODS_ABREAST = 3
"""Most methods beside each other in a table, so that it fits 80 columns."""


def print_evaluation(console: Console, found: Evaluation) -> None:
    """Facts, figures at each budget, by typology and by row, and what stands behind them."""
    console.print(Text(found.stream.name, style="bold"))
    for line in facts(found):
        console.print(line)
    if found.figures:
        for part in (
            _budgets(found),
            *_ablation(found),
            *_typologies(found),
            *_rows(found),
            *_patterns(found),
            *_queue(found),
        ):
            console.print()
            console.print(part)
        console.print()
    for line in (*conditions(found), *found.stream.notes, *beyond(found)):
        console.print(line, style="dim", soft_wrap=True)


def _budgets(found: Evaluation) -> Table:
    """A block for each budget, whose first line says what chance gives; a line for each method. Fits 80 columns.

    ``left`` is the share of the money of the cases found that was still to move at their first alerts.
    """
    table = _table("alerts", "cases found", "95 %", "true alerts", "95 %", "/case", "delay", "left")
    for number, at in enumerate(found.figures[0].budgets):
        table.add_row(
            Text(f"{at.name}: {spaced(max(each.budgets[number].chosen for each in found.figures))}", style="bold"),
            Text(f"chance {percentage(at.chance_recall)}", style="dim"), "",
            Text(f"chance {percentage(at.chance_conversion)}", style="dim"),
        )  # fmt: skip
        for each in found.figures:
            table.add_row(each.name, *_cells(each.budgets[number]))
    table.add_row(Text("threshold fixed before", style="bold"))
    for each in found.figures:
        if each.threshold is None:
            table.add_row(each.name, Text("no score", style="dim"))
        else:
            table.add_row(each.name, *_cells(each.threshold))
            table.add_row(
                Text(f"    {spaced(each.threshold.chosen)} alerted", style="dim"),
                Text(f"chance {percentage(each.threshold.chance_recall)}", style="dim"), "",
                Text(f"chance {percentage(each.threshold.chance_conversion)}", style="dim"),
            )  # fmt: skip
    return table


def _cells(at: AtBudget) -> tuple[str, ...]:
    told = at.delays
    return (
        _share(at.recall), _range(at.recall_interval), _share(at.conversion), _range(at.conversion_interval),
        "·" if at.alerts_per_case is None else f"{at.alerts_per_case:.1f}",
        "·" if told is None or told.days is None else f"{told.days[1]:.1f} d",
        "·" if told is None or told.share_of_all_money is None else percentage(told.share_of_all_money),
    )  # fmt: skip


def _share(share: Share) -> str:
    return f"{share.found}/{share.of} {percentage(share.value or 0)}" if share.of else "·"


def _range(interval: tuple[float, float]) -> str:
    return f"{100 * interval[0]:.0f}–{100 * interval[1]:.0f}"


def _ablation(found: Evaluation) -> Iterator[Table]:
    """A line for each part, a block for each budget."""
    blocks = ablation(found)
    if blocks:
        table = _table("what each part adds", "alone", "all without it", "all", "adds cases", "points true")
        for budget, parts in blocks.items():
            table.add_row(Text(budget, style="bold"))
            for each in parts:
                table.add_row(
                    f"  {each.part}", *(_pair(at) for at in (each.alone, each.without, each.together)),
                    f"{each.cases:+d}", signed(each.conversion),
                )  # fmt: skip
        yield table


def _pair(at: AtBudget) -> str:
    return f"{at.recall.found}, {percentage(at.conversion.value or 0)}"


def _side_by_side(found: Evaluation) -> list[list[Figures]]:
    return [found.figures[first : first + METHODS_ABREAST] for first in range(0, len(found.figures), METHODS_ABREAST)]


def _typologies(found: Evaluation) -> Iterator[Table]:
    """At the budget asked for and at 0.5 %; the report and --json have all."""
    for figures in _side_by_side(found):
        table = _table("cases found by typology", *(each.name for each in figures), "chance")
        for number, at in enumerate(found.figures[0].budgets):
            if at.name not in (f"{100 * found.request.budget:g} %", "0.5 %"):
                continue
            table.add_row(Text(at.name, style="bold"))
            for place, typology in enumerate(at.typologies):
                mine = [each.budgets[number].typologies[place] for each in figures]
                cells = (f"{one.found.found}/{one.found.of} {_range(one.interval)}" for one in mine)
                table.add_row(f"  {typology.name}", *cells, percentage(typology.chance))
        yield table


def _rows(found: Evaluation) -> Iterator[Table]:
    base = found.figures[0].rows
    table = _table("last 20 %, by row", "PR-AUC", "95 %", "F1", "95 %", "chance", "rows/s")
    chance = f"{base.laundering / base.rows:.4f}" if base.rows else "·"
    table.add_row(Text("chance", style="dim"), Text(chance, style="dim"))
    for each in found.figures:
        rows = each.rows
        table.add_row(
            each.name, f"{rows.pr_auc:.4f}", _range(rows.pr_auc_interval),
            f"{rows.f1:.3f}", _range(rows.f1_interval), Text(f"{rows.f1_chance:.3f}", style="dim"),
            "·" if each.rows_per_second is None else spaced(round(each.rows_per_second)),
        )  # fmt: skip
    yield table
    table = _table("0.5 % of these rows", "true", "of the laundering rows", "of their cases")
    for each in found.figures:
        shares = (each.rows.precision, each.rows.recall, each.rows.case_recall)
        table.add_row(each.name, *(f"{share.found}/{share.of}" for share in shares))
    yield table


def _patterns(found: Evaluation) -> Iterator[Table]:
    """Where rows lie in no pattern: the pattern of a row matters there, not its case."""
    if not len(found.truth.without_pattern()):
        return
    for figures in _side_by_side(found):
        table = _table("rows by pattern, 20 % alerted", *(each.name for each in figures), "chance")
        for number, (name, _) in enumerate(found.figures[0].rows.patterns):
            shares = [each.rows.patterns[number][1] for each in figures]
            table.add_row(
                name, *(f"{percentage(share.value or 0)} {share.found}/{share.of}" for share in shares), "20 %"
            )
        yield table


def _queue(found: Evaluation) -> Iterator[Table]:
    learned = [each for each in found.figures if each.queue[0] is not None]
    if learned:
        table = _table("false alerts before 90 % of the true ones", "untrained order", "learned order")
        for each in learned:
            table.add_row(each.name, str(each.queue[0]), str(each.queue[1]))
        yield table


def _table(*titles: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for number, title in enumerate(titles):
        table.add_column(title, justify="left" if number == 0 else "right", no_wrap=True)
    return table
