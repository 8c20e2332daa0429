"""HMAC-SHA-256 of many short identifiers, compiled.

A token is made once for each new identifier, and a stream brings a new one with every third payment. One call of
the library per identifier costs seven times as much as this, most of it for setting up; here the two states of the
key are set up once and a whole batch is hashed in one call.

Sources: FIPS 180-4 (2015), "Secure Hash Standard", section 6.2; RFC 2104 (1997), "HMAC: Keyed-Hashing for Message
Authentication". ``tests/intake/test_identifiers.py`` compares with the library.
"""

from hashlib import sha256
from math import isqrt

import numpy as np
import numpy.typing as npt

from monitor.domain.identifiers import TOKEN_BYTES
from monitor.intake.compiled import address_of, kernel, load_u8, store_u8

Uint32s = npt.NDArray[np.uint32]

_BLOCK = 64
_WORDS = 16
_PRIMES = [n for n in range(2, 312) if all(n % d for d in range(2, isqrt(n) + 1))][:64]


def _cube_root_bits(prime: int) -> int:
    """The first 32 bits of the fractional part of the cube root."""
    root = int((prime << 96) ** (1 / 3))
    while root**3 > prime << 96:
        root -= 1
    while (root + 1) ** 3 <= prime << 96:
        root += 1
    return int(root & 0xFFFFFFFF)


_ROUND = np.array([_cube_root_bits(prime) for prime in _PRIMES], np.uint32)
_START = np.array([isqrt(prime << 64) & 0xFFFFFFFF for prime in _PRIMES[:8]], np.uint32)


@kernel
def _rotated(x, n):  # type: ignore[no-untyped-def]
    return np.uint32((x >> np.uint32(n)) | (x << np.uint32(32 - n)))


@kernel
def _compress(state, at, words):  # type: ignore[no-untyped-def]
    """Take the 64 bytes at address ``at`` into ``state[at]``; ``words`` is room for 64."""
    for t in range(_WORDS):
        word = np.uint32(0)
        for k in range(4):
            word = np.uint32((word << np.uint32(8)) | np.uint32(load_u8(at + 4 * t + k)))
        words[t] = word
    for t in range(_WORDS, 64):
        x, y = words[t - 15], words[t - 2]
        one = _rotated(x, 7) ^ _rotated(x, 18) ^ np.uint32(x >> np.uint32(3))
        two = _rotated(y, 17) ^ _rotated(y, 19) ^ np.uint32(y >> np.uint32(10))
        words[t] = np.uint32(words[t - 16] + one + words[t - 7] + two)
    a, b, c, d, e, f, g, h = state[0], state[1], state[2], state[3], state[4], state[5], state[6], state[7]
    for t in range(64):
        choice = (e & f) ^ (np.uint32(~e) & g)
        big = _rotated(e, 6) ^ _rotated(e, 11) ^ _rotated(e, 25)
        first = np.uint32(h + big + choice + _ROUND[t] + words[t])
        second = np.uint32((_rotated(a, 2) ^ _rotated(a, 13) ^ _rotated(a, 22)) + ((a & b) ^ (a & c) ^ (b & c)))
        h, g, f, e, d, c, b, a = g, f, e, np.uint32(d + first), c, b, a, np.uint32(first + second)
    state[0] += a
    state[1] += b
    state[2] += c
    state[3] += d
    state[4] += e
    state[5] += f
    state[6] += g
    state[7] += h


@kernel
def _finish(state, buffer, length, hashed, words):  # type: ignore[no-untyped-def]
    """Pad ``length`` bytes of ``buffer``, which follow ``hashed`` bytes in ``state``, and take them in."""
    total = (length + 9 + _BLOCK - 1) // _BLOCK * _BLOCK
    buffer[length] = 0x80
    for k in range(length + 1, total):
        buffer[k] = 0
    bits = (hashed + length) * 8
    for k in range(8):
        buffer[total - 1 - k] = (bits >> (8 * k)) & 0xFF
    for block in range(0, total, _BLOCK):
        _compress(state, address_of(buffer) + block, words)


@kernel
def _write_tokens(key_states, kinds, offsets, texts, buffer, words, state, tokens):  # type: ignore[no-untyped-def]
    source, to = address_of(texts), address_of(buffer)
    for row in range(len(kinds)):
        length = offsets[row + 1] - offsets[row]
        buffer[0] = kinds[row]
        for k in range(length):
            store_u8(to + 1 + k, load_u8(source + offsets[row] + k))
        state[:] = key_states[0]
        _finish(state, buffer, length + 1, _BLOCK, words)
        for k in range(32):
            buffer[k] = (state[k >> 2] >> np.uint32(24 - 8 * (k & 3))) & np.uint32(0xFF)
        state[:] = key_states[1]
        _finish(state, buffer, 32, _BLOCK, words)
        for k in range(TOKEN_BYTES):
            tokens[row, k] = (state[k >> 2] >> np.uint32(24 - 8 * (k & 3))) & np.uint32(0xFF)


def key_states(key: bytes) -> Uint32s:
    """The states after the inner and the outer padded key, shape (2, 8)."""
    block = (sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
    states, words = np.stack([_START, _START]), np.empty(64, np.uint32)
    for row, pad in enumerate((0x36, 0x5C)):
        padded = np.frombuffer(bytes(byte ^ pad for byte in block), np.uint8).copy()
        _compress_one(states[row], padded, words)
    return states


@kernel
def _compress_one(state, block, words):  # type: ignore[no-untyped-def]
    _compress(state, address_of(block), words)


def write_tokens(
    states: Uint32s,
    kinds: npt.NDArray[np.int8],
    offsets: npt.NDArray[np.int64],
    texts: npt.NDArray[np.uint8],
    longest: int,
    tokens: npt.NDArray[np.uint8],
) -> None:
    """Write the first 16 bytes of the HMAC of each ``kind byte + text``.

    Args:
        states: Of the key, from :func:`key_states`.
        kinds: Shape (n,).
        offsets: Where each text begins in ``texts``, and the end of the last, shape (n + 1,).
        texts: Their bytes.
        longest: Bytes of the longest text.
        tokens: Out, shape (n, 16).
    """
    room = np.empty((longest + 1 + 9 + _BLOCK) // _BLOCK * _BLOCK + _BLOCK, np.uint8)
    _write_tokens(states, kinds, offsets, texts, room, np.empty(64, np.uint32), np.empty(8, np.uint32), tokens)
