"""What proves a case: the stored texts of its alerts' evidence, and the roots of the journal over its entries."""

from collections.abc import Iterable

import sqlalchemy as sa

from monitor.adapters.sql.rows import root_of
from monitor.adapters.sql.schema import alerts, case_alerts, journal_roots
from monitor.casework.journal import Root

_CHUNK = 500


def alert_texts(connection: sa.Connection, case_id: str) -> dict[str, str]:
    """The evidence of each alert of a case by its id, byte by byte as its digest in the journal has it."""
    query = (
        sa.select(alerts.c.alert_id, alerts.c.evidence)
        .join_from(case_alerts, alerts)
        .where(case_alerts.c.case_id == case_id)
        .order_by(case_alerts.c.seq)
    )
    return {row.alert_id: row.evidence for row in connection.execute(query)}


def roots_of(connection: sa.Connection, numbers: Iterable[int]) -> tuple[list[Root], Root | None]:
    """The roots with these numbers in their order, and the last one of the journal."""
    wanted = sorted(set(numbers))
    found: list[Root] = []
    for start in range(0, len(wanted), _CHUNK):
        some = journal_roots.c.seq.in_(wanted[start : start + _CHUNK])
        query = sa.select(journal_roots).where(some).order_by(journal_roots.c.seq)
        found += [root_of(row) for row in connection.execute(query)]
    last = connection.execute(sa.select(journal_roots).order_by(journal_roots.c.seq.desc()).limit(1)).one_or_none()
    return found, root_of(last) if last is not None else None
