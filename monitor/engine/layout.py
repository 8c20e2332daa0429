"""Where a window table keeps its numbers: slots of a key's row, columns of an event, lists of updates.

The kernel knows no windows, only updates: *when an event with filter bit b enters or leaves length
class c, do these*. This module turns a :class:`~monitor.rulebook.plan.TablePlan` into those lists.

A row of a key holds its clock, the ends of its event list and, per length class, the oldest event
still inside and that event's time; behind them the running numbers. Calendar periods have rows
of their own (*buckets*), one per key, entity and period, with the same kinds of numbers.
"""

from dataclasses import dataclass

import numpy as np

from monitor.domain.time import DAY_US
from monitor.domain.transaction import Int32s, Int64s
from monitor.rulebook.plan import FieldUse, TablePlan, WindowMeasure

CALENDARS = ("day", "month")
CALENDAR_RETENTION_US = 75 * DAY_US
"""Events of a table with calendar windows stay this long, so that a reversal finds its bucket."""

# Columns of an event.
TIME, SEQUENCE, LINKS, MASK, VALUES = 0, 1, 2, 3, 4
# Columns of a key's row; from TAILS on two per class: oldest event inside, its time.
CLOCK, NEWEST, OLDEST, EVENTS, DROPPED, TAILS = 0, 1, 2, 3, 4, 5
# Columns of a bucket: last time touched, key's row, whether events had to be let go, then numbers.
BUCKET_TIME, BUCKET_ROW, BUCKET_CUT, BUCKET_NUMBERS = 0, 1, 2, 3
# Kinds of updates: (kind, slot, value column, extra).
COUNT, MAYBE, UNKNOWN_VALUE, SUM, DISTINCT, ORDER = range(6)
# Kinds of outputs.
OUT_COUNT, OUT_SUM, OUT_COUNT_KNOWN, OUT_DISTINCT, OUT_MIN, OUT_MAX, OUT_MEDIAN = range(7)
_OUTPUTS = {
    "count": OUT_COUNT,
    "sum": OUT_SUM,
    "count_known": OUT_COUNT_KNOWN,
    "distinct": OUT_DISTINCT,
    "min": OUT_MIN,
    "max": OUT_MAX,
    "median": OUT_MEDIAN,
}


@dataclass(frozen=True, slots=True)
class TableLayout:
    """Numbers of a table, for its kernel.

    ``updates`` has rows (kind, slot, event column, extra); those of class ``c`` and mask bit ``b`` are
    ``update_start[c, b]`` up to ``update_stop[c, b]``. Classes ``len(overs_us)`` and beyond are calendars.
    ``outputs`` has rows (kind, class, slot, maybe slot, unknown-value slot or -1, measure column).
    """

    by: str
    filters: tuple[int, ...]
    overs_us: Int64s
    calendars: tuple[str, ...]
    values: tuple[FieldUse, ...]
    event_width: int
    row_width: int
    bucket_width: int
    groups: int
    order_updates: int
    update_start: Int32s
    update_stop: Int32s
    updates: Int32s
    outputs: Int32s

    @property
    def sliding(self) -> int:
        """Number of length classes that slide."""
        return len(self.overs_us)


class _Slots:
    """Gives out slots of a row, one per distinct purpose."""

    def __init__(self, first: int) -> None:
        self.next, self.given = first, dict[tuple[object, ...], int]()

    def of(self, *purpose: object, width: int = 1) -> int:
        if purpose not in self.given:
            self.given[purpose] = self.next
            self.next += width
        return self.given[purpose]


def lay_out(plan: TablePlan) -> TableLayout:
    """The layout of a table."""
    measures = [measure for measure, _ in plan.measures]
    calendars = tuple(c for c in CALENDARS if any(m.calendar == c for m in measures))
    overs = {m.over_us for m in measures if m.calendar is None} | ({CALENDAR_RETENTION_US} if calendars else set())
    overs_us = sorted(overs)
    if calendars:
        overs_us = [o for o in overs_us if o <= CALENDAR_RETENTION_US or o in overs]
    values = tuple(dict.fromkeys(m.argument for m in measures if m.argument is not None))
    groups: dict[tuple[int, FieldUse], int] = {}
    sliding = len(overs_us)
    row_slots, bucket_slots = _Slots(TAILS + 2 * sliding), _Slots(BUCKET_NUMBERS)
    lists: dict[tuple[int, int], list[tuple[int, int, int, int]]] = {}
    outputs = []
    for measure, column in plan.measures:
        of_class = sliding + calendars.index(measure.calendar) if measure.calendar else overs_us.index(measure.over_us)
        slots = bucket_slots if measure.calendar else row_slots
        outputs.append(_add(measure, column, of_class, slots, plan.filters, values, groups, lists))
    update_start = np.zeros((sliding + len(calendars), 2 * len(plan.filters)), np.int32)
    update_stop = np.zeros_like(update_start)
    updates: list[tuple[int, int, int, int]] = []
    for (of_class, bit), members in lists.items():
        update_start[of_class, bit] = len(updates)
        updates += dict.fromkeys(members)
        update_stop[of_class, bit] = len(updates)
    return TableLayout(
        by=plan.by,
        filters=plan.filters,
        overs_us=np.array(overs_us, np.int64),
        calendars=calendars,
        values=values,
        event_width=VALUES + len(values) + len(calendars),
        row_width=row_slots.next,
        bucket_width=bucket_slots.next,
        groups=len(groups),
        order_updates=sum(kind == ORDER for kind, *_ in updates),
        update_start=update_start,
        update_stop=update_stop,
        updates=np.array(updates, np.int32).reshape(-1, 4),
        outputs=np.array(outputs, np.int32).reshape(-1, 6),
    )


def _add(
    measure: WindowMeasure,
    column: int,
    of_class: int,
    slots: _Slots,
    filters: tuple[int, ...],
    values: tuple[FieldUse, ...],
    groups: dict[tuple[int, FieldUse], int],
    lists: dict[tuple[int, int], list[tuple[int, int, int, int]]],
) -> tuple[int, int, int, int, int, int]:
    """Add the updates of one measure; returns its output."""
    number = filters.index(measure.filter)
    inside = lists.setdefault((of_class, 2 * number), [])
    count, maybe = slots.of(of_class, number, "count"), slots.of(of_class, number, "maybe")
    inside.append((COUNT, count, 0, 0))
    lists.setdefault((of_class, 2 * number + 1), []).append((MAYBE, maybe, 0, 0))
    kind = _OUTPUTS[measure.function]
    if measure.argument is None:
        return kind, of_class, count, maybe, -1, column
    value = VALUES + values.index(measure.argument)
    unknown = slots.of(of_class, number, "unknown", measure.argument)
    inside.append((UNKNOWN_VALUE, unknown, value, 0))
    slot = count
    if kind == OUT_SUM:
        slot = slots.of(of_class, number, "sum", measure.argument)
        inside.append((SUM, slot, value, unknown))
    elif kind == OUT_DISTINCT:
        slot = slots.of(of_class, number, "distinct", measure.argument)
        group = groups.setdefault((number, measure.argument), len(groups))
        inside.append((DISTINCT, slot, value, group))
    elif kind in (OUT_MIN, OUT_MAX, OUT_MEDIAN):
        slot = slots.of(of_class, number, "order", measure.argument, width=2)
        inside.append((ORDER, slot, value, 0))
    return kind, of_class, slot, maybe, unknown, column
