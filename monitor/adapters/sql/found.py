"""What the engine found at payments, by their place in the log: the alerts, and nothing of cases or reports."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from monitor.adapters.sql.ledger import CHUNK
from monitor.adapters.sql.schema import alerts


@dataclass(frozen=True, slots=True)
class Found:
    """An alert in one line. ``text`` is its sentence, ``score`` 0 to 1."""

    alert_id: str
    source_id: str
    source_version: int
    title: str
    typology: str
    severity: str
    score: float
    status: str
    text: str
    leg_role: str


def found_at(connection: sa.Connection, run: str, positions: Sequence[int]) -> dict[int, list[Found]]:
    """The alerts that payments at some positions raised, in the order of their ids; none where nothing was found."""
    columns = [getattr(alerts.c, name) for name in Found.__slots__]
    found: dict[int, list[Found]] = {}
    for start in range(0, len(positions), CHUNK):
        at = alerts.c.position.in_(positions[start : start + CHUNK])
        query = sa.select(alerts.c.position, *columns).where(alerts.c.run == run, at).order_by(alerts.c.alert_id)
        for position, *values in connection.execute(query):
            found.setdefault(position, []).append(Found(*values))
    return found
