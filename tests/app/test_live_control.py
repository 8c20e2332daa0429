"""Orders and breakers in a run: in force from a recorded position, over stops and cuts alike."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from monitor.casework.breaker import BreakerSettings
from monitor.casework.orders import DISABLE, ENABLE, SUPPRESS, Order
from monitor.cli import app
from monitor.domain.identifiers import IdentifierKind, token_of
from monitor.domain.time import DAY_US
from tests.app.changing_bank import START_US, ChangingBank, small_chunks

RULE = "AML-CSH-001"
KEY = "07" * 32


@pytest.fixture
def bank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ChangingBank:
    monkeypatch.setenv("AML_TOKEN_KEY", KEY)
    small_chunks(monkeypatch)
    made = ChangingBank(tmp_path)
    made.rule(1)
    return made


def suppression(customer: str, **changes: Any) -> Order:
    token = token_of(bytes.fromhex(KEY), IdentifierKind.CUSTOMER, customer).hex()
    given: dict[str, Any] = {
        "kind": SUPPRESS, "by": "ann", "reason": "Deed seen.", "at_us": 1, "second": "bob", "rule": RULE,
        "subject_kind": "customer", "subject_token": token, "from_us": START_US, "until_us": START_US + 9 * DAY_US,
        "sample_ppm": 10_000,
    }  # fmt: skip
    return Order(**(given | changes))


def statuses(bank: ChangingBank) -> dict[int, str]:
    return {line["position"]: line["status"] for line in bank.lines() if line["source"]["id"] == RULE}


def test_a_rule_that_is_switched_off_is_in_shadow_from_a_recorded_position(bank: ChangingBank) -> None:
    off, on = Order(DISABLE, "ann", "Floods.", 1, rule=RULE), Order(ENABLE, "ann", "Mended.", 2, rule=RULE)
    bank.at[8], bank.at[16] = lambda: bank.order(off), lambda: bank.order(on)
    bank.run(bank.payments(30))
    first, second = bank.inputs("order")
    assert (first.name, first.digest, second.name) == (off.order_id, off.digest, on.order_id)
    assert 8 <= first.position <= 9
    assert {n for n, status in statuses(bank).items() if status == "shadow"} == set(
        range(first.position, second.position)
    )
    assert any(f"From position {first.position}: {RULE} switched off (by ann: Floods.)" in m for m in bank.messages)


def test_a_suppression_hides_one_customer_and_the_rest_of_the_bank_is_judged(bank: ChangingBank) -> None:
    bank.at[4] = lambda: bank.order(suppression("C0", until_us=START_US + 4 * DAY_US))
    done = bank.run(bank.payments(30))
    since = bank.inputs("order")[0].position
    drawn = {line["position"] for line in bank.lines() if "suppression_sample" in line["marks"]}
    hidden = {n for n, status in statuses(bank).items() if status == "suppressed"}
    assert hidden | drawn == {n for n in range(since, 16) if n % 2 == 0}
    assert done.counts["alerts_suppressed"] == len(hidden) > 2


def test_the_breaker_opens_at_the_same_alert_and_tells_the_owner(bank: ChangingBank) -> None:
    bank.breaker = BreakerSettings(least=2)
    done = bank.run(bank.payments(30))
    # Four payments a day; those of the first day begin with the third, and two may pass.
    shadow = {n for n, status in statuses(bank).items() if status == "shadow"}
    assert shadow == {n for n in range(4, 30) if n % 4 >= 2}
    assert done.counts[f"breaker:{RULE}"] == len(shadow)
    assert len(bank.entries("breaker_opened")) == 6
    assert bank.entries("breaker_opened")[0]["owner"] == "The cash desk"
    assert any("in shadow for the rest of the day" in m and "To tell: The cash desk" in m for m in bank.messages)


@pytest.mark.parametrize("stop_at", [5, 6, 7, 10, 11])
def test_stopped_anywhere_and_resumed_the_statuses_are_those_of_an_undisturbed_run(
    bank: ChangingBank, tmp_path: Path, stop_at: int
) -> None:
    other = ChangingBank(tmp_path / "undisturbed", breaker=BreakerSettings(least=2))
    other.rule(1, quiet="2d")
    bank.rule(1, quiet="2d")
    bank.breaker = other.breaker
    order = suppression("C1", until_us=START_US + 5 * DAY_US)
    for each in (bank, other):
        each.run(each.payments(4))
        each.order(order)
    path = other.payments(24, name="more", first=4)
    other.run(path)
    same = bank.payments(24, name="more", first=4)
    bank.stop_at = 4 + stop_at
    assert bank.run(same).is_stopped
    bank.stop_at = None
    bank.run(same, resume=True)
    assert [(line["alert_id"], line["status"], line["marks"]) for line in bank.lines()] == [
        (line["alert_id"], line["status"], line["marks"]) for line in other.lines()
    ]
    assert {"new", "suppressed"} <= set(statuses(bank).values())


def aml(*words: str) -> tuple[int, str]:
    said = CliRunner().invoke(app, list(words))
    return said.exit_code, said.output


def test_from_the_command_line(bank: ChangingBank) -> None:
    bank.rule(3, kind="obligation")
    bank.run(bank.payments(6))
    db = ("--db", str(bank.db))
    dates = ("--from", "2026-05-04", "--until", "2026-06-04", "--reason", "Deed seen.", "--by", "ann")
    assert aml("suppressions", "list", *db) == (0, "There are no suppressions.\n")
    scope = ("--rule", RULE, "--customer", "C0")
    code, said = aml("suppressions", "add", *scope, *dates, "--approver", "ann", *db)
    assert (code, "ann asked for it and cannot approve it" in said) == (1, True)
    code, said = aml(
        "suppressions", "add", "--rule", "AML-CSH-003", "--customer", "C0", *dates, "--approver", "bob", *db
    )
    assert (code, "AML-CSH-003 is an obligation" in said) == (1, True)
    code, said = aml("suppressions", "add", *scope, *dates, "--approver", "bob", *db)
    assert (code, said.startswith("Suppression S-")) == (0, True)
    assert "waits for a run" in aml("suppressions", "list", *db)[1]
    code, said = aml("rules", "disable", "AML-CSH-003", "--by", "ann", "--reason", "x", *db)
    assert (code, "to switch it off or on needs two persons" in said) == (1, True)
    assert aml("rules", "disable", "AML-CSH-003", "--by", "ann", "--second", "bob", "--reason", "x", *db)[0] == 0
    bank.run(bank.payments(10, name="more", first=6))
    assert {line["status"] for line in bank.lines() if line["source"]["id"] == "AML-CSH-003"} == {"shadow"}
    assert "since position 6" in aml("suppressions", "list", *db)[1]
    code, said = aml("suppressions", "report", *db)
    assert (code, RULE in said, "C0" in said, "100.00 USD" in said) == (0, True, True, True)
    name = aml("suppressions", "list", *db)[1].splitlines()[1].split()[0]
    assert aml("suppressions", "end", name, "--reason", "Over.", "--by", "ann", *db)[0] == 0
    assert "its end waits for a run" in aml("suppressions", "list", *db)[1]
