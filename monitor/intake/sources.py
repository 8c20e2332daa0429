"""Opening a source: which reader and which decoder belong to a file or to standard input.

Parquet and gzip are recognised by their first bytes. Text is JSON lines, CSV or XML by the name's ending, otherwise by
its first character: ``{`` begins a JSON record, ``<`` a message of ISO 20022. Standard input is JSON lines unless
``--format`` or ``--mapping`` says otherwise; a stream that begins as a table stops the run. A mapping and the layouts
of tables name columns, so they read tables only.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from monitor.intake.identifiers import IdentifierTable
from monitor.intake.iso20022.decoding import MessageDecoder
from monitor.intake.iso20022.reading import MessageReader
from monitor.intake.jsonl import JsonLinesDecoder
from monitor.intake.layouts import LAYOUTS, MESSAGE_LAYOUTS
from monitor.intake.lines import CHUNK_BYTES, STANDARD_INPUT, _expanded, _from_descriptor, read_lines
from monitor.intake.mapping import Mapping, MappingError
from monitor.intake.records import DecodedChunk, RecordChunk, SourcePosition
from monitor.intake.table_readers import CsvReader, ParquetReader
from monitor.intake.tabular import TableDecoder

_PARQUET = b"PAR1"
_JSON_ENDINGS = (".jsonl", ".ndjson", ".json")
_CSV_ENDINGS = (".csv", ".tsv")
_XML_ENDING = ".xml"
_XML_STARTS = (b"<", b"\xff\xfe", b"\xfe\xff", b"\0<")


class Decoder(Protocol):
    """Turns chunks into batches."""

    def decode(self, chunk: RecordChunk, *, first_position: int) -> DecodedChunk:
        """The records of a chunk; every one is accepted or refused."""


@dataclass(frozen=True, slots=True)
class Source:
    """``chunks(start)`` reads from a position on; ``decoder`` understands what it gives."""

    name: str
    chunks: Callable[[SourcePosition], Iterator[RecordChunk]]
    decoder: Decoder


def open_source(
    path: Path | str,
    *,
    identifiers: IdentifierTable,
    entities: frozenset[str] | None,
    default_entity: str | None,
    layout: str | None = None,
    mapping: Mapping | None = None,
    zone: str = "UTC",
    standard_input: int = 0,
) -> Source:
    """The reader and decoder of a file, or of standard input for ``-``.

    Args:
        path: JSON lines, CSV, ISO 20022 (all three also as gzip) or Parquet; ``-`` for standard input.
        identifiers: Codes of the run.
        entities: Booking entities that exist; ``None`` allows any.
        default_entity: The entity of records that name none.
        layout: A word of ``--format``.
        mapping: A bank's own mapping; not together with ``layout``.
        zone: Of times in messages of ISO 20022 that name none.
        standard_input: File descriptor that ``-`` stands for.

    Raises:
        MappingError: Format and mapping do not fit the file or each other.
        OSError: The file cannot be read.
    """
    name = str(path)
    formats = (*LAYOUTS, *MESSAGE_LAYOUTS)
    if layout is not None and (layout not in formats or mapping is not None):
        known = f"the formats are {', '.join(formats)}" if layout not in formats else "give --format or --mapping"
        raise MappingError(f"{name}: --format {layout} cannot be used here; {known}.")
    is_table = layout in LAYOUTS or mapping is not None
    kind = "xml" if layout in MESSAGE_LAYOUTS else _kind(name, is_table=is_table)
    if kind == "xml":
        if is_table:
            raise MappingError(f"{name}: --format and --mapping name columns, but the file holds XML. Leave them out.")
        books = MESSAGE_LAYOUTS[layout or "iso20022"]

        def messages(start: SourcePosition) -> Iterator[RecordChunk]:
            yield from MessageReader(read_pieces(path, standard_input), name, zone=zone, books=books).chunks(start)

        messages_of = MessageDecoder(identifiers, entities=entities, default_entity=default_entity)
        return Source(name, messages, messages_of)
    if kind == "json":
        if is_table:
            raise MappingError(
                f"{name}: --format and --mapping name columns, but the file holds JSON lines. Rename the fields where "
                "the file is made, or deliver CSV or Parquet."
            )
        lines = JsonLinesDecoder(identifiers, entities=entities, default_entity=default_entity)

        def records(start: SourcePosition) -> Iterator[RecordChunk]:
            found = read_lines(path, start=start, standard_input=standard_input)
            yield from _no_table(found) if name == STANDARD_INPUT else found

        return Source(name, records, lines)
    tables = TableDecoder(identifiers, entities=entities, default_entity=default_entity, mapping=mapping, layout=layout)
    if kind == "parquet":
        return Source(name, ParquetReader(Path(path)).chunks, tables)
    delimiter = mapping.delimiter if mapping is not None else "\t" if ".tsv" in name.lower() else ","

    def chunks(start: SourcePosition) -> Iterator[RecordChunk]:
        yield from CsvReader(read_pieces(path, standard_input), name, delimiter=delimiter).chunks(start)

    return Source(name, chunks, tables)


def _no_table(chunks: Iterator[RecordChunk]) -> Iterator[RecordChunk]:
    """The chunks of standard input, which has no name to tell what it is: a table is not read as lines of JSON.

    Raises:
        MappingError: The stream begins as CSV or Parquet.
    """
    for chunk in chunks:
        if chunk.start.offset == 0 and chunk.lines:
            header = chunk.lines.split(b"\n", 1)[0]
            if header.startswith(_PARQUET):
                raise MappingError("-: Parquet cannot be read from standard input. Name the file instead.")
            if b"transaction_id" in header and b"{" not in header and b":" not in header:
                raise MappingError(
                    "-: standard input begins with a header as CSV has one. Name its columns with --mapping, or give a "
                    "file whose name ends in .csv."
                )
        yield chunk


def read_pieces(path: Path | str, standard_input: int = 0) -> Iterator[bytes]:
    """The bytes of a file or of standard input, after decompression, in pieces."""
    if str(path) == STANDARD_INPUT:
        yield from _expanded("-", _from_descriptor(standard_input, CHUNK_BYTES), CHUNK_BYTES)
        return
    with open(path, "rb", buffering=0) as file:
        yield from _expanded(str(path), iter(lambda: file.read(CHUNK_BYTES), b""), CHUNK_BYTES)


def _kind(name: str, *, is_table: bool) -> str:
    """``json``, ``csv``, ``xml`` or ``parquet``. Standard input is JSON lines, or CSV if columns are named."""
    if name == STANDARD_INPUT:
        return "csv" if is_table else "json"
    with open(name, "rb") as file:
        if file.read(len(_PARQUET)) == _PARQUET:
            return "parquet"
    bare = name.lower().removesuffix(".gz")
    if bare.endswith(_JSON_ENDINGS):
        return "json"
    if bare.endswith(_CSV_ENDINGS):
        return "csv"
    if bare.endswith(_XML_ENDING):
        return "xml"
    first = next(read_pieces(name), b"").removeprefix(b"\xef\xbb\xbf").lstrip()
    if first.startswith(_XML_STARTS):
        return "xml"
    return "json" if first.startswith(b"{") or not first else "csv"
