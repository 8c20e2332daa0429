"""Values that may be exact, a lower bound or unknown, and the logic of three truths over them.

A truth is a :class:`Value` too: exact ``True`` or ``False``, or unknown. An unknown value remembers the first
field that made it unknown, so that an undecided rule can say what it lacks.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from operator import eq, ge, gt, le, lt, ne

Plain = int | Fraction | str | bool

EXACT, AT_LEAST, UNKNOWN = "exact", "at_least", "unknown"


@dataclass(frozen=True, slots=True)
class Value:
    """A value with its bound; ``missing`` names the field that is lacking where the bound is unknown.

    >>> Value.at_least(3)
    Value(value=3, bound='at_least', missing=None)
    """

    value: Plain | None
    bound: str = EXACT
    missing: str | None = None

    @staticmethod
    def at_least(value: int | Fraction, missing: str | None = None) -> "Value":
        """A number that is known to be no smaller than ``value``."""
        return Value(value, AT_LEAST, missing)

    @staticmethod
    def unknown(missing: str | None) -> "Value":
        """No value, because ``missing`` is not known."""
        return Value(None, UNKNOWN, missing)

    @property
    def is_exact(self) -> bool:
        return self.bound == EXACT

    @property
    def is_unknown(self) -> bool:
        return self.bound == UNKNOWN

    @property
    def number(self) -> int | Fraction:
        """The number of an exact value or a lower bound."""
        assert isinstance(self.value, int | Fraction), self
        return self.value


TRUE, FALSE = Value(True), Value(False)

_COMPARE: dict[str, Callable[[Plain, Plain], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge, "==": eq, "!=": ne}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


def compare(op: str, left: Value, right: Value) -> Value:
    """``left op right``: true, false, or unknown where what is known does not settle it.

    A lower bound of 3 settles "at least 3" and "less than 3", not "at least 4":

    >>> compare(">=", Value.at_least(3), Value(3)).value, compare("<", Value.at_least(3), Value(3)).value
    (True, False)
    >>> compare(">=", Value.at_least(3, "amount"), Value(4))
    Value(value=None, bound='unknown', missing='amount')
    """
    for side in (left, right):
        if side.is_unknown:
            return Value.unknown(side.missing)
    assert left.value is not None
    assert right.value is not None
    if left.is_exact and right.is_exact:
        return Value(_COMPARE[op](left.value, right.value))
    if left.is_exact:
        return compare(_MIRRORED[op], right, left)
    if not right.is_exact:
        return Value.unknown(left.missing)
    return _compare_lower_bound(op, left, right.number)


def _compare_lower_bound(op: str, left: Value, limit: int | Fraction) -> Value:
    """The true number is ``left.number`` or more; it may be compared only with what that excludes."""
    lowest = left.number
    if op in (">=", "<") and lowest >= limit:
        return Value(op == ">=")
    if op in (">", "<=") and lowest > limit:
        return Value(op == ">")
    if op in ("==", "!=") and lowest > limit:
        return Value(op == "!=")
    return Value.unknown(left.missing)


def negate(truth: Value) -> Value:
    """Not: unknown stays unknown."""
    return truth if truth.is_unknown else Value(not truth.value)


def all_of(truths: Iterable[Value]) -> Value:
    """And: one false settles it; else one unknown leaves it open.

    >>> all_of([TRUE, Value.unknown("channel"), FALSE]).value
    False
    >>> all_of([TRUE, Value.unknown("channel")]).missing
    'channel'
    """
    return _settle(truths, by=False)


def any_of(truths: Iterable[Value]) -> Value:
    """Or: one true settles it; else one unknown leaves it open."""
    return _settle(truths, by=True)


def _settle(truths: Iterable[Value], *, by: bool) -> Value:
    outcome = Value(not by)
    for truth in truths:
        if truth.is_exact and truth.value is by:
            return truth
        if truth.is_unknown and outcome.is_exact:
            outcome = truth
    return outcome


def add(left: Value, right: Value) -> Value:
    """The sum; a lower bound if one part is."""
    for side in (left, right):
        if side.is_unknown:
            return side
    total = left.number + right.number
    return Value(total) if left.is_exact and right.is_exact else Value.at_least(total, left.missing or right.missing)


def subtract(left: Value, right: Value) -> Value:
    """The difference. Taking away a lower bound leaves an upper bound, which counts as unknown."""
    for side in (left, right):
        if side.is_unknown:
            return side
    if not right.is_exact:
        return Value.unknown(right.missing)
    return Value(left.number - right.number, left.bound, left.missing)


def divide(part: Value, whole: Value, text: str) -> Value:
    """The exact ratio, which ``text`` names; unknown where ``whole`` is not above zero or only a lower bound."""
    for side in (part, whole):
        if side.is_unknown:
            return side
    if not whole.is_exact:
        return Value.unknown(whole.missing)
    if whole.number <= 0:
        return Value.unknown(text)
    return Value(Fraction(part.number) / Fraction(whole.number), part.bound, part.missing)


def multiple_of(amount: Value, step: Value) -> Value:
    """Whether the amount is a whole number of steps; unknown for a step of zero."""
    for side in (amount, step):
        if not side.is_exact:
            return Value.unknown(side.missing)
    return Value(amount.number % step.number == 0) if step.number else Value.unknown("step")
