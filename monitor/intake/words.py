"""Looking up a short word among a fixed few: one multiplication, one comparison, no search.

The table is a perfect hash: its multiplier is the first of a fixed sequence under which no two of its words meet.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from monitor.intake.compiled import kernel, load_u64

WORD_BYTES_MAX = 24
_SLOTS = 256
_SHIFT = np.uint64(56)
_S64, _U8, _S29, _S43 = np.uint64(64), np.uint64(8), np.uint64(29), np.uint64(43)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_U0 = np.uint64(0)
_S2, _HIGH_BITS, _LOW_BITS = np.uint64(2), np.uint64(0x8080808080808080), np.uint64(0x7F7F7F7F7F7F7F7F)
_FROM_A, _BEHIND_Z = (
    np.uint64((0x80 - ord("a")) * 0x0101010101010101),
    np.uint64((0x7F - ord("z")) * 0x0101010101010101),
)
"""What carries a letter from ``a`` on into the high bit of its byte, and one behind ``z``."""


class WordTable(NamedTuple):
    """Words as three 64-bit numbers each, with their lengths, behind 256 slots. A constant for kernels."""

    multiplier: np.uint64
    slots: npt.NDArray[np.int16]
    words: npt.NDArray[np.uint64]
    lengths: npt.NDArray[np.int64]


@cache
def word_table(words: Sequence[str]) -> WordTable:
    """A table of up to a few dozen words of 1 to 24 bytes; a word's place is its code.

    >>> table = word_table(("cash", "wire"))
    >>> np.sort(table.slots)[-2:].tolist()
    [0, 1]
    """
    encoded = [word.encode() for word in words]
    numbers = np.array([np.frombuffer(word.ljust(WORD_BYTES_MAX, b"\0"), "<u8") for word in encoded], np.uint64)
    lengths = np.array([len(word) for word in encoded], np.int64)
    folded = [_fold(row.tolist(), len(word)) for row, word in zip(numbers, encoded, strict=True)]
    multiplier = 0x9E3779B97F4A7C15
    while len({value * multiplier % 2**64 >> 56 for value in folded}) < len(words):
        multiplier = (multiplier * 6364136223846793005 + 1442695040888963407) % 2**64 | 1
    slots = np.full(_SLOTS, -1, np.int16)
    for code, value in enumerate(folded):
        slots[value * multiplier % 2**64 >> 56] = code
    return WordTable(np.uint64(multiplier), slots, numbers, lengths)


def _fold(words: list[int], length: int) -> int:
    """Equal to :func:`folded`."""
    return (words[0] ^ (words[1] << 29 | words[1] >> 35) ^ (words[2] << 43 | words[2] >> 21) ^ length) % 2**64


@kernel
def word_at(at, length):  # type: ignore[no-untyped-def]
    """Up to eight of the ``length`` bytes at ``at``, zeros above."""
    if length <= 0:
        return _U0
    if length >= 8:
        return load_u64(at)
    return load_u64(at) & (_ALL >> (_S64 - _U8 * np.uint64(length)))


@kernel
def upper_case(word):  # type: ignore[no-untyped-def]
    """Eight bytes with their ASCII letters in upper case."""
    low = word & _LOW_BITS
    is_letter = (low + _FROM_A) & ~(low + _BEHIND_Z) & ~word & _HIGH_BITS
    return word ^ (is_letter >> _S2)


@kernel
def folded(one, two, three, length):  # type: ignore[no-untyped-def]
    """Three words and a length as one number, not yet spread."""
    mixed = one ^ ((two << _S29) | (two >> (_S64 - _S29))) ^ ((three << _S43) | (three >> (_S64 - _S43)))
    return mixed ^ np.uint64(length)


def word_finder(table: WordTable) -> Any:
    """A kernel ``find(at, length)`` that gives the code of the word there, or ``-1``."""
    find_among = _finder_among(table)

    @kernel
    def find(at, length):  # type: ignore[no-untyped-def]
        if length < 1 or length > WORD_BYTES_MAX:
            return np.int64(-1)
        one, two, three = word_at(at, length), word_at(at + 8, length - 8), word_at(at + 16, length - 16)
        return find_among(one, two, three, length)

    return find


def folded_word_finder(table: WordTable) -> Any:
    """As :func:`word_finder` for a table without lower-case ASCII letters; those of the text count as upper case."""
    find_among = _finder_among(table)

    @kernel
    def find(at, length):  # type: ignore[no-untyped-def]
        if length < 1 or length > WORD_BYTES_MAX:
            return np.int64(-1)
        one, two = upper_case(word_at(at, length)), upper_case(word_at(at + 8, length - 8))
        return find_among(one, two, upper_case(word_at(at + 16, length - 16)), length)

    return find


def _finder_among(table: WordTable) -> Any:
    multiplier, slots, words, lengths = table

    @kernel
    def find_among(one, two, three, length):  # type: ignore[no-untyped-def]
        code = np.int64(slots[(folded(one, two, three, length) * multiplier) >> _SHIFT])
        if code < 0 or lengths[code] != length:
            return np.int64(-1)
        if words[code, 0] != one or words[code, 1] != two or words[code, 2] != three:
            return np.int64(-1)
        return code

    return find_among
