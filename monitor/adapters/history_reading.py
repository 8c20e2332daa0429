"""Reading the history beside a run that may be writing it: nothing is opened for writing, nothing is cleaned up.

:class:`monitor.adapters.history.HistoryStore` belongs to the run. Parts are replaced whole, so a reader sees each as
of some commit; rows beyond the position that the caller names are left out.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from monitor.adapters.history import TOKENS_FOLDER
from monitor.adapters.history_parts import SCHEMA, Tokens, batch_of, booked_span, read_part, with_tokens
from monitor.adapters.history_tokens import read_tokens
from monitor.domain.transaction import TransactionBatch

_CLOCK_COLUMN = "clock_us"

Wanted = Callable[[pa.Table], npt.NDArray[np.bool_]]


class HistoryReader:
    """The history in a folder, for reading.

    >>> HistoryReader(Path("nowhere")).rows(lambda table: None, columns=("position",), stop=1).num_rows
    0
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.start = 0
        """Rows before this position are none for :meth:`rows`."""
        self._tokens: Tokens | None = None

    def scan(self, columns: tuple[str, ...], *, stop: int) -> Iterator[tuple[Path, pa.Table]]:
        """Each part with rows before log position ``stop``: its path and the columns asked for, in order.

        Raises:
            DamagedError: A part cannot be read.
        """
        for path in sorted(self.folder.glob("day=*/part-*.parquet"), key=lambda path: path.stem):
            if int(path.stem.removeprefix("part-")) >= stop:
                return
            table = self._read(path, list(dict.fromkeys(("position", *columns))))
            yield path, table.slice(0, int(np.searchsorted(table.column("position").to_numpy(), stop)))

    def codes(self, columns: tuple[str, ...], *, stop: int) -> Iterator[pa.Table]:
        """Like :meth:`scan`, with identifiers as codes, as they lie in the files.

        Raises:
            DamagedError: A part cannot be read.
        """
        for path in sorted(self.folder.glob("day=*/part-*.parquet"), key=lambda path: path.stem):
            if int(path.stem.removeprefix("part-")) >= stop:
                return
            table, _ = read_part(path, list(dict.fromkeys(("position", *columns))))
            yield table.slice(0, int(np.searchsorted(table.column("position").to_numpy(), stop)))

    def booked(self, columns: tuple[str, ...], *, from_us: int, until_us: int, stop: int) -> Iterator[pa.Table]:
        """Like :meth:`codes`, of the payments booked at ``from_us`` or later and before ``until_us``.

        Parts that hold none are told by their statistics and not read.

        Raises:
            DamagedError: A part cannot be read.
        """
        wanted = list(dict.fromkeys(("position", "booked_at_us", *columns)))
        for path in sorted(self.folder.glob("day=*/part-*.parquet"), key=lambda path: path.stem):
            if int(path.stem.removeprefix("part-")) >= stop:
                return
            first_us, last_us = booked_span(path)
            if last_us < from_us or first_us >= until_us:
                continue
            table, _ = read_part(path, wanted)
            at_us = table.column("booked_at_us").to_numpy()
            position = table.column("position").to_numpy()
            is_wanted = (at_us >= from_us) & (at_us < until_us) & (position < stop) & (position >= self.start)
            yield table if is_wanted.all() else table.filter(pa.array(is_wanted))

    @property
    def tokens(self) -> Tokens:
        """The token of each code, shape (codes, 16)."""
        return self._all_tokens()

    def code(self, token: bytes) -> int | None:
        """The code of a token; ``None`` where no payment has it."""
        found = np.flatnonzero((self._all_tokens() == np.frombuffer(token, np.uint8)).all(axis=1))
        return int(found[0]) if len(found) else None

    def batches(self, *, start: int, stop: int) -> Iterator[TransactionBatch]:
        """The payments from log position ``start`` up to ``stop`` in their order, with identifiers as codes.

        Raises:
            DamagedError: A part cannot be read.
        """
        paths = sorted(self.folder.glob("day=*/part-*.parquet"), key=lambda path: path.stem)
        firsts = [int(path.stem.removeprefix("part-")) for path in paths]
        for number, path in enumerate(paths):
            behind = firsts[number + 1] if number + 1 < len(paths) else stop
            if behind <= start or firsts[number] >= stop:
                continue
            batch = batch_of(read_part(path)[0])
            first, last = np.searchsorted(batch.position, (start, stop))
            if last > first:
                yield batch.slice(int(first), int(last))

    def rows(self, wanted: Wanted, *, columns: tuple[str, ...], stop: int) -> pa.Table:
        """All columns of the rows that ``wanted`` chooses by ``columns``, and ``clock_us``: the clock of the log there.

        The clock is the latest ``booked_at`` up to the row, the row included.
        """
        found = []
        for path, table in self.scan(columns, stop=stop):
            is_wanted = np.asarray(wanted(table), bool) & (table.column("position").to_numpy() >= self.start)
            indexes = np.flatnonzero(is_wanted)
            if len(indexes):
                whole, before_us = read_part(path)
                clock = np.maximum(np.maximum.accumulate(whole.column("booked_at_us").to_numpy()), before_us)
                rows = with_tokens(whole.take(pa.array(indexes)), self._all_tokens())
                found.append(rows.append_column(_CLOCK_COLUMN, pa.array(clock[indexes])))
        schema = SCHEMA.append(pa.field(_CLOCK_COLUMN, pa.int64()))
        return pa.concat_tables(found).cast(schema) if found else schema.empty_table()

    def _read(self, path: Path, columns: list[str]) -> pa.Table:
        table, _ = read_part(path, columns)
        return with_tokens(table, self._all_tokens())

    def _all_tokens(self) -> Tokens:
        if self._tokens is None:
            self._tokens = read_tokens(self.folder / TOKENS_FOLDER)
        return self._tokens
