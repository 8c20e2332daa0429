"""Refused customer profiles in topic ``refused``: the original bytes, with what was wrong in the headers.

The headers are those of refused payments: ``kind``, ``format``, ``reason``, ``detail``, ``place``,
``source_partition``, ``source_offset``, and ``cut`` with the full length where a value is longer than brokers take.
``kind`` is ``refused_profile``: these records are mended in the source of profiles and are not sent again.
"""

from monitor.domain.refusal import Refusal

KIND = "refused_profile"
FORMAT = b"1"
VALUE_BYTES_MAX = 980_000
"""Bytes that brokers take unless they are told otherwise, with room for key and headers."""
_TEXT_BYTES_MAX = 4_000


def encode(refusal: Refusal, *, partition: int, offset: int) -> tuple[bytes, list[tuple[str, bytes]]]:
    """Value and headers of a record, for a profile that stood there in topic ``profiles``."""
    value = refusal.original[:VALUE_BYTES_MAX]
    headers = [
        ("kind", KIND.encode()),
        ("format", FORMAT),
        ("reason", refusal.reason.value.encode()),
        ("detail", _short(refusal.detail)),
        ("place", _short(refusal.place)),
        ("source_partition", str(partition).encode()),
        ("source_offset", str(offset).encode()),
    ]
    if len(value) < len(refusal.original):
        headers.append(("cut", str(len(refusal.original)).encode()))
    return value, headers


def _short(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")[:_TEXT_BYTES_MAX].decode("utf-8", "ignore").encode()
