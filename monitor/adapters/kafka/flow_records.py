"""What one partition tells another of money: records of ``legs`` of kind ``flow``.

A value is a header of 36 bytes, little-endian: ``AMLT``, the version of this format, zero, the CRC-32 of all that
follows it, the partition that tells, zero, the offset at which its state began, and the numbers of ids and names. Then
the id of the payment of each record (two words of 8 bytes), the kind of each name (a byte), and the message
(:class:`monitor.domain.flow.FlowMessage`).

Where a state began tells apart the positions of a partition whose whole log was measured from those of one that had to
begin later, because the log's beginning was gone and its state too: such a partition counts anew.
"""

import struct
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from monitor.domain.flow import N_POSITION, OFFSET_BITS, R_POSITION, FlowMessage
from monitor.domain.identifiers import IdentifierKind

KIND = "flow"
FORMAT = b"1"
HEADERS: list[tuple[str, bytes]] = [("kind", KIND.encode()), ("format", FORMAT)]
"""The headers of such a record."""

_MAGIC, _VERSION = b"AMLT", 1
_HEADER = struct.Struct("<4sHHIIIqII")
_UNCHECKED = struct.calcsize("<4sHHI")
_KIND_MAX = max(IdentifierKind)


class FlowRecordError(ValueError):
    """A record does not tell of money in this form; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class FlowRecord:
    """A message and what a partition must know besides: who tells, since when, of which payments, and whose tokens."""

    teller: int
    began: int
    message: FlowMessage
    ids: npt.NDArray[np.int64]
    """Of the payment of each record, shape (records, 2)."""
    kinds: npt.NDArray[np.int8]
    """Of each name, shape (names,)."""


def encode(record: FlowRecord) -> bytes:
    """The value of a record."""
    ids, kinds = record.ids.astype("<i8", copy=False).tobytes(), record.kinds.astype(np.int8, copy=False).tobytes()
    body = ids + kinds + record.message.to_bytes()
    header = _HEADER.pack(_MAGIC, _VERSION, 0, 0, record.teller, 0, record.began, len(record.ids), len(record.kinds))
    checked = header[_UNCHECKED:] + body
    return header[: _UNCHECKED - 4] + struct.pack("<I", zlib.crc32(checked)) + checked


def decode(value: bytes, partitions: int) -> FlowRecord:
    """What a record tells; that the words of its message are sound is checked where they are taken in.

    Raises:
        FlowRecordError: The value is not of this form, or another one than its sum says.
    """
    if len(value) < _HEADER.size or not value.startswith(_MAGIC):
        raise FlowRecordError(
            "a record of kind flow does not begin with 'AMLT'; it was not written by a scoring worker"
        )
    _, version, _, checksum, teller, _, began, ids, names = _HEADER.unpack_from(value)
    if version != _VERSION:
        raise FlowRecordError(f"a record of kind flow has version {version}; this release reads {_VERSION}")
    if zlib.crc32(value[_UNCHECKED:]) != checksum:
        raise FlowRecordError("a record of kind flow is damaged: its check sum is another")
    stop = _HEADER.size + 16 * ids
    try:
        message = FlowMessage.from_bytes(value[stop + names :])
    except ValueError as error:
        raise FlowRecordError(f"a record of kind flow: {error}") from None
    kinds = np.frombuffer(value[stop : stop + names], np.int8)
    told = np.concatenate((message.notes[:, N_POSITION], _positions(message)))
    if (len(message.names), len(message.records)) != (names, ids) or not ((kinds >= 0) & (kinds <= _KIND_MAX)).all():
        raise FlowRecordError("a record of kind flow counts other names or payments than its message has")
    if teller >= partitions or (told >> OFFSET_BITS != teller).any():
        raise FlowRecordError(f"a record of kind flow tells for partition {teller} what another one must tell")
    found = np.frombuffer(value[_HEADER.size : stop], "<i8").astype(np.int64).reshape(-1, 2)
    return FlowRecord(teller, began, message, found, kinds)


def _positions(message: FlowMessage) -> npt.NDArray[np.int64]:
    """The positions of the records; none where they do not stand where they should, which is refused later."""
    starts, words = message.records.starts[:-1], message.records.words
    is_sound = len(starts) == 0 or (0 <= int(starts.min()) <= int(starts.max()) < len(words))
    return message.records.head(R_POSITION) if is_sound else np.zeros(0, np.int64)
