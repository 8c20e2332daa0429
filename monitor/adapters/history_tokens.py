"""The tokens behind the codes of the history: ``history/_tokens/part-<first code>.parquet``, each code once.

Codes are dense and never change, so the table only grows. The last part is written again at a commit, under the same
name, until it holds ``PART_CODES_MIN`` codes. Parts follow each other without a gap.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from monitor.adapters.block_log import DamagedError
from monitor.adapters.durable import make_folder, replace_file
from monitor.adapters.history_parts import Tokens
from monitor.domain.identifiers import TOKEN_BYTES

PART_CODES_MIN = 32_768
"""A part with so many codes is not written again."""
PART_CODES_MAX = 1 << 20
"""Codes of one part at most; further ones go to the next."""

_SCHEMA = pa.schema([pa.field("code", pa.int32(), nullable=False),
                     pa.field("token", pa.binary(TOKEN_BYTES), nullable=False)])  # fmt: skip


class TokenParts:
    """The table in a folder. ``count`` is the number of codes whose tokens are on the disk.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     parts = TokenParts(Path(folder))
    ...     parts.write(np.zeros((3, 16), np.uint8))
    ...     parts.truncate(2)
    ...     (parts.count, read_tokens(Path(folder)).shape)
    (2, (2, 16))
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._firsts = [_first_of(path) for path in _paths(folder)]
        self.count = (
            self._firsts[-1] + pq.read_metadata(_path(folder, self._firsts[-1])).num_rows if self._firsts else 0
        )

    def write(self, tokens: Tokens) -> None:
        """Bring the table up to ``tokens``, shape (codes, 16), whose beginning it holds already."""
        if len(tokens) <= self.count:
            return
        if not self._firsts or self.count - self._firsts[-1] >= PART_CODES_MIN:
            self._firsts.append(self.count)
        first = self._firsts.pop()
        make_folder(self.folder)
        for start in range(first, len(tokens), PART_CODES_MAX):
            self._write(start, tokens[start : start + PART_CODES_MAX])
            self._firsts.append(start)
        self.count = len(tokens)

    def truncate(self, count: int) -> None:
        """Forget codes from ``count`` on."""
        if count >= self.count:
            return
        while self._firsts and self._firsts[-1] >= count:
            _path(self.folder, self._firsts.pop()).unlink(missing_ok=True)
        if self._firsts:
            first = self._firsts[-1]
            self._write(first, _read(_path(self.folder, first))[: count - first])
        self.count = count

    def _write(self, first: int, tokens: Tokens) -> None:
        codes = pa.array(np.arange(first, first + len(tokens), dtype=np.int32))
        body = pa.py_buffer(np.ascontiguousarray(tokens))
        column = pa.FixedSizeBinaryArray.from_buffers(pa.binary(TOKEN_BYTES), len(tokens), [None, body])
        table = pa.Table.from_arrays([codes, column], schema=_SCHEMA)
        replace_file(
            _path(self.folder, first),
            lambda path: pq.write_table(
                table, path, row_group_size=len(tokens), compression="none", use_dictionary=False,
                column_encoding={"code": "DELTA_BINARY_PACKED"}, write_statistics=["code"],
            ),
        )  # fmt: skip


def read_tokens(folder: Path) -> Tokens:
    """All tokens, shape (codes, 16), in the order of the codes.

    Raises:
        DamagedError: A part is missing or cannot be read.
    """
    found = [np.empty((0, TOKEN_BYTES), np.uint8)]
    count = 0
    for path in _paths(folder):
        if _first_of(path) != count:
            raise DamagedError(f"{path}: the tokens of codes {count} to {_first_of(path)} are missing. "
                               "Restore the folder from a copy.")  # fmt: skip
        found.append(_read(path))
        count += len(found[-1])
    return np.concatenate(found)


def _read(path: Path) -> Tokens:
    try:
        column = pq.read_table(path, columns=["token"], partitioning=None, memory_map=True).column("token")
    except (pa.ArrowInvalid, OSError) as error:
        raise DamagedError(f"{path}: the tokens cannot be read: {error}. Restore the file from a copy.") from error
    chunks = [
        np.frombuffer(chunk.buffers()[1], np.uint8, TOKEN_BYTES * len(chunk), TOKEN_BYTES * chunk.offset)
        for chunk in column.chunks
    ]
    return np.concatenate([np.empty(0, np.uint8), *chunks]).reshape(-1, TOKEN_BYTES)


def _paths(folder: Path) -> list[Path]:
    return sorted(folder.glob("part-*.parquet"))


def _path(folder: Path, first: int) -> Path:
    return folder / f"part-{first:010d}.parquet"


def _first_of(path: Path) -> int:
    return int(path.stem.removeprefix("part-"))
