"""What a sample can prove: Wilson score intervals, and how many items a review needs.

Counts of a review are binomial, or hypergeometric where the whole population is small and known. A share is never
shown without its numerator, its denominator and an interval: "0 of 12" and "0 of 1,200" are not the same finding.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, log, sqrt
from statistics import NormalDist

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Share:
    """``of`` items looked at, ``found`` of them so."""

    found: int
    of: int

    @property
    def value(self) -> float | None:
        """The share; ``None`` of nothing."""
        return self.found / self.of if self.of else None

    def __str__(self) -> str:
        """``12 of 40 (30 %)``.

        >>> str(Share(12, 40)), str(Share(0, 0)), str(Share(999, 1000))
        ('12 of 40 (30 %)', '0 of 0', '999 of 1000 (99.9 %)')
        """
        return f"{self.found} of {self.of} ({percent(self.found, self.of)})" if self.of else "0 of 0"


def percent(found: int, of: int) -> str:
    """A share in per cent: whole where that is exact enough, and never 0 or 100 where it is not.

    >>> percent(1, 3), percent(1, 1000), percent(1, 100_000), percent(99_999, 100_000), percent(2, 2)
    ('33 %', '0.1 %', '< 0.1 %', '> 99.9 %', '100 %')
    """
    exact = Fraction(100 * found, of)
    if 0 < exact < Fraction(1, 10):
        return "< 0.1 %"
    if Fraction(999, 10) < exact < 100:
        return "> 99.9 %"
    is_near_an_end = 0 < exact < 5 or 95 < exact < 100
    return f"{float(exact):.1f} %" if is_near_an_end and exact.denominator != 1 else f"{round(float(exact))} %"


def wilson(share: Share, *, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The Wilson score interval of a binomial share; (0, 1) of nothing.

    It stays within 0 and 1 and keeps about its stated coverage for small samples and shares near 0, where the
    textbook interval shrinks to a point.

    >>> low, high = wilson(Share(0, 59))
    >>> round(low, 4), round(high, 4)
    (0.0, 0.0611)

    Source: Wilson, E. B. (1927), "Probable inference, the law of succession, and statistical inference",
    Journal of the American Statistical Association 22.
    """
    if not share.of:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    n, p = share.of, share.found / share.of
    middle = p + z * z / (2 * n)
    half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    whole = 1 + z * z / n
    low = 0.0 if share.found == 0 else max(0.0, (middle - half) / whole)
    high = 1.0 if share.found == n else min(1.0, (middle + half) / whole)
    return low, high


def chance_of_none(sample: int, population: int, hits: int) -> float:
    """The probability that a sample without replacement holds none of the ``hits`` of the population.

    >>> round(chance_of_none(2, 4, 1), 3), chance_of_none(4, 4, 1)
    (0.5, 0.0)
    """
    chance = 1.0
    for number in range(min(hits, population)):
        left = population - sample - number
        if left <= 0:
            return 0.0
        chance *= left / (population - number)
    return chance


def sample_size(*, tolerable: float, confidence: float = CONFIDENCE, population: int | None = None) -> int:
    """How many items must be reviewed so that none found proves, at this confidence, a share below ``tolerable``.

    With ``population`` the sample is drawn without replacement from so many items (hypergeometric), else from endlessly
    many (binomial). 0 of 59 proves less than 5 % at 95 %: the exact form of the "rule of three", 3 / n.

    >>> sample_size(tolerable=0.05), sample_size(tolerable=0.05, population=100)
    (59, 45)

    Raises:
        ValueError: ``tolerable`` or ``confidence`` is not between 0 and 1.
    """
    if not 0 < tolerable < 1 or not 0 < confidence < 1:
        raise ValueError("a tolerable share and a confidence lie between 0 and 1, both excluded")
    if population is None:
        return ceil(log(1 - confidence) / log(1 - tolerable))
    # The fewest hits that would be too many.
    hits = ceil(Fraction(str(tolerable)) * population)
    if not population:
        return 0
    low, high = 1, population
    while low < high:
        middle = (low + high) // 2
        if chance_of_none(middle, population, hits) <= 1 - confidence:
            high = middle
        else:
            low = middle + 1
    return low


def most_if_none(sample: int, *, confidence: float = CONFIDENCE, population: int | None = None) -> float:
    """The largest share that is still credible when none of ``sample`` items was found; 1 of nothing.

    With ``population`` the sample was drawn without replacement from so many items; nothing is left open when all of
    them were looked at.

    >>> round(most_if_none(59), 4), most_if_none(0), most_if_none(59, population=59), most_if_none(45, population=100)
    (0.0495, 1.0, 0.0, 0.04)
    """
    if population is None:
        return 1.0 if sample == 0 else float(1 - (1 - confidence) ** (1 / sample))
    if not population:
        return 0.0
    low, high = 0, population
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if chance_of_none(sample, population, middle) > 1 - confidence else (low, middle - 1)
    return low / population
