"""A small bank in which everything goes wrong at once, and rules that use every word of the language.

Late, repeated, reversed, returned and corrected records, joint accounts, accounts used by several customers, profiles
that change or are missing, foreign money without a rate, booking entities with cut-off and holidays.
"""

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor.app.embedded import Progress, RunSettings, run
from monitor.app.inputs import GivenInputs
from monitor.domain.time import DAY_US, HOUR_US, MINUTE_US, format_time, parse_time_us

START_US = parse_time_us("2026-03-02T00:00:00Z")
DAYS = 75
_RULE = """\
id: AML-BEH-{number:03}
title: Test rule {number}
typology: behaviour
kind: {kind}
status: active
version: 1
severity: medium
jurisdictions: [{where}]
description: A rule of a test.
references: [{{cite: A book, says: It says so., read: 2026-01-01}}]
false_positives: [A shop has many. Ask for its books.]
blind_spots: [What is not paid.]
codes: {{fincen_sar: 812}}
parameters:
{parameters}
windows:
{windows}
when: >-
  {when}
alert:
  subject: {subject}
{quiet}  text: >-
    {text}
{deadline}approval: {{by: A person, on: 2026-01-01, record: CR-{number}}}
tests:
  - name: a table that is not run
    start: 2026-05-04
    table: |
      at  customer  direction  amount  expect
      0h  C1        credit     1.00    .
      1h  C1        credit     1.00    alert
"""
_TOTAL = """\
  total_min:
    unit: USD
    meaning: A sum.
    values:
      - {from: 2026-01-01, value: 900.00, cite: CR-1}
      - {from: 2026-03-20, value: 700.00, cite: CR-2}
      - {from: 2026-01-01, segment: retail, value: 800.00, cite: CR-3}
      - {from: 2026-01-01, jurisdiction: NO, value: 600.00, cite: CR-4}
      - {from: 2026-04-01, segment: retail, jurisdiction: NO, value: 500.00, cite: CR-5}"""


def _number(name: str, unit: str, value: str) -> str:
    return (
        f"  {name}:\n    unit: {unit}\n    meaning: A number.\n"
        f"    values: [{{from: 2026-01-01, value: {value}, cite: CR-9}}]"
    )


def _window(name: str, over: str, measures: str, *, by: str = "customer", where: str | None = None) -> str:
    chosen = f"    where: >-\n      {where}\n" if where else ""
    return f"  {name}:\n    over: {over}\n    by: {by}\n    currency: USD\n{chosen}    measures: {{{measures}}}"


THREE = _number("few", "count", "3")
RULES: tuple[dict[str, str], ...] = (
    {"parameters": _TOTAL,
     "windows": _window("w", "3d", "n: count(), total: sum(amount)", where='direction == "credit"'),
     "when": 'direction == "credit" and w.total >= total_min', "text": "{w.n} payments, {w.total} of {total_min}."},
    {"parameters": f"{_TOTAL}\n{_number('one', 'count', '2')}",
     "windows": _window("a", "5d", "total: sum(amount), most: max(amount), least: min(amount)", by="account"),
     "when": "a.most - a.least >= total_min or a.total < a.least + a.most", "subject": "account",
     "text": "{a.total}."},
    {"parameters": f"{THREE}\n{_number('half', 'share', '0.3')}",
     "windows": _window("i", "7d", "total: sum(amount), who: distinct(counterparty)", where='direction == "credit"')
     + "\n" + _window("o", "7d", "total: sum(amount)", where='direction == "debit" and status == "booked"'),
     "when": "i.who >= few and share(o.total, i.total) >= half", "text": "{i.who} from {i.total}, {o.total} on."},
    {"parameters": _number("top", "USD", "1200.00"), "windows": _window("m", "month", "n: count(), total: sum(amount)"),
     "when": "m.total > top", "text": "{m.n} in the month, {m.total}.", "quiet": "2d"},
    {"parameters": _number("day_top", "USD", "400.00"),
     "windows": _window("d", "day", "n: count(), total: sum(amount)", by="account"),
     "when": "d.total > day_top and profile.account_age > age", "text": "{d.n} in the day, {d.total}.",
     "more": _number("age", "duration", "20d")},
    {"parameters": f"{THREE}\n{_number('gap', 'duration', '6h')}",
     "windows": _window("s", "4d", "n: count()", where="since_last() >= gap"),
     "when": "s.n >= few or first_seen(counterparty_country)", "text": "{s.n}."},
    {"parameters": THREE, "windows": _window("c", "6d", "n: count(), who: distinct(customer)", by="conductor"),
     "when": "c.n >= few", "text": "{c.n} by one conductor.", "subject": "conductor"},
    {"parameters": THREE,
     "windows": _window("x", "6d", "n: count(), to: distinct(customer)", by="counterparty",
                        where='profile.segment != "agent"'),
     "when": "x.n >= few", "text": "{x.n} with one counterparty.", "subject": "counterparty"},
    {"parameters": f"{THREE}\n{_number('times', 'share', '0.2')}",
     "windows": _window(
         "y", "10d", "who: distinct(counterparty), total: sum(amount), mean: mean(amount), mid: median(amount)"
     ),
     "when": "y.who >= few and (not known(peer.y.who.p50) or y.who > peer.y.who.p50) and "
     "(not known(peer.is_hub) or not peer.is_hub) and y.mean >= y.mid "
     "and ratio(y.total, profile.declared_monthly_income) > times",
     "text": "{y.who} parties, {y.total}, mean {y.mean}."},
    {"parameters": _number("tries", "count", "2"),
     "windows": _window("t", "9d", "n: count()", where='status in ["attempted", "rejected"]'),
     "when": 'status == "attempted" and t.n >= tries', "text": "{t.n} tries."},
    {"parameters": _number("step", "USD", "50.00"),
     "windows": _window("l", "20d", "n: count()", where="counterparty_country in list.watched"),
     "when": "multiple_of(amount, step) and l.n >= few and counterparty_country in list.watched "
     'and not profile.risk_rating == "low"',
     "text": "{l.n} with watched countries.", "more": THREE, "kind": "obligation"},
    {"parameters": THREE, "windows": _window("v", "6d", "n: count()", by="device", where='channel != "card"'),
     "when": "v.n >= few", "text": "{v.n} by one device.", "subject": "device", "where": "US, NO"},
    {"parameters": THREE,
     "windows": _window("f", "9d", "n: count(), total: sum(amount)",
                        where='instrument in ["money_order", "voucher"] or merchant_category == "6051" '
                        'or wallet == "self_hosted" or goods_country in list.watched'),
     "when": "f.n >= few", "text": "{f.n} payments, {f.total}."},
    {"parameters": THREE, "windows": _window("g", "9d", "n: count()", where="not counterparty_name_given"),
     "when": 'g.n >= few and not name_given and (counterparty_kind != "bank" or not known(counterparty_kind)) '
     "and not counterparty_address_given and not identification_given",
     "text": "{g.n} without names."},
    {"parameters": _number("one", "count", "1"),
     "windows": _window("h", "9d", "n: count()", where='screening != "clear" and screening_list == "OFAC_SDN"'),
     "when": "h.n >= one", "text": "{h.n} hits.", "kind": "obligation"},
    {"parameters": THREE, "windows": _window("k", "9d", "n: count()", by="link"),
     "when": "k.n >= few", "text": "{k.n} of one contract.", "subject": "link"},
    {"parameters": _number("one", "count", "1"),
     "windows": _window("r", "9d", "n: count()", where='status == "rejected" and known(instructing_agent)'),
     "when": 'r.n >= one and reason in ["AC04", "declined_identification"]', "text": "{r.n} rejected."},
    {"parameters": f"{_number('age', 'duration', '20d')}\n{_number('times', 'share', '0.5')}",
     "windows": _window("p", "month", "n: count(), total: sum(amount)", where='channel == "cash"'),
     "when": 'profile.is_occasional and profile.account_kind == "savings" and profile.credentials_age < age '
     'or profile.screening == "possible" and profile.exemption_review_age > age '
     "or ratio(p.total, profile.expected_monthly_cash) > times",
     "text": "{p.n} in cash."},
    {"parameters": f"{_number('deep', 'count', '3')}\n{_number('some', 'share', '0.2')}",
     "windows": _window("q", "9d", "n: count(), most: max(amount)",
                        where="flow.pass_through >= some or flow.middlemen >= deep"),
     "when": "flow.chain_depth >= deep or flow.returned_share >= some "
     "or (flow.residual < some and flow.gathered >= deep) or flow.dwell_time + flow.chain_time < flow.return_time",
     "text": "{q.n}; {flow.chain_depth} in a row, {flow.returned_share} came back, {flow.residual} left."},
)  # fmt: skip


def rule_text(number: int, given: dict[str, str]) -> str:
    """The file of one rule."""
    whole = {"kind": "suspicion", "where": "any", "subject": "customer", "quiet": "1d"} | given
    is_obligation = whole["kind"] == "obligation"
    whole["quiet"] = "" if is_obligation else f"  quiet: {whole['quiet']}\n"
    whole["deadline"] = "deadline: {days: 15, kind: calendar, cite: A law}\n" if is_obligation else ""
    whole["parameters"] = "\n".join(filter(None, (given["parameters"], given.get("more"))))
    return _RULE.format(number=number, **{name: value for name, value in whole.items() if name != "more"})


def write_rules(folder: Path) -> Path:
    """The rules and their list."""
    for number, given in enumerate(RULES, 1):
        path = folder / "behaviour" / f"rule_{number}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(rule_text(number, given))
    (folder / "lists").mkdir(exist_ok=True)
    (folder / "lists" / "watched.yaml").write_text(
        "name: watched\nversion: 3\nas_of: 2026-01-01\nvocabulary: country\nsource: a test\nwords: [IR, DE]\n"
    )
    return folder


CUSTOMERS = [f"C{number}" for number in range(12)]
ACCOUNTS = {customer: [f"{customer}-A", f"{customer}-B"] for customer in CUSTOMERS}
SHARED = {"C0-A": ["C1"], "C2-B": ["C3", "C4"]}
"""Joint accounts with their further holders at first; a second version may name others, or leave an account out."""


def profiles(rng: random.Random) -> list[dict[str, Any]]:
    """Some customers without, some with two versions, one recorded in the middle of the stream."""
    found = []
    for customer in CUSTOMERS[:-2]:
        for version in range(1, 2 + rng.randrange(2)):
            recorded_us = START_US + (version - 1) * rng.randrange(DAYS) * DAY_US - DAY_US
            found.append({
                "customer": customer, "version": version, "recorded_at": format_time(recorded_us), "kind": "person",
                "segment": rng.choice(["retail", "agent", "student"]), "income_currency": rng.choice(["USD", "EUR"]),
                "declared_income": str(rng.randrange(1_000, 90_000)), "risk_rating": rng.choice(["low", "high"]),
                "accounts": [
                    {"account": account, "opened_on": format_time(START_US - rng.randrange(-5, 40) * DAY_US)[:10],
                     "holders": SHARED.get(account, []) if version == 1 else rng.sample(CUSTOMERS, rng.randrange(3))}
                    for account in ACCOUNTS[customer] if version == 1 or rng.random() < 0.8
                ],
            })  # fmt: skip
            if rng.random() < 0.3:
                found[-1].pop("segment")
            _say_more(found[-1], random.Random(f"{customer} {version}"))
    return found


def _say_more(profile: dict[str, Any], rng: random.Random) -> None:
    """Add what a profile may say besides, drawn apart."""
    day = format_time(START_US + rng.randrange(-60, DAYS) * DAY_US)[:10]
    further = {
        "is_occasional": rng.choice([True, False]),
        "screening": rng.choice(["clear", "possible", "confirmed"]),
        "credentials_changed_at": f"{day}T03:00:00-01:00",
        "report_exemption": rng.choice([{"granted_on": day}, {"granted_on": "2025-01-01", "reviewed_on": day}]),
        "expected": {"currency": rng.choice(["USD", "EUR"]), "monthly_cash": str(rng.randrange(10, 900))},
    }
    profile |= {name: value for name, value in further.items() if rng.random() < 0.7}
    for account in profile["accounts"]:
        if rng.random() < 0.8:
            account["kind"] = rng.choice(["savings", "loan"])


def transactions(rng: random.Random, count: int) -> list[dict[str, Any]]:
    """Records in the order of the log, most of them in the order of time."""
    times = sorted(START_US + rng.randrange(DAYS * DAY_US // MINUTE_US) * MINUTE_US for _ in range(count))
    found: list[dict[str, Any]] = []
    for number, time_us in enumerate(times):
        if found and rng.random() < 0.03:
            found.append(dict(rng.choice(found[-40:])))
            continue
        late = rng.choice([2 * HOUR_US, 3 * DAY_US, 20 * DAY_US, 40 * DAY_US]) if rng.random() < 0.12 else 0
        found.append(_transaction(rng, number, max(time_us - late, START_US), found))
    return found


def _transaction(rng: random.Random, number: int, time_us: int, before: list[dict[str, Any]]) -> dict[str, Any]:
    record: dict[str, Any] = {
        "transaction_id": f"T{number}",
        "booked_at": format_time(time_us),
        "amount": f"{rng.choice([50, 100, 200, 350.5, 12.34, 500])}",
        "currency": rng.choice(["USD", "USD", "USD", "EUR", "NOK", "CHF"]),
        "channel": rng.choice(["cash", "wire", "card", None]),
        "booking_entity": rng.choice([None, "OSLO", "NEW-YORK"]),
        "conductor": rng.choice([None, None, "P1", "P2", "C1"]),
        "device": rng.choice([None, "D1", "D2"]),
    }
    sides = rng.choice([("debtor",), ("creditor",), ("debtor", "creditor")])
    for side in ("debtor", "creditor"):
        if side in sides:
            customer = rng.choice(CUSTOMERS)
            record[f"{side}_customer"] = customer
            # Now and then a customer acts on an account of somebody else, or none is named.
            owner = customer if rng.random() < 0.9 else rng.choice(CUSTOMERS)
            record[f"{side}_account"] = rng.choice([*ACCOUNTS[owner], ACCOUNTS[owner][0], None])
        elif rng.random() < 0.8:
            record[f"{side}_account"] = f"X{rng.randrange(6)}"
            record[f"{side}_country"] = rng.choice(["US", "DE", "IR", None])
    if before and rng.random() < 0.08:
        original = rng.choice(before[-60:])
        status = rng.choice(["reversed", "returned", "booked"])
        record |= {name: original.get(name) for name in original if name.startswith(("debtor", "creditor"))}
        record |= {"status": status, "reverses": original["transaction_id"]}
    elif rng.random() < 0.1:
        record["status"] = rng.choice(["attempted", "rejected"])
    return _with_more({name: value for name, value in record.items() if value is not None}, random.Random(number))


def _with_more(record: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """The record with some of the fields that most lack, drawn apart."""
    further: dict[str, Any] = {
        "instrument": rng.choice(["money_order", "voucher", "bank_draft"]),
        "merchant_category": rng.choice(["6051", "5411"]),
        "instructing_agent": rng.choice(["BNKAUS2X", "BNKADE2X"]),
        "reason": rng.choice(["AC04", "declined_identification", "withdrawn_on_report"]),
        "goods_country": rng.choice(["IR", "FR"]),
        "wallet": rng.choice(["hosted", "self_hosted"]),
        "screening": rng.choice(["clear", "possible", "confirmed"]),
        "screening_list": rng.choice(["OFAC_SDN", "UN"]),
        "link": f"K{rng.randrange(4)}",
    }
    for side in ("debtor", "creditor"):
        further[f"{side}_kind"] = rng.choice(["person", "business", "government", "bank"])
        for what in ("name", "address", "identification"):
            further[f"{side}_{what}"] = rng.choice(["Ann Lee", "N/A", " - ", "12 Long Road"])
    share = rng.choice([0.0, 0.0, 0.5, 1.0])
    return record | {name: value for name, value in further.items() if rng.random() < share}


@dataclass(frozen=True, slots=True)
class RoughBank:
    """The files of one bank."""

    folder: Path
    inputs: GivenInputs

    @property
    def db(self) -> Path:
        return self.folder / "bank.db"

    def run(self, **changes: Any) -> Progress:
        """Judge all of it."""
        settings: dict[str, Any] = {
            "files": (str(self.folder / "transactions.jsonl"),), "db": self.db, "inputs": self.inputs,
            "profiles": self.folder / "profiles.jsonl",
        }  # fmt: skip
        return run(RunSettings(**(settings | changes)))


def rough_bank(folder: Path, *, seed: int, count: int = 500) -> RoughBank:
    """Write the files of a bank."""
    rng = random.Random(seed)
    write_rules(folder / "rules")
    _write_lines(folder / "profiles.jsonl", profiles(rng))
    _write_lines(folder / "transactions.jsonl", transactions(rng, count))
    days = range(0, DAYS, 9)
    rates = [
        f"{format_time(START_US + (day + shift) * DAY_US)},{source},{target},{rate}"
        for day in days
        for shift, source, target, rate in ((1, "EUR", "USD", f"1.{day + 10}"), (2, "USD", "NOK", f"10.{day + 10}"))
    ]
    (folder / "rates.csv").write_text("\n".join(["published_at,source,target,rate", *rates]) + "\n")
    (folder / "entities.yaml").write_text(
        "default: NEW-YORK\nentities:\n"
        '  NEW-YORK: {country: US, zone: America/New_York, cut_off: "17:00", weekend: [sat, sun], '
        "holidays: [2026-04-03]}\n"
        "  OSLO: {country: NO, zone: Europe/Oslo}\n"
    )
    inputs = GivenInputs((folder / "rules",), (), folder / "rates.csv", folder / "entities.yaml", True)
    return RoughBank(folder, inputs)


def _write_lines(path: Path, records: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
