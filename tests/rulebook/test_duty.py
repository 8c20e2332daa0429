"""What of a rule belongs to the report of one direction."""

import pytest

from monitor.rulebook.duty import duty_terms
from monitor.rulebook.load import load_rules, shipped_rules
from monitor.rulebook.rule import Rule

RULES = {rule.id: rule for rule in load_rules([shipped_rules()])[0]}
OBLIGATIONS = sorted(rule.id for rule in RULES.values() if rule.kind == "obligation")
BOTH_WAYS = ("AML-LCT-030", "AML-LCT-050", "AML-LTT-010", "AML-LTT-050", "AML-LTT-051", "AML-LTT-052")
_IN, _OUT = ("in_cny", "in_usd", "cash_in", "received"), ("out_cny", "out_usd", "cash_out", "sent")


@pytest.mark.parametrize("rule_id", BOTH_WAYS)
def test_a_rule_for_both_directions_keeps_the_windows_and_the_total_of_each_apart(rule_id: str):
    rule = RULES[rule_id]
    terms = duty_terms(rule)
    assert terms is not None
    for way, names in (("in", _IN), ("out", _OUT)):
        own = tuple(name for name in rule.windows if name in names)
        assert own
        assert terms.by_way[way].windows == own
        assert terms.by_way[way].total == f"{own[0]}.total"
        assert terms.by_way[way].period_kind == rule.windows[own[0]].calendar


@pytest.mark.parametrize("rule_id", OBLIGATIONS)
def test_a_window_that_names_no_direction_belongs_to_whatever_the_rule_reports(rule_id: str):
    rule = RULES[rule_id]
    terms = duty_terms(rule)
    assert terms is not None
    for each in terms.by_way.values():
        assert {name for name, window in rule.windows.items() if not _tells_direction(window.where)} <= set(
            each.windows
        )
    assert {name for each in terms.by_way.values() for name in each.windows} == set(rule.windows)


def test_where_nothing_adds_up_a_payment_is_reported_once_and_in_the_name_of_the_first_holder():
    single = {rule_id for rule_id in OBLIGATIONS if _terms(RULES[rule_id]).is_of_first_holder}
    assert {"AML-LCT-020", "AML-LCT-041", "AML-LTT-020", "AML-LTT-030"} <= single
    for rule_id in single:
        assert not RULES[rule_id].windows
        assert _terms(RULES[rule_id]).period_kinds == {"payment"}


def _terms(rule: Rule):  # type: ignore[no-untyped-def]
    terms = duty_terms(rule)
    assert terms is not None
    return terms


def _tells_direction(node: object) -> bool:
    return node is not None and "direction" in node.text  # type: ignore[attr-defined]
