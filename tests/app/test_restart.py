"""Stopped cleanly and resumed, with the same rules or with others, a run goes on exactly where it stopped."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from monitor.app.embedded import Progress, RunError, run
from monitor.app.inputs import GivenInputs
from monitor.app.store import StoreFilesError
from monitor.rulebook import load
from tests.app.embedded_stores import ENVIRONMENT, KEY, ROOT, Source, result, run_here, settings, simulated


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return simulated(tmp_path_factory.mktemp("simulated"))


@pytest.fixture(autouse=True)
def one_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AML_TOKEN_KEY", KEY)


def stop_after(chunks: int):  # type: ignore[no-untyped-def]
    seen = [0]

    def wanted(progress: Progress) -> bool:
        seen[0] += 1
        return seen[0] <= chunks

    return wanted


def test_a_run_stopped_after_every_chunk_ends_as_one_that_was_not(source: Source, tmp_path: Path):
    run_here(source, tmp_path / "whole")
    folder = tmp_path / "stopped"
    folder.mkdir()
    done, stops = run(settings(source, folder), stop_after(1)), 1
    while done.is_stopped:
        done, stops = run(settings(source, folder, resume=True), stop_after(1)), stops + 1
    assert stops > 5
    assert result(folder) == result(tmp_path / "whole")


def test_a_stopped_run_says_that_it_wants_resume(source: Source, tmp_path: Path):
    run(settings(source, tmp_path), stop_after(1))
    with pytest.raises(RunError, match="--resume"):
        run(settings(source, tmp_path))
    with pytest.raises(RunError, match="same input"):
        run(settings(source, tmp_path, files=("other.jsonl",), resume=True))


def test_a_run_goes_on_without_the_files_that_it_has_read(source: Source, tmp_path: Path):
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    lines = source.payments.read_bytes().splitlines(keepends=True)
    first.write_bytes(b"".join(lines[:50]))
    second.write_bytes(b"".join(lines[50:]))
    files = (str(first), str(second))
    assert run(settings(source, tmp_path, files=files), stop_after(2)).is_stopped
    first.unlink()
    assert run(settings(source, tmp_path, files=files, resume=True)).records == len(lines)


def test_a_store_without_its_folder_is_not_gone_on_with_and_none_is_made(source: Source, tmp_path: Path):
    run(settings(source, tmp_path), stop_after(1))
    data = next(tmp_path.glob("*.data"))
    data.rename(tmp_path / "elsewhere")
    with pytest.raises(StoreFilesError, match=r"is not there\. Bring both back"):
        run(settings(source, tmp_path, resume=True))
    assert not data.exists()


def alerts_from(folder: Path, position: int) -> list[tuple[str, str]]:
    """Ids and measures of the alerts at or after a log position."""
    lines = map(json.loads, (folder / "alerts.jsonl").read_text().splitlines())
    return [(line["alert_id"], str(line["measures"])) for line in lines if line["position"] >= position]


def test_rules_added_between_two_files_find_their_windows_complete(source: Source, tmp_path: Path):
    shipped = load.shipped_rules()
    lines = source.payments.read_bytes().splitlines(keepends=True)
    cut = len(lines) // 2
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    first.write_bytes(b"".join(lines[:cut]))
    second.write_bytes(b"".join(lines[cut:]))
    both, changed = tmp_path / "both", tmp_path / "changed"
    run_here(source, both, files=(str(first), str(second)))
    few = GivenInputs((shipped / "us",), (shipped,), source.rates, source.entities, True)
    run_here(source, changed, files=(str(first),), inputs=few)
    run_here(source, changed, files=(str(second),))
    assert len(alerts_from(both, cut)) > 5
    assert alerts_from(changed, cut) == alerts_from(both, cut)


def test_ctrl_c_stops_cleanly_and_resume_goes_on(source: Source, tmp_path: Path):
    folder = tmp_path / "interrupted"
    folder.mkdir()
    command = [
        sys.executable, "-m", "monitor", "run", str(source.payments), "--db", str(folder / "bank.db"), "--profiles",
        str(source.profiles), "--alerts", str(folder / "alerts.jsonl"), "--rates", str(source.rates), "--entities",
        str(source.entities), "--approve-examples", "--models", "off", "--no-progress",
    ]  # fmt: skip
    child = subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    while not (folder / "alerts.jsonl").exists() and child.poll() is None:
        time.sleep(0.002)
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=600)
    assert child.returncode in (0, 130), errors
    again = subprocess.run([*command, "--resume"], cwd=ROOT, env=ENVIRONMENT, capture_output=True, timeout=600)
    assert again.returncode == 0, again.stderr
    run_here(source, tmp_path / "whole")
    assert result(folder) == result(tmp_path / "whole")
