"""A stream of cash deposits in small chunks, and a run over it during which somebody changes rules, lists or orders."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from monitor.adapters.sql.orders import give
from monitor.adapters.sql.schema import journal
from monitor.adapters.sql.store import open_store
from monitor.app.embedded import Progress, RunSettings, run
from monitor.app.inputs import GivenInputs
from monitor.casework.breaker import BreakerSettings
from monitor.casework.orders import Order
from monitor.casework.position import LogInput
from monitor.domain.time import HOUR_US, format_time, parse_time_us
from monitor.intake.lines import read_lines

START_US = parse_time_us("2026-05-04T00:00:00Z")
RULE = """\
id: AML-CSH-{number:03}
title: Cash of {number}
typology: cash
kind: {kind}
{deadline}status: active
version: {version}
severity: medium
jurisdictions: [any]
owner: The cash desk
description: A rule of a test.
references: [{{cite: A book, says: It says so., read: 2026-01-01}}]
false_positives: [A shop has many. Ask for its books.]
blind_spots: [What is not paid.]
codes: {{fincen_sar: 114, goaml_indicator: CASH, pbc_stcr: AMLCSH{number:03}, pbc_crcd: "0501"}}
parameters:
  few:
    unit: count
    meaning: A number.
    values: [{{from: 2026-01-01, value: {few}, cite: CR-9}}]
windows:
  w:
    over: {over}
    by: customer
    currency: USD
    measures: {{n: count(), total: sum(amount)}}
when: >-
  {when}
alert:
  subject: customer
{quiet}  text: >-
    {{w.n}} deposits of {{w.total}}.
approval: {{by: A person, on: 2026-01-01, record: CR-1}}
tests:
  - name: a table that is not run
    start: 2026-05-04
    table: |
      at  customer  direction  amount  expect
      0h  C1        credit     1.00    .
      1h  C1        credit     1.00    alert
"""


def rule_text(number: int, **changes: Any) -> str:
    """A rule that counts deposits."""
    given = {"kind": "suspicion", "version": 1, "few": 2, "over": "20d", "when": "w.n >= few", "quiet": "0h"} | changes
    is_obligation = given["kind"] == "obligation"
    quiet = "" if is_obligation else f"  quiet: {given['quiet']}\n"
    deadline = "deadline: {days: 15, kind: calendar, after: period, cite: A law}\n" if is_obligation else ""
    return RULE.format(number=number, **(given | {"quiet": quiet, "deadline": deadline}))


@dataclass
class ChangingBank:
    """One store, its rules and its payments; ``at[n]`` is done when ``n`` records have been read."""

    folder: Path
    at: dict[int, Callable[[], None]] = field(default_factory=dict)
    breaker: BreakerSettings = field(default_factory=BreakerSettings)
    messages: list[str] = field(default_factory=list)
    stop_at: int | None = None

    def __post_init__(self) -> None:
        (self.folder / "rules" / "cash").mkdir(parents=True)
        (self.folder / "rules" / "lists").mkdir()

    @property
    def db(self) -> Path:
        return self.folder / "bank.db"

    def rule(self, number: int, **changes: Any) -> Path:
        """Write a rule file."""
        path = self.folder / "rules" / "cash" / f"cash_{number}.yaml"
        path.write_text(rule_text(number, **changes))
        return path

    def watched(self, version: int, *words: str) -> None:
        """Write the named list."""
        (self.folder / "rules" / "lists" / "watched.yaml").write_text(
            f"name: watched\nversion: {version}\nas_of: 2026-01-01\nvocabulary: country\nsource: a test\n"
            f"words: [{', '.join(words)}]\n"
        )

    def payments(self, count: int, *, name: str = "payments", first: int = 0, customers: int = 2) -> Path:
        """Deposits, one every six hours, by turns of the customers, from Germany and Iran by turns of three."""
        rows = [
            {
                "transaction_id": f"T{n}", "booked_at": format_time(START_US + 6 * n * HOUR_US),
                "creditor_customer": f"C{n % customers}", "creditor_account": f"A{n % customers}",
                "debtor_account": "X1", "debtor_country": "IR" if n % 3 == 0 else "DE", "amount": "100.00",
                "currency": "USD", "channel": "cash",
            }
            for n in range(first, first + count)
        ]  # fmt: skip
        path = self.folder / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    def run(self, path: Path, **changes: Any) -> Progress:
        """Judge a file, record by record, with the changes of ``at`` in between."""
        given: dict[str, Any] = {
            "files": (str(path),), "db": self.db, "alerts": self.folder / "alerts.jsonl", "watch_seconds": 0,
            "inputs": GivenInputs((self.folder / "rules",), breaker=self.breaker), "commit_records": 1,
        }  # fmt: skip
        done: set[int] = set()

        def follow(progress: Progress) -> bool:
            self.messages += progress.messages
            progress.messages.clear()
            if progress.records in self.at and progress.records not in done:
                done.add(progress.records)
                self.at[progress.records]()
            return progress.records != self.stop_at

        return run(RunSettings(**(given | changes)), follow)

    def order(self, order: Order) -> None:
        """Give an order, as the command line does."""
        with open_store(self.db) as store:
            give(store, order, recorded_at_us=order.at_us)

    def lines(self) -> list[dict[str, Any]]:
        """The alerts of the last run."""
        return [json.loads(line) for line in (self.folder / "alerts.jsonl").read_text().splitlines()]

    def inputs(self, kind: str) -> list[LogInput]:
        """What the log recorded of a kind."""
        with open_store(self.db) as store:
            return [each for each in store.inputs("embedded") if each.kind == kind]

    def entries(self, action: str) -> list[dict[str, Any]]:
        """The journal's entries of an action."""
        with open_store(self.db) as store, store.reading() as connection:
            assert store.verify().findings == ()
            query = (
                sa.select(journal.c.payload).where(journal.c.action == action).order_by(journal.c.chain, journal.c.seq)
            )
            return [json.loads(payload) for payload in connection.execute(query).scalars()]


def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """One record a chunk."""
    monkeypatch.setitem(read_lines.__kwdefaults__, "chunk_bytes", 230)
