"""The stream: days drawn one after the other, put in order of arrival, cut into blocks.

A row that arrives after the end of its day waits for the day of its arrival. No more than the rows of one
day and those that wait are held at a time.
"""

from collections.abc import Iterator

import numpy as np

from monitor.app.simulate.aftermath import aftermath
from monitor.app.simulate.cases import by_day
from monitor.app.simulate.cast import Case
from monitor.app.simulate.draws import Part, stream
from monitor.app.simulate.dress import dressed
from monitor.app.simulate.licit import Everyday
from monitor.app.simulate.population import Population
from monitor.app.simulate.rhythm import Day
from monitor.app.simulate.rows import Rows, joined_rows, joined_skeletons


def in_order_of_arrival(
    population: Population, calendar: list[Day], cases: list[Case], *, days_per_chunk: int = 1
) -> Iterator[Rows]:
    """Rows by ``delivered_us``, then by number, in chunks of any length.

    Args:
        days_per_chunk: Days that are ordered together. It changes memory and speed, never the rows.
    """
    everyday, planned = Everyday(population), by_day(cases, len(calendar))
    waiting: list[Rows] = []
    for index, day in enumerate(calendar):
        licit = everyday.on(day, stream(population.seed, Part.LICIT, day.number))
        skeleton = joined_skeletons([licit, planned[day.number]])
        rows = dressed(skeleton, day, population, stream(population.seed, Part.DRESS, day.number))
        waiting.append(aftermath(rows, stream(population.seed, Part.AFTERMATH, day.number)))
        is_last = index == len(calendar) - 1
        if (index + 1) % days_per_chunk and not is_last:
            continue
        held = joined_rows(waiting)
        order = np.lexsort((held.number, held.delivered_us))
        # Every later row is booked, and so delivered, after the next day's first midnight.
        end_us = held.delivered_us.max() + 1 if is_last else min(calendar[index + 1].midnight_us)
        ready = int(np.searchsorted(held.delivered_us[order], end_us))
        now, later = order[:ready], order[ready:]
        waiting = [held.map(lambda column, chosen=later: column[chosen])]  # type: ignore[misc]
        if ready:
            yield held.map(lambda column, chosen=now: column[chosen])  # type: ignore[misc]


def in_blocks(chunks: Iterator[Rows], block_rows: int) -> Iterator[Rows]:
    """The same rows in blocks of exactly ``block_rows``, the last one shorter."""
    held: list[Rows] = []
    count = 0
    for chunk in chunks:
        held.append(chunk)
        count += len(chunk)
        if count < block_rows:
            continue
        joined = joined_rows(held)
        whole = count - count % block_rows
        for first in range(0, whole, block_rows):
            yield joined.map(lambda column, at=first: column[at : at + block_rows])  # type: ignore[misc]
        held, count = [joined.map(lambda column, at=whole: column[at:])], count - whole  # type: ignore[misc]
    if count:
        yield joined_rows(held)
