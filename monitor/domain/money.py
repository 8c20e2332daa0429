"""Money: ``int64`` minor units with a currency; exact or refused.

The number of decimals per currency is that of ISO 4217. An amount with more
decimals than its currency has is refused, never rounded.
"""

from fractions import Fraction

_DECIMALS_0 = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_DECIMALS_2 = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF
CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG
HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR
MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD
SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER
ZAR ZMW ZWG
"""
_DECIMALS_3 = "BHD IQD JOD KWD LYD OMR TND"
_DECIMALS_8 = "XBT"

CURRENCIES = (
    *_DECIMALS_0.split(),
    *_DECIMALS_2.split(),
    *_DECIMALS_3.split(),
    "CLF",
    "UYW",
    *_DECIMALS_8.split(),
)
"""Currency codes; the position is the code that columns hold. New ones are appended.
``XBT`` (bitcoin, 8 decimals) is not in ISO 4217 and serves sources that book crypto-assets."""

DECIMALS = (
    *(0 for _ in _DECIMALS_0.split()),
    *(2 for _ in _DECIMALS_2.split()),
    *(3 for _ in _DECIMALS_3.split()),
    4,
    4,
    *(8 for _ in _DECIMALS_8.split()),
)
CURRENCY_CODE = {currency: code for code, currency in enumerate(CURRENCIES)}

AMOUNT_MINOR_MAX = 10**17
"""Largest accepted amount in minor units; 90 of them still add up within ``int64``."""


def parse_amount_minor(text: str, currency: str) -> int:
    """Minor units of a plain decimal such as ``9000.00``.

    >>> parse_amount_minor("9000.5", "USD"), parse_amount_minor("12", "JPY")
    (900050, 12)

    Raises:
        KeyError: The currency is unknown.
        ValueError: Not a plain decimal, or more decimals than the currency has.
    """
    decimals = DECIMALS[CURRENCY_CODE[currency]]
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
    whole, _, part = digits.partition(".")
    if not (whole.isascii() and whole.isdigit()) or (part and not (part.isascii() and part.isdigit())):
        raise ValueError(f"not a plain decimal number: {text!r}")
    part = part.rstrip("0")
    if len(part) > decimals:
        raise ValueError(f"{text!r} has more decimals than {currency} has ({decimals})")
    return sign * int(whole + part.ljust(decimals, "0"))


def format_amount(amount_minor: int, currency: str) -> str:
    """A plain decimal with all decimals of the currency.

    >>> format_amount(900050, "USD"), format_amount(-5, "KWD")
    ('9000.50', '-0.005')
    """
    decimals = DECIMALS[CURRENCY_CODE[currency]]
    sign, digits = ("-" if amount_minor < 0 else ""), str(abs(int(amount_minor))).rjust(decimals + 1, "0")
    return sign + (digits[:-decimals] + "." + digits[-decimals:] if decimals else digits)


def format_amount_for_reading(amount_minor: int, currency: str) -> str:
    """With thousands apart and the currency behind, for sentences.

    >>> format_amount_for_reading(1800000, "USD")
    '18 000.00 USD'
    """
    whole, point, part = format_amount(amount_minor, currency).partition(".")
    sign = "-" if whole.startswith("-") else ""
    return sign + f"{abs(int(whole)):,}".replace(",", " ") + point + part + " " + currency


def convert_minor(amount_minor: int, rate: Fraction, source: str, target: str) -> int:
    """Minor units of ``target``, rounded half to even. ``rate`` is target units per unit of ``source``.

    >>> convert_minor(1000, Fraction(3, 2), "EUR", "USD")
    1500
    """
    scale = Fraction(10) ** (DECIMALS[CURRENCY_CODE[target]] - DECIMALS[CURRENCY_CODE[source]])
    return round(amount_minor * rate * scale)
