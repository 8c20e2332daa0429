"""Units of values in rules: what may be compared with what.

A unit is a kind and, for money and categories, what exactly: ``USD`` or the
vocabulary ``channel``. Values of different units never meet in a comparison;
the rule compiler refuses it with the line.
"""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The kinds of values."""

    MONEY = "money"
    COUNT = "count"
    SHARE = "share"
    DURATION = "duration"
    CATEGORY = "category"
    BOOLEAN = "boolean"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Unit:
    """A kind with its detail: the currency of money, the vocabulary of a category.

    ``detail`` of money is ``None`` as long as the currency is not settled: the field ``amount``
    takes the currency of what it is compared with.
    """

    kind: Kind
    detail: str | None = None

    def __str__(self) -> str:
        if self.kind is Kind.MONEY:
            return self.detail or "money"
        return f"category {self.detail}" if self.kind is Kind.CATEGORY else self.kind.value


MONEY = Unit(Kind.MONEY)
COUNT = Unit(Kind.COUNT)
SHARE = Unit(Kind.SHARE)
DURATION = Unit(Kind.DURATION)
BOOLEAN = Unit(Kind.BOOLEAN)
TIME = Unit(Kind.TIME)


def money(currency: str) -> Unit:
    """The unit of amounts in ``currency``."""
    return Unit(Kind.MONEY, currency)


def category(vocabulary: str) -> Unit:
    """The unit of values drawn from ``vocabulary``."""
    return Unit(Kind.CATEGORY, vocabulary)
