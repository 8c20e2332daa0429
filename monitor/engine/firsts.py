"""First occurrence of a value for a key: ``first_seen(x)``.

A pair (key, value) is remembered from its latest payment on for 730 days of the key's clock; a value that comes
again 730 days later or more counts as seen for the first time. Only booked payments are remembered; reversals do not
undo it: the pair did occur.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from monitor.domain.time import DAY_US, UNKNOWN
from monitor.domain.transaction import Int32s, Int64s
from monitor.engine.admission import Legs
from monitor.engine.compiled import kernel
from monitor.engine.hashing import EMPTY, find, is_full, new_table, regrown
from monitor.engine.key_spaces import KeySpace

HORIZON_US = 730 * DAY_US


@kernel
def _first_seen(
    kind: Int32s, row: Int64s, operation: Int32s, is_booked: npt.NDArray[np.bool_], judged_us: Int64s, value: Int64s,
    number: int, horizon_us: int, seen: npt.NDArray[np.int64], out: Int64s,
) -> int:  # fmt: skip
    """Write 1 or 0 into ``out`` where the value is known; returns how many pairs are new."""
    added = 0
    for i in range(len(row)):
        if operation[i] != 0 or value[i] == UNKNOWN:
            continue
        key = (row[i] << 16) | (number << 8) | kind[i]
        at = find(seen, key, value[i])
        if at >= 0:
            out[i] = 1 if judged_us[i] - seen[at, 2] >= horizon_us else 0
        else:
            out[i] = 1
        if is_booked[i]:
            if at < 0:
                at = -1 - at
                seen[at, 0], seen[at, 1] = key, value[i]
                added += 1
            seen[at, 2] = judged_us[i]
    return added


class Firsts:
    """The pairs that occurred, for all fields that rules ask ``first_seen`` of."""

    def __init__(self) -> None:
        self.seen, self.used = new_table(256, 3), 0
        self.fields: list[str] = []

    def forget(self, spaces: Sequence[KeySpace], coming: int) -> None:
        """Where there is little room for a batch of ``coming`` payments, let go of pairs that count as new.

        Before the batch moves the clocks of the keys, by which a pair is forgotten: another key's says nothing.
        """
        if not is_full(self.seen, self.used, 2 * coming * len(self.fields)):
            return
        keep = self.seen[:, 0] != EMPTY
        for kind, space in enumerate(spaces):
            of_kind = np.flatnonzero(keep & (self.seen[:, 0] & 0xFF == kind))
            keep[of_kind] = space.clock_us[self.seen[of_kind, 0] >> 16] - self.seen[of_kind, 2] < HORIZON_US
        self.seen, self.used = regrown(self.seen, self.used, 2 * coming * len(self.fields), keep)

    def fill(self, name: str, legs: Legs, is_booked: npt.NDArray[np.bool_], values: Int64s, out: Int64s) -> None:
        """Write the ``first_seen`` column ``name`` of these legs, whose argument has ``values``; once per batch."""
        if name not in self.fields:
            self.fields.append(name)
        if is_full(self.seen, self.used, len(legs)):
            self.seen, self.used = regrown(self.seen, self.used, len(legs))
        out[:] = UNKNOWN
        self.used += _first_seen(
            legs.kind, legs.row, legs.operation, is_booked, legs.judged_us, values, self.fields.index(name), HORIZON_US,
            self.seen, out,
        )  # fmt: skip
