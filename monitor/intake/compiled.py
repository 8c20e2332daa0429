"""Compiled functions of the intake, and the loads and stores that they work with.

Kernels see memory as addresses, not arrays: an address is one number, so a call passes registers only and counts no
references, and 8 or 32 bytes are loaded at any place by one instruction, which NumPy indexing has no word for. On
the measured records this made the decoder several times faster than the same code over arrays.

The rules that keep this safe: addresses are taken from arrays inside the outermost kernel of a call
(:func:`address_of`), whose caller holds the arrays; and at least :data:`PADDING_BYTES` readable bytes follow the last
byte of interest, so that a block can be loaded without a test for the end.
"""

from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numba.extending
import numpy as np
from llvmlite import ir
from numba import njit, types

from models.made_once import make_once

PADDING_BYTES = 64
"""Readable bytes behind the last one of a buffer that a kernel reads."""

_BLOCK = 32


SOURCES = (
    "intake/compiled.py",
    "intake/convert.py",
    "intake/entities.py",
    "intake/fast_values.py",
    "intake/given.py",
    "intake/identifiers.py",
    "intake/json_scan.py",
    "intake/json_write.py",
    "intake/record_fields.py",
    "intake/seal.py",
    "intake/sha256.py",
    "intake/siphash.py",
    "intake/words.py",
    "domain/countries.py",
    "domain/identifiers.py",
    "domain/money.py",
    "domain/time.py",
    "domain/transaction.py",
    "domain/vocabulary.py",
)
"""Files whose text goes into the machine code of the kernels: code that is inlined, and constants."""


@cache
def source_digest() -> str:
    """A digest of :data:`SOURCES`."""
    root = Path(__file__).parents[1]
    return sha256(b"".join((root / source).read_bytes() for source in SOURCES)).hexdigest()


def kernel(function: Any) -> Any:
    """Compile ``function`` at its first call and keep the machine code on disk.

    numba looks at the file of a function to see whether machine code on disk is still right. That is not enough here:
    a kernel contains the kernels that it calls and constants of other files. So the stamp is that of all of them.
    """
    compiled: Any = njit(cache=True, boundscheck=False, nogil=True, error_model="numpy")(function)
    make_once(compiled, source_digest())
    return compiled


def intrinsic(function: Any) -> Any:
    """A function whose body is LLVM instructions."""
    return numba.extending.intrinsic(function)


@kernel
def address_of(array):  # type: ignore[no-untyped-def]
    """The address of an array's first byte, as a signed integer."""
    return np.int64(array.ctypes.data)


def _pointer(builder: Any, address: Any, to: Any) -> Any:
    return builder.inttoptr(address, to.as_pointer())


def _load(result: Any, bits: int) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.load(_pointer(builder, args[0], ir.IntType(bits)), align=1)

    return result(types.int64), generate


def _store(value: Any, bits: int) -> Any:
    def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        builder.store(args[1], _pointer(builder, args[0], ir.IntType(bits)), align=1)
        return context.get_dummy_value()

    return types.void(types.int64, value), generate


@intrinsic
def load_u8(_typing: Any, at: Any) -> Any:
    """One byte."""
    return _load(types.uint8, 8)


@intrinsic
def load_i32(_typing: Any, at: Any) -> Any:
    """A signed integer of four bytes."""
    return _load(types.int32, 32)


@intrinsic
def load_i64(_typing: Any, at: Any) -> Any:
    """A signed integer of eight bytes."""
    return _load(types.int64, 64)


@intrinsic
def load_u64(_typing: Any, at: Any) -> Any:
    """Eight bytes, little-endian."""
    return _load(types.uint64, 64)


@intrinsic
def store_u8(_typing: Any, at: Any, value: Any) -> Any:
    """Write one byte."""
    return _store(types.uint8, 8)


@intrinsic
def store_i32(_typing: Any, at: Any, value: Any) -> Any:
    """Write four bytes."""
    return _store(types.int32, 32)


@intrinsic
def store_i64(_typing: Any, at: Any, value: Any) -> Any:
    """Write eight bytes."""
    return _store(types.int64, 64)


@intrinsic
def store_u64(_typing: Any, at: Any, value: Any) -> Any:
    """Write eight bytes, little-endian."""
    return _store(types.uint64, 64)


@intrinsic
def prefetch(_typing: Any, at: Any) -> Any:
    """Ask for the cache line of an address without waiting for it; the address need not be readable."""

    def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        byte, int32 = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, int32, int32, int32])
        name = "llvm.prefetch.p0i8"
        function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
        builder.call(function, [_pointer(builder, args[0], ir.IntType(8)), int32(0), int32(3), int32(1)])
        return context.get_dummy_value()

    return types.void(types.int64), generate


@intrinsic
def copy_block(_typing: Any, to: Any, at: Any) -> Any:
    """Copy 32 bytes from ``at`` to ``to``."""

    def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        block = ir.VectorType(ir.IntType(8), _BLOCK)
        read = builder.load(_pointer(builder, args[1], block), align=1)
        builder.store(read, _pointer(builder, args[0], block), align=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


def _mask(relation: str) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        block = ir.VectorType(ir.IntType(8), _BLOCK)
        read = builder.load(_pointer(builder, args[0], block), align=1)
        mask = builder.icmp_unsigned(relation, read, _splat(builder, args[1]))
        return builder.bitcast(mask, ir.IntType(_BLOCK))

    return types.uint32(types.int64, types.uint8), generate


@intrinsic
def equal_mask(_typing: Any, at: Any, byte: Any) -> Any:
    """Bit ``i`` is set where the byte at ``at + i`` is ``byte``, for 32 bytes."""
    return _mask("==")


@intrinsic
def below_mask(_typing: Any, at: Any, byte: Any) -> Any:
    """Bit ``i`` is set where the byte at ``at + i`` is less than ``byte``, unsigned, for 32 bytes."""
    return _mask("<")


@intrinsic
def lowest_bit(_typing: Any, mask: Any) -> Any:
    """Index of the lowest set bit of a mask that has one."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.zext(builder.cttz(args[0], ir.Constant(ir.IntType(1), 1)), ir.IntType(64))

    return types.int64(types.uint32), generate


@intrinsic
def count_bits(_typing: Any, mask: Any) -> Any:
    """Number of set bits of a mask."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.zext(builder.ctpop(args[0]), ir.IntType(64))

    return types.int64(types.uint32), generate


def _splat(builder: Any, byte: Any) -> Any:
    block = ir.VectorType(ir.IntType(8), _BLOCK)
    single = builder.insert_element(ir.Constant(block, ir.Undefined), byte, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), _BLOCK), None)
    return builder.shuffle_vector(single, ir.Constant(block, ir.Undefined), zeros)
