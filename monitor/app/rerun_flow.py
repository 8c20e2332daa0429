"""The money behind an alert followed again, by the slow tracer over the recorded history of the whole bank.

Money of the last 30 days can have begun eight payments of 30 days before, and a hub is told by its month before that.
So nine months and two more are read.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from monitor.adapters.history_reading import HistoryReader
from monitor.app.rerun_history import HistoryLost, Row, transactions_of
from monitor.domain.flow import FLOW_NAMES, HOPS_MAX, MONTH_US
from monitor.rulebook.reference import PlainInputs, PlainSide, legs_of
from monitor.rulebook.reference.flow import Found
from monitor.rulebook.reference.history import History
from monitor.rulebook.rule import Name, Node, Rule
from monitor.rulebook.walk import walk

PAYMENTS_MAX = 2_000_000
"""Most payments that are traced again; beyond, the re-run says so."""
_REACH_US = (HOPS_MAX + 3) * MONTH_US


def flow_names(rule: Rule) -> set[str]:
    """The names of flow tracing that a rule asks for, in its condition and in the filters of its windows."""
    roots: list[Node] = [rule.when, *(window.where for window in rule.windows.values() if window.where is not None)]
    return {part.name for root in roots for part in walk(root) if isinstance(part, Name) and part.name in FLOW_NAMES}


def traced_again(reader: HistoryReader, *, stop: int, until_us: int) -> dict[int, Found]:
    """What the tracer says of each payment before log position ``stop``, booked at ``until_us`` or some time before.

    Raises:
        HistoryLost: There are more than :data:`PAYMENTS_MAX`.
    """

    def wanted(table: pa.Table) -> npt.NDArray[np.bool_]:
        return np.asarray(table.column("booked_at_us").to_numpy() > until_us - _REACH_US, bool)

    rows = reader.rows(wanted, columns=("booked_at_us",), stop=stop)
    if len(rows) > PAYMENTS_MAX:
        raise HistoryLost(f"more than {PAYMENTS_MAX} payments would have to be followed again")
    transactions = transactions_of(rows.to_pylist(), _side, lambda token: None if token is None else token.hex())
    return dict(History.of(legs_of(transactions, ()), PlainInputs()).traced)


def _side(row: Row, side: str) -> PlainSide:
    holder, account = row[f"{side}_holder"], row[f"{side}_account"]
    return PlainSide(
        holder=None if holder is None else holder.hex(), account=None if account is None else account.hex()
    )
