"""How long a record may be, and how what is longer is divided."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

RECORD_BYTES_MAX = 1_000_000
"""Bytes of a value that brokers take unless they are told otherwise, with room for key and headers."""

Part = TypeVar("Part", bound=Sequence[object])


def values_within(
    parts: Part, encode: Callable[[Part], bytes], *, bytes_max: int = RECORD_BYTES_MAX
) -> Iterator[bytes]:
    """The values of a sequence in its order: one, or those of its halves where that would be too long.

    A single part is given whatever its length.

    >>> list(values_within("abcdefg", str.encode, bytes_max=3))
    [b'abc', b'de', b'fg']
    """
    value = encode(parts)
    if len(value) <= bytes_max or len(parts) < 2:
        yield value
        return
    half = len(parts) // 2
    for each in (parts[:half], parts[half:]):
        yield from values_within(each, encode, bytes_max=bytes_max)  # type: ignore[arg-type]
