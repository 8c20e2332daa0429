"""Many streams and tracks are measured one after the other, each by itself."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from monitor.app.evaluate.evaluation import EvaluateRequest, Evaluation
from monitor.cli import app
from monitor.cli.evaluate_all import SOME_FAILED, evaluate_all
from tests.app.evaluate.labelled_streams import Plan, rows_of, written


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["evaluate", *arguments, "--only", "models"])
    return result.exit_code, result.stdout, result.stderr


def names_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def streams(tmp_path: Path) -> Path:
    """Two streams, one of them a folder deeper, and a file that is none."""
    folder = tmp_path / "streams"
    (folder / "deep").mkdir(parents=True)
    written(rows_of(Plan(32, days=40)), folder / "one_tx.csv")
    (folder / "one_parties.csv").write_text("account\nA1\n")
    written(rows_of(Plan(33, days=40)), folder / "deep" / "two.csv.gz")
    (folder / "other.csv").write_text("a,b\n1,2\n")
    return folder


def test_every_stream_below_a_folder_is_measured_on_every_track(streams: Path, tmp_path: Path) -> None:
    out, alerts = tmp_path / "out", tmp_path / "alerts"
    status, told, log = run(
        str(streams), "--track", "U", "--track", "S", "--json", "--out", str(out), "--alerts-out", str(alerts)
    )
    assert status == 0, log
    wanted = ["deep-two-S", "deep-two-U", "one_tx-S", "one_tx-U"]
    assert names_in(out) == [f"{name}.{ending}" for name in wanted for ending in ("html", "json")]
    assert names_in(alerts) == [f"{name}/models.jsonl" for name in wanted]
    assert [json.loads(line)["track"] for line in told.splitlines()] == ["U", "U", "S", "S"]
    assert "passed over: other.csv\n" in log
    for number, name in enumerate(("deep-two-U", "one_tx-U", "deep-two-S", "one_tx-S"), 1):
        assert f"{number} of 4: {name}" in log
    assert log.count("  models: 9") == 4
    assert "4 of 4 are there" in log


def test_a_stream_that_fails_is_named_and_takes_no_other_with_it(streams: Path, tmp_path: Path) -> None:
    written(rows_of(Plan(34, days=8)), streams / "deep" / "broken.csv")
    status, _, log = run(str(streams), "--out", str(tmp_path / "out"))
    assert status == SOME_FAILED
    assert names_in(tmp_path / "out") == [f"{name}.{ending}" for name in ("deep-two-U", "one_tx-U")
                                          for ending in ("html", "json")]  # fmt: skip
    assert "2 of 3 are there" in log
    assert "not measured: deep-broken-U" in log.splitlines()[-1]
    assert "at least 10 days" in log.splitlines()[-1]
    assert "Traceback" not in log


def test_a_mistake_of_ours_in_one_shows_its_trace_and_the_next_is_measured(
    streams: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = []

    def show(found: Evaluation, page: Path | None) -> None:
        if not shown:
            shown.append("broken")
            raise ZeroDivisionError("of our own")
        shown.append(found.stream.name)

    places = [streams / "deep" / "two.csv.gz", streams / "one_tx.csv"]
    requests = [EvaluateRequest(place, only=("models",)) for place in places]
    status = evaluate_all(streams, requests, None, show=show, show_kept=lambda figures: None)
    assert (status, shown) == (SOME_FAILED, ["broken", str(places[1])])
    log = capsys.readouterr().err
    assert "Traceback" in log
    assert log.splitlines()[-1] == "not measured: deep-two-U: of our own"


def test_where_none_can_be_measured_the_status_is_two(streams: Path) -> None:
    status, _, log = run(str(streams), "--budget", "2")
    assert status == 2
    assert log.count("--budget 2") == 4
    assert "Traceback" not in log


def test_what_did_not_change_is_not_measured_again(streams: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = run(str(streams), "--json", "--out", str(out))
    written(rows_of(Plan(35, days=40)), streams / "deep" / "two.csv.gz")
    again = run(str(streams), "--json", "--out", str(out))
    assert (first[0], again[0]) == (0, 0)
    assert again[2].count("unchanged since it was measured") == 1
    assert f"unchanged since it was measured: {out / 'one_tx-U.html'}" in again[2]
    one, other = (json.loads(line) for line in again[1].splitlines())
    assert one != json.loads(first[1].splitlines()[0])
    assert other.pop("fingerprint")
    assert other == json.loads(first[1].splitlines()[1])
