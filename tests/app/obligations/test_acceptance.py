"""The cases that a regulator would try first, end to end: JSON lines in, obligations out."""

from pathlib import Path
from typing import Any

import pytest

from monitor.adapters.sql.queue import QueueFilter, count_cases
from monitor.adapters.sql.store import open_store
from tests.app.obligations.cash_bank import CashBank, cash
from tests.app.obligations.stored import Owed, obligations, owed, reconciled, revisions

MONDAY = "2026-05-04T14:00:00Z"
US_IN, US_OUT, CN_IN = "AML-LCT-901", "AML-LCT-902", "AML-LCT-950"


@pytest.fixture
def bank(tmp_path: Path) -> CashBank:
    return CashBank(tmp_path)


def beijing(n: int, amount: str, **more: Any) -> dict[str, Any]:
    return cash(n, "2026-05-04T03:00:00Z", amount, **({"entity": "BJ", "currency": "CNY"} | more))


@pytest.mark.parametrize(("amount", "count"), [("49999.99", 0), ("50000.00", 1)])
def test_fifty_thousand_yuan_in_a_day_are_reported_and_a_cent_less_is_not(bank: CashBank, amount: str, count: int):
    bank.run([beijing(0, amount)])
    assert len(obligations(bank)) == count


@pytest.mark.parametrize(("amount", "count"), [("9999.99", 0), ("10000.00", 1)])
def test_ten_thousand_dollars_in_beijing_are_reported_and_a_cent_less_is_not(bank: CashBank, amount: str, count: int):
    # At 4.00 the sum in yuan stays below its own limit; only the limit in dollars is met.
    bank.more_rates = "2026-05-03T08:00:00Z,USD,CNY,4.00\n"
    bank.__post_init__()
    bank.run([beijing(0, amount, currency="USD")])
    assert len(obligations(bank)) == count


@pytest.mark.parametrize(("amount", "count"), [("34499.96", 0), ("34500.00", 1)])
def test_the_dollar_equivalent_is_taken_at_the_dated_rate(bank: CashBank, amount: str, count: int):
    # 6.90 from 5 May, half of it from 6 May: a payment of the 7th is read at 3.45.
    bank.more_rates = "2026-05-06T08:00:00Z,USD,CNY,3.45\n"
    bank.__post_init__()
    bank.run([cash(0, "2026-05-05T10:00:00Z", amount, entity="BJ", currency="CNY"),
              cash(1, "2026-05-07T03:00:00Z", amount, entity="BJ", currency="CNY")])  # fmt: skip
    assert [each.period for each in obligations(bank)] == ["2026-05-07"] * count
    if count:
        (found,) = obligations(bank)
        assert found.measures["day_usd.total"].value == "10000.00"
        assert found.inputs == {"rate CNY/USD": "2026-05-06T08:00:00Z"}


def test_cash_in_and_cash_out_are_never_added_or_netted(bank: CashBank):
    bank.run([cash(0, MONDAY, "6000.00"), cash(1, MONDAY, "6000.00", direction="debit")])
    assert obligations(bank) == []
    bank.run([cash(2, MONDAY, "5000.00"), cash(3, MONDAY, "5000.00", direction="debit")])
    assert {(each.rule, each.direction, each.total) for each in owed(bank)} == {
        (US_IN, "in", "11000.00"),
        (US_OUT, "out", "11000.00"),
    }


@pytest.mark.parametrize(("amount", "count"), [("10000.00", 0), ("10000.01", 1)])
def test_ten_thousand_dollars_in_new_york_are_not_yet_more_than_ten_thousand(bank: CashBank, amount: str, count: int):
    bank.run([cash(0, MONDAY, amount)])
    assert len(obligations(bank)) == count


def test_three_branches_of_one_person_make_one_report(bank: CashBank):
    bank.run([cash(n, f"2026-05-04T1{4 + n}:00:00Z", "4000.00", branch=f"B{n}") for n in range(3)])
    assert owed(bank) == {Owed(US_IN, "C1", "NY", "2026-05-04", "in", "12000.00", ("T0", "T1", "T2"))}
    assert reconciled(bank, "2026-05-04").is_complete


def test_one_person_behind_the_accounts_of_three_is_reported_once(bank: CashBank):
    bank.run([cash(n, MONDAY, "4000.00", customer=f"C{n}", conductor="P") for n in range(3)])
    assert {(each.subject, each.total) for each in owed(bank)} == {("P", "12000.00")}


def test_the_business_day_ends_at_the_cut_off_and_rolls_over_the_weekend(bank: CashBank):
    # Friday 16:59 and 17:00 in New York; the second belongs to Monday.
    bank.run([cash(0, "2026-05-08T20:59:00Z", "6000.00"), cash(1, "2026-05-08T21:00:00Z", "6000.00"),
              cash(2, "2026-05-11T15:00:00Z", "6000.00")])  # fmt: skip
    assert {(each.period, each.payments) for each in owed(bank)} == {("2026-05-11", ("T1", "T2"))}


def test_a_further_payment_revises_the_report_and_makes_no_second_one(bank: CashBank):
    bank.run([cash(n, f"2026-05-04T14:0{n}:00Z", "6000.00") for n in range(4)])
    (found,) = obligations(bank)
    assert (found.state, found.revision, found.transactions) == ("revised", 3, (0, 1, 2, 3))
    kept = revisions(bank, found)
    assert [each["measures"]["day.total"][0] for each in kept] == ["12000.00", "18000.00", "24000.00"]  # type: ignore[index]
    assert [each["added"] for each in kept] == [[0, 1], [2], [3]]
    assert [each["due_on"] for each in kept] == ["2026-05-19"] * 3


def test_a_late_record_of_yesterday_counts_for_yesterdays_report(bank: CashBank):
    bank.run([cash(0, MONDAY, "9000.00"), cash(1, "2026-05-05T14:00:00Z", "500.00")])
    assert obligations(bank) == []
    bank.run([cash(2, "2026-05-04T15:00:00Z", "2000.00")])
    assert owed(bank) == {Owed(US_IN, "C1", "NY", "2026-05-04", "in", "11000.00", ("T0", "T2"))}
    assert obligations(bank)[0].due_on == "2026-05-19"
    assert reconciled(bank, "2026-05-04").is_complete


def test_a_record_that_came_too_late_is_found_by_reconciliation(bank: CashBank):
    bank.run([cash(0, MONDAY, "9000.00"), cash(1, "2026-06-20T14:00:00Z", "10.00"), cash(2, MONDAY, "2000.00")])
    assert obligations(bank) == []
    found = reconciled(bank, "2026-05-04", record=True)
    (difference,) = found.compared.differences
    assert (difference.kind, difference.lacking) == ("missing", (0, 2))
    assert difference.reason.startswith("too_late")
    assert owed(bank) == {Owed(US_IN, "C1", "NY", "2026-05-04", "in", "11000.00", ("T0", "T2"))}
    (recorded,) = obligations(bank)
    assert (recorded.is_by_reconciliation, recorded.marks, recorded.due_on) == (
        True, ("by_reconciliation",), "2026-05-19",
    )  # fmt: skip
    assert reconciled(bank, "2026-05-04").is_complete


def test_a_reversal_withdraws_the_report_and_keeps_it(bank: CashBank):
    bank.run([cash(0, MONDAY, "9000.00"), cash(1, MONDAY, "2000.00"),
              cash(2, "2026-05-05T14:00:00Z", "2000.00", status="reversed", reverses="T1")])  # fmt: skip
    found = reconciled(bank, "2026-05-04", record=True)
    assert [each.kind for each in found.compared.differences] == ["extra"]
    assert "log position 2" in found.compared.differences[0].reason
    assert obligations(bank) == []
    (kept,) = obligations(bank, withdrawn=True)
    assert [each["state"] for each in revisions(bank, kept)] == ["owed", "withdrawn"]
    assert reconciled(bank, "2026-05-04").is_complete
    bank.run([cash(3, MONDAY, "1500.00")])
    (again,) = obligations(bank)
    assert (again.obligation_id, again.state, again.transactions) == (kept.obligation_id, "revised", (0, 3))


def test_what_reconciliation_recorded_is_journalled_under_the_name_of_who_did_it(bank: CashBank):
    bank.run([cash(0, MONDAY, "9000.00"), cash(1, "2026-06-20T14:00:00Z", "10.00"), cash(2, MONDAY, "2000.00")])
    reconciled(bank, "2026-05-04", record=True)
    with open_store(bank.db) as store:
        assert store.verify().findings == ()
        with store.reading() as connection:
            rows = connection.exec_driver_sql("SELECT actor, action FROM journal").all()
    assert [tuple(row) for row in rows] == [("ann", "obligation_met")]


def test_a_report_opens_no_case_and_is_never_quiet(bank: CashBank):
    progress = bank.run([cash(n, f"2026-05-04T14:0{n}:00Z", "20000.00") for n in range(3)])
    assert progress.counts["alerts_new"] == 3
    assert progress.counts["alerts_quiet"] == 0
    with open_store(bank.db) as store, store.reading() as connection:
        assert count_cases(connection, QueueFilter(), now_us=0) == 0


def test_an_unread_payment_of_the_day_leaves_it_unproven(bank: CashBank):
    bank.run([cash(0, MONDAY, "1.00"), cash(1, MONDAY, "x"), cash(2, "2026-05-20T14:00:00Z", "x")])
    found = reconciled(bank, "2026-05-04")
    assert not found.is_complete
    assert [place.rpartition(":")[2] for place in found.unread_of_the_day] == ["2"]
    assert reconciled(bank, "2026-05-12").is_complete


def test_a_payment_without_a_rate_is_named_as_undecided(bank: CashBank):
    bank.run([cash(0, MONDAY, "90000.00", currency="CHF")])
    assert reconciled(bank, "2026-05-04").undecided == {(US_IN, "amount"): [0]}


def test_a_rule_that_nobody_approved_makes_obligations_on_trial(bank: CashBank):
    for path in (bank.folder / "rules").rglob("*.yaml"):
        text = path.read_text()
        start = text.index("approval:")
        path.write_text(text[:start] + "approval: EXAMPLE" + text[text.index("\n", start) :])
    bank.run([cash(0, MONDAY, "20000.00")])
    assert [each.state for each in obligations(bank)] == ["trial"]
    assert reconciled(bank, "2026-05-04").is_complete
