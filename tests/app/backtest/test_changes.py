"""What ``--with`` understands, and that it changes what it says and nothing else."""

from decimal import Decimal
from pathlib import Path

import pytest

from monitor.app.backtest.changes import RulesInForce, read_changes, with_value
from monitor.app.backtest.judging import changed
from monitor.app.backtest.problem import BacktestError
from monitor.domain.units import SHARE
from monitor.rulebook.canonical import rule_digest
from monitor.rulebook.load import load_lists, load_rules, shipped_rules
from monitor.rulebook.parameters import value_in_force
from monitor.rulebook.rule import Rule
from tests.app.backtest.bank import rules_with

STR = "AML-STR-001"
LISTS = load_lists([shipped_rules()])[0]
RULES = {rule.id: rule for rule in load_rules([shipped_rules()])[0]}
ALL = RulesInForce(RULES, frozenset(RULES))


def after(*texts: str, start: RulesInForce = ALL) -> RulesInForce:
    return changed(read_changes(texts, known=RULES, lists=LISTS))(start)


def value(rule: Rule, name: str, segment: str | None = None, time: int = 1_800_000_000_000_000) -> object:
    row = value_in_force(rule.parameters[name], time_us=time, segment=segment, jurisdiction="US")
    return row.value if row else None


def test_a_value_is_moved_and_nothing_else():
    result = after(f"{STR}.total_above=12000.5")
    assert value(result.rules[STR], "total_above") == 1_200_050
    assert value(result.rules[STR], "total_above", "cash_business") == 4_500_000
    assert result.rules[STR].digest == rule_digest(result.rules[STR]) != RULES[STR].digest
    assert {name: rule for name, rule in result.rules.items() if name != STR} == {
        name: rule for name, rule in RULES.items() if name != STR
    }
    assert result.live == ALL.live


def test_a_value_of_a_segment_is_moved_for_that_segment_only_also_where_it_had_none():
    result = after(f"{STR}.total_above[cash_business]=30000", f"{STR}.total_above[student]=5000").rules[STR]
    assert value(result, "total_above", "cash_business") == 3_000_000
    assert value(result, "total_above", "student") == 500_000
    assert value(result, "total_above", "retail") == value(result, "total_above") == 1_000_000


def test_a_value_of_a_jurisdiction_goes_before_the_general_one():
    result = after(f"{STR}.total_above[US]=7000").rules[STR]
    assert value(result, "total_above") == 700_000
    assert value(result, "total_above", "cash_business") == 4_500_000


def test_a_moved_value_holds_for_all_time():
    early = 1_310_000_000_000_000
    assert value(after(f"{STR}.total_above=12000.00").rules[STR], "total_above", time=early) == 1_200_000


def test_a_rule_is_removed_and_taken_in_again_with_a_status():
    assert STR not in after(f"-{STR}").rules
    assert STR not in after(f"{STR}@draft").rules
    shadow = after(f"{STR}@shadow")
    assert STR in shadow.rules
    assert STR not in shadow.live
    none = RulesInForce({}, frozenset())
    assert after(f"{STR}@active", start=none).live == {STR}


def test_a_file_replaces_the_rule_of_its_id_and_a_folder_many(tmp_path: Path):
    folder = rules_with(
        tmp_path / "rules", {STR: ("value: 10000.00, cite: 31 CFR 1010.313", "value: 8000.00, cite: CR-1")}
    )
    (path,) = [path for path in folder.rglob("*.yaml") if STR in path.read_text().splitlines()[0]]
    assert value(after(str(path)).rules[STR], "total_above") == 800_000
    assert after(str(folder)).rules.keys() == RULES.keys()
    assert len(read_changes([str(folder)], known=RULES, lists=LISTS)) == len(RULES)


def test_a_file_of_a_rule_that_ran_in_shadow_stays_in_shadow_and_a_draft_says_so(tmp_path: Path):
    folder = rules_with(tmp_path / "rules", {STR: ("status: active", "status: draft")})
    (path,) = [path for path in folder.rglob("*.yaml") if STR in path.read_text().splitlines()[0]]
    (change,) = read_changes([str(path)], known=RULES, lists=LISTS)
    assert "draft" in change.note
    assert STR not in change.apply(ALL).live
    shipped = RULES[STR].place.file
    assert STR not in after(shipped, start=RulesInForce(RULES, frozenset())).live
    assert STR in after(shipped, start=RulesInForce({}, frozenset())).live


def test_changes_are_made_in_their_order():
    assert STR not in after(f"{STR}.total_above=1.00", f"-{STR}").rules
    assert value(after(f"{STR}.total_above=1.00", f"{STR}.total_above=2.00").rules[STR], "total_above") == 200


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nowhere.yaml", "no such file"),
        ("AML-XXX-999.total_above=1", "there is no rule AML-XXX-999. The rules are: AML-BEH-001"),
        (f"{STR}.totl_above=1", "has no parameter 'totl_above'. It has: report_above, total_above"),
        (f"{STR}.total_above=many", "'many' is no value in USD. Write for example 10000.00"),
        (f"{STR}.total_above=1.001", "is no value in USD"),
        (f"{STR}.total_above[]=1", "names no scope"),
        (f"{STR}.total_above[a,b]=1", "two of a kind"),
        (f"{STR}@running", "there is no status 'running'"),
    ],
)
def test_what_is_not_understood_says_why_and_what_to_do(text: str, words: str):
    with pytest.raises(BacktestError) as caught:
        read_changes([text], known=RULES, lists=LISTS)
    assert words in str(caught.value)
    assert text in str(caught.value)


def test_a_wrong_rule_file_says_its_line(tmp_path: Path):
    folder = rules_with(tmp_path / "rules", {STR: ("severity: high", "severity: hgh")})
    with pytest.raises(BacktestError, match=r"\.yaml:7: 'severity' is 'hgh'"):
        read_changes([str(folder)], known=RULES, lists=LISTS)


def test_shares_stay_exact():
    name, parameter = next(
        (rule.id, each) for rule in RULES.values() for each in rule.parameters.values() if each.unit == SHARE
    )
    moved = with_value(RULES[name], parameter.name, Decimal("0.123"))
    assert {row.value for row in moved.parameters[parameter.name].rows if row.segment is None} == {Decimal("0.123")}
