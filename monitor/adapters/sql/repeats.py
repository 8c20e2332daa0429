"""Requests that are sent again: the answer to a key (``Idempotency-Key``) is kept in the transaction of what it did.

So there is no moment at which something was done and its answer lost, and of several requests with one key that come
together one is carried out; the others wait for their turn to write and find its answer. What was refused did
nothing and is not kept: it is decided anew. After :data:`KEPT_US` a key is free again.

Source of the header: draft-ietf-httpapi-idempotency-key-header-07.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import sqlalchemy as sa

from monitor.adapters.sql.schema import api_answers
from monitor.adapters.sql.store import CaseStore
from monitor.domain.time import DAY_US

KEPT_US = DAY_US
"""How long an answer is kept."""


class RepeatDiffers(Exception):
    """The key was used before for another request."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request was answered. ``is_kept``: it is that of an earlier request with the same key."""

    status: int
    body: dict[str, Any]
    is_kept: bool = False


class _InOneTransaction(CaseStore):
    """The store as seen by what must happen in a transaction that has begun already."""

    def __init__(self, store: CaseStore, connection: sa.Connection) -> None:
        super().__init__(store.engine, store.name, store.policy, 0)
        self._connection = connection

    def reading(self) -> AbstractContextManager[sa.Connection]:
        return self._begun()

    def writing(self) -> AbstractContextManager[sa.Connection]:
        return self._begun()

    @contextmanager
    def _begun(self) -> Iterator[sa.Connection]:
        yield self._connection


def request_digest(*parts: str | bytes) -> str:
    """SHA-256, hex, of what makes two requests the same: method, address and body.

    >>> request_digest("POST", "/a", b"bc") == request_digest("POST", "/ab", b"c")
    False
    """
    given = [part.encode() if isinstance(part, str) else part for part in parts]
    return sha256(b"".join(len(part).to_bytes(8, "big") + part for part in given)).hexdigest()


def once(
    store: CaseStore, *, name: str, key: str, digest: str, now_us: int, act: Callable[[CaseStore], Answer]
) -> Answer:
    """The kept answer to the key of a person, or else that of ``act``, which is kept with what it did.

    Args:
        store: The case store.
        name: Whose key it is: each person has their own.
        key: What the request bears, 1 to 64 characters.
        digest: :func:`request_digest` of it.
        now_us: The clock on the wall, µs UTC.
        act: Does it with the store that it is given, all within one transaction. What it raises undoes all.

    Raises:
        RepeatDiffers: The key was used for another request in the last :data:`KEPT_US`.
        StoreBusy: Another writer does not finish in time.
    """
    with store.writing() as connection:
        kept = _kept(connection, name, key, digest, now_us)
        if kept is not None:
            return kept
        answer = act(_InOneTransaction(store, connection))
        _keep(connection, name, key, digest, answer, now_us)
        return answer


def kept_answer(store: CaseStore, *, name: str, key: str, digest: str, now_us: int) -> Answer | None:
    """The kept answer to a key, for what is safe to do twice by itself.

    Raises:
        RepeatDiffers: The key was used for another request.
    """
    with store.reading() as connection:
        return _kept(connection, name, key, digest, now_us)


def keep_answer(store: CaseStore, answer: Answer, *, name: str, key: str, digest: str, now_us: int) -> None:
    """Keep the answer to what is safe to do twice; one that is there already stays."""
    with store.writing() as connection:
        if _kept(connection, name, key, digest, now_us) is None:
            _keep(connection, name, key, digest, answer, now_us)


def _kept(connection: sa.Connection, name: str, key: str, digest: str, now_us: int) -> Answer | None:
    of_key = sa.and_(api_answers.c.name == name, api_answers.c.repeat_key == key)
    row = connection.execute(sa.select(api_answers).where(of_key)).one_or_none()
    if row is None or now_us - row.recorded_at_us > KEPT_US:
        return None
    if row.request_sha256 != digest:
        raise RepeatDiffers(key)
    return Answer(row.status, json.loads(row.body), is_kept=True)


def _keep(connection: sa.Connection, name: str, key: str, digest: str, answer: Answer, now_us: int) -> None:
    connection.execute(api_answers.delete().where(api_answers.c.recorded_at_us < now_us - KEPT_US))
    values = {"name": name, "repeat_key": key, "request_sha256": digest, "status": answer.status,
              "body": json.dumps(answer.body, ensure_ascii=False), "recorded_at_us": now_us}  # fmt: skip
    connection.execute(api_answers.insert(), [values])
