"""Casting a case: who plays the subject, the middlemen and the outside parties, and how much moves when.

Every case has its own random stream, named by its number. Steps are days, not hours: the hour of a
payment is dressed like any other, and a day between two hops keeps them in order.
"""

from dataclasses import dataclass, field

import numpy as np

from monitor.app.simulate.draws import Int64s, Part, stream
from monitor.app.simulate.population import FOREIGN_SHARES, Population
from monitor.app.simulate.rhythm import Day
from monitor.app.simulate.world import COUNTRY_NAMES, ENTITIES, FOREIGN, HIGH_RISK, KIND

GROWTH = np.round(np.exp(np.arange(4097) / 4096 * np.log(1000.0)) * (1 << 16)).astype(np.int64)
"""Multipliers from 1 to 1,000 in equal ratios, in 1/65,536."""
SPREAD, AS_GIVEN, ROUND_THOUSANDS = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Step:
    """One planned payment; ``amount`` in cents of the model's dollars."""

    day: int
    kind: int
    debtor: int
    creditor: int
    amount: int
    form: int = AS_GIVEN


@dataclass(slots=True)
class Case:
    """One planned case. ``name`` is its id in the files."""

    number: int
    typology: str
    steps: list[Step] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"CASE-{self.number + 1:06d}"


class Cast:
    """Draws parties, amounts and days for one case."""

    def __init__(self, population: Population, calendar: list[Day], case: Case, subject: int) -> None:
        self.population = population
        self.calendar = calendar
        self.case = case
        self.subject = subject
        self.entity = int(population.entity[subject])
        self.rng = stream(population.seed, Part.CASES, case.number + 1)
        self._taken = {subject}

    def between(self, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``, both included."""
        return int(self.rng.integers(low, high + 1))

    def chance(self, percent: int) -> bool:
        return int(self.rng.integers(100)) < percent

    def dollars(self, low: int, high: int) -> int:
        """Cents of an amount between two sums in dollars; small ones more often, as in the rest of the bank."""
        last = int(np.searchsorted(GROWTH, (high << 16) // low))
        cell = int(self.rng.integers(0, last + 1, 2).min())
        return min(low * 100 * int(GROWTH[cell]) >> 16, high * 100)

    def start(self, span: int, *, first: int = 0, last: int | None = None) -> int:
        """A first day that leaves ``span`` days for the rest of the case."""
        final = (self.population.days - 1 if last is None else last) - span - 4
        return self.between(first, max(first, final))

    def open_day(self, day: int) -> int:
        """``day``, or the next one on which the entity is open."""
        while day < len(self.calendar) and not self.calendar[day].is_business[self.entity]:
            day += 1
        return day

    def working(self, day: int) -> int:
        """``day``; if the entity is closed, mostly one of the next open days, as its other customers choose."""
        while day < len(self.calendar) and not self.calendar[day].is_business[self.entity] and not self.chance(30):
            day = self.open_day(day) + self.between(0, 3)
        return day

    def early_week(self, day: int) -> int:
        """The first day from ``day`` on that is open and whose next day is open too."""
        last = self.population.days - 2
        while 0 < day < last and not (
            self.calendar[day].is_business[self.entity] and self.calendar[day + 1].is_business[self.entity]
        ):
            day += 1
        return max(0, min(day, last))

    def ours(self, candidates: Int64s) -> int:
        """An account of ours that is not yet in the case, same entity, open before the stream."""
        for _ in range(64):
            chosen = int(candidates[self.rng.integers(len(candidates))])
            if chosen not in self._taken and self.population.opened_day[chosen] < 0:
                self._taken.add(chosen)
                return chosen
        raise LookupError(
            f"{self.case.name}: {len(candidates)} accounts are too few for {self.case.typology}; "
            "simulate more customers"
        )

    def outsider(self, sort: str = "person") -> int:
        """A domestic outside account that is not yet in the case."""
        start, size = self.population.blocks[sort, self.entity]
        return self._fresh(start, size)

    def foreigner(self, *, high_risk: bool = False, country: int | None = None) -> int:
        """An account abroad; in one of the high-risk countries on request."""
        start, size = self.population.blocks["foreign", 0]
        per_country = size // len(FOREIGN)
        names = COUNTRY_NAMES[len(ENTITIES) :]
        while country is None or (names[country] in HIGH_RISK) != high_risk:
            country = int(FOREIGN_SHARES[self.rng.integers(len(FOREIGN_SHARES))]) - len(ENTITIES)
        return self._fresh(start + country * per_country, per_country)

    def _fresh(self, start: int, size: int) -> int:
        for _ in range(64):
            chosen = start + int(self.rng.integers(size))
            if chosen not in self._taken:
                break
        self._taken.add(chosen)
        return chosen

    def cover(self) -> int:
        """The kind of payment a transfer is dressed as."""
        return KIND["trade"] if self.chance(95) else KIND["large"]

    def pay(self, day: int, debtor: int, creditor: int, cents: int, *, kind: int | None = None,
            form: int = AS_GIVEN) -> None:  # fmt: skip
        """Plan one payment. What would fall after the end of the stream is not seen."""
        chosen = self.cover() if kind is None else kind
        if day < self.population.days:
            self.case.steps.append(Step(day, chosen, debtor, creditor, cents, form))

    def deposit(self, day: int, account: int, cents: int) -> None:
        """Plan one deposit of cash."""
        self.pay(self.open_day(day), -1, account, cents, kind=KIND["cash_in"])

    def after_fee(self, cents: int, low: int = 93, high: int = 98) -> int:
        """What is passed on of ``cents``: from ``low`` to ``high`` percent."""
        return cents * self.between(low * 10, high * 10) // 1000

    def split(self, cents: int, parts: int) -> list[int]:
        """``cents`` in unequal parts, each at least half of an equal one."""
        weights = [self.between(50, 150) for _ in range(parts)]
        return [cents * weight // sum(weights) for weight in weights]
