"""Records about feeds: refused payments on their way to those who count, and totals on their way to the store.

* ``refusals`` in topic ``legs``: what intake refused, by place, feed and day, in the order of the source partition;
  never what stood in a record.
* ``totals`` in topic ``alerts``: figures of a partition of ``legs`` as they stand. A later record of the same partition
  has figures that are as large or larger, so one that comes twice or late changes nothing.

A value is four bytes that name the format, the CRC-32 of the rest (big-endian), and the rest as MessagePack.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TypeVar
from zlib import crc32

import msgspec

from monitor.domain.feed import FeedTotal, is_feed
from monitor.domain.money import CURRENCIES

REFUSALS, TOTALS = "refusals", "totals"
"""Values of the header ``kind``."""
FORMAT = b"1"
_MAGICS = {REFUSALS: b"ARF1", TOTALS: b"ATO1"}
_ROWS_MAX = 5_000
_NUMBER_END = 2**63
_DAY_END = 2**23
_WORD_MAX = 64

Headers = list[tuple[str, bytes]]
Read = TypeVar("Read")


class RecordUnreadable(Exception):
    """The value is no record of this kind; the message says what is wrong with it."""


class RefusedPlace(msgspec.Struct, frozen=True, array_like=True):
    """A record that intake refused: its place among the transactions, its feed and business day."""

    source_partition: int
    source_offset: int
    part: int
    """Number of the refusal within the record."""
    feed: str
    day: int
    """Days since 1970."""


class _Total(msgspec.Struct, frozen=True, array_like=True):
    feed: str
    day: int
    currency: str
    payments: int
    amount_minor: str
    """Digits: a sum can be longer than 64 bits."""
    refused: int
    repeated: int


class _Totals(msgspec.Struct, frozen=True, array_like=True):
    log: str
    rows: list[_Total]


def headers_of(kind: str) -> Headers:
    """The headers of a record of this kind."""
    return [("kind", kind.encode()), ("format", FORMAT)]


def encode_refusals(places: Sequence[RefusedPlace]) -> Iterator[tuple[int, bytes]]:
    """Records of refusals, each with its source partition; places ascend within one."""
    ordered = sorted(places, key=lambda each: (each.source_partition, each.source_offset, each.part))
    for partition, some in groupby(ordered, key=lambda each: each.source_partition):
        rows = list(some)
        for first in range(0, len(rows), _ROWS_MAX):
            yield partition, _packed(REFUSALS, rows[first : first + _ROWS_MAX])


def decode_refusals(value: bytes) -> list[RefusedPlace]:
    """The places of a record.

    Raises:
        RecordUnreadable: The value is damaged, or of another format.
    """
    found = _unpacked(REFUSALS, value, list[RefusedPlace])
    for each in found:
        numbers = (each.source_partition, each.source_offset, each.part)
        if not (all(0 <= number < 2**43 for number in numbers) and _is_sound(each.feed, each.day)):
            raise RecordUnreadable(f"place {numbers} or feed or day {each.day} is impossible")
    return found


def encode_totals(log: str, totals: Sequence[FeedTotal]) -> Iterator[bytes]:
    """Records of the totals of one log."""
    rows = [
        _Total(each.feed, each.day, each.currency, each.payments, str(each.amount_minor), each.refused, each.repeated)
        for each in totals
    ]
    for first in range(0, len(rows), _ROWS_MAX):
        yield _packed(TOTALS, _Totals(log, rows[first : first + _ROWS_MAX]))


def decode_totals(value: bytes) -> tuple[str, list[FeedTotal]]:
    """The log and its totals.

    Raises:
        RecordUnreadable: The value is damaged, or of another format, or holds what no total can hold.

    >>> decode_totals(*encode_totals("legs-3", [FeedTotal("cards", 20_000, "EUR", 2, 700, 0, 1)]))[0]
    'legs-3'
    """
    found = _unpacked(TOTALS, value, _Totals)
    if not 0 < len(found.log) <= _WORD_MAX or "\x00" in found.log:
        raise RecordUnreadable("the name of its log is impossible")
    totals = []
    for each in found.rows:
        numbers = (each.payments, each.refused, each.repeated)
        is_sum = each.amount_minor.isascii() and each.amount_minor.isdigit() and len(each.amount_minor) <= _WORD_MAX
        is_currency = each.currency == "" or each.currency in CURRENCIES
        if not (all(0 <= number < _NUMBER_END for number in numbers) and is_sum and is_currency) or not _is_sound(
            each.feed, each.day
        ):
            raise RecordUnreadable(f"a total of day {each.day} holds an impossible name or number")
        totals.append(FeedTotal(each.feed, each.day, each.currency, each.payments, int(each.amount_minor),
                                each.refused, each.repeated))  # fmt: skip
    return found.log, totals


def _is_sound(feed: str, day: int) -> bool:
    return is_feed(feed) and -_DAY_END < day < _DAY_END


def _packed(kind: str, rows: object) -> bytes:
    body = msgspec.msgpack.encode(rows)
    return _MAGICS[kind] + crc32(body).to_bytes(4, "big") + body


def _unpacked(kind: str, value: bytes, type_: type[Read]) -> Read:
    magic, body = _MAGICS[kind], value[8:]
    if value[:4] != magic:
        raise RecordUnreadable(f"it begins with {value[:4]!r} and not with {magic!r}: another format")
    if crc32(body).to_bytes(4, "big") != value[4:8]:
        raise RecordUnreadable(f"its checksum does not fit its {len(body)} bytes: it is damaged")
    try:
        return msgspec.msgpack.decode(body, type=type_)
    except msgspec.DecodeError as error:
        raise RecordUnreadable(f"it holds no {kind} as this release knows them: {error}") from None
