"""Numbers as people read them, and the alert's sentence."""

import re
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache

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
    return Quantity(None, str(unit), "unknown") if parts is None else Quantity(writer(unit)(*parts), str(unit), bound)


def writer(unit: Unit) -> Callable[[int, int], str]:
    """The function that writes a value of a unit, given as numerator and denominator."""
    match unit.kind:
        case Kind.MONEY:
            currency = unit.detail or "USD"
            return lambda number, over: format_amount(number if over == 1 else round(Fraction(number, over)), currency)
        case Kind.DURATION:
            return lambda number, over: format_duration(number // over)
        case Kind.SHARE:
            return lambda number, over: f"{number / over:.4f}".rstrip("0").rstrip(".")
    return lambda number, over: str(number) if over == 1 else f"{number / over:.4f}"


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
    pieces = list(_pieces(template))
    for place in range(1, len(pieces), 2):
        name = pieces[place]
        if name in parameters:
            pieces[place] = readable(parameters[name].value, parameters[name].unit)
            continue
        quantity = measures.get(name) or values.get(name)
        pieces[place] = readable(quantity.value, quantity.unit, quantity.bound) if quantity else "unknown"
    return "".join(pieces)


@lru_cache(maxsize=1024)
def _pieces(template: str) -> tuple[str, ...]:
    """Text, name, text, name, ..., text."""
    return tuple(_PLACE.split(template))
