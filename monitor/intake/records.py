"""What intake hands on: chunks of records as read, and chunks as decoded.

A reader (one per source format) yields :class:`RecordChunk`; a decoder turns it into
:class:`DecodedChunk`. Every record of a chunk ends in exactly one of two places: a row of
``batch`` or an entry of ``refusals``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from monitor.domain.refusal import Refusal
from monitor.domain.transaction import Int64s, TransactionBatch


@dataclass(frozen=True, slots=True)
class SourcePosition:
    """Where to go on reading: the file's index, then a byte offset (lines, after decompression) or a row."""

    file: int
    offset: int


@dataclass(frozen=True, slots=True)
class RecordChunk:
    """Records as read, not yet understood.

    Exactly one of ``lines`` (whole lines of JSON, each ended by a newline but perhaps the last) and
    ``table`` (columns of the source) is set.
    """

    name: str
    """The file, for messages."""
    start: SourcePosition
    after: SourcePosition
    """Where the next chunk begins."""
    first_record: int
    """Ordinal in the file of the first record, from 1, for messages (line or row number)."""
    lines: bytes | None = None
    table: pa.Table | None = None
    originals: pa.Array | None = None
    """The bytes of each row of ``table`` as they stood in the source, where it has such (CSV); binary."""
    header: bytes = b""
    """The line that must stand in front of ``originals`` when they are run again."""
    faults: Mapping[int, str] = field(default_factory=dict)
    """Rows of ``table`` that could not be taken apart, with what is wrong; their cells are null."""


@dataclass(frozen=True, slots=True)
class TextColumns:
    """Texts of the accepted rows, in the order of the batch, for the vault and the history."""

    transaction_id: pa.Array
    debtor_name: pa.Array
    creditor_name: pa.Array
    remittance: pa.Array
    debtor_address: pa.Array
    creditor_address: pa.Array
    debtor_identification: pa.Array
    creditor_identification: pa.Array


@dataclass(frozen=True, slots=True)
class DecodedChunk:
    """A chunk as understood: accepted rows as columns, refused records with reasons, counts."""

    records: int
    batch: TransactionBatch
    texts: TextColumns
    refusals: list[Refusal]


def original_rows(positions: Int64s, wanted: int) -> int:
    """Index of a log position in a batch, or ``-1``."""
    index = int(np.searchsorted(positions, wanted))
    return index if index < len(positions) and positions[index] == wanted else -1
