"""Finding the fields of JSON lines: one pass over the bytes, 32 at a time.

The kernel reads the plain form of a record: one flat object of known keys, each once, with texts, ``null``, and a
plain number for the amount. It declines everything else (escapes that it cannot undo, exponents, nesting, unknown or
repeated keys, every error), and :mod:`monitor.intake.slow_decode` then decides. Where the kernel accepts, both agree.

Sketch: a record of 450 bytes with 17 fields is 34 short strings. Each string costs one load of 32 bytes with four
comparisons, so the pass is about 34 loads and as many branches, not 450 steps.
"""

import numpy as np

from monitor.intake.compiled import (
    address_of,
    below_mask,
    count_bits,
    equal_mask,
    kernel,
    load_u8,
    lowest_bit,
    store_i32,
    store_i64,
)
from monitor.intake.convert import ANY_ENTITY, convert_row
from monitor.intake.fast_values import is_utf8
from monitor.intake.record_fields import AMOUNT, FAST, FIELDS, FIRST_FURTHER, FURTHER, SLOW, VALUES
from monitor.intake.words import word_finder, word_table

RECORD_BYTES_MAX = 65_536
"""Longest record in bytes, without the end of the line."""

_TAB, _NEWLINE, _RETURN, _SPACE, _QUOTE = (np.uint8(ord(character)) for character in '\t\n\r "')
_BACKSLASH, _COMMA, _COLON = (np.uint8(ord(character)) for character in "\\,:")
_OPEN, _CLOSE, _POINT, _LETTER_N = (np.uint8(ord(character)) for character in "{}.n")
_PRINTABLE, _HIGH = np.uint8(0x20), np.uint8(0x80)
_ONE32 = np.uint32(1)
_FIELDS = len(FIELDS)
_find_key = word_finder(word_table(FIELDS))


@kernel
def count_lines(buffer, size):  # type: ignore[no-untyped-def]
    """Newlines in the first ``size`` bytes, and perhaps a few of the 31 behind."""
    base, count = address_of(buffer), np.int64(0)
    for at in range(0, size, 32):
        count += count_bits(equal_mask(base + at, _NEWLINE))
    return count


@kernel
def _skip_space(at):  # type: ignore[no-untyped-def]
    while load_u8(at) == _SPACE or load_u8(at) == _TAB or load_u8(at) == _RETURN:
        at += 1
    return at


@kernel
def _end_of_line(at):  # type: ignore[no-untyped-def]
    while True:
        found = equal_mask(at, _NEWLINE)
        if found != 0:
            return at + lowest_bit(found)
        at += 32


@kernel
def _end_of_text(start):  # type: ignore[no-untyped-def]
    """The place of the closing quote, or -1 where the text is not plain UTF-8 without escapes."""
    at, is_ascii = start, True
    while True:
        quotes = equal_mask(at, _QUOTE)
        odd = equal_mask(at, _BACKSLASH) | below_mask(at, _PRINTABLE)
        high = ~below_mask(at, _HIGH)
        if quotes != 0:
            before = (quotes & (~quotes + _ONE32)) - _ONE32
            if odd & before != 0:
                return np.int64(-1)
            end = at + lowest_bit(quotes)
            if (not is_ascii or high & before != 0) and not is_utf8(start, end - start):
                return np.int64(-1)
            return end
        if odd != 0:
            return np.int64(-1)
        if high != 0:
            is_ascii = False
        at += 32


@kernel
def _end_of_number(at):  # type: ignore[no-untyped-def]
    """The place behind a plain JSON number without sign and exponent, or -1."""
    start = at
    while 48 <= load_u8(at) <= 57:
        at += 1
    if at == start or (load_u8(start) == 48 and at > start + 1):
        return np.int64(-1)
    if load_u8(at) == _POINT:
        at += 1
        start = at
        while 48 <= load_u8(at) <= 57:
            at += 1
        if at == start:
            return np.int64(-1)
    return at


@kernel
def _scan_value(base, at, field, spans):  # type: ignore[no-untyped-def]
    """Note the span of a value; the place behind it, or -1."""
    first = load_u8(at)
    if first == _QUOTE:
        end = _end_of_text(at + 1)
        store_i32(spans + 8 * field, np.int32(at + 1 - base))
        store_i32(spans + 8 * field + 4, np.int32(end - at - 1))
        return end + 1 if end >= 0 else end
    if first == _LETTER_N:
        is_null = load_u8(at + 1) == 117 and load_u8(at + 2) == 108 and load_u8(at + 3) == 108
        return at + 4 if is_null else np.int64(-1)
    if field != AMOUNT:
        return np.int64(-1)
    end = _end_of_number(at)
    store_i32(spans + 8 * field, np.int32(at - base))
    store_i32(spans + 8 * field + 4, np.int32(end - at))
    return end


@kernel
def _scan_object(base, at, spans, values):  # type: ignore[no-untyped-def]
    """Note the spans of a flat object that starts at ``at``; the place of the line's end, or -1."""
    for field in range(FIRST_FURTHER):
        store_i64(spans + 8 * field, np.int64(-1))
    store_i64(values + 8 * FURTHER, np.int64(0))
    if load_u8(at) != _OPEN:
        return np.int64(-1)
    seen = np.int64(0)
    while True:
        at = _skip_space(at + 1)
        if load_u8(at) != _QUOTE:
            return np.int64(-1)
        at += 1
        quotes = equal_mask(at, _QUOTE)
        if quotes == 0:
            return np.int64(-1)
        length = lowest_bit(quotes)
        field = _find_key(at, length)
        if field < 0 or (seen >> field) & 1:
            return np.int64(-1)
        if field >= FIRST_FURTHER and seen >> FIRST_FURTHER == 0:
            for further in range(FIRST_FURTHER, _FIELDS):
                store_i64(spans + 8 * further, np.int64(-1))
            store_i64(values + 8 * FURTHER, np.int64(1))
        seen |= np.int64(1) << field
        at = _skip_space(at + length + 1)
        if load_u8(at) != _COLON:
            return np.int64(-1)
        at = _scan_value(base, _skip_space(at + 1), field, spans)
        if at < 0:
            return at
        at = _skip_space(at)
        if load_u8(at) == _CLOSE:
            at = _skip_space(at + 1)
            return at if load_u8(at) == _NEWLINE else np.int64(-1)
        if load_u8(at) != _COMMA:
            return np.int64(-1)


@kernel
def scan_lines(buffer, size, entities, accounts_are_ours, lines, spans, values, state):  # type: ignore[no-untyped-def]
    """Read all records of ``buffer[:size]``, which a newline follows.

    Args:
        buffer: The bytes, a newline at ``size``, and padding.
        size: Number of bytes.
        entities: Header of the table of known booking entities; an empty array accepts any.
        accounts_are_ours: Whether an account makes a side the bank's own.
        lines: Out, shape (rows, 3): start, end and number of the line within the chunk, from 0.
        spans: Out, shape (rows, 2 * fields).
        values: Out, shape (rows, 16).
        state: Out, shape (rows,).

    Returns:
        The number of records. Lines of white space are none, unless too long: a reader may have cut them.
    """
    base, known = address_of(buffer), address_of(entities) if entities.size else ANY_ENTITY
    spans_at, values_at = address_of(spans), address_of(values)
    at, row, line = base, 0, 0
    while at < base + size:
        start = at
        first = _skip_space(at)
        if load_u8(first) == _NEWLINE and first - start <= RECORD_BYTES_MAX:
            at = first + 1
        else:
            end = _scan_object(base, first, spans_at, values_at)
            is_plain = 0 <= end <= start + RECORD_BYTES_MAX
            is_plain = is_plain and convert_row(base, spans_at, values_at, known, accounts_are_ours)
            end = end if end >= 0 else _end_of_line(first)
            state[row] = FAST if is_plain else SLOW
            lines[row, 0], lines[row, 1], lines[row, 2] = start - base, end - base, line
            row += 1
            spans_at += 8 * _FIELDS
            values_at += 8 * VALUES
            at = end + 1
        line += 1
    return row
