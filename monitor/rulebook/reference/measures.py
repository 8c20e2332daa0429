"""The measures of a window, each from the list of legs inside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from monitor.rulebook.reference.values import Plain, Value


@dataclass(frozen=True, slots=True)
class Inside:
    """The legs inside a window by log order, and the filter's doubt: the first field it lacked for some leg."""

    positions: tuple[int, ...]
    doubt: str | None


def measured(function: str, inside: Inside, argument: Sequence[Value], name: str) -> Value:
    """The measure over the legs that passed the filter.

    Args:
        function: ``count sum min max mean median distinct``.
        inside: The legs that passed, and whether others may belong.
        argument: The argument's value at each of those legs; empty for ``count``.
        name: ``window.measure``, named as missing where there is nothing to measure.

    >>> measured("median", Inside((1, 2), None), [Value(3), Value(4)], "w.m")
    Value(value=Fraction(7, 2), bound='exact', missing=None)
    >>> measured("sum", Inside((1, 2), None), [Value(3), Value.unknown("amount")], "w.m")
    Value(value=3, bound='at_least', missing='amount')
    """
    doubt = inside.doubt or next((value.missing for value in argument if value.is_unknown), None)
    known = [value.value for value in argument if value.value is not None]
    if function in ("count", "sum", "distinct"):
        number = _total(function, inside, known)
        return Value(number) if doubt is None else Value.at_least(number, doubt)
    if doubt is not None or not known:
        return Value.unknown(doubt or name)
    return Value(_of_numbers(function, sorted(Fraction(number) for number in known)))


def _total(function: str, inside: Inside, known: list[Plain]) -> int | Fraction:
    if function == "count":
        return len(inside.positions)
    if function == "distinct":
        return len(set(known))
    return sum(number for number in known if isinstance(number, int | Fraction))


def _of_numbers(function: str, ascending: list[Fraction]) -> Fraction:
    """Of at least one number. The median of an even count is the mean of the middle two."""
    count = len(ascending)
    match function:
        case "min":
            return ascending[0]
        case "max":
            return ascending[-1]
        case "mean":
            return sum(ascending, Fraction(0)) / count
        case "median":
            return (ascending[(count - 1) // 2] + ascending[count // 2]) / 2
    raise AssertionError(f"no such measure: {function}")
