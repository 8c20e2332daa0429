"""Measuring recorded history again: to restore an engine after a stop, and to explain an alert.

History holds every accepted row with the codes of its identifiers; the vault gives them back in the same order.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from monitor.app import state_formats
from monitor.app.profiles import ProfileTimeline
from monitor.app.store import StoreFiles
from monitor.domain.time import UNKNOWN
from monitor.domain.transaction import TransactionBatch
from monitor.engine import state
from monitor.engine.engine import Engine, EngineInputs


def batches(files: StoreFiles, start: int = 0, stop: int | None = None) -> Iterator[TransactionBatch]:
    """Batches of the history from log position ``start`` up to ``stop``.

    Raises:
        LookupError: History and vault do not agree on the codes.
    """
    recorded, held = files.history.tokens, files.identifiers.tokens
    if not np.array_equal(recorded, held[: len(recorded)]):
        raise LookupError("the history has other tokens than the vault; they belong to different stores")
    yield from files.history.batches(start, stop)


@dataclass(frozen=True, slots=True)
class Restored:
    """The clock of the log where the engine stands now, and whether the history was measured from its beginning."""

    clock_us: int
    is_whole_history: bool


def restore(
    engine: Engine,
    files: StoreFiles,
    profiles: ProfileTimeline,
    *,
    position: int,
    since: int = 0,
    changes: Sequence[tuple[int, EngineInputs]] = (),
) -> Restored:
    """Bring a fresh engine to log position ``position``; says where it stands then.

    The newest saved state that fits is loaded and the history after it judged again. Nothing is raised: the alerts
    are those that are stored already. Where the rules have changed no state fits, and the whole history is
    measured, so that the windows of new rules are complete.

    Args:
        engine: A fresh engine.
        files: The store.
        profiles: A fresh timeline.
        position: Where to stop.
        since: The position from which the rulebook holds; states from before belong to another measuring.
        changes: Lists by the position from which they held, ascending; those of the first hold before it too.
    """
    start, clock_us = 0, UNKNOWN
    found = state_formats.newest(files.snapshots, engine, at_most=position, at_least=since, prefix=state_formats.ENGINE)
    if found is not None:
        state.load(engine, found.arrays)
        start, clock_us = found.position, found.clock_us
        profiles.advance(clock_us)
    for first, stop, inputs in _pieces(start, position, changes):
        if inputs is not None:
            engine.use(inputs)
        for batch in batches(files, first, stop):
            for run, after_us in profiles.runs(batch, clock_us):
                engine.step(run, profiles.table)
                clock_us = after_us
    engine.undecided[:] = 0
    engine.hits[:] = 0
    return Restored(clock_us, found is None and position > 0)


def _pieces(
    start: int, stop: int, changes: Sequence[tuple[int, EngineInputs]]
) -> Iterator[tuple[int, int, EngineInputs | None]]:
    """The stretch from ``start`` to ``stop``, cut where inputs change, each with the inputs to go on with."""
    before = [inputs for position, inputs in changes if position <= start] or [inputs for _, inputs in changes[:1]]
    now = before[-1] if before else None
    for position, inputs in changes:
        if start < position < stop and inputs is not now:
            yield start, position, now
            start, now = position, inputs
    if start < stop:
        yield start, stop, now
