"""Numbers as people read them, and the alert's sentence."""

import re
from fractions import Fraction

from monitor.domain.alert import ParameterInForce, Quantity
from monitor.domain.money import format_amount
from monitor.domain.time import format_duration
from monitor.domain.units import Kind, Unit

_PLACE = re.compile(r"\{([^{}]+)\}")


def quantity_of_parts(parts: tuple[int, int] | None, unit: Unit, bound: str = "exact") -> Quantity:
    """A value, given as numerator and denominator, with its unit as text.

    Exact decimals where they end; means to the minor unit, half to even; shares to four decimals.

    >>> quantity_of_parts((1800000, 1), Unit(Kind.MONEY, "USD"))
    Quantity(value='18000.00', unit='USD', bound='exact')
    >>> quantity_of_parts((14, 15), Unit(Kind.SHARE)).value
    '0.9333'
    """
    if parts is None:
        return Quantity(None, str(unit), "unknown")
    number, over = parts
    match unit.kind:
        case Kind.MONEY:
            whole = number if over == 1 else round(Fraction(number, over))
            return Quantity(format_amount(whole, unit.detail or "USD"), str(unit), bound)
        case Kind.DURATION:
            return Quantity(format_duration(number // over), str(unit), bound)
        case Kind.SHARE:
            return Quantity(f"{number / over:.4f}".rstrip("0").rstrip("."), str(unit), bound)
    return Quantity(str(number) if over == 1 else f"{number / over:.4f}", str(unit), bound)


def readable(value: str | None, unit: str, bound: str = "exact") -> str:
    """A quantity within a sentence.

    >>> readable("18000.00", "USD"), readable("0.93", "share"), readable("3", "count", "at_least")
    ('18 000.00 USD', '93 %', 'at least 3')
    """
    if value is None:
        return "unknown"
    text = value
    if len(unit) == 3 and unit.isupper():
        whole, point, part = value.partition(".")
        text = f"{int(whole):,}".replace(",", " ") + point + part + " " + unit
    elif unit == "share":
        text = f"{float(value) * 100:.1f}".removesuffix(".0") + " %"
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
