"""One window table: the state of its kernel, grown when it runs short, and the events behind a measure."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from monitor.domain.time import DAY_US
from monitor.domain.transaction import Int64s
from monitor.domain.vocabulary import CALENDARS
from monitor.engine import windows
from monitor.engine.hashing import EMPTY, is_full, new_table, regrown
from monitor.engine.layout import BUCKET_ROW, BUCKET_TIME, CLOCK, ORDER, STAMP, TableLayout
from monitor.engine.ordered import new_pool
from monitor.engine.rings import TOP, new_ring_pool
from monitor.engine.windows import Arriving

Rows = npt.NDArray[np.int64]
EVENTS_PER_KEY_MAX = 65_536
BUCKET_IDLE_US = 80 * DAY_US
"""A calendar period that its key has not touched for so long can not be touched again: the month, the
accepted lateness and the roll over holidays lie behind it."""
_STATE = ("rows", "events", "latest", "periods", "buckets", "free_buckets", "seen", "blocks", "counters")
_POOL_WORDS_MIN = 4096
_BATCHES_MAX = 2**31 - 1


class WindowTable:
    """The windows of one kind of key. Results depend on the legs and their order, never on the batches."""

    def __init__(self, layout: TableLayout, *, events_max: int = EVENTS_PER_KEY_MAX) -> None:
        self.layout, self.events_max = layout, events_max
        self.calendar_index = [layout.calendars.index(c) if c in layout.calendars else -1 for c in CALENDARS]
        self.rows = np.zeros((256, layout.row_words), np.int64)
        self.events = new_ring_pool()
        self.latest = new_table(64, 3)
        self.periods = new_table(256, 3)
        self.buckets = np.zeros((64, layout.bucket_words), np.int64)
        self.free_buckets = np.arange(63, -1, -1, dtype=np.int64)
        self.seen = new_table(256, 3)
        self.blocks = new_pool()
        self.counters = np.zeros(windows.COUNTERS, np.int64)
        self.counters[windows.BUCKETS_FREE] = len(self.free_buckets)
        self.removed = np.zeros((0, 3 + layout.shape.mark_words), np.int64)
        self.keys = 0

    @property
    def events_held(self) -> int:
        """How many events windows can still reach."""
        return int(self.counters[windows.EVENTS_HELD])

    def state(self) -> windows.State:
        """The arrays as the kernel sees them."""
        return windows.State(
            self.rows, self.rows.view(np.int32), self.events, self.events.view(np.int32), self.latest, self.periods,
            self.buckets, self.buckets.view(np.int32), self.free_buckets, self.seen, self.blocks, self.removed,
            self.counters, np.zeros(len(CALENDARS), np.int64),
        )  # fmt: skip

    def run(self, legs: Arriving, measures: Rows, bounds: npt.NDArray[np.uint8], *, keys: int) -> None:
        """Enter all legs and write their measures.

        Args:
            legs: Legs in the order of the log.
            measures: The measure matrix, shape (m, columns); columns of this table are written.
            bounds: 1 where a measure is a lower bound, zero before; same shape.
            keys: Number of key rows that exist.
        """
        self._begin_batch(len(legs.row), keys)
        done = 0
        while True:
            done = windows.measure(done, legs, self.events_max, self.layout.shape, self.state(), measures, bounds)
            if done == len(legs.row):
                return
            self._grow()

    def _begin_batch(self, coming: int, keys: int) -> None:
        self.counters[windows.REMOVED] = 0
        if self.counters[windows.BATCH] == _BATCHES_MAX:
            self.rows.view(np.int32)[:, STAMP], self.counters[windows.BATCH] = 0, 0
        self.counters[windows.BATCH] += 1
        self.keys = max(self.keys, keys)
        if keys > len(self.rows):
            self.rows = _longer(self.rows, max(keys, 2 * len(self.rows)))
        if self.layout.calendars:
            self._make_room_for_periods(coming)
        if len(self.removed) < coming:
            self.removed = np.zeros((2 * coming, self.removed.shape[1]), np.int64)

    def _grow(self) -> None:
        """Grow what the kernel wants more of."""
        match int(self.counters[windows.WANTED]):
            case windows.MORE_BLOCKS:
                self.blocks = _longer(self.blocks, 2 * len(self.blocks) + 8 * self.events_max)
            case windows.MORE_EVENTS:
                self._pack_events()
            case _:
                used = int(self.counters[windows.DISTINCTS_USED])
                self.latest, _ = regrown(self.latest, used, 2 * len(self.latest))

    def _pack_events(self) -> None:
        """Move the rings into a pool that has room for a quarter more, and for the largest to double."""
        shape, state = self.layout.shape, self.state()
        used, largest = windows.pack(self.keys, shape, state, self.events, state.events32, True)
        events = new_ring_pool(used + max(used // 4, 4 * largest, _POOL_WORDS_MIN))
        windows.pack(self.keys, shape, state, events, events.view(np.int32), False)
        self.events = events

    def _make_room_for_periods(self, coming: int) -> None:
        calendars, counters = len(self.layout.calendars), self.counters
        coming *= calendars
        if counters[windows.BUCKETS_FREE] < coming:
            self._drop_idle_periods(coming)
        if counters[windows.BUCKETS_FREE] < coming:
            old = len(self.buckets)
            length = max(2 * old, old + coming)
            top = int(counters[windows.BUCKETS_FREE])
            self.buckets = _longer(self.buckets, length)
            self.free_buckets = np.concatenate((np.arange(length - 1, old - 1, -1), self.free_buckets[:top],
                                                np.zeros(old, np.int64)))[:length]  # fmt: skip
            counters[windows.BUCKETS_FREE] = top + length - old
        if is_full(self.periods, int(counters[windows.BUCKETS_USED]), coming):
            self.periods, _ = regrown(self.periods, int(counters[windows.BUCKETS_USED]), coming)
        wanted = coming * max(1, len(self.layout.shape.groups))
        if is_full(self.seen, int(counters[windows.CALENDAR_DISTINCTS]), wanted):
            self.seen, used = regrown(self.seen, int(counters[windows.CALENDAR_DISTINCTS]), wanted)
            counters[windows.CALENDAR_DISTINCTS] = used

    def _drop_idle_periods(self, coming: int) -> None:
        """Free the buckets that no record can reach any more, with their distinct values and sorted blocks."""
        in_use = np.flatnonzero(self.periods[:, 0] != EMPTY)
        bucket = self.periods[in_use, 2]
        clock = self.rows[self.buckets[bucket, BUCKET_ROW], CLOCK]
        is_idle = clock - self.buckets[bucket, BUCKET_TIME] > BUCKET_IDLE_US
        idle = bucket[is_idle]
        if not len(idle):
            return
        is_kept = np.ones(len(self.periods), bool)
        is_kept[in_use[is_idle]] = False
        dead = np.zeros(len(self.buckets), bool)
        dead[idle] = True
        self.periods, used = regrown(self.periods, 0, coming, keep=is_kept)
        self.counters[windows.BUCKETS_USED] = used
        owner = np.where(self.seen[:, 0] != EMPTY, self.seen[:, 0] >> 8, 0)
        self.seen, distincts = regrown(self.seen, 0, coming * max(1, len(self.layout.shape.groups)), keep=~dead[owner])
        self.counters[windows.CALENDAR_DISTINCTS] = distincts
        windows.free_blocks(self.blocks, self.buckets, idle, _calendar_order_slots(self.layout))
        keys, rows32 = self.buckets[idle, BUCKET_ROW], self.rows.view(np.int32)
        for slot in range(self.layout.shape.buckets_used, self.layout.shape.buckets_used + len(self.layout.calendars)):
            is_last_used = rows32[keys, slot] == idle + 1
            rows32[keys[is_last_used], slot] = 0
        top = int(self.counters[windows.BUCKETS_FREE])
        self.free_buckets[top : top + len(idle)] = idle
        self.counters[windows.BUCKETS_FREE] += len(idle)

    def events_behind(self, queries: Sequence[tuple[int, ...]], *, most: int) -> list[tuple[list[int], int]]:
        """Log positions of the events in windows, as the leg at a log position saw them.

        Valid until the next batch.

        Args:
            queries: Key, index of the window's filter in this table, left end of the window (open; for a calendar
                window ``CALENDAR_RETENTION_US`` before the leg), calendar or -1, booking entity and period of a
                calendar window, and log position of the leg.
            most: How many positions to return at most; the newest.

        Returns:
            For each query positions in descending order, and how many there are in all.
        """
        asked = np.array(queries, np.int64)
        found, totals = np.empty((len(asked), most), np.int64), np.empty(len(asked), np.int64)
        windows.positions_behind(asked, self.layout.shape, self.state(), found, totals)
        counts = totals.tolist()
        return [(row[: min(count, most)].tolist(), count) for row, count in zip(found, counts, strict=True)]

    def bytes_used(self) -> dict[str, int]:
        """Bytes by purpose: what has been written to. Memory beyond, kept ready for growth, takes no room yet."""
        found = {name: getattr(self, name).nbytes for name in _STATE}
        return found | {
            "rows": self.keys * self.rows.shape[1] * 8,
            "events": int(self.events[TOP]) * 8,
            "blocks": int(self.blocks[TOP]) * 8,
        }

    def save(self) -> dict[str, npt.NDArray[np.int64]]:
        """The state as arrays, between batches."""
        found = {name: getattr(self, name) for name in _STATE}
        return found | {"rows": self.rows[: self.keys], "events": self.events[: self.events[TOP]]}

    def load(self, state: dict[str, npt.NDArray[np.int64]]) -> None:
        """Take over a saved state of the same layout."""
        for name in _STATE:
            setattr(self, name, np.array(state[name]))
        self.keys = len(self.rows)


def _longer(array: npt.NDArray[np.int64], length: int) -> npt.NDArray[np.int64]:
    """The array with zeros behind, which take no memory until they are written to."""
    grown = np.zeros((length, *array.shape[1:]), np.int64)
    grown[: len(array)] = array
    return grown


def _calendar_order_slots(layout: TableLayout) -> Int64s:
    shape = layout.shape
    slots = {
        int(shape.updates[u, 1])
        for of_class in range(len(shape.overs_us), shape.update_start.shape[0])
        for bit in range(shape.update_start.shape[1])
        for u in range(shape.update_start[of_class, bit], shape.update_stop[of_class, bit])
        if shape.updates[u, 0] == ORDER
    }
    return np.array(sorted(slots), np.int64)
