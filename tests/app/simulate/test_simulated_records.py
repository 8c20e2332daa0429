"""Every record is valid, refers to what exists, and arrives in order."""

import json
from collections import Counter

import numpy as np
import pyarrow as pa
from simulated_bank import DAY_US, Bank

from monitor.domain.profile import CustomerProfile
from monitor.domain.time import HOUR_US, parse_time_us
from monitor.domain.transaction import Transaction


def test_every_json_line_is_a_transaction_and_equals_its_parquet_row(small_bank: Bank):
    rows = small_bank.table.to_pylist()
    assert set(small_bank.table.column_names) <= set(Transaction.model_fields)
    lines = (small_bank.folder / "transactions.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(rows) > 10_000
    for line, row in zip(lines, rows, strict=True):
        assert None not in json.loads(line).values()
        record = Transaction.model_validate_json(line)
        for name in ("booked_at", "received_at"):
            row[name] = row[name].isoformat(timespec="milliseconds").replace("+00:00", "Z")
        assert {name: getattr(record, name) for name in row} == row


def test_every_profile_version_is_valid_and_a_few_customers_have_none(bank: Bank):
    for profile in bank.profiles:
        CustomerProfile.model_validate(profile)
    versions = Counter(profile["customer"] for profile in bank.profiles)
    assert {1, 2} == set(versions.values())
    assert 0.97 < len(versions) / 2_000 < 0.99
    moments = [profile["recorded_at"] for profile in bank.profiles]
    assert moments == sorted(moments)


def test_a_customer_pays_from_an_account_that_its_profile_names(bank: Bank):
    owner = {opening["account"]: profile["customer"] for profile in bank.profiles for opening in profile["accounts"]}
    profiled, checked = set(owner.values()), 0
    for side in ("debtor", "creditor"):
        for account, customer in zip(bank.columns[f"{side}_account"], bank.columns[f"{side}_customer"], strict=True):
            if customer in profiled:
                assert owner[account] == customer
                checked += 1
            elif customer is None:
                assert account not in owner
    assert checked > 100_000


def test_wires_carry_who_pays_whom_and_cards_carry_what_is_bought(bank: Bank):
    columns = bank.columns
    channel, wired = columns["channel"], 0
    for side in ("debtor", "creditor"):
        name_of: dict[str, str] = {}
        is_known = np.array([account is not None for account in columns[f"{side}_account"]])
        for what in ("name", "address", *(["identification"] if side == "debtor" else [])):
            given = np.array([text is not None for text in columns[f"{side}_{what}"]])
            assert (given == (is_known & (channel == "wire"))).all()
            wired += int(given.sum())
        for account, name in zip(columns[f"{side}_account"], columns[f"{side}_name"], strict=True):
            if name is not None:
                assert name_of.setdefault(account, name) == name
    assert wired > 1_000
    bought = np.array([text is not None for text in columns["merchant_category"]])
    assert (bought == (channel == "card")).all()
    assert bought.any()


def test_nobody_pays_before_the_account_is_open(bank: Bank):
    opened = {opening["account"]: parse_time_us(opening["opened_on"] + "T00:00:00Z")
              for profile in bank.profiles for opening in profile["accounts"]}  # fmt: skip
    in_stream = 0
    for side in ("debtor", "creditor"):
        accounts = bank.columns[f"{side}_account"]
        since = np.array([opened.get(account, 0) for account in accounts])
        # A business day of Oslo begins an hour before that of UTC.
        assert (bank.columns["booked_at"] >= since - 2 * HOUR_US).all()
        in_stream += int((since > bank.columns["booked_at"].min()).sum())
    assert in_stream > 500


def test_records_come_in_order_of_arrival_and_some_are_late_by_hours_or_days(bank: Bank):
    booked, received = bank.columns["booked_at"], bank.columns["received_at"]
    ids = bank.columns["transaction_id"]
    first = np.zeros(len(ids), bool)
    first[np.unique(ids, return_index=True)[1]] = True
    assert (np.diff(received[first]) >= 0).all()
    assert (received >= booked).all()
    late = (received - booked)[first] > HOUR_US
    assert 0.002 < late.mean() < 0.008
    assert (received - booked).max() < 35 * DAY_US


def test_a_repeated_delivery_is_the_same_record_again(bank: Bank):
    lines = (bank.folder / "transactions.jsonl").read_bytes().splitlines()
    twice = [line for line, count in Counter(lines).items() if count > 1]
    assert 0.0002 < len(twice) / len(lines) < 0.002
    assert len(set(lines)) == len({line[:40] for line in lines})


def test_what_is_taken_back_was_booked_before_and_keeps_its_parties(bank: Bank):
    columns = bank.columns
    place = {number: index for index, number in enumerate(columns["transaction_id"].tolist())}
    taken = np.flatnonzero([reverses is not None for reverses in columns["reverses"]])
    original = np.array([place[number] for number in columns["reverses"][taken]])
    assert 0.001 < len(taken) / len(columns["status"]) < 0.006
    assert (columns["booked_at"][taken] > columns["booked_at"][original]).all()
    for name in ("debtor_account", "creditor_account", "currency"):
        assert (columns[name][taken] == columns[name][original]).all()
    whole = columns["status"][taken] != "booked"
    assert (columns["minor"][taken] == columns["minor"][original])[whole].all()
    assert set(columns["status"][taken]) == {"booked", "reversed", "returned"}
    assert {"attempted", "rejected"} <= set(columns["status"])


def test_labels_and_cases_refer_to_rows_that_exist(bank: Bank):
    ids = set(bank.columns["transaction_id"].tolist())
    assert len({label["transaction_id"] for label in bank.labels}) == len(bank.labels)
    assert all(label["transaction_id"] in ids for label in bank.labels)
    typology = {case["case_id"]: case["typology"] for case in bank.cases}
    assert all(typology[label["case_id"]] == label["typology"] for label in bank.labels)
    for case in bank.cases:
        rows = bank.rows_of_case[case["case_id"]]
        assert int(case["transactions"]) == len(rows)
        accounts = {row[f"{side}_account"] for row in rows for side in ("debtor", "creditor")} - {None}
        assert set(case["accounts"].split()) == accounts
        assert abs(float(case["amount"]) / sum(row["dollars"] for row in rows) - 1) < 0.03
        assert case["first_time"][:19] == rows[0]["booked_at"].isoformat()[:19]
        assert case["last_time"][:19] == rows[-1]["booked_at"].isoformat()[:19]


def test_times_are_utc_timestamps_and_amounts_are_text(bank: Bank):
    assert bank.table.schema.field("booked_at").type == pa.timestamp("us", "UTC")
    assert bank.table.schema.field("amount").type == pa.string()
