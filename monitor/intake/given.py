"""Whether a text says something, or only stands where a name, an address or a number should.

A text says nothing where it is blank, where all its characters but blanks are one and the same ("XXX", ".", "- -"), and
where it is one of :data:`monitor.domain.transaction.FILLERS`. Blanks at its ends and the case of ASCII letters do
not count. :func:`says_something` is the definition, :func:`says_something_at` the same as a kernel.
"""

import numpy as np

from monitor.domain.transaction import FILLERS
from monitor.intake.compiled import kernel, load_u8
from monitor.intake.words import WORD_BYTES_MAX, folded_word_finder, word_table

_BLANKS = b" \t\n\v\f\r"
_FILLERS = frozenset(filler.encode() for filler in FILLERS)
_LONGEST = max(map(len, _FILLERS))
_find_filler = folded_word_finder(word_table(FILLERS))
_TWO, _THREE, _FOUR = np.uint8(0xC0), np.uint8(0xE0), np.uint8(0xF0)
_LOWER_CASE, _LOWER_A, _LOWER_Z = np.uint8(0x20), np.uint8(ord("a")), np.uint8(ord("z"))
assert _LONGEST <= WORD_BYTES_MAX


def says_something(text: bytes) -> bool:
    """Whether a text in UTF-8 says something.

    >>> [says_something(text) for text in (b"Ann", b" n/a ", b"xX x", b"")]
    [True, False, False, False]
    """
    folded = text.strip(_BLANKS).upper()
    return len(set(folded.translate(None, _BLANKS).decode())) > 1 and folded not in _FILLERS


@kernel
def _is_blank(byte):  # type: ignore[no-untyped-def]
    return byte == 32 or 9 <= byte <= 13


@kernel
def _upper(byte):  # type: ignore[no-untyped-def]
    return byte - 32 if 97 <= byte <= 122 else np.int64(byte)


@kernel
def _character_bytes(lead):  # type: ignore[no-untyped-def]
    return 1 if lead < _TWO else 2 if lead < _THREE else 3 if lead < _FOUR else 4


@kernel
def _repeats_one(start, length):  # type: ignore[no-untyped-def]
    """Are all characters but blanks the same as the first, which is none?"""
    size, at = _character_bytes(load_u8(start)), start
    while at < start + length:
        if _is_blank(load_u8(at)):
            at += 1
            continue
        for step in range(size):
            if at + step >= start + length or _upper(load_u8(at + step)) != _upper(load_u8(start + step)):
                return False
        at += size
    return True


@kernel
def says_something_at(start, length):  # type: ignore[no-untyped-def]
    """Whether the well-formed UTF-8 there says something; up to 24 bytes behind ``start`` must be readable."""
    # Most texts show it at a glance.
    one, two = load_u8(start) | _LOWER_CASE, load_u8(start + 1) | _LOWER_CASE
    are_letters = _LOWER_A <= one <= _LOWER_Z and _LOWER_A <= two <= _LOWER_Z
    if length > _LONGEST and are_letters and one != two and not _is_blank(load_u8(start + length - 1)):
        return True
    while length > 0 and _is_blank(load_u8(start)):
        start, length = start + 1, length - 1
    while length > 0 and _is_blank(load_u8(start + length - 1)):
        length -= 1
    if length <= 0 or (length <= _LONGEST and _find_filler(start, length) >= 0):
        return False
    return not _repeats_one(start, length)
