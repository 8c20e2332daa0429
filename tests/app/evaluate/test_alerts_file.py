"""Alerts that are written and read again give the same figures."""

import json
from pathlib import Path

import numpy as np
import pytest

from monitor.app.evaluate.alerts_file import read_alerts, write_alerts
from monitor.app.evaluate.measures import Judge
from monitor.app.evaluate.problem import EvaluateError
from monitor.app.evaluate.running import Passed
from monitor.app.evaluate.truth import Truth
from tests.app.evaluate.labelled_streams import Plan, stream_of


@pytest.mark.parametrize("by_day", [False, True])
def test_written_alerts_measure_like_the_scores_they_come_from(by_day: bool, tmp_path: Path) -> None:
    stream = stream_of(Plan(21, rows=2_000, by_day=by_day), tmp_path)
    judge = Judge(Truth.of(stream))
    scores = np.random.default_rng(21).random((len(stream.rows), 2))
    lines = write_alerts(tmp_path / "alerts.jsonl", judge.truth, Passed("random", scores, None))
    assert lines == int(0.05 * len(judge.truth.days)) > 20
    again = read_alerts(tmp_path / "alerts.jsonl", stream)
    for budget in (0.001, 0.01, 0.05):
        one, other = judge.at_budget(scores, budget), judge.at_budget(again.score, budget)
        assert (one.recall, one.conversion) == (other.recall, other.conversion)
        assert one.delays == other.delays


def test_alerts_in_shadow_do_not_count(tmp_path: Path) -> None:
    stream = stream_of(Plan(22), tmp_path)
    path = tmp_path / "alerts.jsonl"
    alert = {"event_time": "2025-04-15T23:59:59Z", "score": 0.5, "status": "new"}
    account = stream.accounts[stream.rows.source[stream.first_row_of_day(int(np.datetime64("2025-04-15").astype(int)))]]
    for status, count in (("shadow", 0), ("quiet", 1)):
        path.write_text(json.dumps(alert | {"status": status, "subject": {"kind": "account", "id": account}}) + "\n")
        assert np.isfinite(read_alerts(path, stream).score).sum() == count


def test_a_line_that_is_no_alert_is_named(tmp_path: Path) -> None:
    stream = stream_of(Plan(23), tmp_path)
    path = tmp_path / "alerts.jsonl"
    path.write_text('{"event_time": "2025-04-15T23:59:59Z", "subject": {"id": "A1"}, "score": 1}\n{"score": 2}\n')
    with pytest.raises(EvaluateError, match=r"alerts.jsonl:2: no alert"):
        read_alerts(path, stream)
