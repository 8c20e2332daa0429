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

from models.column_model import Arrays, ColumnModel
from models.compiled import inlined, kernel, prefetch
from models.contract import DAY_US, Bools, Family, Float64s, Input, Int64s, Kind, Limit, ModelError, Part
from models.new_edges_state import (
    ACCOUNT_WORDS,
    AMOUNT,
    BLOCK,
    CHAINED,
    CHANNELS,
    IN,
    IN_WORDS,
    MEAN,
    NEW_IN,
    NEW_INS,
    NEW_OUT,
    OTHER,
    OUT,
    OUT_WORDS,
    PAID,
    REMEMBERED_MAX,
    RING,
    ROWS_IN,
    ROWS_OUT,
    TIME,
    TOP,
    VARIANCE,
    Floats,
    Words,
    ask_for_remembered,
    entry_at,
    habit,
    habit_place,
    is_known,
    kept_time,
    make_habit_place,
    new_accounts,
    new_pool,
    remember,
    repack,
    seconds,
    set_habit,
    words_of_account,
    words_of_payment,
)
from models.seen import (
    Counters,
    ask_for_seen,
    counters_of,
    half_hashed,
    hashed,
    new_counters,
    see,
    times_seen,
    turn,
    whole_hashed,
)

ROWS_MIN = 1000
"""Rows until rates of everyone are known; before, nothing is ready."""

PAIRS_MAX = 128
"""At most so many pairs of accounts are looked up for shared payees of one payment."""

_REACH_DAYS, _NEAR_DAYS, _BURST_DAYS, _PAYERS_DAYS = 30.0, 14.0, 3.0, 7.0
_DAY_S = 86_400
_REACH_S, _NEAR_S = 30 * _DAY_S, 14 * _DAY_S
_PASS_DAYS, _CHAIN, _CARRY_ON = 5.0, 0.9, 3.0
_LN_09, _LN_07, _NOT_MORE = -0.105361, -0.356676, 0.00011
_NO_MATCH, _LOOSE, _CLOSE = 0.02, 0.02 + 0.15 / 0.36, 0.02 + (0.8 / 0.105 + 0.15 / 0.36)
_PEOPLE_MIN = 20.0
_NO_LINK, _LINK_TIME_MAX = -3.0, 148.413
_ROWS, _GENERATION, _FIRST_US, _PEOPLE, _LATEST_S, _ALL_NEW, _POOL_WORDS = range(7)
_CLOCK_WORDS = 7
_LINK, _PAYERS_OF_PAYEE, _PAYEES, _SILENCE, _PAYERS, _SHARED = range(6)
_POOL_WORDS_MIN = 1 << 14
_NOT_PREPARED = -1


@inlined
def _excess(seen, expected):
    """Log likelihood ratio of a Poisson count above what is expected; 0 at or below it."""
    return seen * log(seen / expected) - (seen - expected) if seen > expected else 0.0


@inlined
def _days(now_us, then_s):
    return (now_us - then_s * 1_000_000) / (1.0 * DAY_US)


@inlined
def _pairs(payer, payee, now, oldest, accounts, pool, remembered, counters, pairs):
    """Pairs of another new payer of the payee and another new payee of the payer, hashed, from ``remembered`` on.

    Returns where they end. All are asked for, so that they are waited for together.
    """
    block, ring = np.int64(accounts[payer, BLOCK + OUT]), np.int64(accounts[payer, RING + OUT])
    commons, stop, looked = np.int64(0), np.int64(remembered), np.int64(0)
    for back in range(ring & 255):
        at = entry_at(block, ring, back, OUT_WORDS, remembered)
        then = kept_time(pool[at + TIME])
        if then < oldest or _days(now, then) > _NEAR_DAYS:
            break
        pairs[commons] = half_hashed(0, pool[at + OTHER]) if pool[at + OTHER] != payee else np.int64(-1)
        commons += 1
    if commons == 0:
        return stop
    block, ring = np.int64(accounts[payee, BLOCK + IN]), np.int64(accounts[payee, RING + IN])
    for back in range(ring & 255):
        at = entry_at(block, ring, back, IN_WORDS, remembered)
        then = kept_time(pool[at + TIME])
        if then < oldest or _days(now, then) > _NEAR_DAYS or looked == PAIRS_MAX:
            break
        fellow = np.int64(pool[at + OTHER])
        if fellow < 0:
            fellow = -1 - fellow
        if fellow == payer:
            continue
        for common in range(min(commons, PAIRS_MAX - looked)):
            looked += 1
            if pairs[common] >= 0:
                pairs[stop] = whole_hashed(fellow, pairs[common])
                ask_for_seen(counters, pairs[stop])
                stop += 1
    return stop


@inlined
def _met(counters, pairs, start, stop):
    """How many pairs met before."""
    met = np.int64(0)
    for pair in range(start, stop):
        met += np.int64(times_seen(counters, pairs[pair]) > 0)
    return met


@inlined
def _ask_ahead(payer, payee, i, accounts, pool, counters):
    """Ask for lines of accounts and of the pair 12 payments ahead, for what is remembered of them 5 ahead."""
    n, rows = len(payer), len(accounts)
    if i + 12 < n:
        u, v = payer[i + 12], payee[i + 12]
        if 0 <= u < rows and 0 <= v < rows:
            prefetch(accounts, u * ACCOUNT_WORDS)
            prefetch(accounts, v * ACCOUNT_WORDS)
            ask_for_seen(counters, hashed(0, u, v))
    if i + 5 < n:
        u, v = payer[i + 5], payee[i + 5]
        if 0 <= u < rows and 0 <= v < rows:
            ask_for_remembered(accounts, pool, u, IN, IN_WORDS)
            if times_seen(counters, hashed(0, u, v)) == 0:
                ask_for_remembered(accounts, pool, u, OUT, OUT_WORDS)
                ask_for_remembered(accounts, pool, v, IN, IN_WORDS)


@kernel
def _judge_and_learn(
    first: int,
    payer: Int64s,
    payee: Int64s,
    time_us: Int64s,
    amount_log: Float64s,
    channel: Int64s,
    accounts: Words,
    accounts_f: Floats,
    pool: Words,
    pool_f: Floats,
    everyone: Float64s,
    counters: Counters,
    clock: Int64s,
    remembered: int,
    room: int,
    generation_us: int,
    weights: Float64s,
    found: Float64s,
    dominant: Float64s,
    scratch: Int64s,
    values: Float64s,
    ready: Bools,
    why: Float64s,
    learn: bool,
) -> int:
    """Rows from ``first`` on; returns how many are done, fewer than all where the pool must grow.

    ``why`` is empty or has contributions, and where its last axis is 3 what was observed and expected.
    """
    prepared = np.int64(_NOT_PREPARED)
    for i in range(first, len(payer)):
        if learn and pool[TOP] + room > len(pool):
            return i
        _ask_ahead(payer, payee, i, accounts, pool, counters)
        u, v, c = payer[i], payee[i], channel[i] % CHANNELS
        stop, prepared, pairs = prepared, np.int64(_NOT_PREPARED), scratch[i & 1]
        if not (0 <= u < len(accounts) and 0 <= v < len(accounts)) or u == v:
            continue
        now, amount = time_us[i], amount_log[i]
        now_s = seconds(now)
        latest = max(clock[_LATEST_S], now_s)
        if learn:
            if clock[_ROWS] == 0:
                clock[_FIRST_US] = now
            if now // generation_us > clock[_GENERATION]:
                if clock[_ROWS] > 0:
                    turn(counters)
                clock[_GENERATION] = now // generation_us
            clock[_LATEST_S] = latest
        # The pairs of the next payment, unless this one changes what they are taken from.
        if i + 1 < len(payer):
            u_next, v_next, now_next = payer[i + 1], payee[i + 1], time_us[i + 1]
            if (
                0 <= u_next < len(accounts)
                and 0 <= v_next < len(accounts)
                and u_next != u
                and u_next != v
                and v_next != u
                and v_next != v
                and times_seen(counters, hashed(0, u_next, v_next)) == 0
            ):
                near = max(clock[_LATEST_S], seconds(now_next)) - _NEAR_S
                prepared = _pairs(
                    u_next, v_next, now_next, near, accounts, pool, remembered, counters, scratch[(i + 1) & 1]
                )
        elapsed = max((now - clock[_FIRST_US]) / (1.0 * DAY_US), 0.0) + 1.0
        people = clock[_PEOPLE] + np.int64(not is_known(accounts, u)) + np.int64(not is_known(accounts, v))
        crowd = max(1.0 * people, _PEOPLE_MIN)
        at_u, at_v = habit_place(accounts, u, c), habit_place(accounts, v, c)
        # Rates per day, with a prior worth one event at everyone's rate.
        peer_new, peer_rows = (everyone[c, 0] + 1.0) / (crowd * elapsed), (everyone[c, 1] + 1.0) / (crowd * elapsed)
        new_out, rows_out = habit(accounts_f, pool_f, u, at_u, NEW_OUT), habit(accounts_f, pool_f, u, at_u, ROWS_OUT)
        new_in, rows_in = habit(accounts_f, pool_f, v, at_v, NEW_IN), habit(accounts_f, pool_f, v, at_v, ROWS_IN)
        own_mean, own_variance = habit(accounts_f, pool_f, u, at_u, MEAN), habit(accounts_f, pool_f, u, at_u, VARIANCE)
        rate_out = (new_out + 1.0) / (elapsed + 1.0 / peer_new)
        item = hashed(0, u, v)
        is_new = times_seen(counters, item) == 0
        # The payer's usual amounts in this channel, drawn towards everyone's.
        own = rows_out / (rows_out + 5.0)
        mean = own * own_mean + (1.0 - own) * everyone[c, 2]
        variance = max(own * own_variance + (1.0 - own) * everyone[c, 3], 0.05)
        usual = 0.02 + 0.9 * exp(-0.5 * (amount - mean) ** 2 / variance) / sqrt(6.2832 * variance)
        rate = rate_out if is_new else (rows_out + 1.0) / (elapsed + 1.0 / peer_rows)
        best, link, payers, from_days, from_share = -1.0, exp(_NO_LINK), np.int64(0), 0.0, 0.0
        # An inflow that is older, no closer and no more handed on than one before it cannot be the best.
        for k in range(3):
            dominant[k, 0], dominant[k, 1] = np.inf, -1.0
        block, ring = np.int64(accounts[u, BLOCK + IN]), np.int64(accounts[u, RING + IN])
        for back in range(ring & 255):
            at = entry_at(block, ring, back, IN_WORDS, remembered)
            then = kept_time(pool[at + TIME])
            days = _days(now, then)
            if days > _REACH_DAYS or then < latest - _REACH_S or amount != amount:
                break
            if days <= _PAYERS_DAYS and pool[at + OTHER] >= 0:
                payers += 1
            share_log, chained = amount - pool_f[at + AMOUNT], np.float64(pool_f[at + CHAINED])
            kind, match = 0, _NO_MATCH
            if _LN_09 <= share_log <= _NOT_MORE:
                kind, match = 2, _CLOSE
            elif _LN_07 <= share_log <= _NOT_MORE:
                kind, match = 1, _LOOSE
            if days >= dominant[kind, 0] and chained <= dominant[kind, 1]:
                continue
            if chained >= dominant[kind, 1]:
                dominant[kind, 0], dominant[kind, 1] = days, chained
            in_time = 0.1 + 0.9 * exp(-days / _PASS_DAYS) / _PASS_DAYS / max(rate, 1e-4)
            here = (0.3 + 0.35 * match / usual) * min(in_time, _LINK_TIME_MAX)
            total = here * exp(_CHAIN * chained) if chained > 0.0 else here
            if total > best:
                best, link, from_days, from_share = total, here, days, share_log
        popular = log((rows_in + 1.0) * crowd / (everyone[c, 1] + crowd))
        chain = (max(log(best), 0.0) if best > 0.0 else 0.0) - 0.5 * max(popular, 0.0)
        found[:] = 0.0
        found[_LINK] = log(link)
        rate_in, rate_payers, payers_of_payee, payees, shared = 0.0, 0.0, np.int64(0), np.int64(0), np.int64(0)
        if is_new:
            rate_in = (new_in + 1.0) / (elapsed + 1.0 / peer_new)
            rate_payers = (accounts[u, NEW_INS] + 1.0) / (elapsed + crowd * elapsed / (clock[_ALL_NEW] + 1.0))
            oldest = latest - _NEAR_S
            block, ring = np.int64(accounts[v, BLOCK + IN]), np.int64(accounts[v, RING + IN])
            for back in range(ring & 255):
                at = entry_at(block, ring, back, IN_WORDS, remembered)
                then = kept_time(pool[at + TIME])
                if then < oldest or _days(now, then) > _BURST_DAYS:
                    break
                payers_of_payee += np.int64(pool[at + OTHER] >= 0)
            block, ring = np.int64(accounts[u, BLOCK + OUT]), np.int64(accounts[u, RING + OUT])
            for back in range(ring & 255):
                then = kept_time(pool[entry_at(block, ring, back, OUT_WORDS, remembered) + TIME])
                if then < oldest or _days(now, then) > _BURST_DAYS:
                    break
                payees += 1
            if stop == _NOT_PREPARED:
                stop = _pairs(u, v, now, oldest, accounts, pool, remembered, counters, pairs)
            shared = _met(counters, pairs, remembered, stop)
            found[_PAYERS_OF_PAYEE] = _excess(payers_of_payee + 1.0, rate_in * _BURST_DAYS)
            found[_PAYEES] = _excess(payees + 1.0, rate_out * _BURST_DAYS)
            found[_PAYERS] = _excess(1.0 * payers, rate_payers * _PAYERS_DAYS)
            found[_SHARED] = log(1.0 + shared)
        paid = kept_time(accounts[u, PAID])
        silence = _days(now, paid) if paid != 0 else elapsed + _REACH_DAYS
        found[_SILENCE] = log(1.0 + max(silence, 0.0))
        if clock[_ROWS] >= ROWS_MIN:
            score = 0.0
            for k in range(len(weights)):
                score += weights[k] * found[k]
            values[i], ready[i] = score, True
            if len(why):
                for k in range(len(weights)):
                    why[i, k, 0] = weights[k] * found[k]
                if why.shape[2] == 3:
                    why[i, _LINK, 1], why[i, _LINK, 2] = exp(from_share) if best > 0.0 else 0.0, from_days
                    if is_new:
                        why[i, _PAYERS_OF_PAYEE, 1] = payers_of_payee + 1.0
                        why[i, _PAYERS_OF_PAYEE, 2] = rate_in * _BURST_DAYS
                        why[i, _PAYEES, 1], why[i, _PAYEES, 2] = payees + 1.0, rate_out * _BURST_DAYS
                        why[i, _PAYERS, 1], why[i, _PAYERS, 2] = 1.0 * payers, rate_payers * _PAYERS_DAYS
                        why[i, _SHARED, 1] = 1.0 * shared
                    why[i, _SILENCE, 1], why[i, _SILENCE, 2] = silence, elapsed / (rows_out + 1.0)
        if not learn:
            continue
        clock[_ROWS] += 1
        clock[_PEOPLE] = people
        accounts[u, PAID] = np.int32(max(now_s, paid, 1))
        everyone[c, 1] += 1.0
        at_u = make_habit_place(accounts, pool, u, c, at_u)
        at_v = make_habit_place(accounts, pool, v, c, at_v)
        rows_out += 1.0
        set_habit(accounts_f, pool_f, u, at_u, ROWS_OUT, rows_out)
        set_habit(accounts_f, pool_f, v, at_v, ROWS_IN, rows_in + 1.0)
        if amount == amount:
            off = amount - everyone[c, 2]
            everyone[c, 2] += off / min(everyone[c, 1], 2000.0)
            if everyone[c, 1] > 20.0:
                everyone[c, 3] += (off * off - everyone[c, 3]) / min(everyone[c, 1], 2000.0)
            length = min(rows_out, 30.0)
            off = amount - own_mean
            set_habit(accounts_f, pool_f, u, at_u, MEAN, own_mean + off / length)
            if rows_out > 1.0:
                set_habit(accounts_f, pool_f, u, at_u, VARIANCE, own_variance + (off * off - own_variance) / length)
        see(counters, item)
        if is_new or chain > _CARRY_ON:
            at = remember(accounts, pool, v, IN, IN_WORDS, remembered, latest - _REACH_S)
            pool[at + TIME], pool[at + OTHER] = np.int32(now_s), np.int32(u if is_new else -1 - u)
            pool_f[at + AMOUNT], pool_f[at + CHAINED] = amount, max(chain, 0.0)
        if is_new:
            everyone[c, 0] += 1.0
            clock[_ALL_NEW] += 1
            accounts[v, NEW_INS] += 1
            set_habit(accounts_f, pool_f, u, at_u, NEW_OUT, new_out + 1.0)
            set_habit(accounts_f, pool_f, v, at_v, NEW_IN, new_in + 1.0)
            at = remember(accounts, pool, u, OUT, OUT_WORDS, remembered, latest - _NEAR_S)
            pool[at + TIME], pool[at + OTHER] = np.int32(now_s), np.int32(v)
    return len(payer)


class NewEdges(ColumnModel):
    """First-ever payments: bursts against the account's own habit, and money carried on.

    Args:
        keys_max: Accounts that are remembered; payments of others are never ready. 64 bytes each, and 24 for
            each remembered payment between two of them.
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
    parts_width: ClassVar[int] = 1
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
        if not 1 <= remembered <= REMEMBERED_MAX:
            raise ModelError(f"{self.id}: {remembered} payments remembered; give 1 to {REMEMBERED_MAX}.")
        self._keys_max, self._remembered, self._generation_us = keys_max, remembered, generation_us
        self._counters = new_counters(log2_blocks)
        self._everyone = np.tile(np.array([0.0, 0.0, 0.0, 1.0]), (CHANNELS, 1))
        self._clock = np.zeros(_CLOCK_WORDS, np.int64)
        self._accounts, self._pool, self._keys = new_accounts(keys_max), new_pool(_POOL_WORDS_MIN), 0
        per_key = 4 * (ACCOUNT_WORDS + 3 * words_of_account(remembered) // 2)
        fixed = self._counters.nbytes + self._everyone.nbytes + self._clock.nbytes + 8 * _POOL_WORDS_MIN
        self.limit = Limit(fixed + keys_max * per_key, "payments of accounts beyond the limit are never ready")

    def _run(self, columns: Arrays, values: Float64s, ready: Bools, why: Float64s, learn: bool) -> None:
        if learn:
            highest = max(int(columns[side].max(initial=-1)) for side in ("payer", "payee"))
            self._keys = max(self._keys, min(highest + 1, self._keys_max))
        done, n = 0, len(values)
        scratch = np.zeros((2, self._remembered + PAIRS_MAX), np.int64)
        while True:
            done = _judge_and_learn(
                done, columns["payer"], columns["payee"], columns["time_us"], columns["amount_log"],
                columns["channel"], self._accounts, self._accounts.view(np.float32), self._pool,
                self._pool.view(np.float32), self._everyone, self._counters, self._clock, self._remembered,
                words_of_payment(self._remembered), self._generation_us, np.array(self.weights),
                np.zeros(len(self.parts)), np.zeros((3, 2)), scratch, values, ready, why, learn,
            )  # fmt: skip
            if done == n:
                return
            self._repack()

    def _repack(self) -> None:
        """Another pool, without what is too old to matter, and half as long again as what is left."""
        room = words_of_payment(self._remembered)
        new, latest = new_pool(2 * len(self._pool) + _POOL_WORDS_MIN + room), int(self._clock[_LATEST_S])
        repack(
            self._accounts[: self._keys], self._pool, new, self._remembered, latest - _REACH_S, latest - _NEAR_S
        )  # fmt: skip
        used = int(new[TOP])
        self._pool = new[: max(used + used // 2, _POOL_WORDS_MIN) + room]

    def _settings(self) -> dict[str, Any]:
        return {
            "keys_max": self._keys_max,
            "remembered": self._remembered,
            "blocks": len(self._counters),
            "generation_us": self._generation_us,
        }

    def _arrays(self) -> Arrays:
        self._clock[_POOL_WORDS] = len(self._pool)
        return {
            "accounts": self._accounts[: self._keys],
            "pool": self._pool[: self._pool[TOP]],
            "everyone": self._everyone,
            "counters": self._counters,
            "clock": self._clock,
        }

    def _take(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        self._everyone, self._clock = arrays["everyone"], arrays["clock"]
        self._counters = counters_of(arrays["counters"])
        accounts, pool = arrays["accounts"], arrays["pool"]
        self._accounts, self._keys = new_accounts(self._keys_max), len(accounts)
        self._accounts[: self._keys] = accounts
        length = int(self._clock[_POOL_WORDS])
        self._pool = new_pool(length)[:length]
        self._pool[: len(pool)] = pool
