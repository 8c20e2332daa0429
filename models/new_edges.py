"""Payments that are the first ever between their two accounts: bursts of them, and money that is carried on.

In each public generator of labelled laundering more than nine in ten laundering rows are the first between their two
accounts. So each account keeps its last ``remembered`` first-ever payments in and out, and how often it makes new
contacts per channel. A row is a payment; the evidence is about its payer unless said. Parts:

- *carried on*: the best likelihood ratio of "this payment hands on one of the payer's inflows of 30 days" against the
  payer's own habit, over amount (0.9 to 1 of the inflow, or 0.7 to 1) and time (five days' scale against the rate).
  Chains add up: an inflow that itself looked handed on makes the next link stronger, a popular payee weaker.
- *new payers of the payee*, *new payees*, *new payers*: Poisson log likelihood ratio of their number in 3, 3 and 7 days
  above the account's own rate, which is drawn towards everyone's; a shop with new customers each day stays at 0.
- *silence*: days since the payer last paid out, as ``ln (1 + days)``; longer than the stream for one that never did.
- *shared payees*: how many other new payers of the payee already paid other new payees of the payer (14 days).

Whether two accounts met before is remembered approximately and for one to two generations (:mod:`models.seen`).

Sources: the Poisson likelihood ratio as a burst statistic: Kulldorff, M. (1997), "A spatial scan statistic", Commun.
Statist. 26(6); rates drawn towards everyone's by a gamma prior: Clayton, D. & Kaldor, J. (1987), "Empirical Bayes
estimates of age-standardized relative risks", Biometrics 43. Chosen by this project on two generators and read on the
third, in rotation.
"""

from collections.abc import Mapping
from math import exp, log, sqrt
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from models.column_model import Arrays, ColumnModel, longer, room_for
from models.compiled import inlined, kernel
from models.contract import DAY_US, Bools, Family, Float64s, Input, Int64s, Kind, Limit, Part
from models.seen import Counters, hashed, new_counters, see, times_seen, turn

ROWS_MIN = 1000
"""Rows until rates of everyone are known; before, nothing is ready."""

CHANNELS = 8
"""Channels told apart; a code beyond shares a place with another."""

PAIRS_MAX = 128
"""At most so many pairs of accounts are looked up for shared payees of one payment."""

_REACH_DAYS, _NEAR_DAYS, _BURST_DAYS, _PAYERS_DAYS = 30.0, 14.0, 3.0, 7.0
_PASS_DAYS, _CHAIN, _CARRY_ON = 5.0, 0.9, 3.0
_LN_09, _LN_07, _NOT_MORE = -0.105361, -0.356676, 0.00011
_PEOPLE_MIN = 20.0
_NO_LINK, _LINK_TIME_MAX = -3.0, 148.413
_NEW_OUT, _NEW_IN, _ROWS_OUT, _ROWS_IN, _MEAN, _VARIANCE = range(6)
_ROWS, _GENERATION, _FIRST_US, _PEOPLE = range(4)
_IN, _OUT = 0, 1
_AMOUNT, _CHAINED, _IS_NEW = range(3)
_AT_IN, _AT_OUT, _IS_KNOWN, _HAS_PAID = range(4)
_LINK, _PAYERS_OF_PAYEE, _PAYEES, _SILENCE, _PAYERS, _SHARED = range(6)
Float32s = npt.NDArray[np.float32]
Int32s = npt.NDArray[np.int32]


@inlined
def _excess(seen, expected):
    """Log likelihood ratio of a Poisson count above what is expected; 0 at or below it."""
    return seen * log(seen / expected) - (seen - expected) if seen > expected else 0.0


@inlined
def _days(now, then):
    return (now - then) / (1.0 * DAY_US)


@inlined
def _count_recent(times, others, at, now, reach):
    """How many of the remembered payments of one account and direction are at most ``reach`` days old."""
    size, count = len(times), 0
    for back in range(size):
        place = (at - 1 - back) % size
        if others[place] < 0 or _days(now, times[place]) > reach:
            break
        count += 1
    return count


@inlined
def _shared_payees(payer, payee, now, times, others, marks, counters):
    """Pairs of another new payer of the payee and another new payee of the payer that met before."""
    size, shared, looked = times.shape[2], 0, 0
    for back in range(size):
        place = (marks[payee, _AT_IN] - 1 - back) % size
        fellow = others[payee, _IN, place]
        if fellow < 0 or _days(now, times[payee, _IN, place]) > _NEAR_DAYS:
            break
        if fellow == payer:
            continue
        for further in range(size):
            spot = (marks[payer, _AT_OUT] - 1 - further) % size
            common = others[payer, _OUT, spot]
            if common < 0 or _days(now, times[payer, _OUT, spot]) > _NEAR_DAYS or looked == PAIRS_MAX:
                break
            looked += 1
            if common != payee and times_seen(counters, hashed(0, fellow, common)) > 0:
                shared += 1
    return shared


@kernel
def _judge_and_learn(
    payer: Int64s,
    payee: Int64s,
    time_us: Int64s,
    amount_log: Float64s,
    channel: Int64s,
    times: Int64s,
    others: Int32s,
    inflows: Float32s,
    marks: Int64s,
    habits: Float32s,
    everyone: Float64s,
    counters: Counters,
    clock: Int64s,
    generation_us: int,
    weights: Float64s,
    evidence: Float64s,
    values: Float64s,
    ready: Bools,
    why: Float64s,
    learn: bool,
) -> None:
    """``times``, ``others`` (keys, 2, K), ``inflows`` (keys, K, 3), ``habits`` (keys, channels, 6)."""
    size = times.shape[2]
    for i in range(len(payer)):
        u, v, c = payer[i], payee[i], channel[i] % CHANNELS
        if not (0 <= u < len(marks) and 0 <= v < len(marks)) or u == v:
            continue
        if learn:
            if clock[_ROWS] == 0:
                clock[_FIRST_US] = time_us[i]
            if time_us[i] // generation_us > clock[_GENERATION]:
                if clock[_ROWS] > 0:
                    turn(counters)
                clock[_GENERATION] = time_us[i] // generation_us
        now, amount = time_us[i], amount_log[i]
        elapsed = max(_days(now, clock[_FIRST_US]), 0.0) + 1.0
        people = clock[_PEOPLE] + (1 - marks[u, _IS_KNOWN]) + (1 - marks[v, _IS_KNOWN])
        crowd = max(1.0 * people, _PEOPLE_MIN)
        # Rates per day, with a prior worth one event at everyone's rate.
        peer_new, peer_rows = (everyone[c, 0] + 1.0) / (crowd * elapsed), (everyone[c, 1] + 1.0) / (crowd * elapsed)
        rate_out = (habits[u, c, _NEW_OUT] + 1.0) / (elapsed + 1.0 / peer_new)
        rate_in = (habits[v, c, _NEW_IN] + 1.0) / (elapsed + 1.0 / peer_new)
        all_new, own_new_in = 0.0, 0.0
        for k in range(CHANNELS):
            all_new += everyone[k, 0]
            own_new_in += habits[u, k, _NEW_IN]
        rate_payers = (own_new_in + 1.0) / (elapsed + crowd * elapsed / (all_new + 1.0))
        item = hashed(0, u, v)
        is_new = times_seen(counters, item) == 0
        # The payer's usual amounts in this channel, drawn towards everyone's.
        rows_out = 1.0 * habits[u, c, _ROWS_OUT]
        own = rows_out / (rows_out + 5.0)
        mean = own * habits[u, c, _MEAN] + (1.0 - own) * everyone[c, 2]
        variance = max(own * habits[u, c, _VARIANCE] + (1.0 - own) * everyone[c, 3], 0.05)
        usual = 0.02 + 0.9 * exp(-0.5 * (amount - mean) ** 2 / variance) / sqrt(6.2832 * variance)
        rate = rate_out if is_new else (rows_out + 1.0) / (elapsed + 1.0 / peer_rows)
        best, link, payers, from_days, from_share = -1.0, exp(_NO_LINK), 0, 0.0, 0.0
        for back in range(size):
            place = (marks[u, _AT_IN] - 1 - back) % size
            days = _days(now, times[u, _IN, place])
            if others[u, _IN, place] < 0 or days > _REACH_DAYS or amount != amount:
                break
            if inflows[u, place, _IS_NEW] > 0.0 and days <= _PAYERS_DAYS:
                payers += 1
            share_log = amount - inflows[u, place, _AMOUNT]
            match = 0.02
            if _LN_09 <= share_log <= _NOT_MORE:
                match += 0.8 / 0.105 + 0.15 / 0.36
            elif _LN_07 <= share_log <= _NOT_MORE:
                match += 0.15 / 0.36
            in_time = 0.1 + 0.9 * exp(-days / _PASS_DAYS) / _PASS_DAYS / max(rate, 1e-4)
            here = (0.3 + 0.35 * match / usual) * min(in_time, _LINK_TIME_MAX)
            chained = inflows[u, place, _CHAINED]
            total = here * exp(_CHAIN * chained) if chained > 0.0 else here
            if total > best:
                best, link, from_days, from_share = total, here, days, exp(share_log)
        popular = log((habits[v, c, _ROWS_IN] + 1.0) * crowd / (everyone[c, 1] + crowd))
        chain = (max(log(best), 0.0) if best > 0.0 else 0.0) - 0.5 * max(popular, 0.0)
        found = evidence[0]
        found[:] = 0.0
        found[_LINK] = log(link)
        payers_of_payee, payees, shared = 0, 0, 0
        if is_new:
            for back in range(size):
                place = (marks[v, _AT_IN] - 1 - back) % size
                if others[v, _IN, place] < 0 or _days(now, times[v, _IN, place]) > _BURST_DAYS:
                    break
                payers_of_payee += 1 if inflows[v, place, _IS_NEW] > 0.0 else 0
            payees = _count_recent(times[u, _OUT], others[u, _OUT], marks[u, _AT_OUT], now, _BURST_DAYS)
            shared = _shared_payees(u, v, now, times, others, marks, counters)
            found[_PAYERS_OF_PAYEE] = _excess(payers_of_payee + 1.0, rate_in * _BURST_DAYS)
            found[_PAYEES] = _excess(payees + 1.0, rate_out * _BURST_DAYS)
            found[_PAYERS] = _excess(1.0 * payers, rate_payers * _PAYERS_DAYS)
            found[_SHARED] = log(1.0 + shared)
        silence = _days(now, marks[u, _HAS_PAID]) if marks[u, _HAS_PAID] != 0 else elapsed + _REACH_DAYS
        found[_SILENCE] = log(1.0 + max(silence, 0.0))
        if clock[_ROWS] >= ROWS_MIN:
            score = 0.0
            for k in range(len(weights)):
                score += weights[k] * found[k]
            values[i], ready[i] = score, True
            if len(why):
                for k in range(len(weights)):
                    why[i, k, 0] = weights[k] * found[k]
                why[i, _LINK, 1], why[i, _LINK, 2] = from_share, from_days
                why[i, _PAYERS_OF_PAYEE, 1], why[i, _PAYERS_OF_PAYEE, 2] = payers_of_payee + 1.0, rate_in * _BURST_DAYS
                why[i, _PAYEES, 1], why[i, _PAYEES, 2] = payees + 1.0, rate_out * _BURST_DAYS
                why[i, _PAYERS, 1], why[i, _PAYERS, 2] = 1.0 * payers, rate_payers * _PAYERS_DAYS
                why[i, _SILENCE, 1], why[i, _SILENCE, 2] = silence, elapsed / (rows_out + 1.0)
                why[i, _SHARED, 1] = 1.0 * shared
        if not learn:
            continue
        clock[_ROWS] += 1
        clock[_PEOPLE] = people
        marks[u, _IS_KNOWN], marks[v, _IS_KNOWN] = 1, 1
        marks[u, _HAS_PAID] = max(now, marks[u, _HAS_PAID])
        everyone[c, 1] += 1.0
        habits[u, c, _ROWS_OUT] += 1.0
        habits[v, c, _ROWS_IN] += 1.0
        if amount == amount:
            off = amount - everyone[c, 2]
            everyone[c, 2] += off / min(everyone[c, 1], 2000.0)
            if everyone[c, 1] > 20.0:
                everyone[c, 3] += (off * off - everyone[c, 3]) / min(everyone[c, 1], 2000.0)
            length = min(habits[u, c, _ROWS_OUT], 30.0)
            off = amount - habits[u, c, _MEAN]
            habits[u, c, _MEAN] += off / length
            if habits[u, c, _ROWS_OUT] > 1.0:
                habits[u, c, _VARIANCE] += (off * off - habits[u, c, _VARIANCE]) / length
        see(counters, item)
        if is_new or chain > _CARRY_ON:
            place = marks[v, _AT_IN]
            marks[v, _AT_IN] = (place + 1) % size
            times[v, _IN, place], others[v, _IN, place] = now, u
            inflows[v, place, _AMOUNT], inflows[v, place, _CHAINED] = amount, chain
            inflows[v, place, _IS_NEW] = 1.0 if is_new else 0.0
        if is_new:
            everyone[c, 0] += 1.0
            habits[u, c, _NEW_OUT] += 1.0
            habits[v, c, _NEW_IN] += 1.0
            place = marks[u, _AT_OUT]
            marks[u, _AT_OUT] = (place + 1) % size
            times[u, _OUT, place], others[u, _OUT, place] = now, v


class NewEdges(ColumnModel):
    """First-ever payments: bursts against the account's own habit, and money carried on.

    Args:
        keys_max: Accounts that are remembered; payments of others are never ready. About 1.1 KiB each at 24.
        remembered: First-ever payments remembered per account and direction.
        log2_blocks: Memory for pairs of accounts: 64 bytes times two to this power (:mod:`models.seen`).
        generation_us: After how long the former generation of pairs is forgotten.

    Columns: a row is a payment with dense rows of ``payer`` and ``payee`` in one space, ``time_us``, ``amount_log`` the
    natural logarithm of the amount, and ``channel`` as a small code. A payment to oneself is not judged.

    Weak spots: needs both sides of a payment; money split over payments below 0.7 of the inflow is linked by time only;
    laundering between accounts that always dealt with each other is not seen here.
    """

    id: ClassVar[str] = "new-edges"
    version: ClassVar[int] = 1
    inputs = (
        Input("payer", Kind.CODE, family=Family.COUNTERPARTIES),
        Input("payee", Kind.CODE, family=Family.COUNTERPARTIES),
        Input("time_us", Kind.TIME, "us"),
        Input("amount_log", unit="ln amount", family=Family.AMOUNT),
        Input("channel", Kind.CODE, family=Family.CHANNEL),
    )
    parts = (
        Part("carried on", Family.FLOW, "share of the inflow; days since it came"),
        Part("new payers of the payee", Family.COUNTERPARTIES, "in 3 days"),
        Part("new payees", Family.COUNTERPARTIES, "in 3 days"),
        Part("silence", Family.TIME, "days"),
        Part("new payers", Family.COUNTERPARTIES, "in 7 days"),
        Part("shared payees", Family.FLOW, "pairs in 14 days"),
    )
    weights: ClassVar[tuple[float, ...]] = (2.0, 1.0, 1.0, 1.0, 1.0, 1.0)

    def __init__(
        self,
        *,
        keys_max: int = 1 << 20,
        remembered: int = 24,
        log2_blocks: int = 18,
        generation_us: int = 365 * DAY_US,
    ) -> None:
        self._keys_max, self._remembered, self._generation_us = keys_max, remembered, generation_us
        self._counters = new_counters(log2_blocks)
        self._everyone = np.tile(np.array([0.0, 0.0, 0.0, 1.0]), (CHANNELS, 1))
        self._clock = np.zeros(4, np.int64)
        rows = min(1024, keys_max)
        self._times = np.zeros((rows, 2, remembered), np.int64)
        self._others = np.full((rows, 2, remembered), -1, np.int32)
        self._inflows = np.zeros((rows, remembered, 3), np.float32)
        self._marks = np.zeros((rows, 4), np.int64)
        self._habits = np.zeros((rows, CHANNELS, 6), np.float32)
        per_key = remembered * (16 + 8 + 12) + 32 + CHANNELS * 24
        fixed = self._counters.nbytes + self._everyone.nbytes + self._clock.nbytes
        self.limit = Limit(fixed + keys_max * per_key, "payments of accounts beyond the limit are never ready")

    def _run(self, columns: Arrays, values: Float64s, ready: Bools, why: Float64s, learn: bool) -> None:
        rows = room_for(len(self._marks), np.maximum(columns["payer"], columns["payee"]), self._keys_max)
        kept = (self._times, self._others, self._inflows, self._marks, self._habits)
        if rows > len(self._marks):
            self._grow(rows)
        _judge_and_learn(
            columns["payer"], columns["payee"], columns["time_us"], columns["amount_log"], columns["channel"],
            self._times, self._others, self._inflows, self._marks, self._habits, self._everyone, self._counters,
            self._clock, self._generation_us, np.array(self.weights), np.zeros((1, len(self.parts))),
            values, ready, why, learn,
        )  # fmt: skip
        if not learn:
            # Rows made for accounts that were only scored are not state.
            self._times, self._others, self._inflows, self._marks, self._habits = kept

    def _grow(self, rows: int) -> None:
        """Room for more accounts; empty rows change no score."""
        strangers = np.full((rows, 2, self._remembered), -1, np.int32)
        strangers[: len(self._others)] = self._others
        self._others = strangers
        self._times, self._inflows = longer(self._times, rows), longer(self._inflows, rows)
        self._marks, self._habits = longer(self._marks, rows), longer(self._habits, rows)

    def _settings(self) -> dict[str, Any]:
        return {
            "keys_max": self._keys_max,
            "remembered": self._remembered,
            "blocks": len(self._counters),
            "generation_us": self._generation_us,
        }

    def _arrays(self) -> Arrays:
        return {
            "times": self._times,
            "others": self._others,
            "inflows": self._inflows,
            "marks": self._marks,
            "habits": self._habits,
            "everyone": self._everyone,
            "counters": self._counters,
            "clock": self._clock,
        }

    def _take(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        self._times, self._others, self._inflows = arrays["times"], arrays["others"], arrays["inflows"]
        self._marks, self._habits, self._everyone = arrays["marks"], arrays["habits"], arrays["everyone"]
        self._counters, self._clock = arrays["counters"], arrays["clock"]
