"""Announcements: records of ``legs`` that say which profile versions can be in force from here on.

A record of kind ``profiles`` holds, as one Arrow IPC stream, the customer's token, the version and the time of its
recording for each version announced. The content stands under ``profile:{token}:{version}`` in Redis, which was
written before. The time stands here too, so that the order of versions is known without their content.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from monitor.domain.identifiers import TOKEN_BYTES
from monitor.domain.transaction import Bytes16, Int64s

KIND = "profiles"
FORMAT = b"1"
HEADERS: list[tuple[str, bytes]] = [("kind", KIND.encode()), ("format", FORMAT)]
"""The headers of such a record."""
ANNOUNCEMENTS_MAX = 65_536
"""Most announcements of a record."""

_SCHEMA = pa.schema(
    [
        pa.field("token", pa.binary(TOKEN_BYTES), nullable=False),
        pa.field("version", pa.int64(), nullable=False),
        pa.field("recorded_at_us", pa.int64(), nullable=False),
    ]
)


class ProfileRecordError(ValueError):
    """A record is no announcement; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Announcements:
    """n versions in the order of the log: tokens of customers (n, 16), versions (n,), times of recording (n,)."""

    token: Bytes16
    version: Int64s
    recorded_at_us: Int64s

    def __len__(self) -> int:
        return len(self.version)

    @staticmethod
    def of(rows: list[tuple[bytes, int, int]]) -> "Announcements":
        """Announcements of (token, version, time of recording)."""
        tokens = np.frombuffer(b"".join(token for token, _, _ in rows), np.uint8).reshape(-1, TOKEN_BYTES)
        return Announcements(
            tokens, np.array([row[1] for row in rows], np.int64), np.array([row[2] for row in rows], np.int64)
        )

    def rows(self) -> list[tuple[bytes, int, int]]:
        """What :meth:`of` took."""
        tokens = [token.tobytes() for token in self.token]
        return list(zip(tokens, self.version.tolist(), self.recorded_at_us.tolist(), strict=True))


def encode(announcements: Announcements) -> bytes:
    """The value of a record.

    >>> some = Announcements.of([(bytes(16), 3, 1_767_225_600_000_000)])
    >>> decode(encode(some)).rows() == some.rows()
    True
    """
    if len(announcements) > ANNOUNCEMENTS_MAX:
        raise ValueError(f"a record holds at most {ANNOUNCEMENTS_MAX} announcements, not {len(announcements)}")
    token = np.ascontiguousarray(announcements.token, np.uint8)
    columns = [
        pa.FixedSizeBinaryArray.from_buffers(pa.binary(TOKEN_BYTES), len(token), [None, pa.py_buffer(token)]),
        pa.array(announcements.version, pa.int64()),
        pa.array(announcements.recorded_at_us, pa.int64()),
    ]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, _SCHEMA) as writer:
        writer.write_batch(pa.record_batch(columns, schema=_SCHEMA))
    value: bytes = sink.getvalue().to_pybytes()
    return value


def decode(value: bytes) -> Announcements:
    """The announcements of a record.

    Raises:
        ProfileRecordError: The value is not of this form.
    """
    try:
        reader = pa.ipc.open_stream(value)
        if reader.schema != _SCHEMA:
            raise ProfileRecordError("a record of kind profiles has other columns than announcements have")
        batch = reader.read_next_batch()
        batch.validate(full=True)
    except (pa.ArrowException, OSError, StopIteration, MemoryError) as error:
        raise ProfileRecordError(f"a record of kind profiles is damaged: {error or 'it holds nothing'}") from None
    if batch.num_rows > ANNOUNCEMENTS_MAX or any(column.null_count for column in batch.columns):
        raise ProfileRecordError("a record of kind profiles has too many rows, or rows that are not known")
    token, version, recorded = batch.columns
    tokens = np.frombuffer(token.buffers()[1] or b"", np.uint8)[: TOKEN_BYTES * len(token)]
    found = Announcements(tokens.reshape(-1, TOKEN_BYTES), np.asarray(version), np.asarray(recorded))
    if len(found) and int(found.version.min()) < 1:
        raise ProfileRecordError("a record of kind profiles announces a version below 1")
    return found
