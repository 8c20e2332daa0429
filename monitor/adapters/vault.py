"""The vault: what names people, apart from what the engine works on.

It holds the identifiers behind the codes, the transaction ids and, by log position, names, addresses, identifications
and remittance texts, and the original bytes as they were read. The engine, the alerts and the journal hold tokens and
positions only; screens and reports ask the vault. :class:`Vault` is the port; :class:`PlainVault` keeps everything in
plain files (issue 2), in formats that an encrypting vault can wrap block by block.

**Commits.** Everything is appended. :meth:`Vault.commit` makes it durable; the caller then records position and
number of identifiers in its own transaction. After a crash it calls :meth:`Vault.truncate_to` with what it recorded,
and what was appended beyond is forgotten.
"""

from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from monitor.adapters.background import BackgroundWriter
from monitor.adapters.block_log import Block, BlockLog, DamagedError
from monitor.adapters.position_texts import PositionTexts
from monitor.domain.transaction import Int64s
from monitor.intake.records import TextColumns

Int8s = npt.NDArray[np.int8]

PIECES_MAX = 8
"""Appended chunks of texts that wait in memory to become one block."""
CACHED_BLOCKS_MAX = 8
"""Decoded blocks of texts kept for reading; the one used longest ago goes first."""

_POSITION = "position"
_ALWAYS = ("debtor_name", "creditor_name", "remittance")
"""Columns that every block has: those of the first release."""


@dataclass(frozen=True, slots=True)
class Texts:
    """The personal texts of one record; ``None`` where the source gave none."""

    debtor_name: str | None
    creditor_name: str | None
    remittance: str | None
    debtor_address: str | None = None
    creditor_address: str | None = None
    debtor_identification: str | None = None
    creditor_identification: str | None = None


@dataclass(frozen=True, slots=True)
class RawChunk:
    """Original bytes of the records ``first <= position < stop``, as they were read."""

    first: int
    stop: int
    data: bytes


class Vault(Protocol):
    """Where personal data lies."""

    def append_identifiers(self, kinds: Int8s, offsets: Int64s, texts: bytes) -> None:
        """Add what ``IdentifierTable.export(identifier_count)`` gave."""

    def identifiers(self) -> tuple[Int8s, Int64s, bytes]:
        """All identifiers in the order of their codes, as ``IdentifierTable.append`` takes them."""

    @property
    def identifier_count(self) -> int:
        """Number of identifiers held."""

    def append_texts(self, positions: Int64s, texts: TextColumns, *, stop: int) -> None:
        """Add the texts of accepted rows; all positions below ``stop`` are covered then."""

    def transaction_id(self, position: int) -> str | None:
        """The source's own id of the record at a log position; ``None`` if it was refused or is beyond the end."""

    def texts(self, position: int) -> Texts | None:
        """Names, addresses, identifications and remittance text of the record at a log position."""

    def append_raw(self, first: int, stop: int, data: bytes) -> None:
        """Keep the original bytes of the records ``first <= position < stop``."""

    def raw(self, position: int) -> RawChunk | None:
        """The original bytes that hold the record at a log position, with its neighbours."""

    def commit(self) -> None:
        """Make everything appended durable. Errors of earlier writing surface here."""

    def truncate_to(self, position: int, identifiers: int) -> None:
        """Forget records from ``position`` on and codes from ``identifiers`` on."""

    def close(self) -> None:
        """Finish writing and let go of the files."""


class PlainVault:
    """The vault in plain files of one folder, readable by the owner only.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     vault = PlainVault(Path(folder))
    ...     none = pa.array([None], pa.string())
    ...     vault.append_texts(np.array([0]), TextColumns(pa.array(["T1"]), pa.array(["Ann"]), *[none] * 6), stop=1)
    ...     vault.commit()
    ...     (vault.transaction_id(0), vault.texts(0).debtor_name)
    ('T1', 'Ann')
    """

    def __init__(self, folder: Path, *, writer: BackgroundWriter | None = None, read_only: bool = False) -> None:
        """Open the vault; with ``read_only`` it must be there and nothing is written, not even what a killed process
        left is cut off, so that a run may go on meanwhile."""
        self._ids = PositionTexts(folder / "transaction-ids", read_only=read_only)
        self._texts = BlockLog(folder / "texts.blocks", read_only=read_only)
        self._identifiers = BlockLog(folder / "identifiers.blocks", read_only=read_only)
        self._raw = BlockLog(folder / "raw.blocks", read_only=read_only)
        self._own_writer = BackgroundWriter() if writer is None else None
        self._writer = writer or self._own_writer or BackgroundWriter()
        self._decoded: OrderedDict[int, pa.RecordBatch] = OrderedDict()
        self._waiting: list[tuple[Int64s, TextColumns]] = []
        self._texts_stop = len(self._ids)

    @property
    def identifier_count(self) -> int:
        return self._identifiers.stop

    def append_identifiers(self, kinds: Int8s, offsets: Int64s, texts: bytes) -> None:
        if len(kinds):
            first = self._identifiers.stop
            lengths = np.diff(offsets).astype(np.uint8)
            body = len(kinds).to_bytes(8, "little") + kinds.astype(np.int8).tobytes() + lengths.tobytes() + texts
            self._identifiers.append(first, first + len(kinds), _packed(body))

    def identifiers(self) -> tuple[Int8s, Int64s, bytes]:
        kinds, lengths, texts = [np.empty(0, np.int8)], [np.zeros(1, np.int64)], []
        for block in self._identifiers.blocks:
            body, stays = _unpacked(self._identifiers.read(block)), block.stop - block.first
            total = int.from_bytes(body[:8], "little")
            sizes = np.frombuffer(body, np.uint8, total, 8 + total)[:stays].astype(np.int64)
            kinds.append(np.frombuffer(body, np.int8, total, 8)[:stays])
            lengths.append(sizes)
            texts.append(body[8 + 2 * total : 8 + 2 * total + int(sizes.sum())])
        return np.concatenate(kinds), np.cumsum(np.concatenate(lengths)), b"".join(texts)

    def append_texts(self, positions: Int64s, texts: TextColumns, *, stop: int) -> None:
        if stop > self._texts_stop:
            self._waiting.append((positions, texts))
            self._texts_stop = stop
        if len(self._waiting) >= PIECES_MAX:
            self._hand_over_texts()

    def transaction_id(self, position: int) -> str | None:
        self._drain()
        return self._ids.get(position)

    def texts(self, position: int) -> Texts | None:
        self._drain()
        block = self._texts.find(position)
        if block is None:
            return None
        batch = self._batch(block)
        row = position - block.first
        if _POSITION in batch.schema.names:
            positions = batch.column(_POSITION).to_numpy()
            row = int(np.searchsorted(positions, position))
            if row == len(positions) or positions[row] != position:
                return None
        held = set(batch.schema.names)
        return Texts(*(batch.column(name)[row].as_py() if name in held else None for name in Texts.__slots__))

    def append_raw(self, first: int, stop: int, data: bytes) -> None:
        self._writer.hand_over(lambda: self._raw.append(first, stop, _packed(data)))

    def raw(self, position: int) -> RawChunk | None:
        self._drain()
        block = self._raw.find(position)
        return None if block is None else RawChunk(block.first, block.stop, _unpacked(self._raw.read(block)))

    def commit(self) -> None:
        self._drain()
        for file in self._files():
            file.commit()

    def truncate_to(self, position: int, identifiers: int) -> None:
        """As the port says.

        Raises:
            DamagedError: The files hold less than was committed.
        """
        self._drain()
        held = min(len(self._ids), self._texts.stop)
        if held < position or self._identifiers.stop < identifiers:
            raise DamagedError(
                f"{self._texts.path.parent}: the vault holds {held} records and {self._identifiers.stop} "
                f"identifiers, but {position} and {identifiers} were committed. "
                "Files were lost or damaged: restore them from a copy."
            )
        self._decoded.clear()
        self._texts_stop = position
        self._ids.truncate(position)
        self._texts.truncate(position)
        self._raw.truncate(position)
        self._identifiers.truncate(identifiers)

    def close(self) -> None:
        if self._own_writer is not None:
            self._own_writer.close()
        for file in self._files():
            file.close()

    def _files(self) -> tuple[PositionTexts, BlockLog, BlockLog, BlockLog]:
        return self._ids, self._texts, self._identifiers, self._raw

    def _drain(self) -> None:
        """Wait until everything appended is in the files."""
        self._hand_over_texts()
        self._writer.drain()

    def _hand_over_texts(self) -> None:
        if self._waiting:
            self._writer.hand_over(partial(self._write_texts, self._waiting, self._texts_stop))
            self._waiting = []

    def _write_texts(self, pieces: list[tuple[Int64s, TextColumns]], stop: int) -> None:
        first, positions = len(self._ids), np.concatenate([positions for positions, _ in pieces])
        texts = TextColumns(*(
            pa.concat_arrays([getattr(texts, name).cast(pa.string()) for _, texts in pieces])
            for name in TextColumns.__slots__
        ))  # fmt: skip
        self._ids.append(positions, texts.transaction_id, stop=stop)
        self._texts.append(first, stop, _pack_texts(first, stop, positions, texts))

    def _batch(self, block: Block) -> pa.RecordBatch:
        batch = self._decoded.pop(block.offset, None)
        if batch is None:
            batch = _unpack_texts(self._texts.read(block))
        self._decoded[block.offset] = batch
        if len(self._decoded) > CACHED_BLOCKS_MAX:
            self._decoded.popitem(last=False)
        return batch


def _pack_texts(first: int, stop: int, positions: Int64s, texts: TextColumns) -> bytes:
    """A column is written where a record has such a text; positions only where a refused record left a gap."""
    columns = {name: getattr(texts, name) for name in Texts.__slots__}
    columns = {name: column for name, column in columns.items() if name in _ALWAYS or column.null_count < len(column)}
    if len(positions) != stop - first:
        columns[_POSITION] = pa.array(positions)
    batch = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as stream:
        stream.write_batch(batch)
    return bytes(sink.getvalue())


def _unpack_texts(payload: bytes) -> pa.RecordBatch:
    with pa.ipc.open_stream(payload) as stream:
        return stream.read_next_batch()


def _packed(body: bytes) -> bytes:
    compressed = pa.Codec("zstd", 1).compress(body, asbytes=True)
    return len(body).to_bytes(8, "little") + bytes(compressed)


def _unpacked(payload: bytes) -> bytes:
    size = int.from_bytes(payload[:8], "little")
    return bytes(pa.Codec("zstd", 1).decompress(payload[8:], size, asbytes=True))
