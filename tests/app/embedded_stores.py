"""Simulated streams on disk, runs over them in this process or in a child, and what of two stores must be equal."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor.adapters.sql.store import open_store
from monitor.app.embedded import Progress, RunSettings, run
from monitor.app.inputs import GivenInputs
from monitor.domain.vocabulary import MODELS_OFF

KEY = "07" * 32
ENVIRONMENT = os.environ | {"AML_TOKEN_KEY": KEY}
ROOT = Path(__file__).resolve().parents[2]
CHILD = Path(__file__).with_name("child_run.py")


@dataclass(frozen=True, slots=True)
class Source:
    """A simulated bank on disk."""

    payments: Path
    profiles: Path
    rates: Path
    entities: Path

    def inputs(self) -> GivenInputs:
        return GivenInputs(rates=self.rates, entities=self.entities, approve_examples=True)


def simulated(folder: Path, *, customers: int = 150, days: int = 45, seed: int = 1) -> Source:
    """Simulate a bank into ``folder``."""
    subprocess.run(
        [sys.executable, "-m", "monitor", "simulate", "--customers", str(customers), "--days", str(days), "--seed",
         str(seed), "--out", str(folder)],
        check=True, cwd=ROOT, capture_output=True,
    )  # fmt: skip
    return Source(
        folder / "transactions.jsonl", folder / "profiles.jsonl", folder / "rates.csv", folder / "entities.yaml"
    )  # fmt: skip


def settings(source: Source, folder: Path, **more: Any) -> RunSettings:
    """Settings of a run whose store lies in ``folder``."""
    given: dict[str, Any] = {
        "files": (str(source.payments),), "db": folder / "bank.db", "profiles": source.profiles,
        "alerts": folder / "alerts.jsonl", "inputs": source.inputs(),
    }  # fmt: skip
    return RunSettings(**(given | more))


def run_here(source: Source, folder: Path, **more: Any) -> Progress:
    """A run in this process."""
    folder.mkdir(parents=True, exist_ok=True)
    return run(settings(source, folder, **more))


def start_child(
    source: Source,
    folder: Path,
    *,
    snapshot: int = 3_000,
    kill_at: int | None = None,
    kill_going_at: int | None = None,
    stdin: int | None = None,
    reload: int | None = None,
    kill_after_reload: int | None = None,
    models: str = MODELS_OFF,
) -> "subprocess.Popen[str]":
    """Start a run in a child process; its standard output says ``going`` when it begins to read."""
    folder.mkdir(parents=True, exist_ok=True)
    given: dict[str, Any] = {
        "files": [str(source.payments)], "db": str(folder / "bank.db"), "profiles": str(source.profiles),
        "alerts": str(folder / "alerts.jsonl"), "commit_records": 1, "snapshot_records": snapshot,
        "chunk_bytes": 60_000, "rates": str(source.rates), "entities": str(source.entities),
        "models": models,
    }  # fmt: skip
    if reload is not None:
        given |= {"reload": reload, "kill_after_reload": kill_after_reload}
    if kill_at is not None:
        given["kill_at"] = kill_at
    if kill_going_at is not None:
        given["kill_going_at"] = kill_going_at
    path = folder / "settings.json"
    path.write_text(json.dumps(given))
    return subprocess.Popen(
        [sys.executable, str(CHILD), str(path)], cwd=ROOT, env=ENVIRONMENT, text=True, stdin=stdin,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def result(folder: Path) -> dict[str, Any]:
    """Everything that must be equal for two runs over one stream, whatever befell them."""
    with open_store(folder / "bank.db") as store:
        position = store.position("embedded")
        assert position is not None
        assert store.verify().findings == ()
        return {
            "store": store.fingerprint(),
            "counters": store.counters("embedded"),
            "position": (position.file, position.offset, position.log_position, position.clock_us, position.finished),
            "alerts": (folder / "alerts.jsonl").read_bytes(),
        }
