"""A labelled stream as columns in event order, and where its time is cut.

**Order.** Rows are ordered by time, then by their id as text; what a scorer sees of a row is in :class:`Rows`, which
holds no label. **Days** are days of UTC. **The cut**: the first 20 % of the days are warm-up, thresholds are fixed on
20 to 40 %, 40 to 100 % are scored, and the last 20 % once more, as the literature does. A share of the days is
rounded down to a whole day, as the yardstick of the protocol does.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from monitor.domain.time import DAY_US

Int64s = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]
Int16s = npt.NDArray[np.int16]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

ROWS_MAX = 50_000_000
"""Most rows of a stream; beyond, reading stops and says so."""
BATCH_ROWS_MAX = 4_096
"""Most rows that a scorer is given at a time."""
SOURCE, TARGET = 0, 1
"""The two sides of a row: who pays, who is paid."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What a scorer sees of consecutive rows, as columns of length n.

    Codes are given in order of first appearance, so a code never tells what comes later.
    """

    number: Int64s
    """The place in the stream: 0, 1, 2, ..."""
    time_us: Int64s
    """Microseconds UTC, ascending."""
    source: Int32s
    """Code of the account that pays."""
    target: Int32s
    """Code of the account that is paid."""
    amount: Floats
    """In whole units of the row's own currency, as the data have it."""
    value: Floats
    """The amount in one unit for all currencies, see :attr:`Stream.units`."""
    currency: Int16s
    kind: Int16s
    """Code of the type of payment, such as TRANSFER."""

    def __len__(self) -> int:
        return len(self.number)

    def slice(self, start: int, stop: int) -> "Rows":
        """Rows ``start`` to ``stop`` as views."""
        return Rows(*(getattr(self, name)[start:stop] for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Cut:
    """Day numbers (days since 1970 UTC) at which the parts of the protocol begin."""

    first: int
    thresholds: int
    """Thresholds are fixed from here; before it is warm-up."""
    scored: int
    validation: int
    """The last 40 % begin: where the literature chooses thresholds."""
    last_fifth: int
    end: int
    """The day behind the last."""

    @classmethod
    def of(cls, first: int, last: int) -> "Cut":
        """The cut of a stream with these first and last days.

        >>> Cut.of(0, 364)
        Cut(first=0, thresholds=72, scored=145, validation=218, last_fifth=291, end=365)
        """
        # Whole numbers: 0.4 of a length as a float could fall a day short.
        two, four, six, eight = (first + (last - first) * tenths // 10 for tenths in (2, 4, 6, 8))
        return cls(first, two, four, six, eight, last + 1)


@dataclass(slots=True)
class Stream:
    """Rows in event order with their labels and names."""

    name: str
    rows: Rows
    is_laundering: Bools
    case: Int32s
    """Number of the row's case in ``cases``; -1 in no case."""
    cases: list[str]
    typology_of_case: list[str]
    pattern: Int32s
    """Number of the row's typology in ``patterns``; -1 without one."""
    patterns: list[str]
    ids: Sequence[str]
    """The source's id of each row."""
    accounts: list[str]
    currencies: list[str]
    kinds: list[str]
    units: str
    """What one unit of :attr:`Rows.value` is."""
    is_by_day: bool
    """Whether the stamps name days only."""
    cut: Cut
    """Where the parts of the protocol begin."""
    is_party: Bools = field(default_factory=lambda: np.zeros(0, np.bool_))
    """By account: false for a side that the data leave empty. Empty where every side is somebody."""
    parties: Mapping[str, list[str | None]] = field(default_factory=dict)
    """By column of the parties file: the text of each account."""
    notes: list[str] = field(default_factory=list)

    @property
    def days(self) -> Int64s:
        """The day of each row."""
        return self.rows.time_us // DAY_US

    def first_row_of_day(self, day: int) -> int:
        """The first row on or behind a day."""
        return int(np.searchsorted(self.rows.time_us, day * DAY_US))

    def batches(self, rows_max: int = BATCH_ROWS_MAX) -> Iterator[Rows]:
        """All rows in order, at most so many at a time and never over a day's end."""
        days = self.days
        starts = np.flatnonzero(np.diff(days, prepend=days[0] - 1))
        for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), len(days)], strict=True):
            for first in range(start, stop, rows_max):
                yield self.rows.slice(first, min(first + rows_max, stop))

    def prefix(self, rows: int) -> "Stream":
        """The first rows, cut where the whole stream is, for showing that nothing looks ahead."""
        return Stream(
            self.name, self.rows.slice(0, rows), self.is_laundering[:rows], self.case[:rows], self.cases,
            self.typology_of_case, self.pattern[:rows], self.patterns, self.ids[:rows], self.accounts, self.currencies,
            self.kinds, self.units, self.is_by_day, self.cut, self.is_party, self.parties, self.notes,
        )  # fmt: skip
