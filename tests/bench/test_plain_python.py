"""The plain Python baseline raises the alerts that the rules define: a fast wrong baseline would flatter the engine."""

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date, time
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from monitor.app.simulate.simulation import simulate
from monitor.domain.time import parse_time_us
from monitor.intake.entities import Entities, load_entities
from monitor.rulebook import load
from monitor.rulebook.reference import (
    BankSnapshot,
    PlainEntity,
    PlainInputs,
    PlainRate,
    PlainSide,
    PlainTransaction,
    ReferenceEngine,
)
from monitor.rulebook.rule import Rulebook
from tests.bench.pipeline import TEN_RULES
from tests.bench.plain_peers import Key
from tests.bench.plain_python import PlainMonitor
from tests.bench.plain_records import Profile, Refused, microseconds, minor_units, profiles_of, record_of

PEER_NAMES = {1: "peer.received.payers.p99", 2: "peer.sent.payees.p99"}
LINE = (
    b'{"transaction_id":"T1","booked_at":"2026-05-04T09:00:00Z","debtor_customer":"C1","debtor_account":"A1",'
    b'"creditor_account":"X","amount":"12.30","currency":"USD","channel":"wire"}'
)


class Bank:
    """A small simulated bank with everything that a run needs."""

    def __init__(self, folder: Path) -> None:
        simulate(customers=250, days=16, seed=6, out=folder, file_format="json")
        self.lists, _ = load.load_lists([load.shipped_rules()])
        self.rulebook: Rulebook = load.load_rulebook([TEN_RULES], self.lists)[0]
        self.entities: Entities = load_entities(folder / "entities.yaml")
        with (folder / "rates.csv").open() as file:
            self.rates = [
                (parse_time_us(row["published_at"]), row["source"], row["target"], Fraction(row["rate"]))
                for row in csv.DictReader(file)
            ]
        with (folder / "profiles.jsonl").open("rb") as file:
            self.profiles, self.opened_us = profiles_of(file)
        self.lines = (folder / "transactions.jsonl").read_bytes().splitlines()

    def plain(self) -> PlainMonitor:
        return PlainMonitor(
            rulebook=self.rulebook, live=frozenset(rule.id for rule in self.rulebook.rules), entities=self.entities,
            lists={name: frozenset(one.words) for name, one in self.lists.items()}, rates=self.rates,
            profiles=self.profiles, opened_us=self.opened_us,
        )  # fmt: skip

    def inputs(self, plain: PlainMonitor) -> PlainInputs:
        """The same inputs for the slow evaluator; the bank snapshots are those of the plain run."""
        return PlainInputs(
            rates=tuple(PlainRate(*rate) for rate in self.rates),
            lists={name: ((0, frozenset(one.words)),) for name, one in self.lists.items()},
            entities={
                name: PlainEntity(
                    jurisdiction=one.country, zone=one.zone, rolls=True, weekend=(5, 6),
                    cut_off=time.fromisoformat(one.cut_off) if one.cut_off else None,
                    holidays=frozenset(date.fromisoformat(day) for day in one.holidays),
                )
                for name, one in self.entities.entities.items()
            },
            snapshots=tuple(
                (position, BankSnapshot(number, _named(p99), hubs))
                for number, (position, p99, hubs) in enumerate(plain.snapshots)
            ),
        )  # fmt: skip

    def transactions(self) -> Iterator[PlainTransaction]:
        for position, line in enumerate(self.lines):
            record: dict[str, Any] = json.loads(line)
            record = {name: record.get(name) for name in (*record, *_OPTIONAL)}
            booked_us = parse_time_us(record["booked_at"])
            yield PlainTransaction(
                position=position, transaction_id=record["transaction_id"], booked_at_us=booked_us,
                amount_minor=minor_units(record["amount"], record["currency"]), currency=record["currency"],
                debtor=self._side(record, "debtor", booked_us), creditor=self._side(record, "creditor", booked_us),
                channel=record["channel"], status=record["status"] or "booked", reverses=record["reverses"],
                booking_entity=record["booking_entity"] or self.entities.default,
            )  # fmt: skip

    def _side(self, record: dict[str, Any], side: str, booked_us: int) -> PlainSide:
        customer, account = record.get(f"{side}_customer"), record.get(f"{side}_account")
        given = self.profiles.get(customer, Profile()) if customer else Profile()
        profile: dict[str, Any] = {
            "segment": given.segment, "declared_monthly_income": given.monthly_income,
            "expected_monthly_in": given.expected_monthly_in,
        }  # fmt: skip
        if account in self.opened_us:
            profile["account_age"] = max(booked_us - self.opened_us[account], 0)
        known = {name: value for name, value in profile.items() if value is not None}
        return PlainSide(customer, account, customer, record.get(f"{side}_country"), profile=known)


def _named(p99: Mapping[Key, int]) -> dict[tuple[str | None, str], Fraction | int]:
    return {(segment, PEER_NAMES[n]): value for (segment, n), value in p99.items() if n}


_OPTIONAL = ("channel", "status", "reverses", "booking_entity")


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Bank:
    return Bank(tmp_path_factory.mktemp("bank"))


@pytest.mark.slow(minutes=1)
def test_every_alert_of_the_plain_run_is_one_by_definition_and_none_is_missing(bank: Bank):
    plain = bank.plain()
    found = list(plain.run(bank.lines))
    verdicts = ReferenceEngine().judge(bank.rulebook.rules, bank.transactions(), bank.inputs(plain))
    names = [json.loads(line)["transaction_id"] for line in bank.lines]
    shown = {"alert": "new", "quiet": "quiet"}
    expected = [(v.rule_id, v.subject, names[v.position], shown[v.status]) for v in verdicts if v.status is not None]
    rules = Counter(alert[0] for alert in expected)
    assert len(rules) >= 6, f"too few rules were tried: {rules}"
    assert Counter(found) == Counter(expected)


def test_a_repeated_line_is_a_duplicate_and_a_changed_one_is_refused(bank: Bank):
    plain = bank.plain()
    line = bank.lines[0]
    changed = (
        line.replace(b'"currency"', b'"remittance":"changed","currency"') if b"remittance" not in line else line + b" "
    )
    assert list(plain.run([line, line, changed, b"{", b"[]", b'{"transaction_id":"x"}'])) == []
    assert (plain.judged, plain.duplicates, plain.refused) == (1, 1, 4)


def test_amounts_and_times_are_exact():
    assert minor_units("0.29", "USD") == 29
    assert minor_units("12.3", "USD") == 1230
    assert minor_units("12", "JPY") == 12
    assert minor_units(7, "KWD") == 7000
    assert microseconds("2026-05-04T09:00:00.000001Z") - microseconds("2026-05-04T11:00:00+02:00") == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"wire"', b'"pigeon"'),
        (b'"C1"', b'""'),
        (b'"debtor_customer":"C1",', b""),
        (b'"12.30"', b'"12.305"'),
        (b'"12.30"', b'"0.00"'),
        (b'"12.30"', b'"-1.00"'),
        (b"09:00:00Z", b"09:00:00"),
        (b'"USD"', b'"USX"'),
        (b'"transaction_id"', b'"transaction"'),
        (b'"A1"', b'"' + b"A" * 129 + b'"'),
        (b'"USD"', b'"USD","merchant_category":"60510"'),
        (b'"USD"', b'"USD","creditor_kind":"robot"'),
        (b'"USD"', b'"USD","link":""'),
    ],
)
def test_a_wrong_record_is_refused(old: bytes, new: bytes):
    record_of(LINE)
    with pytest.raises(Refused):
        record_of(LINE.replace(old, new))
