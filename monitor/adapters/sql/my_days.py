"""What a person has done of late, counted from the journal."""

from dataclasses import dataclass

import sqlalchemy as sa

from monitor.adapters.sql.schema import journal

_COUNTED = {
    "decided": ("close", "approve"), "proposed": ("propose",), "escalated": ("escalate",), "snoozed": ("snooze",),
    "noted": ("note",), "skipped": ("skipped",),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class MyDays:
    """Counts of acts over a length of time. ``cases`` is how many different cases were worked on."""

    decided: int
    proposed: int
    escalated: int
    snoozed: int
    noted: int
    skipped: int
    cases: int


def my_days(connection: sa.Connection, name: str, *, since_us: int, until_us: int) -> MyDays:
    """What somebody did to cases after ``since_us``, up to and with ``until_us``: their own acts, whoever sees them."""
    acted = sa.and_(
        journal.c.actor == name,
        journal.c.actor != "monitor",
        journal.c.at_us > since_us,
        journal.c.at_us <= until_us,
        journal.c.chain.startswith("C-"),
    )
    counts = [sa.func.count(sa.case((journal.c.action.in_(actions), 1))) for actions in _COUNTED.values()]
    row = connection.execute(sa.select(*counts, sa.func.count(journal.c.chain.distinct())).where(acted)).one()
    return MyDays(*(int(count) for count in row))
