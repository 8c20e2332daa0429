"""Profile versions in Redis: written once, never changed, read many at a time.

| key | |
|---|---|
| ``profile:{token}:{version}`` | a version (:mod:`monitor.adapters.redis.stored_profile`); the token in hexadecimal |
| ``profile:{token}`` | hash: ``v`` and a version: when it was recorded; ``h`` and a partition that was told |
| ``profile:account:{token}`` | set: who ever named an account, and who was ever named as its holder |

A version is written with ``SET NX GET``: a repeat finds what it would write, and other content under the same version
is told and changes nothing. The other two only grow, so that it does not matter how often or in what order they are
written. By them each partition hears of all that say something of an account whose holder lives there, and a partition
that a joint holder brought in also hears of the version that names the holder no more.

The user of the worker needs ``~profile:* +set +get +hsetnx +hgetall +sadd +srandmember``, that of a scoring
worker ``~profile:* +mget``. Nothing expires. Redis must not evict (``maxmemory-policy noeviction``): a full Redis
refuses to write, which is told, and loses nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from monitor.adapters.redis.stored_profile import ProfileDamaged, decode

READ_MAX = 4_096
"""Most versions that one MGET asks for."""
CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 2.0
"""How long Redis may take to be reached, and to answer."""
PARTIES_MAX = 256
"""Most customers and further holders of an account that are looked at, each counted as both; 64 holders have legs."""
_RETRIES = 2
_CUSTOMER, _HOLDER = b"c", b"h"


class ProfilesUnavailable(Exception):
    """Profiles cannot be read or written now; the message says where, the fact and the remedy."""


class Stored(Enum):
    """What became of a version that was written."""

    NEW = "new"
    SAME = "same"
    """It was there with the same content."""
    DIFFERS = "differs"
    """It is there with other content, which stays."""


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A version to be written. ``accounts`` has the token of each account it names, and its holders besides the
    customer."""

    customer: bytes
    version: int
    recorded_at_us: int
    value: bytes
    accounts: tuple[tuple[bytes, tuple[bytes, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Named:
    """Who ever named an account, and all who hold it or held it; the customers are among them.

    Beyond :data:`PARTIES_MAX` only some of the parties are known, and none as customers: ``is_cut``.
    """

    customers: frozenset[bytes]
    parties: frozenset[bytes]
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a version, and by account who else is concerned."""

    stored: Stored
    accounts: tuple[Named, ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """The partitions that were told of a customer, and the time of recording of each version that is kept."""

    homes: frozenset[int]
    versions: Mapping[int, int]


class Profiles(Protocol):
    """Where profile versions are kept."""

    def read(self, versions: Sequence[tuple[bytes, int]]) -> list[bytes | None]:
        """The values of (token of the customer, version); ``None`` where there is none.

        Raises:
            ProfilesUnavailable: None of them can be read now.
        """

    def write(self, versions: Sequence[NewVersion]) -> list[Written]:
        """Keep versions that are not kept yet.

        Raises:
            ProfilesUnavailable: Not all of them are known to be kept; write all again.
        """

    def known(self, customers: Sequence[bytes]) -> list[Known]:
        """What is kept of customers.

        Raises:
            ProfilesUnavailable: It cannot be read now.
        """

    def note_homes(self, homes: Mapping[bytes, frozenset[int]]) -> None:
        """Note which partitions have been told of customers, besides those noted before.

        Raises:
            ProfilesUnavailable: Not all of them are known to be noted; note all again.
        """


def profile_key(customer: bytes, version: int) -> str:
    """The key of a version.

    >>> profile_key(bytes(16), 3)
    'profile:00000000000000000000000000000000:3'
    """
    return f"profile:{customer.hex()}:{version}"


def _customer_key(customer: bytes) -> str:
    return f"profile:{customer.hex()}"


def _account_key(account: bytes) -> str:
    return f"profile:account:{account.hex()}"


class ProfileStore:
    """Profile versions in Redis.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://``, with user and password.
        ca: The authority that signed the certificate of ``rediss://``; the system's authorities without it.
    """

    def __init__(self, url: str, *, ca: Path | None = None) -> None:
        tls = {"ssl_ca_certs": str(ca)} if ca is not None and url.startswith("rediss:") else {}
        self._redis = redis.Redis.from_url(
            url,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), _RETRIES),
            **tls,
        )
        place = self._redis.connection_pool.connection_kwargs
        self.where = str(place.get("path") or f"{place.get('host', 'localhost')}:{place.get('port', 6379)}")

    def read(self, versions: Sequence[tuple[bytes, int]]) -> list[bytes | None]:
        """See :meth:`Profiles.read`."""
        found: list[bytes | None] = []
        keys = [profile_key(*each) for each in versions]
        for first in range(0, len(keys), READ_MAX):
            try:
                answer: list[Any] = self._redis.mget(keys[first : first + READ_MAX])
            except (redis.RedisError, OSError) as error:
                raise self._unavailable(error) from None
            found += answer
        return found

    def write(self, versions: Sequence[NewVersion]) -> list[Written]:
        """See :meth:`Profiles.write`."""
        pipe = self._redis.pipeline(transaction=False)
        for each in versions:
            pipe.set(profile_key(each.customer, each.version), each.value, nx=True, get=True)
            pipe.hsetnx(_customer_key(each.customer), f"v{each.version}", str(each.recorded_at_us))
            # Whoever reads the names of an account finds the versions that named it.
            for account, holders in each.accounts:
                pipe.sadd(_account_key(account), _CUSTOMER + each.customer, *(_HOLDER + holder for holder in holders))
                pipe.srandmember(_account_key(account), PARTIES_MAX + 1)
        answers = iter(self._done(pipe))
        found = []
        for each in versions:
            stored = _stored(each.value, next(answers))
            next(answers)
            accounts = []
            for _ in each.accounts:
                next(answers)
                accounts.append(_named(next(answers)))
            found.append(Written(stored, tuple(accounts)))
        return found

    def known(self, customers: Sequence[bytes]) -> list[Known]:
        """See :meth:`Profiles.known`."""
        pipe = self._redis.pipeline(transaction=False)
        for each in customers:
            pipe.hgetall(_customer_key(each))
        return [_known(fields) for fields in self._done(pipe)]

    def note_homes(self, homes: Mapping[bytes, frozenset[int]]) -> None:
        """See :meth:`Profiles.note_homes`."""
        pipe = self._redis.pipeline(transaction=False)
        for customer, partitions in homes.items():
            for partition in sorted(partitions):
                pipe.hsetnx(_customer_key(customer), f"h{partition}", "")
        self._done(pipe)

    def close(self) -> None:
        """Give back the connections."""
        self._redis.close()

    def _done(self, pipe: Any) -> list[Any]:
        try:
            answers: list[Any] = pipe.execute()
        except (redis.RedisError, OSError) as error:
            raise self._unavailable(error) from None
        return answers

    def _unavailable(self, error: Exception) -> ProfilesUnavailable:
        remedy = "Start Redis, or correct AML_REDIS_URL."
        if isinstance(error, redis.AuthenticationError | redis.exceptions.NoPermissionError):
            remedy = "Correct the user in AML_REDIS_URL, or what Redis lets it do (docs/streaming-profiles.md)."
        elif isinstance(error, redis.OutOfMemoryError):
            remedy = "Give Redis more memory; nothing may be evicted."
        return ProfilesUnavailable(f"Redis at {self.where}: {str(error).rstrip('.')}. {remedy}")


def _stored(value: bytes, former: Any) -> Stored:
    if former is None:
        return Stored.NEW
    if former == value:
        return Stored.SAME
    try:
        # Another release may have written the same version as other bytes.
        return Stored.SAME if decode(former) == decode(value) else Stored.DIFFERS
    except ProfileDamaged:
        return Stored.DIFFERS


def _known(fields: Mapping[bytes, bytes]) -> Known:
    homes = frozenset(int(name[1:]) for name in fields if name[:1] == b"h")
    return Known(homes, {int(name[1:]): int(value) for name, value in fields.items() if name[:1] == b"v"})


def _named(members: Sequence[bytes]) -> Named:
    parties = frozenset(member[1:] for member in members)
    if len(members) > PARTIES_MAX:
        return Named(frozenset(), parties, True)
    return Named(frozenset(member[1:] for member in members if member[:1] == _CUSTOMER), parties)
