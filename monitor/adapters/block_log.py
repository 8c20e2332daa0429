"""An append-only file of checksummed blocks, found by position.

Each block covers the log positions ``first <= position < stop`` and is ``magic, first, stop, payload bytes, CRC-32``
(32 bytes) followed by its payload. Appending writes; :meth:`BlockLog.commit` flushes to the disk. What a killed
process left behind the last whole block is cut off when the file is opened; a block damaged further in front is an
error, because something that was committed is gone.

The file is the truth: the directory of blocks is rebuilt at opening by reading the headers (one small
read per block), and the last block's checksum is verified. The others are verified whenever they are read.
"""

import os
import struct
from bisect import bisect_right
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from monitor.adapters.durable import flush_folder, make_folder

_HEADER = struct.Struct("<8sqqII")
_STOP_OFFSET = 16
_MAGIC = b"AMLBLK01"
PAYLOAD_BYTES_MAX = 1 << 30
"""Largest payload of one block."""


class DamagedError(Exception):
    """A file that was committed does not hold what it held."""


class Block(NamedTuple):
    """Where a block lies: positions ``first <= p < stop``, payload at ``offset`` with ``length`` bytes."""

    first: int
    stop: int
    offset: int
    length: int


class BlockLog:
    """Blocks in ascending order of position, appended and cut off at the end only.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     log = BlockLog(Path(folder) / "texts.blocks")
    ...     log.append(0, 10, b"first ten")
    ...     log.append(10, 12, b"two more")
    ...     block = log.find(11)
    ...     (block.first, block.stop, log.read(block))
    (10, 12, b'two more')
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open the file; with ``read_only`` it must be there and stays as it is, whoever may be appending to it."""
        self.path = path
        if read_only:
            self._file = os.open(path, os.O_RDONLY)
            self.blocks = self._read_headers()
            self._firsts = [block.first for block in self.blocks]
            return
        make_folder(path.parent)
        is_new = not path.exists()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        if is_new:
            flush_folder(path.parent)
        self.blocks = self._read_headers()
        self._cut_to(self._end())

    @property
    def stop(self) -> int:
        """First position behind the last block; 0 where there is none."""
        return self.blocks[-1].stop if self.blocks else 0

    def append(self, first: int, stop: int, payload: bytes) -> None:
        """Add a block behind the last.

        Raises:
            ValueError: The positions do not follow, or the payload is too large.
        """
        if not self.stop <= first < stop:
            raise ValueError(f"{self.path}: positions {first} to {stop} do not follow those stored (up to {self.stop})")
        if len(payload) > PAYLOAD_BYTES_MAX:
            raise ValueError(f"{self.path}: a block of {len(payload)} bytes is larger than {PAYLOAD_BYTES_MAX}")
        offset = self._end()
        header = _HEADER.pack(_MAGIC, first, stop, len(payload), crc32(payload))
        write_all(self._file, header + payload, offset)
        self.blocks.append(Block(first, stop, offset + _HEADER.size, len(payload)))
        self._firsts.append(first)

    def find(self, position: int) -> Block | None:
        """The block that covers ``position``."""
        index = bisect_right(self._firsts, position) - 1
        return self.blocks[index] if index >= 0 and position < self.blocks[index].stop else None

    def read(self, block: Block) -> bytes:
        """The payload of a block.

        Raises:
            DamagedError: The payload is not what was written.
        """
        payload = self._payload(block)
        if payload is None:
            raise DamagedError(
                f"{self.path}: the block of positions {block.first} to {block.stop} is damaged (its checksum differs). "
                "Restore the file from a copy."
            )
        return payload

    def truncate(self, stop: int) -> None:
        """Forget every position from ``stop`` on.

        A block that ``stop`` divides keeps its payload and gets the smaller end (eight bytes of its header), so that
        what stays is never rewritten and a crash cannot lose it. Readers pass over what lies behind the end.
        """
        while self.blocks and self.blocks[-1].first >= stop:
            self.blocks.pop()
        self._cut_to(self._end())
        if self.blocks and self.blocks[-1].stop > stop:
            block = self.blocks[-1]
            write_all(self._file, struct.pack("<q", stop), block.offset - _HEADER.size + _STOP_OFFSET)
            os.fsync(self._file)
            self.blocks[-1] = block._replace(stop=stop)

    def commit(self) -> None:
        """Wait until everything appended is on the disk."""
        os.fsync(self._file)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _end(self) -> int:
        return self.blocks[-1].offset + self.blocks[-1].length if self.blocks else 0

    def _cut_to(self, size: int) -> None:
        self._firsts = [block.first for block in self.blocks]
        if os.fstat(self._file).st_size > size:
            os.ftruncate(self._file, size)
            os.fsync(self._file)

    def _payload(self, block: Block) -> bytes | None:
        header = os.pread(self._file, _HEADER.size + block.length, block.offset - _HEADER.size)
        payload = header[_HEADER.size :]
        expected = _HEADER.unpack_from(header)[4] if len(header) >= _HEADER.size else None
        return payload if len(payload) == block.length and crc32(payload) == expected else None

    def _read_headers(self) -> list[Block]:
        size, offset = os.fstat(self._file).st_size, 0
        blocks: list[Block] = []
        while len(header := os.pread(self._file, _HEADER.size, offset)) == _HEADER.size:
            magic, first, stop, length, _ = _HEADER.unpack(header)
            block = Block(first, stop, offset + _HEADER.size, length)
            before = blocks[-1].stop if blocks else 0
            if magic != _MAGIC or not before <= first < stop or block.offset + length > size:
                break
            blocks.append(block)
            offset = block.offset + length
        if blocks and self._payload(blocks[-1]) is None:
            blocks.pop()
        return blocks


def write_all(file: int, data: bytes | memoryview, offset: int) -> None:
    """Write every byte at ``offset``; the system may take them in several pieces."""
    rest = memoryview(data)
    while rest:
        written = os.pwrite(file, rest, offset)
        rest, offset = rest[written:], offset + written
