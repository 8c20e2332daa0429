"""``aml evaluate`` prints, writes and refuses as its help says."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from monitor.app.evaluate.reading import read_stream
from monitor.cli import app
from monitor.domain.time import format_time
from tests.app.evaluate.labelled_streams import Plan, rows_of, written

RULES = Path(__file__).parents[1] / "bench" / "ten_rules" / "structuring"


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["evaluate", *arguments, "--rules", str(RULES)])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(rows_of(Plan(31, days=70, rows=700)), tmp_path_factory.mktemp("evaluate") / "bank.csv")


def test_the_figures_stand_with_seed_split_chance_and_interval(data: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    status, told, _ = run(str(data), "--only", "rules", "--seed", "7", "--out", str(page), "--json")
    assert status == 0
    found = json.loads(told)
    rows = rows_of(Plan(31, days=70, rows=700))
    scored = len({row["case_id"] for row in rows if row["case_id"] and row["ts"] >= "2025-03-28"})
    assert (found["seed"], found["track"], found["cases_scored"]) == (7, "U", scored)
    assert found["split"] == {"first": "2025-03-01", "thresholds": "2025-03-14", "scored": "2025-03-28",
                              "last_fifth": "2025-04-25", "last": "2025-05-09"}  # fmt: skip
    (method,) = found["methods"]
    assert [each["budget"] for each in method["at"]] == ["0.1 %", "0.5 %", "1 %", "20 a day"]
    for each in method["at"]:
        assert each["case_recall"].keys() >= {"found", "of", "interval", "chance"}
        assert each["conversion"].keys() >= {"found", "of", "interval", "chance"}
    text = page.read_text()
    assert "<script" not in text
    assert "http" not in text
    assert "<svg" in text
    for words in ("seed 7", "scored from 2025-03-28", "Chance is the mean of 20 seeded draws"):
        assert words in text


def test_the_terminal_shows_each_budget(data: Path) -> None:
    status, told, _ = run(str(data), "--only", "rules", "--budget", "0.02")
    assert status == 0
    for words in ("2 %: ", "0.1 %: ", "20 a day", "chance", "PR-AUC", "scored from 2025-03-28"):
        assert words in told


def test_what_learns_from_labels_alone_is_left_out_in_u_and_said_so(data: Path) -> None:
    status, told, _ = run(str(data), "--only", "row-boosting", "--json")
    assert status == 0
    assert json.loads(told)["methods"] == []
    assert json.loads(told)["left_out"][0].startswith("row-boosting: learns from labels alone")


def test_an_alerts_file_is_measured(data: Path, tmp_path: Path) -> None:
    stream = read_stream(data)
    bad = next(row for row in range(len(stream.rows)) if stream.case[row] >= 0 and stream.days[row] > stream.cut.scored)
    account, day = stream.accounts[stream.rows.source[bad]], int(stream.rows.time_us[bad])
    alerts = tmp_path / "alerts.jsonl"
    alerts.write_text(json.dumps({"subject": {"id": account}, "event_time": format_time(day), "score": 1}) + "\n")
    status, told, _ = run(str(data), "--alerts", str(alerts), "--json")
    assert status == 0
    at = json.loads(told)["methods"][0]["at"][0]
    assert (at["alerted"], at["conversion"]["found"], at["case_recall"]["found"]) == (1, 1, 1)


def test_mistakes_end_with_one_message_and_status_two(data: Path, tmp_path: Path) -> None:
    for arguments, words in (
        ([str(tmp_path / "none.csv")], "none.csv"),
        ([str(tmp_path)], "no labelled stream"),
        ([str(data), "--track", "X"], "--track X"),
        ([str(data), "--budget", "2"], "--budget 2"),
        ([str(data), "--only", "magic"], "no such method"),
    ):
        status, _, told = run(*arguments)
        assert status == 2
        assert words in told
        assert "Traceback" not in told
