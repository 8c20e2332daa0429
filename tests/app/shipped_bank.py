"""A small bank for the shipped rules: bursts that stand at the edges of their windows and thresholds, then disturbed.

Each burst draws its amounts, times and parties from what one rule looks at, so that the rule fires, stays silent and is
undecided. Late, repeated, taken back and attempted payments, missing fields, currencies with and without rates, joint
accounts, and profiles that change exactly at a payment go through all of it.

:func:`plain_log` reads the same records for the slow evaluator, by the documentation alone.
"""

import json
import random
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from monitor.app.inputs import GivenInputs
from monitor.domain.money import parse_amount_minor
from monitor.domain.time import DAY_US, HOUR_US, format_time, parse_time_us
from monitor.rulebook.load import load_rules, shipped_rules
from monitor.rulebook.reference import PlainEntity, PlainRate, PlainSide, PlainTransaction

START_US = parse_time_us("2026-01-05T00:00:00Z")
DAYS, BURSTS = 80, 12
Record = dict[str, Any]


@dataclass(frozen=True)
class Pattern:
    """What a burst is drawn from: ``sides`` of the customer, ``c`` for creditor; the first half has the first.

    ``out`` are the amounts of debits where they are others, ``steps_us`` the times between two payments.
    """

    sides: str
    channels: str
    amounts: str
    steps_us: tuple[int, ...]
    length: tuple[int, int]
    parties: int
    countries: tuple[str | None, ...] = (None,)
    currencies: tuple[str, ...] = ("USD",)
    sleep_us: tuple[int, ...] = ()
    out: str = ""


def _edges(over_us: int, *more_us: int) -> tuple[int, ...]:
    """Steps within a window, and exactly to its edge."""
    return (0, HOUR_US, over_us // 9, over_us // 7, *more_us, over_us - 1, over_us)


_DAY = _edges(DAY_US, HOUR_US, 5 * HOUR_US)
_TWO_DAYS = _edges(2 * DAY_US, HOUR_US, 3 * HOUR_US, 5 * HOUR_US)
_HOURS = (0, HOUR_US, 3 * HOUR_US, 5 * HOUR_US, 2 * DAY_US)
_WEEK = (0, HOUR_US, HOUR_US, HOUR_US, 5 * HOUR_US, 14 * HOUR_US)
_SOME_FRANCS = (*["USD"] * 6, "CHF")
_MONTH = _edges(30 * DAY_US, HOUR_US, DAY_US, 2 * DAY_US)
PATTERNS = {
    "AML-STR-001": Pattern("c", "cash", "9000 1000 1000.01 0.01 10000 10000.01 500", _DAY, (4, 8), 0),
    "AML-PAS-001": Pattern("cdddd", "wire transfer", "2500 5000 4999.99", _TWO_DAYS, (6, 9), 40,
                           out="4000 4500 5500 1000"),
    "AML-PAS-002": Pattern("cddddd", "wire instant", "2000 2500 1999.99 3000", _HOURS, (7, 11), 4000,
                           out="4500 4499.99 2500 2000 0.01"),
    "AML-FAN-001": Pattern("c", "wire transfer", "500 499.99 500.01 2500", _WEEK, (10, 30), 400,
                           currencies=_SOME_FRANCS),
    "AML-FAN-002": Pattern("d", "wire transfer", "500 499.99 500.01", _WEEK, (12, 17), 40, currencies=_SOME_FRANCS),
    "AML-INC-001": Pattern("c", "ach wire", "5000 9999.99 0.01 12000 9000", _edges(9 * DAY_US, HOUR_US), (6, 9), 4000),
    "AML-NEW-001": Pattern("cd", "wire transfer", "10000 25000 49999.99 0.01 9999.99", _edges(10 * DAY_US), (5, 9), 3),
    "AML-COR-001": Pattern("cd", "wire", "3000 2999.99 5000 0.01 4999.99", _MONTH, (4, 7), 3,
                           ("IR", "KP", "NP", "SY", "NP", "DE", None)),
    "AML-DOR-001": Pattern("cd", "wire cash", "5000 9999.99 10000 0.01", (*_WEEK, 7 * DAY_US - 1), (4, 7), 3,
                           sleep_us=(180 * DAY_US - 1, 180 * DAY_US, 200 * DAY_US)),
    "AML-RND-001": Pattern("d", "wire transfer instant", "10000 11000 20000 9000 10000.01", _MONTH, (6, 9), 3,
                           currencies=("USD", "USD", "EUR", "GBP", "NOK")),
}  # fmt: skip
"""By rule."""
_SLEEPERS = "AML-DOR-001"


@dataclass(frozen=True)
class ShippedBank:
    """The files of a bank, and what they hold."""

    folder: Path
    records: list[Record]
    profiles: list[Record]
    rates: list[tuple[int, str, str, str]]

    @property
    def inputs(self) -> GivenInputs:
        rules = tuple(Path(rule.place.file) for rule in load_rules([shipped_rules()])[0] if rule.id in PATTERNS)
        return GivenInputs(rules, (shipped_rules(),), self.folder / "rates.csv", self.folder / "entities.yaml", True)


def shipped_bank(folder: Path, seed: int) -> ShippedBank:
    """Write the files of a bank."""
    rng = random.Random(seed)
    people = _People(rng)
    bursts = [
        _burst(rng, rule, customers[n % len(customers)])
        for rule, customers in people.of_rule.items()
        for n in range(BURSTS)
    ]
    records = sorted((one for burst in bursts for one in burst), key=lambda one: str(one["booked_at"]))
    records = _disturbed(rng, people, records)
    profiles = people.profiles([str(one["booked_at"]) for one in records])
    rates = [
        (START_US + (day + shift) * DAY_US, source, target, rate)
        for day in range(-1, 300, 11)
        for source, target, shift, rate in (
            ("EUR", "USD", 0, f"1.{abs(day) + 10}"), ("USD", "NOK", 1, f"10.{abs(day) + 10}"),
            ("GBP", "USD", 25, "1.3"),
        )
    ]  # fmt: skip
    bank = ShippedBank(folder, records, profiles, rates)
    _write(bank)
    return bank


# Customers ----------------------------------------------------------------------------------------------


@dataclass
class _People:
    """Five customers for each rule, more of those that sleep; accounts are shared now and then."""

    rng: random.Random
    of_rule: dict[str, list[str]] = field(init=False)

    def __post_init__(self) -> None:
        self.of_rule = {
            rule: [f"{rule[4:7]}{rule[-1]}-{n}" for n in range(BURSTS if rule == _SLEEPERS else 5)] for rule in PATTERNS
        }

    def everyone(self) -> list[str]:
        return [customer for rule, customers in self.of_rule.items() if rule != _SLEEPERS for customer in customers]

    def profiles(self, times: list[str]) -> list[Record]:
        """Every fifth customer has none; of two versions the second is often recorded exactly at a payment."""
        rng, found = self.rng, []
        everyone = [customer for customers in self.of_rule.values() for customer in customers]
        for number, customer in enumerate(everyone):
            if number % 5 == 4:
                continue
            held = [number + 1] if number % 5 == 1 else []
            accounts = [
                {
                    "account": f"{customer}/A",
                    "opened_on": self._opened(),
                    "holders": [everyone[n % len(everyone)] for n in held],
                },
                {"account": f"{customer}/B", "holders": []},
            ]
            for version in range(1, 2 + rng.randrange(2)):
                recorded_at = format_time(START_US - DAY_US) if version == 1 else rng.choice(times)
                found.append(self._version(customer, version, recorded_at, accounts))
        return found

    def _opened(self) -> str:
        days = self.rng.choice([-400, -160, -20, -5, 10, 25, 40, 55])
        return format_time(START_US + days * DAY_US)[:10]

    def _version(self, customer: str, version: int, recorded_at: str, accounts: list[Record]) -> Record:
        rng = self.rng
        found: Record = {
            "customer": customer, "version": version, "recorded_at": recorded_at, "kind": "person",
            "segment": rng.choice(["retail", "retail", "student", "cash_business", "affluent", "agent", None]),
            "accounts": accounts,
        }  # fmt: skip
        if rng.random() < 0.8:
            found |= {
                "income_currency": rng.choice(["USD", "EUR", "CHF"]),
                "declared_income": rng.choice(["40000", "24000.11", "11999.99", "40000.04"]),
            }
        if rng.random() < 0.8:
            found["expected"] = {
                "currency": rng.choice(["USD", "EUR", "CHF"]), "monthly_in": rng.choice(["2000", "5000", "10000"]),
            }  # fmt: skip
        return {name: value for name, value in found.items() if value is not None}


# Payments -----------------------------------------------------------------------------------------------


def _burst(rng: random.Random, rule: str, customer: str) -> list[Record]:
    """Payments of one customer as the rule looks for them."""
    pattern = PATTERNS[rule]
    time_us = START_US + rng.randrange(4 * DAYS if pattern.sleep_us else 24 * DAYS) * HOUR_US
    found = []
    length = rng.randint(*pattern.length)
    for number in range(length):
        side = rng.choice(pattern.sides[:1] if number < length // 2 else pattern.sides)
        found.append(_payment(rng, pattern, side, customer, time_us))
        time_us += rng.choice(pattern.sleep_us if pattern.sleep_us and number == 0 else pattern.steps_us)
    return found


def _payment(rng: random.Random, pattern: Pattern, side: str, customer: str, time_us: int) -> Record:
    own, other = ("creditor", "debtor") if side == "c" else ("debtor", "creditor")
    amounts = pattern.out if own == "debtor" and pattern.out else pattern.amounts
    record: Record = {
        "booked_at": format_time(time_us), "amount": rng.choice(amounts.split()),
        "currency": rng.choice(pattern.currencies), "channel": rng.choice(pattern.channels.split()),
        "booking_entity": rng.choice([None, None, "OSLO", "NEW-YORK"]),
        f"{own}_customer": customer, f"{own}_account": f"{customer}/{rng.choice('AAAB')}",
    }  # fmt: skip
    if pattern.parties:
        record[f"{other}_account"] = f"X{rng.randrange(pattern.parties)}"
        record[f"{other}_country"] = rng.choice(pattern.countries)
    return record


def _disturbed(rng: random.Random, people: _People, records: list[Record]) -> list[Record]:
    """The records in the order of the log, with everything that goes wrong on the way."""
    log: list[Record] = []
    held_back: list[tuple[int, Record]] = []
    for number, record in enumerate(records):
        log += [one for until, one in held_back if until <= number]
        held_back = [each for each in held_back if each[0] > number]
        record = {"transaction_id": f"T{number}"} | record
        _change(rng, people, record)
        if rng.random() < 0.04:
            held_back.append((number + rng.randrange(1, 60), record))
        else:
            log.append(record)
        if log and rng.random() < 0.07:
            log.append(_about(rng, number, rng.choice(log[-25:]), str(record["booked_at"])))
    return [{name: value for name, value in record.items() if value is not None} for record in log]


def _change(rng: random.Random, people: _People, record: Record) -> None:
    own = "creditor" if "creditor_customer" in record else "debtor"
    other = "debtor" if own == "creditor" else "creditor"
    chance = rng.random()
    if chance < 0.04:
        record["channel"] = None
    elif chance < 0.08:
        record["currency"] = rng.choice(["EUR", "CHF", "CHF", "GBP"])
    elif chance < 0.11:
        record[f"{other}_account"] = None
    elif chance < 0.13:
        record["status"] = rng.choice(["attempted", "rejected"])
    elif chance < 0.15:
        record[f"{own}_account"] = None
    elif chance < 0.18:
        someone = rng.choice(people.everyone())
        record |= {f"{other}_customer": someone, f"{other}_account": f"{someone}/A"}
    elif chance < 0.20:
        record[f"{own}_account"] = f"{rng.choice(people.everyone())}/A"
    elif chance < 0.22:
        record["channel"] = "internal"
    elif chance < 0.23:
        record["booked_at"] = format_time(parse_time_us(str(record["booked_at"])) - 40 * DAY_US)


def _about(rng: random.Random, number: int, original: Record, now: str) -> Record:
    """Another record about one that came before: the same again, the same id with another amount, or taken back."""
    chance = rng.random()
    if chance < 0.3:
        return dict(original)
    if chance < 0.4:
        return original | {"amount": "77.00"}
    status = rng.choice(["reversed", "returned", "booked"])
    taken = {"transaction_id": f"R{number}", "booked_at": now, "status": status}
    return original | taken | {"reverses": original["transaction_id"]}


def _write(bank: ShippedBank) -> None:
    folder = bank.folder
    for name, lines in (("transactions", bank.records), ("profiles", bank.profiles)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    rates = [f"{format_time(time_us)},{source},{target},{rate}" for time_us, source, target, rate in bank.rates]
    (folder / "rates.csv").write_text("\n".join(["published_at,source,target,rate", *rates]) + "\n")
    (folder / "entities.yaml").write_text(
        "default: NEW-YORK\nentities:\n"
        "  NEW-YORK: {country: US, zone: America/New_York}\n  OSLO: {country: NO, zone: Europe/Oslo}\n"
    )


# The same for the slow evaluator ------------------------------------------------------------------------

ENTITIES = {
    "NEW-YORK": PlainEntity(jurisdiction="US", zone="America/New_York"),
    "OSLO": PlainEntity(jurisdiction="NO", zone="Europe/Oslo"),
}


def plain_rates(bank: ShippedBank) -> tuple[PlainRate, ...]:
    return tuple(PlainRate(time_us, source, target, Fraction(rate)) for time_us, source, target, rate in bank.rates)


def plain_log(bank: ShippedBank) -> list[PlainTransaction]:
    """The records with what docs/profile.md says was known of each holder at the clock of the log."""
    clock_us, found = 0, []
    for position, record in enumerate(bank.records):
        booked_us = parse_time_us(record["booked_at"])
        clock_us = max(clock_us, booked_us)
        found.append(PlainTransaction(
            position=position,
            transaction_id=record["transaction_id"],
            booked_at_us=booked_us,
            amount_minor=parse_amount_minor(record["amount"], record["currency"]),
            currency=record["currency"],
            debtor=_side(bank, record, "debtor", booked_us, clock_us),
            creditor=_side(bank, record, "creditor", booked_us, clock_us),
            channel=record.get("channel"),
            status=record.get("status", "booked"),
            reverses=record.get("reverses"),
            booking_entity=record.get("booking_entity", "NEW-YORK"),
        ))  # fmt: skip
    return found


def _side(bank: ShippedBank, record: Record, side: str, booked_us: int, clock_us: int) -> PlainSide:
    customer, account = record.get(f"{side}_customer"), record.get(f"{side}_account")

    def of(holder: str, joint: tuple[PlainSide, ...]) -> PlainSide:
        known = _profile(bank, holder, clock_us) | _age(bank, account, booked_us)
        return PlainSide(holder, account, holder, record.get(f"{side}_country"), joint=joint, profile=known)

    if customer is None:
        return PlainSide(account=account, country=record.get(f"{side}_country"))
    owners = {one["customer"]: each["holders"] for one in bank.profiles for each in one["accounts"]
              if each["account"] == account and each["holders"]}  # fmt: skip
    holders = [*owners, *(name for names in owners.values() for name in names)]
    return of(customer, tuple(of(name, ()) for name in holders if name != customer))


def _profile(bank: ShippedBank, customer: str, clock_us: int) -> dict[str, Any]:
    versions = [
        (parse_time_us(one["recorded_at"]), one["version"], number)
        for number, one in enumerate(bank.profiles)
        if one["customer"] == customer and parse_time_us(one["recorded_at"]) <= clock_us
    ]
    if not versions:
        return {}
    held = bank.profiles[max(versions)[2]]
    found = {name: held[name] for name in ("kind", "segment") if name in held}
    if "declared_income" in held:
        currency = held["income_currency"]
        found["declared_monthly_income"] = (parse_amount_minor(held["declared_income"], currency) // 12, currency)
    if "expected" in held:
        expected = held["expected"]
        amount_minor = parse_amount_minor(expected["monthly_in"], expected["currency"])
        found["expected_monthly_in"] = (amount_minor, expected["currency"])
    return found


def _age(bank: ShippedBank, account: str | None, booked_us: int) -> dict[str, Any]:
    opened = {each["opened_on"] for one in bank.profiles for each in one["accounts"]
              if each["account"] == account and "opened_on" in each}  # fmt: skip
    if not opened:
        return {}
    (day,) = opened
    return {"account_age": max(booked_us - parse_time_us(f"{day}T00:00:00Z"), 0)}
