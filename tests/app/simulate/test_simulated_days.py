"""The everyday of the simulated bank is believable: months, weeks, sizes and hubs."""

from collections import defaultdict
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
from simulated_bank import DAY_US, Bank

ZONES = {"BANK-US": "America/New_York", "BANK-GB": "Europe/London", "BANK-NO": "Europe/Oslo"}


def test_an_employee_is_paid_every_month_about_the_same_by_the_same_payer(bank: Bank):
    pay = defaultdict(list)
    columns = bank.columns
    for row in np.flatnonzero((columns["purpose"] == "SALA") & (columns["status"] == "booked")):
        pay[columns["creditor_account"][row]].append((columns["debtor_account"][row], columns["minor"][row]))
    paid_often = [payments for payments in pay.values() if len(payments) >= 2]
    assert len(paid_often) > 300
    one_payer = [len({payer for payer, _ in payments}) == 1 for payments in paid_often]
    assert np.mean(one_payer) > 0.95
    spread = [np.std([amount for _, amount in p]) / np.mean([amount for _, amount in p]) for p in paid_often]
    assert np.median(spread) < 0.05


def test_business_payments_rest_at_the_weekend_and_cards_do_not(bank: Bank):
    weekday = (bank.columns["booked_at"] // DAY_US + 3) % 7
    for channel, low, high in (("wire", 0.05, 0.45), ("cash", 0.05, 0.6), ("card", 0.9, 1.6)):
        mine = np.bincount(weekday[bank.columns["channel"] == channel].astype(int), minlength=7)
        assert low < mine[5:].mean() / mine[:5].mean() < high, channel


def test_people_pay_by_day_in_their_own_zone(bank: Bank):
    for entity, zone in ZONES.items():
        rows = np.flatnonzero((bank.columns["booking_entity"] == entity) & (bank.columns["channel"] == "card"))[:3_000]
        hours = np.array([datetime.fromtimestamp(bank.columns["booked_at"][row] / 1e6, ZoneInfo(zone)).hour
                          for row in rows])  # fmt: skip
        assert ((hours >= 8) & (hours <= 22)).mean() > 0.85, entity


def test_amounts_are_heavy_tailed_and_only_some_are_round(bank: Bank):
    dollars = bank.columns["dollars"]
    assert dollars.mean() > 2.5 * np.median(dollars)
    trade = np.sort(dollars[np.isin(bank.columns["channel"], ["wire", "transfer"])])
    top = trade[-len(trade) // 100 :].sum() / trade.sum()
    assert 0.10 < top < 0.7
    assert 0.2 < (bank.columns["minor"] % 100 == 0).mean() < 0.8


def test_three_entities_book_in_their_currencies_and_some_in_euro_with_a_rate_for_each_day(bank: Bank):
    pairs = set(zip(bank.columns["booking_entity"], bank.columns["currency"], strict=True))
    assert {("BANK-US", "USD"), ("BANK-GB", "GBP"), ("BANK-NO", "NOK"), ("BANK-GB", "EUR")} <= pairs
    lines = (bank.folder / "rates.csv").read_text().splitlines()
    assert lines[0] == "published_at,source,target,rate"
    assert len(lines) == 1 + 61 * 6


def test_a_naive_fan_in_rule_finds_mostly_hubs_that_belong_to_no_case(bank: Bank):
    """8 different payers within 7 days: the rule every bank tries first."""
    columns = bank.columns
    payers: dict[str, set[str]] = defaultdict(set)
    week = columns["booked_at"] // (7 * DAY_US)
    ours = columns["creditor_customer"] != None  # noqa: E711 - elementwise
    for row in np.flatnonzero(ours & (columns["debtor_account"] != None)):  # noqa: E711
        payers[(columns["creditor_account"][row], int(week[row]))].add(columns["debtor_account"][row])
    found = {account for (account, _), others in payers.items() if len(others) >= 8}
    guilty = {case["accounts"] for case in bank.cases if case["typology"] == "fan_in"}
    assert len(found) > 50
    assert sum(any(account in accounts for accounts in guilty) for account in found) < 0.2 * len(found)
    segment = {profile["customer"]: profile["segment"] for profile in bank.profiles}
    owner = dict(zip(columns["creditor_account"], columns["creditor_customer"], strict=True))
    hubs = {owner[account] for account in found if segment.get(owner[account]) == "agent"}
    assert len(hubs) >= 3


def test_most_payments_of_an_account_go_to_those_it_paid_before(bank: Bank):
    columns = bank.columns
    pair = set()
    again = total = 0
    last_half = np.median(columns["booked_at"])
    rows = np.flatnonzero((columns["channel"] == "instant") & (columns["debtor_customer"] != None))  # noqa: E711
    for row in rows:
        key = (columns["debtor_account"][row], columns["creditor_account"][row])
        if columns["booked_at"][row] > last_half:
            total += 1
            again += key in pair
        pair.add(key)
    assert total > 1_000
    assert again / total > 0.25
