"""What happens to payments afterwards: refused, taken back, corrected, late, delivered twice.

Payments of cases are never refused or taken back, so that a case keeps its shape; they are late as often as others.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from monitor.app.simulate.rows import NOBODY, Rows, joined_rows
from monitor.domain.time import DAY_US, HOUR_US, MINUTE_US
from monitor.domain.vocabulary import STATUSES

ATTEMPTED, REJECTED = STATUSES.index("attempted"), STATUSES.index("rejected")
REVERSED, RETURNED = STATUSES.index("reversed"), STATUSES.index("returned")
PER_MILLION = {"failed": 4_000, "taken_back": 3_000, "late": 4_000, "repeated": 600}
"""How many of a million rows each thing happens to."""


def aftermath(rows: Rows, rng: np.random.Generator) -> Rows:
    """The rows of one day with their consequences, in order of booking of the originals, then the consequences."""
    n = len(rows)
    fate = rng.integers(0, 1_000_000, n)
    is_case = rows.case != NOBODY
    failed = (fate < PER_MILLION["failed"]) & ~is_case
    rows.status[failed] = np.where(fate[failed] % 2 == 0, ATTEMPTED, REJECTED)
    lower = PER_MILLION["failed"]
    back = np.flatnonzero((fate >= lower) & (fate < lower + PER_MILLION["taken_back"]) & ~is_case)
    every = joined_rows([rows, _taken_back(rows, back, rng)]) if len(back) else rows
    late = np.flatnonzero(rng.integers(0, 1_000_000, len(every)) < PER_MILLION["late"])
    delay = HOUR_US + (rng.integers(0, 1 << 20, len(late)) ** 2 * (4 * DAY_US >> 20) >> 20) // 1_000 * 1_000
    every.received_us[late] += delay
    every.delivered_us[late] += delay
    again = np.flatnonzero(rng.integers(0, 1_000_000, len(every)) < PER_MILLION["repeated"])
    if not len(again):
        return every
    copies = every.map(lambda column: column[again])
    copies.delivered_us[:] += MINUTE_US + rng.integers(0, 20 * HOUR_US, len(again))
    return joined_rows([every, copies])


def _taken_back(rows: Rows, back: npt.NDArray[np.int64], rng: np.random.Generator) -> Rows:
    """Reversals, returns and corrections of the rows at ``back``, some hours or days later."""
    taken = rows.map(lambda column: column[back])
    n = len(back)
    sort = rng.integers(0, 10, n)
    delay = HOUR_US + rng.integers(0, 4 * DAY_US // 1_000, n) * 1_000
    status = np.where(sort < 4, REVERSED, np.where(sort < 8, RETURNED, 0)).astype(np.int8)
    less = taken.amount - taken.amount * rng.integers(1, 20, n) // 100
    return replace(
        taken, number=int(rows.number[0]) + len(rows) + np.arange(n), booked_us=taken.booked_us + delay,
        received_us=taken.received_us + delay, delivered_us=taken.delivered_us + delay,
        amount=np.where(sort < 8, taken.amount, np.maximum(less, 100)), status=status, reverses=taken.number,
    )  # fmt: skip
