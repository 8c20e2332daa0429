"""SipHash, the keyed hash of the intake, compiled.

Two uses with two strengths. SipHash-1-3 with 64 bits finds a place in a hash table and makes content
digests; SipHash-2-4 with 128 bits stands for a transaction id in the duplicate filter. Both are keyed from
the bank's secret, so that nobody who sends payments can prepare collisions.

Source: Aumasson, J.-P. and Bernstein, D. J. (2012), "SipHash: a fast short-input PRF", INDOCRYPT 2012.
"""

import hmac
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from monitor.intake.compiled import kernel, load_u64

Keys = npt.NDArray[np.uint64]

_U0 = np.uint64(0)
_U1 = np.uint64(1)
_U8 = np.uint64(8)
_U64 = np.uint64(64)
_U255 = np.uint64(255)
_S13, _S16, _S17, _S21, _S32, _S56 = (np.uint64(shift) for shift in (13, 16, 17, 21, 32, 56))
_C0, _C1 = np.uint64(0x736F6D6570736575), np.uint64(0x646F72616E646F6D)
_C2, _C3 = np.uint64(0x6C7967656E657261), np.uint64(0x7465646279746573)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_EE, _DD = np.uint64(0xEE), np.uint64(0xDD)


def keys_for(secret: bytes, purpose: str) -> Keys:
    """Two 64-bit hash keys for one purpose, derived from the bank's secret.

    >>> keys_for(b"k" * 32, "a").tolist() == keys_for(b"k" * 32, "b").tolist()
    False
    """
    return np.frombuffer(hmac.digest(secret, b"siphash " + purpose.encode(), sha256)[:16], "<u8").copy()


@kernel
def mixed(v0, v1, v2, v3):  # type: ignore[no-untyped-def]
    """One SipRound."""
    v0 = v0 + v1
    v1 = ((v1 << _S13) | (v1 >> (_U64 - _S13))) ^ v0
    v0 = (v0 << _S32) | (v0 >> _S32)
    v2 = v2 + v3
    v3 = ((v3 << _S16) | (v3 >> (_U64 - _S16))) ^ v2
    v0 = v0 + v3
    v3 = ((v3 << _S21) | (v3 >> (_U64 - _S21))) ^ v0
    v2 = v2 + v1
    v1 = ((v1 << _S17) | (v1 >> (_U64 - _S17))) ^ v2
    v2 = (v2 << _S32) | (v2 >> _S32)
    return v0, v1, v2, v3


@kernel
def last_word(at, rest):  # type: ignore[no-untyped-def]
    """The 0 to 7 bytes at ``at`` as one word, zeros above."""
    if rest == 0:
        return _U0
    return load_u64(at) & (_ALL >> (_U64 - _U8 * np.uint64(rest)))


@kernel
def hash_tagged(key_0, key_1, tag, start, length):  # type: ignore[no-untyped-def]
    """SipHash-1-3 of the eight bytes of ``tag`` followed by the ``length`` bytes at ``start``; 64 bits."""
    tag = np.uint64(tag)
    v0, v1, v2, v3 = key_0 ^ _C0, key_1 ^ _C1, key_0 ^ _C2, key_1 ^ _C3 ^ tag
    v0, v1, v2, v3 = mixed(v0, v1, v2, v3)
    v0 ^= tag
    end = start + (length & ~7)
    at = start
    while at < end:
        word = load_u64(at)
        v3 ^= word
        v0, v1, v2, v3 = mixed(v0, v1, v2, v3)
        v0 ^= word
        at += 8
    word = ((np.uint64(length + 8) & _U255) << _S56) | last_word(end, length & 7)
    v3 ^= word
    v0, v1, v2, v3 = mixed(v0, v1, v2, v3)
    v0 ^= word
    v2 ^= _U255
    v0, v1, v2, v3 = mixed(v0, v1, v2, v3)
    v0, v1, v2, v3 = mixed(v0, v1, v2, v3)
    v0, v1, v2, v3 = mixed(v0, v1, v2, v3)
    return v0 ^ v1 ^ v2 ^ v3


@kernel
def hash_words(key_0, key_1, words, count):  # type: ignore[no-untyped-def]
    """SipHash-1-3 of the ``count`` 64-bit words at ``words``; 64 bits."""
    v0, v1, v2, v3 = key_0 ^ _C0, key_1 ^ _C1, key_0 ^ _C2, key_1 ^ _C3
    for index in range(count):
        word = load_u64(words + 8 * index)
        v3 ^= word
        v0, v1, v2, v3 = mixed(v0, v1, v2, v3)
        v0 ^= word
    word = (np.uint64(count * 8) & _U255) << _S56
    v3 ^= word
    v0, v1, v2, v3 = mixed(v0, v1, v2, v3)
    v0 ^= word
    v2 ^= _U255
    v0, v1, v2, v3 = mixed(v0, v1, v2, v3)
    v0, v1, v2, v3 = mixed(v0, v1, v2, v3)
    v0, v1, v2, v3 = mixed(v0, v1, v2, v3)
    return v0 ^ v1 ^ v2 ^ v3


@kernel
def hash_128(key_0, key_1, start, length):  # type: ignore[no-untyped-def]
    """SipHash-2-4 of the ``length`` bytes at ``start``; two words of 64 bits."""
    v0, v1, v2, v3 = key_0 ^ _C0, key_1 ^ _C1 ^ _EE, key_0 ^ _C2, key_1 ^ _C3
    end = start + (length & ~7)
    at = start
    while at <= end:
        word = load_u64(at)
        if at == end:
            word = ((np.uint64(length) & _U255) << _S56) | last_word(end, length & 7)
        v3 ^= word
        v0, v1, v2, v3 = mixed(v0, v1, v2, v3)
        v0, v1, v2, v3 = mixed(v0, v1, v2, v3)
        v0 ^= word
        at += 8
    v2 ^= _EE
    for _ in range(4):
        v0, v1, v2, v3 = mixed(v0, v1, v2, v3)
    first = v0 ^ v1 ^ v2 ^ v3
    v1 ^= _DD
    for _ in range(4):
        v0, v1, v2, v3 = mixed(v0, v1, v2, v3)
    return first, v0 ^ v1 ^ v2 ^ v3
