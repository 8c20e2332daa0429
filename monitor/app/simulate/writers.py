"""Writing transactions: JSON lines and Parquet, a block of rows at a time.

Blocks have a fixed number of rows, whatever the number of days that were drawn together, so that the bytes
of both files depend on the rows alone.
"""

from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from monitor.app.simulate import kernels
from monitor.app.simulate.columns import TextColumn, text_columns
from monitor.app.simulate.names import Names, table_of
from monitor.app.simulate.population import Population
from monitor.app.simulate.rows import Rows

BLOCK_ROWS = 1 << 16
LINE_BYTES_MAX = 1_200
STATUS_BOOKED = 0
"""Code of the status that JSON lines leave out, because it is the schema's default."""


class RowWriter(Protocol):
    """Takes blocks of rows in the order of the file."""

    def write(self, rows: Rows) -> None: ...

    def close(self) -> None: ...


class JsonLinesWriter:
    """Writes ``transactions.jsonl``: one object a line, absent fields left out."""

    def __init__(self, path: Path, population: Population, names: Names) -> None:
        self._file = path.open("wb")
        self._population, self._names = population, names
        self._buffer = np.empty(BLOCK_ROWS * LINE_BYTES_MAX // 4, np.uint8)

    def write(self, rows: Rows) -> None:
        """Append ``rows``."""
        columns = text_columns(rows, self._population, self._names)
        names = [column.name for column in columns]
        codes = np.stack([column.codes for column in columns], axis=1)
        status = names.index("status")
        codes[codes[:, status] == STATUS_BOOKED, status] = -1
        labels = table_of(['{"transaction_id":"', '","booked_at":"', '","received_at":"', '","amount":"',
                           '","reverses":"', '"}\n', *(f'","{name}":"' for name in names)])  # fmt: skip
        data, start = tuple(c.table.data for c in columns), tuple(c.table.start for c in columns)
        step = len(self._buffer) // LINE_BYTES_MAX
        for first in range(0, len(rows), step):
            part = slice(first, first + step)
            used = kernels.lines_into(
                self._buffer, rows.number[part], rows.booked_us[part], rows.received_us[part], rows.amount[part],
                rows.reverses[part], codes[part], labels.data, labels.start, data, start, names.index("currency"),
            )  # fmt: skip
            self._file.write(self._buffer[:used].data)

    def close(self) -> None:
        """End the file."""
        self._file.close()


class ParquetWriter:
    """Writes ``transactions.parquet``: times as UTC timestamps, amounts as decimal text, row groups of one block."""

    def __init__(self, path: Path, population: Population, names: Names) -> None:
        self._path, self._population, self._names = path, population, names
        self._writer: pq.ParquetWriter | None = None

    def write(self, rows: Rows) -> None:
        """Append ``rows`` as one row group."""
        table = arrow_table(rows, self._population, self._names)
        if self._writer is None:
            few = [column.name for column in text_columns(rows, self._population, self._names) if not column.is_large]
            self._writer = pq.ParquetWriter(
                self._path, table.schema, compression="snappy", use_dictionary=few, store_schema=False,
                write_statistics=["booked_at", "received_at"], version="2.6",
            )  # fmt: skip
        self._writer.write_table(table, row_group_size=BLOCK_ROWS)

    def close(self) -> None:
        """End the file."""
        if self._writer is not None:
            self._writer.close()


def arrow_table(rows: Rows, population: Population, names: Names) -> pa.Table:
    """Rows as a table with the published field names in the published order."""
    columns = text_columns(rows, population, names)
    found: dict[str, pa.Array] = {
        "transaction_id": _ids(rows.number),
        "booked_at": pa.array(rows.booked_us).cast(pa.timestamp("us", "UTC")),
        "received_at": pa.array(rows.received_us).cast(pa.timestamp("us", "UTC")),
    }
    for column in columns:
        if column.name == "currency":
            found["amount"] = _amounts(rows.amount)
        found[column.name] = _large(column) if column.is_large else _small(column)
    found["reverses"] = _ids(rows.reverses)
    return pa.table(found)


def _strings(out: npt.NDArray[np.uint8], end: npt.NDArray[np.int32], is_known: npt.NDArray[np.bool_]) -> pa.Array:
    missing = int(len(is_known) - is_known.sum())
    valid = pa.py_buffer(np.packbits(is_known, bitorder="little")) if missing else None
    return pa.StringArray.from_buffers(len(is_known), pa.py_buffer(end), pa.py_buffer(out), valid, missing)


def _ids(number: npt.NDArray[np.int64]) -> pa.Array:
    out, end = np.empty(len(number) * 16, np.uint8), np.zeros(len(number) + 1, np.int32)
    used = kernels.ids_into(out, end, number)
    return _strings(out[:used], end, number >= 0)


def _amounts(minor: npt.NDArray[np.int64]) -> pa.Array:
    out = np.empty(len(minor) * kernels.AMOUNT_BYTES_MAX, np.uint8)
    end = np.zeros(len(minor) + 1, np.int32)
    used = kernels.amounts_into(out, end, minor)
    return _strings(out[:used], end, minor >= 0)


def _large(column: TextColumn) -> pa.Array:
    codes = np.ascontiguousarray(column.codes)
    out, end = np.empty(len(codes) * 16, np.uint8), np.zeros(len(codes) + 1, np.int32)
    used = kernels.texts_into(out, end, codes, column.table.data, column.table.start)
    return _strings(out[:used], end, codes >= 0)


def _small(column: TextColumn) -> pa.Array:
    words = pa.array([column.table.text(code) for code in range(len(column.table))])
    return pa.DictionaryArray.from_arrays(pa.array(column.codes, mask=column.codes < 0), words)
