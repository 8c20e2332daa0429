"""One short text per log position, found in constant time: the transaction ids.

Two append-only files: ``<name>.ends`` holds for each position from 0 on where its text ends (8 bytes), and
``<name>.bytes`` the texts one after another. A position without text (a refused record) has length zero. A look-up
is two small reads at known places; nothing is held in memory, and a restart needs no rebuilding.

A process killed while it appends leaves a tail that is too short in one of the files; opening cuts both back to the
last position that is whole.
"""

import os
from pathlib import Path

import numpy as np
import pyarrow as pa

from monitor.adapters.block_log import write_all
from monitor.adapters.durable import flush_folder, make_folder
from monitor.domain.transaction import Int64s

_END_BYTES = 8


class PositionTexts:
    """Texts by log position; the empty text stands for none.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     ids = PositionTexts(Path(folder) / "ids")
    ...     ids.append(np.array([0, 2]), pa.array(["T1", "T3"]), stop=4)
    ...     (len(ids), ids.get(0), ids.get(1), ids.get(2), ids.get(99))
    (4, 'T1', None, 'T3', None)
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open the files; with ``read_only`` they must be there and stay as they are."""
        if read_only:
            self._ends = os.open(path.with_suffix(".ends"), os.O_RDONLY)
            self._bytes = os.open(path.with_suffix(".bytes"), os.O_RDONLY)
            self._count, self._size = self._whole()
            return
        make_folder(path.parent)
        self._ends = os.open(path.with_suffix(".ends"), os.O_RDWR | os.O_CREAT, 0o600)
        self._bytes = os.open(path.with_suffix(".bytes"), os.O_RDWR | os.O_CREAT, 0o600)
        flush_folder(path.parent)
        self._count, self._size = self._whole()
        self._cut()

    def __len__(self) -> int:
        return self._count

    def append(self, positions: Int64s, texts: pa.Array, *, stop: int) -> None:
        """Add the texts of ``positions`` (ascending, from the end on) and cover everything below ``stop``.

        Raises:
            ValueError: The positions do not follow what is stored.
        """
        first = self._count
        if stop < first or (len(positions) and not first <= positions[0] <= positions[-1] < stop):
            raise ValueError(f"positions up to {stop} do not follow those stored (up to {first})")
        texts = texts.cast(pa.string())
        offsets = np.frombuffer(texts.buffers()[1] or bytes(4), np.int32)[texts.offset : texts.offset + len(texts) + 1]
        start, end = int(offsets[0]), int(offsets[-1])
        lengths = np.zeros(stop - first, np.int64)
        lengths[positions - first] = np.diff(offsets)
        ends = np.cumsum(lengths)
        ends += self._size
        if end > start:
            write_all(self._bytes, memoryview(texts.buffers()[2])[start:end], self._size)
        write_all(self._ends, ends.astype("<i8", copy=False).tobytes(), first * _END_BYTES)
        self._count, self._size = stop, self._size + end - start

    def get(self, position: int) -> str | None:
        """The text of a position, or ``None``."""
        if not 0 <= position < self._count:
            return None
        if position == 0:
            start, end = 0, int.from_bytes(os.pread(self._ends, _END_BYTES, 0), "little")
        else:
            pair = os.pread(self._ends, 2 * _END_BYTES, (position - 1) * _END_BYTES)
            start, end = int.from_bytes(pair[:_END_BYTES], "little"), int.from_bytes(pair[_END_BYTES:], "little")
        return os.pread(self._bytes, end - start, start).decode() if end > start else None

    def truncate(self, stop: int) -> None:
        """Forget every position from ``stop`` on."""
        if stop < self._count:
            self._count, self._size = stop, self._end_of(stop)
            self._cut()

    def commit(self) -> None:
        """Wait until everything appended is on the disk."""
        os.fsync(self._bytes)
        os.fsync(self._ends)

    def close(self) -> None:
        """Close the files."""
        os.close(self._ends)
        os.close(self._bytes)

    def _end_of(self, count: int) -> int:
        return int.from_bytes(os.pread(self._ends, _END_BYTES, (count - 1) * _END_BYTES), "little") if count else 0

    def _whole(self) -> tuple[int, int]:
        count, size = os.fstat(self._ends).st_size // _END_BYTES, os.fstat(self._bytes).st_size
        # The ends ascend: halve the range until the last position whose text is there in full.
        low, high = 0, count
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self._end_of(middle) <= size else (low, middle - 1)
        return low, self._end_of(low)

    def _cut(self) -> None:
        os.ftruncate(self._ends, self._count * _END_BYTES)
        os.ftruncate(self._bytes, self._size)
