"""One process per run: two that judged the same stream would count everything twice.

The claim is an operating system's lock beside an SQLite file, or an advisory lock of a session on PostgreSQL. Both end
with the process, however it ends, so that nothing has to be cleaned up after SIGKILL. On PostgreSQL one session holds
all claims of a store, and a server that goes down ends them; that nobody else has written the run since is then seen
by its position (``expected`` of ``CaseStore.commit_batch``).
"""

import fcntl
import os
import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import sqlalchemy as sa

from monitor.adapters.sql.opening import StoreBusy

_RUN_NAME = re.compile(r"[A-Za-z0-9_.-]{1,48}")


class RunClaims:
    """The runs that this process has claimed in one store."""

    def __init__(self, engine: sa.Engine, name: str) -> None:
        self._engine, self._name = engine, name
        self._release: dict[str, Callable[[], None]] = {}
        self._session: sa.Connection | None = None

    def take(self, run: str) -> None:
        """Claim the run; nothing happens where this process has it. Its name is 1 to 48 letters, digits, ``._-``.

        Raises:
            StoreBusy: Another living process has it.
            ValueError: The name is not such a name.
        """
        if not _RUN_NAME.fullmatch(run):
            raise ValueError(f"not a name of a run: {run!r}; use 1 to 48 letters, digits, '.', '_' or '-'")
        if run in self._release:
            return
        if self._engine.url.drivername == "sqlite":
            self._release[run] = _lock_file(Path(str(self._engine.url.database)), self._name, run)
        else:
            self._release[run] = self._lock_in_session(run)

    def give_up(self, run: str) -> None:
        """End a claim; nothing happens where there is none, or where the server that held it is gone."""
        release = self._release.pop(run, None)
        if release is not None:
            release()

    def close(self) -> None:
        """End all claims."""
        for run in list(self._release):
            self.give_up(run)
        if self._session is not None:
            self._session.close()
            self._session = None

    def _lock_in_session(self, run: str) -> Callable[[], None]:
        number = int.from_bytes(sha256(run.encode()).digest()[:8], "big", signed=True)
        try:
            self._session = self._session or self._engine.connect()
            is_ours = self._session.execute(sa.select(sa.func.pg_try_advisory_lock(number))).scalar()
            self._session.commit()  # the lock belongs to the session, not to the transaction
        except sa.exc.DBAPIError:
            self._lose_session()
            raise
        if not is_ours:
            raise _taken(self._name, run, "another process")

        def release() -> None:
            if self._session is None:
                return
            try:
                self._session.execute(sa.select(sa.func.pg_advisory_unlock(number)))
                self._session.commit()
            except sa.exc.DBAPIError:
                self._lose_session()

        return release

    def _lose_session(self) -> None:
        """The session is broken, and with it its claims have ended."""
        if self._session is not None:
            self._session.invalidate()
            self._session.close()
        self._session = None
        self._release.clear()


def _lock_file(path: Path, name: str, run: str) -> Callable[[], None]:
    descriptor = os.open(path.with_name(f"{path.name}.{run}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        process = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
        os.close(descriptor)
        raise _taken(name, run, f"process {process}" if process else "another process") from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return lambda: os.close(descriptor)


def _taken(name: str, run: str, holder: str) -> StoreBusy:
    return StoreBusy(
        f"{name}: {holder} is already writing the run {run!r}. Two would judge the same stream twice. "
        "Wait until it ends, or use another --db."
    )
