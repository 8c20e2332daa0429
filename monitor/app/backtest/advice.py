"""Which value a walk speaks for, in a sentence, with the last part of the history held back to check it.

The value is chosen on the first part alone: the fewest alerts that still find every case which the value in force finds
there. It is then tried on the last part, which had no say. A value that fails there is not exchanged for another one,
since that would be choosing by the last part.
"""

from dataclasses import dataclass

from monitor.app.backtest.grid import Grid, Point
from monitor.casework.intervals import Share, percent, wilson

CASES_FEW = 20
"""Below so many cases in the first part the advice says that there are few."""


@dataclass(frozen=True, slots=True)
class Advice:
    """The point that is spoken for (the one in force where nothing better holds), and why."""

    point: Point
    sentences: tuple[str, ...]


def advise(grid: Grid) -> Advice:
    """What the walk speaks for."""
    current = grid.current
    if not any(case.is_productive for case in grid.truth.cases):
        return Advice(current, (_no_cases(grid),))
    if not current.first.recall.of:
        return Advice(current, (_no_early_cases(grid),))
    chosen = _chosen(grid)
    said = [_choice(grid, current, chosen)]
    is_held = chosen.last.recall.found >= current.last.recall.found
    if chosen is not current:
        said.append(_check(current, chosen, is_held=is_held))
    better = _finds_more(grid)
    if better is not None:
        more = better.first.recall.found - current.first.recall.found
        said.append(
            f"{grid.words(better)} would find {more} more {_cases(more)} of the first part, at "
            f"{better.per_month:.0f} alerts a month instead of {current.per_month:.0f}."
        )
    if current.first.recall.of < CASES_FEW:
        low, high = wilson(current.recall)
        said.append(
            f"There are few cases ({current.recall.of}): recall in force is {current.recall}, and at 95 % it may be "
            f"anything from {100 * low:.0f} to {100 * high:.0f} %. Review a sample before moving anything (--review)."
        )
    return Advice(chosen if is_held else current, tuple(said))


def _no_cases(grid: Grid) -> str:
    return (
        "There is no decided or labelled case, so the walk shows volume only and speaks for no value. Draw a sample "
        f"above and below the line with --review, or give --labels for {grid.rule.id}."
    )


def _no_early_cases(grid: Grid) -> str:
    return (
        f"No case lies in the first part of the history ({grid.current.recall} found in all), so no value can be "
        "chosen on it and checked on the rest. Give a longer history, another --split, or draw a sample with --review."
    )


def _chosen(grid: Grid) -> Point:
    """By the first part: the fewest alerts of the points that find at least what is found now; nearest of equals."""
    current = grid.current

    def distance(point: Point) -> int:
        return sum(abs(one - other) for one, other in zip(point.at, current.at, strict=True))

    fitting = [point for point in grid.points if point.first.recall.found >= current.first.recall.found]
    return min(fitting, key=lambda point: (point.first.per_month, distance(point), point.at))


def _choice(grid: Grid, current: Point, chosen: Point) -> str:
    if chosen is current:
        return (
            f"Keep {grid.words(current)}: in the first part no point of the grid finds the same "
            f"{current.first.recall.found} of {current.first.recall.of} cases with fewer alerts."
        )
    return (
        f"In the first part {grid.words(chosen)} finds as many cases ({chosen.first.recall}) as the value in force "
        f"({current.first.recall}) with {chosen.first.per_month:.0f} alerts a month instead of "
        f"{current.first.per_month:.0f}{_less(current.first.per_month, chosen.first.per_month)}."
    )


def _less(before: float, after: float) -> str:
    return f", {percent(round(before - after), round(before))} fewer" if round(before) > round(after) else ""


def _check(current: Point, chosen: Point, *, is_held: bool) -> str:
    now, then = chosen.last.recall, current.last.recall
    if not then.of:
        return "The last part has no case to check it against: run it in shadow before it decides."
    if is_held:
        return f"It holds in the last part, which had no say: {now} found, as in force ({then})."
    lost = then.found - now.found
    return (
        f"It does not hold in the last part: {now} found against {then} in force, {lost} {_cases(lost)} lost. Keep the "
        "value in force; what fits the first part alone is chance."
    )


def _finds_more(grid: Grid) -> Point | None:
    """The point that finds the most cases of the first part, with the fewest alerts; ``None`` if none finds more."""
    best = max(grid.points, key=lambda point: (point.first.recall.found, -len(point.alerts)))
    return best if best.first.recall.found > grid.current.first.recall.found else None


def _cases(count: int) -> str:
    return "case" if count == 1 else "cases"


def interval_words(share: Share) -> str:
    """The 95 % interval of a share, in whole per cent."""
    low, high = wilson(share)
    return f"{100 * low:.0f}–{100 * high:.0f} %" if share.of else "·"
