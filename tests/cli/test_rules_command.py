"""``aml rules`` tells people what happened, and programs by its exit status."""

import json

import pytest
from typer.testing import CliRunner

from monitor.cli.rules import app
from tests.rulebook.bad_rules import GOOD


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules" / "structuring").mkdir(parents=True)
    return tmp_path / "rules" / "structuring"


def aml_rules(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_passing_tables_exit_with_0_and_are_counted(folder):
    (folder / "good.yaml").write_text(GOOD, encoding="utf-8")
    result = aml_rules("test")
    assert result.exit_code == 0, result.output
    assert "ok    AML-STR-900  1 test, 2 payments" in result.output
    assert "1 rule, 1 test, 2 payments; every verdict as stated." in result.output


def test_a_wrong_verdict_exits_with_1_and_shows_the_row(folder):
    # The second deposit is said to stay silent; another test keeps the alert that every rule must show.
    wrong = GOOD.replace("9000.00  alert", "9000.00  .") + EXTRA_TEST
    (folder / "wrong.yaml").write_text(wrong, encoding="utf-8")
    result = aml_rules("test", "AML-STR-900")
    assert result.exit_code == 1
    assert "two deposits above the total raise an alert" in result.output
    assert "FAIL" in result.output


EXTRA_TEST = """\
  - name: a young account raises an alert
    start: 2026-05-04
    table: |
      at  customer  channel  account_age  direction  amount    expect
      0h  C1        cash     30d          credit      9000.00  .
      1h  C1        cash     30d          credit      9000.00  alert
"""


def test_a_surviving_mutant_exits_with_1_and_is_named(folder):
    (folder / "good.yaml").write_text(GOOD, encoding="utf-8")
    result = aml_rules("test", "--mutate")
    assert result.exit_code == 1
    assert "no test notices that parameters.total_above: 10000.00 becomes 9999.99" in result.output


def test_a_file_that_cannot_be_read_exits_with_2_and_the_others_are_tested(folder):
    (folder / "good.yaml").write_text(GOOD, encoding="utf-8")
    (folder / "bad.yaml").write_text("id: [", encoding="utf-8")
    result = aml_rules("test")
    assert result.exit_code == 2
    assert "ok    AML-STR-900" in result.output
    assert "bad.yaml:1: not YAML" in result.output


def test_json_is_one_object_for_each_test_and_mutant(folder):
    (folder / "good.yaml").write_text(GOOD, encoding="utf-8")
    lines = [json.loads(line) for line in aml_rules("test", "--json", "--mutate").stdout.splitlines()]
    tests = [line for line in lines if "test" in line]
    mutants = [line for line in lines if "mutant" in line]
    assert [(line["rule"], line["rows"], line["passed"]) for line in tests] == [("AML-STR-900", 2, True)]
    assert {line["passed"] for line in mutants} == {True, False}


def test_an_unknown_rule_or_path_says_what_there_is(folder):
    (folder / "good.yaml").write_text(GOOD, encoding="utf-8")
    result = aml_rules("test", "AML-STR-999")
    assert result.exit_code == 1
    assert "There is no rule AML-STR-999 in rules. The rules are: AML-STR-900." in result.output
    assert "there is no such file or folder" in aml_rules("test", "nowhere").output


def test_without_rules_here_the_shipped_ones_are_used(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = aml_rules("explain", "AML-STR-001", "--segment", "cash_business", "--on", "2026-05-04")
    assert result.exit_code == 0, result.output
    assert "45 000.00 USD" in result.output
    assert "CR-118" in result.output


def test_explain_refuses_a_day_and_a_country_that_do_not_exist(folder):
    (folder / "good.yaml").write_text(GOOD, encoding="utf-8")
    assert "'2026-02-30' is no date" in aml_rules("explain", "AML-STR-900", "--on", "2026-02-30").output
    assert "'UK' is no country" in aml_rules("explain", "AML-STR-900", "--jurisdiction", "UK").output


def test_lint_warns_about_a_dead_parameter_and_exits_with_1(folder):
    dead = GOOD.replace("  and cash.deposits >= deposits_min\n", "")
    (folder / "dead.yaml").write_text(dead, encoding="utf-8")
    result = aml_rules("lint")
    assert result.exit_code == 1
    assert "no condition uses 'deposits_min'" in result.output
    (folder / "dead.yaml").write_text(GOOD.replace(", places: distinct(branch)", ""), encoding="utf-8")
    assert aml_rules("lint").exit_code == 0, aml_rules("lint").output


@pytest.mark.parametrize("command", ["test", "lint", "explain"])
def test_help_has_examples_and_exit_statuses(command):
    output = aml_rules(command, "--help").output
    assert f"aml rules {command}" in output
    assert "exit status:" in output
