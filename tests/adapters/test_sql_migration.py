"""Schema and migrations agree; an old store is upgraded, a newer one and a strange one are refused."""

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from monitor.adapters.sql.migration import HEAD, alembic_config
from monitor.adapters.sql.opening import store_url
from monitor.adapters.sql.schema import metadata
from monitor.adapters.sql.store import StoreError, StoreMissing, open_store
from monitor.casework.position import RunPosition
from tests.casework.alert_building import stored


def test_an_empty_place_becomes_a_store_of_the_newest_schema(place):
    with open_store(place, create=True) as store, store.reading() as connection:
        assert set(sa.inspect(connection).get_table_names()) == {"alembic_version", *metadata.tables}
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one() == HEAD


def test_migrations_make_exactly_the_tables_that_the_program_knows(store):
    with store.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_the_newest_migration_is_the_one_that_opening_expects():
    scripts = ScriptDirectory.from_config(alembic_config())  # type: ignore[arg-type]
    assert scripts.get_current_head() == HEAD
    assert len(list(scripts.walk_revisions())) >= 1


def test_opening_a_store_again_changes_nothing(place):
    with open_store(place, create=True) as store:
        before = store.fingerprint()
    with open_store(place) as store:
        assert store.fingerprint() == before


def test_a_store_of_a_newer_release_is_refused_and_left_as_it_is(place):
    with open_store(place, create=True) as store, store.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match=r"has schema 9999, written by a newer release; this one knows " + HEAD):
        open_store(place)


def test_a_half_made_store_is_finished_on_opening(place):
    # What a process leaves that was killed between making the version table and the first migration.
    engine = sa.create_engine(store_url(place))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    engine.dispose()
    with open_store(place) as store:
        assert store.verify().entries == 0


def test_a_database_of_something_else_is_refused(place):
    engine = sa.create_engine(store_url(place))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE recipes (id INTEGER)")
    engine.dispose()
    with pytest.raises(StoreError, match=r"holds other tables \(recipes\) and is no case store"):
        open_store(place, create=True)


def test_a_missing_file_is_not_made_by_looking(tmp_path: Path):
    with pytest.raises(StoreMissing, match="there is no case store"):
        open_store(tmp_path / "no.db")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_refused(tmp_path: Path):
    path = tmp_path / "notes.txt"
    path.write_text("a shopping list of some length")
    with pytest.raises(StoreError, match="the file is no case store"):
        open_store(path, create=True)


def test_a_missing_folder_is_named(tmp_path: Path):
    with pytest.raises(StoreError, match="does not exist"):
        open_store(tmp_path / "no" / "a.db", create=True)


def test_sqlite_keeps_what_was_acknowledged(tmp_path: Path):
    with open_store(tmp_path / "a.db", create=True) as store, store.reading() as connection:
        pragma = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
                  for name in ("journal_mode", "synchronous", "foreign_keys")}  # fmt: skip
    assert pragma == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    with sqlite3.connect(tmp_path / "a.db") as plain:
        assert plain.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_store_of_the_first_schema_keeps_its_alerts_and_takes_suppressed_ones(tmp_path: Path):
    path = tmp_path / "old.db"
    engine = sa.create_engine(store_url(path))
    with engine.begin() as connection:
        command.upgrade(alembic_config(connection), "0001")  # type: ignore[arg-type]
    engine.dispose()
    with sqlite3.connect(path) as plain, pytest.raises(sqlite3.IntegrityError, match="ck_alerts_status"):
        plain.execute(_alert_insert(plain, "suppressed"))
    with sqlite3.connect(path) as plain:
        plain.execute(_alert_insert(plain, "new"))
    with open_store(path) as store:
        assert len(store.alert_ids()) == 1
        result = store.commit_batch([stored(1, status="suppressed")], RunPosition("r", 0, 0, 2, 0), recorded_at_us=1)
        assert result.alerts_stored == 1
    with sqlite3.connect(path) as plain:
        assert plain.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        with pytest.raises(sqlite3.IntegrityError, match="ck_alerts_status"):
            plain.execute(_alert_insert(plain, "lost"))


def _alert_insert(plain: sqlite3.Connection, status: str) -> str:
    """An alert of the given status, all else arbitrary."""
    names = [(row[1], row[2]) for row in plain.execute("PRAGMA table_info(alerts)")]
    values = {"alert_id": "'A-OLD'", "status": f"'{status}'"}
    shown = [values.get(name, "'x'" if kind.startswith(("VARCHAR", "TEXT")) else "0") for name, kind in names]
    return f"INSERT INTO alerts VALUES ({', '.join(shown)})"
