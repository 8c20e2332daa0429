"""An approval of the bank is worth what it was given for: this rule, this version, this digest, by another person."""

from dataclasses import replace
from pathlib import Path

import pytest

from monitor.rulebook.approvals import approve, find_approvals, read_approvals, strangers, with_entry
from monitor.rulebook.load import load_rules, read_rule
from monitor.rulebook.rule import Approval
from monitor.rulebook.rule_error import RuleError
from tests.rulebook.bad_rules import FILE, GOOD
from tests.rulebook.write_golden_errors import LISTS

RULE = replace(read_rule(GOOD.replace("approval: {by: Head of Financial Crime, on: 2026-03-24, record: CR-1}",
                                      "approval: EXAMPLE"), FILE, LISTS), digest="ab" * 32)  # fmt: skip
LINE = "  - {rule: AML-STR-900, version: 1, digest: abababababab, by: Ada, on: 2026-11-24, record: CR-7}\n"
TEXT = "approvals:\n" + LINE


def laid_over(text: str, rule=RULE):
    given, errors = read_approvals(text, "approvals.yaml")
    assert errors == []
    return approve([rule], given)


def test_an_entry_for_the_rule_as_it_is_approves_it():
    approved = laid_over(TEXT)
    assert approved.by_rule == {"AML-STR-900": Approval("Ada", "2026-11-24", "CR-7", is_example=False)}
    assert approved.problems == ()


def test_the_whole_digest_may_be_given():
    assert laid_over(TEXT.replace("abababababab", "ab" * 32)).by_rule
    assert not laid_over(TEXT.replace("abababababab", "ab" * 31 + "cd")).by_rule


@pytest.mark.parametrize("change", [{"digest": "cd" * 32}, {"version": 2}])
def test_a_rule_that_has_changed_since_is_not_approved_and_it_says_so(change):
    approved = laid_over(TEXT, replace(RULE, **change))
    assert approved.by_rule == {}
    assert str(approved.problems[0]).startswith("approvals.yaml:2: the approval of AML-STR-900 is for version 1")
    assert "The rule has changed since" in approved.problems[0].reason


def test_of_several_entries_the_last_that_fits_holds_and_older_versions_are_history():
    text = TEXT.replace("version: 1", "version: 3") + LINE + LINE.replace("Ada", "Bea")
    approved = laid_over(text)
    assert approved.by_rule["AML-STR-900"].by == "Bea"
    assert approved.problems == ()


def test_the_author_of_a_rule_cannot_approve_it_however_the_name_is_written():
    approved = laid_over(TEXT.replace("by: Ada", "by: ada  LOVELACE"), replace(RULE, author="Ada Lovelace"))
    assert approved.by_rule == {}
    assert [problem.fact for problem in approved.problems] == ["'ada LOVELACE' approves AML-STR-900 and is its author"]
    assert laid_over(TEXT, replace(RULE, author="Ada Lovelace")).by_rule


@pytest.mark.parametrize("status", ["draft", "shadow", "retired"])
def test_an_approval_makes_only_an_active_rule_live(status):
    approved = laid_over(TEXT, replace(RULE, status=status))
    assert approved.by_rule == {}
    assert approved.problems[0].fact == f"an approval of AML-STR-900, whose status is {status}"


def test_a_rule_that_is_not_loaded_is_a_stranger_and_no_mistake():
    given, _ = read_approvals(TEXT.replace("STR-900", "STR-901"), "approvals.yaml")
    assert approve([RULE], given).problems == ()
    assert [entry.rule_id for entry in strangers([RULE], given)] == ["AML-STR-901"]


def test_one_bad_entry_never_takes_down_the_others():
    text = TEXT + LINE.replace("abababababab", "ab") + LINE.replace(", record: CR-7", "") + "  - nothing\n"
    given, errors = read_approvals(text, "approvals.yaml")
    assert len(given) == 1
    assert [error.place.line for error in errors] == [3, 4, 5]
    assert [error.fact for error in errors] == [
        "the digest is 'ab' in an approval", "'record' is missing in an approval", "an approval is no mapping",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["approvals: 3\n", "- 1\n", "approved:\n  - 1\n", "approvals: [\n", "\n"])
def test_a_file_that_is_none_is_refused_as_a_whole(text):
    with pytest.raises(RuleError):
        read_approvals(text, "approvals.yaml")


@pytest.mark.parametrize("by", ["Ada", "O'Hara, Head: of {Compliance}", "yes", "# 1", "12"])
@pytest.mark.parametrize("before", ["", TEXT, TEXT.rstrip("\n"), "approvals: []\n"])
def test_an_entry_that_is_written_reads_back(before, by):
    text = with_entry(before, RULE, by=by, on="2026-11-25", record="CR-8: second, look")
    given, errors = read_approvals(text, "approvals.yaml")
    assert errors == []
    assert (given[-1].by, given[-1].on, given[-1].record) == (by, "2026-11-25", "CR-8: second, look")
    assert approve([RULE], given).by_rule["AML-STR-900"].record == "CR-8: second, look"
    assert len(given) == 1 + before.count("Ada")


def test_approvals_are_found_beside_the_rules_and_are_no_rule(tmp_path: Path):
    (tmp_path / "us" / "structuring").mkdir(parents=True)
    (tmp_path / "us" / "structuring" / "good.yaml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "approvals.yaml").write_text(TEXT, encoding="utf-8")
    assert find_approvals([tmp_path / "us" / "structuring" / "good.yaml"]) == [tmp_path / "approvals.yaml"]
    assert find_approvals([tmp_path, tmp_path / "us"]) == [tmp_path / "approvals.yaml"]
    rules, errors = load_rules([tmp_path])
    assert ([rule.id for rule in rules], errors) == (["AML-STR-900"], [])
