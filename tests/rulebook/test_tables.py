"""Tables become typed rows with stated defaults; both verdict and mutant runners read them."""

import re
from dataclasses import replace

import pytest

from monitor.domain.time import DAY_US, HOUR_US, parse_time_us
from monitor.rulebook.load import load_rule, read_rule, shipped_rules
from monitor.rulebook.mutation import as_of_day, mutants, needless_excuses, run_mutants
from monitor.rulebook.testing import run_test, run_tests, table_rows
from monitor.rulebook.testing_reference import ReferenceTables
from tests.rulebook.bad_rules import FILE, GOOD
from tests.rulebook.write_golden_errors import LISTS

STRUCTURING = shipped_rules() / "us" / "structuring" / "cash_below_reporting_threshold.yaml"
FUNNEL = shipped_rules() / "general" / "pass_through" / "funnel_account.yaml"


def rows_of(table, extra=""):
    head = GOOD[: GOOD.index("tests:")]
    indented = "\n".join("      " + line.strip() for line in table.strip().split("\n"))
    rule = read_rule(
        f"{head}tests:\n  - name: t\n    start: 2026-05-04\n{extra}    table: |\n{indented}\n", FILE, LISTS
    )
    return table_rows(rule, rule.tests[0])


def test_what_a_table_leaves_out_has_stated_defaults():
    rows = rows_of("""
        at    customer  direction  amount  expect
        1d2h  C1        credit     9.5     .
        3d    C1        debit      10      alert
    """)
    assert rows[0].booked_at_us == parse_time_us("2026-05-05T02:00:00Z")
    assert rows[0].transaction_id == "row-1"
    assert rows[0].jurisdiction == "US"
    assert rows[0].fields == {
        "currency": "USD", "status": "booked", "account": "C1-account", "customer": "C1", "direction": "credit",
        "amount": (950, "USD"),
    }  # fmt: skip


def test_short_names_of_the_profile_and_unknown_cells():
    rows = rows_of("""
        at  customer  account  direction  amount  currency  account_age  is_pep  segment  jurisdiction  id  expect
        0h  C1        A        credit     5       JPY       30d          true    agent    GB            T9  alert
        0h  C1        -        credit     -       USD       -            -       -        -             -   .
    """)
    first, second = rows
    assert first.fields["profile.account_age"] == 30 * DAY_US
    assert first.fields["profile.is_pep"] is True
    assert first.fields["amount"] == (5, "JPY")
    assert first.fields["segment"] == first.fields["profile.segment"] == "agent"
    assert (first.transaction_id, first.jurisdiction) == ("T9", "GB")
    assert second.fields == {"currency": "USD", "status": "booked", "customer": "C1", "direction": "credit"}


def test_a_test_is_given_the_words_of_the_lists_the_rule_uses():
    text = GOOD.replace("cash.total > total_above", "counterparty_country in list.high_risk_countries")
    assert read_rule(text, FILE, LISTS).tests[0].lists == {"high_risk_countries": ("IR",)}
    own = text.replace("    table: |", "    lists: {high_risk_countries: [KP]}\n    table: |")
    assert read_rule(own, FILE, LISTS).tests[0].lists == {"high_risk_countries": ("KP",)}


def test_a_wrong_verdict_is_reported_with_its_row():
    rule = load_rule(STRUCTURING)
    test = rule.tests[0]
    changed = replace(test, rows=tuple({**row, "expect": "."} for row in test.rows))
    result = run_test(rule, changed, ReferenceTables())
    assert not result.passed
    assert [(miss.row, miss.expected, miss.given) for miss in result.misses] == [(2, ".", "alert"), (3, ".", "quiet")]


ADDED_ROWS = re.compile(
    r"total_above\[(self_employed|small_business)\]|inflow_min\[(small|cash)_business\]|\[corporate\]"
    r"|cash_share_min|windows\.(cash_month|money_in)"
)
"""Rows for segments, and windows for customers without one, that the product adds to the examples."""


@pytest.mark.parametrize(("path", "count"), [(STRUCTURING, 13), (FUNNEL, 20)])
def test_the_two_examples_have_as_many_tunables_as_the_format_states_and_every_mutant_a_name_of_its_own(path, count):
    names = [mutant.name for mutant in mutants(load_rule(path)) if not ADDED_ROWS.search(mutant.name)]
    assert sum(not name.startswith("when: ") and ".where: " not in name for name in names) == count
    assert len(set(names)) == len(names) > count


def test_every_part_of_a_condition_is_turned_round():
    before = [mutant.name for mutant in mutants(read_rule(GOOD, FILE, LISTS))]
    when = 'known(channel) and purpose not in ["SALA"] and (not first_seen(counterparty) or status == "booked")'
    text = GOOD.replace("cash.total > total_above", f"{when} and cash.total > total_above")
    moved = [mutant.name for mutant in mutants(read_rule(text, FILE, LISTS)) if mutant.name.startswith("when: ")]
    assert [name for name in moved if name not in before] == [
        "when: known(channel) becomes not known(channel)",
        'when: purpose not in ["SALA"] becomes in',
        "when: first_seen(counterparty) becomes not first_seen(counterparty)",
        'when: status == "booked" becomes !=',
    ]


def test_one_comparison_in_two_places_is_two_mutants():
    text = GOOD.replace("cash.total > total_above", "cash.total > total_above or cash.total > total_above")
    moved = [mutant.name for mutant in mutants(read_rule(text, FILE, LISTS)) if mutant.name.startswith("when: ")]
    assert [name for name in moved if "cash.total > total_above" in name] == [
        "when: cash.total > total_above becomes >=", "when: cash.total > total_above becomes >= (place 2)",
    ]  # fmt: skip


def test_each_mutant_differs_from_its_rule():
    for path in (STRUCTURING, FUNNEL):
        rule = load_rule(path)
        for mutant in mutants(rule):
            assert mutant.rule != rule, mutant.name


def test_without_the_test_of_the_quiet_period_its_mutants_survive():
    rule = load_rule(STRUCTURING)
    kept = tuple(test for test in rule.tests if "quiet" not in test.name)
    assert len(kept) == len(rule.tests) - 1
    survivors = [result.name for result in run_mutants(replace(rule, tests=kept), ReferenceTables()) if result.survived]
    assert survivors == ["alert.quiet: 24h becomes 23h59m", "alert.quiet: 24h becomes 1d1m"]


def test_an_excuse_accounts_for_a_mutant_and_is_shown():
    rule = load_rule(STRUCTURING)
    kept = tuple(test for test in rule.tests if "quiet" not in test.name)
    excused = replace(rule, tests=kept, equivalent={"alert.quiet: 24h becomes 1d1m": "for the test"})
    results = {result.name: result for result in run_mutants(excused, ReferenceTables())}
    assert results["alert.quiet: 24h becomes 1d1m"].excuse == "for the test"
    assert [name for name, result in results.items() if result.survived] == ["alert.quiet: 24h becomes 23h59m"]


def test_an_excuse_that_names_no_mutant_or_one_that_is_noticed_is_needless():
    rule = replace(load_rule(STRUCTURING), equivalent={
        "alert.quiet: 24h becomes 1d1m": "for the test", "alert.quiet: 25h becomes 1d2m": "for the test",
    })  # fmt: skip
    found = [(each.name, each.fact) for each in needless_excuses(rule, run_mutants(rule, ReferenceTables()))]
    killer = next(test.name for test in rule.tests if "quiet" in test.name)
    assert found == [
        ("alert.quiet: 24h becomes 1d1m", f"the test '{killer}' notices it"),
        ("alert.quiet: 25h becomes 1d2m", "there is no such mutant"),
    ]


def test_values_of_a_day_hold_at_all_times():
    rule = load_rule(STRUCTURING)
    before = as_of_day(rule, parse_time_us("2026-03-31T00:00:00Z"))
    assert "cash_business" not in {row.segment for row in before.parameters["total_above"].rows}
    failed = [result.name for result in run_tests([before], ReferenceTables()) if not result.passed]
    assert failed == ["a cash business has its own threshold", "that threshold took effect at midnight on 1 April 2026"]


def test_the_finest_step_of_a_length_is_a_minute():
    moved = {mutant.rule.windows["small_cash"].over_us for mutant in mutants(load_rule(STRUCTURING))}
    assert moved == {24 * HOUR_US, 24 * HOUR_US - 60_000_000, 24 * HOUR_US + 60_000_000}
