"""A broker is looked for in the environment, then in Docker, then in Java with Maven; fakes stand for the programs."""

from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.servers.kafka import Docker, Java, KafkaServer, find_runtime, version
from deploy.servers.server import MissingServer, address_of

ENGINE = 'case "$1" in info) echo 28.0 ;; image) exit 0 ;; *) exit 1 ;; esac'
ENGINE_WITHOUT_IMAGE = 'case "$1" in info) echo 28.0 ;; *) exit 1 ;; esac'
NO_ENGINE = "echo no daemon >&2; exit 1"
JAVA = "echo 'openjdk version \"17.0.1\"' >&2"
OLD_JAVA = "echo 'java version \"1.8.0\"' >&2"
MAVEN = 'for last; do :; done; folder="${last#*=}"; /bin/mkdir -p "$folder"; echo fetched >> "$folder.count"'

Fake = Callable[[str, str], None]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Fake:
    """Puts a program on a path that has nothing else."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))

    def put(name: str, script: str) -> None:
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)

    return put


def test_the_environment_comes_first(fake: Fake):
    fake("docker", ENGINE)
    with address_of(KafkaServer, {"AML_KAFKA_BOOTSTRAP": "broker:9092"}) as address:
        assert address == "broker:9092"


def test_docker_comes_before_java(fake: Fake, tmp_path: Path):
    fake("docker", ENGINE)
    fake("java", JAVA)
    fake("mvn", MAVEN)
    assert find_runtime(tmp_path / "cache") == Docker(f"apache/kafka:{version()}")


@pytest.mark.parametrize("docker", [NO_ENGINE, ENGINE_WITHOUT_IMAGE])
def test_java_comes_where_docker_cannot(fake: Fake, tmp_path: Path, docker: str):
    fake("docker", docker)
    fake("java", JAVA)
    fake("mvn", MAVEN)
    runtime = find_runtime(tmp_path / "cache")
    assert isinstance(runtime, Java)
    assert runtime.jars.is_dir()


def test_the_jars_are_fetched_once(fake: Fake, tmp_path: Path):
    fake("java", JAVA)
    fake("mvn", MAVEN)
    assert find_runtime(tmp_path / "cache") == find_runtime(tmp_path / "cache")
    (count,) = (tmp_path / "cache").glob("*.count")
    assert count.read_text() == "fetched\n"


@pytest.mark.parametrize(
    ("programs", "reason"),
    [
        ({}, "no Kafka: no Docker engine answers, no Java 17 or later"),
        ({"java": OLD_JAVA}, "no Kafka: no Docker engine answers, no Java 17 or later"),
        ({"java": JAVA}, "no Kafka: no Docker engine answers, no Maven (mvn) to fetch the broker's jars"),
        (
            {"docker": ENGINE_WITHOUT_IMAGE, "java": JAVA, "mvn": "exit 1"},
            f"no Kafka: Docker cannot get apache/kafka:{version()}, Maven could not fetch the broker's jars",
        ),
    ],
)
def test_without_any_the_reason_is_one_line(fake: Fake, tmp_path: Path, programs: dict[str, str], reason: str):
    for name, script in programs.items():
        fake(name, script)
    with pytest.raises(MissingServer) as missing:
        find_runtime(tmp_path / "cache")
    assert str(missing.value) == reason


def test_a_container_is_reached_by_the_ports_it_announces(tmp_path: Path):
    server = KafkaServer(runtime=Docker("image"))
    server.folder, server.ports = tmp_path, [1001, 1002, 1003]
    command = server.command()
    assert [part for part in command if part.startswith("127.0.0.1:")] == ["127.0.0.1:1001:1001", "127.0.0.1:1003:1003"]
    assert f"{tmp_path}:{tmp_path}" in command


def test_a_container_is_removed_by_the_name_it_was_given(fake: Fake, tmp_path: Path):
    fake("docker", f'echo "$@" >> {tmp_path}/asked')
    command = Docker("image").command(tmp_path, [], [])
    Docker("image").kill(tmp_path)
    name = command[command.index("--name") + 1]
    assert (tmp_path / "asked").read_text() == f"rm --force {name}\n"
