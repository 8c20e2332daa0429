"""Records of ``legs`` about profile versions that could not be had where they were announced.

| kind | what it says |
|---|---|
| ``profiles_missing`` | The partition went on behind the announcements at an offset without these versions. |
| ``profiles_late`` | Here is what they hold: they are in force from here on, and what lacked them is judged again. |

A partition writes them into its own log. The first stands behind the offset that it speaks of: who judges that offset
later must have looked for it before. The second carries the content, so that nobody needs to ask for it again.
"""

from collections.abc import Sequence

import pyarrow as pa

from monitor.adapters.kafka.profile_records import FORMAT, Announcements, ProfileRecordError, decode, encode

MISSING, LATE = "profiles_missing", "profiles_late"
LATE_BYTES = 500_000
"""About so much content stands in one record."""
_OFFSET_BYTES = 8
_SCHEMA = pa.schema([pa.field("value", pa.binary(), nullable=False)])


def headers_of(kind: str) -> list[tuple[str, bytes]]:
    """The headers of such a record."""
    return [("kind", kind.encode()), ("format", FORMAT)]


def encode_missing(offset: int, versions: Announcements) -> bytes:
    """The value of a record of kind ``profiles_missing``.

    >>> some = Announcements.of([(bytes(16), 3, 1_767_225_600_000_000)])
    >>> offset, versions = decode_missing(encode_missing(7, some))
    >>> offset, versions.rows() == some.rows()
    (7, True)
    """
    return offset.to_bytes(_OFFSET_BYTES, "little", signed=True) + encode(versions)


def decode_missing(value: bytes) -> tuple[int, Announcements]:
    """The offset of the announcements, and the versions that were not there.

    Raises:
        ProfileRecordError: The value is not of this form.
    """
    if len(value) < _OFFSET_BYTES:
        raise ProfileRecordError(f"a record of kind {MISSING} is damaged: it holds {len(value)} bytes")
    return int.from_bytes(value[:_OFFSET_BYTES], "little", signed=True), decode(value[_OFFSET_BYTES:])


def encode_late(values: Sequence[bytes]) -> list[bytes]:
    """Values of records of kind ``profiles_late`` with the content of versions, in their order.

    >>> [decode_late(record) for record in encode_late([b"one", b"two"])]
    [[b'one', b'two']]
    """
    records: list[bytes] = []
    waiting: list[bytes] = []
    size = 0
    for number, value in enumerate(values):
        waiting.append(value)
        size += len(value)
        if size >= LATE_BYTES or number == len(values) - 1:
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, _SCHEMA) as writer:
                writer.write_batch(pa.record_batch([pa.array(waiting, pa.binary())], schema=_SCHEMA))
            records.append(sink.getvalue().to_pybytes())
            waiting, size = [], 0
    return records


def decode_late(value: bytes) -> list[bytes]:
    """The content of the versions of a record.

    Raises:
        ProfileRecordError: The value is not of this form.
    """
    try:
        reader = pa.ipc.open_stream(value)
        if reader.schema != _SCHEMA:
            raise ProfileRecordError(f"a record of kind {LATE} has other columns than versions have")
        batch = reader.read_next_batch()
        batch.validate(full=True)
    except (pa.ArrowException, OSError, StopIteration, MemoryError) as error:
        raise ProfileRecordError(f"a record of kind {LATE} is damaged: {error or 'it holds nothing'}") from None
    found: list[bytes] = batch.column(0).to_pylist()
    if any(each is None for each in found):
        raise ProfileRecordError(f"a record of kind {LATE} has rows that are not known")
    return found
