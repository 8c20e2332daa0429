"""How kernels are compiled: once per machine, kept in numba's cache, without bounds checks.

A kernel is a function over arrays that numba compiles on first use, and keeps its machine code on disk as long as the
function's own file is unchanged; but a kernel contains the kernels that it calls, and constants of other files. So the
stamp is a digest of all files that kernels are made of: of models, those of this package; the engine adds its own. A
kernel makes no arrays: what it writes to is given, and references are not counted.

``AML_KERNEL_CHECKS=1`` compiles with bounds checks and without the cache, for the test suite.
"""

import os
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from models.made_once import make_once

_CHECKED = os.environ.get("AML_KERNEL_CHECKS") == "1"
_intrinsic: Any = intrinsic
_njit: Any = numba.njit


@cache
def source_digest() -> str:
    """A digest of every file whose text can go into machine code."""
    return sha256(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))).hexdigest()


def kernel(function: Any, digest: Callable[[], str] = source_digest) -> Any:
    """Compile ``function`` without the interpreter; ``digest`` stamps its machine code.

    Overflow wraps, division by zero and bounds are the caller's promise. A kernel makes no arrays: what it writes to is
    given. So numba need not count references, which would cost more than most of what kernels do.
    """
    compiled: Any = _njit(cache=not _CHECKED, boundscheck=_CHECKED, nogil=True, error_model="numpy", _nrt=False)(
        function
    )
    if not _CHECKED:
        make_once(compiled, digest())
    return compiled


def inlined(function: Any) -> Any:
    """A part of a kernel, put in place of each call by the compiler."""
    return _njit(forceinline=True, boundscheck=_CHECKED, nogil=True, error_model="numpy", _nrt=False)(function)


def called(function: Any) -> Any:
    """A part of kernels that runs rarely: called, not put in place of each call."""
    return _njit(boundscheck=_CHECKED, nogil=True, error_model="numpy", _nrt=False)(function)


@_intrinsic  # type: ignore[untyped-decorator]
def bits_of(_typing: Any, number: Any) -> Any:
    """The 64 bits of a float as an integer."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.IntType(64))

    return types.int64(types.float64), generate


@_intrinsic  # type: ignore[untyped-decorator]
def prefetch(_typing: Any, array: Any, index: Any) -> Any:
    """Ask for the cache line of element ``index`` (counted in the flat array), without waiting for it.

    Rows of keys lie all over the memory; asking some rows ahead hides most of the wait.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        byte = ir.IntType(8).as_pointer()
        place = builder.bitcast(builder.gep(data, [args[1]]), byte)
        int32 = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, int32, int32, int32])
        function = builder.module.globals.get("llvm.prefetch.p0i8") or ir.Function(
            builder.module, kind, "llvm.prefetch.p0i8"
        )
        builder.call(function, [place, int32(0), int32(3), int32(1)])
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


@inlined
def mix(a: Any, b: Any) -> Any:
    """A well spread, non-negative hash of two integers (the finaliser of splitmix64 over both)."""
    x = numba.uint64(a) * numba.uint64(0x9E3779B97F4A7C15) + numba.uint64(b)
    x ^= x >> numba.uint64(30)
    x *= numba.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> numba.uint64(27)
    x *= numba.uint64(0x94D049BB133111EB)
    x ^= x >> numba.uint64(31)
    return numba.int64(x >> numba.uint64(1))
