"""Numbers as people read them, and the alert's sentence."""

import re
from fractions import Fraction

from monitor.domain.alert import ParameterInForce, Quantity
from monitor.domain.money import format_amount, format_amount_for_reading, parse_amount_minor
from monitor.domain.time import format_duration
from monitor.domain.units import Kind, Unit

_PLACE = re.compile(r"\{([^{}]+)\}")


def quantity_of(value: Fraction | None, unit: Unit, bound: str = "exact") -> Quantity:
    """A value with its unit as text: exact decimals, means to the minor unit, shares to four decimals.

    >>> quantity_of(Fraction(1800000), Unit(Kind.MONEY, "USD"))
    Quantity(value='18000.00', unit='USD', bound='exact')
    >>> quantity_of(Fraction(14, 15), Unit(Kind.SHARE)).value
    '0.9333'
    """
    if value is None:
        return Quantity(None, str(unit), "unknown")
    match unit.kind:
        case Kind.MONEY:
            return Quantity(format_amount(round(value), unit.detail or "USD"), str(unit), bound)
        case Kind.DURATION:
            return Quantity(format_duration(int(value)), str(unit), bound)
        case Kind.SHARE:
            text = f"{float(value):.4f}".rstrip("0").rstrip(".")
            return Quantity(text, str(unit), bound)
    text = str(int(value)) if value.denominator == 1 else f"{float(value):.4f}"
    return Quantity(text, str(unit), bound)


def readable(value: str | None, unit: str, bound: str = "exact") -> str:
    """A quantity within a sentence.

    >>> readable("18000.00", "USD"), readable("0.93", "share"), readable("3", "count", "at_least")
    ('18 000.00 USD', '93 %', 'at least 3')
    """
    if value is None:
        return "unknown"
    text = value
    if len(unit) == 3 and unit.isupper():
        text = format_amount_for_reading(parse_amount_minor(value, unit), unit)
    elif unit == "share":
        percent = Fraction(value) * 100
        text = f"{float(percent):.1f}".removesuffix(".0") + " %"
    return f"at least {text}" if bound == "at_least" else text


def fill(
    template: str,
    measures: dict[str, Quantity],
    parameters: dict[str, ParameterInForce],
    values: dict[str, Quantity],
) -> str:
    """The sentence with every ``{name}`` replaced."""

    def replaced(match: re.Match[str]) -> str:
        name = match.group(1)
        if name in parameters:
            return readable(parameters[name].value, parameters[name].unit)
        quantity = measures.get(name) or values.get(name)
        return readable(quantity.value, quantity.unit, quantity.bound) if quantity else "unknown"

    return _PLACE.sub(replaced, template)
