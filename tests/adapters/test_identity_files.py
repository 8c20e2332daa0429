"""What the disk refuses the files of identifiers is told from a process that holds them."""

import errno
import sqlite3
from pathlib import Path

import pytest

from monitor.adapters import identity_files
from monitor.adapters.block_log import DamagedError
from monitor.adapters.identity_files import IdentityFile, KnownIdentities, identities_folder
from monitor.adapters.leg_history import HistoryBusy
from monitor.domain.identifiers import IdentifierKind

TOKEN = bytes(range(16))


@pytest.fixture(autouse=True)
def nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity_files, "WAIT_SECONDS", 0.0)


def path(store: Path) -> Path:
    return identities_folder(store) / "part-0.db"


def held(store: Path) -> sqlite3.Connection:
    other = sqlite3.connect(path(store), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    return other


def test_a_file_that_another_process_holds_is_busy(tmp_path: Path):
    IdentityFile(tmp_path, 0).close()
    other = held(tmp_path)
    with pytest.raises(HistoryBusy, match=r"part-0\.db: database is locked"):
        IdentityFile(tmp_path, 0)
    other.close()
    IdentityFile(tmp_path, 0).close()


def test_a_file_that_is_taken_while_it_is_open_is_busy_and_takes_identifiers_afterwards(tmp_path: Path):
    file = IdentityFile(tmp_path, 0)
    other = held(tmp_path)
    with pytest.raises(HistoryBusy, match=r"part-0\.db: database is locked"):
        file.put([(TOKEN, IdentifierKind.ACCOUNT, "DE1")], offset=1)
    other.close()
    file.put([(TOKEN, IdentifierKind.ACCOUNT, "DE1")], offset=1)
    file.close()
    assert KnownIdentities(tmp_path).find(TOKEN) == (IdentifierKind.ACCOUNT, "DE1")


def test_a_disk_that_fails_is_not_called_busy(tmp_path: Path):
    journal = path(tmp_path).with_name("part-0.db-journal")
    journal.mkdir(parents=True)
    with pytest.raises(OSError, match=r"part-0\.db"):
        IdentityFile(tmp_path, 0)
    journal.rmdir()
    IdentityFile(tmp_path, 0).close()


def test_a_full_disk_says_so_and_keeps_nothing_of_what_it_refused(tmp_path: Path):
    file = IdentityFile(tmp_path, 0)
    file._database.execute("PRAGMA max_page_count = 8")
    many = [(number.to_bytes(16, "big"), IdentifierKind.ACCOUNT, "x" * 500) for number in range(100)]
    with pytest.raises(OSError, match="full") as caught:
        file.put(many, offset=100)
    assert caught.value.errno == errno.ENOSPC
    file.put(many[:1], offset=1)
    file.close()
    assert IdentityFile(tmp_path, 0).offset == 1
    assert KnownIdentities(tmp_path).find(many[1][0]) is None


def test_a_file_that_is_no_database_is_damaged(tmp_path: Path):
    path(tmp_path).parent.mkdir(parents=True)
    path(tmp_path).write_bytes(b"no database" * 1_000)
    with pytest.raises(DamagedError, match="Restore"):
        IdentityFile(tmp_path, 0)
