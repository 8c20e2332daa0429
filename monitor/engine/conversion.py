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
from monitor.domain.transaction import Int64s
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

    The product has up to 128 bits; it is divided bit by bit, which only foreign payments pay for.
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
    quotient, rest = np.uint64(0), high
    for bit in range(63, -1, -1):
        rest = (rest << one) | ((low >> np.uint64(bit)) & one)
        quotient <<= one
        if rest >= d:
            rest -= d
            quotient |= one
    twice = rest << one
    if twice > d or (twice == d and quotient & one):
        quotient += one
    return np.int64(quotient) if quotient < (one << np.uint64(62)) else np.int64(UNKNOWN)


@kernel
def convert(
    amount_minor: Int64s,
    currency: npt.NDArray[np.int64],
    time_us: Int64s,
    target: int,
    start: Int64s,
    published_us: Int64s,
    numerator: Int64s,
    denominator: Int64s,
    out: Int64s,
) -> None:
    """Write amounts in minor units of the target, shape (n,); UNKNOWN where no rate was published before."""
    for i in range(len(amount_minor)):
        if amount_minor[i] == UNKNOWN or currency[i] < 0:
            out[i] = UNKNOWN
            continue
        if currency[i] == target:
            out[i] = amount_minor[i]
            continue
        low, high = start[currency[i]], start[currency[i] + 1]
        first = low
        while low < high:
            middle = (low + high) >> 1
            if published_us[middle] < time_us[i]:
                low = middle + 1
            else:
                high = middle
        out[i] = UNKNOWN if low == first else _scaled(amount_minor[i], numerator[low - 1], denominator[low - 1])


def convert_with(rates: Rates, amount_minor: Int64s, currency: Int64s, time_us: Int64s) -> Int64s:
    """Amounts in the target of ``rates``, shape (n,); UNKNOWN where no rate was published before."""
    out = np.empty(len(amount_minor), np.int64)
    convert(amount_minor, currency, time_us, rates.target, rates.start, rates.published_us, rates.numerator,
            rates.denominator, out)  # fmt: skip
    return out
