"""Dated exchange rates: what a payment is worth in the currency of a window, exactly or not at all.

A rates file is CSV with the columns ``published_at,source,target,rate``: one unit of ``source`` is ``rate`` units of
``target``, published at a time with a zone. A payment is converted once, at the last rate published *before*
it; a rate published at the same microsecond does not count. Without such a rate the amount is unknown.

**Pairs.** A pair is converted by its own rates. A pair without any rates of its own uses the inverse of the
opposite pair as an exact fraction (``1 / rate``), never a rounded one. A pair that has own rates never falls back to
the inverse, so a figure has one source. There are no cross rates over a third currency: the file states every pair.

**Exactness.** A rate is a fraction of integers. The result is rounded once, half to even, to minor units.
"""

import csv
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from hashlib import blake2b
from pathlib import Path
from textwrap import shorten

import numpy as np

from monitor.domain.money import AMOUNT_MINOR_MAX, CURRENCIES, CURRENCY_CODE, DECIMALS
from monitor.domain.time import UNKNOWN, parse_time_us
from monitor.domain.transaction import Int16s, Int64s

COLUMNS = ("published_at", "source", "target", "rate")
RATES_MAX = 5_000_000
"""Rows of one file; more are refused."""
_DIGITS_MAX = 18
_EXACT_MAX = 2**62


class RatesError(Exception):
    """The rates file is wrong; the message says where, what, why and what to do."""


@dataclass(frozen=True, slots=True)
class RateSeries:
    """The rates of one pair, ascending in time. Minor units of the target are
    ``minor units of the source * numerator / denominator``."""

    published_us: Int64s
    numerator: Int64s
    denominator: Int64s


@dataclass(frozen=True, slots=True)
class Converted:
    """Amounts in minor units of the target, shape (n,), and when the rate used was published.

    ``UNKNOWN`` where no rate was published before. ``published_us`` is ``UNKNOWN`` too where the
    currency is the target and no rate is needed.
    """

    amount_minor: Int64s
    published_us: Int64s


class Rates:
    """All rates of a run.

    >>> rates = read_rates(["published_at,source,target,rate", "2026-05-04T00:00:00Z,EUR,USD,1.085"], "rates.csv")
    >>> noon = parse_time_us("2026-05-04T12:00:00Z")
    >>> eur_usd_yen = np.array([CURRENCY_CODE["EUR"], CURRENCY_CODE["USD"], CURRENCY_CODE["JPY"]], np.int16)
    >>> converted = rates.convert(np.array([1000, 1000, 1000]), eur_usd_yen, np.full(3, noon), target="USD")
    >>> converted.amount_minor.tolist() == [1085, 1000, UNKNOWN]
    True
    """

    def __init__(self, pairs: dict[tuple[str, str], list[tuple[int, Fraction]]], digest: str) -> None:
        self.digest = digest
        self._pairs = {pair: sorted(rows) for pair, rows in pairs.items()}
        self._series: dict[tuple[str, str], RateSeries | None] = {}

    @property
    def common(self) -> str | None:
        """The currency that is in most pairs, the first by name of several; ``None`` without a rate."""
        sides = Counter(currency for pair in self._pairs for currency in pair)
        return min(sides, key=lambda currency: (-sides[currency], currency), default=None)

    @property
    def newest_us(self) -> int:
        """When the newest rate was published, microseconds since 1970 UTC; ``UNKNOWN`` without a rate."""
        return max((rows[-1][0] for rows in self._pairs.values()), default=UNKNOWN)

    def series(self, source: str, target: str) -> RateSeries | None:
        """The rates from ``source`` to ``target`` in minor units, or ``None`` if neither direction has any."""
        pair = (source, target)
        if pair not in self._series:
            rows = self._pairs.get(pair)
            if rows is None and (opposite := self._pairs.get((target, source))) is not None:
                rows = [(published_us, 1 / rate) for published_us, rate in opposite]
            self._series[pair] = None if rows is None else _series(rows, source, target)
        return self._series[pair]

    def convert(self, amount_minor: Int64s, currency: Int16s, time_us: Int64s, *, target: str) -> Converted:
        """Convert amounts at the last rate published before each time.

        Args:
            amount_minor: Shape (n,), minor units; ``UNKNOWN`` stays unknown.
            currency: Shape (n,), codes of :data:`monitor.domain.money.CURRENCIES`.
            time_us: Shape (n,), microseconds UTC.
            target: The currency wanted.
        """
        result = np.full(len(amount_minor), UNKNOWN, np.int64)
        published = np.full(len(amount_minor), UNKNOWN, np.int64)
        for code in np.unique(currency).tolist():
            rows = np.flatnonzero(currency == code)
            source = CURRENCIES[code] if code >= 0 else None
            if source == target:
                result[rows] = amount_minor[rows]
                continue
            series = self.series(source, target) if source is not None else None
            if series is None:
                continue
            index = np.searchsorted(series.published_us, time_us[rows], side="left") - 1
            is_known = (index >= 0) & (amount_minor[rows] != UNKNOWN)
            rows, index = rows[is_known], index[is_known]
            published[rows] = series.published_us[index]
            result[rows] = scaled(amount_minor[rows], series.numerator[index], series.denominator[index])
        published[result == UNKNOWN] = UNKNOWN
        return Converted(result, published)


def scaled(amount: Int64s, numerator: Int64s, denominator: Int64s) -> Int64s:
    """``amount * numerator / denominator``, exactly, rounded half to even; ``UNKNOWN`` above the largest amount.

    >>> scaled(np.array([5, 15, -5]), np.array([1, 1, 1]), np.array([10, 10, 10])).tolist()
    [0, 2, 0]
    """
    # A float product is off by less than 2 parts in 10^15, so it tells safely what fits in 63 bits.
    fits = np.abs(amount.astype(np.float64)) * numerator < _EXACT_MAX
    product = np.where(fits, amount, 0) * np.where(fits, numerator, 0)
    quotient, rest = np.divmod(product, denominator)
    # 2 * rest may not fit in 63 bits; the distance to the denominator does.
    other = denominator - rest
    result = quotient + ((rest > other) | ((rest == other) & (quotient % 2 == 1)))
    for row in np.flatnonzero(~fits).tolist():
        exact = round(Fraction(int(amount[row]) * int(numerator[row]), int(denominator[row])))
        result[row] = exact if abs(exact) <= AMOUNT_MINOR_MAX else UNKNOWN
    result[np.abs(result) > AMOUNT_MINOR_MAX] = UNKNOWN
    return np.asarray(result, np.int64)


def load_rates(path: Path) -> Rates:
    """Read a rates file.

    Raises:
        RatesError: A row is wrong.
        OSError: The file cannot be read.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        return read_rates(file, str(path))


def read_rates(lines: Iterable[str], name: str) -> Rates:
    """Rates from the lines of a CSV file; ``name`` is for messages.

    Raises:
        RatesError: A row is wrong.
    """
    reader = csv.reader(lines)
    header = next(reader, [])
    if tuple(header) != COLUMNS:
        given = shorten(", ".join(header), 80, placeholder=" ...") or "missing"
        raise RatesError(
            f"{name}:1: the columns are {given}. A rates file has the columns "
            f"{','.join(COLUMNS)}, in this order. Correct the first line."
        )
    pairs: dict[tuple[str, str], dict[int, Fraction]] = {}
    digest = blake2b(digest_size=16)
    for count, row in enumerate(reader):
        if not row:
            continue
        place = f"{name}:{reader.line_num}"
        if count >= RATES_MAX:
            raise RatesError(f"{place}: more than {RATES_MAX} rates. Leave out those before the first payment.")
        published_us, source, target, rate = _row(row, place)
        rows = pairs.setdefault((source, target), {})
        if published_us in rows:
            raise RatesError(
                f"{place}: {source} to {target} has two rates published at {row[0]}. It is not known which one is "
                "right. Keep one of them."
            )
        rows[published_us] = rate
        digest.update("\x1f".join(row).encode() + b"\n")
    return Rates({pair: list(rows.items()) for pair, rows in pairs.items()}, digest.hexdigest())


def _row(row: list[str], place: str) -> tuple[int, str, str, Fraction]:
    if len(row) != len(COLUMNS):
        raise RatesError(f"{place}: {len(row)} cells, but there are {len(COLUMNS)} columns. Correct the line.")
    moment, source, target, text = row
    for currency in (source, target):
        if currency not in CURRENCY_CODE:
            raise RatesError(f"{place}: {currency!r} is no currency of ISO 4217. Correct it.")
    if source == target:
        raise RatesError(f"{place}: a rate from {source} to itself. The same currency needs no rate; remove the line.")
    try:
        published_us = parse_time_us(moment)
    except ValueError as error:
        raise RatesError(f"{place}: {error}. Write for example 2026-05-04T16:00:00+02:00.") from error
    whole, _, part = text.partition(".")
    digits = whole + part
    if not (whole and digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS_MAX and int(digits)):
        raise RatesError(
            f"{place}: the rate {text!r} is no plain decimal above zero with at most {_DIGITS_MAX} digits. "
            "Write for example 1.0853."
        )
    return published_us, source, target, Fraction(int(digits), 10 ** len(part))


def _series(rows: list[tuple[int, Fraction]], source: str, target: str) -> RateSeries | None:
    scale = Fraction(10) ** (DECIMALS[CURRENCY_CODE[target]] - DECIMALS[CURRENCY_CODE[source]])
    exact = [(published_us, rate * scale) for published_us, rate in rows]
    too_long = [rate for _, rate in exact if max(rate.numerator, rate.denominator) >= _EXACT_MAX]
    if too_long:
        raise RatesError(f"a rate from {source} to {target} has too many digits to be used exactly; shorten it")
    return RateSeries(
        np.array([published_us for published_us, _ in exact], np.int64),
        np.array([rate.numerator for _, rate in exact], np.int64),
        np.array([rate.denominator for _, rate in exact], np.int64),
    )
