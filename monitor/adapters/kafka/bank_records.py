"""What one partition tells another of its customers: records of ``legs`` of kind ``bank``.

A value is four bytes that name the format, the CRC-32 of the rest (big-endian), and a map as MessagePack: who tells and
since which offset its state began, as a record of kind ``flow`` does; the names of measures; of each segment its token
and its word, both empty for the whole bank; and which buckets of the histograms hold how many customers. Of these the
steps from place to place and the counts are 4 bytes each, little-endian; all first bytes stand together, then all
second ones and so on, deflated: most are zero.

A part that is too long for one record comes as several, of some segments each.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from monitor.adapters.kafka.record_size import values_within
from monitor.domain.bank_part import BUCKETS, MEASURES_MAX, NAME_BYTES, WHOLE_BANK, BankPart
from monitor.domain.identifiers import TOKEN_BYTES
from monitor.domain.transaction import Bytes16, Int32s

KIND = "bank"
MAGIC = b"AMB1"
SEGMENTS_MAX = 256
_HEAD_BYTES = len(MAGIC) + 4
_WORD_BYTES = 4


class BankRecordError(ValueError):
    """A record does not tell of customers in this form; the message says what is wrong."""


class _Body(msgspec.Struct, frozen=True, array_like=True):
    teller: int
    began: int
    position: int
    measures: list[bytes]
    tokens: list[bytes]
    words: list[str]
    entries: int
    buckets: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Body).decode


@dataclass(frozen=True, slots=True)
class BankRecord:
    """A part and what a partition must know besides: who tells, since when, and what its segments are.

    The segments of the part are the rows of ``tokens`` and ``words``, or :data:`WHOLE_BANK`.
    """

    teller: int
    began: int
    part: BankPart
    tokens: Bytes16
    words: tuple[str, ...]

    def part_with(self, codes: Int32s) -> BankPart:
        """The part with the codes of its segments in place of their rows."""
        rows, part = self.part.segments, self.part
        segments = np.append(codes, np.int32(WHOLE_BANK))[rows].astype(np.int32)
        return BankPart(part.position, part.measures, segments, part.places, part.counts)


def encode(record: BankRecord) -> list[bytes]:
    """The values of the records that tell a part, in their order."""
    return list(_values(record))


def _values(record: BankRecord) -> Iterator[bytes]:
    tokens, words = [each.tobytes() for each in record.tokens], record.words

    def value(rows: range) -> bytes:
        part = record.part.of_segments(rows.start, rows.stop)
        named = part.segments.tolist()
        body = _encode(_Body(
            record.teller, record.began, part.position, list(part.measures),
            [b"" if row == WHOLE_BANK else tokens[row] for row in named],
            ["" if row == WHOLE_BANK else words[row] for row in named],
            len(part.places), _packed(np.diff(part.places, prepend=0), part.counts),
        ))  # fmt: skip
        return MAGIC + zlib.crc32(body).to_bytes(4, "big") + body

    return values_within(range(len(record.part.segments)), value)


def decode(value: bytes, partitions: int) -> BankRecord:
    """What a record tells.

    Raises:
        BankRecordError: The value is not of this form, or another one than its sum says.
    """
    if value[: len(MAGIC)] != MAGIC:
        raise BankRecordError(f"a record of kind bank does not begin with {MAGIC.decode()!r}")
    body = value[_HEAD_BYTES:]
    if zlib.crc32(body).to_bytes(4, "big") != value[len(MAGIC) : _HEAD_BYTES]:
        raise BankRecordError("a record of kind bank is damaged: its check sum is another")
    try:
        told = _decode(body)
    except msgspec.DecodeError as error:
        raise BankRecordError(f"a record of kind bank is not as this release knows it: {error}") from None
    named = [token for token in told.tokens if token]
    lengths = {len(name) == NAME_BYTES for name in told.measures} | {len(name) == TOKEN_BYTES for name in named}
    is_sound = lengths <= {True} and 0 < len(told.tokens) == len(told.words) and 0 <= told.teller < partitions
    if not is_sound or len(told.tokens) > SEGMENTS_MAX or not 0 < len(told.measures) <= MEASURES_MAX:
        raise BankRecordError("a record of kind bank names measures, segments or a partition that cannot be")
    places, counts = _unpacked(told, len(told.tokens) * len(told.measures) * BUCKETS)
    rows = np.cumsum([0, *(bool(token) for token in told.tokens)])[:-1]
    segments = np.where([bool(token) for token in told.tokens], rows, WHOLE_BANK).astype(np.int32)
    part = BankPart(told.position, tuple(told.measures), segments, places, counts)
    tokens = np.frombuffer(b"".join(named), np.uint8).reshape(-1, TOKEN_BYTES)
    words = tuple(word for word, token in zip(told.words, told.tokens, strict=True) if token)
    return BankRecord(told.teller, told.began, part, tokens, words)


def _packed(*columns: npt.NDArray[np.int64]) -> bytes:
    whole = np.concatenate(columns).astype("<u4").view(np.uint8)
    return zlib.compress(whole.reshape(-1, _WORD_BYTES).T.tobytes(), 9)


def _unpacked(told: _Body, places_max: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Places and counts."""
    size = 2 * _WORD_BYTES * told.entries
    if not 0 <= told.entries <= places_max:
        raise BankRecordError("a record of kind bank has more buckets than its histograms")
    inflating = zlib.decompressobj()
    try:
        whole = inflating.decompress(told.buckets, size + 1)
    except zlib.error as error:
        raise BankRecordError(f"a record of kind bank cannot be inflated: {error}") from None
    if len(whole) != size:
        raise BankRecordError("a record of kind bank has other buckets than it counts")
    words = np.frombuffer(whole, np.uint8).reshape(_WORD_BYTES, -1).T.copy().view("<u4").reshape(-1).astype(np.int64)
    steps, counts = words[: told.entries], words[told.entries :]
    places = np.cumsum(steps)
    if told.entries and not ((steps[1:] > 0).all() and places[-1] < places_max and (counts > 0).all()):
        raise BankRecordError("a record of kind bank has buckets that are none of its histograms, or empty ones")
    return places, counts
