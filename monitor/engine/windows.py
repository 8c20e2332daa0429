"""Windows over event time, kept exactly and incrementally.

A window answers "how much, how many, how many different" over the time ``(t - over, t]`` that ends
with each leg. The left end is open: a payment exactly ``over`` old has left. A calendar window answers
the same over the business day or month that the payment was booked in.

Each key keeps its events in a ring of its own (:mod:`monitor.engine.rings`). Each (key, length) keeps the oldest event
still inside; moving it forward takes events out of the running numbers. An event enters once and leaves
once per length, so the cost of a leg does not depend on the length. Sums are exact ``int64``: adding
and taking out leaves no rounding behind.

Distinct counts need no count per value. An event that a later one with the same value follows is marked as
*superseded*. A window's count rises when the value's latest event is no longer inside, and falls when an event leaves
that was not superseded. One mark thus serves all lengths. The latest event of a value is found by looking
through the codes of the ring, or in a table where the ring is a large one. Minimum, maximum and median read a sorted
block per (key, window).

A key holds at most ``events_max`` events. Beyond that the oldest are let go. Until their time has passed,
windows that they would still be in report lower bounds of counts, sums and distinct counts, and no minimum,
maximum, mean or median; so do their calendar periods.

The result for a row depends on the rows before it, never on how the stream was cut into batches.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from monitor.domain.time import UNKNOWN
from monitor.domain.transaction import Int32s, Int64s
from monitor.engine import ordered
from monitor.engine.compiled import called, inlined, kernel, lowest_bit, prefetch
from monitor.engine.hashing import EMPTY, delete, find
from monitor.engine.layout import (
    BUCKET_CUT,
    BUCKET_EVENTS,
    BUCKET_ROW,
    BUCKET_TIME,
    CALENDAR_RETENTION_US,
    CLOCK,
    COUNT,
    DISTINCT,
    DOUBT,
    DROPPED,
    KEPT,
    MASK,
    MAYBE,
    NEXT,
    ORDER,
    OUT_COUNT,
    OUT_COUNT_KNOWN,
    OUT_DISTINCT,
    OUT_MAX,
    OUT_MEDIAN,
    OUT_MIN,
    OUT_SUM,
    RING,
    SEQUENCE,
    STAMP,
    SUM,
    TAIL_TIMES,
    TIME,
    UNKNOWN_CODE,
    UNKNOWN_NARROW,
    UNKNOWN_WIDE,
    WIDE,
    Outputs,
    Shape,
    bit_of,
)
from monitor.engine.rings import (
    SMALLEST_LOG2,
    allocate,
    between,
    block_words,
    capacity_of,
    codes_at,
    copy_events,
    has_block,
    record_at,
    release,
)

Rows = npt.NDArray[np.int64]
_bit_of = inlined(bit_of)
FLAG_BITS = 24
"""Low bits of an event's SEQUENCE: one per distinct group; the log position stands above."""
NONE = -1
LARGEST = 2**63 - 1
ENTER, REMOVE = 0, 1
"""What a leg does to its key: enter (or only read), or take out the event of an earlier position."""
SCANNED_LOG2_MAX = 8
"""Rings of up to 256 events are searched for a value; larger ones have their latest values in a table."""
EVENTS_HELD, DISTINCTS_USED, BUCKETS_USED, BUCKETS_FREE, REMOVED, CALENDAR_DISTINCTS, BATCH, WANTED = range(8)
"""Counters of a table that kernels change. BATCH: a number that differs between two neighbouring batches."""
COUNTERS = 8
MORE_BLOCKS, MORE_EVENTS, MORE_DISTINCTS = range(3)
"""What is WANTED when a kernel stops early: room for sorted blocks, rings or latest values."""
AHEAD, NEAR, LINE, CODES_OF_LINE = 14, 5, 8, 16
"""How many legs ahead rows, and then what they point to, are asked for; words and codes of a cache line."""


class State(NamedTuple):
    """The arrays of a table. ``rows32``, ``events32`` and ``buckets32`` are the same memory in 32-bit integers."""

    rows: Rows
    rows32: Int32s
    events: Int64s
    events32: Int32s
    latest: Rows
    """Rows (key row and group, value, event) of large rings."""
    periods: Rows
    buckets: Rows
    buckets32: Int32s
    free_buckets: Int64s
    seen: Rows
    blocks: Int64s
    removed: Rows
    """Rows (key row, event, log position of the removal, former marks) of this batch."""
    counters: Int64s
    buckets_of: Int64s


class Arriving(NamedTuple):
    """The legs of a batch as a table sees them, columns of length m; ``row`` is -1 for legs that are not of it.

    ``shown`` are the outputs that each group of legs reads: a leg's other columns of the measure matrix stay unset.
    ``mask`` has a column per word of marks (:func:`monitor.engine.layout.bit_of`).
    ``values[:, k]`` for ``k`` in ``columns`` are the values that events keep, ``periods[:, k]`` for ``k`` in
    ``calendars`` the calendar periods.
    """

    operation: Int32s
    row: Int64s
    judged_us: Int64s
    sequence: Int64s
    target: Int64s
    mask: Rows
    values: Rows
    columns: Int64s
    entity: Int32s
    periods: Rows
    calendars: Int64s
    group: Int32s
    shown: Outputs


@inlined
def _marks(at, word, h, s):
    """A word of an event's marks: which filters it passes, and of which that is unknown."""
    return s.events[at + MASK] if word == 0 else s.events[at + h.further_marks]


@inlined
def _is_marked(at, bit, h, s):
    """Whether a bit of the event's marks is set."""
    return (_marks(at, bit >> 6, h, s) >> (bit & 63)) & 1


@inlined
def _is_nowhere(at, h, s):
    """Whether an event is in no window: it was taken out."""
    return s.events[at + MASK] == 0 and (h.mark_words == 1 or s.events[at + h.further_marks] == 0)


@inlined
def _oldest(row, h, s):
    """The oldest event held: the one inside the longest length."""
    return s.rows32[row, h.tails + len(h.overs_us) - 1]


@inlined
def _update(numbers, numbers32, base, at, codes, capacity, sign, kind, slot, place, extra, s):
    """Apply one update that is not a distinct count to the numbers in row ``base``."""
    if kind == COUNT:
        numbers32[base, slot] += sign
    elif kind == SUM:
        value = s.events[at + place]
        if value != UNKNOWN:
            # A sum beyond 63 bits wraps; while it is short of whole wraps it is a lower bound. The addition is
            # unsigned, because a compiler may take it that a signed one does not wrap.
            before = numbers[base, slot]
            change = sign * value
            numbers[base, slot] = np.int64(np.uint64(before) + np.uint64(change))
            if change > 0 and before > LARGEST - change:
                numbers32[base, extra] += 1
                numbers32[base, DOUBT] += 1
            elif change < 0 and before < -LARGEST - 1 - change:
                numbers32[base, extra] -= 1
                numbers32[base, DOUBT] -= 1
    elif kind == ORDER:
        value = s.events[at + place]
        if value != UNKNOWN:
            if sign > 0:
                ordered.insert(s.blocks, numbers, base, slot, value)
            else:
                ordered.remove(s.blocks, numbers, base, slot, value)
    else:
        is_doubtful = kind == MAYBE
        if kind == UNKNOWN_WIDE:
            is_doubtful = s.events[at + place] == UNKNOWN
        elif kind == UNKNOWN_NARROW:
            is_doubtful = s.events32[codes + place * capacity] == UNKNOWN_CODE
        if is_doubtful:
            numbers32[base, slot] += sign
            numbers32[base, DOUBT] += sign


@inlined
def _leave(row, at, codes, capacity, of_class, h, s):
    """Take the event out of the numbers of a length class."""
    for word in range(h.mark_words):
        left = _marks(at, word, h, s)
        while left != 0:
            bit = 64 * word + lowest_bit(left)
            left &= left - 1
            for u in range(h.update_start[of_class, bit], h.update_stop[of_class, bit]):
                kind, slot, place, extra = h.updates[u, 0], h.updates[u, 1], h.updates[u, 2], h.updates[u, 3]
                if kind == DISTINCT:
                    is_known = s.events32[codes + place * capacity] != UNKNOWN_CODE
                    if is_known and not (s.events[at + SEQUENCE] >> extra) & 1:
                        s.rows32[row, slot] -= 1
                else:
                    _update(s.rows, s.rows32, row, at, codes, capacity, -1, kind, slot, place, extra, s)


@called
def _note_latest(row, event, h, s, is_held):
    """Put the event into the table of latest values, or take it out of there where it stands there."""
    ring = s.rows[row, RING]
    at, codes = record_at(ring, event, h.event_words), codes_at(ring, event, h.event_words)
    for group in range(len(h.groups)):
        value = np.int64(s.events32[codes + h.groups[group, 1] * capacity_of(ring)])
        is_latest = not (s.events[at + SEQUENCE] >> group) & 1
        if _is_marked(at, h.groups[group, 0], h, s) and is_latest and value != UNKNOWN_CODE:
            place = find(s.latest, (row << 8) | group, value)
            if is_held:
                if place < 0:
                    place = -1 - place
                    s.latest[place, 0], s.latest[place, 1] = (row << 8) | group, value
                    s.counters[DISTINCTS_USED] += 1
                s.latest[place, 2] = np.int32(event)
            elif place >= 0 and s.latest[place, 2] == np.int32(event):
                delete(s.latest, place)
                s.counters[DISTINCTS_USED] -= 1


@called
def _resize(row, log2, h, s):
    """Move the events of a key, from the oldest that may be read, into a ring of another size."""
    ring, words, narrow = s.rows[row, RING], h.event_words, len(h.narrow_columns)
    old_log2 = ring & 255
    was_large, is_large = ring != 0 and old_log2 > SCANNED_LOG2_MAX, log2 > SCANNED_LOG2_MAX
    held = between(_oldest(row, h, s), s.rows32[row, NEXT])
    if was_large and not is_large:
        for k in range(held):
            _note_latest(row, _oldest(row, h, s) + k, h, s, False)
    new = (allocate(s.events, words, narrow, log2) << 8) | log2
    first = s.rows32[row, KEPT]
    count = between(first, s.rows32[row, NEXT])
    copy_events(s.events, s.events32, ring, s.events, s.events32, new, first, count, words, narrow)
    if ring != 0:
        release(s.events, ring >> 8, old_log2)
    s.rows[row, RING] = new
    if is_large and not was_large:
        for k in range(held):
            _note_latest(row, _oldest(row, h, s) + k, h, s, True)


@inlined
def _release_oldest(row, event, h, s):
    """Let go of the oldest event of a key.

    Its place is used again after the batch; until then its content stays, so that the transactions behind an alert
    of the same batch can be read.
    """
    if s.rows[row, RING] & 255 > SCANNED_LOG2_MAX:
        _note_latest(row, event, h, s, False)
    s.counters[EVENTS_HELD] -= 1


@inlined
def _advance(row, time_us, h, s):
    """Let all events leave that are ``over`` old at ``time_us``, in every length class."""
    classes, newest, ring = len(h.overs_us), s.rows32[row, NEXT], s.rows[row, RING]
    for c in range(classes):
        event = s.rows32[row, h.tails + c]
        edge = time_us - h.overs_us[c]
        if event == newest or s.rows[row, TAIL_TIMES + c] > edge:
            continue
        at = record_at(ring, event, h.event_words)
        while event != newest and s.events[at + TIME] <= edge:
            _leave(row, at, codes_at(ring, event, h.event_words), capacity_of(ring), c, h, s)
            if c == classes - 1:
                _release_oldest(row, event, h, s)
            event = np.int32(event + 1)
            at = record_at(ring, event, h.event_words)
        s.rows32[row, h.tails + c] = event
        if event != newest:
            s.rows[row, TAIL_TIMES + c] = s.events[at + TIME]


@inlined
def _note_removal(row, event, at, sequence, h, s):
    """Leave the event in no window, and note since which log position, for the legs before it in the batch."""
    n = s.counters[REMOVED]
    s.removed[n, 0], s.removed[n, 1], s.removed[n, 2] = row, np.int32(event), sequence
    for word in range(h.mark_words):
        s.removed[n, 3 + word] = _marks(at, word, h, s)
    s.counters[REMOVED] += 1
    s.events[at + MASK] = 0
    if h.mark_words > 1:
        s.events[at + h.further_marks] = 0


@inlined
def _bucket_within(at, k, h):
    """Where an event notes its bucket of calendar ``k``, as an index of 32-bit integers."""
    return 2 * (at + h.event_words - (h.calendars + 1) // 2) + k


@called
def _drop_oldest(row, sequence, h, s):
    """Let go of the oldest event of a key that holds too many; its windows report lower bounds from now on.

    It leaves its calendar periods too: a reversal would no longer find it there.
    """
    ring, event = s.rows[row, RING], _oldest(row, h, s)
    at, codes = record_at(ring, event, h.event_words), codes_at(ring, event, h.event_words)
    newer = np.int32(event + 1)
    for c in range(len(h.overs_us)):
        if s.rows32[row, h.tails + c] == event:
            _leave(row, at, codes, capacity_of(ring), c, h, s)
            s.rows32[row, h.tails + c] = newer
            if newer != s.rows32[row, NEXT]:
                s.rows[row, TAIL_TIMES + c] = s.events[record_at(ring, newer, h.event_words) + TIME]
    _release_oldest(row, event, h, s)
    if not _is_nowhere(at, h, s):
        s.rows[row, DROPPED] = s.events[at + TIME] + 1
        if s.rows[row, CLOCK] - s.events[at + TIME] <= CALENDAR_RETENTION_US:
            for k in range(h.calendars):
                bucket = s.events32[_bucket_within(at, k, h)]
                s.buckets[bucket, BUCKET_CUT] = 1
                _change_bucket(bucket, at, codes, capacity_of(ring), len(h.overs_us) + k, -1, h, s)
        _note_removal(row, event, at, sequence, h, s)


@inlined
def _supersede(row, event, at, codes, h, s):
    """Count the values of the newest event, and mark the events before it with the same ones.

    A ring is looked through from the newest event to the oldest that a window can hold; a large one has a table.
    """
    ring, words = s.rows[row, RING], h.event_words
    capacity, time_us = capacity_of(ring), s.events[at + TIME]
    is_large = ring & 255 > SCANNED_LOG2_MAX
    for column in range(len(h.scanned)):
        value = s.events32[codes + column * capacity]
        pending = np.int64(0)
        for group in range(len(h.groups)):
            if h.groups[group, 1] == column and _is_marked(at, h.groups[group, 0], h, s):
                pending |= np.int64(1) << group
        if value == UNKNOWN_CODE or pending == 0:
            continue
        if is_large:
            while pending != 0:
                group = lowest_bit(pending)
                pending &= pending - 1
                place, former_us = find(s.latest, (row << 8) | group, np.int64(value)), np.int64(EMPTY)
                if place >= 0:
                    former = record_at(ring, s.latest[place, 2], words)
                    former_us = s.events[former + TIME]
                    s.events[former + SEQUENCE] |= np.int64(1) << group
                else:
                    place = -1 - place
                    s.latest[place, 0], s.latest[place, 1] = (row << 8) | group, value
                    s.counters[DISTINCTS_USED] += 1
                s.latest[place, 2] = event
                _count_value(row, group, time_us, former_us, h, s)
            continue
        base = codes_at(ring, 0, words) + column * capacity
        older = event
        for _ in range(between(s.rows32[row, h.tails + h.scanned[column]], event)):
            older -= 1
            if s.events32[base + (older & (capacity - 1))] != value:
                continue
            former = record_at(ring, older, words)
            left = pending
            while left != 0:
                group = lowest_bit(left)
                left &= left - 1
                if _is_marked(former, h.groups[group, 0], h, s):
                    s.events[former + SEQUENCE] |= np.int64(1) << group
                    _count_value(row, group, time_us, s.events[former + TIME], h, s)
                    pending &= ~(np.int64(1) << group)
            if pending == 0:
                break
        while pending != 0:
            group = lowest_bit(pending)
            pending &= pending - 1
            _count_value(row, group, time_us, np.int64(EMPTY), h, s)


@inlined
def _count_value(row, group, time_us, former_us, h, s):
    """Count a value in the windows that its former event is no longer in."""
    for n in range(h.counted_start[group], h.counted_start[group + 1]):
        if former_us <= time_us - h.overs_us[h.counted[n, 0]]:
            s.rows32[row, h.counted[n, 1]] += 1


@inlined
def _enter_sliding(row, at, codes, capacity, h, s):
    """Add the newest event to the numbers of all length classes, without distinct counts."""
    for word in range(h.mark_words):
        left = _marks(at, word, h, s)
        while left != 0:
            bit = 64 * word + lowest_bit(left)
            left &= left - 1
            for u in range(h.entry_start[bit], h.entry_start[bit + 1]):
                _update(s.rows, s.rows32, row, at, codes, capacity, 1, h.entries[u, 0], h.entries[u, 1],
                        h.entries[u, 2], h.entries[u, 3], s)  # fmt: skip


@called
def _change_bucket(bucket, at, codes, capacity, of_class, sign, h, s):
    """Add the event to a calendar period's numbers, or take it out."""
    s.buckets32[bucket, BUCKET_EVENTS] += sign
    for word in range(h.mark_words):
        left = _marks(at, word, h, s)
        while left != 0:
            bit = 64 * word + lowest_bit(left)
            left &= left - 1
            for u in range(h.update_start[of_class, bit], h.update_stop[of_class, bit]):
                kind, slot, place, extra = h.updates[u, 0], h.updates[u, 1], h.updates[u, 2], h.updates[u, 3]
                if kind != DISTINCT:
                    _update(s.buckets, s.buckets32, bucket, at, codes, capacity, sign, kind, slot, place, extra, s)
                    continue
                value = np.int64(s.events32[codes + place * capacity])
                if value == UNKNOWN_CODE:
                    continue
                _count_in_bucket(bucket, (np.int64(bucket) << 8) | extra, value, slot, sign, s)


@inlined
def _count_in_bucket(bucket, key, value, slot, sign, s):
    """Count how often a value stands in a calendar period, and how many values do."""
    place = find(s.seen, key, value)
    if place < 0:
        place = -1 - place
        s.seen[place, 0], s.seen[place, 1], s.seen[place, 2] = key, value, 0
        s.counters[CALENDAR_DISTINCTS] += 1
        s.buckets32[bucket, slot] += 1
    s.seen[place, 2] += sign
    if s.seen[place, 2] == 0:
        delete(s.seen, place)
        s.counters[CALENDAR_DISTINCTS] -= 1
        s.buckets32[bucket, slot] -= 1


@inlined
def _period_key(entity, calendar, period):
    """The second part of the key of a calendar period."""
    return (np.int64(entity) << 32) | (np.int64(calendar) << 30) | (np.int64(period) & 0x3FFFFFFF)


@inlined
def _bucket_of(row, calendar, entity, period, time_us, is_new_wanted, h, s):
    """The bucket of (key, calendar, entity, period); where there is none, a new one if wanted, else NONE."""
    key = _period_key(entity, calendar, period)
    bucket = np.int64(s.rows32[row, h.buckets_used + calendar]) - 1
    if bucket < 0 or s.rows[row, h.calendar_keys + calendar] != key:
        place = find(s.periods, row, key)
        if place >= 0:
            bucket = s.periods[place, 2]
        elif not is_new_wanted:
            return np.int64(NONE)
        else:
            place = -1 - place
            s.counters[BUCKETS_FREE] -= 1
            bucket = s.free_buckets[s.counters[BUCKETS_FREE]]
            s.buckets[bucket, :] = 0
            s.buckets[bucket, BUCKET_ROW] = row
            s.periods[place, 0], s.periods[place, 1], s.periods[place, 2] = row, key, bucket
            s.counters[BUCKETS_USED] += 1
        s.rows32[row, h.buckets_used + calendar], s.rows[row, h.calendar_keys + calendar] = bucket + 1, key
    s.buckets[bucket, BUCKET_TIME] = time_us
    return bucket


@called
def _unsupersede(row, event, group, h, s):
    """Take the latest event of a value out of the distinct counts: an older one with the value takes its place."""
    ring, words = s.rows[row, RING], h.event_words
    bit, capacity = h.groups[group, 0], capacity_of(ring)
    at, base = record_at(ring, event, words), codes_at(ring, 0, words) + h.groups[group, 1] * capacity
    value = s.events32[base + (event & (capacity - 1))]
    place = np.int64(NONE)
    if ring & 255 > SCANNED_LOG2_MAX:
        place = find(s.latest, (row << 8) | group, np.int64(value))
        if place < 0 or s.latest[place, 2] != np.int32(event):
            return
    former_us, former, older = np.int64(EMPTY), event, event
    for _ in range(between(_oldest(row, h, s), event)):
        older -= 1
        other = record_at(ring, older, words)
        if s.events32[base + (older & (capacity - 1))] == value and _is_marked(other, bit, h, s):
            s.events[other + SEQUENCE] &= ~(np.int64(1) << group)
            former_us, former = s.events[other + TIME], older
            break
    if place >= 0 and former != event:
        s.latest[place, 2] = np.int32(former)
    elif place >= 0:
        delete(s.latest, place)
        s.counters[DISTINCTS_USED] -= 1
    for n in range(h.counted_start[group], h.counted_start[group + 1]):
        edge = s.rows[row, CLOCK] - h.overs_us[h.counted[n, 0]]
        if s.events[at + TIME] > edge and former_us <= edge:
            s.rows32[row, h.counted[n, 1]] -= 1


@called
def _remove(row, position, sequence, h, s):
    """Take the event of a log position out of all windows; it stays in the ring, in no window."""
    ring, words = s.rows[row, RING], h.event_words
    event, at, is_there = np.int64(s.rows32[row, NEXT]), np.int64(0), False
    # A payment between two accounts of one customer stands twice under its key: each removal takes out one leg.
    for _ in range(between(_oldest(row, h, s), event)):
        event -= 1
        at = record_at(ring, event, words)
        if s.events[at + SEQUENCE] >> FLAG_BITS == position and not _is_nowhere(at, h, s):
            is_there = True
            break
    if not is_there:
        return
    codes, capacity = codes_at(ring, event, words), capacity_of(ring)
    for group in range(len(h.groups)):
        is_latest = not (s.events[at + SEQUENCE] >> group) & 1
        is_known = s.events32[codes + h.groups[group, 1] * capacity] != UNKNOWN_CODE
        if _is_marked(at, h.groups[group, 0], h, s) and is_latest and is_known:
            _unsupersede(row, event, group, h, s)
    for c in range(len(h.overs_us)):
        if s.events[at + TIME] > s.rows[row, CLOCK] - h.overs_us[c]:
            for word in range(h.mark_words):
                left = _marks(at, word, h, s)
                while left != 0:
                    bit = 64 * word + lowest_bit(left)
                    left &= left - 1
                    for u in range(h.update_start[c, bit], h.update_stop[c, bit]):
                        if h.updates[u, 0] != DISTINCT:
                            _update(s.rows, s.rows32, row, at, codes, capacity, -1, h.updates[u, 0], h.updates[u, 1],
                                    h.updates[u, 2], h.updates[u, 3], s)  # fmt: skip
    if s.rows[row, CLOCK] - s.events[at + TIME] <= CALENDAR_RETENTION_US:
        # An older event's bucket can be another key's by now.
        for k in range(h.calendars):
            bucket = s.events32[_bucket_within(at, k, h)]
            _change_bucket(bucket, at, codes, capacity, len(h.overs_us) + k, -1, h, s)
    _note_removal(row, event, at, sequence, h, s)


@inlined
def _write_outputs(i, first, stop, outputs, row, time_us, h, s, measures, bounds):
    """Read the measures of a key in rows ``first`` to ``stop`` of ``outputs`` into row ``i`` of the measure matrix."""
    classes = len(h.overs_us)
    for o in range(first, stop):
        kind, of_class, slot, column = outputs[o, 0], outputs[o, 1], outputs[o, 2], outputs[o, 5]
        if of_class < classes:
            numbers, numbers32, base = s.rows, s.rows32, row
            is_cut = s.rows[row, DROPPED] > max(time_us - h.overs_us[of_class] + 1, 0)
        else:
            numbers, numbers32, base = s.buckets, s.buckets32, s.buckets_of[of_class - classes]
            if base == NONE:
                measures[i, column] = 0 if kind <= OUT_DISTINCT else UNKNOWN
                continue
            is_cut = s.buckets[base, BUCKET_CUT] != 0
        is_maybe = is_cut or numbers32[base, outputs[o, 3]] > 0
        unknown = numbers32[base, outputs[o, 4]] if outputs[o, 4] >= 0 else np.int32(0)
        is_bound = is_maybe or (unknown > 0 and kind != OUT_COUNT)
        value = np.int64(UNKNOWN)
        if kind == OUT_SUM:
            value = numbers[base, slot]
            bounds[i, column] = is_bound
        elif kind in (OUT_COUNT, OUT_DISTINCT):
            value = np.int64(numbers32[base, slot])
            bounds[i, column] = is_bound
        elif kind == OUT_COUNT_KNOWN:
            value = np.int64(UNKNOWN) if is_bound else np.int64(numbers32[base, slot]) - unknown
        elif not is_bound:
            if kind == OUT_MIN:
                value = ordered.smallest(s.blocks, numbers, base, slot)
            elif kind == OUT_MAX:
                value = ordered.largest(s.blocks, numbers, base, slot)
            elif kind == OUT_MEDIAN:
                value = ordered.twice_median(s.blocks, numbers, base, slot)
        measures[i, column] = value


@inlined
def _ask_ahead(i, legs, h, s):
    """Ask for the row of a later leg, and for what the row of a nearer one points to."""
    count, words = len(legs.row), h.event_words
    if i + AHEAD < count and legs.row[i + AHEAD] >= 0:
        width = s.rows.shape[1]
        for line in range(0, width, LINE):
            prefetch(s.rows, legs.row[i + AHEAD] * width + line)
    if i + NEAR < count and legs.row[i + NEAR] >= 0:
        row, newest = legs.row[i + NEAR], s.rows32[legs.row[i + NEAR], NEXT]
        ring = s.rows[row, RING]
        if ring != 0:
            at = record_at(ring, newest, words)
            prefetch(s.events, at)
            prefetch(s.events, at + words - 1)
            if len(h.scanned) > 0:
                at = codes_at(ring, 0, words)
                for line in range(0, min(capacity_of(ring), 4 * CODES_OF_LINE), CODES_OF_LINE):
                    prefetch(s.events32, at + line)
            for c in range(len(h.overs_us)):
                event = s.rows32[row, h.tails + c]
                if event != newest and s.rows[row, TAIL_TIMES + c] <= legs.judged_us[i + NEAR] - h.overs_us[c]:
                    at = record_at(ring, event, words)
                    prefetch(s.events, at)
                    prefetch(s.events, at + words - 1)
        for k in range(h.calendars):
            bucket = np.int64(s.rows32[row, h.buckets_used + k]) - 1
            if bucket >= 0:
                prefetch(s.buckets, bucket * s.buckets.shape[1])


@inlined
def _ring_wanted(row, s):
    """The logarithm of the ring that a key needs for one event more; NONE where it stays as it is.

    A ring that is nearly empty becomes a smaller one.
    """
    ring, used = s.rows[row, RING], between(s.rows32[row, KEPT], s.rows32[row, NEXT])
    if ring == 0:
        return np.int64(SMALLEST_LOG2)
    if used == capacity_of(ring):
        return (ring & 255) + 1
    if used * 8 <= capacity_of(ring) and ring & 255 > SMALLEST_LOG2 + 1:
        return (ring & 255) - 2
    return np.int64(NONE)


@inlined
def _is_short(row, h, s):
    """Whether something must grow before an event enters the key's ring and the periods found for it; what it is goes
    to the counter WANTED.
    """
    held = between(_oldest(row, h, s), s.rows32[row, NEXT])
    if h.order_updates:
        # A period can hold events that its key's ring no longer does, where another customer moved the key ahead.
        most = held
        for k in range(h.calendars):
            most = max(most, np.int64(s.buckets32[s.buckets_of[k], BUCKET_EVENTS]))
        if not ordered.has_room(s.blocks, h.order_updates, most):
            s.counters[WANTED] = MORE_BLOCKS
            return True
    log2, is_large = _ring_wanted(row, s), s.rows[row, RING] & 255 > SCANNED_LOG2_MAX
    if log2 != NONE and not has_block(s.events, h.event_words, len(h.narrow_columns), log2):
        s.counters[WANTED] = MORE_EVENTS
        return True
    if is_large or log2 > SCANNED_LOG2_MAX:
        coming = s.counters[DISTINCTS_USED] + (1 if is_large else held + 1) * len(h.groups)
        if coming * 8 > len(s.latest) * 5:
            s.counters[WANTED] = MORE_DISTINCTS
            return True
    return False


@inlined
def _enter(i, row, time_us, legs, h, s):
    """Put the leg into the ring of its key, and add it to all numbers."""
    log2 = _ring_wanted(row, s)
    if log2 != NONE:
        _resize(row, log2, h, s)
    ring, event, words = s.rows[row, RING], s.rows32[row, NEXT], h.event_words
    at, codes, capacity = record_at(ring, event, words), codes_at(ring, event, words), capacity_of(ring)
    s.events[at + TIME], s.events[at + SEQUENCE] = time_us, legs.sequence[i] << FLAG_BITS
    s.events[at + MASK] = legs.mask[i, 0]
    if h.mark_words > 1:
        s.events[at + h.further_marks] = legs.mask[i, 1]
    for v in range(len(h.wide_columns)):
        s.events[at + WIDE + v] = legs.values[i, legs.columns[h.wide_columns[v]]]
    for v in range(len(h.narrow_columns)):
        value = legs.values[i, legs.columns[h.narrow_columns[v]]]
        s.events32[codes + v * capacity] = UNKNOWN_CODE if value == UNKNOWN else value
    for c in range(len(h.overs_us)):
        if s.rows32[row, h.tails + c] == event:
            s.rows[row, TAIL_TIMES + c] = time_us
    s.rows32[row, NEXT] = event + 1
    s.counters[EVENTS_HELD] += 1
    _supersede(row, event, at, codes, h, s)
    _enter_sliding(row, at, codes, capacity, h, s)
    for k in range(h.calendars):
        s.events32[_bucket_within(at, k, h)] = s.buckets_of[k]
        _change_bucket(s.buckets_of[k], at, codes, capacity, len(h.overs_us) + k, 1, h, s)


@kernel
def measure(
    first: int, legs: Arriving, events_max: int, h: Shape, s: State, measures: Rows, bounds: npt.NDArray[np.uint8]
) -> int:
    """Run the legs from ``first`` on through the table and write the measures of each.

    Returns the number of legs done: fewer than all where something must grow first, see the counter WANTED.
    """
    for i in range(first, len(legs.row)):
        _ask_ahead(i, legs, h, s)
        row = legs.row[i]
        shown, group = legs.shown.rows, legs.group[i]
        begin, simple, end = legs.shown.spans[group, 0], legs.shown.spans[group, 1], legs.shown.spans[group, 2]
        if row < 0:
            for o in range(begin, end):
                measures[i, shown[o, 5]] = UNKNOWN
            continue
        is_entering = legs.operation[i] == ENTER and (legs.mask[i, 0] != 0 or legs.mask[i, -1] != 0)
        if s.rows32[row, STAMP] != s.counters[BATCH]:
            s.rows32[row, STAMP], s.rows32[row, KEPT] = s.counters[BATCH], _oldest(row, h, s)
        if legs.operation[i] == REMOVE:
            _remove(row, legs.target[i], legs.sequence[i], h, s)
            continue
        time_us = legs.judged_us[i]
        _advance(row, time_us, h, s)
        s.rows[row, CLOCK] = time_us
        for k in range(h.calendars):
            period = legs.periods[i, legs.calendars[k]]
            s.buckets_of[k] = _bucket_of(row, k, legs.entity[i], period, time_us, is_entering, h, s)
        if is_entering:
            if _is_short(row, h, s):
                # What was done for this leg so far changes nothing when it is done again.
                return i
            if between(_oldest(row, h, s), s.rows32[row, NEXT]) >= events_max:
                _drop_oldest(row, legs.sequence[i], h, s)
            _enter(i, row, time_us, legs, h, s)
        if s.rows[row, DROPPED] != 0 and s.rows[row, DROPPED] <= time_us - h.overs_us[-1] + 1:
            s.rows[row, DROPPED] = 0
        if s.rows32[row, DOUBT] != 0 or s.rows[row, DROPPED] != 0:
            _write_outputs(i, begin, end, shown, row, time_us, h, s, measures, bounds)
        else:
            for o in range(begin, simple):
                slot = shown[o, 2]
                is_wide = shown[o, 0] == OUT_SUM
                measures[i, shown[o, 5]] = s.rows[row, slot] if is_wide else np.int64(s.rows32[row, slot])
            _write_outputs(i, simple, end, shown, row, time_us, h, s, measures, bounds)
    return len(legs.row)


@kernel
def pack(keys: int, h: Shape, s: State, events: Int64s, events32: Int32s, is_estimate: bool) -> tuple[int, int]:
    """Move all rings into another pool, without what was given back, each as small as its events allow.

    An estimate moves nothing. Returns the words that the rings take, and those of the largest.
    """
    words, narrow, used, largest = h.event_words, len(h.narrow_columns), 0, 0
    for row in range(keys):
        ring = s.rows[row, RING]
        if ring == 0:
            continue
        is_of_batch = s.rows32[row, STAMP] == s.counters[BATCH]
        first = s.rows32[row, KEPT] if is_of_batch else _oldest(row, h, s)
        count, log2 = between(first, s.rows32[row, NEXT]), ring & 255
        # A large ring stays one: its latest values stand in the table.
        while SMALLEST_LOG2 < log2 <= SCANNED_LOG2_MAX and 2 * count < np.int64(1) << log2:
            log2 -= 1
        size = block_words(words, narrow, log2)
        used, largest = used + size, max(largest, size)
        if not is_estimate:
            new = (allocate(events, words, narrow, log2) << 8) | log2
            copy_events(s.events, s.events32, ring, events, events32, new, first, count, words, narrow)
            s.rows[row, RING] = new
    return used, largest


@kernel
def free_blocks(blocks: Int64s, numbers: Rows, which: Int64s, slots: Int64s) -> None:
    """Give the sorted blocks of the rows ``which`` back to the pool."""
    for row in which:
        for slot in slots:
            if numbers[row, slot] != 0:
                ordered.release(blocks, numbers[row, slot] >> 8, numbers[row, slot] & 255)
                numbers[row, slot] = 0


@inlined
def _positions(row, bit, start_us, calendar, bucket, sequence, h, s, found):
    """Write the positions of one window; returns how many there are."""
    total, last, ring = 0, np.int64(-1), s.rows[row, RING]
    event = np.int64(s.rows32[row, NEXT])
    is_of_batch = s.rows32[row, STAMP] == s.counters[BATCH]
    for _ in range(between(s.rows32[row, KEPT] if is_of_batch else _oldest(row, h, s), event)):
        event -= 1
        at = record_at(ring, event, h.event_words)
        if s.events[at + TIME] <= start_us:
            break
        position = s.events[at + SEQUENCE] >> FLAG_BITS
        is_inside = calendar < 0 or s.events32[_bucket_within(at, calendar, h)] == bucket
        if position <= sequence and position != last and is_inside:
            marks = _marks(at, bit >> 6, h, s)
            if _is_nowhere(at, h, s):
                for k in range(s.counters[REMOVED]):
                    is_it = s.removed[k, 0] == row and s.removed[k, 1] == np.int32(event)
                    if is_it and s.removed[k, 2] > sequence:
                        marks = s.removed[k, 3 + (bit >> 6)]
            if (marks >> (bit & 63)) & 1:
                if total < len(found):
                    found[total] = position
                total += 1
                last = position
    return total


@kernel
def positions_behind(queries: Rows, h: Shape, s: State, found: Rows, totals: Int64s) -> None:
    """Log positions of the events in windows, newest first, as the legs at some log positions saw them.

    Walks a key's ring from its newest event to the window's left end; later events are left out and later removals
    undone. A payment between two accounts of one customer is named once. Writes as many as fit into ``found``, and
    how many there are into ``totals``. Rows of ``queries``: see :meth:`monitor.engine.table.WindowTable.events_behind`.
    """
    for q in range(len(queries)):
        row, calendar, bucket = queries[q, 0], queries[q, 3], np.int64(NONE)
        if calendar >= 0:
            place = find(s.periods, row, _period_key(queries[q, 4], calendar, queries[q, 5]))
            bucket = s.periods[place, 2] if place >= 0 else bucket
        totals[q] = _positions(
            row, _bit_of(queries[q, 1]), queries[q, 2], calendar, bucket, queries[q, 6], h, s, found[q]
        )
