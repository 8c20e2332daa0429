"""A real Redis: its users can do what their rules say, TLS clients trust its authority, appended values are kept."""

from pathlib import Path
from uuid import uuid4

import pytest
import redis

from deploy.servers.certificates import Authority
from deploy.servers.redis import RedisServer
from tests.conftest import StartServer, needed

pytestmark = pytest.mark.redis


def test_a_value_comes_back(redis_url: str):
    key = f"test:{uuid4().hex}"
    with redis.Redis.from_url(redis_url) as client:
        client.set(key, b"kept", ex=60)
        assert client.get(key) == b"kept"


def test_a_user_can_do_what_its_rules_say_and_no_more(own_server: StartServer):
    server = own_server(RedisServer, users={"reader": "on >secret ~profile:* +get"})
    with redis.Redis.from_url(server.address, username="reader", password="secret") as reader:
        assert reader.get("profile:1") is None
        with pytest.raises(redis.exceptions.NoPermissionError):
            reader.get("other:1")
        with pytest.raises(redis.exceptions.NoPermissionError):
            reader.set("profile:1", "mine")
    for who in ({"username": "reader", "password": "wrong"}, {}):
        stranger = redis.Redis.from_url(server.address, **who)
        with stranger, pytest.raises(redis.exceptions.AuthenticationError):
            stranger.get("profile:1")


def test_the_tls_port_serves_those_who_trust_its_authority(own_server: StartServer, tmp_path: Path):
    with needed():
        authority = Authority.make(tmp_path)
    (tmp_path / "other").mkdir()
    other = Authority.make(tmp_path / "other")
    server = own_server(RedisServer, authority=authority)
    with redis.Redis.from_url(server.tls_address, ssl_ca_certs=str(authority.certificate)) as client:
        assert client.ping()
    distrusting = redis.Redis.from_url(server.tls_address, ssl_ca_certs=str(other.certificate))
    with distrusting, pytest.raises(redis.exceptions.ConnectionError, match="certificate verify failed"):
        distrusting.ping()


def test_appended_values_outlive_a_sigkill(own_server: StartServer):
    server = own_server(RedisServer, settings={"appendonly": "yes", "appendfsync": "always"})
    with redis.Redis.from_url(server.address) as client:
        client.set("profile:1", b"kept")
        server.kill()
        with pytest.raises(redis.exceptions.ConnectionError):
            client.get("profile:1")
        server.restart()
        assert client.get("profile:1") == b"kept"
