"""A simulated bank that was run into a store, with some cases decided, for the tests of back-tests."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import sqlalchemy as sa

from monitor.adapters.sql.desk import look, move
from monitor.adapters.sql.schema import alerts, case_alerts
from monitor.adapters.sql.store import CaseStore, open_store
from monitor.app.backtest.history import FileHistory, GivenHistory, StoreHistory, open_history
from monitor.app.embedded import RunSettings, run
from monitor.app.inputs import GivenInputs
from monitor.app.simulate import simulate
from monitor.casework.lifecycle import Request
from monitor.casework.reasons import CLOSE_REASONS
from monitor.domain.case import Actor
from monitor.rulebook.load import shipped_rules

ANN, BEN = Actor("ann", "analyst"), Actor("ben", "senior")


@dataclass(frozen=True)
class Bank:
    """A folder with the simulated files, and ``bank.db`` where it was run."""

    folder: Path

    @property
    def db(self) -> Path:
        return self.folder / "bank.db"

    @property
    def payments(self) -> Path:
        return self.folder / "transactions.jsonl"

    @property
    def profiles(self) -> Path:
        return self.folder / "profiles.jsonl"

    def inputs(self, *rules: Path, rates: str = "rates.csv", entities: bool = True) -> GivenInputs:
        named = self.folder / "entities.yaml" if entities else None
        return GivenInputs(rules, (), self.folder / rates, named, True)

    def run(self, *files: Path, inputs: GivenInputs | None = None, db: Path | None = None) -> None:
        given = inputs or self.inputs()
        run(RunSettings(tuple(map(str, files or (self.payments,))), db or self.db, inputs=given,
                        profiles=self.profiles))  # fmt: skip

    def store_history(self, db: Path | None = None) -> StoreHistory:
        history = open_history(GivenHistory(db or self.db))
        assert isinstance(history, StoreHistory)
        return history

    def file_history(self, name: str = "transactions.jsonl") -> FileHistory:
        history = open_history(GivenHistory(self.folder / name, self.inputs(), self.profiles))
        assert isinstance(history, FileHistory)
        return history

    def copy(self, folder: Path) -> "Bank":
        """The same bank and store in another folder."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return Bank(folder)


def simulated_bank(folder: Path, *, customers: int = 400, days: int = 45, seed: int = 5) -> Bank:
    """Simulate a bank; it is not run yet."""
    simulate(customers=customers, days=days, seed=seed, start=date(2026, 3, 2), out=folder, file_format="both")
    return Bank(folder)


def rules_with(folder: Path, changes: Mapping[str, tuple[str, str]]) -> Path:
    """The shipped rules in a folder, with a text exchanged in some files (by a part of their path)."""
    shutil.copytree(shipped_rules(), folder, ignore=shutil.ignore_patterns("__pycache__", "*.py"))
    for name, (old, new) in changes.items():
        (path,) = [path for path in folder.rglob("*.yaml") if name in path.read_text().splitlines()[0]]
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
    return folder


def alerted(store: CaseStore, rule: str) -> list[tuple[str, str]]:
    """(case, alert) of the new alerts of a rule that joined a case, in the order of the log."""
    query = (
        sa.select(case_alerts.c.case_id, alerts.c.alert_id)
        .join_from(alerts, case_alerts, alerts.c.alert_id == case_alerts.c.alert_id)
        .where(alerts.c.source_id == rule, alerts.c.status == "new")
        .order_by(alerts.c.position)
    )
    with store.reading() as connection:
        return [(row.case_id, row.alert_id) for row in connection.execute(query)]


def decide(store: CaseStore, case: str, outcome: str, *, approve: bool = True, duplicate_of: str | None = None) -> None:
    """Decide a case as people would: look, close; a second person approves where one is needed."""
    at_us = 2_000_000_000_000_000
    reason = next(iter(CLOSE_REASONS[outcome]))
    for actor, name in ((ANN, "close"), (BEN, "approve")):
        look(store, case, viewer=actor.name, at_us=at_us, recorded_at_us=at_us, chain="access:test")
        request = Request(
            name, actor, at_us, note="Checked.", reason=reason, outcome=outcome, duplicate_of=duplicate_of
        )
        state = move(store, case, request, recorded_at_us=at_us).state
        if state != "pending_approval" or not approve:
            return


def decide_some(bank: Bank, outcomes: Mapping[str, str]) -> None:
    """Decide cases by id."""
    with open_store(bank.db) as store:
        for case, outcome in outcomes.items():
            decide(store, case, outcome)
