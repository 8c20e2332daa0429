"""Who works in the workbench, and their sessions, in the case store.

A password is kept as an Argon2id hash, a session as the digest of its token: neither can be used by who reads the
table. A *service person* is a program: it has no password, comes in by keys only
(:mod:`monitor.adapters.sql.api_keys`) and is given no cases. After :data:`FAILURES_MAX` wrong passwords in a row a name
is locked for :data:`LOCKED_US`, whether it is the right person who tries or not. Who is switched off, or whose role
changes, loses all sessions at once. Everything here that changes something writes the journal in the
same transaction.
"""

import json
import secrets
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Any

import argon2
import sqlalchemy as sa

from monitor.adapters.sql.ledger import append_entries
from monitor.adapters.sql.schema import people, sessions
from monitor.adapters.sql.store import CaseStore
from monitor.casework.access import RIGHTS, WORK, may
from monitor.casework.journal import Draft, canonical_json
from monitor.domain.time import DAY_US, HOUR_US, MINUTE_US

CHAIN = "access:web"
"""The journal chain of the workbench: who came, who failed, who looked at what, who changed users."""
SSO = "single sign-on"
"""Who makes and changes users of an identity provider."""
FAILURES_MAX = 5
LOCKED_US = 15 * MINUTE_US
IDLE_US = 30 * MINUTE_US
"""A session that is not used for so long ends."""
SESSION_US = 12 * HOUR_US
"""No session is longer."""
PASSWORD_CHARACTERS_MIN, PASSWORD_CHARACTERS_MAX = 12, 256
NAME_CHARACTERS_MAX = 64
USED_EVERY_US = MINUTE_US
"""A session's last use is written at most so often."""

_HASHER = argon2.PasswordHasher()
"""Argon2id with the parameters of RFC 9106, section 4, second recommendation, as argon2-cffi has them."""


class PersonRefused(Exception):
    """A user cannot be added or changed so; the message says what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Person:
    """A user of the workbench."""

    name: str
    full_name: str
    role: str
    is_active: bool
    locked_until_us: int | None
    settings: dict[str, Any]
    is_service: bool = False


@dataclass(frozen=True, slots=True)
class Session:
    """A person who has come in; ``csrf`` stands in every form of this session."""

    person: Person
    csrf: str
    token_sha256: str


def add_person(
    store: CaseStore, *, name: str, full_name: str, role: str, password: str | None, by: str, now_us: int,
    is_service: bool = False,
) -> Person:  # fmt: skip
    """Add a user; without a password they can come in by single sign-on only, a service person by keys only.

    Raises:
        PersonRefused: The name is taken or unusable, there is no such role, or the password is too short.
    """
    if not name or len(name) > NAME_CHARACTERS_MAX or not all(c.isalnum() or c in "._@-" for c in name):
        raise PersonRefused(
            f"user {name!r}: a name has letters, digits and . _ @ - only, {NAME_CHARACTERS_MAX} at most."
        )
    if role not in RIGHTS:
        raise PersonRefused(f"user {name}: there is no role {role!r}. One of: {', '.join(RIGHTS)}.")
    if is_service and password is not None:
        raise PersonRefused(f"user {name}: a service person has no password. Leave it out, and add a key.")
    hashed = None if password is None else _hashed(name, password)
    row = {
        "name": name, "full_name": full_name or name, "role": role, "password_hash": hashed, "is_active": True,
        "failures": 0, "locked_until_us": None, "settings": "{}", "recorded_at_us": now_us,
        "is_service": is_service,
    }  # fmt: skip
    with store.writing() as connection:
        if connection.execute(sa.select(people.c.name).where(people.c.name == name)).first() is not None:
            raise PersonRefused(f"user {name}: there is one already. Choose another name, or change that one.")
        connection.execute(people.insert(), [row])
        kind = {"is_service": True} if is_service else {}
        _journal(connection, now_us, by, "user_added", user=name, role=role, **kind)
    return Person(name, full_name or name, role, True, None, {}, is_service)


def change_person(
    store: CaseStore, name: str, *, by: str, now_us: int, role: str | None = None, is_active: bool | None = None,
    password: str | None = None,
) -> Person:  # fmt: skip
    """Change a user's role or password, switch it off or on; a lock ends, and so do all sessions of the user.

    Raises:
        PersonRefused: There is no such user or role, the password is too short, or who asks changes their own role.
    """
    if role is not None and role not in RIGHTS:
        raise PersonRefused(f"user {name}: there is no role {role!r}. One of: {', '.join(RIGHTS)}.")
    if by == name and (role is not None or is_active is not None):
        raise PersonRefused(f"user {name}: nobody changes their own role. Ask another administrator.")
    changes: dict[str, Any] = {"failures": 0, "locked_until_us": None}
    told: dict[str, Any] = {}
    if role is not None:
        changes["role"] = told["role"] = role
    if is_active is not None:
        changes["is_active"] = told["is_active"] = is_active
    if password is not None:
        changes["password_hash"], told["password"] = _hashed(name, password), "changed"
    with store.writing() as connection:
        found = connection.execute(sa.select(people.c.is_service).where(people.c.name == name)).scalar()
        if password is not None and found:
            raise PersonRefused(f"user {name}: a service person has no password. 'aml keys add' makes a key.")
        done = connection.execute(people.update().where(people.c.name == name).values(**changes))
        if not done.rowcount:
            raise PersonRefused(f"user {name}: there is none. 'aml users list' shows all.")
        connection.execute(sessions.delete().where(sessions.c.name == name))
        _journal(connection, now_us, by, "user_changed", user=name, **told)
        return person_of(connection.execute(sa.select(people).where(people.c.name == name)).one())


def listed(connection: sa.Connection) -> list[Person]:
    """All users by name."""
    return [person_of(row) for row in connection.execute(sa.select(people).order_by(people.c.name))]


def workers(connection: sa.Connection) -> list[Person]:
    """Who can be given a case: people, not programs, who may come in and work on cases, by name."""
    return [
        person for person in listed(connection) if person.is_active and not person.is_service and may(person.role, WORK)
    ]


def come_in(store: CaseStore, *, name: str, password: str, now_us: int) -> str | None:
    """The token of a new session, or ``None``: whether the name, the password or a lock is why is not told.

    Who fails is counted and journalled; at the limit the name is locked.
    """
    with store.reading() as connection:
        row = connection.execute(sa.select(people).where(people.c.name == name)).one_or_none()
    known = row is not None and row.password_hash is not None
    is_right = _is_right(row.password_hash if row is not None and known else _nobody(), password) and known
    if row is None:
        with store.writing() as connection:
            _journal(connection, now_us, "unknown", "sign_in_failed")
        return None
    is_locked = row.locked_until_us is not None and now_us < row.locked_until_us
    if is_right and row.is_active and not is_locked:
        return _begin(store, name, now_us)
    with store.writing() as connection:
        _count_failure(connection, name, now_us, counts=not is_locked)
    return None


def come_in_by_sso(store: CaseStore, *, subject: str, name: str, full_name: str, role: str, now_us: int) -> str:
    """The token of a new session of whom an identity provider vouches for; role and person follow the provider.

    Whoever comes first under a name is that person from then on, by ``subject``; a name is not enough.

    Args:
        store: The case store.
        subject: Issuer and subject of the provider, which no two people share.
        name: The name to go by here, for who comes for the first time.
        full_name: How colleagues see it.
        role: What the provider's claim stands for.
        now_us: The clock on the wall, µs UTC.

    Raises:
        PersonRefused: They are switched off, or the name is that of another person, a local user or a program.
    """
    with store.reading() as connection:
        row = connection.execute(sa.select(people).where(people.c.sso_subject == subject)).one_or_none()
        named = connection.execute(sa.select(people).where(people.c.name == name)).one_or_none()
    if row is None and named is None:
        add_person(store, name=name, full_name=full_name, role=role, password=None, by=SSO, now_us=now_us)
    elif row is None:
        assert named is not None
        if named.password_hash is not None or named.is_service or named.sso_subject is not None:
            raise PersonRefused(f"user {name}: this is a local user, a program or another person. Rename one of them.")
        row = named
    if row is not None and not row.is_active:
        raise PersonRefused(f"user {row.name}: switched off. An administrator can let them in again.")
    known = name if row is None else row.name
    if row is not None and row.role != role:
        change_person(store, known, by=SSO, now_us=now_us, role=role)
    if row is None or row.sso_subject is None:
        with store.writing() as connection:
            connection.execute(people.update().where(people.c.name == known).values(sso_subject=subject))
            _journal(connection, now_us, SSO, "user_bound", user=known, subject=subject)
    return _begin(store, known, now_us)


def journal_sso_failed(store: CaseStore, *, why: str, now_us: int) -> None:
    """Record that single sign-on failed, and why, in a word."""
    with store.writing() as connection:
        _journal(connection, now_us, "unknown", "sign_in_failed", how=SSO, why=why)


def session_of(store: CaseStore, token: str, *, now_us: int) -> Session | None:
    """The session with this token, unless it has ended or its person is switched off."""
    digest = _digest(token)
    query = sa.select(sessions, people).join_from(sessions, people).where(sessions.c.token_sha256 == digest)
    with store.reading() as connection:
        row = connection.execute(query).one_or_none()
    if row is None or not row.is_active:
        return None
    if now_us - row.used_at_us > IDLE_US or now_us - row.began_at_us > SESSION_US:
        return None
    if now_us - row.used_at_us >= USED_EVERY_US:
        with store.writing() as connection:
            used = sessions.update().where(sessions.c.token_sha256 == digest).values(used_at_us=now_us)
            connection.execute(used)
    return Session(person_of(row), row.csrf, digest)


def leave(store: CaseStore, session: Session, *, now_us: int) -> None:
    """End a session."""
    with store.writing() as connection:
        connection.execute(sessions.delete().where(sessions.c.token_sha256 == session.token_sha256))
        _journal(connection, now_us, session.person.name, "signed_out")


def journal_look(store: CaseStore, person: Person, *, what: str, now_us: int, chain: str = CHAIN, **facts: Any) -> None:
    """Record that somebody looked at personal data."""
    draft = Draft(chain, now_us, person.name, what, canonical_json(facts))
    with store.writing() as connection:
        append_entries(connection, [draft], recorded_at_us=now_us)


def _begin(store: CaseStore, name: str, now_us: int) -> str:
    token = secrets.token_urlsafe(32)
    row = {"token_sha256": _digest(token), "name": name, "csrf": secrets.token_hex(32), "began_at_us": now_us,
           "used_at_us": now_us}  # fmt: skip
    with store.writing() as connection:
        connection.execute(sessions.delete().where(sessions.c.began_at_us < now_us - DAY_US))
        cleared = people.update().where(people.c.name == name).values(failures=0, locked_until_us=None)
        connection.execute(cleared)
        connection.execute(sessions.insert(), [row])
        _journal(connection, now_us, name, "signed_in")
    return token


def _count_failure(connection: sa.Connection, name: str, now_us: int, *, counts: bool) -> None:
    if counts:
        failed = people.update().where(people.c.name == name).values(failures=people.c.failures + 1)
        connection.execute(failed)
    failures = connection.execute(sa.select(people.c.failures).where(people.c.name == name)).scalar_one()
    if counts and failures >= FAILURES_MAX:
        locked = people.update().where(people.c.name == name).values(failures=0, locked_until_us=now_us + LOCKED_US)
        connection.execute(locked)
        _journal(connection, now_us, name, "locked", until_us=now_us + LOCKED_US)
    else:
        _journal(connection, now_us, name, "sign_in_failed")


def _hashed(name: str, password: str) -> str:
    if not PASSWORD_CHARACTERS_MIN <= len(password) <= PASSWORD_CHARACTERS_MAX:
        raise PersonRefused(
            f"user {name}: a password has {PASSWORD_CHARACTERS_MIN} to {PASSWORD_CHARACTERS_MAX} characters; this one "
            f"has {len(password)}. Several words are easy to remember."
        )
    return _HASHER.hash(password)


@cache
def _nobody() -> str:
    """Checked where a name is not known, so that it takes as long. Made when it is needed: a good hash takes long."""
    return _HASHER.hash(secrets.token_urlsafe(16))


def _is_right(hashed: str, password: str) -> bool:
    try:
        return _HASHER.verify(hashed, password[:PASSWORD_CHARACTERS_MAX])
    except argon2.exceptions.VerificationError:
        return False


def _digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def _journal(connection: sa.Connection, now_us: int, actor: str, action: str, **facts: Any) -> None:
    append_entries(connection, [Draft(CHAIN, now_us, actor, action, canonical_json(facts))], recorded_at_us=now_us)


def person_of(row: sa.Row[Any]) -> Person:
    """The user of a row of the table."""
    return Person(row.name, row.full_name, row.role, row.is_active, row.locked_until_us, json.loads(row.settings),
                  row.is_service)  # fmt: skip
