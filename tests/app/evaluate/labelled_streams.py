"""Small labelled streams: licit payments between a few accounts, and planted cases of several typologies."""

import csv
import gzip
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from monitor.app.evaluate.reading import CANONICAL, read_stream
from monitor.app.evaluate.stream import Stream

TYPOLOGIES = ("fan_in", "cycle", "stack")
START = datetime(2025, 3, 1)


@dataclass(frozen=True)
class Plan:
    """How large a stream is."""

    seed: int
    days: int = 60
    accounts: int = 40
    rows: int = 900
    cases: int = 12
    by_day: bool = False


def rows_of(plan: Plan) -> list[dict[str, str]]:
    """The rows in no particular order, ids drawn."""
    generator = np.random.default_rng(plan.seed)
    names = [f"A{number}" for number in generator.permutation(plan.accounts * 3)[: plan.accounts]]
    rows = [_row(plan, generator, names, "", "") for _ in range(plan.rows)]
    for case in range(plan.cases):
        typology = TYPOLOGIES[case % len(TYPOLOGIES)]
        first = float(generator.uniform(0, plan.days - 6))
        for _ in range(int(generator.integers(2, 6))):
            rows.append(_row(plan, generator, names, f"C{case}", typology, first + float(generator.uniform(0, 6))))
    rows += [_row(plan, generator, names, "", "none", bad=True) for _ in range(3)]
    for row, number in zip(rows, generator.permutation(len(rows)).tolist(), strict=True):
        row["tx_id"] = f"T{number}"
    return rows


def _row(plan: Plan, generator: np.random.Generator, names: list[str], case: str, typology: str,
         day: float | None = None, *, bad: bool = False) -> dict[str, str]:  # fmt: skip
    day = float(generator.uniform(0, plan.days)) if day is None else day
    time = START + timedelta(days=int(day) if plan.by_day else day)
    source, target = generator.choice(len(names), 2, replace=False).tolist()
    return {
        "tx_id": "", "ts": time.isoformat(timespec="seconds"), "src": names[source], "dst": names[target],
        "amount": f"{generator.lognormal(5, 1):.2f}", "currency": str(generator.choice(["EUR", "USD"])),
        "tx_type": str(generator.choice(["TRANSFER", "CASH", "DEPOSIT"])), "is_laundering": "1" if case or bad else "0",
        "typology": typology, "case_id": case,
    }  # fmt: skip


def smurfing(day: int, account: str) -> list[dict[str, str]]:
    """Six cash payments of a day into one account, each below 10,000 dollars: rules find these."""
    return [
        {
            "tx_id": f"S{day}-{number}", "ts": (START + timedelta(days=day, hours=8 + number)).isoformat(),
            "src": f"PAYER{number}", "dst": account, "amount": "9500.00", "currency": "USD", "tx_type": "CASH",
            "is_laundering": "0", "typology": "", "case_id": "",
        }
        for number in range(6)
    ]  # fmt: skip


def written(rows: list[dict[str, str]], path: Path) -> Path:
    """A CSV file of rows, gzip where its name says so."""
    with (gzip.open if path.suffix == ".gz" else open)(path, "wt", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else list(CANONICAL))
        writer.writeheader()
        writer.writerows(rows)
    return path


def stream_of(plan: Plan, folder: Path) -> Stream:
    """A stream by way of its file."""
    return read_stream(written(rows_of(plan), folder / f"plan{plan.seed}.csv"))
