"""Each injected case has the shape of its typology, seen from the files alone."""

from collections import Counter
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
from simulated_bank import DAY_US, Bank

from monitor.app.simulate.cases import TYPOLOGIES

Row = dict[str, Any]


def hours(first: Row, last: Row) -> float:
    return (last["booked_at"] - first["booked_at"]).total_seconds() / 3_600


def days(rows: list[Row]) -> float:
    return hours(rows[0], rows[-1]) / 24


def subject(rows: list[Row]) -> str:
    """The account that takes part in most payments."""
    return Counter(row[f"{side}_account"] for row in rows for side in ("debtor", "creditor")
                   if row[f"{side}_account"]).most_common(1)[0][0]  # fmt: skip


def paid_in(rows: list[Row], account: str) -> list[Row]:
    return [row for row in rows if row["creditor_account"] == account]


def paid_out(rows: list[Row], account: str) -> list[Row]:
    return [row for row in rows if row["debtor_account"] == account]


def total(rows: list[Row]) -> float:
    return float(sum(row["dollars"] for row in rows))


def test_every_typology_occurs_and_cases_are_a_small_share(bank: Bank):
    assert {case["typology"] for case in bank.cases} == set(TYPOLOGIES)
    assert len(TYPOLOGIES) == 17
    assert 0.0005 < bank.is_case.mean() < 0.004
    assert all(row["status"] == "booked" for rows in bank.rows_of_case.values() for row in rows)


def test_structuring_is_5_to_15_small_cash_deposits_within_a_week(bank: Bank):
    for rows in bank.of("structuring"):
        assert 5 <= len(rows) <= 15
        assert {row["channel"] for row in rows} <= {"cash", "atm"}
        assert len({row["creditor_account"] for row in rows}) == 1
        assert max(row["dollars"] for row in rows) <= 10_000
        assert total(rows) > 10_000
        assert days(rows) <= 9


def test_smurfing_deposits_into_several_accounts_that_pay_one(bank: Bank):
    for rows in bank.of("smurfing"):
        cash = [row for row in rows if row["debtor_account"] is None]
        onward = [row for row in rows if row["debtor_account"] is not None]
        assert max(row["dollars"] for row in cash) <= 10_000
        assert len({row["creditor_account"] for row in cash}) >= 3
        assert {row["debtor_account"] for row in onward} == {row["creditor_account"] for row in cash}
        assert len({row["creditor_account"] for row in onward}) == 1


def test_fans_have_10_to_30_parties_within_some_days(bank: Bank):
    for typology, one, many in (("fan_in", "creditor", "debtor"), ("fan_out", "debtor", "creditor")):
        for rows in bank.of(typology):
            assert len({row[f"{one}_account"] for row in rows}) == 1
            assert 10 <= len({row[f"{many}_account"] for row in rows}) <= 30
            assert days(rows) <= 9


def test_a_funnel_account_collects_at_home_and_pays_abroad(bank: Bank):
    for rows in bank.of("funnel_account"):
        account = subject(rows)
        into, out = paid_in(rows, account), paid_out(rows, account)
        assert len(into) >= 8
        assert {row["creditor_country"] for row in out}.isdisjoint({"US", "GB", "NO"})
        assert into[-1]["booked_at"] < out[-1]["booked_at"]
        assert 0.85 < total(out) / total(into) < 1.03


def test_pass_through_leaves_within_48_hours_almost_whole(bank: Bank):
    for rows in bank.of("pass_through"):
        account = subject(rows)
        into = paid_in(rows, account)
        assert into
        for first in into:
            soon = [row for row in paid_out(rows, account) if 0 < hours(first, row) <= 48]
            assert 0.85 < total(soon) / first["dollars"] < 1.0


def test_a_cycle_returns_to_its_origin(bank: Bank):
    for rows in bank.of("cycle"):
        assert rows[0]["debtor_account"] == rows[-1]["creditor_account"]
        for first, second in pairwise(rows):
            assert first["creditor_account"] == second["debtor_account"]
            assert 0.85 < second["dollars"] / first["dollars"] < 1.01
        assert 3 <= len(rows) <= 6
        assert days(rows) <= 30


def test_scatter_gather_has_disjoint_middlemen_who_pay_after_they_were_paid(bank: Bank):
    for rows in bank.of("scatter_gather"):
        first = rows[0]["debtor_account"]
        last = rows[-1]["creditor_account"]
        scattered, gathered = paid_out(rows, first), paid_in(rows, last)
        middlemen = {row["creditor_account"] for row in scattered}
        assert first != last
        assert len(middlemen) == len(scattered) >= 4
        assert {row["debtor_account"] for row in gathered} == middlemen
        for row in gathered:
            (source,) = paid_in(rows, row["debtor_account"])
            assert hours(source, row) > 0
            assert 0.8 < row["dollars"] / source["dollars"] < 1


def test_gather_scatter_collects_before_it_pays(bank: Bank):
    for rows in bank.of("gather_scatter"):
        account = subject(rows)
        into, out = paid_in(rows, account), paid_out(rows, account)
        assert len({row["debtor_account"] for row in into}) >= 6
        assert len({row["creditor_account"] for row in out}) >= 6
        assert into[-1]["booked_at"] < out[0]["booked_at"]
        assert 0.85 < total(out) / total(into) < 1


def test_a_layering_chain_has_5_or_more_hops_in_order(bank: Bank):
    for rows in bank.of("layering_chain"):
        assert 5 <= len(rows) <= 8
        for first, second in pairwise(rows):
            assert first["creditor_account"] == second["debtor_account"]
            assert 0 < hours(first, second) <= 24 * 9


def test_a_dormant_account_slept_for_half_a_year_and_had_been_used_before(long_bank: Bank):
    columns = long_bank.columns
    for rows in long_bank.of("dormant_reactivation"):
        account = subject(rows)
        mine = np.sort(columns["booked_at"][(columns["debtor_account"] == account)
                                            | (columns["creditor_account"] == account)])  # fmt: skip
        start = int(rows[0]["booked_at"].timestamp() * 1e6)
        before = mine[mine < start - DAY_US // 24]
        assert len(before) >= 1
        assert start - before[-1] > 180 * DAY_US
        assert total(paid_in(rows, account)) > 5_000
        assert 0.75 < total(paid_out(rows, account)) / total(paid_in(rows, account)) < 1


def test_a_new_account_bursts_within_30_days_of_its_opening(bank: Bank):
    opened = {opening["account"]: opening["opened_on"] for profile in bank.profiles for opening in profile["accounts"]}
    for rows in bank.of("new_account_burst"):
        since = date.fromisoformat(opened[subject(rows)])
        assert since >= date(2026, 1, 5)
        assert rows[-1]["booked_at"].date() <= since + timedelta(days=30)
        assert len(rows) >= 8


def test_round_amounts_are_whole_thousands(bank: Bank):
    for rows in bank.of("round_amounts"):
        step = 10_000 if rows[0]["currency"] == "NOK" else 1_000
        assert all(float(row["amount"]) % 1_000 == 0 for row in rows)
        assert np.mean([float(row["amount"]) % step == 0 for row in rows]) >= 0.5
        assert len(rows) >= 6


def test_a_high_risk_corridor_leads_into_listed_countries(bank: Bank):
    listed = (bank.folder / "lists" / "high_risk_countries.yaml").read_text()
    for rows in bank.of("high_risk_corridor"):
        assert len({row["debtor_customer"] for row in rows}) == 1
        assert all(f'"{row["creditor_country"]}"' in listed for row in rows)
        assert len(rows) >= 4


def test_a_changed_customer_moves_far_more_than_before(bank: Bank):
    columns = bank.columns
    for rows in bank.of("change_of_behaviour"):
        account = subject(rows)
        start = rows[0]["booked_at"].timestamp() * 1e6
        earlier = (columns["debtor_account"] == account) & (columns["booked_at"] < start)
        per_day = columns["dollars"][earlier].sum() / max((start - columns["booked_at"].min()) / DAY_US, 1)
        assert total(paid_out(rows, account)) / max(days(rows), 1) > 3 * per_day


def test_a_front_business_deposits_cash_for_weeks_and_sends_it_on(bank: Bank):
    segment = {profile["customer"]: profile["segment"] for profile in bank.profiles}
    for rows in bank.of("front_business"):
        account = subject(rows)
        cash = [row for row in paid_in(rows, account) if row["debtor_account"] is None]
        assert len(cash) >= 12
        assert segment.get(cash[0]["creditor_customer"]) in ("cash_business", "small_business", None)
        assert days(cash) > 10
        assert 0.6 < total(paid_out(rows, account)) / total(cash) < 1


def test_a_u_turn_comes_back_from_the_country_it_went_to(bank: Bank):
    for rows in bank.of("u_turn"):
        out = [row for row in rows if row["debtor_customer"]]
        back = [row for row in rows if row["creditor_customer"]]
        assert {row["creditor_country"] for row in out} == {row["debtor_country"] for row in back}
        assert out[-1]["booked_at"] < back[0]["booked_at"]
        assert 0.8 < total(back) / total(out) < 1.03
