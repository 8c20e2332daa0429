"""Payments on their way from intake to scoring: the value of a record of kind ``payments`` in topic ``legs``.

A chunk is two Arrow IPC streams, one after the other:

1. *identifiers*: ``token`` (16 bytes), ``kind`` and ``text`` of each identifier that the payments name. The text of
   personal kinds is null: who scores never sees it.
2. *payments*: the columns of :class:`TransactionBatch` but ``position``, with identifiers as rows of (1), ``-1`` for
   none; then ``source_partition`` and ``source_offset``, where the record stands in topic ``transactions``; then
   ``feed`` and ``part`` of payments that are counted where the chunk goes (:class:`FeedRows`), with the names of feeds
   in the metadata.

A column that is unknown in every row may be left out, and ``part`` where it is 0. The number of the format stands in
the metadata of both streams. Identifiers stand in the order of their first occurrence, row by row and within a row in
the order of the columns.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from monitor.domain.feed import FeedRows, is_feed
from monitor.domain.identifiers import PERSONAL_KINDS, TOKEN_BYTES, IdentifierKind
from monitor.domain.time import UNKNOWN
from monitor.domain.transaction import Bytes16, Int16s, Int32s, Int64s, TransactionBatch

KIND = "payments"
FORMAT = 1

_DTYPES: dict[Any, np.dtype[Any]] = {Int16s: np.dtype(np.int16), Int32s: np.dtype(np.int32), Int64s: np.dtype(np.int64)}
COLUMNS: dict[str, np.dtype[Any]] = {
    field.name: _DTYPES[field.type] for field in fields(TransactionBatch) if field.name != "position"
}
"""The columns of a batch that a chunk carries, with their types."""
IDENTIFIERS = tuple(name for name, dtype in COLUMNS.items() if dtype == np.int32)
"""Those that hold identifiers."""
UNKNOWN_OF = {np.dtype(np.int16): -1, np.dtype(np.int32): -1, np.dtype(np.int64): UNKNOWN}
"""What stands in a column where nothing is known."""
HEADERS_MAX = 1_000
"""Most headers that a process keeps; one a set of columns and feeds."""
_SOURCES: dict[str, np.dtype[Any]] = {"source_partition": np.dtype(np.int32), "source_offset": np.dtype(np.int64)}
_FEEDS: dict[str, np.dtype[Any]] = {"feed": np.dtype(np.int16), "part": np.dtype(np.int32)}
_ALL = COLUMNS | _SOURCES | _FEEDS
_NAMED = frozenset(IDENTIFIERS)
_TYPES = {name: pa.from_numpy_dtype(dtype) for name, dtype in _ALL.items()}
_TOKEN = pa.binary(TOKEN_BYTES)
_METADATA = {b"kind": KIND.encode(), b"format": str(FORMAT).encode()}
_IDENTIFIER_SCHEMA = pa.schema(
    [pa.field("token", _TOKEN, False), pa.field("kind", pa.int8(), False), pa.field("text", pa.string())], _METADATA
)
_CONTINUED = b"\xff\xff\xff\xff"
_END_OF_STREAM = _CONTINUED + bytes(4)
_KIND_MAX = max(IdentifierKind)
_IS_PERSONAL = np.array([kind in PERSONAL_KINDS for kind in range(_KIND_MAX + 1)])


class ChunkError(Exception):
    """The bytes are no chunk of payments; the message says why."""


class Identifiers(Protocol):
    """A table of identifiers by code, of intake or of a partition."""

    def __len__(self) -> int: ...
    @property
    def tokens(self) -> Bytes16: ...
    def export(self, first_code: int) -> tuple[npt.NDArray[np.int8], Int64s, bytes]: ...


@dataclass(frozen=True, slots=True)
class SourcedBatch:
    """Accepted payments and where each stands in topic ``transactions``. ``position`` of the batch is not sent."""

    batch: TransactionBatch
    source_partition: Int32s
    source_offset: Int64s

    def __len__(self) -> int:
        return len(self.batch)


@dataclass(frozen=True, slots=True)
class PaymentChunk:
    """A chunk as read: m identifiers and n payments."""

    tokens: Bytes16
    """Shape (m, 16)."""
    kinds: npt.NDArray[np.int8]
    texts: pa.Array
    """Strings, null where the kind is personal."""
    given: dict[str, npt.NDArray[Any]]
    """Those of :data:`COLUMNS` that it has, as they stand in its bytes, which cannot be written to; identifiers are
    rows of ``tokens``, ``-1`` for none."""
    source_partition: Int32s
    source_offset: Int64s
    feeds: FeedRows

    def __len__(self) -> int:
        return len(self.source_offset)

    @property
    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """All of :data:`COLUMNS`, in memory of their own."""
        return {
            name: np.array(self.given[name]) if name in self.given else np.full(len(self), UNKNOWN_OF[dtype], dtype)
            for name, dtype in COLUMNS.items()
        }

    def batch(self, codes: Int32s, *, first_position: int) -> TransactionBatch:
        """The payments as a batch.

        Args:
            codes: What the reader calls each identifier, shape (m,).
            first_position: Position of the first payment; the others follow.
        """
        of_row = np.append(codes, np.int32(-1)).astype(np.int32)
        known = {name: of_row[column] if name in IDENTIFIERS else column for name, column in self.columns.items()}
        position = np.arange(first_position, first_position + len(self), dtype=np.int64)
        return TransactionBatch(position=position, **known)


class ChunkEncoder:
    """Writes chunks of payments whose identifiers are in one table; the table may grow meanwhile.

    Per identifier of the table it keeps 17 bytes, and the text where it is not personal.
    """

    def __init__(self, identifiers: Identifiers) -> None:
        self._identifiers = identifiers
        self._known = 0
        self._kinds = np.zeros(0, np.int8)
        self._starts = np.zeros(0, np.int64)
        """Where a text begins in ``_text_bytes``."""
        self._lengths = np.zeros(0, np.int32)
        """Its bytes; 0 where it is personal."""
        self._text_bytes, self._text_used = np.zeros(1 << 10, np.uint8), 0
        self._row_of_code = np.full(1, -1, np.int32)
        """Work space; the last place, which is that of code ``-1``, always holds ``-1``."""
        self._headers: dict[tuple[tuple[str, ...], tuple[str, ...]], tuple[pa.Schema, bytes]] = {}
        self._identifier_header = _IDENTIFIER_SCHEMA.serialize().to_pybytes()

    def encode(
        self, payments: SourcedBatch, rows: Int64s, stops: Sequence[int], feeds: FeedRows | None = None
    ) -> list[bytes]:
        """Chunks of some rows, in their order: one up to each of ``stops``, which ascend and end with all rows.

        Several at once cost less than one by one: columns are gathered once. ``feeds`` has the length of ``rows``;
        without it none of them is counted where the chunks go.
        """
        self._learn()
        columns = {name: getattr(payments.batch, name)[rows] for name in COLUMNS}
        said = [name for name, dtype in COLUMNS.items() if (columns[name] != UNKNOWN_OF[dtype]).any()]
        named = [name for name in said if name in IDENTIFIERS]
        codes = np.stack([columns[name] for name in named], axis=1) if named else np.zeros((len(rows), 0), np.int32)
        spans = list(zip((0, *stops), stops, strict=False))
        local = np.empty((codes.shape[1], len(rows)), np.int32)
        identifiers = []
        for start, stop in spans:
            first, numbers = self._numbered(codes[start:stop])
            local[:, start:stop] = numbers.T
            identifiers.append(self._identifiers_of(first))
        columns |= dict(zip(named, local, strict=True))
        columns |= {"source_partition": payments.source_partition[rows], "source_offset": payments.source_offset[rows]}
        names = [*said, *_SOURCES]
        if feeds is not None and (feeds.feed >= 0).any():
            columns |= {"feed": feeds.feed, "part": feeds.part}
            names += ["feed", "part"] if feeds.part.any() else ["feed"]
        schema, header = self._header(tuple(names), feeds.feeds if feeds is not None else ())
        whole = pa.record_batch([pa.array(columns[name], _TYPES[name]) for name in names], schema=schema)
        return [
            b"".join((self._identifier_header, each, _END_OF_STREAM, header, part.serialize(), _END_OF_STREAM))
            for each, part in zip(identifiers, (whole.slice(a, b - a) for a, b in spans), strict=True)
        ]

    def _header(self, names: tuple[str, ...], feeds: tuple[str, ...]) -> tuple[pa.Schema, bytes]:
        if (names, feeds) not in self._headers:
            if len(self._headers) >= HEADERS_MAX:
                self._headers.clear()
            metadata = _METADATA | ({b"feeds": ",".join(feeds).encode()} if "feed" in names else {})
            schema = pa.schema([pa.field(name, _TYPES[name], False) for name in names], metadata)
            self._headers[names, feeds] = schema, schema.serialize().to_pybytes()
        return self._headers[names, feeds]

    def _numbered(self, codes: Int32s) -> tuple[Int32s, Int32s]:
        """The codes that occur, in the order of their first occurrence, and for each place which of them it is."""
        row_of = self._row_of_code
        known = codes[codes >= 0]
        order = np.arange(len(known), dtype=np.int32)
        row_of[known[::-1]] = order[::-1]  # Of several the last one stays, which is the first occurrence.
        first = known[row_of[known] == order]
        row_of[first] = order[: len(first)]
        return first, row_of[codes]

    def _identifiers_of(self, codes: Int32s) -> pa.Buffer:
        kinds, lengths = self._kinds[codes], self._lengths[codes]
        offsets = np.zeros(len(codes) + 1, np.int32)
        np.cumsum(lengths, out=offsets[1:])
        places = np.repeat(self._starts[codes] - offsets[:-1], lengths) + np.arange(offsets[-1])
        is_given = np.packbits(~_IS_PERSONAL[kinds], bitorder="little")
        buffers = [pa.py_buffer(is_given), pa.py_buffer(offsets), pa.py_buffer(self._text_bytes[places])]
        tokens = pa.py_buffer(np.ascontiguousarray(self._identifiers.tokens[codes]))
        columns = [
            pa.Array.from_buffers(_TOKEN, len(codes), [None, tokens]),
            pa.array(kinds, pa.int8()),
            pa.Array.from_buffers(pa.string(), len(codes), buffers),
        ]
        return pa.record_batch(columns, schema=_IDENTIFIER_SCHEMA).serialize()

    def _learn(self) -> None:
        """Take up what the table has gained."""
        first, count = self._known, len(self._identifiers)
        if count == first:
            return
        kinds, offsets, texts = self._identifiers.export(first)
        lengths = np.where(_IS_PERSONAL[kinds], 0, np.diff(offsets)).astype(np.int32)
        if count >= len(self._kinds):
            size = 2 * count
            self._kinds, self._starts, self._lengths = (
                np.concatenate((old[:first], np.zeros(size - first, old.dtype)))
                for old in (self._kinds, self._starts, self._lengths)
            )
            self._row_of_code = np.full(size + 1, -1, np.int32)
        is_given = np.repeat(lengths > 0, np.diff(offsets))
        given = np.frombuffer(texts, np.uint8)[is_given]
        used = self._text_used + len(given)
        if used > len(self._text_bytes):
            grown = np.zeros(2 * used, np.uint8)
            grown[: self._text_used] = self._text_bytes[: self._text_used]
            self._text_bytes = grown
        self._text_bytes[self._text_used : used] = given
        self._kinds[first:count], self._lengths[first:count] = kinds, lengths
        self._starts[first:count] = self._text_used + np.cumsum(lengths) - lengths
        self._text_used, self._known = used, count


def encode(payments: SourcedBatch, identifiers: Identifiers, rows: Int64s) -> bytes:
    """One chunk of some rows; who writes many keeps a :class:`ChunkEncoder`."""
    return ChunkEncoder(identifiers).encode(payments, rows, [len(rows)])[0]


def decode(value: bytes) -> PaymentChunk:
    """Read a chunk.

    Raises:
        ChunkError: The bytes are damaged, or of another format.
    """
    try:
        source = pa.BufferReader(value)
        _, identifiers = _read(value, source, _identifier_header)
        header, payments = _read(value, source, _payment_header)
        if source.tell() != len(value):
            raise ChunkError(f"{len(value) - source.tell()} bytes follow its end")
        return _chunk(identifiers, payments, header)
    except (pa.ArrowException, OSError, EOFError, ValueError, ChunkError) as error:
        raise ChunkError(f"the value of {len(value)} bytes is no chunk of payments: {error}") from error


@dataclass(frozen=True, slots=True)
class _Header:
    """What the header of a stream says. Few differ, so each is read once."""

    schema: pa.Schema
    names: tuple[str, ...]
    """Those of :data:`COLUMNS` that are there; they come first."""
    feeds: tuple[str, ...] = ()


@lru_cache(HEADERS_MAX)
def _identifier_header(header: bytes) -> _Header:
    schema = _schema(header)
    _check(schema, ["token", "kind", "text"], {each.name: each.type for each in _IDENTIFIER_SCHEMA})
    return _Header(schema, ())


@lru_cache(HEADERS_MAX)
def _payment_header(header: bytes) -> _Header:
    schema = _schema(header)
    names = tuple(name for name in COLUMNS if name in schema.names)
    _check(schema, [*names, *_SOURCES, *(name for name in _FEEDS if name in schema.names)], _TYPES)
    told = schema.metadata.get(b"feeds", b"")
    feeds = tuple(told.decode("ascii", "replace").split(",")) if told else ()
    if not all(map(is_feed, feeds)):
        raise ChunkError(f"of {len(feeds)} names of feeds one is a name that none can have")
    return _Header(schema, names, feeds)


def _schema(header: bytes) -> pa.Schema:
    schema = pa.ipc.read_schema(pa.py_buffer(header))
    metadata = schema.metadata or {}
    found = metadata.get(b"format", b"").decode("ascii", "replace")
    if found != str(FORMAT) or metadata.get(b"kind") != KIND.encode():
        kind = metadata.get(b"kind", b"").decode("ascii", "replace")
        raise ChunkError(f"kind {kind!r} in format {found!r}, but {KIND!r} in format '{FORMAT}' is read here")
    return schema


def _check(schema: pa.Schema, names: Sequence[str], types: dict[str, pa.DataType]) -> None:
    if schema.names != list(names):
        raise ChunkError(f"the columns are {', '.join(schema.names)}")
    for field in schema:
        if field.type != types[field.name] or field.nullable != (field.name == "text"):
            raise ChunkError(f"column {field.name} is {field}, {types[field.name]} is right")


def _read(value: bytes, source: pa.BufferReader, read: Callable[[bytes], _Header]) -> tuple[_Header, pa.RecordBatch]:
    """The header of the stream that begins here, and its one batch, checked in itself."""
    start = source.tell()
    stop = start + 8 + int.from_bytes(value[start + 4 : start + 8], "little")
    if value[start : start + 4] != _CONTINUED or stop > len(value):
        raise ChunkError(f"at byte {start} begins no stream")
    header = read(value[start:stop])
    source.seek(stop)
    batch = pa.ipc.read_record_batch(pa.ipc.read_message(source), header.schema)
    if source.read(len(_END_OF_STREAM)) != _END_OF_STREAM:
        raise ChunkError("more than one batch, or no end of the stream")
    batch.validate(full=True)
    return header, batch


def _chunk(identifiers: pa.RecordBatch, payments: pa.RecordBatch, header: _Header) -> PaymentChunk:
    m, n = identifiers.num_rows, payments.num_rows
    token, kind, texts = identifiers.columns
    kinds = _view(kind, m, np.dtype(np.int8))
    if m and not (kinds.min() >= 1 and kinds.max() <= _KIND_MAX):
        raise ChunkError(f"kinds of identifiers are from 1 to {_KIND_MAX}, these from {kinds.min()} to {kinds.max()}")
    if (_given(texts, m) == _IS_PERSONAL[kinds]).any():
        raise ChunkError("a text is given for a personal identifier, or missing for another one")
    given = {
        name: _view(column, n, _ALL[name]) for name, column in zip(header.schema.names, payments.columns, strict=True)
    }
    named = [given[name] for name in header.names if name in _NAMED]
    if named and n:
        rows = np.concatenate(named)
        if not (rows.min() >= -1 and rows.max() < m):
            name = next(name for name in header.names if name in _NAMED and not _is_within(given[name], m))
            at_least, at_most = given[name].min(), given[name].max()
            raise ChunkError(f"{name} names the identifiers from {at_least} to {at_most} of {m}")
    sources = {name: given.pop(name) for name in _SOURCES}
    feed = given.pop("feed") if "feed" in given else np.full(n, -1, np.int16)
    part = given.pop("part") if "part" in given else np.zeros(n, np.int32)
    if n and not (feed.min() >= -1 and feed.max() < len(header.feeds) and part.min() >= 0):
        raise ChunkError(f"feeds from {feed.min()} to {feed.max()} of {len(header.feeds)} names")
    tokens = _bytes(token, m * TOKEN_BYTES).reshape(m, TOKEN_BYTES)
    return PaymentChunk(tokens, kinds, texts, given, **sources, feeds=FeedRows(header.feeds, feed, part))


def _is_within(rows: npt.NDArray[Any], m: int) -> bool:
    return bool(rows.min() >= -1 and rows.max() < m)


def _view(column: pa.Array, n: int, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """The numbers where they stand."""
    return _bytes(column, n * dtype.itemsize).view(dtype)


def _bytes(column: pa.Array, size: int) -> npt.NDArray[np.uint8]:
    is_valid, values = column.buffers()
    if is_valid is not None and column.null_count:
        raise ChunkError(f"a column of {column.type} has {column.null_count} nulls")
    return np.frombuffer(values, np.uint8, size) if size else np.zeros(0, np.uint8)


def _given(texts: pa.Array, m: int) -> npt.NDArray[np.bool_]:
    """Which texts are not null, shape (m,)."""
    is_valid = texts.buffers()[0]
    if is_valid is None:
        return np.ones(m, np.bool_)
    return np.unpackbits(np.frombuffer(is_valid, np.uint8), count=m, bitorder="little").view(np.bool_)
