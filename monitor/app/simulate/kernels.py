"""Kernels that write text: decimal amounts, times, gathered texts and whole JSON lines.

All of them fill a buffer that the caller made large enough and return how much they filled.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

Bytes = npt.NDArray[np.uint8]
Int64s = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]

TIME_BYTES = 24
AMOUNT_BYTES_MAX = 20
ID_DIGITS = 14


@njit(cache=True, inline="always")
def _put_digits(out: Bytes, at: int, value: int, width: int) -> int:
    for place in range(width - 1, -1, -1):
        out[at + place] = 48 + value % 10
        value //= 10
    return at + width


@njit(cache=True)
def put_time(out: Bytes, at: int, time_us: int) -> int:
    """``2026-01-05T09:00:00.000Z`` at ``at``; the end. The calendar is that of Hinnant (2013), "chrono-compatible
    low-level date algorithms"."""
    days, rest = time_us // 86_400_000_000, (time_us % 86_400_000_000) // 1_000
    z = days + 719_468
    era = z // 146_097
    doe = z - era * 146_097
    yoe = (doe - doe // 1_460 + doe // 36_524 - doe // 146_096) // 365
    doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
    mp = (5 * doy + 2) // 153
    month = mp + 3 if mp < 10 else mp - 9
    at = _put_digits(out, at, yoe + era * 400 + (1 if month <= 2 else 0), 4)
    out[at] = 45
    at = _put_digits(out, at + 1, month, 2)
    out[at] = 45
    at = _put_digits(out, at + 1, doy - (153 * mp + 2) // 5 + 1, 2)
    out[at] = 84
    at = _put_digits(out, at + 1, rest // 3_600_000, 2)
    out[at] = 58
    at = _put_digits(out, at + 1, rest // 60_000 % 60, 2)
    out[at] = 58
    at = _put_digits(out, at + 1, rest // 1_000 % 60, 2)
    out[at] = 46
    at = _put_digits(out, at + 1, rest % 1_000, 3)
    out[at] = 90
    return at + 1


@njit(cache=True)
def put_amount(out: Bytes, at: int, minor: int) -> int:
    """A decimal with two places, such as ``9000.50``; the end."""
    whole, width = minor // 100, 1
    while whole >= 10:
        whole //= 10
        width += 1
    at = _put_digits(out, at, minor // 100, width)
    out[at] = 46
    return _put_digits(out, at + 1, minor % 100, 2)


@njit(cache=True)
def put_id(out: Bytes, at: int, number: int) -> int:
    """``T`` and the digits of a transaction's number; the end."""
    out[at] = 84
    return _put_digits(out, at + 1, number, ID_DIGITS)


@njit(cache=True)
def ids_into(out: Bytes, end: Int32s, number: Int64s) -> int:
    """Transaction ids one after the other; an absent one (-1) is empty. ``end[i + 1]`` is where row ``i`` ends."""
    at = 0
    for row in range(len(number)):
        if number[row] >= 0:
            at = put_id(out, at, number[row])
        end[row + 1] = at
    return at


@njit(cache=True)
def amounts_into(out: Bytes, end: Int32s, minor: Int64s) -> int:
    """Amounts one after the other."""
    at = 0
    for row in range(len(minor)):
        at = put_amount(out, at, minor[row])
        end[row + 1] = at
    return at


@njit(cache=True)
def texts_into(out: Bytes, end: Int32s, codes: Int32s, data: Bytes, start: Int64s) -> int:
    """Texts of a table one after the other; an absent one (-1) is empty."""
    at = 0
    for row in range(len(codes)):
        code = codes[row]
        if code >= 0:
            for place in range(start[code], start[code + 1]):
                out[at] = data[place]
                at += 1
        end[row + 1] = at
    return at


@njit(cache=True, inline="always")
def _put(out: Bytes, at: int, data: Bytes, first: int, last: int) -> int:
    for place in range(first, last):
        out[at] = data[place]
        at += 1
    return at


@njit(cache=True)
def lines_into(
    out: Bytes, number: Int64s, booked_us: Int64s, received_us: Int64s, amount: Int64s, reverses: Int64s,
    codes: Int32s, labels: Bytes, label_start: Int64s, data: tuple[Bytes, ...], start: tuple[Int64s, ...],
    amount_after: int,
) -> int:  # fmt: skip
    """JSON lines of n rows; the number of bytes.

    Args:
        codes: Shape (n, fields) into the tables ``data``/``start``, one table per field; ``-1`` is left out.
        labels: The texts that open each field: 0 the id, 1 and 2 the times, 3 the amount, 4 what is reversed,
            5 the end of a line, then one per field of ``codes``.
        amount_after: The amount stands before this field.
    """
    at, fields = 0, codes.shape[1]
    for row in range(len(number)):
        at = _put(out, at, labels, label_start[0], label_start[1])
        at = put_id(out, at, number[row])
        at = _put(out, at, labels, label_start[1], label_start[2])
        at = put_time(out, at, booked_us[row])
        at = _put(out, at, labels, label_start[2], label_start[3])
        at = put_time(out, at, received_us[row])
        for field in range(fields):
            if field == amount_after:
                at = _put(out, at, labels, label_start[3], label_start[4])
                at = put_amount(out, at, amount[row])
            code = codes[row, field]
            if code >= 0:
                at = _put(out, at, labels, label_start[6 + field], label_start[7 + field])
                at = _put(out, at, data[field], start[field][code], start[field][code + 1])
        if reverses[row] >= 0:
            at = _put(out, at, labels, label_start[4], label_start[5])
            at = put_id(out, at, reverses[row])
        at = _put(out, at, labels, label_start[5], label_start[6])
    return at
