"""The secrets of a system on one machine: made once, never changed, and what Redis lets each worker do with them."""

import re
import subprocess
from pathlib import Path

import pytest
import redis

from deploy.servers.redis import RedisServer
from tests.conftest import StartServer
from tests.deploying.composed import DEPLOY, compose


def make(folder: Path) -> str:
    """Make what is not there; what the script says."""
    done = subprocess.run(["sh", DEPLOY / "make-secrets.sh", folder], check=True, capture_output=True, text=True)
    return done.stdout


def held(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_every_secret_of_the_compose_file_is_made(tmp_path: Path):
    make(tmp_path / "secrets")
    wanted = {Path(each["file"]).name for each in compose()["secrets"].values()}
    assert wanted <= held(tmp_path / "secrets").keys()
    assert re.fullmatch(r"[0-9a-f]{64}\n", held(tmp_path / "secrets")["token_key"])


def test_a_second_run_changes_nothing_and_adds_what_is_missing(tmp_path: Path):
    make(tmp_path)
    first = held(tmp_path)
    assert make(tmp_path) == ""
    assert held(tmp_path) == first
    (tmp_path / "grafana_password").unlink()
    assert make(tmp_path) == f"made {tmp_path}/grafana_password\n"
    second = held(tmp_path)
    assert second.pop("grafana_password") != first.pop("grafana_password")
    assert second == first


def test_no_two_secrets_are_the_same(tmp_path: Path):
    make(tmp_path / "one")
    make(tmp_path / "two")
    drawn = [text for folder in ("one", "two") for text in held(tmp_path / folder).values()]
    assert len(set(drawn)) == len(drawn)


def test_only_their_owner_can_enter_the_folder_and_containers_can_read_the_files(tmp_path: Path):
    make(tmp_path / "secrets")
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "secrets").iterdir()} == {0o644}


@pytest.mark.redis
def test_a_worker_can_do_with_profiles_what_it_must_and_nothing_else(own_server: StartServer, tmp_path: Path):
    make(tmp_path)
    passwords = {user: (tmp_path / f"redis_{user}_password").read_text().strip() for user in ("score", "profiles")}
    lines = [line.split(" ", 2)[1:] for line in (tmp_path / "redis_users").read_text().splitlines()]
    assert ["default", "off"] in lines
    server = own_server(RedisServer, users={user: rules for user, rules in lines if user != "default"})

    def client(user: str) -> redis.Redis:
        return redis.Redis.from_url(server.address, username=user, password=passwords.get(user, "-"))

    with client("profiles") as loader, client("score") as worker, client("health") as health:
        # As monitor/adapters/redis does it: a version is written once, with the partitions that it concerns.
        pipe = loader.pipeline(transaction=False)
        pipe.set("profile:a:1", b"x", nx=True, get=True)
        pipe.sadd("profile:a:homes", 1)
        pipe.smembers("profile:a:homes")
        assert pipe.execute() == [None, 1, {b"1"}]
        assert worker.mget(["profile:a:1", "profile:b:1"]) == [b"x", None]
        assert health.ping()
        refused = [
            lambda: loader.delete("profile:a:1"), lambda: loader.set("other", "x"), lambda: loader.config_get("*"),
            lambda: worker.set("profile:a:2", "x"), lambda: worker.mget(["other"]), lambda: worker.flushall(),
            lambda: health.get("profile:a:1"),
        ]  # fmt: skip
        for each in refused:
            with pytest.raises(redis.exceptions.NoPermissionError):
                each()
