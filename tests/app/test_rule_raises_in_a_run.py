"""A rule that raises ends no run: its alerts are stored with a mark, and the run says so at its end."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from rich.console import Console

from monitor.adapters.sql.schema import alerts
from monitor.adapters.sql.store import open_store
from monitor.app.embedded import Progress, RunSettings, run
from monitor.app.inputs import GivenInputs
from monitor.cli.run import print_summary
from monitor.engine.rule_errors import RULE_RAISED
from monitor.engine.views import RuleView
from tests.app.embedded_stores import KEY
from tests.app.rough_bank import RULES, rule_text
from tests.app.test_run_counts import good


def run_of(folder: Path) -> tuple[Progress, list[dict[str, Any]]]:
    """A run of some payments through one rule, and the evidence of its alerts."""
    (folder / "behaviour").mkdir(parents=True)
    (folder / "behaviour" / "rule.yaml").write_text(rule_text(1, RULES[0]))
    (folder / "in.jsonl").write_text(
        "".join(json.dumps(good(number, amount="900.00")) + "\n" for number in range(1, 13))
    )
    inputs = GivenInputs((folder / "behaviour",), approve_examples=True)
    done = run(RunSettings((str(folder / "in.jsonl"),), folder / "bank.db", inputs=inputs))
    with open_store(folder / "bank.db") as store, store.reading() as connection:
        query = sa.select(alerts.c.evidence).order_by(alerts.c.position)
        return done, [json.loads(each) for each in connection.execute(query).scalars()]


def test_a_rule_that_raises_ends_no_run_and_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AML_TOKEN_KEY", KEY)
    sound, expected = run_of(tmp_path / "sound")

    def broken(*_: object) -> str:
        raise ZeroDivisionError("4111 1111 1111 1111")

    monkeypatch.setattr(RuleView, "sentence", broken)
    done, found = run_of(tmp_path / "broken")
    assert len(found) == len(expected) > 0
    assert [(each["subject"], each["position"]) for each in found] == [
        (each["subject"], each["position"]) for each in expected
    ]
    assert all(RULE_RAISED in each["marks"] for each in found)
    (name,) = {each["source"]["id"] for each in found}
    assert (sound.counts[f"raised:{name}"], done.counts[f"raised:{name}"]) == (0, len(found))
    console = Console(file=io.StringIO(), width=400)
    print_summary(console, done, seconds=1.0, db=tmp_path / "bank.db")
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert f"{name} raised an error while {len(found)} of its alerts were made" in said
    assert "4111" not in said + json.dumps(found)
