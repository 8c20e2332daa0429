"""Legs so far behind the clock of their key that its calendar periods may have been let go of.

Only the clocks of a payment's two holders refuse what is too late. Clocks of accounts, further holders, conductors,
counterparties and devices can be moved ahead by other customers, and must not refuse anybody's payment. A window over a
length of time stays exact all the same, because the leg is judged at the clock. A day or month does not: a key lets go
of what it has left behind, and when it does depends on the batches. So the calendar windows of such a leg are
unknown, by its times alone. The leg counts in its own period for those that are not so late.
"""

import numpy as np
import numpy.typing as npt

from monitor.domain.time import UNKNOWN
from monitor.domain.transaction import Int64s
from monitor.engine.layout import TableLayout


def forget_periods(
    layout: TableLayout, far_behind: npt.NDArray[np.bool_], measures: Int64s, bounds: npt.NDArray[np.uint8]
) -> None:
    """Make the calendar measures of a table unknown for legs judged more than the accepted lateness after they were
    booked."""
    if not far_behind.any():
        return
    outputs = layout.shape.outputs
    columns = outputs[outputs[:, 1] >= len(layout.shape.overs_us), 5]
    measures[np.ix_(far_behind, columns)] = UNKNOWN
    bounds[np.ix_(far_behind, columns)] = 0
