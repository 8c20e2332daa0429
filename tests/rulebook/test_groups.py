"""``typologies.yaml``: every suspicion rule has a group, and a mistake is named with its line."""

from dataclasses import replace

import pytest

from monitor.app.inputs import GivenInputs, load_inputs
from monitor.rulebook.groups import GROUPS_NAME, groups_digest, load_groups, read_groups, strangers, ungrouped
from monitor.rulebook.load import load_rules, shipped_rules
from monitor.rulebook.rule_error import RuleError

HEAD = "typologies:\n  - name: Structuring\n    means: Cash is cut up.\n"
GOOD = HEAD + "    threshold: 0.50\n    rules:\n      AML-STR-001: 0.60\n"


@pytest.fixture(scope="module")
def rules():
    """All shipped rules."""
    read, errors = load_rules([shipped_rules()])
    assert errors == []
    return read


def test_the_shipped_groups_have_no_mistake_and_name_every_suspicion_rule(rules):
    groups, errors = load_groups([shipped_rules()], rules)
    assert errors == []
    assert len(groups.groups) >= 15
    assert ungrouped(groups, rules) == []


def test_every_suspicion_rule_names_a_case_at_least_with_a_second_one(rules):
    groups, _ = load_groups([shipped_rules()], rules)
    for rule in rules:
        if rule.kind == "suspicion":
            assert any(group.weights.get(rule.id, 0) >= 0.25 for group in groups.groups), rule.id


def test_a_rule_in_no_group_is_a_warning_at_its_file(rules):
    groups, _ = load_groups([shipped_rules()], rules)
    kept = tuple(group for group in groups.groups if "AML-TBM-001" not in group.weights)
    (finding,) = ungrouped(replace(groups, groups=kept), rules)
    assert (finding.rule_id, finding.level) == ("AML-TBM-001", "warning")
    assert finding.place.file.endswith("goods_from_another_country_than_the_payee.yaml")


def test_an_unknown_rule_and_an_obligation_are_errors_with_their_line(rules):
    read, errors = read_groups(GOOD + "      AML-STR-999: 0.30\n      AML-LCT-001: 0.30\n", "typologies.yaml")
    assert errors == []
    unknown, obligation = strangers(read, rules)
    assert str(unknown).startswith("typologies.yaml:7: the typology 'Structuring' names the unknown rule AML-STR-999")
    assert str(obligation).startswith("typologies.yaml:8: the typology 'Structuring' names the obligation AML-LCT-001")


@pytest.mark.parametrize(
    ("text", "line", "fact"),
    [
        (GOOD.replace("0.60", "1.00"), 6, "'AML-STR-001' of the typology 'Structuring' is no number from 0.01 to 0.99"),
        (GOOD.replace("0.60", "high"), 6, "is no number"),
        (GOOD.replace("0.50", "0.00"), 4, "'threshold' of the typology 'Structuring' is no number"),
        (GOOD.replace("means", "meaning"), 3, "the key 'meaning' is unknown in a typology"),
        (HEAD + "    threshold: 0.50\n    rules: {}\n", 5, "'rules' of 'Structuring' is no mapping"),
        (HEAD + "    threshold: 0.50\n", 2, "'rules' is missing in a typology"),
        (GOOD + GOOD.removeprefix("typologies:\n"), 7, "the typology 'Structuring' stands there twice"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_takes_down_no_other_group(text, line, fact):
    other = "  - name: Other\n    means: m.\n    threshold: 0.50\n    rules: {AML-INC-001: 0.60}\n"
    read, (error,) = read_groups(text + other, "typologies.yaml")
    assert error.place.line == line
    assert fact in error.fact
    assert read[-1].name == "Other"


def test_a_file_that_is_no_list_of_groups_is_refused_as_a_whole(tmp_path, rules):
    with pytest.raises(RuleError, match="the key 'groups' is unknown"):
        read_groups("groups: []\n", "typologies.yaml")
    (tmp_path / GROUPS_NAME).write_text("groups: []\n")
    groups, (error,) = load_groups([tmp_path], rules)
    assert groups.groups == ()
    assert error.place.line == 1


def test_a_part_of_the_rules_takes_the_groups_of_the_folder_above_without_complaint(rules):
    some = shipped_rules() / "us" / "structuring"
    groups, errors = load_groups([some], [rule for rule in rules if rule.id.startswith("AML-STR-00")])
    assert groups.file == shipped_rules().absolute() / GROUPS_NAME
    assert errors == []


def test_the_log_of_inputs_records_the_groups_and_only_what_can_change_a_name(tmp_path):
    loaded = load_inputs(GivenInputs())
    assert ("typologies", "typologies", "", loaded.groups.digest) in loaded.digests()
    before, after = (read_groups(text, "t.yaml")[0] for text in (GOOD, GOOD.replace("cut up", "cut into parts")))
    assert groups_digest(before) == groups_digest(after)
    for changed in (GOOD.replace("0.60", "0.61"), GOOD.replace("0.50", "0.51"), GOOD.replace("Struct", "Destruct")):
        assert groups_digest(read_groups(changed, "t.yaml")[0]) != groups_digest(before)
