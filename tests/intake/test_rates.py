"""Rates: the last one published before a payment, exactly; none before it means unknown."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.domain.money import AMOUNT_MINOR_MAX, CURRENCY_CODE, convert_minor
from monitor.domain.time import UNKNOWN, format_time
from monitor.intake.rates import Rates, RatesError, read_rates

HEADER = "published_at,source,target,rate"
CURRENCIES = ["EUR", "USD", "JPY", "KWD", "XBT"]

rate_texts = st.decimals("0.000001", "99999999", places=6).map(lambda rate: f"{rate:f}")
rate_rows = st.lists(
    st.tuples(st.integers(0, 50), st.sampled_from(CURRENCIES), st.sampled_from(CURRENCIES), rate_texts).filter(
        lambda row: row[1] != row[2]
    ),
    max_size=12,
    unique_by=lambda row: row[:3],
)
payments = st.lists(
    st.tuples(
        st.integers(1, 10**12) | st.integers(1, AMOUNT_MINOR_MAX), st.sampled_from(CURRENCIES), st.integers(0, 51)
    ),
    min_size=1,
    max_size=12,
)


def rates_of(rows: list[tuple[int, str, str, str]]) -> Rates:
    return read_rates([HEADER, *(f"{format_time(t)},{a},{b},{rate}" for t, a, b, rate in rows)], "rates.csv")


def by_definition(
    rows: list[tuple[int, str, str, str]], amount: int, source: str, time_us: int, target: str
) -> tuple[int, int]:
    if source == target:
        return amount, UNKNOWN
    direct = [(t, Fraction(rate)) for t, a, b, rate in rows if (a, b) == (source, target)]
    inverse = [(t, 1 / Fraction(rate)) for t, a, b, rate in rows if (b, a) == (source, target)]
    before = [row for row in (direct or inverse) if row[0] < time_us]
    if not before:
        return UNKNOWN, UNKNOWN
    published, rate = max(before)
    converted = convert_minor(amount, rate, source, target)
    return (converted, published) if converted <= AMOUNT_MINOR_MAX else (UNKNOWN, UNKNOWN)


@given(rate_rows, payments, st.sampled_from(CURRENCIES))
@settings(print_blob=True, deadline=None, max_examples=300)
def test_every_amount_is_converted_as_the_definition_says(
    rows: list[tuple[int, str, str, str]], payments: list[tuple[int, str, int]], target: str
) -> None:
    amounts, sources, times = zip(*payments, strict=True)
    codes = np.array([CURRENCY_CODE[source] for source in sources], np.int16)
    got = rates_of(rows).convert(np.array(amounts), codes, np.array(times), target=target)
    expected = [by_definition(rows, *payment, target) for payment in payments]
    assert list(zip(got.amount_minor.tolist(), got.published_us.tolist(), strict=True)) == expected


def test_a_rate_published_at_the_same_moment_does_not_count_and_half_goes_to_even() -> None:
    rates = rates_of([(10, "EUR", "USD", "0.5")])
    euro = np.full(4, CURRENCY_CODE["EUR"], np.int16)
    got = rates.convert(np.array([1, 3, 5, 5]), euro, np.array([11, 11, 11, 10]), target="USD")
    assert got.amount_minor.tolist() == [0, 2, 2, UNKNOWN]
    assert got.published_us.tolist() == [10, 10, 10, UNKNOWN]


def test_an_unknown_amount_stays_unknown() -> None:
    euro = np.array([CURRENCY_CODE["EUR"]], np.int16)
    got = rates_of([(0, "EUR", "USD", "2")]).convert(np.array([UNKNOWN]), euro, np.array([5]), target="USD")
    assert got.amount_minor.tolist() == [UNKNOWN]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2026-05-04,EUR,USD,1.1", r"rates.csv:2: time without a zone: '2026-05-04'"),
        ("2026-05-04T00:00:00Z,EUR,USX,1.1", r"rates.csv:2: 'USX' is no currency of ISO 4217"),
        ("2026-05-04T00:00:00Z,EUR,EUR,1.0", r"rates.csv:2: a rate from EUR to itself"),
        ("2026-05-04T00:00:00Z,EUR,USD,1e3", r"rates.csv:2: the rate '1e3' is no plain decimal"),
        ("2026-05-04T00:00:00Z,EUR,USD,0.0", r"rates.csv:2: the rate '0.0' is no plain decimal above zero"),
        ("2026-05-04T00:00:00Z,EUR,USD", r"rates.csv:2: 3 cells, but there are 4 columns"),
    ],
)
def test_a_wrong_row_is_reported_with_its_line(line: str, message: str) -> None:
    with pytest.raises(RatesError, match=message):
        read_rates([HEADER, line], "rates.csv")


def test_two_rates_of_one_moment_and_a_wrong_header_are_errors() -> None:
    row = "2026-05-04T00:00:00Z,EUR,USD,1.1"
    with pytest.raises(RatesError, match=r"rates.csv:3: EUR to USD has two rates"):
        read_rates([HEADER, row, row], "rates.csv")
    with pytest.raises(RatesError, match=r"rates.csv:1: the columns are a, b"):
        read_rates(["a,b"], "rates.csv")
