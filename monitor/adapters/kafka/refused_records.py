"""Refused payments in topic ``refused``: the original bytes, with what was wrong in the headers.

The key is where the payment stands in topic ``transactions`` (``partition:offset``), the value its bytes as they came:
the whole record, or of a record that holds several payments the line or message of the one that was refused. Headers:
``kind`` (refused), ``format``, ``reason``, ``detail``, ``place``, ``source_partition``, ``source_offset``; ``feed``
where it is known; ``content`` where the bytes are no JSON; ``cut`` with the full length where a value is longer than a
broker takes. Then the whole stands in ``transactions`` only, as long as that keeps it.

A record of kind ``retried`` says that refused records before it in its partition were sent again: its value has
``reason`` (empty: every reason) and ``through``, the last offset. It is written once they are acknowledged, and it
outlives them, because it came later.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from monitor.adapters.kafka.record_size import RECORD_BYTES_MAX
from monitor.domain.refusal import REMEDIES, Reason

KIND, RETRIED = "refused", "retried"
FORMAT = b"1"
CONTENT = "content"
"""Header of a record in ``transactions`` and ``refused`` that says what the bytes are."""
FEED = "feed"
"""Header that names the feed of a record."""
DECODER_FAILED = "decoder_failed"
_VALUE_BYTES_MAX = RECORD_BYTES_MAX - 20_000
_TEXT_BYTES_MAX = 4_000

Headers = list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class RefusedPayment:
    """One refused payment and where it came from. ``reason`` is a word of :class:`Reason` or ``decoder_failed``."""

    source_partition: int
    source_offset: int
    place: str
    reason: str
    detail: str
    original: bytes
    content: str = ""
    cut_from: int = 0
    """The full length in bytes where ``original`` is its beginning only."""
    feed: str = ""

    @property
    def key(self) -> bytes:
        """The key of its record."""
        return f"{self.source_partition}:{self.source_offset}".encode()


class Retried(msgspec.Struct, forbid_unknown_fields=True):
    """Refused records of a partition that were sent again: those of ``reason`` up to offset ``through``."""

    reason: str
    through: int


def remedy_of(reason: str) -> str:
    """What to do about a reason, in words."""
    if reason == DECODER_FAILED:
        return "The decoder failed on it, which is a mistake of this program. Report it; retry after an update."
    try:
        return REMEDIES[Reason(reason)]
    except ValueError:
        return "A reason that this version does not know."


def encode(refused: RefusedPayment, *, kind: str = KIND) -> tuple[bytes, Headers]:
    """Value and headers of the record; of another ``kind`` it is not a payment, and is not sent again."""
    value = refused.original[:_VALUE_BYTES_MAX]
    headers = [
        ("kind", kind.encode()),
        ("format", FORMAT),
        ("reason", refused.reason.encode()),
        ("detail", _short(refused.detail)),
        ("place", _short(refused.place)),
        ("source_partition", str(refused.source_partition).encode()),
        ("source_offset", str(refused.source_offset).encode()),
    ]
    if refused.feed:
        headers.append((FEED, _short(refused.feed)))
    if refused.content:
        headers.append((CONTENT, _short(refused.content)))
    if len(value) < len(refused.original):
        headers.append(("cut", str(len(refused.original)).encode()))
    return value, headers


def decode(value: bytes | None, headers: Sequence[tuple[str, Any]]) -> RefusedPayment | None:
    """The refused payment of a record; ``None`` where it is of another kind, or an alert that casework refused.

    Raises:
        ValueError: The record is of another format, or a number in its headers is none.
    """
    said = {name: text_of(body) for name, body in headers}
    if said.get("kind") != KIND or "source_partition" not in said:
        return None
    if said.get("format") != FORMAT.decode():
        raise ValueError(f"format {said.get('format')!r} of a refused record, {FORMAT.decode()!r} is read here")
    return RefusedPayment(
        int(said["source_partition"]),
        int(said.get("source_offset", "-1")),
        said.get("place", ""),
        said.get("reason", ""),
        said.get("detail", ""),
        value or b"",
        said.get(CONTENT, ""),
        int(said.get("cut", "0")),
        said.get(FEED, ""),
    )


def encode_retried(retried: Retried) -> tuple[bytes, Headers]:
    """Value and headers of the record."""
    return msgspec.json.encode(retried), [("kind", RETRIED.encode()), ("format", FORMAT)]


def decode_retried(value: bytes | None, headers: Sequence[tuple[str, Any]]) -> Retried | None:
    """What a record of kind ``retried`` says; ``None`` where the record is of another kind.

    Raises:
        msgspec.DecodeError: The value is damaged.
    """
    if dict(headers).get("kind") != RETRIED.encode():
        return None
    return msgspec.json.decode(value or b"", type=Retried)


def text_of(body: bytes | str | None) -> str:
    """A header's value as text; bytes that are no UTF-8 are made visible."""
    if body is None:
        return ""
    return body if isinstance(body, str) else body.decode("utf-8", "backslashreplace")


def _short(text: str) -> bytes:
    """At most 4,000 bytes of a text, cut between characters."""
    return text.encode("utf-8", "backslashreplace")[:_TEXT_BYTES_MAX].decode("utf-8", "ignore").encode()
