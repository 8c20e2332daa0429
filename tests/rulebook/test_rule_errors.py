"""Every mistake in a rule file is answered with place, fact, reason and remedy; the texts are kept."""

import pytest

from monitor.rulebook.load import load_rulebook, load_rules, read_rule
from monitor.rulebook.rule_error import RuleError
from tests.rulebook.bad_rules import FILE, GOOD, bad_rules
from tests.rulebook.write_golden_errors import LISTS, golden, message

BAD = bad_rules()


def test_the_good_rule_has_no_mistake():
    assert message(GOOD) == "loads"


@pytest.mark.parametrize("name", BAD)
def test_the_message_is_the_one_that_was_read_and_kept(name):
    assert message(BAD[name]) == golden()[name]


def test_the_kept_messages_are_those_of_the_bad_rules_and_at_least_forty():
    assert list(golden()) == list(BAD)
    assert len({text.partition("\n")[0] for text in golden().values()}) >= 40


@pytest.mark.parametrize("name", BAD)
def test_every_message_has_a_place_a_fact_a_reason_and_a_remedy(name):
    with pytest.raises(RuleError) as caught:
        read_rule(BAD[name], FILE, LISTS)
    error = caught.value
    assert error.place.file == FILE
    assert 1 <= error.place.line <= BAD[name].count("\n") + 1
    assert error.fact
    assert error.reason.endswith(".")
    assert error.remedy.endswith((".", "?"))


def test_the_line_is_that_of_the_word_inside_a_folded_condition():
    spoiled = GOOD.replace("cash.deposits >= deposits_min", "cash.deposits >= depsits_min")
    line = next(number for number, row in enumerate(spoiled.split("\n"), 1) if "depsits_min" in row)
    with pytest.raises(RuleError) as caught:
        read_rule(spoiled, FILE, LISTS)
    assert caught.value.place.line == line
    assert caught.value.snippet == "and cash.deposits >= depsits_min\n                     ^^^^^^^^^^^"


def test_one_bad_file_never_takes_down_the_others(tmp_path):
    folder = tmp_path / "structuring"
    folder.mkdir()
    for number, (name, text) in enumerate(BAD.items()):
        (folder / f"bad_{number}.yaml").write_text(text, encoding="utf-8")
        assert name
    (folder / "not_text.yaml").write_bytes(b"id: \xff\xfe")
    (folder / "good.yaml").write_text(GOOD, encoding="utf-8")
    rulebook, errors = load_rulebook([tmp_path])
    assert [rule.id for rule in rulebook.rules] == ["AML-STR-900"]
    assert len(errors) == len(BAD) + 1


def test_an_id_that_is_taken_is_refused_and_the_first_file_stays(tmp_path):
    folder = tmp_path / "structuring"
    folder.mkdir()
    (folder / "a.yaml").write_text(GOOD, encoding="utf-8")
    (folder / "b.yaml").write_text(GOOD, encoding="utf-8")
    rules, errors = load_rules([tmp_path])
    assert [rule.place.file for rule in rules] == [str(folder / "a.yaml")]
    assert [error.fact for error in errors] == ["the id AML-STR-900 is taken"]


def test_a_rule_in_a_folder_of_another_typology_is_refused(tmp_path):
    folder = tmp_path / "corridor"
    folder.mkdir()
    (folder / "a.yaml").write_text(GOOD, encoding="utf-8")
    _, errors = load_rules([tmp_path])
    assert [error.fact for error in errors] == ["the typology is structuring, the folder corridor"]


def test_a_file_that_is_not_there_is_an_error_and_no_crash(tmp_path):
    rules, errors = load_rules([tmp_path / "structuring" / "gone.yaml"])
    assert rules == []
    assert [error.fact for error in errors] == ["the file cannot be read: No such file or directory"]


def test_drafts_and_retired_rules_load_but_are_not_in_force(tmp_path):
    folder = tmp_path / "structuring"
    folder.mkdir()
    for number, status in enumerate(("draft", "shadow", "active", "retired")):
        text = GOOD.replace("AML-STR-900", f"AML-STR-90{number}").replace("status: active", f"status: {status}")
        (folder / f"{status}.yaml").write_text(text, encoding="utf-8")
    rules, errors = load_rules([tmp_path])
    rulebook, _ = load_rulebook([tmp_path])
    assert errors == []
    assert [rule.status for rule in rules] == ["draft", "shadow", "active", "retired"]
    assert [rule.status for rule in rulebook.rules] == ["shadow", "active"]
