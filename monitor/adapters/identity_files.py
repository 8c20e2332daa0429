"""What tokens stand for, out of topic ``identities``: an SQLite file for each partition of the topic.

``history/identities/part-<n>.db`` below the folder that all workers share, readable by its owner only. An identifier
comes again whenever an intake worker has started anew, and is kept once; look-ups are by token. Identifiers and the
next offset are written in one transaction, so nothing is lost or repeated whenever a process is killed.
"""

import errno
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from monitor.adapters.block_log import DamagedError
from monitor.adapters.durable import make_folder
from monitor.adapters.leg_history import FOLDER, HistoryBusy
from monitor.domain.identifiers import IdentifierKind

WAIT_SECONDS = 10.0
"""How long a reader waits for a writer's transaction, and the other way round."""
Identity = tuple[bytes, IdentifierKind, str]
"""Token, kind and text."""


def identities_folder(store: Path) -> Path:
    """Where the identifiers lie."""
    return store / FOLDER / "identities"


class IdentityFile:
    """The identifiers of one partition of the topic, open for writing.

    Raises:
        HistoryBusy: Another living process writes it.
        DamagedError: It is no database, or a damaged one.
        OSError: The folder cannot be written.
    """

    def __init__(self, store: Path, partition: int) -> None:
        folder = identities_folder(store)
        make_folder(folder)
        folder.chmod(0o700)
        self._path = path = folder / f"part-{partition}.db"
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self._database = sqlite3.connect(path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS identity (token BLOB PRIMARY KEY, kind INTEGER NOT NULL, "
                "text TEXT NOT NULL) WITHOUT ROWID"
            )
            self._database.execute("CREATE TABLE IF NOT EXISTS place (offset INTEGER NOT NULL)")
            row = self._database.execute("SELECT offset FROM place").fetchone()
        except BaseException as error:
            self._database.close()
            if isinstance(error, sqlite3.Error):
                raise _meaning(error, path) from None
            raise
        self.offset: int = row[0] if row else 0
        """The next offset of the topic."""

    def put(self, identities: Sequence[Identity], *, offset: int) -> None:
        """Keep identifiers, and that the topic is read up to an offset: all or nothing.

        Raises:
            HistoryBusy: Another process holds the file; nothing is kept.
            DamagedError: The file is damaged; nothing is kept.
            OSError: The disk did not take it; nothing is kept.
        """
        try:
            self._database.execute("BEGIN IMMEDIATE")
            rows = [(token, int(kind), text) for token, kind, text in identities]
            self._database.executemany("INSERT OR IGNORE INTO identity VALUES (?, ?, ?)", rows)
            self._database.execute("DELETE FROM place")
            self._database.execute("INSERT INTO place VALUES (?)", (offset,))
            self._database.execute("COMMIT")
        except BaseException as error:
            # Of some errors, as on a full disk, the database has undone everything already.
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise _meaning(error, self._path) from None
            raise
        self.offset = offset

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()


def _meaning(error: sqlite3.Error, path: Path) -> Exception:
    """Whether another process holds the file, it is damaged, or the disk fails."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_IOERR) & 0xFF  # Above are details.
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return HistoryBusy(f"{path}: {error}. Wait until the process that holds it ends.")
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return DamagedError(f"{path}: it is damaged: {error}. Restore the folder from a copy.")
    return OSError(errno.ENOSPC if code == sqlite3.SQLITE_FULL else errno.EIO, str(error), str(path))


class KnownIdentities:
    """All identifiers of a folder, for reading while a worker writes.

    >>> KnownIdentities(Path("nowhere")).find(bytes(16)) is None
    True
    """

    def __init__(self, store: Path) -> None:
        paths = sorted(identities_folder(store).glob("part-*.db"))
        self._files = [
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=WAIT_SECONDS) for path in paths
        ]
        self._found: dict[bytes, tuple[IdentifierKind, str] | None] = {}

    def find(self, token: bytes) -> tuple[IdentifierKind, str] | None:
        """Kind and text of a token; ``None`` where none is known."""
        if token not in self._found:
            self._found[token] = self._read(token)
        return self._found[token]

    def _read(self, token: bytes) -> tuple[IdentifierKind, str] | None:
        for each in self._files:
            row = each.execute("SELECT kind, text FROM identity WHERE token = ?", (token,)).fetchone()
            if row is not None:
                return IdentifierKind(row[0]), row[1]
        return None

    def close(self) -> None:
        """Let go of the files."""
        for each in self._files:
            each.close()
