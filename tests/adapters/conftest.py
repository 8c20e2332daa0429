"""A fresh store for each test: in SQLite, and in PostgreSQL where there is a server."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa

from monitor.adapters.sql.opening import store_url
from monitor.adapters.sql.store import CaseStore, open_store


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a store can be made: an empty place of its own."""
    if request.param == "sqlite":
        yield str(tmp_path / "cases.db")
        return
    server = store_url(request.getfixturevalue("postgres_url"))
    name = f"aml_test_{uuid4().hex[:12]}"
    admin = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield server.set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    admin.dispose()


@pytest.fixture
def store(place: str) -> Iterator[CaseStore]:
    """An open, empty store."""
    with open_store(place, create=True) as opened:
        yield opened
