"""Many rows at once, as tuples: one statement, the driver's ``executemany``, nothing done per row in between.

SQLAlchemy's own bulk insert takes a mapping per row and turns it into the driver's parameters, which was a fifth of the
time of a commit. The tables' columns are plain texts and numbers, which both drivers take as they are.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa

Rows = Sequence[tuple[Any, ...]]


def insert_rows(connection: sa.Connection, table: sa.Table, names: tuple[str, ...], rows: Rows) -> None:
    """Insert rows whose values stand in the order of ``names``. Nothing for no rows."""
    if rows:
        connection.exec_driver_sql(_insert(connection.dialect.name, table, names), list(rows))


def update_rows(connection: sa.Connection, table: sa.Table, names: tuple[str, ...], key: str, rows: Rows) -> None:
    """Set ``names`` in the row with a key, for rows of values in the order of ``names`` and the key last."""
    if rows:
        connection.exec_driver_sql(_update(connection.dialect.name, table, names, key), list(rows))


@cache
def _insert(dialect: str, table: sa.Table, names: tuple[str, ...]) -> str:
    columns = ", ".join(_quoted(table, name) for name in names)
    return f"INSERT INTO {table.name} ({columns}) VALUES ({', '.join([_place(dialect)] * len(names))})"


@cache
def _update(dialect: str, table: sa.Table, names: tuple[str, ...], key: str) -> str:
    place = _place(dialect)
    values = ", ".join(f"{_quoted(table, name)} = {place}" for name in names)
    return f"UPDATE {table.name} SET {values} WHERE {_quoted(table, key)} = {place}"


def _quoted(table: sa.Table, name: str) -> str:
    return f'"{table.c[name].name}"'


def _place(dialect: str) -> str:
    return "?" if dialect == "sqlite" else "%s"
