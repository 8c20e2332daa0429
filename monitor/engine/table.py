"""One window table: the state of its kernel, grown between batches, and the events behind a measure."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from monitor.domain.time import DAY_US
from monitor.domain.transaction import Int32s, Int64s
from monitor.engine import windows
from monitor.engine.hashing import EMPTY, find, is_full, new_table, regrown
from monitor.engine.layout import (
    BUCKET_NUMBERS,
    BUCKET_ROW,
    BUCKET_TIME,
    CALENDARS,
    CLOCK,
    DISTINCT,
    LINKS,
    NEWEST,
    OLDEST,
    ORDER,
    TAILS,
    VALUES,
    TableLayout,
)
from monitor.engine.ordered import new_pool

Rows = npt.NDArray[np.int64]
EVENTS_PER_KEY_MAX = 65_536
BUCKET_IDLE_US = 80 * DAY_US
"""A calendar period that its key has not touched for so long can not be touched again: the month, the
accepted lateness and the roll over holidays lie behind it."""
_STATE = ("rows", "events", "free", "latest", "periods", "buckets", "free_buckets", "seen", "counters", "pool")


@dataclass(frozen=True, slots=True)
class TableInput:
    """The legs of a batch as a table sees them, columns of length m."""

    operation: Int32s
    row: Int64s
    judged_us: Int64s
    sequence: Int64s
    target: Int64s
    mask: Int64s
    values: Rows
    entity: Int32s
    periods: Rows


class WindowTable:
    """The windows of one kind of key. Results depend on the legs and their order, never on the batches."""

    def __init__(self, layout: TableLayout, *, events_max: int = EVENTS_PER_KEY_MAX) -> None:
        self.layout, self.events_max = layout, events_max
        self.groups = _groups(layout)
        self.calendar_index = [layout.calendars.index(c) if c in layout.calendars else -1 for c in CALENDARS]
        self.rows = self._empty_rows(256)
        self.events = np.zeros((256, layout.event_width), np.int64)
        self.free = np.arange(255, -1, -1, dtype=np.int64)
        self.latest = new_table(256, 3)
        self.periods = new_table(256, 3)
        self.buckets = np.zeros((64, layout.bucket_width), np.int64)
        self.free_buckets = np.arange(63, -1, -1, dtype=np.int64)
        self.seen = new_table(256, 3)
        self.pool = new_pool()
        self.counters = np.zeros(windows.COUNTERS, np.int64)
        self.counters[windows.EVENTS_FREE] = len(self.free)
        self.counters[windows.BUCKETS_FREE] = len(self.free_buckets)
        self.buckets_of = np.zeros(len(CALENDARS), np.int64)
        self.freed = np.zeros((0, 2), np.int64)
        self.removed = np.zeros((0, 3), np.int64)

    def _empty_rows(self, count: int) -> Rows:
        rows = np.zeros((count, self.layout.row_width), np.int64)
        rows[:, (NEWEST, OLDEST)] = windows.NONE
        rows[:, TAILS : TAILS + 2 * self.layout.sliding : 2] = windows.NONE
        rows[:, (CLOCK, 4)] = EMPTY
        return rows

    def run(self, legs: TableInput, measures: Rows, bounds: npt.NDArray[np.uint8], *, keys: int) -> None:
        """Enter all legs and write their measures.

        Args:
            legs: Legs in the order of the log; ``row`` is -1 for legs that are not of this table.
            measures: The measure matrix, shape (m, columns); columns of this table are written.
            bounds: 1 where a measure is a lower bound, zero before; same shape.
            keys: Number of key rows that exist.
        """
        self._recycle()
        self._make_room(len(legs.row), keys)
        layout, done = self.layout, 0
        while True:
            done = windows.measure(
                done, legs.operation, legs.row, legs.judged_us, legs.sequence, legs.target, legs.mask, legs.values,
                legs.entity, legs.periods, self.events_max, layout.overs_us, len(layout.calendars), self.groups,
                layout.update_start, layout.update_stop, layout.updates, layout.order_updates, layout.outputs,
                self.rows, self.events, self.free, self.freed, self.latest, self.periods, self.buckets,
                self.free_buckets, self.seen, self.removed, self.counters, self.pool, self.buckets_of, measures, bounds,
            )  # fmt: skip
            if done == len(legs.row):
                return
            self.pool = np.concatenate((self.pool, np.zeros(len(self.pool) + 8 * self.events_max, np.int64)))

    def _recycle(self) -> None:
        """Make the events that left in the last batch available again, and cut the links to them."""
        freed, keys = self.freed[: self.counters[windows.EVENTS_FREED]].T
        was_newest = self.rows[keys, NEWEST] == freed
        self.rows[keys[was_newest], NEWEST] = windows.NONE
        newer = self.events[freed, LINKS] >> 32
        newer = newer[newer != windows.NONE]
        self.events[newer, LINKS] |= 0xFFFFFFFF
        top = int(self.counters[windows.EVENTS_FREE])
        self.free[top : top + len(freed)] = freed[::-1]
        self.counters[windows.EVENTS_FREE] += len(freed)
        self.counters[windows.EVENTS_FREED] = 0
        self.counters[windows.REMOVED] = 0

    def _make_room(self, coming: int, keys: int) -> None:
        if keys > len(self.rows):
            self.rows = np.concatenate((self.rows, self._empty_rows(max(keys, 2 * len(self.rows)) - len(self.rows))))
        self._make_room_for_events(coming)
        if is_full(self.latest, int(self.counters[windows.DISTINCTS_USED]), coming * max(1, len(self.groups))):
            used = int(self.counters[windows.DISTINCTS_USED])
            self.latest, used = regrown(self.latest, used, coming * max(1, len(self.groups)))
            self.counters[windows.DISTINCTS_USED] = used
        if self.layout.calendars:
            self._make_room_for_periods(coming)
        if len(self.freed) < self.counters[windows.EVENTS_LIVE] + coming:
            self.freed = np.zeros((2 * (int(self.counters[windows.EVENTS_LIVE]) + coming), 2), np.int64)
        if len(self.removed) < coming:
            self.removed = np.zeros((2 * coming, 3), np.int64)

    def _make_room_for_events(self, coming: int) -> None:
        top = int(self.counters[windows.EVENTS_FREE])
        if top >= coming:
            return
        old = len(self.events)
        length = max(old + old // 2, old + coming)
        events = np.zeros((length, self.layout.event_width), np.int64)
        events[:old] = self.events
        free = np.zeros(length, np.int64)
        free[: length - old] = np.arange(length - 1, old - 1, -1)
        free[length - old : length - old + top] = self.free[:top]
        self.events, self.free = events, free
        self.counters[windows.EVENTS_FREE] = top + length - old

    def _make_room_for_periods(self, coming: int) -> None:
        calendars, counters = len(self.layout.calendars), self.counters
        coming *= calendars
        if counters[windows.BUCKETS_FREE] < coming:
            self._drop_idle_periods(coming)
        if counters[windows.BUCKETS_FREE] < coming:
            old = len(self.buckets)
            length = max(2 * old, old + coming)
            top = int(counters[windows.BUCKETS_FREE])
            self.buckets = np.concatenate((self.buckets, np.zeros((length - old, self.buckets.shape[1]), np.int64)))
            self.free_buckets = np.concatenate((np.arange(length - 1, old - 1, -1), self.free_buckets[:top],
                                                np.zeros(old, np.int64)))[:length]  # fmt: skip
            counters[windows.BUCKETS_FREE] = top + length - old
        if is_full(self.periods, int(counters[windows.BUCKETS_USED]), coming):
            self.periods, _ = regrown(self.periods, int(counters[windows.BUCKETS_USED]), coming)
        wanted = coming * max(1, len(self.groups))
        if is_full(self.seen, int(counters[windows.CALENDAR_DISTINCTS]), wanted):
            self.seen, used = regrown(self.seen, int(counters[windows.CALENDAR_DISTINCTS]), wanted)
            counters[windows.CALENDAR_DISTINCTS] = used

    def _drop_idle_periods(self, coming: int) -> None:
        """Free the buckets that no record can reach any more, with their distinct values and sorted blocks."""
        in_use = self.periods[:, 0] != EMPTY
        bucket = np.where(in_use, self.periods[:, 2], 0)
        clock = self.rows[self.buckets[bucket, BUCKET_ROW], CLOCK]
        is_idle = in_use & (clock - self.buckets[bucket, BUCKET_TIME] > BUCKET_IDLE_US)
        idle = self.periods[is_idle, 2]
        if not len(idle):
            return
        dead = np.zeros(len(self.buckets), bool)
        dead[idle] = True
        self.periods, used = regrown(self.periods, 0, coming, keep=~is_idle)
        self.counters[windows.BUCKETS_USED] = used
        owner = np.where(self.seen[:, 0] != EMPTY, self.seen[:, 0] >> 8, 0)
        self.seen, distincts = regrown(self.seen, 0, coming * max(1, len(self.groups)), keep=~dead[owner])
        self.counters[windows.CALENDAR_DISTINCTS] = distincts
        windows.free_blocks(self.pool, self.buckets, idle, _calendar_order_slots(self.layout))
        top = int(self.counters[windows.BUCKETS_FREE])
        self.free_buckets[top : top + len(idle)] = idle
        self.counters[windows.BUCKETS_FREE] += len(idle)

    def events_behind(
        self, row: int, number: int, *, start_us: int, bucket: tuple[int, int] | None, sequence: int, most: int
    ) -> tuple[list[int], int]:
        """Log positions of the events in a window, as the leg at log position ``sequence`` saw them.

        Valid until the next batch.

        Args:
            row: The key.
            number: Index of the window's filter in this table.
            start_us: Left end of the window, open.
            bucket: For a calendar window the calendar's index and the bucket; else None.
            sequence: Log position of the leg.
            most: How many positions to return at most; the newest.

        Returns:
            Positions in descending order, and how many there are in all.
        """
        found = np.empty(most, np.int64)
        column = -1 if bucket is None else self.layout.event_width - len(self.layout.calendars) + bucket[0]
        total = windows.positions_behind(
            row, 2 * number, start_us, column, -1 if bucket is None else bucket[1], sequence, self.rows, self.events,
            self.removed, int(self.counters[windows.REMOVED]), found,
        )  # fmt: skip
        return found[: min(total, most)].tolist(), total

    def bucket_of(self, row: int, calendar: int, entity: int, period: int) -> int:
        """The bucket of a calendar period, or -1."""
        at = find(self.periods, row, (entity << 32) | (calendar << 30) | (period & 0x3FFFFFFF))
        return int(self.periods[at, 2]) if at >= 0 else windows.NONE

    def bytes_used(self) -> dict[str, int]:
        """Bytes by purpose, as allocated."""
        return {name: getattr(self, name).nbytes for name in _STATE}

    def save(self) -> dict[str, npt.NDArray[np.int64]]:
        """The state as arrays, between batches."""
        self._recycle()
        return {name: getattr(self, name) for name in _STATE}

    def load(self, state: dict[str, npt.NDArray[np.int64]]) -> None:
        """Take over a saved state of the same layout."""
        for name in _STATE:
            setattr(self, name, np.array(state[name]))


def _groups(layout: TableLayout) -> Int32s:
    """(filter bit, event column) of each distinct group, in the order of the group numbers."""
    found: dict[int, tuple[int, int]] = {}
    for of_class in range(layout.update_start.shape[0]):
        for bit in range(layout.update_start.shape[1]):
            for u in range(layout.update_start[of_class, bit], layout.update_stop[of_class, bit]):
                if layout.updates[u, 0] == DISTINCT:
                    found[int(layout.updates[u, 3])] = (bit, int(layout.updates[u, 2]))
    return np.array([found[g] for g in sorted(found)], np.int32).reshape(-1, 2)


def _calendar_order_slots(layout: TableLayout) -> Int64s:
    slots = {
        int(layout.updates[u, 1])
        for of_class in range(layout.sliding, layout.update_start.shape[0])
        for bit in range(layout.update_start.shape[1])
        for u in range(layout.update_start[of_class, bit], layout.update_stop[of_class, bit])
        if layout.updates[u, 0] == ORDER
    }
    return np.array(sorted(slots), np.int64)


assert VALUES == 4  # the kernel counts on it
assert BUCKET_NUMBERS == 3
