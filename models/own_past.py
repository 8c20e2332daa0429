"""How far a payment is from its own customer's past: amount, rate, silence, channels, corridors, and slow change.

Each key has exponentially weighted memories that are robust: a value far out moves mean and spread only as far as a
value at the edge of the usual would, so that one large payment neither widens nor shifts what is usual. Young
memories weight each value alike (1/n) until n reaches the memory's length. Parts, each a signed addend:

- *amount*: ``|z| - E|z|`` of the logarithm of the amount; *silence*: the same for a gap longer than usual, and only
that.
- *rate*: decayed counts of a day against those of a month, on the square-root scale that steadies Poisson counts.
- *channel*, *corridor*: ``-ln`` of the share this one had among the last ones, less its usual value for this customer.
- *amount shift*, *rate shift*: cumulated sums of z less an allowance, so that a slow change of level adds up while no
  single payment is far out.

Which rows belong together is the caller's choice: incoming and outgoing payments should be two keys. A key is ready
after ``EVENTS_MIN`` rows.

Sources: Gelper, S., Fried, R. & Croux, C. (2010), "Robust forecasting with exponential and Holt-Winters smoothing",
J. Forecasting 29; Page, E. S. (1954), "Continuous inspection schemes", Biometrika 41; Anscombe, F. J. (1948), "The
transformation of Poisson, binomial and negative-binomial data", Biometrika 35.
"""

from collections.abc import Mapping
from math import exp, log, sqrt
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from models.column_model import Arrays, ColumnModel, longer, room_for
from models.compiled import inlined, kernel, prefetch
from models.contract import DAY_US, Bools, Family, Float64s, Input, Int64s, Kind, Limit, Part

EVENTS_MIN = 10
MEMORY_EVENTS = 50.0
"""About how many rows mean and spread remember."""

_FAR = 2.5
_Z_MAX = 12.0
_MEAN_ABS_Z = 0.7978845608
_MEAN_POSITIVE_Z = 0.3989422804
_ALLOWANCE = 0.5
_CUSUM_SCALE = 5.0
_CUSUM_Z_MAX = 3.0
_SPREAD_AMOUNT_MIN, _SPREAD_GAP_MIN = 0.1, 0.3
_FAST_US, _SLOW_US = float(DAY_US), 30.0 * DAY_US
_SLOTS = 8
"""Channels, and corridors, told apart per key; a code beyond shares a place with another."""
_SHARE_FLOOR = 0.01

_EVENTS, _LAST_US, _FIRST_US, _FAST, _SLOW = range(5)
_AMOUNTS, _AMOUNT, _SPREAD, _AMOUNT_UP, _AMOUNT_DOWN = range(5, 10)
_GAPS, _GAP, _GAP_SPREAD, _RATE_UP, _RATE_DOWN = range(10, 15)
_CHANNEL_USUAL, _CORRIDOR_USUAL = 15, 16
_WIDTH = 17
Float32s = npt.NDArray[np.float32]


@inlined
def _remember(state: Float64s, count: int, value: float, spread_min: float) -> float:
    """Take ``value`` into count, mean, spread, sums up and down at ``count``; returns how far it was from before."""
    n = state[count]
    state[count] = n + 1.0
    if n == 0.0:
        state[count + 1], state[count + 2] = value, 4.0 * spread_min
        return 0.0
    spread = max(state[count + 2], spread_min)
    z = (value - state[count + 1]) / spread
    near = min(max(z, -_FAR), _FAR)
    weight = max(1.0 / (n + 1.0), 1.0 / MEMORY_EVENTS)
    state[count + 1] += weight * near * spread
    # The mean of |z| is 0.8 for a normal variable: the spread is then its standard deviation.
    state[count + 2] += weight * (abs(near) / _MEAN_ABS_Z - 1.0) * spread
    if n >= EVENTS_MIN:
        step = min(max(z, -_CUSUM_Z_MAX), _CUSUM_Z_MAX)
        state[count + 3] = max(0.0, state[count + 3] + step - _ALLOWANCE)
        state[count + 4] = max(0.0, state[count + 4] - step - _ALLOWANCE)
    return z


@inlined
def _share(shares: Float32s, code: int) -> float:
    return max(float(shares[code % _SLOTS]), _SHARE_FLOOR)


@inlined
def _mix_in(shares: Float32s, code: int, events: float) -> None:
    weight = max(1.0 / (events + 1.0), 1.0 / MEMORY_EVENTS)
    for slot in range(_SLOTS):
        shares[slot] -= weight * shares[slot]
    shares[code % _SLOTS] += weight


@inlined
def _tell(why: Float64s, i: int, part: int, contribution: float, observed: float, expected: float) -> float:
    if len(why):
        why[i, part, 0], why[i, part, 1], why[i, part, 2] = contribution, observed, expected
    return contribution


@inlined
def _distance(value: float, state: Float64s, count: int, spread_min: float) -> float:
    z = (value - state[count + 1]) / max(state[count + 2], spread_min)
    return min(max(z, -_Z_MAX), _Z_MAX)


@kernel
def _judge_and_learn(
    key: Int64s,
    time_us: Int64s,
    amount_log: Float64s,
    channel: Int64s,
    corridor: Int64s,
    states: Float64s,
    shares: Float32s,
    values: Float64s,
    ready: Bools,
    why: Float64s,
    learn: bool,
) -> None:
    for i in range(len(key)):
        if i + 8 < len(key) and 0 <= key[i + 8] < len(states):
            prefetch(states, key[i + 8] * _WIDTH)
            prefetch(states, key[i + 8] * _WIDTH + 8)
        row = key[i]
        if not 0 <= row < len(states):
            continue
        state, channels, corridors = states[row], shares[row, 0], shares[row, 1]
        events = state[_EVENTS]
        passed = max(time_us[i] - state[_LAST_US], 0.0) if events > 0 else 0.0
        gap_log = log(1.0 + passed / 1e6)
        fast = state[_FAST] * exp(-passed / _FAST_US)
        slow = state[_SLOW] * exp(-passed / _SLOW_US)
        if events >= EVENTS_MIN:
            total = 0.0
            if amount_log[i] == amount_log[i] and state[_AMOUNTS] >= EVENTS_MIN:
                z = _distance(amount_log[i], state, _AMOUNTS, _SPREAD_AMOUNT_MIN)
                total += _tell(why, i, 0, abs(z) - _MEAN_ABS_Z, amount_log[i], state[_AMOUNT])
                up, down = state[_AMOUNT_UP], state[_AMOUNT_DOWN]
                total += _tell(why, i, 5, max(up, down) / _CUSUM_SCALE, up - down, 0.0)
            # What the slow memory has filled of its length so far makes young keys comparable.
            filled = 1.0 - exp(-max(time_us[i] - state[_FIRST_US], _FAST_US) / _SLOW_US)
            expected = slow / filled * (_FAST_US / _SLOW_US)
            z = 2.0 * (sqrt(fast + 1.0 + 0.375) - sqrt(expected + 1.0 + 0.375))
            z = min(max(z, -_Z_MAX), _Z_MAX)
            total += _tell(why, i, 1, max(z, 0.0) - _MEAN_POSITIVE_Z, fast + 1.0, expected + 1.0)
            z = _distance(gap_log, state, _GAPS, _SPREAD_GAP_MIN)
            total += _tell(why, i, 2, max(z, 0.0) - _MEAN_POSITIVE_Z, gap_log, state[_GAP])
            up, down = state[_RATE_UP], state[_RATE_DOWN]
            total += _tell(why, i, 6, max(up, down) / _CUSUM_SCALE, down - up, 0.0)
            if channel[i] >= 0:
                surprise = -log(_share(channels, channel[i]))
                usual = state[_CHANNEL_USUAL]
                total += _tell(why, i, 3, surprise - usual, _share(channels, channel[i]), exp(-usual))
            if corridor[i] >= 0:
                surprise = -log(_share(corridors, corridor[i]))
                usual = state[_CORRIDOR_USUAL]
                total += _tell(why, i, 4, surprise - usual, _share(corridors, corridor[i]), exp(-usual))
            values[i], ready[i] = total, True
        if not learn:
            continue
        weight = max(1.0 / (events + 1.0), 1.0 / MEMORY_EVENTS)
        if channel[i] >= 0:
            state[_CHANNEL_USUAL] += weight * (-log(_share(channels, channel[i])) - state[_CHANNEL_USUAL])
            _mix_in(channels, channel[i], events)
        if corridor[i] >= 0:
            state[_CORRIDOR_USUAL] += weight * (-log(_share(corridors, corridor[i])) - state[_CORRIDOR_USUAL])
            _mix_in(corridors, corridor[i], events)
        if amount_log[i] == amount_log[i]:
            _remember(state, _AMOUNTS, amount_log[i], _SPREAD_AMOUNT_MIN)
        if events > 0:
            _remember(state, _GAPS, gap_log, _SPREAD_GAP_MIN)
        else:
            state[_FIRST_US] = time_us[i]
        state[_FAST], state[_SLOW] = fast + 1.0, slow + 1.0
        state[_LAST_US] = max(float(time_us[i]), state[_LAST_US])
        state[_EVENTS] = events + 1.0


class OwnPast(ColumnModel):
    """Deviation from a key's own past.

    Args:
        keys_max: Rows of keys that are remembered; keys beyond are never ready. 200 bytes each.

    Columns: ``key`` a dense row, ``time_us``, ``amount_log`` the natural logarithm of the amount, ``channel`` and
    ``corridor`` as small codes.

    Weak spots: a customer who has always been unusual is usual here; who changes slowly enough below half a spread
    per payment teaches the model; nothing is said about the first ``EVENTS_MIN`` payments.
    """

    id: ClassVar[str] = "own-past"
    version: ClassVar[int] = 1
    inputs = (
        Input("key", Kind.CODE),
        Input("time_us", Kind.TIME, "us"),
        Input("amount_log", unit="ln amount", family=Family.AMOUNT),
        Input("channel", Kind.CODE, family=Family.CHANNEL),
        Input("corridor", Kind.CODE, family=Family.GEOGRAPHY),
    )
    parts = (
        Part("amount", Family.AMOUNT, "ln amount"),
        Part("rate", Family.RATE, "payments in a day"),
        Part("silence", Family.TIME, "ln seconds"),
        Part("channel", Family.CHANNEL, "share"),
        Part("corridor", Family.GEOGRAPHY, "share"),
        Part("amount shift", Family.AMOUNT, "spreads"),
        Part("rate shift", Family.RATE, "spreads"),
    )

    def __init__(self, *, keys_max: int = 1 << 20) -> None:
        self._keys_max = keys_max
        self._states = np.zeros((min(1024, keys_max), _WIDTH))
        self._shares = np.zeros((min(1024, keys_max), 2, _SLOTS), np.float32)
        self.limit = Limit(keys_max * (_WIDTH * 8 + 2 * _SLOTS * 4), "keys beyond the limit are never ready")

    def _run(self, columns: Arrays, values: Float64s, ready: Bools, why: Float64s, learn: bool) -> None:
        rows = room_for(len(self._states), columns["key"], keys_max=self._keys_max) if learn else len(self._states)
        if rows > len(self._states):
            self._states, self._shares = longer(self._states, rows), longer(self._shares, rows)
        _judge_and_learn(
            columns["key"], columns["time_us"], columns["amount_log"], columns["channel"], columns["corridor"],
            self._states, self._shares, values, ready, why, learn,
        )  # fmt: skip

    def _settings(self) -> dict[str, Any]:
        return {"keys_max": self._keys_max}

    def _arrays(self) -> Arrays:
        return {"states": self._states, "shares": self._shares}

    def _take(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        self._states, self._shares = arrays["states"], arrays["shares"]
