"""A list that gets a word searches the recorded payments: what would have alerted is raised once, marked, explained."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from monitor.adapters.sql.store import open_store
from monitor.app.explaining import Explainer
from monitor.app.looking_back import NoLookback, look_back
from monitor.cli import app
from monitor.domain.time import DAY_US
from tests.app.changing_bank import START_US, ChangingBank, small_chunks
from tests.app.test_live_control import KEY, suppression

RULE = "AML-CSH-002"


@pytest.fixture
def bank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ChangingBank:
    small_chunks(monkeypatch)
    made = ChangingBank(tmp_path)
    made.rule(1)
    made.rule(2, few=2, when="w.n >= few and counterparty_country in list.watched")
    made.watched(1, "KP")
    return made


def looked_back(bank: ChangingBank) -> list[int]:
    return [line["position"] for line in bank.lines() if "lookback" in line["marks"]]


def test_the_payments_before_a_change_are_judged_by_the_new_words(bank: ChangingBank) -> None:
    bank.at[12] = lambda: bank.watched(2, "KP", "IR")
    done = bank.run(bank.payments(20))
    since = bank.inputs("list")[1].position
    # Payments from Iran are 0, 3, 6, ...; the first of each customer is below two.
    assert looked_back(bank) == [n for n in range(2, since) if n % 3 == 0]
    assert done.counts["alerts_lookback"] == len(looked_back(bank)) > 2
    [facts] = bank.entries("looked_back")
    assert facts == {
        "list": "watched", "version": "2", "words_added": 1, "scanned": since, "met": len(range(0, since, 3)),
        "customers": 2, "alerts": len(looked_back(bank)), "position": since,
    }  # fmt: skip
    assert any("1 words added (IR)" in each and f"{since} recorded payments scanned" in each for each in bank.messages)


def test_look_back_alerts_are_explained_by_the_list_of_the_look_back(bank: ChangingBank) -> None:
    bank.at[12] = lambda: bank.watched(2, "KP", "IR")
    bank.run(bank.payments(20))
    found = [line for line in bank.lines() if "lookback" in line["marks"]]
    assert found
    assert {line["inputs"]["list.watched"] for line in found} == {"2"}
    assert {line["inputs"]["lookback.list"] for line in found} == {"watched"}
    with Explainer(bank.db) as explainer:
        explained = [explainer.explain(line["alert_id"]) for line in found]
    assert [(each.differences, each.lost) for each in explained] == [((), ())] * len(found)


def test_a_list_that_changes_between_two_runs_looks_back_at_the_start_of_the_next(bank: ChangingBank) -> None:
    bank.run(bank.payments(12))
    bank.watched(2, "KP", "IR")
    bank.run(bank.payments(3, name="more", first=12))
    assert looked_back(bank) == [3, 6, 9]


def test_what_was_raised_already_is_not_raised_again(bank: ChangingBank) -> None:
    bank.watched(1, "KP", "IR")
    bank.run(bank.payments(12))
    bank.watched(2, "KP", "IR", "DE")
    bank.run(bank.payments(2, name="more", first=12))
    assert looked_back(bank) == [n for n in range(2, 12) if n % 3]
    found = look_back(bank.db, "watched")
    assert found.alerts == []
    assert found.met == 9  # Germany's of the fourteen
    with open_store(bank.db) as store:
        assert store.verify().findings == ()


def test_a_word_that_is_taken_out_raises_nothing(bank: ChangingBank) -> None:
    bank.watched(1, "KP", "IR")
    bank.at[9] = lambda: bank.watched(2, "KP")
    bank.run(bank.payments(15))
    assert looked_back(bank) == []
    assert any("no word was added" in each for each in bank.messages)


def test_on_demand_it_looks_at_payments_from_a_day_on(bank: ChangingBank) -> None:
    bank.watched(1, "IR")
    bank.rule(2, few=3, when="w.n >= few and not counterparty_country in list.watched")
    bank.run(bank.payments(12))
    bank.rule(2, few=2, version=2, when="w.n >= few and counterparty_country in list.watched")
    bank.run(bank.payments(0, name="none"))
    found = look_back(bank.db, "watched", since_us=START_US + 2 * DAY_US)
    assert [alert.position for alert in found.alerts] == [9]
    assert found.scanned == 4


@pytest.mark.parametrize("is_on_demand", [False, True])
def test_a_suppression_holds_back_what_a_look_back_finds_and_never_an_obligation(
    bank: ChangingBank, monkeypatch: pytest.MonkeyPatch, is_on_demand: bool
) -> None:
    monkeypatch.setenv("AML_TOKEN_KEY", KEY)
    owed = "AML-CSH-003"
    bank.rule(3, few=2, kind="obligation", when="w.n >= few and counterparty_country in list.watched")
    orders = [
        suppression("C0", rule=RULE),
        suppression("C0", rule=owed),
        suppression("C1", rule=RULE, until_us=START_US + 1),
    ]
    bank.at[2] = lambda: [bank.order(order) for order in orders] and None
    if is_on_demand:
        bank.watched(1, "IR")
        bank.rule(2, few=2, when="w.n >= few and not counterparty_country in list.watched")
        bank.rule(3, few=2, kind="obligation", when="w.n >= few and not counterparty_country in list.watched")
        bank.run(bank.payments(12))
        bank.rule(2, few=2, version=2, when="w.n >= few and counterparty_country in list.watched")
        bank.rule(3, few=2, version=2, kind="obligation", when="w.n >= few and counterparty_country in list.watched")
        bank.run(bank.payments(0, name="none"))
        found = [
            (each.source.id, each.position, each.status, each.inputs) for each in look_back(bank.db, "watched").alerts
        ]
    else:
        bank.at[12] = lambda: bank.watched(2, "KP", "IR")
        bank.run(bank.payments(20))
        found = [(line["source"]["id"], line["position"], line["status"], line["inputs"]) for line in bank.lines()
                 if "lookback" in line["marks"]]  # fmt: skip
    held = [each for each in found if each[2] == "suppressed"]
    assert {(rule, position % 2) for rule, position, _, _ in held} == {(RULE, 0)}
    assert {inputs["suppression"] for *_, inputs in held} == {orders[0].order_id}
    assert {position % 2 for rule, position, status, _ in found if (rule, status) == (RULE, "new")} == {1}
    assert {(position % 2, status) for rule, position, status, _ in found if rule == owed} == {(0, "new"), (1, "new")}


def test_a_rule_that_is_switched_off_looks_back_in_shadow_and_unused_lists_are_named(bank: ChangingBank) -> None:
    bank.run(bank.payments(6))
    with pytest.raises(NoLookback, match=r"no run has used a list friends. The lists are: watched"):
        look_back(bank.db, "friends")


def test_the_command_says_what_it_found(bank: ChangingBank) -> None:
    bank.run(bank.payments(12))
    said = CliRunner().invoke(app, ["lists", "lookback", "watched", "--db", str(bank.db)])
    assert said.exit_code == 0, said.output
    assert "1 words added (KP); 12 recorded payments scanned, 0 meet them, 0 customers affected" in said.output
    assert CliRunner().invoke(app, ["lists", "lookback", "no", "--db", str(bank.db)]).exit_code == 1
    assert "watched" in CliRunner().invoke(app, ["lists", "list", "--db", str(bank.db)]).output
