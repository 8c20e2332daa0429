"""Money is whole minor units: text goes in and out exactly, and conversion rounds half to even."""

from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.money import (
    CURRENCIES,
    CURRENCY_CODE,
    DECIMALS,
    convert_minor,
    format_amount,
    format_amount_for_reading,
    parse_amount_minor,
)

currencies = st.sampled_from(CURRENCIES)
amounts = st.integers(-(10**17), 10**17)


@given(amounts, currencies)
def test_an_amount_written_out_is_read_back_as_it_was(amount_minor: int, currency: str) -> None:
    assert parse_amount_minor(format_amount(amount_minor, currency), currency) == amount_minor


@given(amounts, currencies)
def test_the_text_of_an_amount_is_its_decimal_value(amount_minor: int, currency: str) -> None:
    decimals = DECIMALS[CURRENCY_CODE[currency]]
    assert Decimal(format_amount(amount_minor, currency)) == Decimal(amount_minor).scaleb(-decimals)


@given(amounts, currencies)
def test_the_text_for_reading_differs_by_spaces_and_the_currency_only(amount_minor: int, currency: str) -> None:
    shown, plain = format_amount_for_reading(amount_minor, currency), format_amount(amount_minor, currency)
    assert shown.endswith(f" {currency}")
    number = shown.removesuffix(f" {currency}")
    assert number.replace(" ", "").replace("\u202f", "").replace("\xa0", "") == plain


@pytest.mark.parametrize("text", ["", "-", ".5", "1e3", "1,5", "1 000", "+1", "٣", "1.5.5", "0x1", " 1"])
def test_what_is_no_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a plain decimal"):
        parse_amount_minor(text, "USD")


@pytest.mark.parametrize(("text", "currency"), [("1.001", "USD"), ("0.5", "JPY"), ("1.0001", "KWD")])
def test_more_decimals_than_the_currency_has_are_refused_and_never_rounded(text: str, currency: str) -> None:
    with pytest.raises(ValueError, match="more decimals"):
        parse_amount_minor(text, currency)


@pytest.mark.parametrize(
    ("text", "currency", "minor"), [("1.500", "USD", 150), ("7.0", "JPY", 7), ("0.0010", "KWD", 1)]
)
def test_zeros_behind_the_last_decimal_do_not_count(text: str, currency: str, minor: int) -> None:
    assert parse_amount_minor(text, currency) == minor


@given(st.integers(0, 10**17), st.fractions(Fraction(1, 1000), Fraction(1000)), currencies, currencies)
def test_a_conversion_is_the_exact_product_rounded_half_to_even(
    amount_minor: int, rate: Fraction, source: str, target: str
) -> None:
    shift = DECIMALS[CURRENCY_CODE[target]] - DECIMALS[CURRENCY_CODE[source]]
    exact = amount_minor * rate * Fraction(10) ** shift
    whole = exact.numerator // exact.denominator
    rest = exact - whole
    expected = whole + (rest > Fraction(1, 2) or (rest == Fraction(1, 2) and whole % 2 == 1))
    assert convert_minor(amount_minor, rate, source, target) == expected


@pytest.mark.parametrize(("amount_minor", "expected"), [(1, 0), (3, 2), (5, 2), (7, 4)])
def test_a_half_goes_to_the_even_neighbour(amount_minor: int, expected: int) -> None:
    assert convert_minor(amount_minor, Fraction(1, 2), "USD", "EUR") == expected
    assert int((Decimal(amount_minor) / 2).quantize(Decimal(1), ROUND_HALF_EVEN)) == expected
