"""How ``aml tune`` looks on a terminal."""

from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from monitor.app.backtest.advice import Advice
from monitor.app.backtest.grid import Grid, Point
from monitor.app.backtest.review import Score
from monitor.app.backtest.sampling import ABOVE, BELOW, Sample
from monitor.casework.intervals import Share
from monitor.cli.sentence import Sentence
from monitor.domain.time import format_time

SEGMENTS_MAX = 8
BAR = 16
BARS_FROM = 110
"""Width of a terminal that has room for bars."""


def print_grid(console: Console, grid: Grid, advice: Advice, *, name: str) -> None:
    """The points, alerts by segment where the value is in force and where it is advised, and the advice."""
    days = [format_time(time_us)[:10] for time_us in (grid.first_us, grid.split_us, grid.last_us)]
    console.print(Text(f"{grid.rule.id}  {grid.rule.title}", "bold"))
    payments = f"{grid.payments:,}".replace(",", " ")
    console.print(
        Text(f"{payments} payments of {name}; first part {days[0]} to {days[1]}, last part to {days[2]}", "dim")
    )
    console.print(Text(f"Recall: {grid.truth.source}" if grid.truth.source else "Recall: no case is known", "dim"))
    console.print()
    console.print(_points(grid, advice, with_bars=console.width >= BARS_FROM))
    _print_segments(console, grid, advice)
    console.print()
    for number, sentence in enumerate(advice.sentences):
        console.print(Sentence(sentence, "bold" if number == 0 else ""))
    if advice.point is not grid.current:
        changes = " ".join(f"--with {each}" for each in grid.words(advice.point).split())
        console.print(f"\nMeasure it before it decides:  aml replay {name} {changes}", soft_wrap=True)


def _points(grid: Grid, advice: Advice, *, with_bars: bool) -> Table:
    has_truth = bool(grid.truth.cases)
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for axis in grid.axes:
        table.add_column(axis.parameter.name, justify="right", no_wrap=True)
    titles = ["a month", *([""] if with_bars else []), "customers"] + (
        ["recall", "precision", "first", "last"] if has_truth else []
    )
    for title in titles:
        table.add_column(title, justify="left" if not title else "right", no_wrap=True)
    table.add_column("", no_wrap=True)
    most = max(point.per_month for point in grid.points) or 1
    for point in grid.points:
        values = [axis.shown(index) for axis, index in zip(grid.axes, point.at, strict=True)]
        bar = Text("▇" * round(BAR * point.per_month / most), "cyan")
        cells: list[str | Text] = [f"{point.per_month:.1f}", *([bar] if with_bars else []), str(point.customers)]
        if has_truth:
            cells += [
                _short(point.recall),
                _short(point.precision),
                _short(point.first.recall),
                _short(point.last.recall),
            ]
        table.add_row(*values, *cells, _mark(grid, advice, point), style="bold" if point is grid.current else "")
    return table


def _mark(grid: Grid, advice: Advice, point: Point) -> Text:
    if point is grid.current:
        return Text("in force", "yellow")
    return Text("advised", "green") if point is advice.point else Text("")


def _short(share: Share) -> str:
    return f"{share.found}/{share.of}" if share.of else "·"


def _print_segments(console: Console, grid: Grid, advice: Advice) -> None:
    """Alerts by segment at the value in force, the advised one, and both ends of the walk."""
    columns = list(
        {point.at: point for point in (grid.points[0], grid.current, advice.point, grid.points[-1])}.values()
    )
    columns.sort(key=lambda point: point.at)
    names = Counter[str]()
    for point in columns:
        names.update(point.by_segment)
    if not names:
        return
    console.print()
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("alerts by segment", no_wrap=True)
    for point in columns:
        values = [axis.shown(index) for axis, index in zip(grid.axes, point.at, strict=True)]
        table.add_column(" / ".join(values), justify="right", no_wrap=True)
    for name, _ in names.most_common(SEGMENTS_MAX):
        table.add_row(name, *(str(point.by_segment.get(name, 0) or "·") for point in columns))
    if len(names) > SEGMENTS_MAX:
        rest = [name for name, _ in names.most_common()[SEGMENTS_MAX:]]
        table.add_row(f"{len(rest)} more", *(str(sum(p.by_segment.get(n, 0) for n in rest) or "·") for p in columns))
    console.print(table)


def print_sample(
    console: Console, sample: Sample, review: Path, key: Path, *, seed: int, tolerable: float, confidence: float
) -> None:
    """What was drawn; nothing that tells a reviewer which item lies where."""
    drawn = Counter(item.side for item in sample.items)
    sizes = Counter(dict.fromkeys((ABOVE, BELOW), 0))
    for (side, *_), (size, _) in sample.strata.items():
        sizes[side] += size
    console.print()
    console.print(Text("A blind sample", "bold"))
    console.print(Sentence(
        f"  {drawn[ABOVE]} of {sizes[ABOVE]} items above the line and {drawn[BELOW]} of {sizes[BELOW]} below, by "
        f"segment and distance, seed {seed}. None productive below would prove fewer than {100 * tolerable:g} % at "
        f"{100 * confidence:g} %." if drawn[BELOW] else
        f"  {drawn[ABOVE]} of {sizes[ABOVE]} items above the line, seed {seed}. Nothing lies below it on this walk."
    ))  # fmt: skip
    console.print(f"  the list for the reviewers:  {review}", soft_wrap=True)
    console.print(f"  the key, not for them:       {key}", soft_wrap=True)
    console.print(f"\nNext, when the list is back:  aml tune score {review} {key}", soft_wrap=True)


def print_score(console: Console, made: Score) -> None:
    """Bands from the loosest to the strictest, and what they prove."""
    sure = f"{100 * made.confidence:g} %"
    console.print(Text(f"{made.rule}.{made.parameter}, the line at {made.line}", "bold"))
    console.print(Text(f"seed {made.seed}; tolerable below the line {100 * made.tolerable:g} %", "dim"))
    console.print()
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for title in ("side", "band", "items", "reviewed", "productive", sure):
        table.add_column(title, justify="left" if title in ("side", "band") else "right", no_wrap=True)
    rows = [band for band in made.bands if band.side == BELOW] + [made.below]
    rows += [band for band in made.bands if band.side == ABOVE] + [made.above]
    for band in rows:
        is_whole = band.band == "all"
        interval = f"{100 * band.low:.1f}–{100 * band.high:.1f} %" if band.productive.of else "·"
        table.add_row(
            band.side, band.band, str(band.population), str(band.productive.of), str(band.productive.found), interval,
            style="bold" if is_whole else "", end_section=is_whole,
        )  # fmt: skip
    console.print(table)
    console.print()
    if made.open_items:
        console.print(Sentence(f"{made.open_items} items have no answer yet.", "yellow"))
    for number, sentence in enumerate(made.sentences):
        console.print(Sentence(sentence, "bold" if number == 0 else ""))
