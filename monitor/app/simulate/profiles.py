"""Customer profiles: one line per version, in order of recording.

Two of a hundred customers have no profile. One of twelve has a second version, recorded during the stream.
"""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from monitor.app.simulate.draws import Part, mixed, remainder, stream
from monitor.app.simulate.names import Names
from monitor.app.simulate.population import Population
from monitor.app.simulate.world import (
    AGENT,
    CASH,
    CORPORATE,
    CURRENCY_OF_ROW,
    ENTITIES,
    RETIRED,
    SCALE_PERCENT,
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
    """Write all profiles; the number of lines."""
    first = list(_first_versions(population, names, start))
    again = list(_second_versions(population, first, start))
    lines = sorted([*first, *again], key=lambda profile: (profile["recorded_at"], profile["customer"]))
    with path.open("w", encoding="utf-8") as file:
        for profile in lines:
            file.write(json.dumps(profile, separators=(",", ":")) + "\n")
    return len(lines)


def _first_versions(population: Population, names: Names, start: date) -> Iterator[dict[str, object]]:
    rng, n = stream(population.seed, Part.PROFILES), population.customers
    absent = rng.integers(0, 1000, n) < 20
    draws = rng.integers(0, 1 << 16, (n, 6)).tolist()
    for customer in np.flatnonzero(~absent).tolist():
        yield _profile(population, names, start, customer, draws[customer])


def _profile(population: Population, names: Names, start: date, customer: int, draw: list[int]) -> dict[str, object]:
    segment, entity = int(population.segment[customer]), ENTITIES[int(population.entity[customer])]
    currency, scale = entity.currency, entity.scale_percent
    opened = start + timedelta(days=int(population.opened_day[customer]))
    recorded = f"{opened}T00:00:00Z"
    is_person = segment < CASH - 1
    income = int(population.income[customer]) * scale // 100
    expected = income * (90 + draw[0] % 60) // 100
    accounts = [{"account": names.account.text(customer), "opened_on": str(opened), "currency": currency}]
    if population.savings[customer] >= 0:
        accounts.append({"account": names.account.text(int(population.savings[customer])), "opened_on": str(opened),
                         "currency": currency})  # fmt: skip
    name = f"{FIRST[draw[1] % len(FIRST)]} {LAST[draw[2] % len(LAST)]}"
    profile: dict[str, object] = {
        "customer": names.customer.text(customer), "version": 1, "recorded_at": recorded,
        "kind": SEGMENTS[segment].kind, "segment": SEGMENTS[segment].name,
        "income_currency": currency, "declared_income": str(income * 12 // 100 * 100),
        "expected": {"currency": currency, "monthly_in": str(expected), "monthly_out": str(expected * 95 // 100)},
        "residence": entity.country, "nationality": entity.country,
        "risk_rating": "high" if draw[3] % 100 < 3 else "medium" if draw[3] % 100 < 18 else "low",
        "customer_since": str(opened), "accounts": accounts,
        "sources": {"declared_income": {"source": "onboarding", "on": str(opened)}},
    }  # fmt: skip
    if is_person:
        youngest, oldest = (18, 26) if segment == STUDENT else (62, 90) if segment == RETIRED else (22, 66)
        years = youngest + draw[4] % (oldest - youngest)
        born = date(start.year - years, 1 + draw[5] % 12, 1 + draw[4] % 28)
        profile["identity"] = {"name": name, "birth_date": str(born)}
        profile["occupation"] = {STUDENT: "student", RETIRED: "retired"}.get(
            segment, OCCUPATIONS[draw[5] % len(OCCUPATIONS)]
        )
        profile["is_pep"] = draw[3] // 100 % 250 == 0
    else:
        industries = INDUSTRIES.get(segment, OTHER_INDUSTRIES)
        profile["identity"] = {"name": f"{LAST[draw[2] % len(LAST)]} {TRADES[draw[4] % len(TRADES)]}"}
        profile["industry"] = industries[draw[5] % len(industries)]
        profile["related"] = [{"relation": "beneficial_owner", "name": name, "share": 1.0}]
    return profile


def _second_versions(
    population: Population, first: list[dict[str, object]], start: date
) -> Iterator[dict[str, object]]:
    """One of twelve customers moves to another risk rating on some day of the stream."""
    order = np.arange(len(first))
    chosen = np.flatnonzero(remainder(mixed(order, 301), 12) == 0)
    day = remainder(mixed(chosen, 303), max(population.days, 1))
    for index, number in zip(chosen.tolist(), day.tolist(), strict=True):
        profile = first[index]
        recorded = f"{start + timedelta(days=number)}T06:00:00Z"
        if recorded <= str(profile["recorded_at"]):
            continue
        rating = "medium" if profile["risk_rating"] == "low" else "low"
        yield {**profile, "version": 2, "recorded_at": recorded, "risk_rating": rating}


assert len(CURRENCY_OF_ROW) == len(SCALE_PERCENT)
