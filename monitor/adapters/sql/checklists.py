"""Ticks of checklists, and the gate before a decision."""

from collections.abc import Sequence

import sqlalchemy as sa

from monitor.adapters.sql.ledger import append_entries
from monitor.adapters.sql.schema_desk import checks
from monitor.casework.checklists import Tick, holds, items_of, open_items
from monitor.casework.journal import Draft, canonical_json
from monitor.casework.lifecycle import MoveRefused, Request
from monitor.domain.case import Case
from monitor.rulebook.checklists import Checklist


def ticks_of(connection: sa.Connection, case_id: str) -> dict[str, Tick]:
    """What was ticked of a case, by item."""
    query = sa.select(checks).where(checks.c.case_id == case_id).order_by(checks.c.item)
    return {row.item: Tick(row.item, row.by, row.at_us, row.alerts) for row in connection.execute(query)}


def tick(
    connection: sa.Connection,
    case: Case,
    items: Sequence[str],
    request: Request,
    *,
    recorded_at_us: int,
    lists: Sequence[Checklist],
) -> None:
    """Tick items, each with its entry in the chain of the case; what is ticked already stays as it is.

    Raises:
        MoveRefused: An item is none of this case.
    """
    known = {each.item for each in items_of(case, lists)}
    held = {name for name, done in ticks_of(connection, case.case_id).items() if holds(done, case)}
    wanted = [name for name in dict.fromkeys(items) if name not in held]
    if strange := [name for name in wanted if name not in known]:
        raise MoveRefused(f"case {case.case_id}: its checklist has no item {strange[0][:64]!r}. Load the page again.")
    if not wanted:
        return
    of_items = sa.and_(checks.c.case_id == case.case_id, checks.c.item.in_(wanted))
    connection.execute(checks.delete().where(of_items))
    rows = [
        {"case_id": case.case_id, "item": name, "by": request.actor.name, "at_us": request.at_us,
         "alerts": case.alert_count}
        for name in wanted
    ]  # fmt: skip
    connection.execute(checks.insert(), rows)
    drafts = [
        Draft(case.case_id, request.at_us, request.actor.name, "checked",
              canonical_json({"item": name, "alerts_then": case.alert_count}))
        for name in wanted
    ]  # fmt: skip
    append_entries(connection, drafts, recorded_at_us=recorded_at_us)


def check_ticked(connection: sa.Connection, case: Case, outcome: str, *, lists: Sequence[Checklist]) -> None:
    """Raises :class:`MoveRefused` where a decision waits for items of the checklist."""
    left = open_items(case, outcome, ticks_of(connection, case.case_id).values(), lists)
    if left:
        listed = "\n".join(f"  {each.words['en']}" for each in left)
        raise MoveRefused(f"case {case.case_id}: to close it as {outcome.replace('_', ' ')}, tick first:\n{listed}")
