"""A small stream of payments as columns, for models of any kind, and a row that none of them should find ordinary."""

from typing import Any

import numpy as np
import numpy.typing as npt

DAY = 86_400_000_000
Stream = dict[str, npt.NDArray[Any]]
FEATURES = ("amount_log", "payments_log", "share_cash")


def stream(rows: int, *, seed: int, keys: int = 40) -> Stream:
    """``rows`` payments of ``keys`` customers over some weeks: each has its own amounts, payees, channels and
    countries.

    The first half of the customers are of segment 1, with small amounts; the others of segment 2. A few measures and
    codes are unknown.
    """
    rng = np.random.default_rng(seed)
    key = rng.integers(0, keys, rows)
    segment = np.where(key < keys // 2, 1, 2)
    usual = np.where(segment == 1, 4.0, 8.0) + (key % 5) * 0.2
    payments = rng.gamma(2.0, 1.0, rows) + segment
    columns: Stream = {
        "key": key.astype(np.int64),
        "segment": segment.astype(np.int64),
        "time_us": np.cumsum(rng.integers(1, 2 * 45 * DAY // rows, rows)).astype(np.int64) + 1_700_000_000_000_000,
        "counterparty": (1000 + key * 10 + rng.integers(0, 6, rows)).astype(np.int64),
        "channel": (key % 3 + rng.integers(0, 2, rows)).astype(np.int64),
        "corridor": (key % 7 + (rng.random(rows) < 0.02) * 7).astype(np.int64),
        "device": (key * 2 + rng.integers(0, 2, rows)).astype(np.int64),
        "payer": key.astype(np.int64),
        "payee": (keys + key * 2 + rng.integers(0, 5, rows)).astype(np.int64),
        "amount_log": usual + 0.4 * rng.standard_normal(rows),
        "payments_log": np.log(payments),
        "share_cash": np.clip(0.1 + 0.05 * rng.standard_normal(rows), 0, 1),
    }
    for name in ("amount_log", "share_cash"):
        columns[name][rng.random(rows) < 0.01] = np.nan
    for name in ("device", "corridor"):
        columns[name][rng.random(rows) < 0.01] = -1
    return columns


def strange_row(columns: Stream) -> Stream:
    """One more payment right after the last, by its customer: unusual in every respect."""
    row = part(columns, slice(-1, None))
    stranger = np.array([int(max(columns["payer"].max(), columns["payee"].max())) + 1])
    row |= {
        "payer": stranger,
        "payee": row["payer"],
        "time_us": row["time_us"] + 1,
        "amount_log": np.array([14.0]),
        "payments_log": np.array([6.0]),
        "share_cash": np.array([1.0]),
        "counterparty": np.array([9_999_999]),
        "channel": np.array([6]),
        "corridor": np.array([77]),
        "device": np.array([888_888]),
    }
    return row


def part(columns: Stream, rows: slice) -> Stream:
    """The columns of some rows."""
    return {name: column[rows].copy() for name, column in columns.items()}


def row_at(columns: Stream, i: int) -> dict[str, Any]:
    """One row as river takes it; unknown values are left out."""
    row = {name: column[i].item() for name, column in columns.items()}
    return {name: value for name, value in row.items() if value == value}
