"""Open a store: connect, lock, bring the schema up to date.

SQLite runs in WAL mode, so that readers and the writer do not block each other, with
``synchronous=FULL``: what was acknowledged is on the disk, also after power loss. (``NORMAL`` would lose
no consistency, for alerts and position are committed together; it could lose an analyst's last
decision. The price is one fsync per commit, paid once per batch.) Every write begins with
``BEGIN IMMEDIATE``, so that a second writer waits at the door and never deadlocks half-way; after
``busy_seconds`` it is told who to wait for. On PostgreSQL an advisory lock does the same.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DatabaseError, DataError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as SqlTimeout
from sqlalchemy.pool import QueuePool

from monitor.adapters.sql import migration

BUSY_SECONDS = 30
CACHE_SIZE = "cache_size=-65536"
"""64 MiB of pages that SQLite keeps; ids are hashes, so every insert lands on another page of the indexes."""
CHECKPOINT = "wal_autocheckpoint=8192"
"""Pages in the log (32 MiB) from which a commit copies them into the database: what many commits touch, once."""
CONNECTIONS_MAX = 4
"""Idle connections kept open."""
CONNECT_SECONDS = 10
"""How long PostgreSQL may take to answer a new connection."""
KEEPALIVE = {"tcp_keepalives_idle": 15, "tcp_keepalives_interval": 5, "tcp_keepalives_count": 3}
"""After 30 s the server ends the session of a machine that is gone, and with it the claims of its processes."""
_ADVISORY_LOCK = 0x414D4C01  # "AML", 1: one number for all writers of a store


class StoreError(Exception):
    """The store cannot be used. ``str()`` is place, fact, reason and remedy."""


class StoreBusy(StoreError):
    """Another process is writing and did not finish in time."""


class RunMoved(StoreError):
    """A run does not stand where the process that writes it believes."""


class StoreMissing(StoreError):
    """There is no store at the given place."""


UNAVAILABLE = (StoreError, OperationalError, InterfaceError, SqlTimeout)
"""What a store raises while its database is gone, full, slow or busy: trying again later can succeed."""
UNSTORABLE = (DataError, OverflowError)
"""What a store raises for values that its database does not take: trying again cannot succeed."""


def store_url(place: str | Path) -> sa.URL:
    """The URL of a store: a path means SQLite, text with ``://`` is taken as a URL.

    >>> store_url("cases.db").drivername, store_url("postgresql://db/aml").drivername
    ('sqlite', 'postgresql+psycopg')
    """
    text = str(place)
    if "://" not in text:
        return sa.URL.create("sqlite", database=text)
    url = sa.make_url(text)
    return url.set(drivername="postgresql+psycopg") if url.drivername in ("postgresql", "postgres") else url


def open_engine(place: str | Path, *, create: bool, busy_seconds: float) -> sa.Engine:
    """Connect and bring the schema up to date.

    Raises:
        StoreMissing: ``create`` is false and there is nothing at ``place``.
        StoreError: No database of ours, a newer schema, or the server is not there.
        StoreBusy: Another process holds the lock for longer than ``busy_seconds``.
    """
    url = store_url(place)
    name = url.render_as_string(hide_password=True) if url.drivername != "sqlite" else str(url.database)
    if url.drivername == "sqlite":
        _check_file(Path(str(url.database)), create=create)
    engine = _engine(url, busy_seconds)
    try:
        migration.bring_up_to_date(engine, name=name, create=create)
    except migration.SchemaRefused as error:
        engine.dispose()
        raise StoreError(str(error)) from None
    except DatabaseError as error:
        engine.dispose()
        raise _in_words(error, name, busy_seconds) from error
    return engine


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that sees one state of the store and changes nothing."""
    with engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def writing(engine: sa.Engine, *, name: str, busy_seconds: float) -> Iterator[sa.Connection]:
    """The one write transaction of a store: committed whole at the end, or not at all.

    Raises:
        StoreBusy: Another writer does not finish within ``busy_seconds``.
    """
    with engine.connect() as plain:
        connection = plain.execution_options(aml_write=True)
        try:
            transaction = connection.begin()
            connection.exec_driver_sql("SELECT 1")
        except OperationalError as error:
            raise _in_words(error, name, busy_seconds) from error
        with transaction:
            yield connection


def _engine(url: sa.URL, busy_seconds: float) -> sa.Engine:
    if url.drivername == "sqlite":
        engine = sa.create_engine(
            url, connect_args={"timeout": busy_seconds}, poolclass=QueuePool, pool_size=CONNECTIONS_MAX
        )
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    options = {"lock_timeout": int(busy_seconds * 1000)} | KEEPALIVE
    words = " ".join(f"-c {name}={value}" for name, value in options.items())
    engine = sa.create_engine(url, connect_args={"options": words, "connect_timeout": CONNECT_SECONDS})
    event.listen(engine, "begin", _begin_postgresql)
    return engine


def _set_up_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # BEGIN is ours, see _begin_sqlite
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "temp_store=MEMORY",
        CACHE_SIZE,
        CHECKPOINT,
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: sa.Connection) -> None:
    is_write = connection.get_execution_options().get("aml_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")


def _begin_postgresql(connection: sa.Connection) -> None:
    if connection.get_execution_options().get("aml_write", False):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")


def _check_file(path: Path, *, create: bool) -> None:
    if path.exists():
        with path.open("rb") as file:
            head = file.read(16)
        if head and head != b"SQLite format 3\x00":
            raise StoreError(f"{path}: the file is no case store. Name the file that 'aml run --db' has written.")
    elif not create:
        raise StoreMissing(
            f"{path}: there is no case store. Name the file that 'aml run --db' has written, or run it first."
        )
    elif not path.parent.is_dir():
        raise StoreError(f"{path}: the folder {path.parent} does not exist. Create it first.")


def _in_words(error: DatabaseError, name: str, busy_seconds: float) -> StoreError:
    cause = error.orig
    is_locked = isinstance(cause, sqlite3.OperationalError) and "locked" in str(cause)
    if is_locked or type(cause).__name__ in ("LockNotAvailable", "QueryCanceled"):
        return StoreBusy(
            f"{name}: another process is writing and did not finish within {busy_seconds:g} s. "
            "Wait for it, or end it; then try again."
        )
    return StoreError(f"{name}: the database says: {str(cause).strip()}. Check the place and the access rights.")
