"""The everyday of the bank: who pays whom and how much, on one day.

Each flow draws its payments for one day at once. Which of its counterparties an account meets follows
from scrambled codes, so that employers, landlords, friends and suppliers return without being stored.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from monitor.app.simulate.draws import Int64s, mixed, remainder
from monitor.app.simulate.population import Population
from monitor.app.simulate.rhythm import Day, last_business_day
from monitor.app.simulate.rows import Skeleton, joined_skeletons
from monitor.app.simulate.world import (
    AFFLUENT,
    AGENT,
    CASH,
    CORPORATE,
    ENTITIES,
    KIND,
    RETAIL,
    RETIRED,
    SEGMENTS,
    SELF_EMPLOYED,
    SMALL,
    STUDENT,
)

INCOME_MEDIAN = np.array([segment.monthly_income for segment in SEGMENTS], np.int64)
WEEK = {
    "shop": (88, 88, 92, 100, 124, 135, 90),
    "life": (100, 98, 98, 100, 112, 90, 82),
    "office": (112, 108, 106, 106, 104, 22, 16),
}
"""Percent of the mean rate by weekday, Monday first."""


@dataclass(frozen=True, slots=True)
class Circle:
    """Groups of customers that flows draw from; a customer stands as often as its weight says."""

    shoppers: Int64s
    persons: Int64s
    traders: Int64s
    depositors: Int64s
    merchants: tuple[Int64s, ...]
    businesses: tuple[Int64s, ...]
    people: tuple[Int64s, ...]
    agents: tuple[Int64s, ...]
    employees: Int64s
    retired: Int64s
    tenants: Int64s
    savers: Int64s
    takers: Int64s


def weighted(population: Population, weights: dict[int, int]) -> Int64s:
    """Active customers of the segments, each as often as its segment's weight."""
    repeat = np.zeros(len(SEGMENTS), np.int64)
    for segment, weight in weights.items():
        repeat[segment] = weight
    active = np.flatnonzero(~population.is_quiet)
    return np.repeat(active, repeat[population.segment[active]])


def circle(population: Population) -> Circle:
    """The groups of a population."""

    def by_entity(members: Int64s) -> tuple[Int64s, ...]:
        found = [members[population.entity[members] == code] for code in range(len(ENTITIES))]
        return tuple(group if len(group) else members for group in found)

    persons = population.members(STUDENT, RETAIL, AFFLUENT, RETIRED, SELF_EMPLOYED)
    employees = population.members(STUDENT, RETAIL, AFFLUENT)
    return Circle(
        shoppers=weighted(population, {STUDENT: 4, RETAIL: 4, AFFLUENT: 6, RETIRED: 3, SELF_EMPLOYED: 4, SMALL: 2}),
        persons=persons,
        traders=weighted(population, {SELF_EMPLOYED: 1, SMALL: 6, CASH: 4, CORPORATE: 40, AGENT: 15}),
        depositors=weighted(population, {CASH: 60, SMALL: 11, SELF_EMPLOYED: 8, RETAIL: 1, RETIRED: 1, AFFLUENT: 1,
                                         STUDENT: 1}),
        merchants=by_entity(population.members(SMALL, CASH)),
        businesses=by_entity(weighted(population, {SELF_EMPLOYED: 1, SMALL: 4, CASH: 3, CORPORATE: 12})),
        people=by_entity(persons),
        agents=by_entity(population.members(AGENT)),
        employees=employees,
        retired=population.members(RETIRED),
        tenants=persons[remainder(mixed(persons, 41), 100) < 55],
        savers=np.flatnonzero(population.savings >= 0),
        takers=weighted(population, {SMALL: 3, CASH: 5, SELF_EMPLOYED: 1}),
    )  # fmt: skip


def _pick(groups: tuple[Int64s, ...], entity: npt.NDArray[np.integer], scrambled: npt.NDArray[np.uint64]) -> Int64s:
    """A member of each row's entity's group, the first ones more often."""
    chosen = np.empty(len(entity), np.int64)
    for code, group in enumerate(groups):
        rows = np.flatnonzero(entity == code)
        chosen[rows] = group[remainder(scrambled[rows], len(group))]
    return chosen


class Everyday:
    """The licit flows of a population. ``on`` gives one day's payments as a skeleton."""

    def __init__(self, population: Population) -> None:
        self.population = population
        self.circle = circle(population)
        self._flows: tuple[Callable[[Day, np.random.Generator], list[Skeleton]], ...] = (
            self._shopping, self._cash, self._pay, self._housing, self._friends, self._savings,
            self._trade, self._settlement, self._abroad, self._rare, self._sleepers,
        )  # fmt: skip

    def on(self, day: Day, rng: np.random.Generator) -> Skeleton:
        """All licit payments of ``day``; accounts not yet open do nothing."""
        found = joined_skeletons([part for flow in self._flows for part in flow(day, rng)])
        opened = np.append(self.population.opened_day, np.full(1, -(2**30), np.int32))
        last = len(opened) - 1
        is_open = (opened[np.where((found.debtor >= 0) & (found.debtor < last), found.debtor, last)] <= day.number) & (
            opened[np.where((found.creditor >= 0) & (found.creditor < last), found.creditor, last)] <= day.number
        )
        kept = is_open & (found.debtor != found.creditor)
        return Skeleton(*(getattr(found, name)[kept] for name in Skeleton.__slots__))

    def _count(self, rng: np.random.Generator, group: Int64s, per_mille: int, percent: int) -> int:
        expected = len(group) * per_mille * percent
        return expected // 100_000 + int(rng.integers(0, 100_000) < expected % 100_000)

    def _draw(self, rng: np.random.Generator, group: Int64s, per_mille: int, percent: int) -> Int64s:
        n = self._count(rng, group, per_mille, percent) if len(group) else 0
        return group[rng.integers(0, max(len(group), 1), n)]

    def _contacts(self, rng: np.random.Generator, who: Int64s, circle_size: int, salt: int) -> npt.NDArray[np.uint64]:
        """One of each account's own ``circle_size`` contacts, the first ones more often."""
        first, second = rng.integers(0, circle_size, (2, len(who)))
        return mixed(who * 64 + np.minimum(first, second), salt + self.population.seed % 1000)

    def _mixed_party(
        self, rng: np.random.Generator, who: Int64s, circle_size: int, salt: int,
        ours: tuple[Int64s, ...], sort: str, ours_percent: int,
    ) -> Int64s:  # fmt: skip
        """A domestic counterparty: ours in ``ours_percent`` of the contacts, else an outside ``sort``."""
        contact = self._contacts(rng, who, circle_size, salt)
        entity = self.population.entity[self.population.owner[who]]
        inside = _pick(ours, entity, contact)
        outside = self.population.outside(sort, entity, contact)
        return np.where(remainder(mixed(contact.view(np.int64), 17), 100) < ours_percent, inside, outside)

    def _shopping(self, day: Day, rng: np.random.Generator) -> list[Skeleton]:
        who = self._draw(rng, self.circle.shoppers, 62, WEEK["shop"][day.on.weekday()] + 30 * (day.on.month == 12))
        shop = self._mixed_party(rng, who, 24, 101, self.circle.merchants, "merchant", 30)
        base = 1500 + remainder(mixed(shop, 7), 6000)
        return [Skeleton.of(KIND["card"], who, shop, base)]

    def _cash(self, day: Day, rng: np.random.Generator) -> list[Skeleton]:
        out = self._draw(rng, self.circle.persons, 30, WEEK["shop"][day.on.weekday()])
        into = self._draw(rng, self.circle.depositors, 20, WEEK["office"][day.on.weekday()])
        segment = self.population.segment[into]
        usual = np.where(segment > SELF_EMPLOYED, 350_000, 200_000)
        base = np.where(segment >= SELF_EMPLOYED, self._sized(usual, into), 100_000)
        nobody = np.full(len(out), -1)
        return [
            Skeleton.of(KIND["cash_out"], out, nobody, np.full(len(out), 9_000)),
            Skeleton.of(KIND["cash_in"], np.full(len(into), -1), into, base),
        ]

    def _pay(self, day: Day, rng: np.random.Generator) -> list[Skeleton]:
        """Wages on each employer's day, pensions on the 1st; agents are funded by their clients the day before."""
        who, population = self.circle.employees, self.population
        payday = remainder(mixed(who, 21), 4)
        last = last_business_day(day.on)
        due = np.zeros(len(who), bool)
        for choice, today in enumerate((day.on.day == 15 or day.on == last, day.on == last, day.on.day == 25,
                                        day.on.day == 28)):  # fmt: skip
            due |= (payday == choice) & today
        paid = who[due]
        entity = population.entity[paid]
        scrambled = mixed(paid, 23)
        sort = remainder(mixed(paid, 25), 100)
        employer = np.where(
            sort < 25, _pick(self.circle.agents, entity, scrambled),
            np.where(sort < 60, _pick(self.circle.businesses, entity, scrambled),
                     population.hub("employer", entity, scrambled)))  # fmt: skip
        pay = population.income[paid] * np.where(payday[due] == 0, 50, 100)
        parts = [Skeleton.of(KIND["payroll"], employer, paid, pay)]
        if day.on.day == 1:
            old = self.circle.retired
            fund = population.hub("pension", population.entity[old], mixed(old, 27))
            parts.append(Skeleton.of(KIND["pension"], fund, old, population.income[old] * 100))
        if day.on.day in (14, 24, 27) or day.on == last:
            firms = self._draw(rng, np.concatenate(self.circle.businesses), 70, 100)
            agents = _pick(self.circle.agents, population.entity[firms], mixed(firms, 29))
            parts.append(Skeleton.of(KIND["trade"], firms, agents, np.full(len(firms), 900_000)))
        return parts

    def _housing(self, day: Day, rng: np.random.Generator) -> list[Skeleton]:
        population, tenants = self.population, self.circle.tenants
        due = tenants[remainder(mixed(tenants, 43), 5) + 1 == day.on.day]
        entity, scrambled = population.entity[due], mixed(due, 45)
        landlord = np.where(remainder(mixed(due, 47), 100) < 35, _pick(self.circle.agents, entity, scrambled),
                            population.outside("person", entity, scrambled))  # fmt: skip
        rent = np.minimum(population.income[due] * 30, 450_000)
        billed = self._draw(rng, self.circle.persons, 100, 100 if 3 <= day.on.day <= 22 else 60)
        of = self._contacts(rng, billed, 4, 49)
        biller = population.hub("utility", population.entity[billed], of)
        return [
            Skeleton.of(KIND["rent"], due, landlord, rent),
            Skeleton.of(KIND["bill"], billed, biller, 3_000 + remainder(of, 12_000)),
        ]

    def _friends(self, day: Day, rng: np.random.Generator) -> list[Skeleton]:
        out = self._draw(rng, self.circle.persons, 80, WEEK["life"][day.on.weekday()])
        friend = self._mixed_party(rng, out, 12, 51, self.circle.people, "person", 55)
        into = self._draw(rng, self.circle.persons, 40, WEEK["life"][day.on.weekday()])
        other = self._mixed_party(rng, into, 12, 51, self.circle.people, "person", 0)
        return [
            Skeleton.of(KIND["friends"], out, friend, np.full(len(out), 6_500)),
            Skeleton.of(KIND["friends"], other, into, np.full(len(into), 6_500)),
        ]

    def _savings(self, day: Day, rng: np.random.Generator) -> list[Skeleton]:
        who = self._draw(rng, self.circle.savers, 45, WEEK["life"][day.on.weekday()])
        saving = self.population.savings[who].astype(np.int64)
        back = rng.integers(0, 100, len(who)) < 35
        amount = self.population.income[who] * 9
        return [Skeleton.of(KIND["own"], np.where(back, saving, who), np.where(back, who, saving), amount)]

    def _trade(self, day: Day, rng: np.random.Generator) -> list[Skeleton]:
        percent = WEEK["office"][day.on.weekday()] + (25 if day.on.day >= 25 else 0)
        payer = self._draw(rng, self.circle.traders, 140, percent)
        payee = self._mixed_party(rng, payer, 20, 61, self.circle.businesses, "business", 55)
        seller = self._draw(rng, self.circle.traders, 90, percent)
        buyer = self._mixed_party(rng, seller, 40, 63, self.circle.people, "business", 12)
        owner = self._draw(rng, self.circle.traders, 25, percent)
        person = self._mixed_party(rng, owner, 3, 65, self.circle.people, "person", 4)
        return [
            Skeleton.of(KIND["trade"], payer, payee, self._deal_between(payer, payee)),
            Skeleton.of(KIND["trade"], buyer, seller, self._within_means(buyer, self._deal(seller))),
            Skeleton.of(KIND["trade"], owner, person, np.full(len(owner), 180_000)),
        ]

    def _deal(self, who: Int64s) -> Int64s:
        """The usual size of a firm's payments in cents: its segment's, in proportion to its own income."""
        usual = np.array([0, 0, 0, 0, 140_000, 260_000, 200_000, 450_000, 350_000])[self.population.segment[who]]
        return self._sized(usual, who)

    def _deal_between(self, payer: Int64s, payee: Int64s) -> Int64s:
        """The smaller firm's usual payment, so that nobody trades far above its size; an outside payee's is unknown."""
        is_ours = payee < self.population.customers
        other = self._deal(np.where(is_ours, payee, payer))
        return np.minimum(self._deal(payer), other)

    def _within_means(self, payer: Int64s, amount: Int64s) -> Int64s:
        """At most half a month's income where a person of ours pays: a firm's usual invoice is not a person's."""
        population = self.population
        ours = np.minimum(payer, population.customers - 1)
        is_person = (payer < population.customers) & population.is_person[ours]
        return np.where(is_person, np.minimum(amount, population.income[ours] * 50), amount)

    def _sized(self, usual: Int64s | int, who: Int64s) -> Int64s:
        """A usual amount of a segment, in proportion to the customer's own income."""
        sized: Int64s = usual * self.population.income[who] // INCOME_MEDIAN[self.population.segment[who]]
        return sized

    def _settlement(self, day: Day, rng: np.random.Generator) -> list[Skeleton]:
        population = self.population
        taker = self._draw(rng, self.circle.takers, 140, WEEK["office"][day.on.weekday()])
        acquirer = population.hub("acquirer", population.entity[taker], mixed(taker, 71))
        parts = [Skeleton.of(KIND["settlement"], acquirer, taker, self._sized(140_000, taker))]
        if day.on.weekday() in (0, 3):
            seller = self._draw(rng, np.concatenate([*self.circle.merchants, *self.circle.people]), 40, 100)
            entity = population.entity[seller]
            own_hub, other_hub = (_pick(self.circle.agents, entity, mixed(seller, 75)),
                                  population.hub("marketplace", entity, mixed(seller, 75)))  # fmt: skip
            market = np.where(remainder(mixed(seller, 73), 100) < 50, own_hub, other_hub)
            parts.append(Skeleton.of(KIND["settlement"], market, seller, np.full(len(seller), 45_000)))
        buyer = self._draw(rng, self.circle.persons, 25, WEEK["life"][day.on.weekday()])
        agent = _pick(self.circle.agents, population.entity[buyer], self._contacts(rng, buyer, 3, 77))
        parts.append(Skeleton.of(KIND["friends"], buyer, agent, np.full(len(buyer), 6_000)))
        return parts

    def _abroad(self, day: Day, rng: np.random.Generator) -> list[Skeleton]:
        percent = WEEK["office"][day.on.weekday()]
        parts = []
        for group, rate, base in ((self.circle.traders, 60, 220_000), (self.circle.persons, 25, 35_000)):
            who = self._draw(rng, group, rate, percent)
            partner = self.population.foreign(self._contacts(rng, who, 5, 81))
            into = rng.integers(0, 100, len(who)) < 42
            parts.append(Skeleton.of(KIND["abroad"], np.where(into, partner, who), np.where(into, who, partner),
                                     np.full(len(who), base)))  # fmt: skip
        return parts

    def _rare(self, day: Day, rng: np.random.Generator) -> list[Skeleton]:
        """Cars, houses, loans, gifts, coins at an exchange, cheques and taxes."""
        population, persons = self.population, self.circle.persons
        parts = []
        large = self._draw(rng, persons, 22, WEEK["office"][day.on.weekday()])
        other = self._mixed_party(rng, large, 64, 91, self.circle.businesses, "person", 55)
        into = rng.integers(0, 100, len(large)) < 6
        parts.append(Skeleton.of(KIND["large"], np.where(into, other, large), np.where(into, large, other),
                                 np.full(len(large), 350_000)))  # fmt: skip
        coins = self._draw(rng, persons, 5, WEEK["life"][day.on.weekday()])
        exchange = population.hub("exchange", population.entity[coins], mixed(coins, 93))
        into = rng.integers(0, 100, len(coins)) < 35
        parts.append(Skeleton.of(KIND["crypto"], np.where(into, exchange, coins), np.where(into, coins, exchange),
                                 np.full(len(coins), 35_000)))  # fmt: skip
        payee = self._draw(rng, persons, 8, WEEK["office"][day.on.weekday()])
        payer = self._mixed_party(rng, payee, 30, 95, self.circle.businesses, "person", 30)
        parts.append(Skeleton.of(KIND["cheque"], payer, payee, np.full(len(payee), 45_000)))
        if day.on.day in (12, 20):
            firms = self._draw(rng, self.circle.traders, 60, 100)
            office = population.hub("tax", population.entity[firms], mixed(firms, 97))
            parts.append(Skeleton.of(KIND["tax"], firms, office, np.full(len(firms), 240_000)))
        return parts

    def _sleepers(self, day: Day, rng: np.random.Generator) -> list[Skeleton]:
        """Sleeping accounts show one payment in the first week; some wake for a good reason later."""
        population = self.population
        asleep = np.flatnonzero(population.is_quiet)
        first = asleep[remainder(mixed(asleep, 111), 7) == day.number]
        woken = asleep[(population.wakes_day[asleep] >= 0) & (day.number - population.wakes_day[asleep] >= 0)
                       & (day.number - population.wakes_day[asleep] < 6)]  # fmt: skip
        woken = woken[rng.integers(0, 100, len(woken)) < 60]
        entity = population.entity[woken]
        other = population.outside("person", entity, mixed(woken, 113))
        into = rng.integers(0, 100, len(woken)) < 50
        payer = population.outside("person", population.entity[first], mixed(first, 115))
        return [
            Skeleton.of(KIND["friends"], payer, first, np.full(len(first), 9_000)),
            Skeleton.of(KIND["large"], np.where(into, other, woken), np.where(into, woken, other),
                        np.full(len(woken), 350_000)),
        ]  # fmt: skip
