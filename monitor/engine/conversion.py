"""Amounts in the currency of a window: converted once, at the last rate published before the payment.

A rate is ``numerator / denominator`` minor units of the target per minor unit of the source, so that the
different numbers of decimals are part of it. The result is rounded half to even; no rate before the payment, or
a result that would not fit, is unknown. Equal currencies need no rate.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from monitor.domain.money import CURRENCIES
from monitor.domain.time import UNKNOWN
from monitor.domain.transaction import Int16s, Int32s, Int64s, TransactionBatch
from monitor.engine.compiled import inlined, kernel


@dataclass(frozen=True, slots=True)
class Rates:
    """Rates into one target currency, by source: rows ``start[c]`` to ``start[c + 1]``, ascending in time."""

    target: int
    start: Int64s
    published_us: Int64s
    numerator: Int64s
    denominator: Int64s


def no_rates(target: int) -> Rates:
    """No rate at all: only amounts in the target currency itself are known."""
    empty = np.zeros(0, np.int64)
    return Rates(target, np.zeros(len(CURRENCIES) + 1, np.int64), empty, empty, empty)


@inlined
def _scaled(amount, numerator, denominator):
    """``amount * numerator / denominator`` rounded half to even; UNKNOWN where it does not fit in 62 bits.

    The product has up to 128 bits. One of 64 is divided at once, a larger one bit by bit.
    """
    a, b, d = np.uint64(amount), np.uint64(numerator), np.uint64(denominator)
    mask, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    low = (a & mask) * (b & mask)
    middle_1 = (a >> half) * (b & mask) + (low >> half)
    middle_2 = (a & mask) * (b >> half) + (middle_1 & mask)
    high = (a >> half) * (b >> half) + (middle_1 >> half) + (middle_2 >> half)
    low = (middle_2 << half) | (low & mask)
    if high >= d:
        return np.int64(UNKNOWN)
    one = np.uint64(1)
    quotient, rest = low // d, low % d
    if high != 0:
        quotient, rest = np.uint64(0), high
        for bit in range(63, -1, -1):
            rest = (rest << one) | ((low >> np.uint64(bit)) & one)
            quotient <<= one
            if rest >= d:
                rest -= d
                quotient |= one
    if quotient >> np.uint64(62) != 0:
        # Before rounding up, which would make nothing of 64 set bits.
        return np.int64(UNKNOWN)
    twice = rest << one
    if twice > d or (twice == d and quotient & one):
        quotient += one
    return np.int64(quotient) if quotient < (one << np.uint64(62)) else np.int64(UNKNOWN)


@inlined
def rate_before(currency, time_us, start, published_us):
    """The row of the last rate of a currency that was published before a time; -1 where there is none."""
    low, high = start[currency], start[currency + 1]
    first = low
    while low < high:
        middle = (low + high) >> 1
        if published_us[middle] < time_us:
            low = middle + 1
        else:
            high = middle
    return -1 if low == first else low - 1


@inlined
def converted(amount, currency, time_us, target, start, published_us, numerator, denominator):
    """An amount in minor units of the target; UNKNOWN where no rate was published before the time."""
    if amount == UNKNOWN or currency < 0:
        return np.int64(UNKNOWN)
    if currency == target:
        return np.int64(amount)
    at = rate_before(currency, time_us, start, published_us)
    return np.int64(UNKNOWN) if at < 0 else _scaled(amount, numerator[at], denominator[at])


@kernel
def _convert(
    transaction: Int64s, amount_minor: Int64s, currency: Int16s, booked_us: Int64s, profile_row: Int32s,
    profiles: npt.NDArray[np.int64], amount_column: int, currency_column: int, target: int, start: Int64s,
    published_us: Int64s, numerator: Int64s, denominator: Int64s, out: Int64s,
) -> None:  # fmt: skip
    for i in range(len(transaction)):
        amount, code = np.int64(UNKNOWN), np.int64(-1)
        if amount_column < 0:
            amount, code = amount_minor[transaction[i]], np.int64(currency[transaction[i]])
        elif profile_row[i] >= 0:
            amount, code = profiles[profile_row[i], amount_column], profiles[profile_row[i], currency_column]
        out[i] = converted(amount, code, booked_us[i], target, start, published_us, numerator, denominator)


def convert_legs(
    rates: Rates,
    batch: TransactionBatch,
    transaction: Int64s,
    booked_us: Int64s,
    profile_row: Int32s,
    profiles: npt.NDArray[np.int64],
    columns: tuple[int, int],
    out: Int64s,
) -> None:
    """Write an amount of each leg in the target of ``rates``; UNKNOWN where no rate was published before.

    Args:
        rates: The rates into the target.
        batch: The payments.
        transaction: Row of the batch by leg, shape (m,).
        booked_us: When each was booked, shape (m,): the rate is the last one before.
        profile_row: Row of the profile by leg, -1 where none is held, shape (m,).
        profiles: The profiles.
        columns: Columns of ``profiles`` with amount and currency; (-1, -1) for the payment's own.
        out: Minor units of the target, shape (m,).
    """
    _convert(
        transaction, batch.amount_minor, batch.currency, booked_us, profile_row, profiles, *columns, rates.target,
        rates.start, rates.published_us, rates.numerator, rates.denominator, out,
    )  # fmt: skip
