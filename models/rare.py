"""What this customer does for the first time: counterparty, country, device, or any payment at all.

For each kind the score asks how surprising it is that the pair of customer and value is new, given how often this
customer's rows bring a new one: ``-ln p`` if it is new, with p the customer's own share of new values, drawn towards
the share of all customers while the customer is young; ``-ln (1 - p)`` if not; less what is expected of either. So
the hundredth new payee of a shop says nothing, and the first foreign payee in a year of rent and groceries does. A
customer's first row of all is judged by how often rows are first rows.

Pairs are remembered approximately, in fixed memory (:mod:`models.seen`), for one to two generations.

Source: surprise as code length, Shannon, C. E. (1948), "A mathematical theory of communication"; shares drawn towards
those of all: Good, I. J. (1965), "The estimation of probabilities". That first-ever edges hold nearly all laundering
rows of the public generators is this project's measurement.
"""

from collections.abc import Mapping
from math import log
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from models.column_model import Arrays, ColumnModel, longer, room_for
from models.compiled import inlined, kernel, prefetch
from models.contract import DAY_US, Bools, Family, Float64s, Input, Int64s, Kind, Limit, Part
from models.seen import BLOCK, Counters, block_of, counters_of, hashed, new_counters, see, times_seen, turn

ROWS_MIN = 1000
"""Rows until shares of all customers are known; before, nothing is ready."""

_KINDS = 3
_PRIOR = 4.0
_MEMORY_ROWS = 200.0
_BANK_ROWS = 20_000.0
_SHARE_MIN = 0.0005
_ROWS, _GENERATION = 0, 1
_AHEAD = 8


@inlined
def _surprise(is_new: bool, share: float) -> float:
    """``-ln`` of the probability of what happened, less its expectation."""
    p = min(max(share, _SHARE_MIN), 1.0 - _SHARE_MIN)
    expected = -p * log(p) - (1.0 - p) * log(1.0 - p)
    return (-log(p) if is_new else -log(1.0 - p)) - expected


@kernel
def _judge_and_learn(
    key: Int64s,
    time_us: Int64s,
    codes: Int64s,
    counters: Counters,
    own: npt.NDArray[np.float32],
    bank: Float64s,
    clock: Int64s,
    generation_us: int,
    values: Float64s,
    ready: Bools,
    why: Float64s,
    learn: bool,
) -> None:
    """``own`` (keys, 2 * kinds): rows and new values per kind, decayed. ``bank`` (kinds + 1): shares of all rows."""
    for i in range(len(key)):
        if i + _AHEAD < len(key):
            for kind in range(_KINDS):
                item = hashed(kind, key[i + _AHEAD], codes[kind, i + _AHEAD])
                prefetch(counters, block_of(counters, item) * BLOCK)
        row = key[i]
        if not 0 <= row < len(own):
            continue
        if learn and time_us[i] // generation_us > clock[_GENERATION]:
            if clock[_ROWS] > 0:
                turn(counters)
            clock[_GENERATION] = time_us[i] // generation_us
        is_judged = clock[_ROWS] >= ROWS_MIN
        is_first = own[row, 0] == 0.0
        total = 0.0
        bank_weight = max(1.0 / (clock[_ROWS] + 1.0), 1.0 / _BANK_ROWS)
        if is_judged:
            total = _surprise(is_first, bank[_KINDS])
            if len(why):
                why[i, _KINDS, 0], why[i, _KINDS, 1], why[i, _KINDS, 2] = total, 1.0 if is_first else 0.0, bank[_KINDS]
        for kind in range(_KINDS):
            if codes[kind, i] < 0:
                continue
            item = hashed(kind, row, codes[kind, i])
            seen = times_seen(counters, item)
            rows, new = own[row, 2 * kind + 1], own[row, 2 * kind + 2]
            share = (new + _PRIOR * bank[kind]) / (rows + _PRIOR)
            if is_judged and not is_first:
                contribution = _surprise(seen == 0, share)
                total += contribution
                if len(why):
                    why[i, kind, 0], why[i, kind, 1], why[i, kind, 2] = contribution, seen * 1.0, share
            if learn:
                see(counters, item)
                is_new = 1.0 if seen == 0 else 0.0
                keep = 1.0 - 1.0 / _MEMORY_ROWS
                own[row, 2 * kind + 1] = rows * keep + 1.0
                own[row, 2 * kind + 2] = new * keep + is_new
                if not is_first:
                    bank[kind] += bank_weight * (is_new - bank[kind])
        if is_judged:
            values[i], ready[i] = total, True
        if learn:
            own[row, 0] = 1.0
            bank[_KINDS] += bank_weight * ((1.0 if is_first else 0.0) - bank[_KINDS])
            clock[_ROWS] += 1


class Rare(ColumnModel):
    """First and rare counterparties, countries and devices of a key, and its first row.

    Args:
        keys_max: Rows of keys that are remembered; keys beyond are never ready. 28 bytes each.
        log2_blocks: Memory for pairs: 64 bytes times two to this power. 2**16 blocks hold about 100,000 pairs a
            generation with one in a hundred new ones taken for seen.
        generation_us: After how long the former generation of pairs is forgotten.

    Columns: ``key`` a dense row, ``time_us``, and any codes for ``counterparty``, ``country`` and ``device``.
    """

    id: ClassVar[str] = "rare"
    version: ClassVar[int] = 1
    inputs = (
        Input("key", Kind.CODE),
        Input("time_us", Kind.TIME, "us"),
        Input("counterparty", Kind.CODE, family=Family.COUNTERPARTIES),
        Input("corridor", Kind.CODE, family=Family.GEOGRAPHY),
        Input("device", Kind.CODE, family=Family.CHANNEL),
    )
    parts = (
        Part("counterparty", Family.COUNTERPARTIES, "times seen; usual share of new ones"),
        Part("corridor", Family.GEOGRAPHY, "times seen; usual share of new ones"),
        Part("device", Family.CHANNEL, "times seen; usual share of new ones"),
        Part("first payment", Family.TIME, "1 if it is; usual share of first ones"),
    )

    def __init__(self, *, keys_max: int = 1 << 20, log2_blocks: int = 16, generation_us: int = 180 * DAY_US) -> None:
        self._keys_max, self._generation_us = keys_max, generation_us
        self._counters = new_counters(log2_blocks)
        self._own = np.zeros((min(1024, keys_max), 2 * _KINDS + 1), np.float32)
        self._bank = np.zeros(_KINDS + 1)
        self._clock = np.zeros(2, np.int64)
        fixed = self._counters.nbytes + self._bank.nbytes + self._clock.nbytes
        self.limit = Limit(
            fixed + keys_max * (2 * _KINDS + 1) * 4, "keys beyond are never ready; full counters hide news"
        )

    def _run(self, columns: Arrays, values: Float64s, ready: Bools, why: Float64s, learn: bool) -> None:
        rows = room_for(len(self._own), columns["key"], keys_max=self._keys_max)
        own = longer(self._own, rows) if rows > len(self._own) else self._own
        if learn:
            self._own = own
        codes = np.stack([columns["counterparty"], columns["corridor"], columns["device"]])
        _judge_and_learn(
            columns["key"], columns["time_us"], codes, self._counters, own, self._bank, self._clock,
            self._generation_us, values, ready, why, learn,
        )  # fmt: skip

    def _settings(self) -> dict[str, Any]:
        return {
            "keys_max": self._keys_max,
            "blocks": len(self._counters),
            "generation_us": self._generation_us,
        }

    def _arrays(self) -> Arrays:
        return {"counters": self._counters, "own": self._own, "bank": self._bank, "clock": self._clock}

    def _take(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        self._counters, self._own = counters_of(arrays["counters"]), arrays["own"]
        self._bank, self._clock = arrays["bank"], arrays["clock"]
