"""Compiled functions of the intake, and the loads that they read bytes with.

A kernel works on a ``uint8`` buffer with at least :data:`PADDING_BYTES` readable bytes behind the
last byte of interest, so that 8 and 32 bytes can be loaded at any place without a test for the end.
The loads are single machine instructions; NumPy indexing has no word for them.
"""

from typing import Any

import numba.extending
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types

PADDING_BYTES = 64
"""Readable bytes behind the last one of a buffer that a kernel reads."""

_BLOCK = 32


def kernel(function: Any) -> Any:
    """Compile ``function`` at its first call and keep the machine code on disk."""
    return njit(cache=True, boundscheck=False, nogil=True, error_model="numpy")(function)


def intrinsic(function: Any) -> Any:
    """A function whose body is LLVM instructions."""
    return numba.extending.intrinsic(function)


def _pointer(context: Any, builder: Any, signature: Any, args: Any, bits: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, args[0])
    address = builder.ptrtoint(array.data, ir.IntType(64))
    address = builder.add(address, args[1])
    return builder.inttoptr(address, bits.as_pointer())


@intrinsic
def load_u64(_typing: Any, buffer: Any, at: Any) -> Any:
    """Eight bytes at ``at``, little-endian."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_pointer(context, builder, signature, args, ir.IntType(64)), align=1)

    return types.uint64(buffer, types.int64), generate


@intrinsic
def store_u64(_typing: Any, buffer: Any, at: Any, value: Any) -> Any:
    """Write eight bytes at ``at``, little-endian."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[2], _pointer(context, builder, signature, args, ir.IntType(64)), align=1)
        return context.get_dummy_value()

    return types.void(buffer, types.int64, types.uint64), generate


@intrinsic
def copy_block(_typing: Any, target: Any, at: Any, source: Any, start: Any) -> Any:
    """Copy 32 bytes from ``source[start:]`` to ``target[at:]``."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        block = ir.VectorType(ir.IntType(8), _BLOCK)
        one, other = signature.args[0], signature.args[2]
        source_signature = types.void(other, types.int64)
        target_signature = types.void(one, types.int64)
        read = builder.load(_pointer(context, builder, source_signature, args[2:4], block), align=1)
        builder.store(read, _pointer(context, builder, target_signature, args[0:2], block), align=1)
        return context.get_dummy_value()

    return types.void(target, types.int64, source, types.int64), generate


@intrinsic
def equal_mask(_typing: Any, buffer: Any, at: Any, byte: Any) -> Any:
    """Bit ``i`` is set where ``buffer[at + i] == byte``, for 32 bytes."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        block = ir.VectorType(ir.IntType(8), _BLOCK)
        read = builder.load(_pointer(context, builder, signature, args, block), align=1)
        mask = builder.icmp_unsigned("==", read, _splat(builder, args[2]))
        return builder.bitcast(mask, ir.IntType(_BLOCK))

    return types.uint32(buffer, types.int64, types.uint8), generate


@intrinsic
def below_mask(_typing: Any, buffer: Any, at: Any, byte: Any) -> Any:
    """Bit ``i`` is set where ``buffer[at + i] < byte``, unsigned, for 32 bytes."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        block = ir.VectorType(ir.IntType(8), _BLOCK)
        read = builder.load(_pointer(context, builder, signature, args, block), align=1)
        mask = builder.icmp_unsigned("<", read, _splat(builder, args[2]))
        return builder.bitcast(mask, ir.IntType(_BLOCK))

    return types.uint32(buffer, types.int64, types.uint8), generate


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
