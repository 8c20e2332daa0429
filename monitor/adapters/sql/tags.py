"""Tags of cases: set and taken off, each time with an entry in the chain of the case."""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from monitor.adapters.sql.ledger import append_entries, in_chunks
from monitor.adapters.sql.queue import Wall, behind
from monitor.adapters.sql.schema import cases
from monitor.adapters.sql.schema_desk import case_tags
from monitor.casework.journal import Draft, canonical_json
from monitor.casework.lifecycle import MoveRefused
from monitor.casework.tags import TAGS_MAX
from monitor.domain.case import Actor, Case

SHOWN_MAX = 100
"""Most tags that a filter offers."""


def tags_of(connection: sa.Connection, case_ids: Iterable[str]) -> dict[str, list[str]]:
    """The tags of some cases by case, in alphabetical order; cases without any are left out."""
    found: dict[str, list[str]] = {}
    for some in in_chunks(case_ids):
        query = sa.select(case_tags.c.case_id, case_tags.c.tag).where(case_tags.c.case_id.in_(some))
        for case_id, tag in connection.execute(query.order_by(case_tags.c.tag)):
            found.setdefault(case_id, []).append(tag)
    return found


def tags_in_use(connection: sa.Connection, wall: Wall | None) -> list[str]:
    """Tags of cases on this side of the wall, the most frequent first."""
    query = sa.select(case_tags.c.tag).join_from(case_tags, cases).group_by(case_tags.c.tag)
    if wall is not None:
        query = query.where(behind(wall))
    ordered = query.order_by(sa.func.count().desc(), case_tags.c.tag).limit(SHOWN_MAX)
    return list(connection.execute(ordered).scalars())


def set_tag(
    connection: sa.Connection, case: Case, tag: str, actor: Actor, *, is_on: bool, at_us: int, recorded_at_us: int
) -> dict[str, Any] | None:
    """Set a tag or take it off; returns what is needed to undo it, ``None`` where nothing changed.

    Raises:
        MoveRefused: The case has as many tags as it can have.
    """
    present = tags_of(connection, [case.case_id]).get(case.case_id, [])
    if (tag in present) is is_on:
        return None
    if is_on and len(present) >= TAGS_MAX:
        raise MoveRefused(f"case {case.case_id} has {TAGS_MAX} tags, the most it can have. Take one off first.")
    if is_on:
        row = {"case_id": case.case_id, "tag": tag, "by": actor.name, "at_us": at_us}
        connection.execute(case_tags.insert(), [row])
    else:
        connection.execute(case_tags.delete().where(case_tags.c.case_id == case.case_id, case_tags.c.tag == tag))
    action = "tagged" if is_on else "untagged"
    draft = Draft(case.case_id, at_us, actor.name, action, canonical_json({"tag": tag}))
    (entry,) = append_entries(connection, [draft], recorded_at_us=recorded_at_us)
    return {"case_id": case.case_id, "seq": entry.seq, "tag": tag, "was": not is_on}
