"""What models cost per payment on one core, and half-space trees against river's at equal size in the same run.

    python -m tests.bench.model_costs [--rows 200000] [--out models.json]

All models score and learn the same stream in turns, a batch of 2,000 rows each, so that other work on the machine meets
all alike; the figures are the least and the median over batches of the second half, by processor time, and how many
times as long river's half-space trees take a row in the same run. The trees of that comparison are river's own, so both
do the same work; the bench fails if their scores differ in a bit, or if ours are less than 20 times as fast.
"""

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, Protocol

import numpy as np
from river import anomaly

from models.bursts import Bursts
from models.combination import Combination
from models.contract import Columns, Family, Input, Scores
from models.ensemble import payment_ensemble
from models.half_space_trees import HalfSpaceTrees
from models.new_edges import NewEdges
from models.own_past import OwnPast
from models.peers import Peers
from models.rare import Rare

BATCH, RIVER_ROWS = 2_000, 3_000
RATIO_MIN = 20.0
FEATURES = tuple(Input(f"feature{number}", family=Family.AMOUNT) for number in range(8))
NAMES = tuple(each.name for each in FEATURES)


class Scoring(Protocol):
    """What is measured."""

    def score_learn_many(self, columns: Columns, *, why: bool = False) -> Scores: ...


def stream(rows: int, *, accounts: int, seed: int) -> dict[str, Any]:
    """Payments among ``accounts``: nine in ten to one of a payer's few usual payees."""
    rng = np.random.default_rng(seed)
    payer = rng.integers(0, accounts, rows)
    usual = (payer * 7 + rng.integers(0, 6, rows)) % accounts
    payee = np.where(rng.random(rows) < 0.9, usual, rng.integers(0, accounts, rows))
    columns: dict[str, Any] = {
        "key": payer,
        "payer": payer,
        "payee": payee,
        "counterparty": payee,
        "time_us": 1_700_000_000_000_000 + np.cumsum(rng.integers(0, 6_000_000, rows)),
        "amount_log": 5.0 + payer % 5 + 0.5 * rng.standard_normal(rows),
        "channel": (payer + rng.integers(0, 2, rows)) % 5,
        "corridor": payer % 11,
        "device": payer,
        "segment": 1 + payer % 4,
    }
    return columns | {name: rng.standard_normal(rows) for name in NAMES}


def nanoseconds(models: dict[str, Scoring], columns: Columns, rows: int) -> dict[str, list[float]]:
    """Processor time per row of scoring and learning, by batch of the second half of the stream, in turns."""
    spent: dict[str, list[float]] = {name: [] for name in models}
    for start in range(0, rows - BATCH + 1, BATCH):
        batch = {name: column[start : start + BATCH] for name, column in columns.items()}
        for name, model in models.items():
            began = time.thread_time_ns()
            model.score_learn_many(batch)
            if start >= rows // 2:
                spent[name].append((time.thread_time_ns() - began) / BATCH)
    return spent


def heap_of(trees: list[Any], height: int) -> tuple[Any, Any]:
    """Features and thresholds of river's trees, in heap order."""
    feature, threshold = (np.zeros((len(trees), 2**height - 1), kind) for kind in (np.int32, np.float64))
    for number, tree in enumerate(trees):
        nodes = [(0, tree)]
        while nodes:
            at, node = nodes.pop()
            if at < feature.shape[1]:
                feature[number, at], threshold[number, at] = NAMES.index(node.feature), node.threshold
                nodes += [(2 * at + 1, node.children[0]), (2 * at + 2, node.children[1])]
    return feature, threshold


def against_river(*, trees: int = 10, height: int = 8, window: int = 250) -> dict[str, Any]:
    """Ours and river's half-space trees, the same trees over the same rows, scored and learned."""
    rng = np.random.default_rng(5)
    x = np.clip(rng.normal(0.5, 0.15, (RIVER_ROWS, len(NAMES))), 0, 1)
    rows = [dict(zip(NAMES, row, strict=True)) for row in x.tolist()]

    def made() -> Any:
        return anomaly.HalfSpaceTrees(n_trees=trees, height=height, window_size=window, seed=3)

    planted, river = made(), made()
    planted.learn_one(rows[0])
    ours = HalfSpaceTrees.with_trees(FEATURES, *heap_of(planted.trees, height), window=window)
    columns = {name: np.ascontiguousarray(x[:, number]) for number, name in enumerate(NAMES)}
    empty = ours.state()
    ours.score_learn_many(columns)
    figures = []
    for _ in range(5):
        ours.restore(empty)
        began = time.process_time_ns()
        scores = ours.score_learn_many(columns)
        figures.append((time.process_time_ns() - began) / RIVER_ROWS)
    expected = []
    began = time.process_time_ns()
    for row in rows:
        expected.append(river.score_one(row))
        river.learn_one(row)
    rivers = (time.process_time_ns() - began) / RIVER_ROWS
    return {
        "trees": trees, "height": height, "window": window, "ours_ns": round(median(figures)), "river_ns":
        round(rivers), "ratio": round(rivers / median(figures), 1), "scores_equal": scores.values[window:].tolist() ==
        expected[window:] and bool(scores.ready[window:].all()),
    }  # fmt: skip


def cases(columns: Columns) -> dict[str, Callable[[], Scoring]]:
    """The models by name, with the snapshots in force that they need."""
    signals = tuple(Input(name, family=Family.FLOW) for name in NAMES[:6])
    peers, combination = Peers(FEATURES), Combination(signals, (2.0, 1.0, 1.0, 1.0, 1.0, 1.0))
    for model in (peers, combination):
        model.learn_many({name: column[:20_000] for name, column in columns.items()})
    quantiles, tails = peers.publish(), combination.publish()

    def with_snapshot(model: Any, snapshot: Any) -> Scoring:
        model.use(snapshot)
        made: Scoring = model
        return made

    return {
        "new-edges": NewEdges,
        "own-past": OwnPast,
        "rare": Rare,
        "bursts": Bursts,
        "peers": lambda: with_snapshot(Peers(FEATURES), quantiles),
        "half-space-trees": lambda: with_snapshot(HalfSpaceTrees(FEATURES), quantiles),
        "combination": lambda: with_snapshot(Combination(signals, (2.0, 1.0, 1.0, 1.0, 1.0, 1.0)), tails),
        "payment ensemble": lambda: payment_ensemble(segments=5),
    }


def measure(rows: int, *, accounts: int = 20_000) -> dict[str, Any]:
    """The figures, as the cards take them."""
    columns = stream(rows, accounts=accounts, seed=7)
    spent = nanoseconds({name: make() for name, make in cases(columns).items()}, columns, rows)
    trees = against_river()
    return {
        "rows": rows,
        "accounts": accounts,
        "python": platform.python_version(),
        "numba": version("numba"),
        "river": version("river"),
        "ns_per_payment": {name: round(median(each)) for name, each in spent.items()},
        "least_ns_per_payment": {name: round(min(each)) for name, each in spent.items()},
        "rivers_trees_take_times": {name: round(trees["river_ns"] / median(each), 1) for name, each in spent.items()},
        "half_space_trees_against_river": trees,
    }


def main() -> int:
    """Measure, print, keep; the exit status is 1 if scores differ from river's or the ratio misses its floor."""
    parser = argparse.ArgumentParser(description="What models cost per payment.")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    figures = measure(asked.rows)
    for name, cost in figures["ns_per_payment"].items():
        least, times = figures["least_ns_per_payment"][name], figures["rivers_trees_take_times"][name]
        print(f"{name:20} {cost:6} ns a payment, {least} at least; river's trees take {times} times as long")
    trees = figures["half_space_trees_against_river"]
    ours, rivers = trees["ours_ns"], trees["river_ns"]
    print(f"half-space trees at river's size: {ours} ns, river {rivers} ns, {trees['ratio']} times")
    if asked.out:
        asked.out.write_text(json.dumps(figures, indent=1) + "\n")
    if not trees["scores_equal"]:
        print("The scores differ from river's.")
        return 1
    if trees["ratio"] < RATIO_MIN:
        print(f"The ratio is below {RATIO_MIN}.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
