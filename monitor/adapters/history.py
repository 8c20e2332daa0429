"""The history: every accepted transaction, in the order of the log, as Parquet by log day.

``history/day=YYYY-MM-DD/part-<first position>.parquet``. It serves resume, replay, back-fill, explain and the
case page, and any tool that reads Parquet. Rows carry the codes of identifiers, ``history/_tokens`` the token of each
code (:mod:`monitor.adapters.history_parts` has both); transaction ids, names and texts are in the vault.

**Log day** is the day of the running maximum of ``booked_at``, so it never goes back: a late record lies with
the day on which it was judged. A part belongs to the log day of its first row. Once it holds ``PART_ROWS_MIN`` rows it
is closed by a commit or by the first row of a later day; at ``PART_ROWS_MAX`` it is closed whatever comes. Parts follow
each other in position without overlap.

**Commits.** Rows wait in memory until a part is full or :meth:`HistoryStore.commit` is called. A commit writes
what waits; a part that is not yet closed is written again at the next commit with more rows, under the same
name. A run that takes ``PART_ROWS_MIN`` payments between two commits therefore writes every row once. Every part is
written beside its place, flushed and renamed, so it is whole or absent; leftovers of a killed process are removed at
opening. All writing is done by one background thread; its errors surface at the commit.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from monitor.adapters.background import BackgroundWriter
from monitor.adapters.block_log import DamagedError
from monitor.adapters.durable import make_folder, remove_unfinished, replace_file
from monitor.adapters.history_parts import (
    SCHEMA,
    Tokens,
    batch_of,
    concatenated,
    read_part,
    table_of,
    write_part,
)
from monitor.adapters.history_tokens import TokenParts, read_tokens
from monitor.domain.identifiers import TOKEN_BYTES
from monitor.domain.time import DAY_US
from monitor.domain.transaction import Int64s, TransactionBatch

PART_ROWS_MIN = 32_768
"""A part with fewer rows is closed neither by a commit nor by a new day."""
PART_ROWS_MAX = 131_072
"""A part with so many rows is closed."""
TOKENS_FOLDER = "_tokens"
"""Beside the days; tools that read a whole folder pass over names that begin with ``_``."""

_PARQUET_END = b"PAR1"
_NO_TOKENS = np.empty((0, TOKEN_BYTES), np.uint8)


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
        self._token_parts = TokenParts(folder / TOKENS_FOLDER)
        self._tokens: Tokens = _NO_TOKENS
        """Those of the last append; they begin with what is on the disk."""
        self._parts = [_part_of(path) for path in sorted(folder.glob("day=*/part-*.parquet"), key=_first_of)]
        self._waiting: list[TransactionBatch] = []
        """The rows of the last part while it is open."""
        self._waiting_rows, self._is_written = 0, True
        self._stop, self._clock_us, self._part_clock_us = 0, 0, 0
        self._take_up_last_part()

    @property
    def stop(self) -> int:
        """Position behind the last row; 0 where there is none."""
        return self._stop

    @property
    def tokens(self) -> Tokens:
        """The token of each code that the history knows, shape (codes, 16)."""
        if len(self._tokens) < self._token_parts.count:
            self._writer.drain()
            self._tokens = read_tokens(self._token_parts.folder)
        return self._tokens

    def append(self, batch: TransactionBatch, tokens: Tokens) -> None:
        """Take over accepted rows; positions ascend over all calls.

        ``tokens``, shape (codes, 16), has the token of every code so far, always at the same place. Neither it nor the
        batch may be changed afterwards. Rows that do not follow are an error of the next commit.
        """
        if not len(batch):
            return
        if int(batch.position[0]) < self._stop:
            text = f"position {batch.position[0]} does not follow the history, which ends at {self._stop}"
            self._writer.hand_over(partial(_fail, text))
            return
        self._tokens = tokens
        clock = np.maximum(np.maximum.accumulate(batch.booked_at_us), self._clock_us)
        day = clock // DAY_US
        start = 0
        while start < len(batch):
            if self._waiting and self._is_closed(int(day[start])):
                self._close_part()
            if not self._waiting:
                self._part_clock_us = self._clock_us
                first, part_day = int(batch.position[start]), int(day[start])
                self._parts.append(_Part(first, part_day, self._path(first, part_day)))
            stop = self._piece_end(day, start)
            self._waiting.append(batch.slice(start, stop))
            self._waiting_rows += stop - start
            self._clock_us, self._is_written, start = int(clock[stop - 1]), False, stop
        self._stop = int(batch.position[-1]) + 1

    def commit(self) -> None:
        """Make every row appended so far durable.

        Raises:
            Exception: Writing failed, now or since the last commit.
        """
        self._writer.hand_over(partial(self._token_parts.write, self._tokens))
        if not self._is_written:
            self._writer.hand_over(self._write)
        self._writer.drain()
        if self._waiting_rows >= PART_ROWS_MIN:
            self._waiting, self._waiting_rows = [], 0

    def truncate_to(self, position: int, identifiers: int) -> None:
        """Forget rows from ``position`` on and codes from ``identifiers`` on."""
        self._writer.drain()
        while self._parts and self._parts[-1].first >= position:
            self._parts.pop().path.unlink(missing_ok=True)
        self._waiting, self._waiting_rows, self._is_written = [], 0, True
        self._stop, self._clock_us, self._part_clock_us = 0, 0, 0
        self._take_up_last_part()
        if self._stop > position:
            self._open_last_part()
            batch = self._waiting[0]
            batch = batch.slice(0, int(np.searchsorted(batch.position, position)))
            self._waiting, self._waiting_rows = [batch], len(batch)
            self._write()
            self._stop = int(batch.position[-1]) + 1
            self._clock_us = max(self._part_clock_us, int(batch.booked_at_us.max()))
        self._token_parts.truncate(identifiers)
        self._tokens = _NO_TOKENS

    def scan(
        self, from_position: int = 0, to_position: int | None = None, day: int | None = None
    ) -> Iterator[pa.Table]:
        """Tables of rows with ``from_position <= position < to_position``, in order, of one log day if given.

        ``day`` counts from 1970-01-01.
        """
        for batch in self.batches(from_position, to_position, day):
            yield table_of(batch, self.tokens)

    def batches(
        self, from_position: int = 0, to_position: int | None = None, day: int | None = None
    ) -> Iterator[TransactionBatch]:
        """Like :meth:`scan`, with codes as they were appended."""
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
            batch, clock_us = self._read(part)
            rows = _rows_of(batch, clock_us, from_position, to_position, day)
            if rows.stop > rows.start:
                yield batch.slice(rows.start, rows.stop)

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
            part = table_of(self._read(self._parts[index])[0], self.tokens)
            found.append(_find(part, wanted[indexes == index]))
        return _find(pa.concat_tables(found), np.asarray(positions, np.int64))

    def close(self) -> None:
        """End the writer; what was not committed is lost."""
        if self._own_writer is not None:
            self._own_writer.close()

    def _take_up_last_part(self) -> None:
        """Go on behind the last part, or in it where it may still grow."""
        if not self._parts:
            return
        table, before_us = read_part(self._parts[-1].path, ["position", "booked_at_us"])
        self._stop = int(table.column("position")[-1].as_py()) + 1
        self._clock_us = max(before_us, pc.max(table.column("booked_at_us")).as_py())
        if len(table) < PART_ROWS_MIN:
            self._open_last_part()

    def _open_last_part(self) -> None:
        batch, self._part_clock_us = _read(self._parts[-1].path)
        self._waiting, self._waiting_rows, self._is_written = [batch], len(batch), True

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
            self._writer.hand_over(partial(_write, self._parts[-1].path, self._waiting, self._part_clock_us))
        self._waiting, self._waiting_rows = [], 0

    def _write(self) -> None:
        self._waiting = [_write(self._parts[-1].path, self._waiting, self._part_clock_us)]
        self._is_written = True

    def _path(self, first: int, day: int) -> Path:
        return self.folder / f"day={np.datetime64(day, 'D')}" / f"part-{first:016d}.parquet"

    def _read(self, part: _Part) -> tuple[TransactionBatch, int]:
        if part is self._parts[-1] and self._waiting:
            return concatenated(self._waiting), self._part_clock_us
        return _read(part.path)


def _fail(text: str) -> None:
    raise ValueError(text)


def _write(path: Path, batches: list[TransactionBatch], clock_us: int) -> TransactionBatch:
    """Write a part; its rows as one batch."""
    batch = concatenated(batches)
    make_folder(path.parent)
    replace_file(path, lambda unfinished: write_part(unfinished, batch, clock_us=clock_us))
    return batch


def _read(path: Path) -> tuple[TransactionBatch, int]:
    table, clock_us = read_part(path)
    return batch_of(table), clock_us


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


def _rows_of(
    batch: TransactionBatch, clock_us: int, from_position: int, to_position: int | None, day: int | None
) -> slice:
    """Which rows are wanted. Positions and the clock ascend, so they lie together."""
    start = int(np.searchsorted(batch.position, from_position))
    stop = len(batch) if to_position is None else int(np.searchsorted(batch.position, to_position))
    if day is not None:
        days = np.maximum(np.maximum.accumulate(batch.booked_at_us), clock_us) // DAY_US
        start = max(start, int(np.searchsorted(days, day)))
        stop = min(stop, int(np.searchsorted(days, day, side="right")))
    return slice(start, stop)


def _find(table: pa.Table, wanted: Int64s) -> pa.Table:
    """The rows at ``wanted`` that the table has, in that order."""
    positions = table.column("position").to_numpy()
    if not len(positions):
        return table
    rows = np.minimum(np.searchsorted(positions, wanted), len(positions) - 1)
    return table.take(pa.array(rows[positions[rows] == wanted]))
