"""A bank of two counters, in New York and in Beijing, with the cash reports that the law of each wants."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monitor.app.embedded import Progress, RunSettings, run
from monitor.app.inputs import GivenInputs

_RULE = """\
id: AML-LCT-{number}
title: {title}
typology: large_cash
kind: obligation
status: active
version: 1
severity: low
jurisdictions: [{country}]
description: A cash report of a test.
references: [{{cite: A law, says: Cash above a limit is reported., read: 2026-01-01}}]
false_positives: [There are none. What the law wants is reported.]
blind_spots: [Cash that is booked under another channel.]
codes: {{{codes}}}
parameters:
{parameters}
windows:
{windows}
when: >-
  {when}
alert:
  subject: {by}
  text: Cash of {{day.total}} in one day.
deadline: {{{deadline}, cite: A law}}
approval: {{by: A person, on: 2026-01-01, record: CR-{number}}}
tests:
  - name: a table that is not run
    start: 2026-05-04
    table: |
      at  customer  direction  amount  expect
      0h  C1        credit     1.00    .
      1h  C1        credit     1.00    alert
"""
_PARAMETER = """\
  {name}:
    unit: {unit}
    meaning: The limit of the law.
    values: [{{from: 2011-03-01, value: {value}, cite: A law}}]"""
_WINDOW = """\
  {name}:
    over: {over}
    by: {by}
    currency: {currency}
    where: channel == "cash" and direction == "{direction}"
    measures: {{total: sum(amount)}}"""


def _us(number: str, direction: str) -> str:
    return _RULE.format(
        number=number, title=f"Cash {direction} above 10 000 USD in one business day", country="US", by="person",
        codes='fincen_sar: "9999"', parameters=_PARAMETER.format(name="limit", unit="USD", value="10000.00"),
        windows=_WINDOW.format(name="day", over="day", by="person", currency="USD", direction=direction),
        when=f'channel == "cash" and direction == "{direction}" and day.total > limit',
        deadline="days: 15, kind: calendar, after: period",
    )  # fmt: skip


def _cn(number: str, direction: str) -> str:
    limits = [_PARAMETER.format(name="limit_cny", unit="CNY", value="50000.00"),
              _PARAMETER.format(name="limit_usd", unit="USD", value="10000.00")]  # fmt: skip
    windows = [_WINDOW.format(name=name, over="date", by="customer", currency=currency, direction=direction)
               for name, currency in (("day", "CNY"), ("day_usd", "USD"))]  # fmt: skip
    return _RULE.format(
        number=number, title=f"Cash {direction} of 50 000 CNY or 10 000 USD in one day", country="CN", by="customer",
        codes="pbc_crcd: ['0501']", parameters="\n".join(limits), windows="\n".join(windows),
        when=f'channel == "cash" and direction == "{direction}" '
        "and (day.total >= limit_cny or day_usd.total >= limit_usd)",
        deadline="days: 5, kind: business",
    )  # fmt: skip


RULES = {"us_in": _us("901", "credit"), "us_out": _us("902", "debit"),
         "cn_in": _cn("950", "credit"), "cn_out": _cn("951", "debit")}  # fmt: skip
ENTITIES = """\
default: NY
entities:
  NY: {country: US, zone: America/New_York, cut_off: "17:00", weekend: [sat, sun], holidays: [2026-05-25]}
  BJ: {country: CN, zone: Asia/Shanghai, weekend: [sat, sun], holidays: [2026-05-01]}
"""
RATES = """\
published_at,source,target,rate
2026-03-02T08:00:00Z,USD,CNY,7.00
2026-05-05T08:00:00Z,USD,CNY,6.90
2026-03-02T08:00:00Z,EUR,USD,1.10
2026-03-02T08:00:00Z,EUR,CNY,7.70
"""


def cash(n: int, at: str, amount: str, **more: Any) -> dict[str, Any]:
    """A cash deposit of C1 in New York; ``direction="debit"`` makes it a withdrawal."""
    given = {"customer": "C1", "currency": "USD", "entity": "NY", "direction": "credit", "channel": "cash"} | more
    ours = "creditor" if given["direction"] == "credit" else "debtor"
    record = {
        "transaction_id": given.get("id", f"T{n}"), "booked_at": at, "status": given.get("status", "booked"),
        "amount": amount, "currency": given["currency"], "channel": given["channel"],
        "booking_entity": given["entity"], f"{ours}_account": f"A-{given['customer']}",
        f"{ours}_customer": given["customer"],
    }  # fmt: skip
    optional = ("conductor", "on_behalf_of", "branch", "reverses")
    return record | {name: given[name] for name in optional if name in given}


@dataclass(slots=True)
class CashBank:
    """A store in a folder, and the files that a run over it is given."""

    folder: Path
    more_rates: str = ""
    runs: int = field(default=0)

    def __post_init__(self) -> None:
        rules = self.folder / "rules" / "large_cash"
        rules.mkdir(parents=True, exist_ok=True)
        for name, text in RULES.items():
            (rules / f"{name}.yaml").write_text(text)
        (self.folder / "entities.yaml").write_text(ENTITIES)
        (self.folder / "rates.csv").write_text(RATES + self.more_rates)

    @property
    def db(self) -> Path:
        return self.folder / "bank.db"

    def inputs(self) -> GivenInputs:
        return GivenInputs((self.folder / "rules",), (), self.folder / "rates.csv", self.folder / "entities.yaml")

    def run(self, records: list[dict[str, Any]], **more: Any) -> Progress:
        """Judge records as one file after what was judged before."""
        self.runs += 1
        path = self.folder / f"day{self.runs}.jsonl"
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
        return run(RunSettings((str(path),), self.db, inputs=self.inputs(), **more))
