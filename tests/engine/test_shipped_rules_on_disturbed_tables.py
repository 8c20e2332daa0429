"""Every shipped rule on random tables around its tests: the engine says of each leg what the slow evaluator says."""

import random
from collections import Counter

import pytest

from monitor.app.table_engine import TableEngine
from monitor.rulebook.load import load_rules, shipped_rules
from monitor.rulebook.reference import Verdict
from monitor.rulebook.rule import Rule, TableTest
from monitor.rulebook.testing_reference import ReferenceTables
from tests.oracle.agreement import said, said_slowly
from tests.strategies.disturbed_tables import disturbed
from tests.strategies.searching import further

RULES, _ = load_rules([shipped_rules()])


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
    run(rule, random.randrange(2**32), tables=further(6))
