"""Room for all that a state may ever hold, which takes memory only where it has been written to.

Arrays that grow by copying stop a stream for as long as the copy takes, a third of a second for the rings of 150,000
accounts. Anonymous pages that nobody has written to cost address space alone, so room for the stated limit is taken at
once and nothing is ever moved.
"""

import mmap
from typing import Any

import numpy as np
import numpy.typing as npt

_LARGE = 1 << 22
"""Bytes from which large pages are asked for: accounts are met in no order, and each page must be looked up."""
_FLAGS = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
# Linux: not counted against what the machine may promise. Python 3.11 does not name it.
_NO_RESERVE = getattr(mmap, "MAP_NORESERVE", 0x4000 if mmap.__dict__.get("MAP_POPULATE") else 0)


def reserved(shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Zeros that begin a page of memory; a page takes memory once it is written to."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    room = mmap.mmap(-1, max(size, 1), flags=_FLAGS | _NO_RESERVE)
    if size >= _LARGE and hasattr(mmap, "MADV_HUGEPAGE"):
        room.madvise(mmap.MADV_HUGEPAGE)
    return np.ndarray(shape, dtype, buffer=room)


def roomier(values: npt.NDArray[Any], used: int, wanted: int) -> npt.NDArray[Any]:
    """The array itself where ``wanted`` rows fit; else its first ``used`` rows with zeros and much room behind them."""
    if wanted <= len(values):
        return values
    found = reserved((16 * wanted, *values.shape[1:]), values.dtype)
    found[:used] = values[:used]
    return found
