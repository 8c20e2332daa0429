"""Bring a store's schema to this release's. Migrations travel inside the package.

An older store is upgraded on opening, under the write lock, in one transaction. A newer one is refused:
a program that does not know a column must not write rows without it.
"""

from importlib.resources import files
from typing import Final

import sqlalchemy as sa

HEAD: Final = "0011"
"""The newest migration; a test compares it with the folder ``migrations/versions``."""


class SchemaRefused(Exception):
    """The database is no store of ours, or one of a newer release."""


def bring_up_to_date(engine: sa.Engine, *, name: str, create: bool) -> None:
    """Make or upgrade the schema where needed; does nothing to one that is up to date.

    Raises:
        SchemaRefused: The database belongs to something else, is of a newer release, or is empty and
            ``create`` is false.
    """
    with engine.connect() as connection:
        if _version(connection, name, create) == HEAD:
            return
    with engine.connect() as plain:
        connection = plain.execution_options(aml_write=True)
        with connection.begin():
            # Another process may have upgraded while this one waited for the lock.
            if _version(connection, name, create) != HEAD:
                _upgrade(connection)


def alembic_config(connection: sa.Connection | None = None) -> "object":
    """The configuration for Alembic's own commands, for tests and for writing new migrations."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(files("monitor.adapters.sql") / "migrations"))
    config.attributes["connection"] = connection
    return config


def _version(connection: sa.Connection, name: str, create: bool) -> str | None:
    tables = set(sa.inspect(connection).get_table_names())
    if not tables:
        if create:
            return None
        raise SchemaRefused(f"{name}: the database is empty. Run 'aml run --db' first.")
    if "alembic_version" not in tables:
        raise SchemaRefused(
            f"{name}: the database holds other tables ({', '.join(sorted(tables)[:3])}) and is no case store. "
            "Choose another place."
        )
    version = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one_or_none()
    if version is not None and version > HEAD:
        raise SchemaRefused(
            f"{name}: the store has schema {version}, written by a newer release; this one knows {HEAD}. "
            "Install that release, or restore a copy from before the upgrade."
        )
    return version


def _upgrade(connection: sa.Connection) -> None:
    from alembic import command

    command.upgrade(alembic_config(connection), "head")  # type: ignore[arg-type]
