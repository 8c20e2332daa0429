"""The raw stream of a stretch of time: what was booked, whether the engine judged it in time, too late or not at all.

The history holds every record that could be read, in the order in which they came: also those that came too late and
were refused for it. The quarantine says which these are, and holds the bytes of those that nobody could read.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from monitor.adapters.history_reading import HistoryReader
from monitor.adapters.quarantine import RefusedRecord, read_refused
from monitor.app.rerun_history import Row
from monitor.domain.refusal import Reason
from monitor.domain.time import UNKNOWN
from monitor.domain.vocabulary import STATUSES

_IDS = ("id_hi", "id_lo")
_TAKES_BACK = ("reverses_hi", "reverses_lo")
_KNOWN_REASONS = {
    Reason.TOO_LATE: "too_late: it came more than 35 days behind its customer's clock",
    Reason.DUPLICATE_DIFFERS: "duplicate_differs: its id came before with other content",
}

Id = tuple[int, int]
Mask = npt.NDArray[np.bool_]


@dataclass(slots=True)
class Stretch:
    """The records of a stretch of time as the law counts them.

    ``rows`` are the records that stand: of several with one id the first, and none that was taken back. ``taken_back``
    maps the others to the log position of what took them back. ``refused`` says why the engine left a record out.
    ``unread`` are refused payments that nobody could read, with the date that they state, if any.
    """

    rows: list[Row]
    records: int
    taken_back: dict[int, int] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)
    unread: list[tuple[RefusedRecord, datetime | None]] = field(default_factory=list)

    def reason_of(self, position: int) -> str | None:
        """Why the run and the law count a record differently; ``None`` where nothing is known."""
        if position in self.refused:
            return self.refused[position]
        if position in self.taken_back:
            return f"taken back by the record at log position {self.taken_back[position]}"
        return None


def read_stretch(folder: Path, *, start_us: int | None, end_us: int, stop: int) -> Stretch:
    """Read what was booked in ``[start_us, end_us)``, before log position ``stop``; from the beginning with ``None``.

    Raises:
        DamagedError: A part of the history cannot be read.
    """
    reader = HistoryReader(folder / "history")
    first_us = -(2**62) if start_us is None else start_us

    def is_inside(table: pa.Table) -> Mask:
        booked = table.column("booked_at_us").to_numpy()
        return np.asarray((booked >= first_us) & (booked < end_us), bool)

    rows = reader.rows(is_inside, columns=("booked_at_us",), stop=stop).to_pylist()
    first = _first_positions(reader, {_id(row, _IDS) for row in rows}, stop)
    rows = [row for row in rows if first[_id(row, _IDS)] == row["position"]]
    taken_back = _taken_back(reader, {_id(row, _IDS): int(row["position"]) for row in rows}, stop)
    takes_back = {STATUSES.index("reversed"), STATUSES.index("returned")}
    stands = [row for row in rows if row["position"] not in taken_back and row["status"] not in takes_back]
    found = Stretch(stands, len(rows), taken_back)
    for record in read_refused(folder):
        if record.refusal.reason in _KNOWN_REASONS:
            found.refused[record.refusal.position] = _KNOWN_REASONS[record.refusal.reason]
        elif not record.is_profile and record.retried_to is None:
            found.unread.append((record, _stated_time(record)))
    return found


def may_be_of(moment: datetime | None, day: date) -> bool:
    """Whether an unread record states a moment within a day of ``day``, in whatever zone."""
    return moment is not None and abs((moment.date() - day).days) <= 1


def _id(row: Row, names: tuple[str, ...]) -> Id:
    return row[names[0]], row[names[1]]


def _with_ids(reader: HistoryReader, names: tuple[str, ...], ids: set[Id], stop: int) -> Iterator[tuple[int, Id, Id]]:
    """Position, own id and the id under ``names`` of the records whose id under ``names`` is one of ``ids``."""
    if not ids:
        return
    highs = np.array(sorted({high for high, _ in ids}), np.int64)
    for _, table in reader.scan((*_IDS, *names), stop=stop):
        high, low = (table.column(name).to_numpy() for name in names)
        own_high, own_low = (table.column(name).to_numpy() for name in _IDS)
        position = table.column("position").to_numpy()
        for index in np.flatnonzero(np.isin(high, highs) & (high != UNKNOWN)).tolist():
            found = int(high[index]), int(low[index])
            if found in ids:
                yield int(position[index]), (int(own_high[index]), int(own_low[index])), found


def _first_positions(reader: HistoryReader, ids: set[Id], stop: int) -> dict[Id, int]:
    """Where each id came first."""
    found: dict[Id, int] = {}
    for position, _, key in _with_ids(reader, _IDS, ids, stop):
        found.setdefault(key, position)
    return found


def _taken_back(reader: HistoryReader, originals: dict[Id, int], stop: int) -> dict[int, int]:
    """By log position of an original, the position of what took it back; one that came before it does not reach it."""
    found: dict[int, int] = {}
    for position, own, key in list(_with_ids(reader, _TAKES_BACK, set(originals), stop)):
        if position > originals[key] and own != key:
            found.setdefault(originals[key], position)
    return found


def _stated_time(record: RefusedRecord) -> datetime | None:
    """The booking time that an unread payment states, where that much can be made out."""
    try:
        body: Any = json.loads(record.refusal.original)
        return datetime.fromisoformat(str(body["booked_at"]))
    except (ValueError, KeyError, TypeError):
        return None
