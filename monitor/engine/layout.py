"""Where a window table keeps its numbers: slots of a key's row, words of an event, lists of updates.

The kernel knows no windows, only updates: *when an event with filter bit b enters or leaves length
class c, do these*. This module turns a :class:`~monitor.rulebook.plan.TablePlan` into those lists.

Numbers that can be large (times, sums, places of sorted blocks) are words of 64 bits, numbers that count the events
of one key are 32 bits. A row holds the words first and the counts behind them; a count's slot is its index in the
row seen as 32-bit integers. Calendar periods have rows of their own (*buckets*), one per key, entity and
period, with the same kinds of numbers.

An event is a record of words: time, sequence, marks, amounts, further marks where there are many filters, and the
buckets that it is in, two to a word. Codes that are counted by distinct value stand apart, so that a search for a value
reads nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from monitor.domain.time import DAY_US
from monitor.domain.transaction import Int32s, Int64s
from monitor.domain.vocabulary import CALENDARS
from monitor.rulebook.plan import FieldUse, TablePlan, WindowMeasure

CALENDAR_RETENTION_US = 75 * DAY_US
"""Events of a table with calendar windows stay this long, so that a reversal finds its bucket."""

# Words of an event.
TIME, SEQUENCE, MASK, WIDE = 0, 1, 2, 3
# Words of a key's row, and counts among them; behind them per length class the time of the oldest event inside.
CLOCK, RING, DROPPED, TAIL_TIMES = 0, 1, 4, 5
NEXT, KEPT, STAMP, DOUBT = 4, 5, 6, 7
# Words of a bucket: last time touched, key's row, whether events had to be let go; and a count, how many events are in
# it. DOUBT stands where a row has it.
BUCKET_TIME, BUCKET_ROW, BUCKET_CUT, BUCKET_NUMBERS = 0, 1, 2, 4
BUCKET_EVENTS = 6
# Kinds of updates: (kind, slot, place of the value in the event, extra).
COUNT, MAYBE, UNKNOWN_WIDE, UNKNOWN_NARROW, SUM, DISTINCT, ORDER = range(7)
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
UNKNOWN_CODE = -1


class Shape(NamedTuple):
    """What a table's kernel knows of its layout.

    ``updates`` has rows (kind, slot, place, extra); those of class ``c`` and mask bit ``b`` are ``update_start[c, b]``
    up to ``update_stop[c, b]``. Classes ``len(overs_us)`` and beyond are calendars. ``entries`` are the updates of all
    sliding classes by bit, without distinct counts. ``outputs`` has rows (kind, class, slot, maybe slot, unknown-value
    slot or -1, measure column); of the first ``simple`` ones nothing but the slot is read while a row has no doubt.
    Distinct counts come in groups, one per filter and value: ``groups`` has rows (filter bit, narrow column) and
    ``counted`` rows (class, slot) from ``counted_start[g]`` to ``counted_start[g + 1]``. ``scanned[d]`` is the longest
    class in which column ``d`` is counted.
    """

    overs_us: Int64s
    groups: Int32s
    counted_start: Int32s
    counted: Int32s
    scanned: Int32s
    mark_words: int
    """1 or 2: how many words an event's marks take."""
    further_marks: int
    """Place of the second word of marks in an event."""
    update_start: Int32s
    update_stop: Int32s
    updates: Int32s
    entry_start: Int32s
    entries: Int32s
    outputs: Int32s
    simple: int
    wide_columns: Int64s
    narrow_columns: Int64s
    calendars: int
    calendar_keys: int
    """Word of the row with the last calendar period of the first calendar; the next ones follow."""
    tails: int
    """Count slot of the oldest event inside the first class; the next classes follow, the last is the oldest held."""
    buckets_used: int
    """Count slot of the bucket of that period."""
    event_words: int
    order_updates: int


class Outputs(NamedTuple):
    """What a table shows to each group of legs (:class:`monitor.engine.binding.RuleGroups`).

    Rows of ``spans``: where a group's outputs begin in ``rows``, where the simple ones end, and where all end. Rows of
    ``rows`` are those of ``Shape.outputs``.
    """

    spans: Int32s
    rows: Int32s


@dataclass(frozen=True, slots=True)
class TableLayout:
    """Numbers of a table."""

    by: str
    filters: tuple[int, ...]
    calendars: tuple[str, ...]
    values: tuple[FieldUse, ...]
    """Values that events keep."""
    narrow: tuple[FieldUse, ...]
    """Those of them that are codes."""
    row_words: int
    bucket_words: int
    shape: Shape


class _Slots:
    """Gives out slots of a row, one per distinct purpose: words from ``first`` on, counts from ``counts`` on."""

    def __init__(self, first: int, counts: int) -> None:
        self.next, self.next_count, self.given = first, counts, dict[tuple[object, ...], int]()

    def word(self, *purpose: object, width: int = 1) -> int:
        if purpose not in self.given:
            self.given[purpose] = self.next
            self.next += width
        return self.given[purpose]

    def count(self, *purpose: object, width: int = 1) -> int:
        if purpose not in self.given:
            self.given[purpose] = self.next_count
            self.next_count += width
        return self.given[purpose]


def bit_of(place: int) -> int:
    """The bit among an event's marks that says it passes the table's filter at ``place``; the next one says that this
    is unknown. A word has the marks of 31 filters.
    """
    return 64 * (place // 31) + 2 * (place % 31)


def mark_words_of(filters: int) -> int:
    """How many words the marks of so many filters take."""
    return 1 if filters <= 31 else 2


def lay_out(plan: TablePlan) -> TableLayout:
    """The layout of a table."""
    # Counts stand behind the words, so how many words there are must be known: place everything twice.
    row, bucket = _Placed(plan, 0, 0).ends()
    return _Placed(plan, 2 * row, 2 * bucket).layout()


class _Placed:
    """The slots of one table, with counts from the given slots on."""

    def __init__(self, plan: TablePlan, row_counts: int, bucket_counts: int) -> None:
        measures = [measure for measure, _ in plan.measures]
        self.plan = plan
        self.calendars = tuple(c for c in CALENDARS if any(m.calendar == c for m in measures))
        overs = {m.over_us for m in measures if m.calendar is None}
        self.overs_us = sorted(overs | ({CALENDAR_RETENTION_US} if self.calendars else set()))
        uses = dict.fromkeys(m.argument for m in measures if m.argument is not None)
        codes = {m.argument for m in measures if m.function == "distinct"}
        self.wide = tuple(use for use in uses if use not in codes)
        self.narrow = tuple(use for use in uses if use in codes)
        self.groups: dict[tuple[int, FieldUse], int] = {}
        self.counted: dict[int, dict[tuple[int, int], None]] = {}
        self.lists: dict[tuple[int, int], dict[tuple[int, int, int, int], None]] = {}
        sliding = len(self.overs_us)
        self.rows, self.buckets = _Slots(TAIL_TIMES + sliding, row_counts), _Slots(BUCKET_NUMBERS, bucket_counts)
        self.calendar_keys = self.rows.word("calendar", width=len(self.calendars))
        self.tails = self.rows.count("tails", width=sliding)
        self.buckets_used = self.rows.count("bucket", width=len(self.calendars))
        self.outputs = [self._output(measure, column) for measure, column in plan.measures]

    def ends(self) -> tuple[int, int]:
        """Where the words of a row and of a bucket end."""
        return self.rows.next, self.buckets.next

    def _output(self, measure: WindowMeasure, column: int) -> tuple[int, int, int, int, int, int]:
        """Add the updates of one measure."""
        number, is_sliding = self.plan.filters.index(measure.filter), measure.calendar is None
        slots = self.rows if is_sliding else self.buckets
        of_class = (
            self.overs_us.index(measure.over_us)
            if measure.calendar is None
            else len(self.overs_us) + self.calendars.index(measure.calendar)
        )
        bit = bit_of(number)
        inside = self.lists.setdefault((of_class, bit), {})
        count, maybe = slots.count(of_class, number, "count"), slots.count(of_class, number, "maybe")
        inside[COUNT, count, 0, 0] = None
        self.lists.setdefault((of_class, bit + 1), {})[MAYBE, maybe, 0, 0] = None
        kind, argument = _OUTPUTS[measure.function], measure.argument
        if argument is None:
            return kind, of_class, count, maybe, -1, column
        unknown, slot = slots.count(of_class, number, "unknown", argument), count
        if argument in self.narrow:
            place = self.narrow.index(argument)
            inside[UNKNOWN_NARROW, unknown, place, 0] = None
        else:
            place = WIDE + self.wide.index(argument)
            inside[UNKNOWN_WIDE, unknown, place, 0] = None
        if kind == OUT_SUM:
            slot = slots.word(of_class, number, "sum", argument)
            inside[SUM, slot, place, unknown] = None
        elif kind == OUT_DISTINCT:
            slot = slots.count(of_class, number, "distinct", argument)
            group = self.groups.setdefault((number, argument), len(self.groups))
            inside[DISTINCT, slot, place, group] = None
            if is_sliding:
                self.counted.setdefault(group, {})[of_class, slot] = None
        elif kind in (OUT_MIN, OUT_MAX, OUT_MEDIAN):
            slot = slots.word(of_class, number, "order", argument, width=2)
            inside[ORDER, slot, place, 0] = None
        return kind, of_class, slot, maybe, unknown, column

    def layout(self) -> TableLayout:
        """All of it."""
        mark_words = mark_words_of(len(self.plan.filters))
        sliding, bits = len(self.overs_us), 64 * mark_words
        update_start = np.zeros((sliding + len(self.calendars), bits), np.int32)
        update_stop = np.zeros_like(update_start)
        updates: list[tuple[int, int, int, int]] = []
        for (of_class, bit), members in self.lists.items():
            update_start[of_class, bit] = len(updates)
            updates += members
            update_stop[of_class, bit] = len(updates)
        entry_start, entries = [0], list[tuple[int, int, int, int]]()
        for bit in range(bits):
            for of_class in range(sliding):
                entries += [u for u in self.lists.get((of_class, bit), {}) if u[0] != DISTINCT]
            entry_start.append(len(entries))
        counted = [list(self.counted.get(group, {})) for group in range(len(self.groups))]
        scanned = [
            max((c for (_, use), g in self.groups.items() if use == column for c, _ in counted[g]), default=0)
            for column in self.narrow
        ]
        is_simple = [
            o[0] in (OUT_COUNT, OUT_SUM, OUT_COUNT_KNOWN, OUT_DISTINCT) and o[1] < sliding for o in self.outputs
        ]
        outputs = [o for o, easy in zip(self.outputs, is_simple, strict=True) if easy]
        outputs += [o for o, easy in zip(self.outputs, is_simple, strict=True) if not easy]
        values = self.wide + self.narrow
        shape = Shape(
            overs_us=np.array(self.overs_us, np.int64),
            groups=_table([(bit_of(n), self.narrow.index(use)) for n, use in self.groups], 2),
            counted_start=np.cumsum([0, *map(len, counted)]).astype(np.int32),
            counted=_table([each for group in counted for each in group], 2),
            scanned=np.array(scanned, np.int32),
            mark_words=mark_words,
            further_marks=WIDE + len(self.wide),
            update_start=update_start,
            update_stop=update_stop,
            updates=_table(updates, 4),
            entry_start=np.array(entry_start, np.int32),
            entries=_table(entries, 4),
            outputs=_table(outputs, 6),
            simple=sum(is_simple),
            wide_columns=np.array([values.index(use) for use in self.wide], np.int64),
            narrow_columns=np.array([values.index(use) for use in self.narrow], np.int64),
            calendars=len(self.calendars),
            calendar_keys=self.calendar_keys,
            tails=self.tails,
            buckets_used=self.buckets_used,
            event_words=WIDE + len(self.wide) + mark_words - 1 + (len(self.calendars) + 1) // 2,
            order_updates=sum(kind == ORDER for kind, *_ in updates),
        )
        return TableLayout(
            by=self.plan.by,
            filters=self.plan.filters,
            calendars=self.calendars,
            values=values,
            narrow=self.narrow,
            row_words=(self.rows.next_count + 1) // 2,
            bucket_words=(self.buckets.next_count + 1) // 2,
            shape=shape,
        )


def _table(rows: Sequence[tuple[int, ...]], width: int) -> Int32s:
    return np.array(rows, np.int32).reshape(-1, width)
