"""A rule that is added to a store is not quiet because of alerts that nobody ever received."""

import json
from pathlib import Path

from monitor.app.embedded import RunSettings, run
from monitor.app.inputs import GivenInputs
from monitor.rulebook.load import shipped_rules

CASH = {
    "creditor_customer": "C1",
    "creditor_account": "A1",
    "amount": "9000.00",
    "currency": "USD",
    "channel": "cash",
}


def write(path: Path, hours: list[int]) -> Path:
    rows = [CASH | {"transaction_id": f"T{hour}", "booked_at": f"2026-05-04T{hour:02d}:00:00Z"} for hour in hours]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def statuses(folder: Path, payments: Path, rules: str) -> list[str]:
    inputs = GivenInputs((shipped_rules() / rules,), (shipped_rules(),), approve_examples=True)
    alerts = folder / "alerts.jsonl"
    run(RunSettings((str(payments),), folder / "bank.db", inputs=inputs, alerts=alerts))
    return [json.loads(line)["status"] for line in alerts.read_text().splitlines()]


def test_the_first_match_of_an_added_rule_is_new_although_its_windows_reach_back(tmp_path: Path) -> None:
    early, late = write(tmp_path / "early.jsonl", [1, 2, 3]), write(tmp_path / "late.jsonl", [4, 5])
    assert statuses(tmp_path, early, "general/corridor") == []
    assert statuses(tmp_path, late, "us/structuring") == ["new", "quiet"]


def test_a_rule_that_stays_keeps_its_quiet_period_when_others_are_added(tmp_path: Path) -> None:
    early, late = write(tmp_path / "early.jsonl", [1, 2, 3]), write(tmp_path / "late.jsonl", [4, 5])
    assert statuses(tmp_path, early, "us/structuring") == ["new", "quiet"]
    both = GivenInputs(
        (shipped_rules() / "us/structuring", shipped_rules() / "general/corridor"),
        (shipped_rules(),),
        approve_examples=True,
    )
    alerts = tmp_path / "later.jsonl"
    run(RunSettings((str(late),), tmp_path / "bank.db", inputs=both, alerts=alerts))
    assert [json.loads(line)["status"] for line in alerts.read_text().splitlines()] == ["quiet", "quiet"]
