"""How much of what a simulated bank hides the rules find, and how many customers they trouble for it.

A program, not a test: ``python -m tests.bench.detection --seed 901 --seed 902 --folder /tmp/detection``. It simulates
a bank for each seed, runs the shipped rules over it as ``aml run --approve-examples`` does, and compares the alerts
with the labels, which the run never sees. Thresholds are chosen on seeds that are not the ones reported.

- A case is *found* when an alert's subject takes part in it and the alert comes from the case's first payment to
  three days after its last. *Own* counts only those with an alert that lists one of the case's payments.
- *Alerted a month*: customers with a new alert within 30 days, as a share of those with a payment in these days.
  Obligations are owed, whoever is suspected, and are left out.
- *Conversion*: the share of the new alerts of a rule that find a case.
"""

import csv
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from monitor.app.embedded import RunSettings, run
from monitor.app.inputs import GivenInputs
from monitor.app.simulate import simulate
from monitor.rulebook.load import load_rulebook, shipped_rules

START = date(2026, 5, 4)
"""First day of the streams: a Monday on which every value of the shipped rules is in force."""
MONTH = timedelta(days=30)
GRACE = timedelta(days=3)
ALERTED_MAX = 0.01
"""The bar: at most this share of the active customers alerts a month."""


@dataclass(slots=True)
class Case:
    """A labelled case: who takes part, which payments, from when to when."""

    name: str
    typology: str
    payments: set[str] = field(default_factory=set)
    customers: set[str] = field(default_factory=set)
    first: datetime = datetime.max
    last: datetime = datetime.min


@dataclass(slots=True)
class Measured:
    """What one bank showed; ``rules`` holds (new alerts, of them on a case) by rule."""

    seed: int
    cases: list[Case]
    found: dict[str, set[str]]
    """The rules that found a case, by its name."""
    own: dict[str, set[str]]
    """The rules that found it with an alert that lists one of its payments."""
    alerted: list[tuple[int, int]]
    """Customers alerted and customers active, by month."""
    rules: dict[str, list[int]]
    customers_by_rule: dict[str, int]


def main(
    seed: Annotated[list[int], typer.Option(help="Seeds of the banks; several times.")],
    folder: Annotated[Path, typer.Option(help="Where the banks and stores go; what is there is used again.")],
    customers: Annotated[int, typer.Option(help="Customers of each bank.")] = 3_000,
    days: Annotated[int, typer.Option(help="Days of each stream.")] = 60,
    rules: Annotated[
        list[Path] | None, typer.Option(help="Rule files or folders (default: the shipped rules).")
    ] = None,
    without: Annotated[list[str] | None, typer.Option(metavar="RULE", help="Leave the alerts of a rule out.")] = None,
) -> None:
    """Measure recall by typology and the share of customers alerted, for each seed and together."""
    console = Console(highlight=False)
    measured = []
    for each in seed:
        measured.append(
            measure(each, folder / f"{customers}-{days}-{each}", customers, days, tuple(rules or ()), without or ())
        )
        months = ", ".join(f"{alerted}/{active} = {alerted / active:.2%}" for alerted, active in measured[-1].alerted)
        console.print(f"seed {each}: {len(measured[-1].cases)} cases; customers alerted by month: {months}")
    _print_typologies(console, measured)
    _print_rules(console, measured)
    worst = max(alerted / active for one in measured for alerted, active in one.alerted)
    missed = sorted({case.typology for one in measured for case in one.cases if case.name not in one.found})
    console.print(
        f"worst month {worst:.2%} (bar {ALERTED_MAX:.0%}); typologies with a missed case: {', '.join(missed) or 'none'}"
    )


def measure(
    seed: int, folder: Path, customers: int, days: int, rules: tuple[Path, ...], without: Collection[str] = ()
) -> Measured:
    """Simulate a bank where there is none yet, run the rules, and compare with the labels."""
    bank, alerts = folder / "bank", folder / "alerts.jsonl"
    if not (bank / "manifest.json").exists():
        simulate(customers=customers, days=days, seed=seed, out=bank, start=START, file_format="json")
    for leftover in folder.glob("run.*"):
        _remove(leftover)
    given = GivenInputs(
        rules=rules, rates=bank / "rates.csv", entities=bank / "entities.yaml", lists=(bank,), approve_examples=True
    )
    settings = RunSettings(
        (str(bank / "transactions.jsonl"),),
        folder / "run.db",
        inputs=given,
        profiles=bank / "profiles.jsonl",
        alerts=alerts,
    )
    run(settings)
    return compare(seed, bank, alerts, suspicions(rules).difference(without))


def suspicions(rules: tuple[Path, ...]) -> set[str]:
    """The ids of the rules that raise alerts, not obligations."""
    rulebook, _ = load_rulebook(list(rules) or [shipped_rules()])
    return {rule.id for rule in rulebook.rules if rule.kind == "suspicion"}


def compare(seed: int, bank: Path, alerts: Path, wanted: set[str]) -> Measured:
    """Alerts against labels."""
    cases, active = _labels(bank)
    by_customer: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        for customer in case.customers:
            by_customer[customer].append(case)
    found: dict[str, set[str]] = defaultdict(set)
    own: dict[str, set[str]] = defaultdict(set)
    alerted: dict[int, set[str]] = defaultdict(set)
    rules: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    troubled: dict[str, set[str]] = defaultdict(set)
    for alert in _lines(alerts):
        rule, subject, at = alert["source"]["id"], alert["subject"]["id"], _time(alert["event_time"])
        if rule not in wanted or alert["status"] == "shadow":
            continue
        hits = [case for case in by_customer[subject] if case.first <= at <= case.last + GRACE]
        for case in hits:
            found[case.name].add(rule)
            if case.payments.intersection(alert["transactions"]):
                own[case.name].add(rule)
        if alert["status"] == "new":
            alerted[_month(at)].add(subject)
            troubled[rule].add(subject)
            rules[rule][0] += 1
            rules[rule][1] += bool(hits)
    months = [(len(alerted[number]), len(active[number])) for number in sorted(active)]
    return Measured(seed, cases, found, own, months, rules, {rule: len(names) for rule, names in troubled.items()})


def _labels(bank: Path) -> tuple[list[Case], dict[int, set[str]]]:
    """The cases with their customers, and the active customers by month; the last days of a stream are no month."""
    cases: dict[str, Case] = {}
    case_of: dict[str, Case] = {}
    with (bank / "labels.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            case = cases.setdefault(row["case_id"], Case(row["case_id"], row["typology"]))
            case.payments.add(row["transaction_id"])
            case_of[row["transaction_id"]] = case
    active: dict[int, set[str]] = defaultdict(set)
    for payment in _lines(bank / "transactions.jsonl"):
        at = _time(payment["booked_at"])
        parties = {payment[key] for key in ("debtor_customer", "creditor_customer") if key in payment}
        active[_month(at)] |= parties
        of_case = case_of.get(payment["transaction_id"])
        if of_case is not None:
            of_case.customers |= parties
            of_case.first, of_case.last = min(of_case.first, at), max(of_case.last, at)
    whole = {number: who for number, who in active.items() if len(who) > max(map(len, active.values())) // 2}
    return list(cases.values()), whole


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    with path.open("rb") as file:
        for line in file:
            yield decode(line)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=None)


def _month(at: datetime) -> int:
    return max((at.date() - START).days, 0) // MONTH.days


def _remove(path: Path) -> None:
    if path.is_dir():
        for inside in path.iterdir():
            _remove(inside)
        path.rmdir()
    else:
        path.unlink()


def _print_typologies(console: Console, measured: list[Measured]) -> None:
    table = _table("typology", "cases", "found", "own", "found by")
    of_typology: dict[str, list[tuple[Measured, Case]]] = defaultdict(list)
    for one in measured:
        for case in one.cases:
            of_typology[case.typology].append((one, case))
    for typology, pairs in sorted(of_typology.items()):
        found = sum(case.name in one.found for one, case in pairs)
        own = sum(case.name in one.own for one, case in pairs)
        by = Counter(rule for one, case in pairs for rule in one.found.get(case.name, ()))
        words = ", ".join(f"{rule.removeprefix('AML-')} {count}" for rule, count in by.most_common(5))
        table.add_row(typology, str(len(pairs)), str(found), str(own), words)
    console.print(table)


def _print_rules(console: Console, measured: list[Measured]) -> None:
    table = _table("rule", "new alerts", "customers", "on a case", "conversion")
    for rule in sorted({rule for one in measured for rule in one.rules}):
        new, hits = (sum(one.rules[rule][i] for one in measured if rule in one.rules) for i in (0, 1))
        who = sum(one.customers_by_rule.get(rule, 0) for one in measured)
        table.add_row(rule, str(new), str(who), str(hits), f"{hits / new:.0%}" if new else "")
    console.print(table)


def _table(*titles: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in titles:
        table.add_column(title, justify="left" if title in ("typology", "rule", "found by") else "right")
    return table


if __name__ == "__main__":
    typer.run(main)
