"""The rules that travel with the product: they load, are proven, cited, and in words."""

import pytest

from monitor.domain.time import parse_time_us
from monitor.rulebook.explain import explain_rule
from monitor.rulebook.lint import WARNING, lint_rules
from monitor.rulebook.load import load_lists, load_rules, shipped_rules
from monitor.rulebook.mutation import needless_excuses, run_mutants
from monitor.rulebook.testing import run_test
from monitor.rulebook.testing_reference import ReferenceTables
from monitor.rulebook.typologies import TYPOLOGIES

RULES, ERRORS = load_rules([shipped_rules()])
MAY = parse_time_us("2026-05-04T00:00:00Z")


def test_every_shipped_file_loads():
    assert ERRORS == []
    assert sum(rule.status == "active" for rule in RULES) >= 10


def test_shipped_rules_are_approved_as_examples_only():
    assert RULES
    for rule in RULES:
        assert rule.approval is not None
        assert rule.approval.is_example, rule.id


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_the_tables_state_what_the_reference_evaluator_says(rule):
    results = [run_test(rule, test, ReferenceTables()) for test in rule.tests]
    assert results
    assert [(result.name, result.misses) for result in results if not result.passed] == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_no_mutant_survives_and_every_excuse_is_needed(rule):
    results = run_mutants(rule, ReferenceTables())
    assert results
    assert [result.name for result in results if result.survived] == []
    assert needless_excuses(rule, results) == []


def test_there_is_no_warning_about_a_shipped_rule():
    lists, _ = load_lists([shipped_rules()])
    findings = lint_rules(RULES, lists, today_us=parse_time_us("2026-11-24T00:00:00Z"))
    assert [(each.rule_id, each.fact) for each in findings if each.level == WARNING] == []


def test_a_source_that_was_read_long_ago_is_a_warning():
    findings = lint_rules(RULES, {}, today_us=parse_time_us("2028-01-01T00:00:00Z"))
    stale = [each for each in findings if "last read" in each.fact]
    assert len(stale) == sum(len(rule.references) for rule in RULES)


def test_every_typology_is_in_the_readme():
    text = (shipped_rules() / "README.md").read_text(encoding="utf-8")
    assert [name for name in TYPOLOGIES if f"`{name}`" not in text] == []


def test_the_explanation_has_the_values_in_force_in_its_sentence():
    rule = next(rule for rule in RULES if rule.id == "AML-STR-001")
    general = explain_rule(rule, time_us=MAY, segment=None, jurisdiction=None)
    cash_business = explain_rule(rule, time_us=MAY, segment="cash_business", jurisdiction="US")
    assert "small_cash.total is more than 10 000.00 USD" in general.paragraph
    assert "small_cash.total is more than 45 000.00 USD" in cash_business.paragraph
    assert [(v.name, v.scope, v.since) for v in cash_business.values] == [
        ("report_above", "general", "2011-03-01"),
        ("total_above", "cash_business", "2026-04-01"),
        ("cash_share_min", "general", "2011-03-01"),
    ]
