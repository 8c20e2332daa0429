"""Customer profiles: one line per version, in order of recording.

Two of a hundred customers have no profile. One of twelve has a second version, recorded during the stream.
"""

from datetime import date, timedelta
from pathlib import Path

import numpy as np

from monitor.app.simulate.draws import Part, mixed, remainder, stream
from monitor.app.simulate.names import Names
from monitor.app.simulate.population import PERSON_SEGMENTS, Population
from monitor.app.simulate.world import (
    AGENT,
    CASH,
    CORPORATE,
    ENTITIES,
    RETIRED,
    SEGMENTS,
    STUDENT,
)

FIRST = ("Ada", "Ben", "Carla", "David", "Eva", "Femi", "Grace", "Hugo", "Ida", "Jonas", "Kari", "Liam", "Mona",
         "Nils", "Olga", "Pavel", "Rosa", "Sam", "Tara", "Wei")  # fmt: skip
LAST = ("Abel", "Berg", "Costa", "Dahl", "Evans", "Fischer", "Garcia", "Hansen", "Ito", "Jensen", "Khan", "Lopez",
        "Moe", "Novak", "Olsen", "Price", "Quist", "Reed", "Silva", "Turner")  # fmt: skip
TRADES = ("Bakery", "Builders", "Cafe", "Carriers", "Consulting", "Foods", "Garage", "Import", "Laundry", "Textiles")
OCCUPATIONS = ("clerk", "nurse", "teacher", "engineer", "driver", "salesperson", "cook", "carpenter", "manager")
INDUSTRIES = {CASH: ("restaurant", "convenience_store", "car_wash", "bar", "taxi"),
              CORPORATE: ("manufacturing", "wholesale", "shipping", "software"),
              AGENT: ("payroll_agent", "marketplace", "property_management")}  # fmt: skip
OTHER_INDUSTRIES = ("retail_trade", "construction", "consulting", "transport", "food", "services")


def write_profiles(path: Path, population: Population, names: Names, start: date) -> int:
    """Write all profile versions in order of recording; the number of lines."""
    rng, n = stream(population.seed, Part.PROFILES), population.customers
    has_profile = rng.integers(0, 1000, n) >= 20
    draws = rng.integers(0, 1 << 16, (n, 6))
    first = np.flatnonzero(has_profile)
    changed_day = remainder(mixed(first, 303), population.days)
    is_changed = (remainder(mixed(first, 301), 12) == 0) & (changed_day > population.opened_day[first])
    again = first[is_changed]
    hour = np.concatenate([population.opened_day[first].astype(np.int64) * 24, changed_day[is_changed] * 24 + 6])
    customer = np.concatenate([first, again])
    version = np.repeat([1, 2], [len(first), len(again)])
    order = np.lexsort((customer, hour))
    accounts = Accounts(population, names, start)
    with path.open("w", encoding="utf-8") as file:
        for row in range(0, len(order), 1 << 14):
            part = order[row : row + (1 << 14)]
            columns = zip(customer[part].tolist(), version[part].tolist(), hour[part].tolist(),
                          draws[customer[part]].tolist(), strict=True)  # fmt: skip
            file.writelines(_line(accounts, *column) for column in columns)
    return len(order)


class Accounts:
    """Texts of customers and accounts, sliced from their tables."""

    def __init__(self, population: Population, names: Names, start: date) -> None:
        self.population, self.start = population, start
        self._customers = names.customer.data.tobytes().decode()
        self._accounts = names.account.data[: population.own_accounts * 16].tobytes().decode()

    def customer(self, code: int) -> str:
        return self._customers[code * 9 : code * 9 + 9]

    def account(self, code: int) -> str:
        return self._accounts[code * 16 : code * 16 + 16]

    def day(self, number: int) -> str:
        return (self.start + timedelta(days=number)).isoformat()


def _line(accounts: Accounts, customer: int, version: int, hour: int, draw: list[int]) -> str:
    """One version as a JSON object and the end of the line. All texts are plain ASCII without quotes."""
    population = accounts.population
    segment, entity = int(population.segment[customer]), ENTITIES[int(population.entity[customer])]
    currency, opened = entity.currency, accounts.day(int(population.opened_day[customer]))
    turnover = int(population.income[customer]) * SEGMENTS[segment].turnover_percent // 100
    income = turnover * entity.scale_percent // 100
    expected = income * (90 + draw[0] % 60) // 100
    savings = int(population.savings[customer])
    held = [customer] if savings < 0 else [customer, savings]
    openings = ",".join(
        f'{{"account":"{accounts.account(code)}","opened_on":"{opened}","currency":"{currency}"}}' for code in held
    )
    rating = "high" if draw[3] % 100 < 3 else "medium" if draw[3] % 100 < 18 else "low"
    if version == 2:
        rating = "medium" if rating == "low" else "low"
    who = _person(segment, draw, accounts.start.year) if segment <= PERSON_SEGMENTS else _business(segment, draw)
    return (
        f'{{"customer":"{accounts.customer(customer)}","version":{version},'
        f'"recorded_at":"{accounts.day(hour // 24)}T{hour % 24:02d}:00:00Z",'
        f'"kind":"{SEGMENTS[segment].kind}","segment":"{SEGMENTS[segment].name}",{who},'
        f'"income_currency":"{currency}","declared_income":"{income * 12 // 100 * 100}",'
        f'"expected":{{"currency":"{currency}","monthly_in":"{expected}","monthly_out":"{expected * 95 // 100}"}},'
        f'"residence":"{entity.country}","nationality":"{entity.country}","risk_rating":"{rating}",'
        f'"customer_since":"{opened}","accounts":[{openings}],'
        f'"sources":{{"declared_income":{{"source":"onboarding","on":"{opened}"}}}}}}\n'
    )


def _person(segment: int, draw: list[int], year: int) -> str:
    youngest, oldest = (18, 26) if segment == STUDENT else (62, 90) if segment == RETIRED else (22, 66)
    born = date(year - youngest - draw[4] % (oldest - youngest), 1 + draw[5] % 12, 1 + draw[4] % 28)
    work = {STUDENT: "student", RETIRED: "retired"}.get(segment, OCCUPATIONS[draw[5] % len(OCCUPATIONS)])
    is_pep = "true" if draw[3] // 100 % 250 == 0 else "false"
    return f'"identity":{{"name":"{_name(draw)}","birth_date":"{born}"}},"occupation":"{work}","is_pep":{is_pep}'


def _business(segment: int, draw: list[int]) -> str:
    industries = INDUSTRIES.get(segment, OTHER_INDUSTRIES)
    firm = f"{LAST[draw[2] % len(LAST)]} {TRADES[draw[4] % len(TRADES)]}"
    return (
        f'"identity":{{"name":"{firm}"}},"industry":"{industries[draw[5] % len(industries)]}",'
        f'"related":[{{"relation":"beneficial_owner","name":"{_name(draw)}","share":1.0}}]'
    )


def _name(draw: list[int]) -> str:
    return f"{FIRST[draw[1] % len(FIRST)]} {LAST[draw[2] % len(LAST)]}"
