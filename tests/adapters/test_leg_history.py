"""The folder of a partition's history: whatever fails while it is opened, it can be opened again afterwards."""

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.adapters.block_log import DamagedError
from monitor.adapters.leg_history import HistoryBusy, LegHistory


def threads() -> int:
    return sum(each.name == "background-writer" for each in threading.enumerate())


@pytest.fixture(autouse=True)
def nothing_stays_open() -> Iterator[None]:
    before = threads()
    yield
    assert threads() == before


def test_a_file_that_cannot_be_opened_does_not_hold_the_folder(tmp_path: Path):
    in_the_way = tmp_path / "places.blocks"
    in_the_way.mkdir()
    for _ in range(2):
        with pytest.raises(IsADirectoryError):
            LegHistory(tmp_path, 0)
    in_the_way.rmdir()
    LegHistory(tmp_path, 0).close()


def test_a_damaged_manifest_does_not_hold_the_folder(tmp_path: Path):
    manifest = tmp_path / "manifest.json"
    manifest.write_text("{")
    for _ in range(2):
        with pytest.raises(DamagedError):
            LegHistory(tmp_path, 0)
    manifest.unlink()
    LegHistory(tmp_path, 0).close()


def test_a_lock_that_cannot_be_signed_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("monitor.adapters.leg_history.os.pwrite", full)
        with pytest.raises(OSError, match="No space left"):
            LegHistory(tmp_path, 0)
    LegHistory(tmp_path, 0).close()


def test_a_folder_that_is_open_is_refused_with_the_process_that_holds_it(tmp_path: Path):
    history = LegHistory(tmp_path, 0)
    with pytest.raises(HistoryBusy, match=f"process {os.getpid()} writes it"):
        LegHistory(tmp_path, 0)
    history.close()
    LegHistory(tmp_path, 0).close()
