"""Windows over event time, kept exactly and incrementally.

A window answers "how much, how many, how many different" over the time ``(t - over, t]`` that ends
with each leg. The left end is open: a payment exactly ``over`` old has left. A calendar window answers
the same over the business day or month that the payment was booked in.

Each key keeps its events in one shared log, linked in order. Each (key, length) keeps the oldest event
still inside; moving it forward takes events out of the running numbers. An event enters once and leaves
once per length, so the cost of a leg does not depend on the length. Sums are exact ``int64``: adding
and taking out leaves no rounding behind.

Distinct counts need no count per value. A table holds the latest event of each (key, filter, value);
a later event with the value marks the former as *superseded*. A window's count rises when the value's
latest event is no longer inside, and falls when an event leaves that was not superseded.
One table thus serves all lengths. Minimum, maximum and median read a sorted block per (key, window).

A key holds at most ``events_max`` events. Beyond that the oldest are let go. Until their time has passed,
windows that they would still be in report lower bounds of counts, sums and distinct counts, and no minimum,
maximum, mean or median; so do their calendar periods.

The result for a row depends on the rows before it, never on how the stream was cut into batches.
"""

import numpy as np
import numpy.typing as npt

from monitor.domain.time import UNKNOWN
from monitor.domain.transaction import Int32s, Int64s
from monitor.engine import ordered
from monitor.engine.compiled import called, inlined, kernel, lowest_bit, prefetch
from monitor.engine.hashing import EMPTY, delete, find
from monitor.engine.layout import (
    BUCKET_CUT,
    BUCKET_ROW,
    BUCKET_TIME,
    CALENDAR_RETENTION_US,
    CLOCK,
    COUNT,
    DISTINCT,
    DROPPED,
    EVENTS,
    LINKS,
    MASK,
    MAYBE,
    NEWEST,
    OLDEST,
    ORDER,
    OUT_COUNT,
    OUT_COUNT_KNOWN,
    OUT_DISTINCT,
    OUT_MAX,
    OUT_MEDIAN,
    OUT_MIN,
    OUT_SUM,
    SEQUENCE,
    SUM,
    TAILS,
    TIME,
    UNKNOWN_VALUE,
)

Rows = npt.NDArray[np.int64]
FLAG_BITS = 24
"""Low bits of an event's SEQUENCE: one per distinct group; the log position stands above."""
NONE = -1
LARGEST = 2**63 - 1
ENTER, REMOVE = 0, 1
"""What a leg does to its key: enter (or only read), or take out the event of an earlier position."""
EVENTS_FREED, DISTINCTS_USED, BUCKETS_USED, BUCKETS_FREE, REMOVED, EVENTS_LIVE, CALENDAR_DISTINCTS, EVENTS_FREE = range(
    8
)
"""Counters of a table that kernels change."""
COUNTERS = 8
AHEAD, NEAR, LINE = 12, 4, 8
"""How many legs ahead rows and newest events are asked for, and the elements of a cache line."""


@inlined
def next_of(links):
    """The newer neighbour of an event."""
    return links >> 32


@inlined
def previous_of(links):
    """The older neighbour of an event."""
    return np.int64(np.int32(links & 0xFFFFFFFF))


@inlined
def linked(newer, older):
    """The LINKS of an event."""
    return (newer << 32) | (older & 0xFFFFFFFF)


@inlined
def _update(numbers, base, event, sign, kind, slot, column, extra, events, pool):
    """Apply one update that is not a distinct count to the numbers in row ``base``."""
    if kind in (COUNT, MAYBE):
        numbers[base, slot] += sign
    else:
        value = events[event, column]
        if kind == UNKNOWN_VALUE:
            if value == UNKNOWN:
                numbers[base, slot] += sign
        elif value != UNKNOWN:
            if kind == SUM:
                # A sum beyond 63 bits wraps; while it is short of whole wraps it is a lower bound. The addition is
                # unsigned, because a compiler may take it that a signed one does not wrap.
                before = numbers[base, slot]
                change = sign * value
                numbers[base, slot] = np.int64(np.uint64(before) + np.uint64(change))
                if change > 0 and before > LARGEST - change:
                    numbers[base, extra] += 1
                elif change < 0 and before < -LARGEST - 1 - change:
                    numbers[base, extra] -= 1
            elif kind == ORDER:
                if sign > 0:
                    ordered.insert(pool, numbers, base, slot, value)
                else:
                    ordered.remove(pool, numbers, base, slot, value)


@inlined
def _leave(row, event, of_class, rows, events, update_start, update_stop, updates, pool):
    """Take the event out of the numbers of a length class."""
    mask = events[event, MASK]
    while mask != 0:
        bit = lowest_bit(mask)
        mask &= mask - 1
        for u in range(update_start[of_class, bit], update_stop[of_class, bit]):
            kind = updates[u, 0]
            if kind == DISTINCT:
                known = events[event, updates[u, 2]] != UNKNOWN
                if known and not (events[event, SEQUENCE] >> updates[u, 3]) & 1:
                    rows[row, updates[u, 1]] -= 1
            else:
                _update(rows, row, event, -1, kind, updates[u, 1], updates[u, 2], updates[u, 3], events, pool)


@called
def _forget(row, event, groups, events, latest, counters):
    """Delete the event from the table of latest values where it is still the latest."""
    mask = events[event, MASK]
    for group in range(len(groups)):
        bit, column = groups[group, 0], groups[group, 1]
        if (mask >> bit) & 1 and not (events[event, SEQUENCE] >> group) & 1 and events[event, column] != UNKNOWN:
            at = find(latest, (row << 8) | group, events[event, column])
            if at >= 0 and latest[at, 2] == event:
                delete(latest, at)
                counters[DISTINCTS_USED] -= 1


@called
def _release(row, event, groups, rows, events, latest, freed, counters):
    """Let go of the oldest event of a key.

    Its place is used again after the batch; until then its content and links stay, so that the
    transactions behind an alert of the same batch can be read.
    """
    _forget(row, event, groups, events, latest, counters)
    rows[row, OLDEST] = next_of(events[event, LINKS])
    rows[row, EVENTS] -= 1
    freed[counters[EVENTS_FREED], 0], freed[counters[EVENTS_FREED], 1] = event, row
    counters[EVENTS_FREED] += 1
    counters[EVENTS_LIVE] -= 1


@inlined
def _advance(row, time_us, overs_us, groups, rows, events, latest, freed, counters, update_start, update_stop,
             updates, pool):  # fmt: skip
    """Let all events leave that are ``over`` old at ``time_us``, in every length class."""
    classes = len(overs_us)
    for c in range(classes):
        tail = TAILS + 2 * c
        edge = time_us - overs_us[c]
        event = rows[row, tail]
        if event == NONE or rows[row, tail + 1] > edge:
            continue
        while event != NONE and events[event, TIME] <= edge:
            _leave(row, event, c, rows, events, update_start, update_stop, updates, pool)
            newer = next_of(events[event, LINKS])
            if c == classes - 1:
                _release(row, event, groups, rows, events, latest, freed, counters)
            event = newer
        rows[row, tail] = event
        if event != NONE:
            rows[row, tail + 1] = events[event, TIME]


@inlined
def _note_removal(event, sequence, events, removed, counters):
    """Leave the event in no window, and note since which log position, for the legs before it in the batch."""
    at = counters[REMOVED]
    removed[at, 0], removed[at, 1], removed[at, 2] = event, sequence, events[event, MASK]
    counters[REMOVED] += 1
    events[event, MASK] = 0


@called
def _drop_oldest(row, sequence, overs_us, calendars, groups, rows, events, latest, buckets, seen, freed, removed,
                 counters, update_start, update_stop, updates, pool, width):  # fmt: skip
    """Let go of the oldest event of a key that holds too many; its windows report lower bounds from now on.

    It leaves its calendar periods too: a reversal would no longer find it there.
    """
    event = rows[row, OLDEST]
    newer = next_of(events[event, LINKS])
    for c in range(len(overs_us)):
        tail = TAILS + 2 * c
        if rows[row, tail] == event:
            _leave(row, event, c, rows, events, update_start, update_stop, updates, pool)
            rows[row, tail] = newer
            if newer != NONE:
                rows[row, tail + 1] = events[newer, TIME]
    _forget(row, event, groups, events, latest, counters)
    if events[event, MASK] != 0:
        rows[row, DROPPED] = events[event, TIME]
        if rows[row, CLOCK] - events[event, TIME] <= CALENDAR_RETENTION_US:
            for k in range(calendars):
                bucket = events[event, width - calendars + k]
                buckets[bucket, BUCKET_CUT] = 1
                _change_bucket(bucket, event, len(overs_us) + k, -1, buckets, events, seen, counters, update_start,
                               update_stop, updates, pool)  # fmt: skip
        _note_removal(event, sequence, events, removed, counters)
    _release(row, event, groups, rows, events, latest, freed, counters)


@inlined
def _enter_sliding(row, event, overs_us, groups, rows, events, latest, counters, update_start, update_stop, updates,
                   pool):  # fmt: skip
    """Add the newest event to the numbers of all length classes."""
    time_us = events[event, TIME]
    classes = len(overs_us)
    for group in range(len(groups)):
        bit, column = groups[group, 0], groups[group, 1]
        value = events[event, column]
        if not (events[event, MASK] >> bit) & 1 or value == UNKNOWN:
            continue
        at = find(latest, (row << 8) | group, value)
        last_time = EMPTY
        if at >= 0:
            former = latest[at, 2]
            last_time = events[former, TIME]
            events[former, SEQUENCE] |= np.int64(1) << group
            latest[at, 2] = event
        else:
            at = -1 - at
            latest[at, 0], latest[at, 1], latest[at, 2] = (row << 8) | group, value, event
            counters[DISTINCTS_USED] += 1
        for c in range(classes):
            if last_time <= time_us - overs_us[c]:
                for u in range(update_start[c, bit], update_stop[c, bit]):
                    if updates[u, 0] == DISTINCT and updates[u, 3] == group:
                        rows[row, updates[u, 1]] += 1
    mask = events[event, MASK]
    while mask != 0:
        bit = lowest_bit(mask)
        mask &= mask - 1
        for c in range(classes):
            for u in range(update_start[c, bit], update_stop[c, bit]):
                if updates[u, 0] != DISTINCT:
                    _update(
                        rows, row, event, 1, updates[u, 0], updates[u, 1], updates[u, 2], updates[u, 3], events, pool
                    )


@called
def _change_bucket(bucket, event, of_class, sign, buckets, events, seen, counters, update_start, update_stop, updates,
                   pool):  # fmt: skip
    """Add the event to a calendar period's numbers, or take it out."""
    mask = events[event, MASK]
    while mask != 0:
        bit = lowest_bit(mask)
        mask &= mask - 1
        for u in range(update_start[of_class, bit], update_stop[of_class, bit]):
            kind, value = updates[u, 0], np.int64(0)
            if kind != DISTINCT:
                _update(buckets, bucket, event, sign, kind, updates[u, 1], updates[u, 2], updates[u, 3], events, pool)
                continue
            value = events[event, updates[u, 2]]
            if value == UNKNOWN:
                continue
            at = find(seen, (bucket << 8) | updates[u, 3], value)
            if at < 0:
                at = -1 - at
                seen[at, 0], seen[at, 1], seen[at, 2] = (bucket << 8) | updates[u, 3], value, 0
                counters[CALENDAR_DISTINCTS] += 1
                buckets[bucket, updates[u, 1]] += 1
            seen[at, 2] += sign
            if seen[at, 2] == 0:
                delete(seen, at)
                counters[CALENDAR_DISTINCTS] -= 1
                buckets[bucket, updates[u, 1]] -= 1


@inlined
def _bucket_of(row, calendar, entity, period, time_us, is_new_wanted, periods, buckets, free_buckets, counters):
    """The bucket of (key, calendar, entity, period); where there is none, a new one if wanted, else NONE."""
    key = (np.int64(entity) << 32) | (np.int64(calendar) << 30) | (np.int64(period) & 0x3FFFFFFF)
    at = find(periods, row, key)
    if at >= 0:
        buckets[periods[at, 2], BUCKET_TIME] = time_us
        return periods[at, 2]
    if not is_new_wanted:
        return NONE
    at = -1 - at
    counters[BUCKETS_FREE] -= 1
    bucket = free_buckets[counters[BUCKETS_FREE]]
    buckets[bucket, :] = 0
    buckets[bucket, BUCKET_TIME], buckets[bucket, BUCKET_ROW] = time_us, row
    periods[at, 0], periods[at, 1], periods[at, 2] = row, key, bucket
    counters[BUCKETS_USED] += 1
    return bucket


@called
def _unsupersede(row, event, group, bit, column, overs_us, rows, events, latest, counters, update_start, update_stop,
                 updates):  # fmt: skip
    """Take the latest event of a value out of the distinct counts: an older one with the value takes its place."""
    value = events[event, column]
    older = event
    former = NONE
    while older != rows[row, OLDEST]:
        older = previous_of(events[older, LINKS])
        if (events[older, MASK] >> bit) & 1 and events[older, column] == value:
            former = older
            break
    at = find(latest, (row << 8) | group, value)
    former_time = EMPTY
    if former != NONE:
        former_time = events[former, TIME]
        events[former, SEQUENCE] &= ~(np.int64(1) << group)
        latest[at, 2] = former
    else:
        delete(latest, at)
        counters[DISTINCTS_USED] -= 1
    for c in range(len(overs_us)):
        edge = rows[row, CLOCK] - overs_us[c]
        if events[event, TIME] > edge and former_time <= edge:
            for u in range(update_start[c, bit], update_stop[c, bit]):
                if updates[u, 0] == DISTINCT and updates[u, 3] == group:
                    rows[row, updates[u, 1]] -= 1


@called
def _remove(row, position, sequence, overs_us, calendars, groups, rows, events, latest, buckets, seen,
            removed, counters, update_start, update_stop, updates, pool, width):  # fmt: skip
    """Take the event of a log position out of all windows; it stays in the list, in no window."""
    event = rows[row, NEWEST] if rows[row, EVENTS] > 0 else NONE
    # A payment between two accounts of one customer stands twice under its key: each removal takes out one leg.
    while event != NONE and (events[event, SEQUENCE] >> FLAG_BITS != position or events[event, MASK] == 0):
        event = previous_of(events[event, LINKS]) if event != rows[row, OLDEST] else NONE
    if event == NONE:
        return
    for group in range(len(groups)):
        bit, column = groups[group, 0], groups[group, 1]
        is_latest = not (events[event, SEQUENCE] >> group) & 1
        if (events[event, MASK] >> bit) & 1 and is_latest and events[event, column] != UNKNOWN:
            _unsupersede(row, event, group, bit, column, overs_us, rows, events, latest, counters, update_start,
                         update_stop, updates)  # fmt: skip
    for c in range(len(overs_us)):
        if events[event, TIME] > rows[row, CLOCK] - overs_us[c]:
            mask = events[event, MASK]
            while mask != 0:
                bit = lowest_bit(mask)
                mask &= mask - 1
                for u in range(update_start[c, bit], update_stop[c, bit]):
                    if updates[u, 0] != DISTINCT:
                        _update(
                            rows,
                            row,
                            event,
                            -1,
                            updates[u, 0],
                            updates[u, 1],
                            updates[u, 2],
                            updates[u, 3],
                            events,
                            pool,
                        )
    if rows[row, CLOCK] - events[event, TIME] <= CALENDAR_RETENTION_US:
        # An older event's bucket can be another key's by now.
        for k in range(calendars):
            bucket = events[event, width - calendars + k]
            _change_bucket(bucket, event, len(overs_us) + k, -1, buckets, events, seen, counters, update_start,
                           update_stop, updates, pool)  # fmt: skip
    _note_removal(event, sequence, events, removed, counters)


@inlined
def _write_outputs(i, row, time_us, buckets_of, overs_us, rows, buckets, outputs, measures, bounds, pool):
    """Read all measures of a key into row ``i`` of the measure matrix."""
    classes = len(overs_us)
    for o in range(len(outputs)):
        kind, of_class, slot = outputs[o, 0], outputs[o, 1], outputs[o, 2]
        if of_class < classes:
            numbers, base = rows, row
            is_cut = rows[row, DROPPED] > time_us - overs_us[of_class]
        else:
            numbers, base = buckets, buckets_of[of_class - classes]
            if base == NONE:
                measures[i, outputs[o, 5]] = 0 if kind <= OUT_DISTINCT else UNKNOWN
                continue
            is_cut = buckets[base, BUCKET_CUT] != 0
        unknown = numbers[base, outputs[o, 4]] if outputs[o, 4] >= 0 else 0
        is_bound = is_cut or unknown > 0 or numbers[base, outputs[o, 3]] > 0
        if kind == OUT_COUNT:
            is_bound = is_cut or numbers[base, outputs[o, 3]] > 0
        value = UNKNOWN
        if kind in (OUT_COUNT, OUT_SUM, OUT_DISTINCT):
            value = numbers[base, slot]
            bounds[i, outputs[o, 5]] = is_bound
        elif kind == OUT_COUNT_KNOWN:
            value = UNKNOWN if is_bound else numbers[base, slot] - unknown
        elif not is_bound:
            if kind == OUT_MIN:
                value = ordered.smallest(pool, numbers, base, slot)
            elif kind == OUT_MAX:
                value = ordered.largest(pool, numbers, base, slot)
            elif kind == OUT_MEDIAN:
                value = ordered.twice_median(pool, numbers, base, slot)
        measures[i, outputs[o, 5]] = value


@kernel
def measure(
    first: int,
    operation: Int32s,
    row_of: Int64s,
    judged_us: Int64s,
    sequence: Int64s,
    target: Int64s,
    mask: Int64s,
    values: Rows,
    entity: Int32s,
    periods_of: Rows,
    events_max: int,
    overs_us: Int64s,
    calendars: int,
    groups: Int32s,
    update_start: Int32s,
    update_stop: Int32s,
    updates: Int32s,
    order_updates: int,
    outputs: Int32s,
    rows: Rows,
    events: Rows,
    free: Int64s,
    freed: Rows,
    latest: Rows,
    periods: Rows,
    buckets: Rows,
    free_buckets: Int64s,
    seen: Rows,
    removed: Rows,
    counters: Int64s,
    pool: Int64s,
    buckets_of: Int64s,
    measures: Rows,
    bounds: npt.NDArray[np.uint8],
) -> int:
    """Run the legs from ``first`` on through the table and write the measures of each.

    Returns the number of legs done: fewer than all where the pool of sorted blocks must grow first.
    """
    width = events.shape[1]
    row_width = rows.shape[1]
    for i in range(first, len(row_of)):
        if i + AHEAD < len(row_of) and row_of[i + AHEAD] >= 0:
            for line in range(0, row_width, LINE):
                prefetch(rows, row_of[i + AHEAD] * row_width + line)
        if i + NEAR < len(row_of) and row_of[i + NEAR] >= 0:
            newest = rows[row_of[i + NEAR], NEWEST]
            if newest != NONE:
                prefetch(events, newest * width)
        row = row_of[i]
        if row < 0:
            for o in range(len(outputs)):
                measures[i, outputs[o, 5]] = UNKNOWN
            continue
        if order_updates and not ordered.has_room(pool, rows, row, order_updates, rows[row, EVENTS]):
            return i
        if operation[i] == REMOVE:
            _remove(row, target[i], sequence[i], overs_us, calendars, groups, rows, events, latest, buckets, seen,
                    removed, counters, update_start, update_stop, updates, pool, width)  # fmt: skip
            continue
        time_us = judged_us[i]
        _advance(row, time_us, overs_us, groups, rows, events, latest, freed, counters, update_start, update_stop,
                 updates, pool)  # fmt: skip
        rows[row, CLOCK] = time_us
        for k in range(calendars):
            buckets_of[k] = _bucket_of(row, k, entity[i], periods_of[i, k], time_us, mask[i] != 0, periods, buckets,
                                       free_buckets, counters)  # fmt: skip
        if mask[i] != 0:
            if rows[row, EVENTS] >= events_max:
                _drop_oldest(row, sequence[i], overs_us, calendars, groups, rows, events, latest, buckets, seen, freed,
                             removed, counters, update_start, update_stop, updates, pool, width)  # fmt: skip
            counters[EVENTS_FREE] -= 1
            event = free[counters[EVENTS_FREE]]
            events[event, TIME], events[event, SEQUENCE] = time_us, sequence[i] << FLAG_BITS
            events[event, MASK] = mask[i]
            newest = rows[row, NEWEST]
            events[event, LINKS] = linked(NONE, newest)
            if newest != NONE:
                events[newest, LINKS] = linked(event, previous_of(events[newest, LINKS]))
            if rows[row, EVENTS] == 0:
                rows[row, OLDEST] = event
            rows[row, NEWEST] = event
            rows[row, EVENTS] += 1
            counters[EVENTS_LIVE] += 1
            for v in range(values.shape[1]):
                events[event, 4 + v] = values[i, v]
            for c in range(len(overs_us)):
                if rows[row, TAILS + 2 * c] == NONE:
                    rows[row, TAILS + 2 * c], rows[row, TAILS + 2 * c + 1] = event, time_us
            _enter_sliding(row, event, overs_us, groups, rows, events, latest, counters, update_start, update_stop,
                           updates, pool)  # fmt: skip
            for k in range(calendars):
                events[event, width - calendars + k] = buckets_of[k]
                _change_bucket(buckets_of[k], event, len(overs_us) + k, 1, buckets, events, seen, counters,
                               update_start, update_stop, updates, pool)  # fmt: skip
        _write_outputs(i, row, time_us, buckets_of, overs_us, rows, buckets, outputs, measures, bounds, pool)
    return len(row_of)


@kernel
def free_blocks(pool: Int64s, numbers: Rows, which: Int64s, slots: Int64s) -> None:
    """Give the sorted blocks of the rows ``which`` back to the pool."""
    for row in which:
        for slot in slots:
            if numbers[row, slot] != 0:
                ordered.release(pool, numbers[row, slot] >> 8, numbers[row, slot] & 255)
                numbers[row, slot] = 0


@kernel
def positions_behind(
    row: int, bit: int, start_us: int, column: int, bucket: int, sequence: int, rows: Rows, events: Rows, removed: Rows,
    removals: int, found: Int64s,
) -> int:  # fmt: skip
    """Log positions of the events in a window, newest first, as the leg at log position ``sequence`` saw them.

    Walks the key's list from its newest event to ``start_us``; later events are left out and later removals
    undone. ``column`` is that of the calendar's bucket, -1 for a sliding window. A payment between two accounts of one
    customer is named once. Writes as many as fit into ``found`` and returns how many there are.
    """
    total, last = 0, np.int64(-1)
    event = rows[row, NEWEST]
    while event != NONE and events[event, TIME] > start_us:
        position = events[event, SEQUENCE] >> FLAG_BITS
        if position <= sequence and position != last and (column < 0 or events[event, column] == bucket):
            mask = events[event, MASK]
            if mask == 0:
                for k in range(removals):
                    if removed[k, 0] == event and removed[k, 1] > sequence:
                        mask = removed[k, 2]
            if (mask >> bit) & 1:
                if total < len(found):
                    found[total] = position
                total += 1
                last = position
        event = previous_of(events[event, LINKS])
    return total
