"""Samples above and below the line, for people who do not know which is which.

Above the line are the alerts of the value in force; below it what looser values of the walk would raise besides. What
lies below is no alert and never becomes one by being reviewed. Bands tell how far from the line an item lies: between
which two values of the walk it appears. Strata are band and segment; each gets its share of the sample, and at least
one item.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from monitor.app.backtest.grid import Grid, Point
from monitor.app.backtest.match import Raised, match, subject_alone
from monitor.casework.intervals import sample_size

ABOVE, BELOW = "above", "below"


@dataclass(frozen=True, slots=True)
class Item:
    """Something to review. ``steps`` from the line, 1 for the nearest band."""

    side: str
    band: str
    steps: int
    alert: Raised

    @property
    def segment(self) -> str:
        return self.alert.segment or "(unknown)"

    @property
    def stratum(self) -> tuple[str, int, str, str]:
        return self.side, self.steps, self.band, self.segment


@dataclass(frozen=True, slots=True)
class Sample:
    """The chosen items in the order of the list, and how many each stratum holds and gave."""

    items: tuple[Item, ...]
    strata: Mapping[tuple[str, int, str, str], tuple[int, int]]


def population(grid: Grid) -> list[Item]:
    """Every item above and below the line, along the first axis; a second axis stays at the value in force.

    Every alert of the value in force is one item above. Below, what rests on payments of an item already there, about
    the same subject, is the same matter and left out.
    """
    chain = _from_loose_to_strict(grid)
    line = chain.index(grid.current)
    above = _above(grid, chain, line)
    seen: dict[str, set[int]] = defaultdict(set)
    for item in above:
        seen[item.alert.subject].update(item.alert.transactions)
    return above + _below(grid, chain, line, seen)


def _from_loose_to_strict(grid: Grid) -> list[Point]:
    others = grid.current.at[1:]
    points = [point for point in grid.points if point.at[1:] == others]
    return points if len(points[0].alerts) >= len(points[-1].alerts) else points[::-1]


def _above(grid: Grid, chain: Sequence[Point], line: int) -> list[Item]:
    left, found = list(grid.current.alerts), []
    for steps, number in enumerate(range(line + 1, len(chain)), 1):
        matched = match(left, chain[number].alerts, within=subject_alone)
        band = _band(grid, chain[number - 1], chain[number])
        found += [Item(ABOVE, band, steps, left[index]) for index in matched.lost]
        left = [left[index] for index, _ in matched.same]
    last = f"beyond {grid.axes[0].shown(chain[-1].at[0])}"
    return found + [Item(ABOVE, last, len(chain) - line, alert) for alert in left]


def _below(grid: Grid, chain: Sequence[Point], line: int, seen: dict[str, set[int]]) -> list[Item]:
    found = []
    for steps, number in enumerate(range(line - 1, -1, -1), 1):
        loose = chain[number].alerts
        band = _band(grid, chain[number], chain[number + 1])
        for index in match(loose, chain[number + 1].alerts, within=subject_alone).lost:
            alert = loose[index]
            if seen[alert.subject].isdisjoint(alert.transactions):
                seen[alert.subject].update(alert.transactions)
                found.append(Item(BELOW, band, steps, alert))
    return found


def _band(grid: Grid, one: Point, other: Point) -> str:
    low, high = sorted((one.at[0], other.at[0]))
    return f"{grid.axes[0].shown(low)} to {grid.axes[0].shown(high)}"


def draw(
    items: Sequence[Item], *, seed: int, size: int | None = None, tolerable: float = 0.05, confidence: float = 0.95
) -> Sample:
    """A sample of each side, stratified, in an order that tells nothing. The same seed draws the same.

    Args:
        items: The population.
        seed: Any number; it is printed with the result.
        size: Items of each side; without it, as many as prove a share below ``tolerable`` when none is found.
        tolerable: The share of productive items below the line that may be missed.
        confidence: Of that proof.
    """
    chosen: list[Item] = []
    strata: dict[tuple[str, int, str, str], tuple[int, int]] = {}
    for side in (ABOVE, BELOW):
        mine = [item for item in items if item.side == side]
        wanted = size if size is not None else sample_size(
            tolerable=tolerable, confidence=confidence, population=len(mine)
        )  # fmt: skip
        sizes = Counter(item.stratum for item in mine)
        shares = allocate(sizes, min(wanted, len(mine)))
        for stratum in sorted(sizes):
            members = sorted((item for item in mine if item.stratum == stratum), key=_order)
            chosen += Random(f"{seed} {stratum}").sample(members, shares[stratum])
            strata[stratum] = (sizes[stratum], shares[stratum])
    Random(f"{seed} order").shuffle(chosen)
    return Sample(tuple(chosen), strata)


def _order(item: Item) -> tuple[int, str, str]:
    return item.alert.position, item.alert.subject, item.alert.leg_role


Key = TypeVar("Key", bound=tuple[object, ...])


def allocate(sizes: Mapping[Key, int], total: int) -> dict[Key, int]:
    """Shares of a total by size, whole numbers by largest remainder; each at least 1 where the total allows.

    >>> allocate({("a",): 90, ("b",): 9, ("c",): 1}, 10)
    {('a',): 8, ('b',): 1, ('c',): 1}
    """
    keys = sorted(sizes, key=lambda key: (-sizes[key], repr(key)))
    shares = dict.fromkeys(keys, 0)
    for key in keys[:total]:
        shares[key] = 1
    left = total - sum(shares.values())
    everything = sum(sizes.values())
    wishes = {key: max(0.0, total * sizes[key] / everything - 1) if everything else 0.0 for key in keys}
    room = sum(wishes.values())
    for key in keys:
        shares[key] += min(int(left * wishes[key] / room) if room else 0, sizes[key] - shares[key])
    # What rounding left goes to where the most is missing.
    for _ in range(total - sum(shares.values())):
        open_keys = [key for key in keys if shares[key] < sizes[key]]
        shares[max(open_keys, key=lambda key: total * sizes[key] - everything * shares[key])] += 1
    return {key: shares[key] for key in sizes}
