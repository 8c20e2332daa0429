"""Anomaly models over the payments of the log: scored, then learned, and within a budget raised.

Each booked and judged payment with two sides is one row (:mod:`monitor.engine.model_rows`) for
:func:`models.ensemble.payment_ensemble`. At each change of the day of the rows' clock tails and thresholds are
published and hold from the next row on. So the result depends on the order of the log, and not on how it is cut.

A row whose score reaches the threshold of its payer's segment is an anomaly, once per account and UTC day. Above the
threshold lay at most :data:`BUDGET` of the account-days before. Payers who are no customers of the bank are learned and
never raised.

The models remember accounts and times. Which payments those were is kept beside: the last :data:`REMEMBERED`
payments into an account and first-ever payments out of it, so that an alert names what it rests on.

A model that breaks is frozen (:class:`models.drift.Guard`), and one that drifts for a time (:mod:`models.ensemble`); so
is everything here if anything else breaks, and the rules go on.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from models.budget import Budget
from models.contract import DAY_US, Family, Float64s, State
from models.days import runs_of_days
from models.drift import Drift
from models.ensemble import EnsembleScores, Freezing, payment_ensemble
from models.room import reserved
from models.sketch import BUCKETS, edges
from monitor.domain.transaction import Int32s, Int64s, TransactionBatch
from monitor.engine.compiled import inlined, kernel, prefetch
from monitor.engine.conversion import Rates
from monitor.engine.model_rows import ModelRows, Rows
from monitor.engine.profiles import ProfileTable

MODEL_ID, VERSION = "payment-ensemble", 2
"""The source of its alerts. The version rises with every change of what is scored or raised."""
BUDGET = 0.001
"""Share of the active account-days of a segment that may be raised."""
HALF_LIFE_DAYS = 30
"""After so many days the account-days that thresholds are read from weigh half."""
WARM_UP_DAYS = 28
"""Nothing is raised so long after the first payment: the rates of new contacts are not known before."""
SEGMENTS = 32
"""Segments with tails and a threshold of their own, the first of the log; others share everyone's."""
KEYS_MAX = 1 << 20
"""Accounts that are remembered; payments of others are not judged."""
REMEMBERED = 12
"""Payments remembered by position, per account and direction."""

Arrays = dict[str, npt.NDArray[Any]]
_IN, _OUT = range(2)
_POSITION_AND_NEW, _TIME = range(2)
_WAYS = 4
# Parts of the model whose payments are named, and how far back each looks.
CARRIED_ON, NEW_PAYEES, NEW_PAYERS = "carried on", "new payees", "new payers"
NEW_PAYERS_OF_PAYEE = "new payers of the payee"
BURST_DAYS, PAYERS_DAYS = 3, 7
_RINGS = (KEYS_MAX, 2, REMEMBERED, 2)
"""By account and direction: payments, each twice its position + 1, plus 1 for a first-ever one, and its time."""
_DENSE_MIN = 65_536


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one part of a model gave to the score, and what it had seen."""

    model: str
    part: str
    family: Family
    contribution: float
    observed: float
    expected: float


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A payment that is to be raised.

    ``row`` is that of the batch. ``tail`` is the share of past account-days of the segment with such a score or more,
    counted with this one. ``snapshot`` is the version of tails and thresholds in force. ``contributions`` add up to the
    score. ``positions`` are those of the payments behind it, ascending, itself among them.
    """

    row: int
    score: float
    threshold: float
    tail: float
    snapshot: int
    has_segment: bool
    contributions: tuple[Contribution, ...]
    positions: tuple[int, ...]


@inlined
def _collect(
    kept: Any, key: int, way: int, since_us: int, until_us: int, is_new: bool, found: Any, n: int, count: int
) -> int:
    """Add the remembered payments of an account that lie within the times to row ``n`` of ``found``."""
    for k in range(kept.shape[2]):
        word, then_us = kept[key, way, k, _POSITION_AND_NEW], kept[key, way, k, _TIME]
        if word > 0 and since_us <= then_us <= until_us and (word & 1 == 1 or not is_new):
            found[n, count] = (word >> 1) - 1
            count += 1
    return count


@inlined
def _ask_ahead(payer: Int64s, payee: Int64s, is_new: npt.NDArray[np.bool_], i: int, kept: Any, at: Any) -> None:
    """Ask for where rings stand 16 payments ahead, and for the places that will be written 8 ahead."""
    if i + 16 < len(payer):
        if 0 <= payee[i + 16] < len(kept):
            prefetch(at, 2 * payee[i + 16])
        if is_new[i + 16] and 0 <= payer[i + 16] < len(kept):
            prefetch(at, 2 * payer[i + 16])
    if i + 8 < len(payer):
        u, v, row = payer[i + 8], payee[i + 8], 4 * kept.shape[2]
        if 0 <= v < len(kept):
            prefetch(kept, v * row + 2 * at[v, _IN])
        if is_new[i + 8] and 0 <= u < len(kept):
            prefetch(kept, u * row + 2 * (kept.shape[2] + at[u, _OUT]))


@kernel
def _name_and_remember(
    payer: Int64s, payee: Int64s, position: Int64s, time_us: Int64s, is_new: npt.NDArray[np.bool_], place: Int64s,
    wanted: npt.NDArray[np.bool_], linked_us: Int64s, kept: npt.NDArray[np.int64], at: Int32s, found: Int64s,
    counts: Int64s,
) -> None:  # fmt: skip
    """Name the payments behind each anomaly, then remember the row.

    ``place`` is the row of ``found`` that an anomaly has, -1 for all others; ``wanted`` (anomalies, 4) says of which
    parts; ``kept`` is as ``_RINGS`` and ``at`` (keys, 2) where the next payment goes.
    """
    size = kept.shape[2]
    for i in range(len(payer)):
        _ask_ahead(payer, payee, is_new, i, kept, at)
        u, v, now = payer[i], payee[i], time_us[i]
        if not (0 <= u < len(kept) and 0 <= v < len(kept)):
            continue
        n = place[i]
        if n >= 0:
            burst_us, payers_us, count = now - BURST_DAYS * DAY_US, now - PAYERS_DAYS * DAY_US, 0
            if wanted[n, 0]:
                count = _collect(kept, u, _IN, linked_us[n], linked_us[n], False, found, n, count)
            if wanted[n, 1]:
                count = _collect(kept, v, _IN, burst_us, now, True, found, n, count)
            if wanted[n, 2]:
                count = _collect(kept, u, _OUT, burst_us, now, True, found, n, count)
            if wanted[n, 3]:
                count = _collect(kept, u, _IN, payers_us, now, True, found, n, count)
            counts[n] = count
        word = ((position[i] + 1) << 1) | (1 if is_new[i] else 0)
        kept[v, _IN, at[v, _IN], _POSITION_AND_NEW], kept[v, _IN, at[v, _IN], _TIME] = word, now
        at[v, _IN] = (at[v, _IN] + 1) % size
        if is_new[i]:
            kept[u, _OUT, at[u, _OUT], _POSITION_AND_NEW], kept[u, _OUT, at[u, _OUT], _TIME] = word, now
            at[u, _OUT] = (at[u, _OUT] + 1) % size


class Anomalies:
    """The models of one partition, their budget, and what is remembered to name payments."""

    def __init__(self) -> None:
        self.ensemble = payment_ensemble(keys_max=KEYS_MAX, segments=SEGMENTS)
        self.budget = Budget(segments=SEGMENTS, keys_max=KEYS_MAX)
        self.days = np.zeros((SEGMENTS, BUCKETS), np.int64)
        """Account-days by segment and bucket of their best score when the thresholds in force were published."""
        self.rows = ModelRows(segments_max=SEGMENTS - 1)
        self.kept, self.at = reserved(_RINGS, np.int64), reserved((KEYS_MAX, 2), np.int32)
        self.began_us: int | None = None
        self.clock_us: int | None = None
        self.broken: str | None = None
        self._parts = [part.name.partition(": ")[::2] for part in self.ensemble.combination.parts]
        self._place = {name: number for number, (_, name) in enumerate(self._parts)}

    @property
    def flags(self) -> dict[str, str]:
        """What is frozen, and why, by model; all of it under :data:`MODEL_ID`."""
        return self.ensemble.flags | ({} if self.broken is None else {MODEL_ID: self.broken})

    @property
    def drift(self) -> tuple[Drift, ...]:
        """How far each signal and the combined score have moved, for metrics."""
        return self.ensemble.drift

    def take_freezings(self) -> list[Freezing]:
        """What drift has frozen and let go since the last question."""
        return self.ensemble.take_freezings()

    def step(
        self, batch: TransactionBatch, outcome: npt.NDArray[np.int8], profiles: ProfileTable, rates: Rates | None = None
    ) -> list[Anomaly]:
        """Score and learn the payments of a batch; what is to be raised, in the order of the log.

        Args:
            batch: Payments, as the engine admitted them.
            outcome: What admission said of each, shape (n,).
            profiles: The profiles in force.
            rates: Rates into any one currency; none are known without.
        """
        if self.broken is not None:
            return []
        try:
            return self._step(batch, outcome, profiles, rates)
        except Exception as error:  # whatever it is, the rules go on
            self.broken = f"broken: {type(error).__name__}: {error}"
            return []

    def _step(
        self, batch: TransactionBatch, outcome: npt.NDArray[np.int8], profiles: ProfileTable, rates: Rates | None
    ) -> list[Anomaly]:
        last_us = np.iinfo(np.int64).min if self.clock_us is None else self.clock_us
        rows = self.rows.take(batch, outcome, profiles, last_us)
        if not len(rows.time_us):
            return []
        if self.clock_us is None:
            self.began_us = self.clock_us = int(rows.time_us[0])
        before = self.clock_us // DAY_US
        found: list[Anomaly] = []
        for today, start, stop in runs_of_days(rows.time_us, since=before):
            if today > before:
                self._publish(today, is_half=today // HALF_LIFE_DAYS > before // HALF_LIFE_DAYS)
                before = today
            of_day = rows.slice(start, stop)
            self.rows.into_one_currency(of_day, is_counted=self._is_young(before), rates=rates)
            found += self._judge(of_day)
        self.clock_us = int(rows.time_us[-1])
        return found

    def _publish(self, today: int, *, is_half: bool) -> None:
        """Thresholds from the days before ``today``; the ensemble publishes its tails at its next row."""
        thresholds = self.budget.publish(BUDGET, today=today)
        if self._is_young(today):
            self.rows.choose_currency()
            thresholds = replace(thresholds, values=np.full(SEGMENTS, np.inf))
        self.budget.use(thresholds)
        self.days = self.budget.counts.copy()
        if is_half:
            self.budget.forget()

    def _is_young(self, today: int) -> bool:
        return self.began_us is None or today < self.began_us // DAY_US + WARM_UP_DAYS

    def _judge(self, rows: Rows) -> list[Anomaly]:
        """Score and learn the rows of one day."""
        scores = self.ensemble.score_learn_many(rows.columns(), facts=True)
        assert scores.facts is not None
        # Only customers of the bank are raised, and only their days are counted.
        key = np.where(rows.holder >= 0, rows.payer, -1)
        raised = np.flatnonzero(self.budget.decide(key, rows.time_us, rows.segment, scores.values))
        is_new = scores.facts[:, self._place[NEW_PAYEES], 0] > 0.0
        place: Int64s = np.full(len(rows.payer), -1, np.int64)
        place[raised] = np.arange(len(raised))
        why = self.ensemble.why_of(scores, rows.segment, raised)
        linked_us = self._linked_us(scores, rows, raised)
        wanted = self._wanted(why)
        named, counts = np.empty((len(raised), _WAYS * REMEMBERED), np.int64), np.zeros(len(raised), np.int64)
        _name_and_remember(
            rows.payer, rows.payee, rows.position, rows.time_us, is_new, place, wanted, linked_us, self.kept, self.at,
            named, counts,
        )  # fmt: skip
        found = []
        for n, row in enumerate(raised.tolist()):
            behind = {*named[n, : counts[n]].tolist(), int(rows.position[row])}
            found.append(
                self._anomaly(scores, why[n, :, 0], row, int(rows.of_batch[row]), int(rows.segment[row]), behind)
            )
        return found

    def _wanted(self, why: Float64s) -> npt.NDArray[np.bool_]:
        """Which parts of each anomaly raised its score, of those whose payments are named."""
        parts = [self._place[name] for name in (CARRIED_ON, NEW_PAYERS_OF_PAYEE, NEW_PAYEES, NEW_PAYERS)]
        is_above: npt.NDArray[np.bool_] = why[:, parts, 0] > 0.0
        return np.ascontiguousarray(is_above)

    def _linked_us(self, scores: EnsembleScores, rows: Rows, raised: Int64s) -> Int64s:
        """When the inflow came that is carried on: the model gives the days since."""
        assert scores.facts is not None
        days = scores.facts[raised, self._place[CARRIED_ON], 1]
        linked_us: Int64s = rows.time_us[raised] - np.rint(days * DAY_US).astype(np.int64)
        return linked_us

    def _anomaly(
        self, scores: EnsembleScores, contributions: Float64s, row: int, of_batch: int, segment: int,
        positions: set[int],
    ) -> Anomaly:  # fmt: skip
        assert scores.facts is not None
        found = [
            Contribution(model, part, family, contribution, observed, expected)
            for (model, part), family, contribution, (observed, expected) in zip(
                self._parts, (part.family for part in self.ensemble.combination.parts),
                contributions.tolist(), scores.facts[row].tolist(), strict=True,
            )
        ]  # fmt: skip
        found.sort(key=lambda each: (-each.contribution, each.part))
        score, thresholds = float(scores.values[row]), self.budget.thresholds
        own = segment if segment < len(thresholds.values) else 0
        return Anomaly(
            row=of_batch,
            score=score,
            threshold=float(thresholds.values[own]),
            tail=self._tail(own, score),
            snapshot=thresholds.version,
            has_segment=segment > 0,
            contributions=tuple(found),
            positions=tuple(sorted(positions)),
        )

    def _tail(self, segment: int, score: float) -> float:
        """The share of account-days with such a score or more, this one included, as the threshold counts them."""
        own = self.days[segment]
        own = own if own.sum() * BUDGET >= 1.0 else self.days[0]
        bucket = int(np.searchsorted(edges(), score, side="right")) - 1
        above = int(own[min(max(bucket, 0), BUCKETS - 1) :].sum())
        return float(above + 1) / (int(own.sum()) + 1)

    # State --------------------------------------------------------------------------------------------

    def save(self) -> Arrays:
        """The state as arrays; those that are mostly zero by their places."""
        header = {
            "segments": self.rows.segment_code,
            "currency": self.rows.currency,
            "began_us": self.began_us,
            "clock_us": self.clock_us,
            "broken": self.broken,
        }
        arrays: Arrays = {
            "header": np.frombuffer(json.dumps(header).encode(), np.uint8),
            "accounts": self.rows.accounts(),
            "kept": self.kept[: self.rows.count],
            "at": self.at[: self.rows.count],
            "days": self.days,
            "paid_in": self.rows.paid_in,
        }
        for name, state in (("ensemble", self.ensemble.state()), ("budget", self.budget.state())):
            arrays |= {f"{name}.{key}": array for key, array in state.as_arrays().items()}
        return {name: each for key, array in arrays.items() for name, each in _packed(key, array)}

    def load(self, saved: Arrays) -> None:
        """Take over a saved state."""
        arrays = _unpacked(saved)
        header = json.loads(arrays["header"].tobytes())
        self.broken, self.began_us, self.clock_us = header["broken"], header["began_us"], header["clock_us"]
        self.rows.restore(arrays["accounts"], header["segments"], header["currency"], arrays["paid_in"])
        self.kept, self.at = reserved(_RINGS, np.int64), reserved((KEYS_MAX, 2), np.int32)
        for ring, saved_ring in ((self.kept, arrays["kept"]), (self.at, arrays["at"])):
            ring[: len(saved_ring)] = saved_ring
        self.days = arrays["days"]
        for name, target in (("ensemble", self.ensemble), ("budget", self.budget)):
            own = {key.removeprefix(f"{name}."): a for key, a in arrays.items() if key.startswith(f"{name}.")}
            target.restore(State.from_arrays(own))


@cache
def configuration() -> str:
    """Everything that decides what is raised, as canonical JSON: models, weights, budget, limits."""
    body = {
        "id": MODEL_ID,
        "version": VERSION,
        "ensemble": payment_ensemble(keys_max=1, segments=SEGMENTS).configuration,
        "budget": BUDGET,
        "half_life_days": HALF_LIFE_DAYS,
        "warm_up_days": WARM_UP_DAYS,
        "keys_max": KEYS_MAX,
    }
    return json.dumps(body, sort_keys=True, separators=(",", ":"))


@cache
def digest() -> str:
    """SHA-256 of :func:`configuration`, hex: the digest of the source of alerts."""
    return sha256(configuration().encode()).hexdigest()


def _packed(name: str, array: npt.NDArray[Any]) -> Sequence[tuple[str, npt.NDArray[Any]]]:
    """The array under its name or, of a large one that is mostly zero, its shape, and places and values of the rest."""
    if array.size < _DENSE_MIN or 2 * np.count_nonzero(array) > array.size:
        return [(name, array)]
    flat = array.reshape(-1)
    places = np.flatnonzero(flat)
    shape = np.array(array.shape, np.int64)
    return [(f"{name}|shape", shape), (f"{name}|places", places), (f"{name}|values", flat[places])]


def _unpacked(saved: Arrays) -> Arrays:
    arrays: Arrays = {}
    for key, array in saved.items():
        name, _, part = key.partition("|")
        if not part:
            arrays[name] = np.array(array)
        elif part == "values":
            flat = np.zeros(int(saved[f"{name}|shape"].prod()), array.dtype)
            flat[saved[f"{name}|places"]] = array
            arrays[name] = flat.reshape(saved[f"{name}|shape"])
    return arrays
