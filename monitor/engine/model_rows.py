"""The payments that the anomaly models see, as rows: both accounts numbered, one clock, one currency.

A row is a booked and judged payment with two sides. Its time is the latest ``booked_at`` of such payments so far.
Accounts and segments are numbered here, in the order of the log, so that codes of a process never reach a model.

Amounts are brought into one currency by the rates of the engine, each at the last one published before its payment: the
currency that most payments of the first days are in (until the first day is over, that of the first payment). Where no
rate is known the amount is unknown to the models.
"""

from math import log
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from models.contract import Float64s
from monitor.domain.money import CURRENCIES, DECIMALS
from monitor.domain.transaction import Int16s, Int32s, Int64s, TransactionBatch
from monitor.domain.vocabulary import STATUSES
from monitor.engine.admitting import JUDGED
from monitor.engine.compiled import inlined, kernel, prefetch
from monitor.engine.conversion import Rates, no_rates, rate_before
from monitor.engine.growing import extended
from monitor.engine.profiles import COLUMN, ProfileTable

_SEGMENT, _UNNUMBERED = COLUMN["segment"], -1
_BOOKED = STATUSES.index("booked")
_SCALE = np.array([10.0**decimals for decimals in DECIMALS])
_AHEAD = 8
"""How many payments ahead their accounts and profiles are asked for."""
_COLUMNS, _HOLDER = 9, 5
"""Whole-numbered columns of :class:`Rows`, and the place of ``holder`` among them."""


class Rows(NamedTuple):
    """Rows in the order of the log, columns of length n.

    ``of_batch`` is the row of the batch, ``payer`` and ``payee`` the numbers of the accounts, ``time_us`` the clock,
    ``amount_log`` the natural logarithm of whole units, NaN where unknown, ``segment`` 0 for none.
    """

    of_batch: Int64s
    payer: Int64s
    payee: Int64s
    time_us: Int64s
    channel: Int64s
    holder: Int64s
    position: Int64s
    booked_us: Int64s
    currency: Int64s
    amount_log: Float64s
    segment: Int64s

    def slice(self, start: int, stop: int) -> "Rows":
        """Rows ``start`` to ``stop`` as views."""
        return Rows._make(column[start:stop] for column in self)

    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """What the models read, by name."""
        names = ("payer", "payee", "time_us", "amount_log", "channel", "segment")
        return {name: getattr(self, name) for name in names}


@kernel
def _highest(a: Int32s, b: Int32s, c: Int32s, d: Int32s) -> int:
    """The highest code of four columns of one length; -1 for none."""
    highest = np.int32(-1)
    for i in range(len(a)):
        highest = max(highest, a[i], b[i], c[i], d[i])
    return int(highest)


@kernel
def _take(
    outcome: npt.NDArray[np.int8], status: Int16s, debtor_account: Int32s, debtor_holder: Int32s,
    creditor_account: Int32s, creditor_holder: Int32s, booked_us: Int64s, amount: Int64s, currency: Int16s,
    channel: Int16s, position: Int64s, scale: Float64s, clock_us: int, row_of: Int32s, counts: Int64s,
    found: npt.NDArray[np.int64], amount_log: Float64s,
) -> int:  # fmt: skip
    """Write the rows of a batch; returns how many. ``counts[0]`` is the number of accounts so far."""
    n, now_us = 0, np.int64(clock_us)
    for i in range(len(outcome)):
        if i + _AHEAD < len(outcome):
            later = i + _AHEAD
            for code in (debtor_account[later], creditor_account[later]):
                if code >= 0:
                    prefetch(row_of, np.int64(code))
        payer = debtor_account[i] if debtor_account[i] >= 0 else debtor_holder[i]
        payee = creditor_account[i] if creditor_account[i] >= 0 else creditor_holder[i]
        if outcome[i] != JUDGED or status[i] != _BOOKED or payer < 0 or payee < 0 or payer == payee:
            continue
        if row_of[payer] < 0:
            row_of[payer] = counts[0]
            counts[0] += 1
        if row_of[payee] < 0:
            row_of[payee] = counts[0]
            counts[0] += 1
        now_us = max(now_us, booked_us[i])
        found[0, n], found[1, n], found[2, n], found[3, n] = i, row_of[payer], row_of[payee], now_us
        found[4, n], found[5, n], found[6, n] = channel[i], debtor_holder[i], position[i]
        found[7, n], found[8, n] = booked_us[i], currency[i]
        amount_log[n] = log(amount[i] / scale[currency[i]]) if amount[i] > 0 else np.nan
        n += 1
    return n


@kernel
def _look_up(
    holder: Int64s, row_of: Int32s, profiles: npt.NDArray[np.int64], segment_of: Int64s, segments: Int64s
) -> int:
    """The segment of each holder; the first code that has no number yet stops it and is returned, else -1."""
    width = profiles.shape[1]
    for i in range(len(holder)):
        if i + 2 * _AHEAD < len(holder) and 0 <= holder[i + 2 * _AHEAD] < len(row_of):
            prefetch(row_of, holder[i + 2 * _AHEAD])
        if i + _AHEAD < len(holder) and 0 <= holder[i + _AHEAD] < len(row_of) and row_of[holder[i + _AHEAD]] >= 0:
            prefetch(profiles, row_of[holder[i + _AHEAD]] * width + _SEGMENT)
        row = row_of[holder[i]] if 0 <= holder[i] < len(row_of) else -1
        code = int(profiles[row, _SEGMENT]) if row >= 0 else -1
        if code >= 0 and (code >= len(segment_of) or segment_of[code] < 0):
            return code
        segments[i] = segment_of[code] if code >= 0 else 0
    return -1


@kernel
def _meet(currency: Int64s, amount_log: Float64s, own: int, paid_in: Int64s) -> int:
    """How many known amounts are of another currency than ``own``; counts all known ones where ``paid_in`` is given."""
    foreign = 0
    for i in range(len(currency)):
        if amount_log[i] == amount_log[i]:
            foreign += 1 if currency[i] != own else 0
            if len(paid_in):
                paid_in[currency[i]] += 1
    return foreign


@inlined
def _log_rate(
    currency: int, time_us: int, target: int, start: Int64s, published_us: Int64s, numerator: Int64s,
    denominator: Int64s, scale: Float64s,
) -> float:  # fmt: skip
    """Logarithm of the last rate published before a time, from whole units into those of the target; NaN for none."""
    at = rate_before(currency, time_us, start, published_us)
    if currency == target:
        return 0.0
    return log(numerator[at] / denominator[at] * scale[currency] / scale[target]) if at >= 0 else np.nan


@kernel
def _convert(
    currency: Int64s, booked_us: Int64s, own: int, target: int, start: Int64s, published_us: Int64s,
    numerator: Int64s, denominator: Int64s, scale: Float64s, amount_log: Float64s,
) -> None:  # fmt: skip
    """Bring amounts of other currencies than ``own`` into it; NaN where no rate is known."""
    for i in range(len(currency)):
        if currency[i] != own and amount_log[i] == amount_log[i]:
            amount_log[i] += _log_rate(
                currency[i], booked_us[i], target, start, published_us, numerator, denominator, scale
            ) - _log_rate(own, booked_us[i], target, start, published_us, numerator, denominator, scale)


_NOT_COUNTED: Int64s = np.zeros(0, np.int64)


class ModelRows:
    """Numbers of accounts and segments, and the one currency.

    Args:
        segments_max: How many segments get a number above 0, the first of the log; others have 0.
    """

    def __init__(self, *, segments_max: int) -> None:
        self._segments_max = segments_max
        self.row_of = np.full(1024, -1, np.int32)
        self.count = 0
        self.segment_code: list[int] = []
        self.segment_of = np.full(1, _UNNUMBERED, np.int64)
        self.currency: int | None = None
        """The currency of all amounts, once a payment had one."""
        self.paid_in = np.zeros(len(CURRENCIES), np.int64)
        """Payments by currency in the first days."""

    def take(
        self, batch: TransactionBatch, outcome: npt.NDArray[np.int8], profiles: ProfileTable, clock_us: int
    ) -> Rows:
        """The rows of a batch, amounts in their own currencies; new accounts and segments are numbered.

        ``clock_us`` is the clock before the batch.
        """
        n = len(batch)
        sides = (batch.debtor_account, batch.debtor_holder, batch.creditor_account, batch.creditor_holder)
        highest = _highest(*sides)
        if highest >= len(self.row_of):
            self.row_of = extended(self.row_of, 2 * highest + 2, -1)
        found, amount_log = np.empty((_COLUMNS, n), np.int64), np.empty(n)
        counts = np.array([self.count], np.int64)
        taken = _take(
            outcome, batch.status, *sides, batch.booked_at_us, batch.amount_minor, batch.currency, batch.channel,
            batch.position, _SCALE, clock_us, self.row_of, counts, found, amount_log,
        )  # fmt: skip
        self.count = int(counts[0])
        columns = list(found[:, :taken])
        return Rows._make([*columns, amount_log[:taken], self._segments(columns[_HOLDER], profiles)])

    def into_one_currency(self, rows: Rows, *, is_counted: bool, rates: Rates | None) -> None:
        """Bring the amounts of rows into the one currency, in place; NaN where no rate is known.

        Args:
            rows: Rows of one day.
            is_counted: Whether they take part in what the one currency is.
            rates: Rates into any one currency; none are known without.
        """
        if self.currency is None:
            known = np.flatnonzero(~np.isnan(rows.amount_log))
            self.currency = int(rows.currency[known[0]]) if len(known) else None
        own = -1 if self.currency is None else self.currency
        if not _meet(rows.currency, rows.amount_log, own, self.paid_in if is_counted else _NOT_COUNTED):
            return
        rates = no_rates(own) if rates is None else rates
        _convert(
            rows.currency, rows.booked_us, own, rates.target, rates.start, rates.published_us, rates.numerator,
            rates.denominator, _SCALE, rows.amount_log,
        )  # fmt: skip

    def choose_currency(self) -> None:
        """Take the currency that most payments so far were in."""
        if self.paid_in.any():
            self.currency = int(self.paid_in.argmax())

    def _segments(self, holder: Int64s, profiles: ProfileTable) -> Int64s:
        """The segment of each payer, 0 for one without; new ones are numbered as they come."""
        segments: Int64s = np.empty(len(holder), np.int64)
        while (code := _look_up(holder, profiles.row_of, profiles.values, self.segment_of, segments)) >= 0:
            if code >= len(self.segment_of):
                self.segment_of = extended(self.segment_of, code + 1, _UNNUMBERED)
            if len(self.segment_code) < self._segments_max:
                self.segment_code.append(code)
                self.segment_of[code] = len(self.segment_code)
            else:
                self.segment_of[code] = 0
        return segments

    def accounts(self) -> Int32s:
        """The code of each account in the order of their numbers."""
        codes = np.flatnonzero(self.row_of >= 0).astype(np.int32)
        return codes[np.argsort(self.row_of[codes])]

    def restore(self, accounts: Int32s, segment_code: list[int], currency: int | None, paid_in: Int64s) -> None:
        """Take over a saved state."""
        self.segment_code, self.currency, self.paid_in = segment_code, currency, paid_in
        self.segment_of = np.full(max(segment_code, default=0) + 1, _UNNUMBERED, np.int64)
        self.segment_of[segment_code] = np.arange(1, len(segment_code) + 1)
        self.count = len(accounts)
        self.row_of = np.full(max(1024, int(accounts.max(initial=0)) + 1), -1, np.int32)
        self.row_of[accounts] = np.arange(self.count, dtype=np.int32)
