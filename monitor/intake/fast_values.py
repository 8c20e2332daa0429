"""Values of a record's fields, converted by kernels.

Each function takes a span and returns the value or a marker for "not plainly right". The marker is no verdict: the
row is then read by :mod:`monitor.intake.slow_decode`, which is the definition and knows the reasons. So these
functions may decline anything, and must never accept what the definition refuses or understands otherwise.
"""

import numpy as np
import numpy.typing as npt

from monitor.domain.countries import COUNTRIES
from monitor.domain.money import AMOUNT_MINOR_MAX, CURRENCIES, DECIMALS
from monitor.domain.time import TIME_MAX_US, TIME_MIN_US, UNKNOWN
from monitor.intake.compiled import kernel, load_u8, load_u64

DECLINED = -2
"""Returned by :func:`country_at` and :func:`currency_at`; -1 is a code of its own: unknown."""

_DAY_US = 86_400_000_000
_TIME_DIGITS = np.uint64(0x30303A30303A3030)
_TIME_ADD = np.uint64(0x76767F76767F7676)
_HIGH = np.uint64(0x8080808080808080)
_BYTE = np.uint64(0xFF)
_S8, _S24, _S32, _S48, _S56 = (np.uint64(shift) for shift in (8, 24, 32, 48, 56))
_DAYS_BEFORE = np.array([0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365], np.int64)
_TEN = np.array([10**power for power in range(19)], np.int64)
_DECIMALS = np.array(DECIMALS, np.int64)


def _letters(codes: tuple[str, ...], length: int) -> npt.NDArray[np.int16]:
    table = np.full(26**length, DECLINED, np.int16)
    for number, code in enumerate(codes):
        table[sum((ord(letter) - 65) * 26**place for place, letter in enumerate(reversed(code)))] = number
    return table


_COUNTRY = _letters(COUNTRIES, 2)
_CURRENCY = _letters(CURRENCIES, 3)


@kernel
def country_at(start, length):  # type: ignore[no-untyped-def]
    """The code of a country."""
    if length != 2:
        return DECLINED
    one, two = np.int64(load_u8(start)) - 65, np.int64(load_u8(start + 1)) - 65
    if one < 0 or one > 25 or two < 0 or two > 25:
        return DECLINED
    return np.int64(_COUNTRY[one * 26 + two])


@kernel
def currency_at(start, length):  # type: ignore[no-untyped-def]
    """The code of a currency."""
    if length != 3:
        return DECLINED
    one, two, three = (
        np.int64(load_u8(start)) - 65,
        np.int64(load_u8(start + 1)) - 65,
        np.int64(load_u8(start + 2)) - 65,
    )
    if one < 0 or one > 25 or two < 0 or two > 25 or three < 0 or three > 25:
        return DECLINED
    return np.int64(_CURRENCY[(one * 26 + two) * 26 + three])


@kernel
def amount_at(start, length, currency):  # type: ignore[no-untyped-def]
    """Minor units of a plain decimal, or -1."""
    if length < 1 or length > 24:
        return -1
    value = np.int64(0)
    at, end = start, start + length
    while at < end:
        digit = np.int64(load_u8(at)) - 48
        if digit < 0 or digit > 9:
            break
        value = value * 10 + digit
        at += 1
    whole = at - start
    places = np.int64(0)
    if at < end:
        if load_u8(at) != 46:
            return -1
        at += 1
        places = end - at
        while at < end:
            digit = np.int64(load_u8(at)) - 48
            if digit < 0 or digit > 9:
                return -1
            value = value * 10 + digit
            at += 1
        if places == 0:
            return -1
    missing = _DECIMALS[currency] - places
    if whole == 0 or missing < 0 or whole + places + missing > 18:
        return -1
    value *= _TEN[missing]
    if value <= 0 or value > AMOUNT_MINOR_MAX:
        return -1
    return value


@kernel
def _two_digits(at):  # type: ignore[no-untyped-def]
    one, two = np.int64(load_u8(at)) - 48, np.int64(load_u8(at + 1)) - 48
    if one < 0 or one > 9 or two < 0 or two > 9:
        return -1
    return one * 10 + two


@kernel
def _day_at(at):  # type: ignore[no-untyped-def]
    """Days since 1970 of ``YYYY-MM-DD``, or -1."""
    century, year = _two_digits(at), _two_digits(at + 2)
    month, day = _two_digits(at + 5), _two_digits(at + 8)
    if century < 0 or year < 0 or load_u8(at + 4) != 45 or load_u8(at + 7) != 45:
        return -1
    year += century * 100
    if year < 1970 or year > 2100 or month < 1 or month > 12 or day < 1:
        return -1
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    length = _DAYS_BEFORE[month + 1] - _DAYS_BEFORE[month] + (1 if leap and month == 2 else 0)
    if day > length:
        return -1
    before = year - 1
    days = 365 * (year - 1970) + (before // 4 - before // 100 + before // 400) - 477
    return days + _DAYS_BEFORE[month] + (1 if leap and month > 2 else 0) + day - 1


@kernel
def time_at(start, length):  # type: ignore[no-untyped-def]
    """Microseconds since 1970 UTC of ``YYYY-MM-DDTHH:MM:SS[.d]`` with ``Z`` or ``+HH:MM``, or ``UNKNOWN``."""
    if length < 20 or length > 32:
        return UNKNOWN
    if load_u8(start + 10) != 84 and load_u8(start + 10) != 32:
        return UNKNOWN
    day = _day_at(start)
    clock = load_u64(start + 11) ^ _TIME_DIGITS
    if day < 0 or ((clock + _TIME_ADD) | clock) & _HIGH != 0:
        return UNKNOWN
    hour = np.int64((clock & _BYTE) * np.uint64(10) + (clock >> _S8 & _BYTE))
    minute = np.int64((clock >> _S24 & _BYTE) * np.uint64(10) + (clock >> _S32 & _BYTE))
    second = np.int64((clock >> _S48 & _BYTE) * np.uint64(10) + (clock >> _S56))
    if hour > 23 or minute > 59 or second > 59:
        return UNKNOWN
    value = day * _DAY_US + (hour * 3600 + minute * 60 + second) * 1_000_000
    at, end = start + 19, start + length
    if load_u8(at) == 46:
        at += 1
        unit = 1_000_000
        while at < end and 48 <= load_u8(at) <= 57:
            unit //= 10
            if unit == 0:
                return UNKNOWN
            value += (np.int64(load_u8(at)) - 48) * unit
            at += 1
        if unit == 1_000_000:
            return UNKNOWN
    if end - at == 1 and load_u8(at) == 90:
        pass
    elif end - at == 6 and (load_u8(at) == 43 or load_u8(at) == 45) and load_u8(at + 3) == 58:
        hour, minute = _two_digits(at + 1), _two_digits(at + 4)
        if hour < 0 or hour > 23 or minute < 0 or minute > 59:
            return UNKNOWN
        offset = (hour * 60 + minute) * 60_000_000
        value = value - offset if load_u8(at) == 43 else value + offset
    else:
        return UNKNOWN
    if value < TIME_MIN_US or value >= TIME_MAX_US:
        return UNKNOWN
    return value


@kernel
def is_utf8(start, length):  # type: ignore[no-untyped-def]
    """Are the bytes well-formed UTF-8 (no surrogates, no over-long forms, at most U+10FFFF)?"""
    at, end = start, start + length
    while at < end:
        lead = load_u8(at)
        if lead < 0x80:
            at += 1
            continue
        low, high, more = 0x80, 0xBF, 1
        if lead < 0xC2 or lead > 0xF4:
            return False
        if lead >= 0xF0:
            more = 3
            low = 0x90 if lead == 0xF0 else 0x80
            high = 0x8F if lead == 0xF4 else 0xBF
        elif lead >= 0xE0:
            more = 2
            low = 0xA0 if lead == 0xE0 else 0x80
            high = 0x9F if lead == 0xED else 0xBF
        if at + more >= end or load_u8(at + 1) < low or load_u8(at + 1) > high:
            return False
        for step in range(2, more + 1):
            if load_u8(at + step) < 0x80 or load_u8(at + step) > 0xBF:
                return False
        at += more + 1
    return True
