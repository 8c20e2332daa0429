"""Measures of a payment for its payer and its payee, from the state before it: what a learner with labels is given.

One pass: each payment is measured by what came before it, and then counted. To the evidence of
:mod:`models.new_edges`, read from its reasons, come for the payer and the payee, each for money in and out:

- counts of payments and of first-ever counterparties, and the balance of money, each faded over 2, 8 and 32 days;
- first-ever counterparties of late against the account's own rate, the share of them, payments a day;
- days since the last payment, age (up to 90 days), how much amounts of 8 days differ, the channel's share;
- the amount against the account's own past;

and of the payment itself: the amount, against its channel too, the channel, how often the two accounts dealt with each
other in either direction, and what the last ``remembered`` payments of both say about money carried on: the inflow
that is nearest in amount, inflows of about the amount, links of first-ever payments that each carry money on, whether
they lead back to where they began, money that comes back, payers that share their source, equal amounts in a burst, and
how many new counterparties those before and behind had.

Nothing tells the calendar or the clock: an account that never paid has no days since it did. Amounts are compared as
logarithms; leave off what the source's generator may give away (say cents) before they come here.

A fade of ``T`` days counts a payment ``t`` days old as ``exp(-t / T)``. Times that go back count as now.

Source of faded counts: Cormode, G., Shkapenyuk, V., Srivastava, D. & Xu, B. (2009), "Forward decay: a practical time
decay model for streaming systems", ICDE.
"""

from math import exp, log, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from models.column_model import Arrays, longer, room_for
from models.compiled import inlined, kernel
from models.contract import (
    DAY_US,
    FORMAT,
    Columns,
    Family,
    Float64s,
    Input,
    Int64s,
    Limit,
    State,
    StateError,
)
from models.new_edges import NewEdges
from models.new_edges_state import CHANNELS
from models.seen import Counters, counters_of, hashed, new_counters, see, times_seen, turn

Float32s = npt.NDArray[np.float32]
Int32s = npt.NDArray[np.int32]
FADES_DAYS = (2.0, 8.0, 32.0)
AGE_MAX_DAYS = 90.0
HOPS_MAX = 20.0
_FADES = len(FADES_DAYS)
_MIDDLE = 1
_FADE_OF_SPREAD = FADES_DAYS[_MIDDLE]
_HABIT_ROWS = 30.0
_CHANNEL_ROWS = 2000.0
_REACH_DAYS, _NEAR_DAYS, _LINK_DAYS = 30.0, 8.0, 10.0
_LINK_LOW, _LINK_HIGH, _ABOUT = -0.2877, 1e-3, 0.1
_VARIANCE_MIN = 0.05
_IN, _OUT = 0, 1
_COUNT, _NEW, _MONEY = range(3)
_KNOWN, _SUM, _SQUARES = range(3)
_ROWS, _FIRSTS, _AMOUNTS, _MEAN, _VARIANCE = range(5)
_AT_IN, _AT_OUT, _SOURCE = range(3)
_BEGAN, _LAST_IN, _LAST_OUT = range(3)
_AMOUNT, _IS_NEW, _HOPS, _FAN_OUT, _FAN_IN = range(5)
_OTHER, _ORIGIN, _FROM = range(3)
_TIME, _SINCE = range(2)
_ALL, _GENERATION = range(2)


@inlined
def _days(now, then):
    return max(now - then, 0) / (1.0 * DAY_US)


@inlined
def _spread(sums, keep):
    """Standard deviation of faded logarithms of amounts; NaN for fewer than about two."""
    known = sums[_KNOWN] * keep
    if known < 1.5:
        return np.nan
    mean = sums[_SUM] / sums[_KNOWN]
    return sqrt(max(sums[_SQUARES] / sums[_KNOWN] - mean * mean, 0.0))


@inlined
def _against(amount, mean, variance, amounts):
    """How many standard deviations an amount is above a habit; NaN without one."""
    return (amount - mean) / sqrt(max(variance, _VARIANCE_MIN)) if amounts > 0.0 else np.nan


@inlined
def _measure_side(a, now, c, amount, side, faded, spread, life, by_channel, when, row, k):
    """The measures of one account; ``side`` is ``_OUT`` for the payer and ``_IN`` for the payee."""
    age = _days(now, when[a, _BEGAN]) if when[a, _BEGAN] != 0 else 0.0
    for d in range(2):
        last = when[a, _LAST_IN + d]
        gap = _days(now, last) if last != 0 else 0.0
        rows, firsts = life[a, d, _ROWS], life[a, d, _FIRSTS]
        for f in range(_FADES):
            keep = exp(-gap / FADES_DAYS[f])
            row[k] = log(1.0 + faded[a, d, f, _COUNT] * keep)
            row[k + 1] = log(1.0 + faded[a, d, f, _NEW] * keep)
            k += 2
        recent = faded[a, d, _MIDDLE, _NEW] * exp(-gap / FADES_DAYS[_MIDDLE])
        row[k] = log((recent + 1.0) / (firsts / (age + 1.0) * FADES_DAYS[_MIDDLE] + 1.0))
        row[k + 1] = firsts / rows if rows > 0.0 else np.nan
        row[k + 2] = log((rows + 1.0) / (age + 1.0))
        row[k + 3] = gap if last != 0 else np.nan
        row[k + 4] = _spread(spread[a, d], exp(-gap / _FADE_OF_SPREAD))
        row[k + 5] = _against(amount, life[a, d, _MEAN], life[a, d, _VARIANCE], life[a, d, _AMOUNTS])
        k += 6
    for f in range(_FADES):
        money_in = faded[a, _IN, f, _MONEY]
        money_out = faded[a, _OUT, f, _MONEY]
        if money_in > 0.0:
            money_in *= exp(-_days(now, when[a, _LAST_IN]) / FADES_DAYS[f])
        if money_out > 0.0:
            money_out *= exp(-_days(now, when[a, _LAST_OUT]) / FADES_DAYS[f])
        here = exp(amount)
        row[k] = log(((money_out if side == _IN else money_out + here) + 1.0) / (money_in + 1.0))
        k += 1
    row[k] = by_channel[a, side, c] / life[a, side, _ROWS] if life[a, side, _ROWS] > 0.0 else np.nan
    row[k + 1] = min(age, AGE_MAX_DAYS)
    return k + 2


@inlined
def _count_in(a, d, now, amount, is_new, gap_us, faded, spread, life, by_channel, when, c):
    """Count one payment for one account and direction."""
    for f in range(_FADES):
        keep = exp(-gap_us / (1.0 * DAY_US) / FADES_DAYS[f])
        faded[a, d, f, _COUNT] = faded[a, d, f, _COUNT] * keep + 1.0
        faded[a, d, f, _NEW] = faded[a, d, f, _NEW] * keep + (1.0 if is_new else 0.0)
        faded[a, d, f, _MONEY] *= keep
        if amount == amount:
            faded[a, d, f, _MONEY] += exp(amount)
    keep = exp(-gap_us / (1.0 * DAY_US) / _FADE_OF_SPREAD)
    for s in range(3):
        spread[a, d, s] *= keep
    life[a, d, _FIRSTS] += 1.0 if is_new else 0.0
    by_channel[a, d, c] += 1.0
    life[a, d, _ROWS] += 1.0
    if amount == amount:
        spread[a, d, _KNOWN] += 1.0
        spread[a, d, _SUM] += amount
        spread[a, d, _SQUARES] += amount * amount
        life[a, d, _AMOUNTS] += 1.0
        length = min(life[a, d, _AMOUNTS], _HABIT_ROWS)
        off = amount - life[a, d, _MEAN]
        life[a, d, _MEAN] += off / length
        if life[a, d, _AMOUNTS] > 1.0:
            life[a, d, _VARIANCE] += (off * off - life[a, d, _VARIANCE]) / length
    if when[a, _BEGAN] == 0:
        when[a, _BEGAN] = now
    when[a, _LAST_IN + d] = max(now, when[a, _LAST_IN + d])


@kernel
def _measure_and_count(
    payer: Int64s,
    payee: Int64s,
    time_us: Int64s,
    amount_log: Float64s,
    channel: Int64s,
    faded: Float64s,
    spread: Float64s,
    life: Float64s,
    by_channel: Float32s,
    when: Int64s,
    marks: Int64s,
    ring_times: Int64s,
    ring_codes: Int32s,
    ring_numbers: Float64s,
    everyone: Float64s,
    counters: Counters,
    clock: Int64s,
    generation_us: int,
    first: int,
    measures: Float32s,
    learn: bool,
) -> None:
    """``faded`` (keys, 2, fades, 3), ``spread`` (keys, 2, 3), ``life`` (keys, 2, 5), ``by_channel`` (keys, 2,
    channels), ``when`` and ``marks`` (keys, 3), ``ring_*`` (keys, 2, K, ...); own measures begin in column ``first``.
    """
    size = ring_times.shape[2]
    for i in range(len(payer)):
        u, v, c = payer[i], payee[i], channel[i] % CHANNELS
        if not (0 <= u < len(marks) and 0 <= v < len(marks)) or u == v:
            continue
        now, amount = max(time_us[i], 1), amount_log[i]
        if learn and now // generation_us > clock[_GENERATION]:
            if clock[_ALL] > 0:
                turn(counters)
            clock[_GENERATION] = now // generation_us
        item = hashed(0, u, v)
        times, back_times = times_seen(counters, item), times_seen(counters, hashed(0, v, u))
        is_new = times == 0
        row, k = measures[i], first
        k = _measure_side(u, now, c, amount, _OUT, faded, spread, life, by_channel, when, row, k)
        k = _measure_side(v, now, c, amount, _IN, faded, spread, life, by_channel, when, row, k)
        row[k], row[k + 1] = amount, _against(amount, everyone[c, 1], everyone[c, 2], everyone[c, 0])
        row[k + 2] = c
        row[k + 3], row[k + 4] = log(1.0 + times), log(1.0 + back_times)
        k += 5
        # What the payer got lately, the latest first.
        nearest, nearest_days, about, hops, origin, since = np.nan, np.nan, 0.0, 0.0, u, now
        back_days, back_share, fans, inflows = np.nan, np.nan, 0.0, 0.0
        for back in range(size):
            place = (marks[u, _AT_IN] - 1 - back) % size
            then = ring_times[u, _IN, place, _TIME]
            if then == 0 or _days(now, then) > _REACH_DAYS:
                break
            days, share = _days(now, then), amount - ring_numbers[u, _IN, place, _AMOUNT]
            if share == share and not abs(nearest) <= abs(share):
                nearest, nearest_days = share, days
            fans += ring_numbers[u, _IN, place, _FAN_OUT]
            inflows += 1.0
            if ring_codes[u, _IN, place, _OTHER] == v and back_days != back_days:
                back_days, back_share = days, share
            if _LINK_LOW <= share <= _LINK_HIGH and days <= _LINK_DAYS:
                about += 1.0
                if ring_numbers[u, _IN, place, _IS_NEW] > 0.0 and ring_numbers[u, _IN, place, _HOPS] + 1.0 > hops:
                    hops = min(ring_numbers[u, _IN, place, _HOPS] + 1.0, HOPS_MAX)
                    origin, since = ring_codes[u, _IN, place, _ORIGIN], ring_times[u, _IN, place, _SINCE]
        row[k], row[k + 1], row[k + 2] = nearest, nearest_days, log(1.0 + about)
        row[k + 3], row[k + 4] = hops, _days(now, since) if hops > 0.0 else np.nan
        row[k + 5] = 1.0 if hops > 0.0 and origin == v else 0.0
        row[k + 6], row[k + 7] = back_days, back_share
        row[k + 8] = fans / inflows if inflows > 0.0 else np.nan
        k += 9
        # What the payer paid lately.
        alike, fans, outflows = 0.0, 0.0, 0.0
        for back in range(size):
            place = (marks[u, _AT_OUT] - 1 - back) % size
            then = ring_times[u, _OUT, place, _TIME]
            if then == 0 or _days(now, then) > _NEAR_DAYS:
                break
            if abs(amount - ring_numbers[u, _OUT, place, _AMOUNT]) <= _ABOUT:
                alike += 1.0
            fans += ring_numbers[u, _OUT, place, _FAN_IN]
            outflows += 1.0
        row[k], row[k + 1] = log(1.0 + alike), fans / outflows if outflows > 0.0 else np.nan
        k += 2
        # What the payee got lately.
        alike, fans, ins, inflows, common = 0.0, 0.0, 0.0, 0.0, 0.0
        source = marks[u, _SOURCE]
        for back in range(size):
            place = (marks[v, _AT_IN] - 1 - back) % size
            then = ring_times[v, _IN, place, _TIME]
            if then == 0 or _days(now, then) > _REACH_DAYS:
                break
            other = ring_codes[v, _IN, place, _OTHER]
            if other != u and source != 0 and ring_codes[v, _IN, place, _FROM] == source:
                common += 1.0
            if _days(now, then) <= _NEAR_DAYS:
                if abs(amount - ring_numbers[v, _IN, place, _AMOUNT]) <= _ABOUT:
                    alike += 1.0
                fans += ring_numbers[v, _IN, place, _FAN_OUT]
                ins += ring_numbers[v, _IN, place, _FAN_IN]
                inflows += 1.0
        row[k], row[k + 1] = log(1.0 + alike), log(1.0 + common)
        row[k + 2] = fans / inflows if inflows > 0.0 else np.nan
        row[k + 3] = ins / inflows if inflows > 0.0 else np.nan
        if not learn:
            continue
        clock[_ALL] += 1
        fade = FADES_DAYS[_MIDDLE]
        out_of_payer = faded[u, _OUT, _MIDDLE, _NEW] * exp(-_days(now, max(when[u, _LAST_OUT], 1)) / fade)
        into_payer = faded[u, _IN, _MIDDLE, _NEW] * exp(-_days(now, max(when[u, _LAST_IN], 1)) / fade)
        into_payee = faded[v, _IN, _MIDDLE, _NEW] * exp(-_days(now, max(when[v, _LAST_IN], 1)) / fade)
        place = marks[v, _AT_IN]
        marks[v, _AT_IN] = (place + 1) % size
        ring_times[v, _IN, place, _TIME], ring_times[v, _IN, place, _SINCE] = now, since
        ring_codes[v, _IN, place, _OTHER], ring_codes[v, _IN, place, _ORIGIN] = u, origin
        ring_codes[v, _IN, place, _FROM] = source
        ring_numbers[v, _IN, place, _AMOUNT], ring_numbers[v, _IN, place, _IS_NEW] = amount, 1.0 if is_new else 0.0
        ring_numbers[v, _IN, place, _HOPS] = hops
        ring_numbers[v, _IN, place, _FAN_OUT], ring_numbers[v, _IN, place, _FAN_IN] = out_of_payer, into_payer
        place = marks[u, _AT_OUT]
        marks[u, _AT_OUT] = (place + 1) % size
        ring_times[u, _OUT, place, _TIME], ring_numbers[u, _OUT, place, _AMOUNT] = now, amount
        ring_numbers[u, _OUT, place, _FAN_IN] = into_payee
        if is_new:
            marks[v, _SOURCE] = u + 1
        gap = max(now - when[u, _LAST_OUT], 0) if when[u, _LAST_OUT] != 0 else 0
        _count_in(u, _OUT, now, amount, is_new, gap, faded, spread, life, by_channel, when, c)
        gap = max(now - when[v, _LAST_IN], 0) if when[v, _LAST_IN] != 0 else 0
        _count_in(v, _IN, now, amount, is_new, gap, faded, spread, life, by_channel, when, c)
        if amount == amount:
            everyone[c, 0] += 1.0
            off, length = amount - everyone[c, 1], min(everyone[c, 0], _CHANNEL_ROWS)
            everyone[c, 1] += off / length
            if everyone[c, 0] > 1.0:
                everyone[c, 2] += (off * off - everyone[c, 2]) / length
        see(counters, item)


def _of_side(side: str) -> list[Input]:
    people, rate, flow = Family.COUNTERPARTIES, Family.RATE, Family.FLOW
    found = []
    for way, others in (("in", "payers"), ("out", "payees")):
        for fade in FADES_DAYS:
            found += [
                Input(f"{side}: payments {way}, {fade:g} days", unit="ln (1 + faded count)", family=rate),
                Input(f"{side}: new {others}, {fade:g} days", unit="ln (1 + faded count)", family=people),
            ]
        found += [
            Input(f"{side}: new {others} against its own rate", unit="ln ratio", family=people),
            Input(f"{side}: share of payments {way} with new {others}", unit="share", family=people),
            Input(f"{side}: payments {way} a day", unit="ln (1 + count) / (1 + days)", family=rate),
            Input(f"{side}: days since the last payment {way}", unit="days", family=Family.TIME),
            Input(f"{side}: spread of amounts {way}", unit="standard deviation of ln", family=Family.AMOUNT),
            Input(f"{side}: amount against its payments {way}", unit="standard deviations of ln", family=Family.AMOUNT),
        ]
    found += [
        Input(f"{side}: money out against in, {fade:g} days", unit="ln ratio", family=flow) for fade in FADES_DAYS
    ]
    return [
        *found,
        Input(f"{side}: the channel's share", unit="share", family=Family.CHANNEL),
        Input(f"{side}: age", unit=f"days, at most {AGE_MAX_DAYS:g}", family=Family.TIME),
    ]


def _of_new_edges() -> list[tuple[int, int, Input]]:
    """What is taken from the reasons of new edges: the part, which of its three numbers, and the measure."""
    found = []
    for number, part in enumerate(NewEdges.parts):
        if part.name == "silence":
            continue  # Its value for an account that never paid tells the calendar.
        numbers = ["evidence", "observed"] if part.name == "shared payees" else ["evidence", "observed", "expected"]
        for place, word in enumerate(numbers):
            found.append((number, place, Input(f"{part.name}: {word}", unit=part.unit, family=part.family)))
    return found


_EDGES = _of_new_edges()
MEASURES: tuple[Input, ...] = (
    *(each for _, _, each in _EDGES),
    *_of_side("payer"),
    *_of_side("payee"),
    Input("amount", unit="ln amount", family=Family.AMOUNT),
    Input("amount against the channel", unit="standard deviations of ln", family=Family.AMOUNT),
    Input("channel", unit="code", family=Family.CHANNEL),
    Input("earlier payments between the two", unit="ln (1 + count)", family=Family.COUNTERPARTIES),
    Input("earlier payments the other way", unit="ln (1 + count)", family=Family.COUNTERPARTIES),
    Input("against the nearest inflow", unit="ln ratio", family=Family.FLOW),
    Input("days since the nearest inflow", unit="days", family=Family.FLOW),
    Input("inflows of about the amount", unit="ln (1 + count)", family=Family.FLOW),
    Input("links of money carried on", unit="count", family=Family.FLOW),
    Input("days since the links began", unit="days", family=Family.FLOW),
    Input("back at the origin", unit="0 or 1", family=Family.FLOW),
    Input("days since the payee paid the payer", unit="days", family=Family.FLOW),
    Input("against what the payee paid", unit="ln ratio", family=Family.FLOW),
    Input("new payees of those who paid the payer", unit="faded count", family=Family.COUNTERPARTIES),
    Input("equal amounts of the payer", unit="ln (1 + count)", family=Family.AMOUNT),
    Input("new payers of the payer's payees", unit="faded count", family=Family.COUNTERPARTIES),
    Input("equal amounts to the payee", unit="ln (1 + count)", family=Family.AMOUNT),
    Input("payers of the payee with the payer's source", unit="ln (1 + count)", family=Family.FLOW),
    Input("new payees of those who paid the payee", unit="faded count", family=Family.COUNTERPARTIES),
    Input("new payers of those who paid the payee", unit="faded count", family=Family.COUNTERPARTIES),
)
"""The measures in the order of their columns."""


class PaymentMeasures:
    """Measures payments, each by what came before it.

    Args:
        keys_max: Accounts that are remembered; payments of others have no measure.
        remembered: Payments remembered per account and direction.
        log2_blocks: Memory for pairs of accounts (:mod:`models.seen`), here and in new edges.
        generation_us: After how long the former generation of pairs is forgotten.

    Columns: those of :class:`models.new_edges.NewEdges`.
    """

    inputs = NewEdges.inputs
    measures = MEASURES

    def __init__(
        self,
        *,
        keys_max: int = 1 << 20,
        remembered: int = 24,
        log2_blocks: int = 18,
        generation_us: int = 365 * DAY_US,
    ) -> None:
        self._keys_max, self._remembered, self._generation_us = keys_max, remembered, generation_us
        self._edges = NewEdges(
            keys_max=keys_max, remembered=remembered, log2_blocks=log2_blocks, generation_us=generation_us
        )
        self._counters = new_counters(log2_blocks)
        self._everyone = np.zeros((CHANNELS, 3))
        self._clock = np.zeros(2, np.int64)
        self._by_key = _rows_of_keys(min(1024, keys_max), remembered)
        per_key = sum(array.nbytes for array in _rows_of_keys(1, remembered).values())
        fixed = self._counters.nbytes + self._everyone.nbytes + self._clock.nbytes
        self.limit = Limit(
            self._edges.limit.bytes_max + fixed + keys_max * per_key,
            "payments of accounts beyond the limit have no measure",
        )

    def measure_many(self, columns: Columns) -> Float32s:
        """Measure n payments, each by the present state; changes nothing. Shape (n, measures)."""
        return self._pass(columns, learn=False)

    def measure_learn_many(self, columns: Columns) -> Float32s:
        """Measure each payment by what came before it, then count it.

        Returns:
            Shape (n, measures), NaN where a measure is unknown; all are for a payment to oneself, or of an account
            beyond the limit.
        """
        return self._pass(columns, learn=True)

    def bytes_used(self) -> int:
        """How much memory the state takes now."""
        return self._edges.bytes_used() + sum(array.nbytes for array in self._arrays().values())

    def state(self) -> State:
        """What ``restore`` needs; the arrays are copies."""
        edges = self._edges.state()
        arrays = {name: array.copy() for name, array in self._arrays().items()}
        arrays |= {f"edges.{name}": array for name, array in edges.arrays.items()}
        return State({**self._header(), "edges": dict(edges.header)}, arrays)

    def restore(self, state: State) -> None:
        """Take over a saved state.

        Raises:
            StateError: It is of other settings, or not of payment measures.
        """
        for name, value in self._header().items():
            if state.header.get(name) != value:
                raise StateError(
                    f"payment measures: the saved state has {name} {state.header.get(name)!r}, these have {value!r}. "
                    "Restore it into measures made alike, or learn from the history again."
                )
        missing = sorted(set(self._arrays()) - set(state.arrays))
        if missing:
            raise StateError(f"payment measures: the saved state lacks {', '.join(missing)}. Learn again.")
        edges = {key.removeprefix("edges."): a for key, a in state.arrays.items() if key.startswith("edges.")}
        self._edges.restore(State(state.header["edges"], edges))
        taken = {name: np.array(state.arrays[name]) for name in self._arrays()}
        taken["counters"] = counters_of(taken["counters"])
        self._counters, self._everyone, self._clock = (taken.pop(name) for name in ("counters", "everyone", "clock"))
        self._by_key = taken

    def _pass(self, columns: Columns, *, learn: bool) -> Float32s:
        scores = (self._edges.score_learn_many if learn else self._edges.score_many)(columns, why=True)
        assert scores.why is not None
        measures = np.full((len(scores), len(MEASURES)), np.nan, np.float32)
        weights = np.array(NewEdges.weights)
        for column, (part, place, _) in enumerate(_EDGES):
            measures[:, column] = scores.why[:, part, place] / (weights[part] if place == 0 else 1.0)
        measures[~scores.ready, : len(_EDGES)] = np.nan
        payer, payee = (np.ascontiguousarray(columns[name]) for name in ("payer", "payee"))
        kept = self._by_key
        rows = room_for(len(kept["marks"]), payer, payee, keys_max=self._keys_max)
        if rows > len(kept["marks"]):
            # Empty rows change no measure; of accounts that were only measured they are not state.
            self._by_key = {name: longer(array, rows) for name, array in kept.items()}
        by_key = self._by_key
        _measure_and_count(
            payer, payee, *(np.ascontiguousarray(columns[name]) for name in ("time_us", "amount_log", "channel")),
            by_key["faded"], by_key["spread"], by_key["life"], by_key["by_channel"], by_key["when"], by_key["marks"],
            by_key["ring_times"], by_key["ring_codes"], by_key["ring_numbers"], self._everyone, self._counters,
            self._clock, self._generation_us, len(_EDGES), measures, learn,
        )  # fmt: skip
        if not learn:
            self._by_key = kept
        return measures

    def _header(self) -> dict[str, Any]:
        settings = {
            "keys_max": self._keys_max,
            "remembered": self._remembered,
            "blocks": len(self._counters),
            "generation_us": self._generation_us,
        }
        return {"measures": "payment", "format": FORMAT, "settings": settings}

    def _arrays(self) -> Arrays:
        return {**self._by_key, "counters": self._counters, "everyone": self._everyone, "clock": self._clock}


def _rows_of_keys(rows: int, remembered: int) -> Arrays:
    """The state by account: all zeros for one that was never seen."""
    return {
        "faded": np.zeros((rows, 2, _FADES, 3)),
        "spread": np.zeros((rows, 2, 3)),
        "life": np.zeros((rows, 2, 5)),
        "by_channel": np.zeros((rows, 2, CHANNELS), np.float32),
        "when": np.zeros((rows, 3), np.int64),
        "marks": np.zeros((rows, 3), np.int64),
        "ring_times": np.zeros((rows, 2, remembered, 2), np.int64),
        "ring_codes": np.zeros((rows, 2, remembered, 3), np.int32),
        "ring_numbers": np.zeros((rows, 2, remembered, 5)),
    }
