"""What ``aml explain`` shows of an alert of the anomaly models: the models, the score by family, the cards."""

from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from monitor.app.explained import ComparedMeasure
from monitor.app.explaining import Explained
from monitor.domain.time import DAY_US, parse_duration_us
from monitor.engine.anomaly_alerts import SNAPSHOT_INPUT, time_words
from monitor.engine.sentences import readable

_OWN_LINE = ("score", "threshold", "tail")


def print_model(console: Console, explained: Explained) -> None:
    """Which models raised it, and by which threshold."""
    evidence, grid = explained.evidence, Table.grid(padding=(0, 2))
    grid.add_column(width=9, style="dim")
    grid.add_column()
    made_by, measures = evidence["source"], evidence["measures"]
    members = " and ".join(f"{card.model} version {card.version} ({card.status})" for card in explained.cards)
    grid.add_row("Model", Text.assemble((made_by["id"], "bold"), f"  {evidence['title']}"))
    grid.add_row("", Text(f"version {made_by['version']}: {members}", style="dim"))
    grid.add_row("", Text(f"digest {made_by['digest'][:32]}", style="dim"))
    rarity = round(1 / float(measures["tail"]["value"]))
    score, threshold = measures["score"]["value"], measures["threshold"]["value"]
    in_force = f"score {score}, raised from {threshold} on, by the snapshot of tails and thresholds "
    in_force += evidence["inputs"][SNAPSHOT_INPUT]
    grid.add_row("Threshold", Text(in_force))
    grid.add_row("", Text(f"of {rarity:,} account-days of the segment one has such a score".replace(",", " ")))
    console.print(grid)


def print_scores(console: Console, explained: Explained) -> None:
    """The score by family and part: points as stored and again, what was observed, what was expected."""
    console.print(Text("\nScore by family", style="bold"))
    table = Table(box=None, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("", "points", "again", "observed", "expected", ""):
        table.add_column(title, justify="left" if title == "" else "right")
    stored = explained.evidence["measures"]
    again = {each.name: each for each in explained.measures}
    for name, quantity in stored.items():
        words, depth = name.split("."), name.count(".")
        if name in _OWN_LINE or depth > 1:
            continue
        style = "bold" if depth == 0 else ""
        facts = {n: q for n, q in stored.items() if n.startswith(f"{name}.")} if depth else {}
        same = [each for n, each in again.items() if n == name or n in facts]
        shown = f"{again[name].again.value}" if name in again else ""
        label = Padding(Text(words[-1].replace("_", " "), style=style), (0, 0, 0, 2 + 2 * depth))
        table.add_row(label, Text(quantity["value"], style=style), shown, *_facts(name, facts), _mark(same))
    console.print(table)


def _facts(name: str, facts: dict[str, dict[str, Any]]) -> tuple[str, str]:
    """Observed and expected; of money carried on its share and the time since it came."""
    said = {key.removeprefix(f"{name}."): _readable(q) for key, q in facts.items()}
    if "share" in said:
        return f"{said['share']} of an inflow", f"{said['since']} before"
    return said.get("observed", ""), said.get("expected", "")


def _readable(quantity: dict[str, Any]) -> str:
    """A quantity for reading; a length of time in its largest fitting unit."""
    if quantity["unit"] == "duration":
        return time_words(parse_duration_us(quantity["value"]) / DAY_US)
    return readable(quantity["value"], quantity["unit"], quantity["bound"])


def _mark(same: list[ComparedMeasure]) -> Text:
    if not same:
        return Text()
    return Text("✓", "green") if all(each.is_same for each in same) else Text("✗ DIFFERS", "bold red")


def print_cards(console: Console, explained: Explained) -> None:
    """What the cards say of purpose and limits."""
    for card in explained.cards:
        console.print(Text(f"\nCard of {card.model} version {card.version}, owner {card.owner}", style="bold"))
        for words in (card.purpose, f"Not for: {card.not_for}", *(f"Limit: {limit}" for limit in card.limits)):
            grid = Table.grid(padding=(0, 1))
            grid.add_row(Text("-", style="dim"), Text(words))
            console.print(Padding(grid, (0, 0, 0, 2)))
