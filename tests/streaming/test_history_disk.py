"""The history worker on a full disk: it says so until a commit works, and waits longer each time."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import TopicPartition

from monitor.adapters.identity_files import IdentityFile
from monitor.adapters.kafka import identity_records
from monitor.app.settings import Settings, StoreSettings, WorkerSettings
from monitor.app.streaming import history
from monitor.app.streaming.history import HistoryWorker
from monitor.domain.identifiers import IdentifierKind
from monitor.intake.identifiers import IdentifierTable
from tests.streaming.profile_versions import MemoryProfiles

FAILURES = 4
"""Commits that fail before the first that works."""


class Identities:
    """The records of one partition, as the client hands them to a worker."""

    def __init__(self, values: Sequence[tuple[bytes, bytes]]) -> None:
        self._values, self._at, self._is_paused = values, 0, True
        self.committed: list[int] = []

    def subscribe(self, _topics: Sequence[str], *, on_assign: Any, **_: Any) -> None:
        on_assign(self, [TopicPartition("identities", 0)])

    def list_topics(self, topic: str, **_: Any) -> Any:
        return SimpleNamespace(topics={topic: SimpleNamespace(error=None)})

    def pause(self, _: Any) -> None:
        self._is_paused = True

    def resume(self, _: Any) -> None:
        self._is_paused = False

    def seek(self, place: TopicPartition) -> None:
        self._at = place.offset

    def get_watermark_offsets(self, *_: Any, **__: Any) -> tuple[int, int]:
        return 0, len(self._values)

    def poll(self, _: float) -> Any:
        if self._is_paused or self._at == len(self._values):
            return None
        at, self._at = self._at, self._at + 1
        key, value = self._values[at]
        return SimpleNamespace(
            topic=lambda: "identities", partition=lambda: 0, offset=lambda: at, error=lambda: None,
            key=lambda: key, value=lambda: value, headers=lambda: identity_records.HEADERS, timestamp=lambda: (1, 1),
        )  # fmt: skip

    def consume(self, *_: Any, **__: Any) -> list[Any]:
        return []

    def commit(self, *, offsets: Sequence[TopicPartition], **_: Any) -> None:
        self.committed += [each.offset for each in offsets]

    def incremental_assign(self, _: Any) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def records() -> Identities:
    table = IdentifierTable(bytes(32))
    table.encode(IdentifierKind.ACCOUNT, ["DE1", "DE2"])
    return Identities(list(identity_records.encode(table, 0)))


def test_a_full_disk_is_said_until_a_commit_works_and_pauses_grow_until_then(
    records: Identities, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(history, "Consumer", lambda _: records)
    settings = Settings(store=StoreSettings(folder=tmp_path), worker=WorkerSettings(port=0))
    worker = HistoryWorker(settings, MemoryProfiles(), commit_seconds=0.0)
    seen: list[bool | str] = []
    pauses: list[float] = []
    put, pause, dependency = IdentityFile.put, worker._pause, worker.metrics.dependency

    def full(file: IdentityFile, *args: Any, **named: Any) -> None:
        seen.append("commit")
        commits = seen.count("commit")
        if commits <= FAILURES or commits == FAILURES + 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        put(file, *args, **named)
        if commits > FAILURES + 2:
            worker.stop()

    def paused(held: Any, *args: Any, **named: Any) -> None:
        pauses.append(held.pause)
        pause(held, *args, **named)
        held.again_at = 0.0

    def shown(name: str, is_up: bool) -> None:
        if name == "disk":
            seen.append(is_up)
        dependency(name, is_up)

    monkeypatch.setattr(IdentityFile, "put", full)
    monkeypatch.setattr(worker, "_pause", paused)
    monkeypatch.setattr(worker.metrics, "dependency", shown)
    worker.run()
    failed = ["commit", False]
    assert seen == [True, *failed * FAILURES, "commit", True, *failed, "commit", True]
    assert pauses == [0.25, 0.5, 1.0, 2.0, 0.25]
    assert records.committed[-1] == 2
