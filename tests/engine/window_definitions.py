"""What the windows of one table must hold, by walking over all earlier legs; and random legs for it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from monitor.domain.time import HOUR_US, UNKNOWN
from monitor.engine.layout import TableLayout, lay_out
from monitor.engine.table import WindowTable
from monitor.engine.windows import Arriving
from monitor.rulebook.plan import FieldUse, TablePlan, WindowMeasure
from tests.engine.window_shown import everything

AMOUNT, PARTNER = FieldUse("amount", "USD"), FieldUse("counterparty")
ENTER, REMOVE = 0, 1
FILTERS = 2
EVERY = (("count", None), ("sum", AMOUNT), ("count_known", AMOUNT), ("min", AMOUNT), ("max", AMOUNT),
         ("median", AMOUNT), ("distinct", PARTNER))  # fmt: skip


@dataclass(slots=True)
class Stream:
    """Legs of one table, columns of length n. ``target`` is the log position that a removal takes out."""

    operation: npt.NDArray[np.int32]
    key: npt.NDArray[np.int64]
    judged_us: npt.NDArray[np.int64]
    position: npt.NDArray[np.int64]
    target: npt.NDArray[np.int64]
    mask: npt.NDArray[np.int64]
    amount: npt.NDArray[np.int64]
    partner: npt.NDArray[np.int64]
    period: npt.NDArray[np.int64]
    entity: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.key)


def measures(overs_us: tuple[int, ...], calendars: tuple[str, ...] = ()) -> tuple[tuple[WindowMeasure, int], ...]:
    """Every measure over every length and calendar for both filters, with its column."""
    kept = [
        WindowMeasure("customer", number, over_us, calendar, function, argument)
        for number in range(FILTERS)
        for over_us, calendar in [*((over, None) for over in overs_us), *((0, name) for name in calendars)]
        for function, argument in EVERY
    ]
    return tuple((measure, column) for column, measure in enumerate(kept))


def table_of(kept: tuple[tuple[WindowMeasure, int], ...], *, events_max: int = 1_000_000) -> WindowTable:
    layout: TableLayout = lay_out(TablePlan("customer", tuple(range(FILTERS)), kept))
    return WindowTable(layout, events_max=events_max)


def random_stream(rng: np.random.Generator, n: int, *, keys: int, span_us: int, step_us: int = HOUR_US // 2) -> Stream:
    """Legs with ties, payments that show twice under one key, unknown values, removals and repeated removals."""
    position = np.arange(n)
    twice = np.flatnonzero(rng.random(n) < 0.1)
    twice = twice[twice > 0]
    key = rng.integers(0, keys, n)
    judged = np.sort(rng.integers(0, span_us // step_us + 1, n)) * step_us
    for i in twice.tolist():
        # The debit and the credit of a payment between two accounts of one customer.
        position[i], key[i], judged[i] = position[i - 1], key[i - 1], judged[i - 1]
    amount = np.where(rng.random(n) < 0.05, UNKNOWN, rng.integers(1, 50, n))
    partner = np.where(rng.random(n) < 0.05, UNKNOWN, rng.integers(0, 6, n))
    draw = rng.random(n)
    mask = np.where(draw < 0.6, 1, np.where(draw < 0.65, 2, 0)) | np.where(rng.random(n) < 0.5, 4, 0)
    operation, target = np.zeros(n, np.int32), np.zeros(n, np.int64)
    for i in range(1, n):
        if rng.random() < 0.12 and i not in twice and i + 1 not in twice:
            original = int(rng.integers(0, i))
            operation[i], target[i], key[i] = REMOVE, position[original], key[original]
    # A removal takes out every leg of its original, so it comes once for each.
    for i in np.flatnonzero(operation[:-1] == REMOVE).tolist():
        if i + 1 < n and rng.random() < 0.5 and operation[i + 1] == ENTER and i + 2 not in twice:
            operation[i + 1], target[i + 1], key[i + 1] = REMOVE, target[i], key[i]
            position[i + 1] = position[i]
    entity = rng.integers(0, 2, n).astype(np.int32)
    period = judged // (24 * HOUR_US) - np.where(rng.random(n) < 0.1, 1, 0)
    return Stream(operation, key, judged, position, target, mask, amount, partner, period, entity)


def run(table: WindowTable, stream: Stream, cuts: list[int]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Measures and bounds of all legs, entered in batches that end at ``cuts``."""
    n, columns = len(stream), len(table.layout.shape.outputs)
    found, bounds = np.full((n, columns), -7, np.int64), np.zeros((n, columns), np.uint8)
    for start, stop in zip([0, *cuts], [*cuts, n], strict=True):
        feed(table, stream, start, stop, found, bounds)
    return found, bounds


def feed(
    table: WindowTable, stream: Stream, start: int, stop: int, found: npt.NDArray[np.int64],
    bounds: npt.NDArray[np.uint8],
) -> None:  # fmt: skip
    """Enter legs ``start`` to ``stop``."""
    part = slice(start, stop)
    of_name = {"amount": stream.amount, "counterparty": stream.partner}
    values = np.column_stack([of_name[use.name][part] for use in table.layout.values]).astype(np.int64)
    calendars = len(table.layout.calendars)
    table.run(
        Arriving(
            stream.operation[part], stream.key[part], stream.judged_us[part], stream.position[part],
            stream.target[part], stream.mask[part, None], np.ascontiguousarray(values), np.arange(values.shape[1]),
            stream.entity[part], np.ascontiguousarray(np.repeat(stream.period[part, None], max(calendars, 1), axis=1)),
            np.arange(calendars), *everything(table.layout, len(values)),
        ),
        found[part], bounds[part], keys=int(stream.key.max(initial=0)) + 1,
    )  # fmt: skip


def gone_before(stream: Stream) -> list[set[int]]:
    """For each leg, the indices of legs that removals up to it have taken out: one each, the newest first."""
    gone: set[int] = set()
    steps = []
    for i in range(len(stream)):
        if stream.operation[i] == REMOVE:
            standing = [
                j for j in range(i)
                if stream.operation[j] == ENTER and j not in gone and stream.key[j] == stream.key[i]
                and stream.position[j] == stream.target[i] and stream.mask[j]
            ]  # fmt: skip
            gone |= set(standing[-1:])
        steps.append(set(gone))
    return steps


def inside(stream: Stream, i: int, measure: WindowMeasure, gone: set[int], bit: int) -> list[int]:
    """Indices of the legs that the window of leg ``i`` holds, by definition."""

    def belongs(j: int) -> bool:
        if stream.operation[j] != ENTER or j in gone or stream.key[j] != stream.key[i]:
            return False
        if not (stream.mask[j] >> bit) & 1:
            return False
        if measure.calendar is not None:
            return bool(stream.period[j] == stream.period[i] and stream.entity[j] == stream.entity[i])
        return bool(stream.judged_us[j] > stream.judged_us[i] - measure.over_us)

    return [j for j in range(i + 1) if belongs(j)]


def by_definition(stream: Stream, i: int, measure: WindowMeasure, gone: set[int]) -> tuple[int, bool]:
    """Value and whether it is a lower bound; UNKNOWN where it is not known."""
    held = inside(stream, i, measure, gone, 2 * measure.filter)
    doubtful = inside(stream, i, measure, gone, 2 * measure.filter + 1)
    column = {None: None, AMOUNT: stream.amount, PARTNER: stream.partner}[measure.argument]
    values = [] if column is None else [int(column[j]) for j in held if column[j] != UNKNOWN]
    is_bound = bool(doubtful) or (column is not None and len(values) < len(held))
    total = {"count": len(held), "sum": sum(values), "distinct": len(set(values))}
    if measure.function in total:
        return total[measure.function], is_bound
    if is_bound or (not values and measure.function != "count_known"):
        return UNKNOWN, False
    ordered, n = sorted(values), len(values)
    if measure.function == "count_known":
        return n, False
    middle = ordered[(n - 1) // 2] + ordered[n // 2]
    return {"min": ordered[0], "max": ordered[-1], "median": middle}[measure.function], False
