"""Reads a simulated bank back from its files, without any code of the simulator."""

import csv
import json
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

DOLLARS = {"USD": 1.0, "GBP": 1.295, "NOK": 0.094, "EUR": 1.10}
"""Rough rates, right to 2.5 percent."""
DAY_US = 86_400_000_000


@dataclass
class Bank:
    """The files of a simulation, read."""

    folder: Path
    table: pa.Table
    labels: list[dict[str, str]]
    cases: list[dict[str, str]]
    profiles: list[dict[str, Any]]

    @cached_property
    def columns(self) -> dict[str, np.ndarray]:
        """Text columns as objects (``None`` where absent), times as microseconds."""
        found = {name: np.array(self.table[name].to_pylist(), object) for name in self.table.column_names
                 if not name.endswith("_at")}  # fmt: skip
        for name in ("booked_at", "received_at"):
            found[name] = self.table[name].cast(pa.int64()).to_numpy()
        minor = [int(text.replace(".", "")) for text in found["amount"]]
        found["minor"] = np.array(minor)
        found["dollars"] = np.array(minor) / 100 * np.array([DOLLARS[c] for c in found["currency"]])
        return found

    @cached_property
    def is_case(self) -> np.ndarray:
        """Which rows are labelled."""
        wanted = pa.array([label["transaction_id"] for label in self.labels])
        return pc.is_in(self.table["transaction_id"], value_set=wanted).to_numpy(zero_copy_only=False)

    @cached_property
    def rows_of_case(self) -> dict[str, list[dict[str, Any]]]:
        """Rows of each case by booking time, each once."""
        case_of = {label["transaction_id"]: label["case_id"] for label in self.labels}
        found: dict[str, dict[str, dict[str, Any]]] = {}
        for row in self.table.filter(pa.array(self.is_case)).to_pylist():
            row["dollars"] = float(Decimal(row["amount"])) * DOLLARS[row["currency"]]
            found.setdefault(case_of[row["transaction_id"]], {})[row["transaction_id"]] = row
        return {case: sorted(rows.values(), key=lambda row: row["booked_at"]) for case, rows in found.items()}

    def of(self, typology: str) -> list[list[dict[str, Any]]]:
        """The rows of every case of a typology; there is at least one."""
        found = [self.rows_of_case[case["case_id"]] for case in self.cases if case["typology"] == typology]
        assert found, typology
        return found


def read_bank(folder: Path) -> Bank:
    """Read the Parquet file, labels, cases and profiles."""

    def rows(name: str) -> list[dict[str, str]]:
        with (folder / name).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    with (folder / "profiles.jsonl").open(encoding="utf-8") as file:
        profiles = [json.loads(line) for line in file]
    return Bank(folder, pq.read_table(folder / "transactions.parquet"), rows("labels.csv"), rows("cases.csv"), profiles)
