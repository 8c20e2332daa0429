"""Followed money as a scorer: the engine's flow table over the stream's rows, in the stream's one unit.

Two findings have a size, and its tail is the share of earlier rows of all days before with more of it:

- a *chain* of :data:`CHAIN_MIN` payments or more of which at least :data:`KEPT_MIN` arrives, about the payer: its
  payments less two, times the value, by one plus the days since the first of them;
- *middlemen*, about the payee: over how many others money of one origin has come, less one.

A side's score is the sum of ``-log10`` of the tails of its findings; a side without a finding has none. What returns
to its origin, and what was gathered before it is paid on, was measured too and left out: it found nothing more at an
equal budget (ADR 0025).
"""

from collections.abc import Callable

import numpy as np

from models.combination import Combination
from models.contract import Family, Input
from monitor.app.evaluate.scorer import Outcomes, Scores, Setting, nothing
from monitor.app.evaluate.stream import SOURCE, TARGET, Floats, Int32s, Rows, Stream
from monitor.domain.flow import MILLION, Path
from monitor.domain.time import DAY_US, UNKNOWN
from monitor.engine.flow import FlowTable, Traced
from monitor.engine.trails import (
    CHAIN_DEPTH,
    CHAIN_KEPT,
    CHAIN_TIME,
    CHAIN_TRAIL,
    MIDDLEMEN,
    MIDDLEMEN_TRAIL,
    PAYEE_HERE,
    PAYER_HERE,
    Payments,
)

CHAIN_MIN = 4
KEPT_MIN = 0.6
_MINOR = 100
"""Minor units of the stream's unit."""
_SIGNALS = (Input("chain", family=Family.FLOW), Input("middlemen", family=Family.FLOW))
_SIDES = (SOURCE, TARGET)
_TRAILS = (CHAIN_TRAIL, MIDDLEMEN_TRAIL)


class FlowScorer:
    """Flow tracing alone."""

    name = "flow"
    tracks: tuple[str, ...] = ("U", "D", "S")

    def __init__(self, setting: Setting) -> None:
        self.stream, self.table = setting.stream, FlowTable()
        self.tails = Combination(_SIGNALS, (1.0, 1.0), segments=1)
        self.day = -1

    def step(self, rows: Rows) -> Scores:
        """Trace rows in their order; a day's findings count for the tails from the next day on."""
        traced = self.table.trace(_payments(rows, self.stream))
        sizes = _sizes(traced, rows)
        found, words = nothing(len(rows)), dict[tuple[int, int], str]()
        days = rows.time_us // DAY_US
        starts = np.flatnonzero(np.diff(days, prepend=days[0] - 1)).tolist()
        for start, stop in zip(starts, [*starts[1:], len(rows)], strict=True):
            if days[start] != self.day:
                self.tails.use(self.tails.publish())
                self.day = int(days[start])
            columns = {each.name: size[start:stop] for each, size in zip(_SIGNALS, sizes, strict=True)}
            said = self.tails.score_learn_many(columns | {"segment": np.zeros(stop - start, np.int64)}, why=True)
            assert said.why is not None
            for number, (side, size) in enumerate(zip(_SIDES, sizes, strict=True)):
                is_found = said.ready & (size[start:stop] > 0)
                found[start:stop, side][is_found] = said.why[is_found, number, 2]
        for number, (side, trail) in enumerate(zip(_SIDES, _TRAILS, strict=True)):
            for row in np.flatnonzero(~np.isnan(found[:, side])).tolist():
                path = traced.path(row, trail)
                words[row, side] = f"{_WORDS[number](traced, row)}{_way(path, self.stream)}"
        evidence = np.zeros((len(rows), 2, len(_SIGNALS)))
        for number, side in enumerate(_SIDES):
            evidence[:, side, number] = np.nan_to_num(found[:, side])
        return Scores(found, None, words, evidence, is_decades=True)

    def told(self, outcomes: Outcomes, *, day: int) -> None:
        """Following money learns nothing from labels."""


def _payments(rows: Rows, stream: Stream) -> Payments:
    """Rows as tracing sees them: an account is its own holder, and a side that is nobody is none."""
    payer, payee = rows.source, rows.target
    if len(stream.is_party):
        payer, payee = (np.where(stream.is_party[side], side, -1).astype(np.int32) for side in (payer, payee))
    count = len(rows)
    return Payments(
        position=rows.number,
        time_us=rows.time_us,
        payer=payer,
        payer_owner=payer,
        payee=payee,
        payee_owner=payee,
        amount=np.round(rows.value * _MINOR).astype(np.int64),
        currency=np.zeros(count, np.int16),
        is_booked=np.ones(count, np.bool_),
        takes_back=np.full(count, UNKNOWN),
        taken_from=np.full(count, -1, np.int32),
        sides=np.full(count, PAYER_HERE | PAYEE_HERE, np.int8),
    )


def _sizes(traced: Traced, rows: Rows) -> tuple[Floats, Floats]:
    """The size of each row's chain and middlemen; 0 without one."""
    depth, kept, time_us = (traced.measures[:, column] for column in (CHAIN_DEPTH, CHAIN_KEPT, CHAIN_TIME))
    is_chain = (depth >= CHAIN_MIN) & (kept >= int(KEPT_MIN * MILLION))
    chain = np.where(is_chain, (depth - 2) * rows.value / (time_us / DAY_US + 1.0), 0.0)
    return chain, np.maximum(traced.measures[:, MIDDLEMEN] - 1.0, 0.0)


def _chain_words(traced: Traced, row: int) -> str:
    depth, kept, time_us = (int(traced.measures[row, column]) for column in (CHAIN_DEPTH, CHAIN_KEPT, CHAIN_TIME))
    return f"{depth} payments in a row in {time_us / DAY_US:.1f} days, {kept / MILLION:.0%} of the first arrives"


def _middlemen_words(traced: Traced, row: int) -> str:
    return f"money of one origin has come over {traced.measures[row, MIDDLEMEN]} others"


_WORDS: tuple[Callable[[Traced, int], str], ...] = (_chain_words, _middlemen_words)


def _way(path: Path | None, stream: Stream) -> str:
    """The accounts on a way, from its origin on. Its payments are rows that were shown before, or the row itself."""
    if path is None:
        return ""
    sides: tuple[Int32s, Int32s] = (stream.rows.source, stream.rows.target)
    codes = [sides[SOURCE][path.positions[0]], *(sides[TARGET][position] for position in path.positions)]
    return ": " + " → ".join(stream.accounts[code] for code in codes)
