"""A bank on disk of whose customers one passes money on in a burst, for runs with anomaly models."""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from monitor.adapters.sql.store import open_store
from monitor.app.embedded import Progress, RunSettings, run
from monitor.app.inputs import GivenInputs
from monitor.domain.time import format_time
from monitor.rulebook.load import shipped_rules
from tests.app.embedded_stores import Source
from tests.engine.payment_columns import SEGMENTS, START_US, payments

MULE = "C200"
RULES = shipped_rules() / "general" / "pass_through"


@dataclass(frozen=True, slots=True)
class BurstingBank:
    """Two files of payments, one after the other, and where the burst lies in them."""

    folder: Path
    files: tuple[str, str]
    burst: tuple[int, ...]

    @property
    def db(self) -> Path:
        return self.folder / "bank.db"

    def run(self, models: str, files: tuple[str, ...] | None = None, **more: Any) -> Progress:
        """Run with the models in a mode."""
        inputs = GivenInputs((RULES,), (shipped_rules(),), approve_examples=True, models=models)
        return run(
            RunSettings(
                files or self.files,
                self.db,
                inputs=inputs,
                profiles=self.folder / "profiles.jsonl",
                alerts=self.folder / "alerts.jsonl",
                **more,
            )
        )

    def alerts(self) -> list[dict[str, Any]]:
        """The evidence of all alerts of the models, in the order of the log."""
        with open_store(self.db) as store:
            evidence = [store.evidence(each) for each in store.alert_ids(limit=100_000)]
        found = [each for each in evidence if each is not None and each["source"]["kind"] == "model"]
        return sorted(found, key=lambda each: int(each["position"]))

    def copied(self, folder: Path) -> "BurstingBank":
        """The same bank and store in another folder."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return replace(self, folder=folder, files=tuple(str(folder / Path(each).name) for each in self.files))  # type: ignore[arg-type]


def bursting_bank(folder: Path, *, seed: int = 3) -> BurstingBank:
    """Write the payments, cut in the middle of the burst, and profiles."""
    stream = payments(seed)
    text, batch, lines = stream.identifiers.texts, stream.batch, []
    for row in range(len(batch)):
        sides = {}
        for side in ("debtor", "creditor"):
            sides[f"{side}_customer"] = text[int(getattr(batch, f"{side}_holder")[row])][1]
            sides[f"{side}_account"] = text[int(getattr(batch, f"{side}_account")[row])][1]
        amount = f"{int(batch.amount_minor[row]) / 100:.2f}"
        lines.append({"transaction_id": f"T{row}", "booked_at": format_time(int(batch.booked_at_us[row])),
                      "amount": amount, "currency": "USD", "channel": "transfer", **sides})  # fmt: skip
    cut = stream.burst[len(stream.burst) // 2] + 1
    files = (folder / "first.jsonl", folder / "second.jsonl")
    for path, part in zip(files, (lines[:cut], lines[cut:]), strict=True):
        path.write_text("".join(json.dumps(line) + "\n" for line in part))
    profiles = [
        {"customer": f"C{number}", "version": 1, "recorded_at": format_time(START_US - 1_000_000),
         "kind": "person", "risk_rating": "low", "segment": SEGMENTS[number % 2]}
        for number in range(201)
    ]  # fmt: skip
    (folder / "profiles.jsonl").write_text("".join(json.dumps(line) + "\n" for line in profiles))
    return BurstingBank(folder, (str(files[0]), str(files[1])), stream.burst)


def as_source(bank: BurstingBank) -> Source:
    """The bank for runs in child processes: both files as one, with one entity and no rates."""
    payments_file = bank.folder / "all.jsonl"
    payments_file.write_text("".join(Path(each).read_text() for each in bank.files))
    rates, entities = bank.folder / "rates.csv", bank.folder / "entities.yaml"
    rates.write_text("published_at,source,target,rate\n2025-12-31T00:00:00Z,EUR,USD,1.1\n")
    entities.write_text("default: BANK\nentities:\n  BANK: {country: US, zone: UTC}\n")
    return Source(payments_file, bank.folder / "profiles.jsonl", rates, entities)
