"""A refused profile appears once in the quarantine, however often its file is given, and never as a payment."""

import json
from pathlib import Path

import pytest

from monitor.adapters.quarantine import Quarantine
from monitor.app.embedded import Progress, RunSettings, run
from monitor.app.inputs import GivenInputs
from tests.app.rough_bank import RULES, rule_text

GOOD = '{"customer":"C1","version":1,"recorded_at":"2026-01-01T00:00:00Z","kind":"person"}'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "behaviour").mkdir()
    (tmp_path / "behaviour" / "rule.yaml").write_text(rule_text(1, RULES[0]))
    (tmp_path / "profiles.jsonl").write_text(f"{GOOD}\n{{}}\n{GOOD}x\n")
    return tmp_path


def judge(folder: Path, day: int, *, resume: bool = False, chunks: int | None = None) -> Progress:
    """Run over the payment of a day and one that is refused."""
    payment = {
        "transaction_id": f"T{day}", "booked_at": f"2026-05-{day:02}T00:00:00Z", "creditor_customer": "C1",
        "creditor_account": "A1", "amount": "1.00", "currency": "USD",
    }  # fmt: skip
    path = folder / f"day{day}.jsonl"
    path.write_text(json.dumps(payment) + "\n" + json.dumps(payment | {"transaction_id": ""}) + "\n")
    left = [chunks]

    def is_wanted(progress: Progress) -> bool:
        if left[0] is None:
            return True
        left[0] -= 1
        return left[0] >= 0

    inputs = GivenInputs((folder / "behaviour",), approve_examples=True)
    return run(
        RunSettings((str(path),), folder / "b.db", inputs=inputs, profiles=folder / "profiles.jsonl", resume=resume),
        is_wanted,
    )


def refused(folder: Path) -> list[tuple[bool, str]]:
    quarantine = Quarantine(folder / "b.data")
    found = [(each.is_profile, each.refusal.original.decode()) for each in quarantine.read()]
    quarantine.close()
    return found


def test_the_same_profiles_file_given_again_adds_nothing(folder: Path):
    done = [judge(folder, day) for day in (1, 2, 3)]
    assert [line for is_profile, line in refused(folder) if is_profile] == ["{}", f"{GOOD}x"]
    assert [each.counts["profiles_refused"] for each in done] == [2, 2, 2]
    assert sum(not is_profile for is_profile, _ in refused(folder)) == done[-1].counts["refused"] == 3


def test_a_stopped_run_that_goes_on_adds_nothing(folder: Path):
    assert judge(folder, 1, chunks=0).is_stopped
    judge(folder, 1, resume=True)
    assert [line for is_profile, line in refused(folder) if is_profile] == ["{}", f"{GOOD}x"]


def test_a_changed_profiles_file_shows_its_own_refusals_and_the_former_one_given_back_none(folder: Path):
    judge(folder, 1)
    before = (folder / "profiles.jsonl").read_text()
    (folder / "profiles.jsonl").write_text(f"{GOOD}\n[]\n")
    judge(folder, 2)
    (folder / "profiles.jsonl").write_text(before)
    judge(folder, 3)
    assert [line for is_profile, line in refused(folder) if is_profile] == ["{}", f"{GOOD}x", "[]"]


def test_a_retry_writes_payments_and_a_profile_of_the_same_position_hides_none(folder: Path):
    judge(folder, 1)
    quarantine = Quarantine(folder / "b.data")
    positions = [(each.is_profile, each.refusal.position) for each in quarantine.read()]
    assert positions == [(True, 1), (True, 2), (False, 1)]
    written = quarantine.retry(folder / "again.jsonl", retried_at="2026-05-04T00:00:00Z")
    assert written == {folder / "again.jsonl": 1}
    assert json.loads((folder / "again.jsonl").read_text())["transaction_id"] == ""
    assert [each.retried_to is not None for each in quarantine.read()] == [False, False, True]
