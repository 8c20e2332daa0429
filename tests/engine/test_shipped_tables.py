"""Every inline table of every shipped rule holds on the real engine, as it holds on the slow evaluator."""

import pytest

from monitor.app.table_engine import TableEngine
from monitor.rulebook import load
from monitor.rulebook.rule import Rule, TableTest
from monitor.rulebook.testing import run_test


def shipped() -> list[Rule]:
    path = load.shipped_rules()
    lists, list_errors = load.load_lists([path])
    rules, errors = load.load_rules([path], lists)
    assert not list_errors
    assert not errors
    return rules


TABLES = [(rule, test) for rule in shipped() for test in rule.tests]


def test_every_rule_has_tables():
    assert {rule.id for rule, _ in TABLES} == {rule.id for rule in shipped()}
    assert len(TABLES) >= 300


@pytest.mark.parametrize(("rule", "test"), TABLES, ids=[f"{rule.id}: {test.name}" for rule, test in TABLES])
def test_the_engine_gives_the_verdicts_of_the_table(rule: Rule, test: TableTest):
    result = run_test(rule, test, TableEngine())
    assert not result.misses, f"{test.place}: {result.misses}"
