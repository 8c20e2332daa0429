"""Tables to batches: CSV, Parquet and Arrow mean what the same record means in JSON.

The cells of a chunk become texts of fields (:mod:`monitor.intake.cells`), the texts become JSON lines
(:mod:`monitor.intake.json_write`), and the one decoder judges them. So a payment delivered as CSV, as Parquet or as
JSON has one id, one digest and one reason of refusal. An empty cell of a CSV file is "not known"; an
empty text in Parquet is an empty text, as in JSON.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import replace

from monitor.domain.refusal import Reason, Refusal
from monitor.intake.cells import as_text, field_texts
from monitor.intake.identifiers import IdentifierTable
from monitor.intake.json_scan import RECORD_BYTES_MAX
from monitor.intake.json_write import json_lines
from monitor.intake.jsonl import JsonLinesDecoder
from monitor.intake.layouts import LAYOUTS, layout_for
from monitor.intake.mapping import Mapping, MappingError, check_columns, identity_mapping
from monitor.intake.record_fields import FIELDS
from monitor.intake.records import DecodedChunk, RecordChunk


class TableDecoder:
    """Turns chunks of tables into batches.

    >>> import pyarrow as pa
    >>> from monitor.intake.records import SourcePosition
    >>> decoder = TableDecoder(IdentifierTable(b"k" * 32), entities=None, default_entity="HQ")
    >>> table = pa.table({"transaction_id": ["T1"], "booked_at": ["2026-05-04T09:00:00Z"], "amount": ["12.5"],
    ...                   "currency": ["EUR"], "debtor_customer": ["C1"]})
    >>> start = SourcePosition(0, 0)
    >>> decoder.decode(RecordChunk("a.csv", start, start, 1, table=table), first_position=0).batch.amount_minor.tolist()
    [1250]
    """

    def __init__(
        self,
        identifiers: IdentifierTable,
        *,
        entities: frozenset[str] | None,
        default_entity: str | None,
        accounts_are_ours: bool = False,
        mapping: Mapping | None = None,
        layout: str | None = None,
    ) -> None:
        """As :class:`JsonLinesDecoder`; ``mapping`` or a word of ``LAYOUTS`` says what the columns are.

        Without either, the columns are the fields. A mapping with ``subject: account`` and every layout make the
        accounts the bank's own.

        Raises:
            ValueError: The default entity is not among the entities.
        """
        is_account = layout is not None or (mapping is not None and mapping.subject == "account")
        self._mapping, self._layout = mapping, layout
        self._lines = JsonLinesDecoder(
            identifiers,
            entities=entities,
            default_entity=default_entity,
            accounts_are_ours=accounts_are_ours or is_account,
        )

    def decode(self, chunk: RecordChunk, *, first_position: int) -> DecodedChunk:
        """The records of a chunk with ``table`` set; every row is accepted or refused.

        Raises:
            MappingError: The table has a column that is neither read nor dropped, or lacks one that is read.
        """
        if chunk.table is None:
            raise ValueError(f"{chunk.name}: a table is expected, this chunk has lines")
        columns = chunk.table.column_names
        mapping = self._mapping_of(columns, chunk.name)
        lines = json_lines(field_texts(chunk.table, mapping, first_record=chunk.first_record))
        as_lines = replace(chunk, lines=lines, table=None, originals=None, faults={})
        decoded = self._lines.decode(as_lines, first_position=first_position)
        if not decoded.refusals:
            return decoded
        refusals = [self._refusal(chunk, refusal, first_position) for refusal in decoded.refusals]
        return replace(decoded, refusals=refusals)

    def _mapping_of(self, columns: list[str], file: str) -> Mapping:
        if self._mapping is None and self._layout is None and not set(columns) <= set(FIELDS):
            fitting = [name for name in LAYOUTS if set(layout_for(name, columns).source_columns()) <= set(columns)]
            if fitting:
                raise MappingError(
                    f"{file}: the columns are not those of a transaction, but those of a public layout. "
                    f"Add --format {fitting[0]}."
                )
        mapping = self._mapping or (layout_for(self._layout, columns) if self._layout else identity_mapping(columns))
        check_columns(mapping, columns, file)
        return mapping

    def _refusal(self, chunk: RecordChunk, refusal: Refusal, first_position: int) -> Refusal:
        row = refusal.position - first_position
        original, header = record_bytes(chunk, row)
        fault = chunk.faults.get(row)
        if fault is not None:
            refusal = replace(refusal, reason=Reason.CELLS_DIFFER, detail=fault)
        return replace(refusal, place=_place(chunk, row), original=original, header=header)


def _place(chunk: RecordChunk, row: int) -> str:
    """A row is no line: the header is a line and no row, and a record with quotes may have several lines."""
    return f"{chunk.name} row {chunk.first_record + row}"


_BLANK = b" \t\r"
"""A line of these alone is no record."""


def record_bytes(chunk: RecordChunk, row: int) -> tuple[bytes, bytes]:
    """The original bytes of the record ``row`` (from 0) of a chunk, and the header that belongs in front.

    A row of a Parquet file has no bytes of its own: it is given as a row of CSV with its header, which can be run
    again under the same mapping.
    """
    if chunk.originals is not None:
        return chunk.originals[row].as_py(), chunk.header
    if chunk.table is not None:
        cells = [as_text(column)[0].as_py() for column in chunk.table.slice(row, 1).columns]
        return _csv_line(["" if cell is None else cell for cell in cells]), _csv_line(chunk.table.column_names)
    return _records(chunk)[row][1], b""


def records_at(chunk: RecordChunk, rows: Sequence[int]) -> list[tuple[str, bytes, bytes]]:
    """Place (file, and number of the line or row from 1), original bytes and header of records of a chunk."""
    if chunk.lines is None:
        return [(_place(chunk, row), *record_bytes(chunk, row)) for row in rows]
    records = _records(chunk) if rows else []
    return [(f"{chunk.name}:{chunk.first_record + records[row][0]}", records[row][1], b"") for row in rows]


def _records(chunk: RecordChunk) -> list[tuple[int, bytes]]:
    """The lines that are records, numbered within the chunk; as in :func:`monitor.intake.json_scan.scan_lines`."""
    lines = enumerate((chunk.lines or b"").split(b"\n"))
    return [(n, line) for n, line in lines if line.strip(_BLANK) or len(line) > RECORD_BYTES_MAX]


def _csv_line(cells: list[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue().encode()
