"""Reading labelled streams: CSV files in the canonical or AMLworld columns, and what ``aml simulate`` writes.

Canonical columns: ``tx_id, ts, src, dst, amount, currency, tx_type, is_laundering, typology, case_id``. AMLworld adds
the banks and the received amount, which are not read: banks must not be features, and the paid amount counts. Times
without a zone are UTC. Labels go into the stream, never to a scorer.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from monitor.app.evaluate.building import Columns, build
from monitor.app.evaluate.problem import EvaluateError
from monitor.app.evaluate.reading_simulated import is_simulated, simulated_columns
from monitor.app.evaluate.stream import ROWS_MAX, Stream

CANONICAL = ("tx_id", "ts", "src", "dst", "amount", "currency", "tx_type", "is_laundering", "typology", "case_id")
NOT_READ = ("src_bank", "dst_bank", "amount_received", "currency_received")
PARTY_KEYS = ("node_id", "acct_id", "ACCOUNT_ID", "account", "account_id")
"""Columns of a parties file that may name the account, in the order in which they are looked for."""


def read_stream(place: Path, parties: Path | None = None) -> Stream:
    """The labelled stream at a place: a CSV file, perhaps gzip, or a folder of ``aml simulate``.

    Args:
        place: The file or folder.
        parties: A CSV file with a row per account; accounts that it leaves out are unknown.

    Raises:
        EvaluateError: It is not there, or is no labelled stream.
    """
    if is_simulated(place):
        stream = build(str(place), simulated_columns(place))
    elif place.is_dir():
        raise EvaluateError(
            f"{place}: a folder without labels.csv and transactions. Name a CSV file, or a folder of aml simulate."
        )
    else:
        stream = build(str(place), _columns(place))
    if parties is not None:
        stream.parties = _parties(parties, stream.accounts)
    return stream


def streams_below(folder: Path) -> list[Path]:
    """All labelled streams below a folder: simulated banks, and CSV files with the canonical columns."""
    found = [path.parent for path in sorted(folder.rglob("labels.csv")) if is_simulated(path.parent)]
    for path in sorted([*folder.rglob("*.csv"), *folder.rglob("*.csv.gz")]):
        if path.parent not in found and set(CANONICAL) <= set(header_of(path)):
            found.append(path)
    return found


def passed_over(folder: Path, streams: list[Path]) -> list[Path]:
    """The CSV files below a folder that are neither a stream nor belong to one."""
    belong = {parties_beside(place) for place in streams} | set(streams)
    return [
        path
        for path in sorted([*folder.rglob("*.csv"), *folder.rglob("*.csv.gz")])
        if path not in belong and not any(place in path.parents for place in streams)
    ]


def parties_beside(place: Path) -> Path | None:
    """The parties file that lies beside a stream: ``NAME_parties.csv`` for ``NAME_tx.csv``."""
    other = place.with_name(place.name.replace("_tx.csv", "_parties.csv"))
    return other if other != place and other.exists() else None


def header_of(path: Path) -> list[str]:
    """The names of a CSV file's columns; empty where it cannot be read."""
    try:
        with pa.input_stream(str(path), compression="gzip" if path.suffix == ".gz" else None) as file:
            line = file.read(1 << 16).split(b"\n")[0]
    except (OSError, pa.ArrowInvalid):
        return []
    return str(line, "utf-8", "replace").strip("\r\ufeff").split(",")


def _table(place: Path, wanted: tuple[str, ...] | None) -> pa.Table:
    names = header_of(place)
    options = csv.ConvertOptions(
        column_types={name: pa.string() for name in names},
        strings_can_be_null=False,
        include_columns=list(wanted) if wanted else None,
    )
    try:
        if wanted:
            missing = [name for name in wanted if name not in names]
            if missing and place.exists():
                raise EvaluateError(
                    f"{place}: no column {', '.join(missing)}. A labelled stream has the columns "
                    f"{', '.join(CANONICAL)}."
                )
        return csv.read_csv(place, convert_options=options)
    except OSError as error:
        raise EvaluateError(f"{place}: {error.strerror or error}. Check the path.") from None
    except pa.ArrowInvalid as error:
        raise EvaluateError(f"{place}: no CSV that can be read: {error}. Save it as UTF-8, commas between.") from None


def _columns(place: Path) -> Columns:
    table = _table(place, CANONICAL)
    if len(table) > ROWS_MAX:
        raise EvaluateError(f"{place}: {len(table)} rows, more than {ROWS_MAX}. Take a part of the time.")
    texts: dict[str, pa.ChunkedArray] = {name: table[name] for name in CANONICAL}
    for name in ("tx_id", "src", "dst", "currency"):
        _refuse(place, texts[name], pc.equal(texts[name], ""), name, "is empty", "every row needs one")
    labels = texts["is_laundering"]
    is_bad = pc.invert(pc.is_in(labels, pa.array(["0", "1"])))
    _refuse(place, labels, is_bad, "is_laundering", "is neither 0 nor 1", "write 1 for laundering, 0 for all else")
    stamps = pc.utf8_rtrim(texts["ts"], "Z")
    time_us = _cast(place, stamps, lambda part: part.cast(pa.timestamp("us")).cast(pa.int64()), "ts",
                    "is no time such as 2026-05-04T09:00:00", "times are UTC, without an offset")  # fmt: skip
    amount = _cast(place, texts["amount"], lambda part: part.cast(pa.float64()), "amount", "is no number",
                   "write a plain decimal such as 1250.00")  # fmt: skip
    is_wrong = ~(np.isfinite(amount) & (amount >= 0))
    _refuse(place, texts["amount"], pa.array(is_wrong), "amount", "is below zero or no amount", "write what was paid")
    return Columns(
        ids=texts["tx_id"].to_pylist(),
        time_us=time_us,
        source=texts["src"].to_pylist(),
        target=texts["dst"].to_pylist(),
        amount=amount,
        currency=texts["currency"].to_pylist(),
        kind=texts["tx_type"].to_pylist(),
        is_laundering=np.asarray(pc.equal(labels, "1").to_numpy(), np.bool_),
        typology=texts["typology"].to_pylist(),
        case=texts["case_id"].to_pylist(),
    )


def _cast(
    place: Path, texts: pa.ChunkedArray, convert: Callable[[Any], Any], name: str, fact: str, remedy: str
) -> "np.ndarray[Any, Any]":
    """A column as numbers; the first cell that is none is named."""
    try:
        return np.asarray(convert(texts).to_numpy())
    except pa.ArrowInvalid:
        for row, text in enumerate(texts):
            try:
                convert(pa.chunked_array([pa.array([text.as_py()])]))
            except pa.ArrowInvalid:
                raise EvaluateError(f"{place}:{row + 2}: {name} {text.as_py()!r} {fact}; {remedy}.") from None
        raise


def _refuse(place: Path, texts: pa.ChunkedArray, is_bad: pa.Array, name: str, fact: str, remedy: str) -> None:
    rows = np.flatnonzero(np.asarray(is_bad.to_numpy(zero_copy_only=False) if isinstance(is_bad, pa.Array)
                                     else is_bad.to_numpy()))  # fmt: skip
    if len(rows):
        row = int(rows[0])
        more = f" (and {len(rows) - 1} more)" if len(rows) > 1 else ""
        raise EvaluateError(f"{place}:{row + 2}: {name} {texts[row].as_py()!r} {fact}{more}; {remedy}.")


def _parties(place: Path, accounts: list[str]) -> dict[str, list[str | None]]:
    table = _table(place, None)
    key = next((name for name in PARTY_KEYS if name in table.column_names), None)
    if key is None:
        raise EvaluateError(
            f"{place}: no column names the account. Call it account; also known: {', '.join(PARTY_KEYS)}."
        )
    row_of = {text: row for row, text in enumerate(table[key].to_pylist())}
    at = [row_of.get(account) for account in accounts]
    found = {}
    for name in table.column_names:
        cells = table[name].to_pylist()
        found[name] = [None if row is None else cells[row] or None for row in at]
    return found
