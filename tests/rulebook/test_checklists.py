"""``checklists.yaml``: the shipped lists are read, and a mistake is named with its line."""

import pytest

from monitor.domain.case import OUTCOMES
from monitor.rulebook.checklists import CHECKLISTS_NAME, LANGUAGES, load_checklists, read_checklists
from monitor.rulebook.groups import load_groups
from monitor.rulebook.load import load_rules, shipped_rules
from monitor.rulebook.rule_error import RuleError

GOOD = """\
checklists:
  - items:
      - item: seen
        en: It was seen.
        zh-Hans: 已查看。
        outcomes: [false_positive]
  - typology: Money mule
    items:
      - {item: device, en: The device., zh-Hans: 设备。, outcomes: [explained, reported]}
"""


def test_the_shipped_lists_name_typologies_that_there_are_and_speak_every_language():
    groups, errors = load_groups([shipped_rules()], [], is_run=True)
    assert errors == []
    lists = load_checklists(shipped_rules() / CHECKLISTS_NAME, [group.name for group in groups.groups])
    items = [item for one in lists for item in one.items]
    assert len(lists) > 10
    assert all(set(item.words) == set(LANGUAGES) and item.outcomes <= set(OUTCOMES) for item in items)
    general = [item for one in lists if one.typology is None for item in one.items]
    assert sum("false_positive" in item.outcomes for item in general) == 1


def test_the_file_is_taken_for_no_rule():
    rules, errors = load_rules([shipped_rules()])
    assert errors == []
    assert len(rules) > 50


def test_lists_are_read_in_their_order():
    general, mule = read_checklists(GOOD, "c.yaml", ["Money mule"])
    assert (general.typology, mule.typology) == (None, "Money mule")
    assert mule.items[0].words == {"en": "The device.", "zh-Hans": "设备。"}
    assert mule.items[0].outcomes == {"explained", "reported"}


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("Money mule", "Money mole", 7, "'typology' is 'Money mole'"),
        ("zh-Hans: 已查看。", "zh: 已查看。", 5, "'zh'"),
        ("[false_positive]", "[false_positiv]", 6, "'outcomes' has 'false_positiv'"),
        ("item: device", "item: seen", 7, "stands there twice"),
        ("item: seen", "item: Seen it", 3, "small letters"),
        ("checklists:", "checklist:", 1, "checklist"),
    ],
)
def test_a_mistake_is_named_with_its_line(old: str, new: str, line: int, words: str):
    with pytest.raises(RuleError, match=words) as error:
        read_checklists(GOOD.replace(old, new), "c.yaml", ["Money mule"])
    assert str(error.value).startswith(f"c.yaml:{line}:")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(RuleError, match="cannot be read"):
        load_checklists(tmp_path / "none.yaml", [])
