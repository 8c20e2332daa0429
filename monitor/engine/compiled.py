"""How the engine's kernels are compiled: as those of models are, with a stamp over the engine's files too."""

from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from numba.cpython.unsafe.numbers import trailing_zeros as _trailing_zeros

from models import compiled
from models.compiled import called, inlined, mix, prefetch

__all__ = ["called", "inlined", "kernel", "lowest_bit", "mix", "prefetch", "source_digest"]

lowest_bit: Any = _trailing_zeros
"""Index of the lowest set bit of an integer that has one."""

_FOLDERS = ("engine", "domain")
_FILES = ("rulebook/bytecode.py",)


@cache
def source_digest() -> str:
    """A digest of every file whose text can go into machine code."""
    root = Path(__file__).parents[1]
    files = [path for folder in _FOLDERS for path in sorted((root / folder).glob("*.py"))]
    files += [root / name for name in _FILES]
    parts = [compiled.source_digest().encode(), *(path.read_bytes() for path in files)]
    return sha256(b"".join(parts)).hexdigest()


def kernel(function: Any) -> Any:
    """Compile ``function`` without the interpreter (:func:`models.compiled.kernel`)."""
    return compiled.kernel(function, source_digest)
