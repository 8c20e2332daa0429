"""The lock of the rules forgets nothing, and refuses what would make an old alert point at another rule."""

from dataclasses import replace

import pytest

from monitor.rulebook.load import load_rules, read_rule, shipped_rules
from monitor.rulebook.lock import LOCK_NAME, LockedState, lock_text, read_lock, renew
from monitor.rulebook.rule import Approval, Rule
from monitor.rulebook.rule_error import RuleError
from tests.rulebook.bad_rules import FILE, GOOD
from tests.rulebook.write_golden_errors import LISTS

EXAMPLE = Approval("EXAMPLE", "", "", is_example=True)
OWN = Approval("Head of Compliance", "2026-11-24", "CR-1", is_example=False)
OTHER = LockedState(4, "ee" * 32, "shadow", "2026-01-01")
"""Another rule of the same lock, without a file where a test does not look at it."""


def rule(status: str = "shadow", version: int = 1, digest: str = "aa" * 32, approval: Approval | None = None) -> Rule:
    return replace(read_rule(GOOD, FILE, LISTS), status=status, version=version, digest=digest, approval=approval)


def locked(*states: str | LockedState) -> dict[str, tuple[LockedState, ...]]:
    made = [s if isinstance(s, LockedState) else LockedState(1, "aa" * 32, s, "2026-01-01") for s in states]
    return {"AML-STR-900": tuple(made)}


def facts(lock, *rules: Rule) -> list[str]:
    return [problem.fact for problem in renew(lock, rules, on="2026-11-24").problems]


def test_the_shipped_lock_is_that_of_the_shipped_rules():
    rules, errors = load_rules([shipped_rules()])
    path = shipped_rules() / LOCK_NAME
    renewal = renew(read_lock(path.read_text(encoding="utf-8"), str(path)), rules, on="2026-11-24")
    assert errors == []
    assert [str(change) for change in renewal.changes] == []
    assert [str(problem) for problem in renewal.problems] == []


def test_a_lock_reads_back_as_it_was_written():
    lock = locked("draft", "shadow") | {"AML-COR-001": (OTHER,)}
    text = lock_text(lock)
    assert read_lock(text, LOCK_NAME) == lock
    assert lock_text(read_lock(text, LOCK_NAME)) == text
    assert text.index("AML-COR-001") < text.index("AML-STR-900")


def test_a_folder_without_a_lock_is_taken_as_it_stands():
    renewal = renew({}, [rule("active", 7, approval=OWN)], on="2026-11-24")
    assert renewal.problems == ()
    assert renewal.lock == {"AML-STR-900": (LockedState(7, "aa" * 32, "active", "2026-11-24"),)}


def test_what_has_not_changed_keeps_its_day():
    renewal = renew(locked("shadow"), [rule()], on="2026-11-24")
    assert renewal.changes == ()
    assert renewal.lock == locked("shadow")


def test_another_digest_needs_a_higher_version_and_adds_a_line():
    changed = rule(digest="bb" * 32)
    assert facts(locked("shadow"), changed) == ["AML-STR-900 has changed and is still version 1"]
    renewal = renew(locked("shadow"), [replace(changed, version=2)], on="2026-11-24")
    assert renewal.problems == ()
    assert renewal.lock["AML-STR-900"][1:] == (LockedState(2, "bb" * 32, "shadow", "2026-11-24"),)
    assert [str(change) for change in renewal.changes] == [
        "AML-STR-900: version 1 becomes 2, digest aaaaaaaaaaaa becomes bbbbbbbbbbbb"
    ]


def test_a_draft_that_never_ran_changes_freely():
    changed = rule("draft", digest="bb" * 32)
    assert facts(locked("draft"), changed) == []
    assert facts(locked("draft"), replace(changed, status="shadow")) == []
    assert facts(locked("draft", "shadow", "draft"), changed) == ["AML-STR-900 has changed and is still version 1"]


def test_a_refused_change_is_not_in_the_lock():
    renewal = renew(locked("shadow"), [rule(digest="bb" * 32)], on="2026-11-24")
    assert renewal.changes == ()
    assert renewal.lock == locked("shadow")


def test_a_version_never_falls():
    lock = locked(LockedState(3, "aa" * 32, "shadow", "2026-01-01"))
    assert facts(lock, rule(version=2)) == ["the version of AML-STR-900 falls from 3 to 2"]


STEPS = {
    ("draft", "shadow"), ("shadow", "active"), ("active", "retired"), ("shadow", "retired"),
    ("active", "shadow"), ("shadow", "draft"), ("draft", "active"),
}  # fmt: skip


@pytest.mark.parametrize("before", ["draft", "shadow", "active", "retired"])
@pytest.mark.parametrize("after", ["draft", "shadow", "active", "retired"])
def test_only_the_steps_of_the_life_cycle_are_taken(before, after):
    found = facts(locked(before), rule(after, approval=EXAMPLE))
    is_allowed = before == after or (before, after) in STEPS
    assert found == ([] if is_allowed else [f"the status of AML-STR-900 goes from {before} to {after}"])


def test_a_rule_that_was_active_never_becomes_a_draft_again():
    assert facts(locked("draft", "shadow"), rule("draft")) == []
    assert facts(locked("active", "shadow"), rule("draft")) == ["the status of AML-STR-900 goes back to draft"]


def test_a_rule_runs_in_shadow_before_the_bank_approves_it():
    live, example = rule("active", approval=OWN), rule("active", approval=EXAMPLE)
    others = {"AML-COR-001": (OTHER,)}
    kept = replace(rule(), id="AML-COR-001", version=OTHER.version, digest=OTHER.digest)
    assert facts(others, live, kept) == ["the status of AML-STR-900 goes from new to active"]
    assert facts(locked("draft"), live) == ["the status of AML-STR-900 goes from draft to active"]
    assert facts(others, example, kept) == []
    assert facts(locked("shadow"), live) == []


def test_a_rule_that_ran_keeps_its_file():
    assert facts(locked("shadow")) == ["the rule AML-STR-900 is gone"]
    assert facts(locked("retired")) == ["the rule AML-STR-900 is gone"]
    assert facts(locked("shadow"), rule("retired")) == []


def test_the_id_of_a_deleted_draft_stays_taken_for_ever():
    renewal = renew(locked("draft"), [], on="2026-11-24")
    assert renewal.problems == ()
    assert renewal.lock["AML-STR-900"][-1] == LockedState(1, "aa" * 32, "deleted", "2026-11-24")
    assert facts(renewal.lock, rule("draft")) == ["the id AML-STR-900 is taken"]
    assert renew(renewal.lock, [], on="2026-11-25").changes == ()


def test_a_retired_rule_stays_as_it_was():
    assert facts(locked("retired"), rule("retired", version=2, digest="bb" * 32)) == [
        "the retired rule AML-STR-900 has changed"
    ]


def test_only_what_was_asked_for_is_looked_at():
    lock = locked("shadow") | {"AML-COR-001": (OTHER,)}
    renewal = renew(lock, [rule(version=2)], on="2026-11-24", chosen={"AML-STR-900"})
    assert renewal.problems == ()
    assert [change.rule_id for change in renewal.changes] == ["AML-STR-900"]


def test_every_refusal_has_a_place_a_reason_and_a_remedy():
    found = [
        *renew(locked("shadow"), [rule("draft", digest="bb" * 32)], on="2026-11-24").problems,
        *renew(locked("retired"), [rule("active")], on="2026-11-24").problems,
        *renew(locked("active"), [], on="2026-11-24", file="rules/rules.lock").problems,
    ]
    assert len(found) == 3
    for problem in found:
        assert problem.place.file in (FILE, "rules/rules.lock")
        assert problem.reason.endswith(".")
        assert problem.remedy.endswith(".")


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("AML-STR-900: 3\n", "'AML-STR-900' is no list of 1 to 10000 entries in the lock"),
        ("AML-STR-900:\n  - {version: 1, status: live, since: 2026-01-01, digest: aa}\n",
         "'status' is 'live' in AML-STR-900"),
        ("<<<<<<< ours\nAML-STR-900:\n", None),
        ("AML-STR-900:\n  - {version: 1, status: draft, since: 2026-01-01}\n", "'digest' is missing in AML-STR-900"),
    ],
)  # fmt: skip
def test_a_damaged_lock_is_refused_with_its_line(text, fact):
    with pytest.raises(RuleError) as caught:
        read_lock(text, LOCK_NAME)
    assert caught.value.place.line >= 1
    assert fact is None or caught.value.fact == fact
