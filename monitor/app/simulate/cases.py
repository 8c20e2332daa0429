"""Which cases there are: typologies, numbers, subjects; and their steps by day.

One case for every 7,000 customer-days, in turn over all typologies in an order drawn per seed. A bank of
2,000 customers and 60 days has each typology once; a case has 13 payments on average, and about
0.15 % of all rows belong to a case.
"""

from collections.abc import Callable

import numpy as np

from monitor.app.simulate import departure, movement, placement
from monitor.app.simulate.cast import SPREAD, Case, Cast, Step
from monitor.app.simulate.draws import Int64s, Part, stream
from monitor.app.simulate.population import Population
from monitor.app.simulate.rhythm import Day
from monitor.app.simulate.rows import Skeleton
from monitor.app.simulate.world import AFFLUENT, CASH, RETAIL, RETIRED, SELF_EMPLOYED, SMALL, STUDENT

Plan = Callable[[Cast, Int64s], None]
CUSTOMER_DAYS_PER_CASE = 7_000
TYPOLOGIES: dict[str, Plan] = {
    "structuring": placement.structuring,
    "smurfing": placement.smurfing,
    "fan_in": movement.fan_in,
    "fan_out": movement.fan_out,
    "funnel_account": placement.funnel_account,
    "pass_through": movement.pass_through,
    "cycle": movement.cycle,
    "scatter_gather": movement.scatter_gather,
    "gather_scatter": movement.gather_scatter,
    "layering_chain": movement.layering_chain,
    "dormant_reactivation": departure.dormant_reactivation,
    "new_account_burst": departure.new_account_burst,
    "round_amounts": placement.round_amounts,
    "high_risk_corridor": movement.high_risk_corridor,
    "change_of_behaviour": departure.change_of_behaviour,
    "front_business": placement.front_business,
    "u_turn": movement.u_turn,
}
_SEGMENTS = {
    "structuring": (RETAIL, SELF_EMPLOYED, SMALL, CASH),
    "front_business": (CASH, SMALL),
    "round_amounts": (SELF_EMPLOYED, SMALL, AFFLUENT),
    "change_of_behaviour": (STUDENT, RETAIL, RETIRED),
}
_ANY = (STUDENT, RETAIL, AFFLUENT, SELF_EMPLOYED, SMALL)


def case_count(customers: int, days: int) -> int:
    """How many cases a bank of this size has.

    >>> case_count(2000, 60)
    17
    """
    return max(1, customers * days // CUSTOMER_DAYS_PER_CASE)


def _subjects(population: Population, typology: str) -> Int64s:
    """Customers who can be the subject of ``typology``, ascending."""
    opened = population.opened_day[: population.customers]
    if typology == "dormant_reactivation":
        return np.flatnonzero(population.is_quiet & (population.wakes_day < 0))
    chosen = np.isin(population.segment, _SEGMENTS.get(typology, _ANY)) & ~population.is_quiet
    if typology == "new_account_burst":
        return np.flatnonzero(chosen & (opened >= 0) & (opened < population.days - 21))
    return np.flatnonzero(chosen & (opened < -60))


def plan_cases(population: Population, calendar: list[Day]) -> list[Case]:
    """All cases of the stream. Subjects are all different as long as there are enough."""
    rng = stream(population.seed, Part.CASES)
    count, names = case_count(population.customers, population.days), list(TYPOLOGIES)
    order = rng.permutation(len(names))
    queues = {name: rng.permutation(_subjects(population, name)) for name in names}
    people = np.flatnonzero(np.isin(population.segment, (*_ANY, RETIRED)) & ~population.is_quiet)
    by_entity = [people[population.entity[people] == code] for code in range(3)]
    taken: set[int] = set()
    cases, turns = [], dict.fromkeys(names, 0)
    for number in range(count):
        name = names[order[number % len(names)]]
        queue = queues[name]
        if not len(queue):
            continue
        while turns[name] < len(queue) and int(queue[turns[name]]) in taken:
            turns[name] += 1
        subject = int(queue[turns[name] % len(queue)])
        turns[name] += 1
        taken.add(subject)
        case = Case(number, name)
        cast = Cast(population, calendar, case, subject)
        TYPOLOGIES[name](cast, by_entity[cast.entity])
        if case.steps:
            cases.append(case)
    return cases


def by_day(cases: list[Case], days: int) -> list[Skeleton]:
    """The steps of all cases as one skeleton per day."""
    grouped: list[list[tuple[int, Step]]] = [[] for _ in range(days)]
    for case in cases:
        for step in case.steps:
            grouped[step.day].append((case.number, step))
    return [_skeleton(steps) for steps in grouped]


def _skeleton(steps: list[tuple[int, Step]]) -> Skeleton:
    columns = np.array(
        [(s.kind, s.debtor, s.creditor, s.amount, s.form, number) for number, s in steps], np.int64
    ).reshape(len(steps), 6)
    kind, debtor, creditor, amount, form, case = columns.T
    return Skeleton(kind.astype(np.int8), debtor.astype(np.int32), creditor.astype(np.int32), amount,
                    form.astype(np.int8), case.astype(np.int32))  # fmt: skip


assert SPREAD == 0
