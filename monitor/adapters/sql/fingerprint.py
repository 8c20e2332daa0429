"""What two runs are compared by: all content, without ``recorded_at`` and without hashes.

An alert's evidence digest is content (it is derived from the evidence only) and counts.
"""

from hashlib import sha256

import sqlalchemy as sa

from monitor.adapters.sql.schema import (
    alerts,
    case_alerts,
    cases,
    journal,
    log_inputs,
    notes,
    obligation_revisions,
    obligations,
)

_TABLES = (alerts, cases, case_alerts, notes, journal, log_inputs, obligations, obligation_revisions)
_LEFT_OUT = {
    "recorded_at_us", "previous_hash", "hash", "root",
}  # fmt: skip


def fingerprint(connection: sa.Connection) -> dict[str, str]:
    """SHA-256, hex, by table: all that hold content."""
    return {table.name: _table(connection, table) for table in _TABLES}


def _table(connection: sa.Connection, table: sa.Table) -> str:
    columns = [column for column in table.c if column.name not in _LEFT_OUT]
    query = sa.select(*columns).order_by(*table.primary_key.columns)
    digest = sha256()
    for row in connection.execution_options(yield_per=1000).execute(query):
        digest.update(repr(tuple(row)).encode())
    return digest.hexdigest()
