"""What explains alerts is kept although the disk was full for a while, and trying costs judging little."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from monitor.adapters import durable
from monitor.app.streaming.judged_with import RETRY_SECONDS, JudgedWith, notes_of
from tests.app.rough_bank import rough_bank
from tests.streaming.recorded_logs import RecordedBank, of_rough


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> RecordedBank:
    source = rough_bank(tmp_path_factory.mktemp("rough"), seed=5, count=400)
    made = of_rough(tmp_path_factory.mktemp("kept"), source.folder, source.inputs, partitions=1)
    made.rows = 10
    made.judge()
    return made


class Disk:
    """Files are put in place through it; it can be full."""

    def __init__(self) -> None:
        self.is_full, self.refused = False, 0

    def replace_file(self, *args: Any, **named: Any) -> None:
        if self.is_full:
            self.refused += 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        durable.replace_file(*args, **named)


def test_what_a_full_disk_refused_is_kept_later_and_tried_now_and_then(
    bank: RecordedBank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (wanted,) = notes_of(bank.store, "legs", 0)
    assert len(wanted.snapshots) > 3
    disk, now, said = Disk(), [0.0], 0
    kept = JudgedWith(tmp_path, "legs", bank.loaded, bank.inputs, tick=lambda: now[0])
    for module in ("monitor.app.streaming.judged_with", "monitor.adapters.input_archive"):
        monkeypatch.setattr(f"{module}.replace_file", disk.replace_file)
    part = bank.partition(0)
    disk.is_full = True
    with pytest.raises(OSError, match="No space left"):
        kept.took_up(part)
    while part.offset < len(bank.logs[0]):
        judged = part.step(bank.logs[0][part.offset : part.offset + 1])
        now[0] += 1.0
        if kept.has_something_of(judged.steps):
            try:
                kept.stepped(part, judged.steps)
            except OSError:
                said += 1
    assert now[0] > 3 * RETRY_SECONDS
    assert said == now[0] // RETRY_SECONDS
    assert disk.refused == said + 1
    assert notes_of(tmp_path, "legs", 0) == []
    disk.is_full = False
    assert not kept.has_something_of([])
    kept.stepped(part, [])  # It does not try yet, so it does not raise; what waits is said all the same.
    assert kept.is_behind
    now[0] += RETRY_SECONDS
    assert kept.has_something_of([])
    kept.stepped(part, [])
    assert not kept.is_behind
    assert notes_of(tmp_path, "legs", 0) == [wanted]
    for each in wanted.snapshots:
        assert kept.archive.read(each.content)
    now[0] += RETRY_SECONDS
    assert not kept.has_something_of([])


def test_snapshots_of_one_call_are_all_kept_where_the_first_cannot_be(
    bank: RecordedBank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (wanted,) = notes_of(bank.store, "legs", 0)
    disk, now = Disk(), [0.0]
    kept = JudgedWith(tmp_path, "legs", bank.loaded, bank.inputs, tick=lambda: now[0])
    monkeypatch.setattr("monitor.adapters.input_archive.replace_file", disk.replace_file)
    part = bank.partition(0)
    kept.took_up(part)
    steps = part.step(bank.logs[0]).steps
    disk.is_full = True
    with pytest.raises(OSError, match="No space left"):
        kept.stepped(part, steps)
    disk.is_full = False
    now[0] += RETRY_SECONDS
    kept.stepped(part, [])
    assert notes_of(tmp_path, "legs", 0) == [wanted]
