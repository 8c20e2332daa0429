"""Which partition an identifier lives in: its home, by its token alone.

So every process gives the same answer, whatever codes it numbers identifiers by. The number of partitions is fixed when
a topic is created; with another number nearly every identifier has another home.
"""

from dataclasses import dataclass

import numpy as np

from monitor.domain.transaction import Bytes16, Int32s


@dataclass(frozen=True, slots=True)
class Partition:
    """One of ``count`` partitions. The only one of one partition is home of everything."""

    number: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.number < self.count:
            raise ValueError(f"partition {self.number} of {self.count}: partitions are counted from 0 to count - 1")


def home_of(tokens: Bytes16, partitions: int) -> Int32s:
    """The home of each token: its first eight bytes as a big-endian number, modulo ``partitions``.

    Args:
        tokens: Shape (n, 16).
        partitions: How many partitions there are, at least 1.

    Returns:
        Numbers from 0 to ``partitions - 1``, shape (n,).

    >>> token = bytes.fromhex("000000000000000b") + bytes(8)
    >>> home_of(np.frombuffer(token, np.uint8).reshape(1, 16), 4)
    array([3], dtype=int32)
    """
    numbers = np.ascontiguousarray(tokens[:, :8]).view(">u8").reshape(-1)
    return (numbers % np.uint64(partitions)).astype(np.int32)
