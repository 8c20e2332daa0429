"""How the reader divides a file changes neither alerts nor cases nor counts."""

from pathlib import Path

import pytest

from monitor.intake.lines import read_lines
from tests.app.embedded_stores import KEY, Source, result, run_here, simulated


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return simulated(tmp_path_factory.mktemp("simulated"))


@pytest.mark.parametrize("chunk_bytes", [20_000, 131_072])
def test_the_size_of_chunks_changes_nothing(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk_bytes: int
):
    monkeypatch.setenv("AML_TOKEN_KEY", KEY)
    done = run_here(source, tmp_path / "whole")
    assert read_lines.__kwdefaults__ is not None
    monkeypatch.setitem(read_lines.__kwdefaults__, "chunk_bytes", chunk_bytes)
    run_here(source, tmp_path / "divided", commit_records=5_000, snapshot_records=9_000)
    assert done.counts["alerts_new"] > 10
    assert result(tmp_path / "divided") == result(tmp_path / "whole")
