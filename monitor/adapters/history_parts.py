"""A part of the history: one Parquet file with the rows of a stretch of the log, and its columns.

**Codes, not tokens.** A row names customers, accounts and words by their codes, four bytes each, as the engine does;
``history/_tokens`` (:mod:`monitor.adapters.history_tokens`) has the token behind each code, once. So a payment takes
60 bytes, not 136, and nothing is looked up to write it or to measure it again. Any tool joins the two::

    select p.*, t.token as debtor_token
    from 'history/day=*/*.parquet' p left join 'history/_tokens/*.parquet' t on p.debtor_holder = t.code

**Encodings** were chosen by measuring (78,000 payments, ns and bytes a value; plain is 8 ns and 4 or 8 bytes):
differences for what grows or lies close together (12 ns; times 3 to 4 bytes, codes of accounts 2.5), lz4 for what
repeats (6 to 15 ns; 0.02 to 1.5 bytes), nothing for hashes. Parquet's own dictionaries took 10 to 60 ns.
"""

from dataclasses import fields
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from monitor.adapters.block_log import DamagedError
from monitor.domain.identifiers import TOKEN_BYTES
from monitor.domain.transaction import TransactionBatch

FORMAT = 3
"""Version of the files; others are refused."""

TOKEN_COLUMNS = (
    "purpose",
    "debtor_holder",
    "debtor_account",
    "debtor_agent",
    "creditor_holder",
    "creditor_account",
    "creditor_agent",
    "booking_entity",
    "conductor",
    "on_behalf_of",
    "device",
    "branch",
    "merchant_category",
    "instructing_agent",
    "reason",
    "screening_list",
    "link",
)
"""Columns of codes; tokens stand in their place in :data:`SCHEMA`, ``null`` where the code is -1."""

_NAMES = tuple(field.name for field in fields(TransactionBatch))
_SHORT = ("channel", "status", "currency", "debtor_country", "creditor_country", "instrument", "wallet",
          "screening", "debtor_kind", "creditor_kind", "goods_country", "given")  # fmt: skip
_DIFFERENCES = ("position", "booked_at_us", "received_at_us", "amount_minor",
                "debtor_holder", "debtor_account", "creditor_holder", "creditor_account")  # fmt: skip
_HASHES = ("id_hi", "id_lo", "digest")
_CLOCK, _FORMAT = b"aml.clock_us", b"aml.format"


def _type(name: str) -> pa.DataType:
    return pa.int32() if name in TOKEN_COLUMNS else pa.int16() if name in _SHORT else pa.int64()


STORED = pa.schema([pa.field(name, _type(name), nullable=False) for name in _NAMES])
"""The columns as they lie in the file: those of :class:`TransactionBatch`."""

SCHEMA = pa.schema([pa.field(name, pa.binary(TOKEN_BYTES)) if name in TOKEN_COLUMNS else STORED.field(name)
                    for name in _NAMES])  # fmt: skip
"""The columns as readers get them: codes replaced by tokens."""

Tokens = npt.NDArray[np.uint8]


def write_part(path: Path, batch: TransactionBatch, *, clock_us: int) -> None:
    """Write rows as one row group; ``clock_us`` is the clock of the log in front of them."""
    metadata = {_CLOCK: str(clock_us).encode(), _FORMAT: str(FORMAT).encode()}
    arrays = [pa.array(getattr(batch, field.name), field.type) for field in STORED]
    pq.write_table(
        pa.Table.from_arrays(arrays, schema=STORED.with_metadata(metadata)),
        path,
        row_group_size=max(len(batch), 1),
        compression={name: "none" if name in _DIFFERENCES + _HASHES else "lz4" for name in _NAMES},
        use_dictionary=False,
        column_encoding=dict.fromkeys(_DIFFERENCES, "DELTA_BINARY_PACKED"),
        write_statistics=["position", "booked_at_us"],
    )


def read_part(path: Path, columns: list[str] | None = None) -> tuple[pa.Table, int]:
    """Columns of a part under :data:`STORED` (all if none are named), and the clock of the log in front of it.

    Raises:
        DamagedError: The file cannot be read, or is of another format.
    """
    try:
        table = pq.read_table(path, columns=columns, partitioning=None, memory_map=True)
    except (pa.ArrowInvalid, OSError) as error:
        raise DamagedError(f"{path}: the history cannot be read: {error}. Restore the file from a copy.") from error
    metadata = table.schema.metadata or {}
    found = metadata.get(_FORMAT, b"1").decode()
    if found != str(FORMAT):
        raise DamagedError(f"{path}: the history is of format {found} and this release reads {FORMAT}. "
                           "Run on the same input into a new store.")  # fmt: skip
    return table.replace_schema_metadata(None), int(metadata[_CLOCK])


def booked_span(path: Path) -> tuple[int, int]:
    """The earliest and the latest ``booked_at_us`` of a part, by its statistics.

    Raises:
        DamagedError: The file cannot be read.
    """
    try:
        column = pq.read_metadata(path).row_group(0).column(STORED.get_field_index("booked_at_us"))
    except (pa.ArrowInvalid, OSError) as error:
        raise DamagedError(f"{path}: the history cannot be read: {error}. Restore the file from a copy.") from error
    return int(column.statistics.min), int(column.statistics.max)


def batch_of(table: pa.Table) -> TransactionBatch:
    """The columns of a table under :data:`STORED`."""
    return TransactionBatch(*(table.column(name).to_numpy() for name in _NAMES))


def concatenated(batches: list[TransactionBatch]) -> TransactionBatch:
    """One batch with the rows of all."""
    if len(batches) == 1:
        return batches[0]
    return TransactionBatch(*(np.concatenate([getattr(batch, name) for batch in batches]) for name in _NAMES))


def table_of(batch: TransactionBatch, tokens: Tokens) -> pa.Table:
    """The rows of a batch under :data:`SCHEMA`; ``tokens`` has shape (codes, 16)."""
    arrays = [pa.array(getattr(batch, field.name), field.type) for field in STORED]
    return with_tokens(pa.Table.from_arrays(arrays, schema=STORED), tokens)


def with_tokens(table: pa.Table, tokens: Tokens) -> pa.Table:
    """The table with tokens in place of codes.

    Raises:
        DamagedError: A code has no token.
    """
    columns = [
        _tokens_of(column.to_numpy(), tokens) if name in TOKEN_COLUMNS else column
        for name, column in zip(table.column_names, table.columns, strict=True)
    ]
    return pa.Table.from_arrays(columns, schema=pa.schema([SCHEMA.field(name) for name in table.column_names]))


def _tokens_of(codes: npt.NDArray[np.int32], tokens: Tokens) -> pa.Array:
    is_known = codes >= 0
    if not is_known.any():
        return pa.nulls(len(codes), pa.binary(TOKEN_BYTES))
    if int(codes.max()) >= len(tokens):
        raise DamagedError(f"the history names code {codes.max()} and has the tokens of {len(tokens)} codes only. "
                           "Restore history and vault from the same copy.")  # fmt: skip
    values = np.ascontiguousarray(tokens[np.where(is_known, codes, 0)])
    mask = None if is_known.all() else pa.py_buffer(np.packbits(is_known, bitorder="little").tobytes())
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(TOKEN_BYTES), len(codes), [mask, pa.py_buffer(values)])
