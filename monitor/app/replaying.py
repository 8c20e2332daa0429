"""Measuring recorded history again: to restore an engine after a stop, and to explain an alert.

History holds every accepted row with tokens; a token's code in this run comes from the identifier table.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from monitor.adapters.history import TOKEN_COLUMNS
from monitor.app.profiles import ProfileTimeline
from monitor.app.store import StoreFiles
from monitor.domain.time import UNKNOWN
from monitor.domain.transaction import TransactionBatch
from monitor.engine import state
from monitor.engine.engine import Engine
from monitor.intake.identifiers import IdentifierTable


class TokenCodes:
    """Codes of tokens, looked up by columns."""

    def __init__(self, identifiers: IdentifierTable) -> None:
        halves = np.ascontiguousarray(identifiers.tokens).view(np.uint64).reshape(-1, 2)
        self.order = np.lexsort((halves[:, 1], halves[:, 0])).astype(np.int32)
        self.high, self.low = halves[self.order, 0], halves[self.order, 1]

    def codes(self, column: pa.ChunkedArray) -> npt.NDArray[np.int32]:
        """Codes of a column of 16-byte tokens; -1 for null.

        Raises:
            LookupError: A token is not in the identifier table: vault and history do not fit together.
        """
        codes = np.full(len(column), -1, np.int32)
        values = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        known = np.flatnonzero(np.asarray(values.is_valid()))
        if not len(known):
            return codes
        present = values.drop_null()
        offset = present.offset * 16
        raw = np.frombuffer(present.buffers()[1], np.uint8)[offset : offset + 16 * len(present)]
        halves = np.ascontiguousarray(raw).view(np.uint64).reshape(-1, 2)
        at = np.searchsorted(self.high, halves[:, 0])
        at = np.minimum(at, len(self.high) - 1)
        while True:
            behind = (self.high[at] == halves[:, 0]) & (self.low[at] < halves[:, 1]) & (at + 1 < len(self.high))
            if not behind.any():
                break
            at = at + behind
        if not ((self.high[at] == halves[:, 0]) & (self.low[at] == halves[:, 1])).all():
            raise LookupError("the history holds a token that the vault does not know; they belong to different stores")
        codes[known] = self.order[at]
        return codes


def batches(
    files: StoreFiles, start: int = 0, stop: int | None = None
) -> Iterator[TransactionBatch]:  # fmt: skip
    """Batches of the history from log position ``start`` up to ``stop``."""
    tokens: TokenCodes | None = None
    for table in files.history.scan(start, stop):
        tokens = tokens or TokenCodes(files.identifiers)
        columns: dict[str, Any] = {}
        for name in TransactionBatch.__slots__:
            column = table.column(name)
            columns[name] = tokens.codes(column) if name in TOKEN_COLUMNS else np.ascontiguousarray(column.to_numpy())
        yield TransactionBatch(**columns)


@dataclass(frozen=True, slots=True)
class Restored:
    """The clock of the log where the engine stands now, and whether the history was measured from its beginning."""

    clock_us: int
    is_whole_history: bool


def restore(engine: Engine, files: StoreFiles, profiles: ProfileTimeline, *, position: int) -> Restored:
    """Bring a fresh engine to log position ``position``; says where it stands then.

    The newest snapshot that fits is loaded and the history after it judged again. Nothing is raised: the alerts
    are those that are stored already. Where the rules have changed no snapshot fits, and the whole history is
    measured, so that the windows of new rules are complete.
    """
    start, clock_us = 0, UNKNOWN
    found = files.snapshots.newest(layout=state.layout_key(engine.program), at_most=position)
    if found is not None:
        state.load(engine, found.arrays)
        start, clock_us = found.position, found.clock_us
        profiles.advance(clock_us)
    if start < position:
        for batch in batches(files, start, position):
            for run, after_us in profiles.runs(batch, clock_us):
                engine.step(run, profiles.table)
                clock_us = after_us
    engine.undecided[:] = 0
    engine.hits[:] = 0
    return Restored(clock_us, found is None and position > 0)
