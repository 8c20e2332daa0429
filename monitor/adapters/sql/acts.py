"""The last acts of each person, kept so that they can be taken back for a while."""

import json
from base64 import b32encode
from collections.abc import Sequence
from dataclasses import asdict
from hashlib import blake2b

import sqlalchemy as sa

from monitor.adapters.sql.schema_desk import desk_acts
from monitor.casework.journal import canonical_json
from monitor.casework.lifecycle import Request
from monitor.casework.undoing import UNDO_US, Before


def keep_act(connection: sa.Connection, request: Request, items: Sequence[Before]) -> None:
    """Remember what an act has changed; what is too old to be taken back is forgotten."""
    write_act(connection, request.actor.name, request.at_us, request.move, [asdict(each) for each in items])


def write_act(connection: sa.Connection, name: str, at_us: int, kind: str, items: Sequence[dict[str, object]]) -> None:
    """The same for items of any kind; each names its case and the entry of its chain."""
    if not items:
        return
    text = canonical_json(list(items))
    act_id = "U-" + b32encode(blake2b(f"{name}\x1f{at_us}\x1f{text}".encode(), digest_size=10).digest()).decode()
    old = sa.and_(desk_acts.c.name == name, desk_acts.c.at_us < at_us - UNDO_US)
    connection.execute(desk_acts.delete().where(old))
    row = {"act_id": act_id, "name": name, "at_us": at_us, "kind": kind, "items": text, "undone_at_us": None}
    connection.execute(desk_acts.insert(), [row])


def last_act(connection: sa.Connection, name: str, *, now_us: int) -> tuple[str, str, list[dict[str, object]]] | None:
    """Id, kind and items of the newest act of a person that can still be taken back; ``None`` without one."""
    query = (
        sa.select(desk_acts)
        .where(desk_acts.c.name == name, desk_acts.c.at_us >= now_us - UNDO_US, desk_acts.c.undone_at_us.is_(None))
        .order_by(desk_acts.c.at_us.desc(), desk_acts.c.act_id)
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else (row.act_id, row.kind, json.loads(row.items))


def end_act(connection: sa.Connection, act_id: str, *, now_us: int) -> None:
    """An act that was taken back is not taken back again."""
    connection.execute(desk_acts.update().where(desk_acts.c.act_id == act_id).values(undone_at_us=now_us))
