"""One process per run: two that judged the same stream would count everything twice.

The claim is an operating system's lock beside an SQLite file, or a session's advisory lock on
PostgreSQL. Both end with the process, however it ends, so that nothing has to be cleaned up after SIGKILL.
"""

import fcntl
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import sqlalchemy as sa

from monitor.adapters.sql.opening import StoreBusy

_RUN_NAME = re.compile(r"[A-Za-z0-9_.-]{1,48}")


@dataclass(frozen=True, slots=True)
class RunLock:
    """A claim that is held until released."""

    release: Callable[[], None]


def lock_run(engine: sa.Engine, name: str, run: str) -> RunLock:
    """Claim the run. Its name is 1 to 48 letters, digits, ``.``, ``_`` or ``-``.

    Raises:
        StoreBusy: Another living process has it.
        ValueError: The name is not such a name.
    """
    if not _RUN_NAME.fullmatch(run):
        raise ValueError(f"not a name of a run: {run!r}; use 1 to 48 letters, digits, '.', '_' or '-'")
    if engine.url.drivername == "sqlite":
        return _lock_file(Path(str(engine.url.database)), name, run)
    return _lock_session(engine, name, run)


def _lock_file(path: Path, name: str, run: str) -> RunLock:
    descriptor = os.open(path.with_name(f"{path.name}.{run}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        process = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
        os.close(descriptor)
        raise _taken(name, run, f"process {process}" if process else "another process") from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return RunLock(lambda: os.close(descriptor))


def _lock_session(engine: sa.Engine, name: str, run: str) -> RunLock:
    number = int.from_bytes(sha256(run.encode()).digest()[:8], "big", signed=True)
    connection = engine.connect()
    is_ours = connection.execute(sa.select(sa.func.pg_try_advisory_lock(number))).scalar()
    connection.commit()  # the lock belongs to the session, not to the transaction
    if not is_ours:
        connection.close()
        raise _taken(name, run, "another process")

    def release() -> None:
        connection.execute(sa.select(sa.func.pg_advisory_unlock(number)))
        connection.close()

    return RunLock(release)


def _taken(name: str, run: str, holder: str) -> StoreBusy:
    return StoreBusy(
        f"{name}: {holder} is already writing the run {run!r}. Two would judge the same stream twice. "
        "Wait until it ends, or use another --db."
    )
