"""A window table that remembers everything and counts afresh for each leg: with a limit, with sums that do not fit.

:mod:`tests.engine.window_definitions` says what a window holds; this says it for any plan, and adds what happens at
``events_max``: the oldest event is let go, and leaves its calendar periods cut.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from monitor.domain.time import UNKNOWN
from monitor.domain.vocabulary import CALENDARS
from monitor.engine.layout import CALENDAR_RETENTION_US, KEPT, NEXT, lay_out
from monitor.engine.ordered import new_pool
from monitor.engine.rings import new_ring_pool
from monitor.engine.table import WindowTable
from monitor.engine.windows import Arriving
from monitor.rulebook.plan import FieldUse, TablePlan, WindowMeasure
from tests.engine.window_shown import everything

ENTER, REMOVE = 0, 1
Said = tuple[int, bool]
Measures = tuple[tuple[WindowMeasure, int], ...]


@dataclass(slots=True)
class Leg:
    """A leg of a table. ``values`` by name of the field, ``periods`` by calendar; ``target`` of a removal."""

    operation: int
    key: int
    time_us: int
    position: int
    target: int
    mask: int
    values: dict[FieldUse, int]
    entity: int
    periods: dict[str, int]


@dataclass(slots=True)
class Event:
    """A leg that entered, and what became of it."""

    leg: Leg
    is_removed: bool = False
    is_dropped: bool = False


@dataclass(slots=True)
class Key:
    """All that a key remembers."""

    events: list[Event] = field(default_factory=list)
    clock_us: int = 0
    dropped_us: list[int] = field(default_factory=list)
    cut: set[tuple[str, int, int]] = field(default_factory=set)


class SlowTable:
    """The same measures as :class:`WindowTable`, by definition."""

    def __init__(self, measures: Measures, *, events_max: int) -> None:
        self.measures, self.events_max, self.keys = measures, events_max, dict[int, Key]()
        overs = [m.over_us for m, _ in measures if m.calendar is None]
        self.calendars = [c for c in CALENDARS if any(m.calendar == c for m, _ in measures)]
        self.longest_us = max([*overs, *([CALENDAR_RETENTION_US] if self.calendars else [])])

    def take(self, leg: Leg) -> dict[int, tuple[Said, list[int]]]:
        """Measures of a leg by column, each with the positions behind it, newest first; nothing for a removal."""
        key = self.keys.setdefault(leg.key, Key())
        if leg.operation == REMOVE:
            held = [e for e in self.held(key) if e.leg.position == leg.target and not e.is_removed]
            if held:
                held[-1].is_removed = True
            return {}
        key.clock_us = leg.time_us
        if leg.mask:
            held = self.held(key)
            if len(held) >= self.events_max:
                self._drop(key, held[0])
            key.events.append(Event(leg))
        return {column: self._said(key, leg, measure) for measure, column in self.measures}

    def held(self, key: Key) -> list[Event]:
        """Events that the longest window holds, with those that were removed."""
        return [e for e in key.events if e.leg.time_us > key.clock_us - self.longest_us and not e.is_dropped]

    def _drop(self, key: Key, event: Event) -> None:
        event.is_dropped = True
        if not event.is_removed:
            key.dropped_us.append(event.leg.time_us)
            if key.clock_us - event.leg.time_us <= CALENDAR_RETENTION_US:
                key.cut |= {(name, event.leg.entity, event.leg.periods[name]) for name in self.calendars}

    def _said(self, key: Key, leg: Leg, measure: WindowMeasure) -> tuple[Said, list[int]]:
        name, start_us = measure.calendar, leg.time_us - measure.over_us
        if name is None:
            inside = [e.leg for e in key.events if not (e.is_removed or e.is_dropped) and e.leg.time_us > start_us]
            is_cut = any(time_us > start_us for time_us in key.dropped_us)
        else:
            period = (name, leg.entity, leg.periods[name])
            inside = [
                e.leg for e in key.events
                if not (e.is_removed or e.is_dropped) and (name, e.leg.entity, e.leg.periods[name]) == period
            ]  # fmt: skip
            is_cut = period in key.cut
        held = [each for each in inside if each.mask >> 2 * measure.filter & 1]
        is_doubtful = is_cut or any(each.mask >> 2 * measure.filter + 1 & 1 for each in inside)
        return _measured(measure, held, is_doubtful), list(dict.fromkeys(each.position for each in held))[::-1]


def _measured(measure: WindowMeasure, held: list[Leg], is_doubtful: bool) -> Said:
    if measure.function == "count":
        return len(held), is_doubtful
    assert measure.argument is not None
    values = sorted(v for v in (each.values[measure.argument] for each in held) if v != UNKNOWN)
    is_bound = is_doubtful or len(values) < len(held)
    if measure.function == "distinct":
        return len(set(values)), is_bound
    # A sum beyond 63 bits is short of whole wraps. Like one of an unknown amount it makes its siblings unknown.
    total = sum(values)
    if measure.function == "sum":
        return (total + 2**63) % 2**64 - 2**63, is_bound or total >= 2**63
    if is_bound:
        return UNKNOWN, False
    if measure.function == "count_known":
        return len(values), False
    if not values:
        return UNKNOWN, False
    middle = values[(len(values) - 1) // 2] + values[len(values) // 2]
    return {"min": values[0], "max": values[-1], "median": middle}[measure.function], False


def new_table(measures: Measures, filters: int, *, events_max: int, first_ordinal: int = 0, keys: int) -> WindowTable:
    """A table with pools as small as can be, whose keys count their events from ``first_ordinal`` on."""
    table = WindowTable(lay_out(TablePlan("customer", tuple(range(filters)), measures)), events_max=events_max)
    table.events, table.blocks = new_ring_pool(64), new_pool(64)
    table.rows = np.zeros((keys, table.layout.row_words), np.int64)
    rows32, shape = table.rows.view(np.int32), table.layout.shape
    start = np.array([first_ordinal], np.int64).astype(np.int32)[0]
    for slot in (NEXT, KEPT, *range(shape.tails, shape.tails + len(shape.overs_us))):
        rows32[:, slot] = start
    return table


def feed(table: WindowTable, legs: list[Leg], columns: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Measures and bounds of the legs, entered as one batch."""
    found, bounds = np.full((len(legs), columns), -7, np.int64), np.zeros((len(legs), columns), np.uint8)
    layout = table.layout

    def column(name: str, kind: type) -> npt.NDArray[np.int64]:
        return np.array([getattr(leg, name) for leg in legs], kind)

    values = np.array([[leg.values[use] for use in layout.values] for leg in legs], np.int64)
    periods = np.array([[leg.periods.get(name, 0) for name in CALENDARS] for leg in legs], np.int64)
    # The model has two bits a filter in one number, the table words of 31 filters.
    words = layout.shape.mark_words
    marks = np.array([[leg.mask >> 62 * word & (1 << 62) - 1 for word in range(words)] for leg in legs], np.int64)
    arriving = Arriving(
        column("operation", np.int32), column("key", np.int64), column("time_us", np.int64),  # type: ignore[arg-type]
        column("position", np.int64), column("target", np.int64), marks,
        values.reshape(len(legs), len(layout.values)), np.arange(len(layout.values)),
        column("entity", np.int32), periods.reshape(len(legs), len(CALENDARS)),  # type: ignore[arg-type]
        np.array([CALENDARS.index(name) for name in layout.calendars], np.int64), *everything(layout, len(legs)),
    )  # fmt: skip
    table.run(arriving, found, bounds, keys=max(leg.key for leg in legs) + 1)
    return found, bounds


def behind(table: WindowTable, leg: Leg, measure: WindowMeasure) -> list[int]:
    """Positions that the table names behind a measure of a leg of the last batch."""
    name, start_us, calendar, period = measure.calendar, leg.time_us - measure.over_us, -1, 0
    if name is not None:
        start_us, period = leg.time_us - CALENDAR_RETENTION_US, leg.periods[name]
        calendar = table.layout.calendars.index(name)
    place = table.layout.filters.index(measure.filter)
    query = (leg.key, place, start_us, calendar, leg.entity, period, leg.position)
    return table.events_behind([query], most=100_000)[0][0]
