"""Time as ``int64`` microseconds since 1970-01-01 UTC, and its text form.

Every time inside the monitor is such an integer; text exists at the edges only.
An input time without a zone is refused at the edge: a payment that is booked
"at noon" has no place on a clock that many countries share.

``UNKNOWN`` marks a missing value in every ``int64`` column (times, amounts,
measures). It is the smallest integer, so that arithmetic on it by mistake is
conspicuous.
"""

from datetime import UTC, datetime, timedelta

UNKNOWN = -(2**63)
SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US

TIME_MIN_US = 0
"""Earliest accepted time, 1970-01-01."""
TIME_MAX_US = 4_102_444_800 * SECOND_US
"""First refused time, 2100-01-01."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS_US = {"d": DAY_US, "h": HOUR_US, "m": MINUTE_US, "s": SECOND_US}


def parse_time_us(text: str) -> int:
    """Microseconds since 1970 UTC of an ISO 8601 time with a zone.

    >>> parse_time_us("1970-01-02T00:00:00Z") == DAY_US
    True

    Raises:
        ValueError: The text is no ISO 8601 time, or it names no zone.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"time without a zone: {text!r}; add 'Z' or an offset such as '+02:00'")
    return (moment - _EPOCH) // timedelta(microseconds=1)


def format_time(time_us: int) -> str:
    """ISO 8601 UTC text, with as many decimals as needed.

    >>> format_time(DAY_US + 1)
    '1970-01-02T00:00:00.000001Z'
    """
    return (_EPOCH + timedelta(microseconds=int(time_us))).isoformat().replace("+00:00", "Z")


def parse_duration_us(text: str) -> int:
    """Microseconds of a length such as ``24h``, ``7d`` or ``179d23h59m``.

    >>> parse_duration_us("1d1h") == 25 * HOUR_US
    True

    Raises:
        ValueError: The text is not a sequence of whole numbers with d, h, m or s, largest first.
    """
    total, digits, last = 0, "", 4
    for character in text:
        if character.isascii() and character.isdigit():
            digits += character
            continue
        rank = "smhd".find(character)
        if not digits or rank < 0 or rank >= last:
            raise ValueError(f"not a length of time: {text!r}; write for example 24h, 7d or 1d12h")
        total, digits, last = total + int(digits) * _UNITS_US[character], "", rank
    if digits or last == 4:
        raise ValueError(f"not a length of time: {text!r}; write for example 24h, 7d or 1d12h")
    return total


def format_duration(length_us: int) -> str:
    """The shortest text that :func:`parse_duration_us` reads back; days only from 3 days on.

    >>> format_duration(36 * HOUR_US), format_duration(7 * DAY_US)
    ('36h', '7d')
    """
    if length_us % SECOND_US:
        return f"{length_us / SECOND_US:.6f}s"
    if length_us < 3 * DAY_US and length_us % HOUR_US == 0:
        return f"{length_us // HOUR_US}h"
    parts, rest = [], length_us
    for unit, size in _UNITS_US.items():
        if rest >= size:
            parts.append(f"{rest // size}{unit}")
            rest %= size
    return "".join(parts) or "0s"
