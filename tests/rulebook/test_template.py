"""What ``aml rules new`` writes loads as a draft, fails its tests, and stays a draft until it is filled in."""

import pytest

from monitor.rulebook.load import read_rule
from monitor.rulebook.rule_error import RuleError
from monitor.rulebook.template import FILL_IN, PACKS, NoTemplate, new_rule
from monitor.rulebook.testing import run_test
from monitor.rulebook.testing_reference import ReferenceTables
from monitor.rulebook.typologies import TYPOLOGIES


def made(typology="structuring", title="Cash in many branches", pack="us", taken=()):
    return new_rule(typology, title, pack=pack, taken=taken, day="2026-11-24")


@pytest.mark.parametrize("typology", TYPOLOGIES)
@pytest.mark.parametrize("pack", PACKS)
def test_every_template_loads_as_a_draft_and_every_test_fails(typology, pack):
    new = made(typology, "Payments: odd ones, at night", pack)
    rule = read_rule(new.text, f"rules/{new.file}", {})
    assert (rule.id, rule.status, rule.typology) == (new.rule_id, "draft", typology)
    assert rule.tests
    for test in rule.tests:
        assert not run_test(rule, test, ReferenceTables()).passed


def test_the_next_number_is_the_first_that_nobody_ever_had():
    assert made().rule_id == "AML-STR-001"
    assert made(taken={"AML-STR-001", "AML-STR-002", "AML-STR-004"}).rule_id == "AML-STR-003"
    assert made("fan_out", taken={"AML-FAN-001"}).rule_id == "AML-FAN-002"
    with pytest.raises(NoTemplate, match="All numbers of AML-STR are taken"):
        made(taken={f"AML-STR-{n:03}" for n in range(1000)})


def test_the_numbers_of_a_bank_are_apart_from_those_of_the_product():
    own = new_rule("cash", "Cash at night", pack="us", taken={"AML-CSH-500"}, day="2026-11-24", is_own=True)
    assert own.rule_id == "AML-CSH-501"


def test_the_file_is_named_after_the_title():
    assert made().file == "us/structuring/cash_in_many_branches.yaml"


def test_the_places_to_fill_are_listed_with_their_lines():
    new = made()
    assert len(new.places()) == new.text.count(FILL_IN) >= 10
    line, words = new.places()[0]
    assert words in new.text.split("\n")[line - 1]


@pytest.mark.parametrize("status", ["shadow", "retired"])
def test_a_template_cannot_leave_draft_before_it_is_filled_in(status):
    new = made()
    with pytest.raises(RuleError) as caught:
        read_rule(new.text.replace("status: draft", f"status: {status}"), f"rules/{new.file}", {})
    assert caught.value.fact == f"a rule with status {status} and a place to fill in"
    assert caught.value.place.line == new.places()[0][0]


@pytest.mark.parametrize("title", ["", "9 payments", "two\nlines", 'a "quote"', "x" * 101, "   ", "a \\x"])
def test_a_title_that_makes_no_file_is_refused(title):
    with pytest.raises(NoTemplate, match="The title"):
        made(title=title)


def test_an_unknown_typology_or_pack_says_which_there_are():
    with pytest.raises(NoTemplate, match="There are: structuring"):
        made("smurfing")
    with pytest.raises(NoTemplate, match="There are: us, cn"):
        made(pack="mars")
