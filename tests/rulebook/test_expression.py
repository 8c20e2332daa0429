"""Names become typed nodes; money takes the currency of what it meets."""

import pytest

from monitor.domain.units import BOOLEAN, COUNT, DURATION, SHARE, category, money
from monitor.rulebook.expression import Scope, compile_condition
from monitor.rulebook.load import read_rule
from monitor.rulebook.rule import Call, Compare, Literal, Logic, MeasureName, Membership, Name, ParameterName, PeerName
from monitor.rulebook.rule_error import RuleError
from monitor.rulebook.source import Source
from monitor.rulebook.walk import walk
from tests.rulebook.bad_rules import FILE, GOOD
from tests.rulebook.write_golden_errors import LISTS

RULE = read_rule(GOOD, FILE, LISTS)
SCOPE = Scope(RULE.parameters, RULE.windows, {"high_risk_countries": "country"}, "USD")


def compiled(text, scope=SCOPE):
    return compile_condition(Source.of(text), scope)


def test_the_amount_takes_the_currency_of_the_parameter_it_meets():
    node = compiled("amount > total_above")
    assert isinstance(node, Compare)
    assert node.left == Name("amount", money("USD"), "amount")
    assert node.right == ParameterName("total_above", money("USD"), "total_above")


def test_declared_income_takes_the_currency_of_the_measure_it_divides():
    node = compiled("ratio(cash.total, profile.declared_monthly_income) > part_min")
    call = node.left
    assert isinstance(call, Call)
    assert call.unit == SHARE
    assert [argument.unit for argument in call.arguments] == [money("USD"), money("USD")]


def test_a_sum_of_open_amounts_is_settled_through_and_through():
    node = compiled("amount + profile.expected_monthly_in - amount > total_above")
    assert {part.unit for part in walk(node.left)} == {money("USD")}


def test_two_open_amounts_take_the_single_currency_of_the_rule_or_are_refused():
    assert compiled("amount > profile.declared_monthly_income").left.unit == money("USD")
    with pytest.raises(RuleError, match="money without a currency"):
        compiled("amount > profile.declared_monthly_income", Scope())


def test_measures_and_peers_have_the_unit_of_their_window():
    node = compiled("cash.total > peer.cash.total.p99")
    assert node.left == MeasureName("cash.total", money("USD"), "cash", "total")
    assert node.right == PeerName("peer.cash.total.p99", money("USD"), "cash", "total", "p99")
    assert compiled("cash.places > peer.cash.places.p50").left.unit == COUNT


def test_zero_and_one_are_admitted_beside_a_count_and_nowhere_else():
    assert compiled("cash.deposits > 1").right == Literal("1", COUNT, 1)
    assert compiled("0 < cash.deposits").left == Literal("0", COUNT, 0)
    for text in ("cash.deposits > 2", "cash.total > 0", "amount > 1", "deposits_min > 1", "profile.age_years > 1"):
        with pytest.raises(RuleError):
            compiled(text)


def test_lengths_of_time_compare_with_since_last():
    node = compiled("since_last() > age_max")
    assert node.left.unit == node.right.unit == DURATION


def test_words_are_checked_against_their_vocabulary():
    node = compiled('counterparty_country in ["IR", "KP"] and not channel == "cash"')
    assert isinstance(node, Logic)
    assert node.parts[0] == Membership(
        'counterparty_country in ["IR", "KP"]', BOOLEAN,
        Name("counterparty_country", category("country"), "counterparty_country"), ("IR", "KP"), None, False,
    )  # fmt: skip


def test_a_named_list_is_kept_by_name():
    node = compiled("counterparty_country not in list.high_risk_countries")
    assert (node.list_name, node.words, node.negated) == ("high_risk_countries", (), True)


def test_flags_stand_as_conditions():
    assert compiled("peer.is_hub").unit == BOOLEAN
    assert compiled("not profile.is_pep").op == "not"


def test_the_text_of_a_part_is_on_one_line_however_it_is_laid_out():
    node = compiled('channel   ==\n      "cash"\n   and peer.is_hub')
    assert node.text == 'channel == "cash" and peer.is_hub'
    assert node.parts[0].text == 'channel == "cash"'


def test_text_outside_ascii_in_a_word_does_not_shift_the_places_behind_it():
    with pytest.raises(RuleError) as caught:
        compiled('purpose == "Ünïcödé" and\namout > total_above')
    assert caught.value.place.line == 2
    assert caught.value.snippet == "amout > total_above\n^^^^^"


def test_two_currencies_never_meet():
    scope = Scope({**RULE.parameters, "euro": read_euro()}, RULE.windows, {}, None)
    with pytest.raises(RuleError, match="cannot compare USD with EUR"):
        compiled("cash.total > euro", scope)
    assert compiled("amount > euro", scope).left.unit == money("EUR")


def read_euro():
    return read_rule(GOOD.replace("unit: USD", "unit: EUR"), FILE, LISTS).parameters["total_above"]
