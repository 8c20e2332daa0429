"""Profile versions are written once and read as they were: in memory and in a real Redis, over TLS and with users."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from deploy.servers.certificates import Authority
from deploy.servers.redis import RedisServer
from monitor.adapters.redis import profiles
from monitor.adapters.redis.profiles import (
    PARTIES_MAX,
    Known,
    Named,
    NewVersion,
    Profiles,
    ProfileStore,
    ProfilesUnavailable,
    Stored,
    Written,
    profile_key,
)
from monitor.adapters.redis.stored_profile import StoredProfile, encode
from tests.conftest import StartServer, needed
from tests.streaming.profile_versions import MemoryProfiles

WRITER = "on >secret ~profile:* +set +get +hsetnx +hgetall +sadd +srandmember"
READER = "on >secret ~profile:* +mget"


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def kept(request: pytest.FixtureRequest) -> Iterator[Profiles]:
    """Every place where profiles can be kept."""
    if request.param == "memory":
        yield MemoryProfiles()
        return
    store = ProfileStore(request.getfixturevalue("redis_url"))
    yield store
    store.close()


def token() -> bytes:
    return uuid4().bytes


def version(customer: bytes, number: int, value: bytes, *accounts: tuple[bytes, tuple[bytes, ...]]) -> NewVersion:
    return NewVersion(customer, number, 1_000 + number, value, accounts)


def test_a_version_is_written_once_and_read_as_it_was(kept: Profiles):
    customer = token()
    assert kept.write([version(customer, 1, b"one")]) == [Written(Stored.NEW)]
    assert kept.write([version(customer, 1, b"one")]) == [Written(Stored.SAME)]
    assert kept.read([(customer, 1), (customer, 2), (token(), 1)]) == [b"one", None, None]
    assert kept.write([]) == kept.known([]) == kept.read([]) == []


def test_other_content_under_the_same_version_is_told_and_changes_nothing(kept: Profiles):
    customer = token()
    kept.write([version(customer, 1, b"one")])
    other = NewVersion(customer, 1, 5, b"other")
    assert kept.write([other]) == [Written(Stored.DIFFERS)]
    assert kept.read([(customer, 1)]) == [b"one"]
    assert kept.known([customer]) == [Known(frozenset(), {1: 1_001})]


def test_two_versions_in_one_batch_are_told_apart(kept: Profiles):
    customer = token()
    both = [version(customer, 1, b"one"), version(customer, 1, b"other")]
    assert [each.stored for each in kept.write(both)] == [Stored.NEW, Stored.DIFFERS]


def test_who_was_told_of_a_customer_is_remembered(kept: Profiles):
    one, other = token(), token()
    kept.write([version(one, 1, b"one"), version(one, 2, b"two")])
    kept.note_homes({one: frozenset({3, 5}), other: frozenset({4})})
    kept.note_homes({one: frozenset({3, 7})})
    kept.note_homes({})
    assert kept.known([other, one, token()]) == [
        Known(frozenset({4}), {}), Known(frozenset({3, 5, 7}), {1: 1_001, 2: 1_002}), Known(frozenset(), {}),
    ]  # fmt: skip


def test_whom_an_account_ever_concerned_is_remembered(kept: Profiles):
    one, other, holder, account, further = (token() for _ in range(5))
    kept.write([version(one, 1, b"1", (account, (holder,)), (further, ()))])
    kept.write([version(one, 2, b"2")])
    [written] = kept.write([version(other, 1, b"1", (account, ()))])
    assert written.accounts == (Named(frozenset({one, other}), frozenset({one, other, holder})),)


def test_an_account_of_everybody_is_cut(kept: Profiles):
    account = token()
    many = [version(token(), 1, b"1", (account, ())) for _ in range(PARTIES_MAX + 1)]
    written = kept.write(many)
    assert not written[-2].accounts[0].is_cut
    assert len(written[-2].accounts[0].customers) == PARTIES_MAX
    [cut] = written[-1].accounts
    assert (cut.is_cut, cut.customers) == (True, frozenset())
    assert len(cut.parties) == PARTIES_MAX + 1


@pytest.mark.redis
def test_many_are_read_in_their_order(redis_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(profiles, "READ_MAX", 7)
    store, customer = ProfileStore(redis_url), token()
    store.write([version(customer, number, b"%d" % number) for number in range(1, 31)])
    asked = [(customer, number) for number in range(40, 0, -1)]
    assert store.read(asked) == [b"%d" % number if number <= 30 else None for _, number in asked]


@pytest.mark.redis
def test_the_same_version_as_other_bytes_is_the_same(redis_url: str):
    store, customer = ProfileStore(redis_url), token()
    profile = StoredProfile(1, customer, 1, 7, [None] * 3, [None] * 9, [None] * 8, [])
    short = encode(profile)
    at = short.rindex(b"\x07")
    longer = short[:at] + b"\xcc\x07" + short[at + 1 :]
    store.write([version(customer, 1, longer)])
    assert store.write([version(customer, 1, short)])[0].stored is Stored.SAME


@pytest.mark.redis
def test_users_need_no_more_than_what_is_written_down(own_server: StartServer):
    server = own_server(RedisServer, users={"writer": WRITER, "reader": READER})
    address = server.address.removeprefix("redis://")
    writer, reader = (ProfileStore(f"redis://{user}:secret@{address}") for user in ("writer", "reader"))
    customer = token()
    assert writer.write([version(customer, 1, b"one", (token(), (token(),)))])[0].stored is Stored.NEW
    writer.note_homes({customer: frozenset({2})})
    assert writer.known([customer]) == [Known(frozenset({2}), {1: 1_001})]
    assert reader.read([(customer, 1)]) == [b"one"]
    with pytest.raises(ProfilesUnavailable, match=r"no permissions.*Correct the user in AML_REDIS_URL"):
        reader.write([version(customer, 2, b"two")])
    with pytest.raises(ProfilesUnavailable, match=r"Correct the user in AML_REDIS_URL") as wrong:
        ProfileStore(f"redis://reader:hushhush@{address}").read([(customer, 1)])
    assert "hushhush" not in str(wrong.value)


@pytest.mark.redis
def test_tls_is_spoken_with_those_who_trust_its_authority(own_server: StartServer, tmp_path: Path):
    with needed():
        authority = Authority.make(tmp_path)
    server = own_server(RedisServer, authority=authority, users={"writer": WRITER})
    url = server.tls_address.replace("rediss://", "rediss://writer:secret@")
    new = version(token(), 1, b"one")
    assert ProfileStore(url, ca=authority.certificate).write([new])[0].stored is Stored.NEW
    with pytest.raises(ProfilesUnavailable, match="certificate verify failed"):
        ProfileStore(url).write([new])


@pytest.mark.redis
def test_redis_that_was_killed_is_unavailable_until_it_is_back(own_server: StartServer):
    server = own_server(RedisServer, settings={"appendonly": "yes", "appendfsync": "always"})
    store, customer = ProfileStore(server.address), token()
    new = version(customer, 1, b"one")
    store.write([new])
    server.kill()
    for ask in (lambda: store.read([(customer, 1)]), lambda: store.write([new])):
        with pytest.raises(ProfilesUnavailable, match=rf"Redis at 127.0.0.1:{server.ports[0]}: .*Start Redis"):
            ask()
    server.restart()
    assert store.read([(customer, 1)]) == [b"one"]


@pytest.mark.redis
def test_a_full_redis_refuses_and_loses_nothing(own_server: StartServer):
    server = own_server(RedisServer, settings={"maxmemory": "3mb", "maxmemory-policy": "noeviction"})
    store, customer = ProfileStore(server.address), token()
    store.write([version(customer, 1, b"one")])
    big = [version(customer, number, b"x" * 500_000) for number in range(2, 20)]
    with pytest.raises(ProfilesUnavailable, match="more memory"):
        store.write(big)
    assert store.read([(customer, 1)]) == [b"one"]


def test_the_key_names_nobody():
    assert profile_key(b"\xff" * 16, 12) == "profile:" + "ff" * 16 + ":12"
