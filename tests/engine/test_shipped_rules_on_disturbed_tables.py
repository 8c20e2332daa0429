"""Every shipped rule on random tables around its tests: the engine says of each leg what the slow evaluator says."""

import random
from collections import Counter
from typing import Any

import pytest

from monitor.app.table_engine import TableEngine
from monitor.domain.alert import Alert, Quantity
from monitor.engine.sentences import quantity_of_parts
from monitor.rulebook.load import load_rules, shipped_rules
from monitor.rulebook.reference import Value, Verdict
from monitor.rulebook.reference.evaluator import kind_of
from monitor.rulebook.rule import Rule, TableTest
from monitor.rulebook.testing_reference import ReferenceTables
from tests.strategies.disturbed_tables import disturbed

RULES, _ = load_rules([shipped_rules()])
_ROLES = {"debit": "debtor", "credit": "creditor"}
_WORDS = {"alert": "new", "quiet": "quiet"}


def said_slowly(rule: Rule, verdict: Verdict) -> tuple[Any, ...]:
    """Role, subject, status and the numbers that an alert must show."""
    units = {f"{window.name}.{each.name}": each.unit for window in rule.windows.values() for each in window.measures}
    numbers = {name: _quantity(value, units[name]) for name, value in verdict.measures.items()}
    side = _ROLES[verdict.leg_role] if kind_of(rule) in ("customer", "pair", "person") else None
    return side, verdict.subject, _WORDS[str(verdict.status)], numbers, _evidence(rule, verdict.transactions)


def _quantity(value: Value, unit: Any) -> Quantity:
    if value.is_unknown or value.value is None:
        return Quantity(None, str(unit), "unknown")
    assert not isinstance(value.value, str)
    return quantity_of_parts(value.value.as_integer_ratio(), unit, value.bound)


def said(rule: Rule, alert: Alert) -> tuple[Any, ...]:
    """The same of an alert. It shows further numbers too, and names the leg of another party by what that is."""
    names = {f"{window.name}.{each.name}" for window in rule.windows.values() for each in window.measures}
    numbers = {name: value for name, value in alert.measures.items() if name in names}
    subject = bytes.fromhex(alert.subject.token).decode()
    return _side(alert.leg_role), subject, alert.status, numbers, _evidence(rule, alert.transactions)


def _evidence(rule: Rule, positions: tuple[int, ...]) -> tuple[int, ...]:
    """The payments behind a match; of an obligation only those of one direction count, which its own tests compare."""
    return () if rule.kind == "obligation" else tuple(sorted(positions))


def _side(leg_role: str) -> str | None:
    """Whose side of the payment a leg is on, where its name says so."""
    side = leg_role.partition("_")[0]
    return side if side in _ROLES.values() else None


def compare(rule: Rule, test: TableTest) -> Counter[str]:
    """Compare every row; how often the rule said what."""
    slowly: dict[int, list[Verdict]] = {}
    for verdict in ReferenceTables().judged(rule, test):
        slowly.setdefault(verdict.position, []).append(verdict)
    outcomes: Counter[str] = Counter()
    for number, (alerts, undecided) in enumerate(TableEngine().said(rule, test)):
        verdicts = slowly.get(number, [])
        expected = [said_slowly(rule, each) for each in verdicts if each.status is not None]
        row = f"{rule.id}, row {number} of {test.name}: {test.rows[number]}"
        assert sorted((said(rule, each) for each in alerts), key=repr) == sorted(expected, key=repr), row
        assert undecided == sum(each.verdict == "unknown" for each in verdicts), row
        outcomes.update(each.status or each.verdict for each in verdicts)
    return outcomes


def run(rule: Rule, seed: int, tables: int) -> Counter[str]:
    """Compare that many tables drawn from a seed."""
    print(f"{rule.id}: seed {seed}")
    rng = random.Random(f"{rule.id} {seed}")
    outcomes: Counter[str] = Counter()
    for _ in range(tables):
        outcomes += compare(rule, disturbed(rule, rng))
    return outcomes


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_engine_and_slow_evaluator_agree_around_the_tests_of_each_rule(rule: Rule):
    outcomes = run(rule, seed=1, tables=10)
    assert outcomes["alert"] >= 3, outcomes
    assert outcomes["false"] >= 3, outcomes


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_further_tables_agree_as_well(rule: Rule):
    run(rule, random.randrange(2**32), tables=30)
