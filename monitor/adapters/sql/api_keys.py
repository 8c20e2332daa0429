"""Keys of the REST API: each acts for one service person, within scopes, until it expires or is revoked.

A key is 256 random bits behind a readable beginning. It is shown once; the store keeps its SHA-256, by which it is
found, so that nobody who reads the table can use it. (A slow hash is for what people think up; nobody guesses 256
bits.) The wall around reports, roles and four eyes hold for the service person as for everybody.
"""

import json
import secrets
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import sqlalchemy as sa

from monitor.adapters.sql.ledger import append_entries
from monitor.adapters.sql.people import USED_EVERY_US, Person, person_of
from monitor.adapters.sql.schema import api_keys, people
from monitor.adapters.sql.store import CaseStore
from monitor.casework.access import may
from monitor.casework.journal import Draft, canonical_json
from monitor.casework.scopes import RIGHT_OF, check_scopes
from monitor.domain.time import DAY_US

API_CHAIN = "access:api"
"""The journal chain of the REST API: keys made and revoked, who looked at what, which keys were refused."""
PREFIX = "aml"
DAYS_MAX = 366
"""No key lives longer; a new one is made before."""


class KeyRefused(Exception):
    """A key cannot be made or revoked so; the message says what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is listed: never with its secret."""

    key_id: str
    name: str
    scopes: tuple[str, ...]
    made_by: str
    made_at_us: int
    expires_at_us: int
    revoked_at_us: int | None
    used_at_us: int | None

    def is_in_force(self, now_us: int) -> bool:
        """Neither revoked nor expired."""
        return self.revoked_at_us is None and now_us < self.expires_at_us


@dataclass(frozen=True, slots=True)
class Caller:
    """The service person for whom a request comes, and the key that it bears."""

    person: Person
    key: ApiKey


def add_key(
    store: CaseStore, *, name: str, scopes: tuple[str, ...], days: int, by: str, now_us: int
) -> tuple[str, str]:
    """Make a key for a service person; its id and the key itself, which is not kept.

    Raises:
        KeyRefused: There is no such service person, its role cannot use a scope, or the days are too many.
        ScopesRefused: See :func:`monitor.casework.scopes.check_scopes`.
    """
    if not 1 <= days <= DAYS_MAX:
        raise KeyRefused(f"a key lives 1 to {DAYS_MAX} days, not {days}. Make a new one before it expires.")
    key_id = secrets.token_hex(4)
    token = f"{PREFIX}_{key_id}_{secrets.token_urlsafe(32)}"
    with store.writing() as connection:
        row = connection.execute(sa.select(people).where(people.c.name == name)).one_or_none()
        if row is None or not row.is_service:
            fact = "there is none" if row is None else "this is a person, and keys are for programs"
            raise KeyRefused(f"user {name}: {fact}. First:  aml users add NAME --role ROLE --service")
        others = [key for key in listed_keys(connection, name) if key.is_in_force(now_us)]
        checked = check_scopes(scopes, (scope for key in others for scope in key.scopes))
        for scope in checked:
            if not may(row.role, RIGHT_OF[scope]):
                raise KeyRefused(f"user {name}: the role {row.role} cannot use the scope '{scope}'. Leave it out, or "
                                 "change the role.")  # fmt: skip
        values = {
            "key_id": key_id, "token_sha256": _digest(token), "name": name, "scopes": json.dumps(checked),
            "made_by": by, "made_at_us": now_us, "expires_at_us": now_us + days * DAY_US, "revoked_at_us": None,
            "used_at_us": None,
        }  # fmt: skip
        connection.execute(api_keys.insert(), [values])
        _journal(connection, now_us, by, "key_added", key=key_id, user=name, scopes=list(checked), days=days)
    return key_id, token


def revoke_key(store: CaseStore, key_id: str, *, by: str, now_us: int) -> None:
    """End a key at once.

    Raises:
        KeyRefused: There is no such key, or it has been revoked before.
    """
    with store.writing() as connection:
        found = sa.and_(api_keys.c.key_id == key_id, api_keys.c.revoked_at_us.is_(None))
        if not connection.execute(api_keys.update().where(found).values(revoked_at_us=now_us)).rowcount:
            raise KeyRefused(f"key {key_id}: there is none that could be revoked. 'aml keys list' shows all.")
        _journal(connection, now_us, by, "key_revoked", key=key_id)


def listed_keys(connection: sa.Connection, name: str | None = None) -> list[ApiKey]:
    """All keys, or those of one service person, by person and the time they were made."""
    query = sa.select(api_keys).order_by(api_keys.c.name, api_keys.c.made_at_us, api_keys.c.key_id)
    return [_key(row) for row in connection.execute(query if name is None else query.where(api_keys.c.name == name))]


def caller_of(store: CaseStore, token: str, *, now_us: int) -> Caller | None:
    """Who a key acts for, unless it is unknown, revoked or expired, or its service person is switched off."""
    with store.reading() as connection:
        found = api_keys.c.token_sha256 == _digest(token)
        key_row = connection.execute(sa.select(api_keys).where(found)).one_or_none()
        if key_row is None:
            return None
        row = connection.execute(sa.select(people).where(people.c.name == key_row.name)).one()
    key = _key(key_row)
    if not (key.is_in_force(now_us) and row.is_active and row.is_service):
        return None
    if key.used_at_us is None or now_us - key.used_at_us >= USED_EVERY_US:
        with store.writing() as connection:
            connection.execute(api_keys.update().where(api_keys.c.key_id == key.key_id).values(used_at_us=now_us))
    return Caller(person_of(row), key)


def journal_refused(store: CaseStore, *, now_us: int) -> None:
    """Record that a request came with a key that is not in force. The key itself is not recorded."""
    with store.writing() as connection:
        _journal(connection, now_us, "unknown", "key_refused")


def _digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def _journal(connection: sa.Connection, now_us: int, actor: str, action: str, **facts: Any) -> None:
    append_entries(connection, [Draft(API_CHAIN, now_us, actor, action, canonical_json(facts))], recorded_at_us=now_us)


def _key(row: sa.Row[Any]) -> ApiKey:
    return ApiKey(
        row.key_id, row.name, tuple(json.loads(row.scopes)), row.made_by, row.made_at_us, row.expires_at_us,
        row.revoked_at_us, row.used_at_us,
    )  # fmt: skip
