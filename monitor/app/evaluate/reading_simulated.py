"""Reading what ``aml simulate`` wrote as a labelled stream.

A side is the customer where it is ours, else the account; a side without either is nobody and has no account-day.
Records that moved no money, took money back or came a second time are left out: rules see them, figures do not.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow.parquet as pq

from monitor.app.evaluate.building import Columns
from monitor.app.evaluate.problem import EvaluateError
from monitor.domain.time import parse_time_us

COMMON_CURRENCY = "USD"
_FIELDS = ("transaction_id", "booked_at", "debtor_customer", "debtor_account", "creditor_customer",
           "creditor_account", "amount", "currency", "channel", "status")  # fmt: skip


def is_simulated(place: Path) -> bool:
    """Whether a folder holds a simulated bank."""
    return place.is_dir() and (place / "labels.csv").exists() and transactions_in(place) is not None


def transactions_in(folder: Path) -> Path | None:
    """The file of payments in a simulated bank."""
    files = (folder / "transactions.jsonl", folder / "transactions.parquet")
    return next((path for path in files if path.exists()), None)


def simulated_columns(folder: Path) -> Columns:
    """The booked payments with their labels, in order of arrival.

    Raises:
        EvaluateError: A file of the folder is missing or does not fit the others.
    """
    place = transactions_in(folder)
    assert place is not None
    labels = _labels(folder / "labels.csv")
    rows: dict[str, tuple[Any, ...]] = {}
    left_out = 0
    for record in _records(place):
        if record[9] not in (None, "booked") or record[0] in rows:
            left_out += 1
        else:
            rows[record[0]] = record
    stray = labels.keys() - rows.keys()
    if len(stray) == len(labels):
        raise EvaluateError(f"{folder}: no label names a payment of {place.name}. The files are of different banks.")
    kept = list(rows.values())
    of = [labels.get(record[0]) for record in kept]
    return Columns(
        ids=[record[0] for record in kept],
        time_us=np.array(
            [parse_time_us(record[1]) if isinstance(record[1], str) else record[1] for record in kept], np.int64
        ),
        source=[record[2] or record[3] or "" for record in kept],
        target=[record[4] or record[5] or "" for record in kept],
        amount=np.array([float(record[6]) for record in kept]),
        currency=[record[7] for record in kept],
        kind=[record[8] or "" for record in kept],
        is_laundering=np.array([label is not None for label in of], np.bool_),
        typology=[label[0] if label else "" for label in of],
        case=[label[1] if label else "" for label in of],
        rates=_rates(folder / "rates.csv"),
        common_currency=COMMON_CURRENCY,
        notes=[f"{left_out} records that moved no money, took it back or came twice are left out of the figures"],
    )


def _labels(path: Path) -> dict[str, tuple[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return {row["transaction_id"]: (row["typology"], row["case_id"]) for row in csv.DictReader(file)}


def _records(place: Path) -> Iterator[tuple[Any, ...]]:
    if place.suffix == ".parquet":
        file = pq.ParquetFile(place)
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=list(_FIELDS))
            columns = [table[name] for name in _FIELDS]
            columns[1] = columns[1].cast("int64")
            yield from zip(*(column.to_pylist() for column in columns), strict=True)
        return
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    with place.open("rb") as lines:
        for line in lines:
            record = decode(line)
            yield tuple(record.get(name) for name in _FIELDS)


def _rates(path: Path) -> dict[str, float]:
    """The first published rate of each currency into dollars: known before any payment."""
    found = {COMMON_CURRENCY: 1.0}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["target"] == COMMON_CURRENCY:
                found.setdefault(row["source"], float(row["rate"]))
    return found
