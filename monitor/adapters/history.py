"""The history: every accepted transaction, in the order of the log, as Parquet by log day.

``history/day=YYYY-MM-DD/part-<first position>.parquet``. It serves resume, replay, back-fill, explain and the
case page, and any tool that reads Parquet. Rows carry tokens (16 bytes) in place of identifiers; transaction ids,
names and texts are in the vault.

**Log day** is the day of the running maximum of ``booked_at``, so it never goes back: a late record lies with
the day on which it was judged. A part belongs to the log day of its first row and is closed at the first
row of a later day once it holds ``PART_ROWS_MIN`` rows, or at ``PART_ROWS_MAX``. Parts follow each other in position
without overlap.

**Commits.** Rows wait in memory until a part is full or :meth:`HistoryStore.commit` is called. A commit writes
what waits; the part that is not yet closed is written again at the next commit with more rows, under the same
name. Every part is written beside its place, flushed and renamed, so it is whole or absent; leftovers of a killed
process are removed at opening. All writing is done by one background thread; its errors surface at the commit. At
most the queue of ``BackgroundWriter`` waits.
"""

import os
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from monitor.adapters.background import BackgroundWriter
from monitor.adapters.block_log import DamagedError
from monitor.adapters.durable import make_folder, remove_unfinished, replace_file
from monitor.domain.identifiers import TOKEN_BYTES
from monitor.domain.time import DAY_US
from monitor.domain.transaction import Int64s, TransactionBatch

PART_ROWS_MIN = 16_384
"""A part with fewer rows is not closed by a new day."""
PART_ROWS_MAX = 131_072
"""A part with so many rows is closed."""
ROW_GROUP_ROWS = 8_192
"""Rows that are read together when single rows are asked for."""
CACHED_GROUPS_MAX = 32
"""Row groups kept for reading single rows; the one used longest ago goes first."""

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
)
"""Columns whose codes are replaced by tokens; ``null`` where the code is -1."""

_REPEATING = (
    *("currency", "channel", "status", "debtor_country", "creditor_country", "received_at_us", "reverses_hi"),
    *("reverses_lo", "purpose", "booking_entity", "conductor", "on_behalf_of", "device", "branch"),
)
"""Columns with few different values: a dictionary makes them small. Tokens of accounts and hashes do not repeat
enough, and trying costs more time than writing them."""
_SMALL = ("position", "booked_at_us", "amount_minor")
_CLOCK = b"aml.clock_us"
_PARQUET_END = b"PAR1"
_TYPES = {"channel": pa.int16(), "status": pa.int16(), "currency": pa.int16(),
          "debtor_country": pa.int16(), "creditor_country": pa.int16()}  # fmt: skip
_NAMES = tuple(field.name for field in fields(TransactionBatch))

SCHEMA = pa.schema(
    [
        (name, pa.binary(TOKEN_BYTES) if name in TOKEN_COLUMNS else _TYPES.get(name, pa.int64()))
        for name in _NAMES
    ]
)  # fmt: skip
"""The columns of :class:`TransactionBatch`, codes replaced by tokens."""


@dataclass(frozen=True, slots=True)
class _Part:
    first: int
    day: int
    path: Path


class HistoryStore:
    """Append-only history in one folder.

    ``append`` and ``commit`` belong to one thread; reading sees everything that was appended before.
    """

    def __init__(self, folder: Path, *, writer: BackgroundWriter | None = None) -> None:
        make_folder(folder)
        remove_unfinished(folder)
        self.folder = folder
        self._own_writer = BackgroundWriter() if writer is None else None
        self._writer = writer or self._own_writer or BackgroundWriter()
        self._parts = [_part_of(path) for path in sorted(folder.glob("day=*/part-*.parquet"), key=_first_of)]
        self._waiting: list[pa.Table] = []
        self._waiting_rows, self._clock_us, self._part_clock_us = 0, 0, 0
        self._is_written = True
        self._groups: OrderedDict[tuple[Path, int], pa.Table] = OrderedDict()
        self._open_last_part()

    @property
    def stop(self) -> int:
        """Position behind the last row; 0 where there is none."""
        self._writer.drain()
        return self._stop()

    def append(self, batch: TransactionBatch, tokens: npt.NDArray[np.uint8]) -> None:
        """Hand over accepted rows; positions ascend over all calls.

        ``tokens`` has shape (codes, 16). Neither it nor the batch may be changed afterwards.
        """
        if len(batch):
            self._writer.hand_over(lambda: self._add(batch, tokens))

    def commit(self) -> None:
        """Make every row appended so far durable.

        Raises:
            Exception: Writing failed, now or since the last commit.
        """
        self._writer.hand_over(lambda: None if self._is_written else self._write())
        self._writer.drain()

    def truncate_to(self, position: int) -> None:
        """Forget rows from ``position`` on."""
        self._writer.drain()
        self._groups.clear()
        while self._parts and self._parts[-1].first >= position:
            self._parts.pop().path.unlink(missing_ok=True)
            self._waiting, self._waiting_rows, self._is_written = [], 0, True
            self._clock_us, self._part_clock_us = 0, 0
        self._open_last_part()
        if self._waiting and self._stop() > position:
            table = pa.concat_tables(self._waiting)
            table = table.slice(0, int(np.searchsorted(table.column("position").to_numpy(), position)))
            self._waiting, self._waiting_rows = [table], len(table)
            self._write()
            self._clock_us = _clock_after(self._part_clock_us, table)

    def scan(
        self, from_position: int = 0, to_position: int | None = None, day: int | None = None
    ) -> Iterator[pa.Table]:
        """Tables of rows with ``from_position <= position < to_position``, in order, of one log day if given.

        ``day`` counts from 1970-01-01.
        """
        self._writer.drain()
        for index, part in enumerate(self._parts):
            later = self._parts[index + 1] if index + 1 < len(self._parts) else None
            is_before = later is not None and (later.first <= from_position or (day is not None and later.day < day))
            if (
                is_before
                or (to_position is not None and part.first >= to_position)
                or (day is not None and part.day > day)
            ):
                continue
            table, clock_us = self._read(part)
            keep = _rows_of(table, clock_us, from_position, to_position, day)
            if keep is not None:
                table = table.filter(pa.array(keep))
            if len(table):
                yield table

    def rows(self, positions: Int64s) -> pa.Table:
        """The rows at ``positions``, in their order; positions that are not in the history are left out.

        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     HistoryStore(Path(folder)).rows(np.array([7])).num_rows
        0
        """
        self._writer.drain()
        wanted = np.unique(np.asarray(positions, np.int64))
        firsts = np.array([part.first for part in self._parts], np.int64)
        indexes = np.searchsorted(firsts, wanted, side="right") - 1
        found = [SCHEMA.empty_table()]
        for index in np.unique(indexes[indexes >= 0]).tolist():
            found.extend(self._rows_of_part(self._parts[index], wanted[indexes == index]))
        return _find(pa.concat_tables(found), np.asarray(positions, np.int64))

    def close(self) -> None:
        """End the writer; what was not committed is lost."""
        if self._own_writer is not None:
            self._own_writer.close()

    def _stop(self) -> int:
        if self._waiting:
            return int(self._waiting[-1].column("position")[-1].as_py()) + 1
        return 0

    def _open_last_part(self) -> None:
        """Take the last part into memory: it may still grow."""
        if self._waiting or not self._parts:
            return
        table, self._part_clock_us = _read_part(self._parts[-1].path)
        self._waiting, self._waiting_rows, self._is_written = [table], len(table), True
        self._clock_us = _clock_after(self._part_clock_us, table)

    def _add(self, batch: TransactionBatch, tokens: npt.NDArray[np.uint8]) -> None:
        if int(batch.position[0]) < self._stop():
            raise ValueError(f"position {batch.position[0]} does not follow the history, which ends at {self._stop()}")
        clock = np.maximum(np.maximum.accumulate(batch.booked_at_us), self._clock_us)
        day = clock // DAY_US
        start = 0
        while start < len(batch):
            if self._is_closed(int(day[start])):
                self._close_part()
            if not self._waiting_rows:
                self._part_clock_us = self._clock_us
                first, part_day = int(batch.position[start]), int(day[start])
                self._parts.append(_Part(first, part_day, self._path(first, part_day)))
            stop = self._piece_end(day, start)
            self._waiting.append(table_of(batch.slice(start, stop), tokens))
            self._waiting_rows += stop - start
            self._clock_us, self._is_written, start = int(clock[stop - 1]), False, stop

    def _is_closed(self, day: int) -> bool:
        is_large = self._waiting_rows >= PART_ROWS_MIN
        return self._waiting_rows >= PART_ROWS_MAX or (is_large and day > self._parts[-1].day)

    def _piece_end(self, day: Int64s, start: int) -> int:
        """Where the rows from ``start`` on leave the part: it is full, or large enough and the day is over."""
        stop = min(len(day), start + PART_ROWS_MAX - self._waiting_rows)
        new_day = int(np.searchsorted(day, self._parts[-1].day, side="right"))
        return min(stop, max(new_day, start + PART_ROWS_MIN - self._waiting_rows, start + 1))

    def _close_part(self) -> None:
        if not self._is_written:
            self._write()
        self._waiting, self._waiting_rows = [], 0

    def _write(self) -> None:
        table = pa.concat_tables(self._waiting)
        self._waiting = [table]
        path, clock_us = self._parts[-1].path, self._part_clock_us
        make_folder(path.parent)
        replace_file(path, lambda unfinished: _write_part(unfinished, table, clock_us))
        self._is_written = True

    def _path(self, first: int, day: int) -> Path:
        return self.folder / f"day={np.datetime64(day, 'D')}" / f"part-{first:016d}.parquet"

    def _read(self, part: _Part) -> tuple[pa.Table, int]:
        if part is self._parts[-1]:
            return pa.concat_tables(self._waiting), self._part_clock_us
        return _read_part(part.path)

    def _rows_of_part(self, part: _Part, wanted: Int64s) -> list[pa.Table]:
        if part is self._parts[-1]:
            return [_find(pa.concat_tables(self._waiting), wanted)]
        with pq.ParquetFile(part.path, memory_map=True) as file:
            groups = range(file.metadata.num_row_groups)
            starts = np.array([file.metadata.row_group(index).column(0).statistics.min for index in groups])
            indexes = np.searchsorted(starts, wanted, side="right") - 1
            return [
                _find(self._group(file, part.path, index), wanted[indexes == index])
                for index in np.unique(indexes).tolist()
            ]

    def _group(self, file: pq.ParquetFile, path: Path, index: int) -> pa.Table:
        group = self._groups.pop((path, index), None)
        if group is None:
            group = file.read_row_group(index).cast(SCHEMA)
        self._groups[path, index] = group
        if len(self._groups) > CACHED_GROUPS_MAX:
            self._groups.popitem(last=False)
        return group


def table_of(batch: TransactionBatch, tokens: npt.NDArray[np.uint8]) -> pa.Table:
    """The rows of a batch under :data:`SCHEMA`."""
    columns = []
    for field in SCHEMA:
        values = getattr(batch, field.name)
        is_token = field.name in TOKEN_COLUMNS
        columns.append(_token_column(values, tokens) if is_token else pa.array(values, field.type))
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def _token_column(codes: npt.NDArray[np.int32], tokens: npt.NDArray[np.uint8]) -> pa.Array:
    is_known = codes >= 0
    if not is_known.any():
        return pa.nulls(len(codes), pa.binary(TOKEN_BYTES))
    values = np.ascontiguousarray(tokens[np.where(is_known, codes, 0)])
    mask = None if is_known.all() else pa.py_buffer(np.packbits(is_known, bitorder="little").tobytes())
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(TOKEN_BYTES), len(codes), [mask, pa.py_buffer(values)])


def _write_part(path: Path, table: pa.Table, clock_us: int) -> None:
    table = table.replace_schema_metadata({_CLOCK: str(clock_us).encode()})
    pq.write_table(
        table,
        path,
        row_group_size=ROW_GROUP_ROWS,
        compression={name: "lz4" if name in _REPEATING or name in _SMALL else "none" for name in _NAMES},
        use_dictionary=list(_REPEATING),
        write_statistics=["position"],
    )


def _read_part(path: Path) -> tuple[pa.Table, int]:
    try:
        table = pq.read_table(path, partitioning=None, memory_map=True)
    except (pa.ArrowInvalid, OSError) as error:
        raise DamagedError(f"{path}: the history cannot be read: {error}. Restore the file from a copy.") from error
    return table.cast(SCHEMA), int((table.schema.metadata or {}).get(_CLOCK, b"0"))


def _first_of(path: Path) -> int:
    return int(path.stem.removeprefix("part-"))


def _part_of(path: Path) -> _Part:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - len(_PARQUET_END)))
        if file.read() != _PARQUET_END:
            raise DamagedError(f"{path}: the file is cut short. Restore it from a copy; it was whole when committed.")
    day = np.datetime64(path.parent.name.removeprefix("day="), "D").astype(np.int64)
    return _Part(_first_of(path), int(day), path)


def _clock_after(clock_us: int, table: pa.Table) -> int:
    return max(clock_us, pc.max(table.column("booked_at_us")).as_py() or 0)


def _rows_of(
    table: pa.Table, clock_us: int, from_position: int, to_position: int | None, day: int | None
) -> npt.NDArray[np.bool_] | None:
    """Which rows are wanted; ``None`` for all."""
    position = table.column("position").to_numpy()
    keep = position >= from_position
    if to_position is not None:
        keep &= position < to_position
    if day is not None:
        clock = np.maximum(np.maximum.accumulate(table.column("booked_at_us").to_numpy()), clock_us)
        keep &= clock // DAY_US == day
    return None if keep.all() else keep


def _find(table: pa.Table, wanted: Int64s) -> pa.Table:
    """The rows at ``wanted`` that the table has, in that order."""
    positions = table.column("position").to_numpy()
    if not len(positions):
        return table
    rows = np.minimum(np.searchsorted(positions, wanted), len(positions) - 1)
    return table.take(pa.array(rows[positions[rows] == wanted]))
