"""Readers of tables: CSV as it streams in, Parquet by row groups.

**CSV.** The bytes are divided into records first (a newline within quotes belongs to its record), so each row keeps
its exact bytes and its number; then Arrow takes a block of records apart, every cell as text. A record with another
number of cells than the header is a row of nulls with a fault: it is refused with its bytes, never dropped. A quote
that is not closed within 64 KiB ends at the end of its line. A block in which a quote opens within a cell, and one on
which Arrow and the division disagree, is taken apart record by record. An empty cell is null.

Positions are rows from 0, not counting the header and blank lines.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from monitor.intake.json_scan import RECORD_BYTES_MAX
from monitor.intake.records import RecordChunk, SourcePosition

LINE_BYTES_MAX = 1 << 26
"""A CSV file without a line end for so long is none."""
PARQUET_ROWS = 16_384
"""Rows of Parquet handed on together."""
_QUOTE, _NEWLINE = 0x22, 0x0A


class TableFormatError(Exception):
    """The file is no table that can be read; the message says where, what, why and what to do."""


class CsvReader:
    """Chunks of a CSV file with a header line.

    >>> pieces = [b'a,b\\n1,"x, y"\\n2\\n']
    >>> (chunk,) = CsvReader(pieces, "in.csv").chunks(SourcePosition(0, 0))
    >>> chunk.table.to_pylist(), chunk.faults, chunk.originals.to_pylist()
    ([{'a': '1', 'b': 'x, y'}, {'a': None, 'b': None}], {1: '1 cells, the header has 2'}, [b'1,"x, y"', b'2'])
    """

    def __init__(self, pieces: Iterable[bytes], name: str, *, delimiter: str = ",") -> None:
        """``pieces`` are the bytes of the file, cut anywhere; they are read once."""
        self._pieces, self._name, self._delimiter = pieces, name, delimiter

    def chunks(self, start: SourcePosition) -> Iterator[RecordChunk]:
        """Chunks from row ``start.offset`` on.

        Raises:
            TableFormatError: The file has no header.
        """
        header, names, row = b"", list[str](), 0
        for block, ends in self._blocks():
            records = _records(block, ends)
            if not names and len(records):
                header = block[records[0][0] : records[0][1]].removeprefix(b"\xef\xbb\xbf")
                names = _column_names(header, self._delimiter)
                records = records[1:]
            skip = min(max(start.offset - row, 0), len(records))
            first, row = row + skip, row + len(records)
            if skip < len(records):
                yield self._chunk(block, records[skip:], names, header, SourcePosition(start.file, first))
        if not names:
            raise TableFormatError(f"{self._name}: the file is empty; a CSV file begins with a line of column names.")

    def _blocks(self) -> Iterator[tuple[bytes, npt.NDArray[np.int64]]]:
        """Blocks of whole records, with the place behind each record's newline."""
        rest = b""
        for piece in self._pieces:
            block = rest + piece
            ends = _record_ends(block, is_over=False)
            used = int(ends[-1]) if len(ends) else 0
            rest = block[used:]
            if len(rest) > LINE_BYTES_MAX:
                raise TableFormatError(f"{self._name}: no line end within {LINE_BYTES_MAX} bytes. Is it a CSV file?")
            if used:
                yield block[:used], ends
        if rest:
            yield rest, _record_ends(rest, is_over=True)

    def _chunk(
        self, block: bytes, records: npt.NDArray[np.int64], names: list[str], header: bytes, start: SourcePosition
    ) -> RecordChunk:
        body = block[records[0][0] : records[-1][2]]
        records = records - records[0][0]
        table, faults = _parsed(body, records, names, self._delimiter)
        return RecordChunk(
            self._name,
            start,
            SourcePosition(start.file, start.offset + len(records)),
            start.offset + 1,
            table=table,
            originals=pa.array([body[first:stop] for first, stop, _ in records.tolist()], pa.binary()),
            header=header,
            faults=faults,
        )


class ParquetReader:
    """Chunks of a Parquet file."""

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            TableFormatError: It is no Parquet file.
        """
        self._path = path
        try:
            self._file = pq.ParquetFile(path)
        except pa.ArrowInvalid as error:
            raise TableFormatError(f"{path}: no Parquet file: {error}. Was it copied in full?") from error

    def chunks(self, start: SourcePosition) -> Iterator[RecordChunk]:
        """Chunks from row ``start.offset`` on."""
        row = 0
        for group in range(self._file.num_row_groups):
            rows = self._file.metadata.row_group(group).num_rows
            if row + rows <= start.offset:
                row += rows
                continue
            for batch in self._file.iter_batches(PARQUET_ROWS, row_groups=[group]):
                skip = min(max(start.offset - row, 0), len(batch))
                first, row = row + skip, row + len(batch)
                if skip < len(batch):
                    yield RecordChunk(
                        str(self._path),
                        SourcePosition(start.file, first),
                        SourcePosition(start.file, row),
                        first + 1,
                        table=pa.Table.from_batches([batch.slice(skip)]),
                    )


def _record_ends(block: bytes, *, is_over: bool) -> npt.NDArray[np.int64]:
    """The place behind each whole record of a block that begins with a record.

    A newline within quotes ends no record, unless the record would have more than 64 KiB or would never end:
    then each line of it is one.
    """
    data = np.frombuffer(block, np.uint8)
    newlines = np.flatnonzero(data == _NEWLINE) + 1
    is_quote = data == _QUOTE
    found, start = [np.empty(0, np.int64)], 0
    while start < len(data):
        inside = np.bitwise_xor.accumulate(is_quote[start:].view(np.uint8))
        later = newlines[np.searchsorted(newlines, start, side="right") :]
        ends = later[inside[later - 1 - start] == 0]
        edges = np.concatenate([[start], ends, [len(data)]])
        too_long = np.flatnonzero(np.diff(edges) > RECORD_BYTES_MAX)
        is_open = is_over and len(ends) < len(edges) - 1 and bool(inside[-1])
        if not len(too_long) and not is_open:
            found.append(ends)
            break
        first = int(too_long[0]) if len(too_long) else len(edges) - 2
        lines = later[(later > edges[first]) & (later <= edges[first] + RECORD_BYTES_MAX)]
        found += [ends[:first], lines]
        if not len(lines):
            found.append(ends[first:])
            break
        start = int(lines[-1])
    all_ends = np.concatenate(found)
    if is_over and (not len(all_ends) or all_ends[-1] < len(data)):
        all_ends = np.append(all_ends, len(data))
    return all_ends.astype(np.int64)


def _records(block: bytes, ends: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Start, end without the line's end, and end of each record that is not blank, shape (n, 3)."""
    data = np.frombuffer(block, np.uint8)
    starts = np.concatenate([[0], ends[:-1]]).astype(np.int64)
    stops = ends - (data[ends - 1] == _NEWLINE)
    stops = stops - ((stops > starts) & (data[np.maximum(stops - 1, 0)] == 0x0D))
    records = np.stack([starts, stops, ends], axis=1)
    return np.asarray(records[stops > starts], np.int64)


def _column_names(header: bytes, delimiter: str) -> list[str]:
    """The names of the columns; a name that comes again gets ``.1``, ``.2`` and so on."""
    names: list[str] = []
    for name in next(csv.reader([header.decode("utf-8", "replace")], delimiter=delimiter), []):
        stripped, again = name.strip(), 1
        unique = stripped
        while unique in names:
            unique, again = f"{stripped}.{again}", again + 1
        names.append(unique)
    return names


def _parsed(
    body: bytes, records: npt.NDArray[np.int64], names: list[str], delimiter: str
) -> tuple[pa.Table, dict[int, str]]:
    if _has_stray_quote(body, records, delimiter):
        return _parsed_slowly(body, records, names, delimiter)
    faults: dict[int, str] = {}

    def note(invalid: pa_csv.InvalidRow) -> str:
        faults[invalid.number - 1] = f"{invalid.actual_columns} cells, the header has {invalid.expected_columns}"
        return "skip"

    try:
        # Arrow cannot hand an invalid row that is no UTF-8 to Python.
        body.decode()
        table = pa_csv.read_csv(
            pa.BufferReader(body),
            read_options=pa_csv.ReadOptions(column_names=names, use_threads=False, block_size=len(body) + 1),
            parse_options=pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=note),
            convert_options=pa_csv.ConvertOptions(
                check_utf8=False,
                column_types=dict.fromkeys(names, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
    except (pa.ArrowInvalid, UnicodeDecodeError):
        table = None
    if table is None or len(table) + len(faults) != len(records):
        return _parsed_slowly(body, records, names, delimiter)
    return (_spread(table, faults, len(records)) if faults else table), faults


def _has_stray_quote(body: bytes, records: npt.NDArray[np.int64], delimiter: str) -> bool:
    """Whether a quote opens within a cell: there Arrow and the division can disagree, and yet count alike."""
    if b'"' not in body:
        return False
    data, starts = np.frombuffer(body, np.uint8), records[:, 0]
    quotes = np.flatnonzero(data == _QUOTE)
    record = np.searchsorted(starts, quotes, side="right") - 1
    is_opening = (np.arange(len(quotes)) - np.searchsorted(quotes, starts)[record]) % 2 == 0
    before = data[np.maximum(quotes - 1, 0)]
    begins_cell = (quotes == starts[record]) | (before == ord(delimiter)) | (before == _QUOTE)
    return bool((is_opening & ~begins_cell).any())


def _spread(table: pa.Table, faults: dict[int, str], rows: int) -> pa.Table:
    """The table with a row of nulls for each fault."""
    is_whole = np.ones(rows, bool)
    is_whole[list(faults)] = False
    return table.take(pa.array(np.where(is_whole, np.cumsum(is_whole) - 1, 0), mask=~is_whole))


def _parsed_slowly(
    body: bytes, records: npt.NDArray[np.int64], names: list[str], delimiter: str
) -> tuple[pa.Table, dict[int, str]]:
    rows: list[list[bytes | None]] = []
    faults: dict[int, str] = {}
    for start, stop, _ in records.tolist():
        # Latin-1 gives each byte a character, so any bytes pass through the parser unchanged.
        text = body[start:stop].decode("latin-1")
        try:
            parsed = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
        except csv.Error as error:
            parsed, faults[len(rows)] = [], str(error)
        cells = parsed[0] if len(parsed) == 1 else []
        if len(cells) != len(names):
            faults.setdefault(len(rows), f"{len(cells)} cells, the header has {len(names)}")
            cells = [""] * len(names)
        rows.append([cell.encode("latin-1") or None for cell in cells])
    columns = [pa.array([row[index] for row in rows], pa.binary()).view(pa.string()) for index in range(len(names))]
    return pa.Table.from_arrays(columns, names=names), faults
