"""Days of a stream: whatever is published once a day comes between the rows of two days."""

from collections.abc import Iterator

import numpy as np

from models.contract import DAY_US, Int64s


def runs_of_days(time_us: Int64s, *, since: int) -> Iterator[tuple[int, int, int]]:
    """Rows of one day each, as ``day, start, stop``; a day is a number since 1970 UTC, and never goes back.

    A row earlier than the row before it, or than day ``since``, belongs to the latest day so far.

    >>> list(runs_of_days(np.array([0, 5, DAY_US, 7]), since=-1))
    [(0, 0, 2), (1, 2, 4)]
    >>> list(runs_of_days(np.array([0, DAY_US]), since=3))
    [(3, 0, 2)]
    """
    if not len(time_us):
        return
    first = max(int(time_us[0]) // DAY_US, since)
    if int(time_us.max()) // DAY_US <= first:  # Most batches: no division a row.
        yield first, 0, len(time_us)
        return
    day = np.maximum(np.maximum.accumulate(time_us // DAY_US), since)
    starts = [0, *(np.flatnonzero(np.diff(day)) + 1).tolist()]
    for start, stop in zip(starts, [*starts[1:], len(day)], strict=True):
        yield int(day[start]), start, stop
