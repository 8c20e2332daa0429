"""A run that was stopped goes on with the inputs it began with, or says which ones are others."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.adapters.sql.store import open_store
from monitor.app.embedded import RunError, RunSettings, run
from monitor.app.inputs import GivenInputs


def payments(path: Path, count: int) -> Path:
    """Payments of one customer, one a minute."""
    rows = [
        {
            "transaction_id": f"T{number}",
            "booked_at": f"2026-05-04T{number // 60:02d}:{number % 60:02d}:00Z",
            "debtor_customer": "C1",
            "debtor_account": "A1",
            "amount": "10.00",
            "currency": "USD",
        }
        for number in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def settings(folder: Path, *, resume: bool = False, approve_examples: bool = False) -> RunSettings:
    inputs = GivenInputs(approve_examples=approve_examples)
    return RunSettings((str(folder / "payments.jsonl"),), folder / "bank.db", inputs=inputs, resume=resume)


def stopped(folder: Path) -> None:
    """A run that is stopped after its first chunk, and so before the end of its input is known."""
    payments(folder / "payments.jsonl", 500)
    seen: list[int] = []

    def stop_after_the_first_chunk(progress: object) -> bool:
        seen.append(1)
        return len(seen) < 2

    assert run(settings(folder), stop_after_the_first_chunk).is_stopped


def test_resume_with_other_entities_is_refused_and_says_so(tmp_path: Path) -> None:
    stopped(tmp_path)
    entities = tmp_path / "entities.yaml"
    entities.write_text("default: OSLO\nentities: {OSLO: {country: NO, zone: Europe/Oslo}}\n")
    other = replace(settings(tmp_path, resume=True), inputs=GivenInputs(entities=entities))
    with pytest.raises(RunError, match="changed since: entities"):
        run(other)


def test_other_approvals_take_effect_where_the_run_goes_on_and_are_recorded_there(tmp_path: Path) -> None:
    stopped(tmp_path)
    with open_store(tmp_path / "bank.db") as store:
        position = store.position("embedded")
    assert position is not None
    run(settings(tmp_path, resume=True, approve_examples=True))
    with open_store(tmp_path / "bank.db") as store:
        noted = [each.position for each in store.inputs("embedded") if each.kind == "approvals"]
    assert noted == [0, position.log_position]


def test_resume_with_the_same_inputs_reaches_the_end(tmp_path: Path) -> None:
    stopped(tmp_path)
    done = run(settings(tmp_path, resume=True))
    assert (done.records, done.is_stopped) == (500, False)


def test_the_next_run_may_use_other_inputs(tmp_path: Path) -> None:
    stopped(tmp_path)
    run(settings(tmp_path, resume=True))
    (tmp_path / "more.jsonl").write_text(
        (tmp_path / "payments.jsonl").read_text().replace('"T', '"U').replace("2026-05-04", "2026-05-05")
    )
    more = RunSettings((str(tmp_path / "more.jsonl"),), tmp_path / "bank.db", inputs=GivenInputs(approve_examples=True))
    assert run(more).records == 1000
