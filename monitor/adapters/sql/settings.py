"""What is kept for a person: columns and saved views of their own, skills and limit as a supervisor set them."""

import json
from typing import Any

import sqlalchemy as sa

from monitor.adapters.sql.ledger import append_entries
from monitor.adapters.sql.people import CHAIN, PersonRefused
from monitor.adapters.sql.schema import people
from monitor.adapters.sql.store import CaseStore
from monitor.casework.journal import Draft, canonical_json

SETTINGS_CHARACTERS_MAX = 20_000
VIEWS_MAX = 30
"""Most saved views of a person."""


def change_settings(
    store: CaseStore, name: str, changes: dict[str, Any], *, by: str, now_us: int, action: str | None = None
) -> dict[str, Any]:
    """Change some of a person's settings; ``None`` takes one out. With ``action`` it is journalled under that name.

    Raises:
        PersonRefused: There is no such person, or the settings would become too long.
    """
    with store.writing() as connection:
        query = sa.select(people.c.settings).where(people.c.name == name)
        text = connection.execute(query).scalar_one_or_none()
        if text is None:
            raise PersonRefused(f"user {name}: there is none. 'aml users list' shows all.")
        merged = json.loads(text) | changes
        settings = {key: value for key, value in merged.items() if value is not None}
        written = canonical_json(settings)
        if len(written) > SETTINGS_CHARACTERS_MAX:
            raise PersonRefused(f"user {name}: there is no room for more settings. Delete a saved view first.")
        connection.execute(people.update().where(people.c.name == name).values(settings=written))
        if action is not None:
            draft = Draft(CHAIN, now_us, by, action, canonical_json({"user": name} | changes))
            append_entries(connection, [draft], recorded_at_us=now_us)
    return settings
