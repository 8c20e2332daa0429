"""Rules, lists and approvals that change while a run goes on take effect at a recorded position, and lose nothing."""

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from monitor.adapters.sql.schema import cases
from monitor.adapters.sql.store import open_store
from monitor.app.explaining import Explainer
from tests.app.changing_bank import ChangingBank, small_chunks


@pytest.fixture
def bank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ChangingBank:
    small_chunks(monkeypatch)
    made = ChangingBank(tmp_path)
    made.rule(1)
    return made


def by_position(bank: ChangingBank, rule: str) -> dict[int, str]:
    return {line["position"]: line["rulebook"] for line in bank.lines() if line["source"]["id"] == rule}


def test_a_rule_added_while_running_judges_from_a_recorded_position_with_windows_from_history(
    bank: ChangingBank,
) -> None:
    # Ten deposits of a customer are only there if those from before the rule count.
    bank.at[14] = lambda: bank.rule(2, few=10) and None
    done = bank.run(bank.payments(30))
    first, second = bank.inputs("rulebook")
    assert first.position == 0
    assert 14 < second.position <= 18
    found = by_position(bank, "AML-CSH-002")
    assert min(found) == max(second.position, 18)
    assert set(found.values()) == {second.digest}
    own = by_position(bank, "AML-CSH-001")
    assert {own[n] for n in own if n < second.position} == {first.digest}
    assert {own[n] for n in own if n >= second.position} == {second.digest}
    assert done.counts["inputs_changed"] == 1
    said = f"From position {second.position}: changed approvals rules, rulebook rules."
    assert any(said in each and "recorded records measured again in" in each for each in bank.messages)
    assert [entry["position"] for entry in bank.entries("inputs_changed")] == [second.position]


def test_alerts_are_explained_by_the_rulebook_of_their_position(bank: ChangingBank) -> None:
    bank.at[8] = lambda: bank.rule(1, few=3, version=2) and None
    bank.run(bank.payments(20))
    lines = bank.lines()
    assert len({line["source"]["digest"] for line in lines}) == 2
    with Explainer(bank.db) as explainer:
        explained = [explainer.explain(line["alert_id"]) for line in lines]
    assert [(each.differences, each.lost) for each in explained] == [((), ())] * len(lines)


def test_a_rule_whose_windows_reach_beyond_the_history_says_from_when_it_is_complete(bank: ChangingBank) -> None:
    bank.at[6] = lambda: bank.rule(2, over="30d") and None
    done = bank.run(bank.payments(20))
    assert done.counts["complete_from_us:AML-CSH-002"] == 1_780_444_800_000_000  # 30 days after 4 May
    assert any("AML-CSH-002 is complete from 2026-06-03T00:00Z" in each for each in bank.messages)


def test_a_bad_file_leaves_its_rule_as_it_was_and_is_told_and_recorded_once(bank: ChangingBank) -> None:
    bank.rule(2)
    broken = bank.folder / "rules" / "cash" / "cash_1.yaml"
    bank.at[6] = lambda: broken.write_text("id: AML-CSH-001\nwhen: nothing\n") and None
    bank.at[12] = lambda: bank.rule(2, few=3, version=2) and None
    done = bank.run(bank.payments(30))
    assert set(by_position(bank, "AML-CSH-001")) == set(range(2, 30))
    assert [each for each in bank.messages if "cash_1.yaml" in each and "stays in force" in each] != []
    assert len(bank.entries("file_refused")) == 1
    assert done.counts["reload_errors"] == 1
    assert len(bank.inputs("rulebook")) == 2


def test_a_bad_file_at_a_later_start_leaves_its_rule_as_it_was(bank: ChangingBank) -> None:
    bank.run(bank.payments(6))
    (bank.folder / "rules" / "cash" / "cash_1.yaml").write_text("id: AML-CSH-001\n")
    bank.rule(2)
    done = bank.run(bank.payments(6, name="more", first=6))
    assert done.rule_errors != []
    assert set(by_position(bank, "AML-CSH-001")) == set(range(6, 12))
    # The kept rulebook holds the rule as it was, so that its alerts can be explained.
    with Explainer(bank.db) as explainer:
        assert all(explainer.explain(line["alert_id"]).is_same for line in bank.lines())


GROUP = "typologies:\n  - {{name: {name}, means: A pattern., threshold: 0.50, rules: {{{rule}: 0.60}}}}\n"


def test_typology_groups_that_change_name_the_cases_that_alerts_join_from_then_on(bank: ChangingBank) -> None:
    file = bank.folder / "rules" / "typologies.yaml"
    file.write_text(GROUP.format(name="Cash of old", rule="AML-CSH-001"))
    bank.at[8] = lambda: bank.rule(2) and None
    bank.at[9] = lambda: file.write_text(GROUP.format(name="Cash anew", rule="AML-CSH-002")) and None
    bank.run(bank.payments(20))
    with open_store(bank.db) as store, store.reading() as connection:
        names = [json.loads(each)["name"] for each in connection.execute(sa.select(cases.c.typology)).scalars()]
    assert names == ["Cash anew"] * 2
    assert len(bank.inputs("typologies")) == 2


def test_a_rule_whose_file_goes_is_no_longer_in_force(bank: ChangingBank) -> None:
    gone = bank.rule(2)
    bank.at[10] = lambda: gone.unlink()
    bank.run(bank.payments(20))
    since = bank.inputs("rulebook")[1].position
    assert max(by_position(bank, "AML-CSH-002")) == since - 1
    assert max(by_position(bank, "AML-CSH-001")) == 19


def test_nothing_left_to_judge_by_changes_nothing(bank: ChangingBank) -> None:
    bank.at[10] = lambda: (bank.folder / "rules" / "cash" / "cash_1.yaml").unlink()
    bank.run(bank.payments(20))
    assert set(by_position(bank, "AML-CSH-001")) == set(range(2, 20))
    assert any("the former rules stay in force" in each for each in bank.messages)


def test_a_list_that_changes_is_asked_from_its_position_on(bank: ChangingBank) -> None:
    bank.rule(2, few=1, when="w.n >= few and counterparty_country in list.watched")
    bank.watched(1, "KP")
    bank.at[9] = lambda: bank.watched(2, "KP", "IR")
    bank.run(bank.payments(20))
    assert [each.version for each in bank.inputs("list")] == ["1", "2"]
    since = bank.inputs("list")[1].position
    own = [line for line in bank.lines() if line["source"]["id"] == "AML-CSH-002" and "lookback" not in line["marks"]]
    assert [line["position"] for line in own] == [n for n in range(20) if n % 3 == 0 and n >= since]
    assert {line["inputs"]["list.watched"] for line in own} == {"2"}


def test_a_run_stopped_after_a_reload_resumes_and_ends_as_an_undisturbed_one(
    bank: ChangingBank, tmp_path: Path
) -> None:
    other = ChangingBank(tmp_path / "undisturbed")
    for each in (bank, other):
        each.rule(1)
        each.watched(1, "KP")
        each.rule(3, few=2, when="counterparty_country in list.watched and w.n >= few", quiet="2d")
        each.at[8] = lambda each=each: each.rule(2, few=4, quiet="2d") and None  # type: ignore[misc]
        each.at[14] = lambda each=each: each.watched(2, "KP", "IR")  # type: ignore[misc]
    other.run(other.payments(30))
    path = bank.payments(30)
    bank.stop_at = 20
    assert bank.run(path, snapshot_records=5).is_stopped
    bank.stop_at = None
    for snapshot in (bank.folder / "bank.data" / "snapshots").glob("*"):
        snapshot.unlink()
    bank.run(path, resume=True)
    one, two = bank.lines(), other.lines()
    assert len(one) > 30
    assert [(line["position"], line["source"], line["status"], line["measures"]) for line in one] == [
        (line["position"], line["source"], line["status"], line["measures"]) for line in two
    ]


def test_resume_takes_up_what_changed_while_it_stood_still(bank: ChangingBank) -> None:
    path = bank.payments(20)
    bank.stop_at = 10
    bank.run(path)
    bank.stop_at = None
    bank.rule(2, few=8)
    bank.run(path, resume=True)
    assert [each.position for each in bank.inputs("rulebook")] == [0, 10]
    assert min(by_position(bank, "AML-CSH-002")) == 14
    with open_store(bank.db) as store:
        assert store.verify().findings == ()
