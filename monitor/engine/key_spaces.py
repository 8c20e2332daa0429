"""Rows for the keys of a kind, and the clock of each key."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from monitor.domain.transaction import Int32s, Int64s
from monitor.engine.growing import extended

NEVER = -(2**63)


@dataclass(slots=True)
class KeySpace:
    """Dense rows for the keys of one kind: ``row_of[code]``, ``code_of[row]``, each key's clock, and the judged time
    of its latest booked leg (``NEVER`` before the first)."""

    row_of: Int32s
    code_of: Int32s
    clock_us: Int64s
    booked_us: Int64s
    count: int = 0

    @classmethod
    def empty(cls) -> "KeySpace":
        return cls(
            np.full(1024, -1, np.int32),
            np.full(1024, -1, np.int32),
            np.full(1024, NEVER, np.int64),
            np.full(1024, NEVER, np.int64),
        )

    def row_for(self, code: int) -> int:
        """The row of a key, also of one that no payment has named yet."""
        self.make_room(code + 1, 1)
        if self.row_of[code] < 0:
            self.row_of[code], self.code_of[self.count] = self.count, code
            self.count += 1
        return int(self.row_of[code])

    def make_room(self, codes: int, coming: int) -> None:
        """Room for codes below ``codes`` and for ``coming`` new keys."""
        if codes > len(self.row_of):
            self.row_of = extended(self.row_of, 2 * codes, -1)
        if self.count + coming > len(self.code_of):
            length = max(2 * len(self.code_of), self.count + coming)
            self.code_of = extended(self.code_of, length, -1)
            self.clock_us = extended(self.clock_us, length, NEVER)
            self.booked_us = extended(self.booked_us, length, NEVER)


class Spaces(NamedTuple):
    """The key spaces as kernels see them: each field by kind of key."""

    row_of: tuple[Int32s, ...]
    code_of: tuple[Int32s, ...]
    clock_us: tuple[Int64s, ...]
    booked_us: tuple[Int64s, ...]
