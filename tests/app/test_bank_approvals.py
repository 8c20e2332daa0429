"""What the bank approves reaches analysts, is recorded with the run, and a mistake in one file takes down no other."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.adapters.sql.store import open_store
from monitor.app.embedded import RunSettings, run
from monitor.app.explaining import Explainer
from monitor.app.inputs import ApprovalsError, GivenInputs, load_inputs
from monitor.rulebook.approvals import with_entry
from monitor.rulebook.load import load_rule, shipped_rules
from tests.app.test_quiet_after_new_rules import write
from tests.rulebook.bad_rules import bad_rules

STR = shipped_rules() / "us" / "structuring" / "cash_below_reporting_threshold.yaml"


def overlay(folder: Path, *, by: str = "Ada", digest: str | None = None) -> Path:
    rule = load_rule(STR)
    path = folder / "bank.approvals.yaml"
    path.write_text(
        with_entry("", replace(rule, digest=digest or rule.digest), by=by, on="2026-11-24", record="CR-7"),
        encoding="utf-8",
    )
    return path


def settings(folder: Path, payments: Path, approvals: Path | None, *, resume: bool = False) -> RunSettings:
    inputs = GivenInputs((STR,), (shipped_rules(),), approvals=approvals)
    return RunSettings(
        (str(payments),), folder / "bank.db", inputs=inputs, alerts=folder / "alerts.jsonl", resume=resume
    )


def statuses(folder: Path) -> list[str]:
    return [json.loads(line)["status"] for line in (folder / "alerts.jsonl").read_text().splitlines()]


def test_an_approved_rule_alerts_and_the_explanation_names_who_approved_it(tmp_path: Path) -> None:
    payments = write(tmp_path / "early.jsonl", [1, 2, 3])
    done = run(settings(tmp_path, payments, overlay(tmp_path)))
    assert (done.rule_errors, done.examples) == ([], [])
    assert statuses(tmp_path) == ["new", "quiet"]
    with open_store(tmp_path / "bank.db") as store:
        noted = {(each.kind, each.name): each for each in store.inputs("embedded")}
    assert noted["approvals", "overlay"].content is not None
    with Explainer(tmp_path / "bank.db") as explainer:
        [first, _] = explainer.store.alert_ids("A-", limit=10)
        explained = explainer.explain(first)
    assert explained.rule is not None
    assert explained.rule.approval is not None
    assert (explained.rule.approval.by, explained.rule.approval.record) == ("Ada", "CR-7")
    assert explained.is_same


def test_without_the_overlay_the_rule_runs_in_shadow_and_a_later_run_may_leave_it_out(tmp_path: Path) -> None:
    run(settings(tmp_path, write(tmp_path / "early.jsonl", [1, 2, 3]), overlay(tmp_path)))
    done = run(settings(tmp_path, write(tmp_path / "late.jsonl", [4, 5]), None))
    assert done.examples == ["AML-STR-001"]
    assert set(statuses(tmp_path)) == {"shadow"}
    with open_store(tmp_path / "bank.db") as store:
        last = [each for each in store.inputs("embedded") if (each.kind, each.name) == ("approvals", "overlay")][-1]
    assert last.digest == ""


def test_an_approval_for_another_digest_is_refused_and_the_rule_runs_in_shadow(tmp_path: Path) -> None:
    payments = write(tmp_path / "early.jsonl", [1, 2, 3])
    done = run(settings(tmp_path, payments, overlay(tmp_path, digest="cd" * 32)))
    assert len(done.rule_errors) == 1
    assert "The rule has changed since" in done.rule_errors[0]
    assert set(statuses(tmp_path)) == {"shadow"}


def test_a_stopped_run_goes_on_under_the_approvals_given_now(tmp_path: Path) -> None:
    payments = write(tmp_path / "early.jsonl", list(range(1, 24)))
    seen: list[int] = []

    def stop(progress: object) -> bool:
        seen.append(1)
        return len(seen) < 2

    assert run(settings(tmp_path, payments, overlay(tmp_path)), stop).is_stopped
    done = run(settings(tmp_path, payments, overlay(tmp_path, by="Bea"), resume=True))
    assert not done.is_stopped
    assert done.records == 23


def test_approvals_that_cannot_be_read_stop_the_run_before_it_starts(tmp_path: Path) -> None:
    (tmp_path / "approvals.yaml").write_text("approvals: {", encoding="utf-8")
    with pytest.raises(ApprovalsError, match="not YAML"):
        load_inputs(GivenInputs((STR,), (shipped_rules(),), approvals=tmp_path / "approvals.yaml"))
    with pytest.raises(FileNotFoundError):
        load_inputs(GivenInputs((STR,), (shipped_rules(),), approvals=tmp_path / "gone.yaml"))


def test_bad_rule_files_never_take_down_a_run(tmp_path: Path) -> None:
    folder = tmp_path / "rules" / "us" / "structuring"
    folder.mkdir(parents=True)
    bad = bad_rules()
    for number, text in enumerate(bad.values()):
        (folder / f"bad_{number}.yaml").write_text(text, encoding="utf-8")
    (folder / "not_text.yaml").write_bytes(b"id: \xff\xfe")
    (folder / "shipped.yaml").write_text(STR.read_text(encoding="utf-8"), encoding="utf-8")
    inputs = GivenInputs((tmp_path / "rules",), (shipped_rules(),), approvals=overlay(tmp_path))
    payments = write(tmp_path / "early.jsonl", [1, 2, 3])
    done = run(RunSettings((str(payments),), tmp_path / "bank.db", inputs=inputs, alerts=tmp_path / "alerts.jsonl"))
    assert len(done.rule_errors) == len(bad) + 1 > 90
    assert statuses(tmp_path) == ["new", "quiet"]
