"""A Kafka broker: in Docker where an engine answers, otherwise from the broker's jars.

The jars come once by Maven (``deploy/kafka/pom.xml``) into ``build/kafka``. A broker of ours is one KRaft node on free
ports with one replica of everything, and is ready when it answers an admin client with the id it was formatted with.
"""

import base64
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol
from uuid import uuid4

from deploy.servers.certificates import Authority
from deploy.servers.server import MissingServer, Server, ServerFailed, answers, output_of

PROJECT = Path(__file__).resolve().parents[2]
POM = PROJECT / "deploy" / "kafka" / "pom.xml"
LOGGING = PROJECT / "deploy" / "kafka" / "log4j2.xml"
CACHE = PROJECT / "build" / "kafka"
JAVA_AT_LEAST = 17
FETCH_SECONDS = 600.0
QUICK_JAVA = ("-Xmx512m", "-XX:TieredStopAtLevel=1")


def version() -> str:
    """The pinned version of the broker, from the one place that has it."""
    found = re.search(r"<kafka.version>(.+)</kafka.version>", POM.read_text())
    assert found, POM
    return found[1]


class Runtime(Protocol):
    """What can run the broker's Java classes."""

    @property
    def bind(self) -> str:
        """The address on which the broker must listen to be reached by loopback from here."""
        ...

    def command(self, folder: Path, ports: list[int], java: list[str]) -> list[str]:
        """The command that runs Java with these arguments, sees ``folder`` under its name and opens ``ports``."""
        ...

    def kill(self, folder: Path) -> None:
        """Kill what the command for this folder started outside its process group."""
        ...


@dataclass(frozen=True)
class Java:
    """The machine's Java and the jars."""

    jars: Path
    bind: str = "127.0.0.1"

    def command(self, folder: Path, ports: list[int], java: list[str]) -> list[str]:
        return ["java", "-cp", f"{self.jars}/*", *java]

    def kill(self, folder: Path) -> None:
        pass


@dataclass(frozen=True)
class Docker:
    """The broker's official image; the client in front passes signals on, and the container goes with it."""

    image: str
    bind: str = "0.0.0.0"

    def command(self, folder: Path, ports: list[int], java: list[str]) -> list[str]:
        published = [part for port in ports for part in ("--publish", f"127.0.0.1:{port}:{port}")]
        return [
            "docker", "run", "--rm", "--name", folder.name, "--workdir", str(folder), *published,
            "--volume", f"{folder}:{folder}", "--user", f"{os.getuid()}:{os.getgid()}",
            "--entrypoint", "java", self.image, "-cp", "/opt/kafka/libs/*", *java,
        ]  # fmt: skip

    def kill(self, folder: Path) -> None:
        output_of("docker", "rm", "--force", folder.name)


def find_runtime(cache: Path = CACHE) -> Runtime:
    """The first of Docker with the broker's image and Java with its jars, fetched if need be.

    Raises:
        MissingServer: Neither Docker nor Java with the jars.
    """
    docker, without_docker = _docker()
    if docker is not None:
        return docker
    java, without_java = _java(cache)
    if java is not None:
        return java
    raise MissingServer(f"no Kafka: {without_docker}, {without_java}")


def _docker() -> tuple[Docker | None, str]:
    """The engine with the broker's image, or why not."""
    if not output_of("docker", "info", "--format", "{{.ServerVersion}}"):
        return None, "no Docker engine answers"
    image = f"apache/kafka:{version()}"
    if output_of("docker", "image", "inspect", image) is None and (
        output_of("docker", "pull", "--quiet", image, timeout_seconds=FETCH_SECONDS) is None
    ):
        return None, f"Docker cannot get {image}"
    return Docker(image), ""


def _java(cache: Path) -> tuple[Java | None, str]:
    """Java with the broker's jars, or why not."""
    found = re.search(r'version "(\d+)', output_of("java", "-version") or "")
    if found is None or int(found[1]) < JAVA_AT_LEAST:
        return None, f"no Java {JAVA_AT_LEAST} or later"
    jars = cache / f"{version()}-{hashlib.sha256(POM.read_bytes()).hexdigest()[:8]}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # Test workers start together; one fetches.
        if jars.is_dir():
            return Java(jars), ""
        if shutil.which("mvn") is None:
            return None, "no Maven (mvn) to fetch the broker's jars"
        partial = jars.with_name(f"{jars.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        fetched = output_of(
            "mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", "-DincludeScope=runtime",
            f"-DoutputDirectory={partial}", timeout_seconds=FETCH_SECONDS,
        )  # fmt: skip
        if fetched is None or not partial.is_dir():
            return None, "Maven could not fetch the broker's jars"
        partial.rename(jars)
    return Java(jars), ""


@dataclass(frozen=True)
class Security:
    """A second listener beside the plain one.

    ``authority`` makes it TLS with a certificate of that authority; ``mechanism`` (PLAIN, SCRAM-SHA-256 or
    SCRAM-SHA-512) makes it ask for a user and a password; both may be given.
    """

    authority: Authority | None = None
    mechanism: str | None = None
    users: Mapping[str, str] = field(default_factory=dict)
    """User to password."""

    @property
    def protocol(self) -> str:
        """Kafka's name for it."""
        return ("SASL_" if self.mechanism else "") + ("SSL" if self.authority else "PLAINTEXT")


class KafkaServer(Server):
    """A broker of our own.

    Args:
        security: A second listener; None has the plain one only.
        settings: Further lines of ``server.properties``; they win.
        java: Options of the Java machine. The default takes little and starts with 40 % less CPU time; where speed is
            measured give others, such as ``["-Xmx2g"]``.
        runtime: What runs it; None finds out.
    """

    name = "kafka"
    environment = "AML_KAFKA_BOOTSTRAP"
    port_count: ClassVar[int] = 3

    def __init__(
        self,
        *,
        security: Security | None = None,
        settings: Mapping[str, str] | None = None,
        java: Sequence[str] = QUICK_JAVA,
        runtime: Runtime | None = None,
    ) -> None:
        super().__init__()
        self.runtime = runtime or find_runtime()
        if isinstance(self.runtime, Docker):
            self.end_signal = signal.SIGTERM  # The client passes it on to the container.
        self.security = security
        self.settings = dict(settings or {})
        self.java = [*java, f"-Dlog4j2.configurationFile={LOGGING.name}"]
        self.cluster = base64.urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")

    @property
    def bootstrap(self) -> str:
        """The address of the plain listener."""
        return f"127.0.0.1:{self.ports[0]}"

    @property
    def address(self) -> str:
        return self.bootstrap

    @property
    def secure_bootstrap(self) -> str:
        """The address of the second listener."""
        assert self.security is not None
        return f"127.0.0.1:{self.ports[2]}"

    def prepare(self) -> None:
        shutil.copy(LOGGING, self.folder)
        self._properties().write_text("".join(f"{key}={value}\n" for key, value in self._settings().items()))
        scram = []
        if self.security and self.security.mechanism and self.security.mechanism.startswith("SCRAM"):
            for user, password in self.security.users.items():
                scram += ["--add-scram", f"{self.security.mechanism}=[name={user},password={password}]"]
        tool = ["kafka.tools.StorageTool", "format", f"--cluster-id={self.cluster}", f"--config={self._properties()}"]
        command = self.runtime.command(self.folder, [], [*self.java, *tool, *scram])
        done = subprocess.run(
            command, cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ServerFailed(f"kafka could not format its storage:\n{done.stdout}{done.stderr}")

    def command(self) -> list[str]:
        java = [*self.java, "kafka.Kafka", str(self._properties())]
        return self.runtime.command(self.folder, [self.ports[0], self.ports[2]], java)

    def kill_the_rest(self) -> None:
        self.runtime.kill(self.folder)

    def is_ready(self) -> bool:
        if not answers(self.ports[0]):
            return False
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        try:
            return bool(admin.list_topics(timeout=5).cluster_id == self.cluster)
        except KafkaException:
            return False

    def _properties(self) -> Path:
        return self.folder / "server.properties"

    def _settings(self) -> dict[str, str]:
        plain, controller, secure = self.ports
        bind = self.runtime.bind
        listeners = [f"INSIDE://{bind}:{plain}"]
        protocols = ["CONTROLLER:PLAINTEXT", "INSIDE:PLAINTEXT"]
        further: dict[str, str] = {}
        if self.security:
            listeners.append(f"OUTSIDE://{bind}:{secure}")
            protocols.append(f"OUTSIDE:{self.security.protocol}")
            further = self._secure_settings(self.security)
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "INSIDE",
            "listeners": ",".join([*listeners, f"CONTROLLER://127.0.0.1:{controller}"]),
            "advertised.listeners": ",".join(listeners).replace(bind, "127.0.0.1"),
            "listener.security.protocol.map": ",".join(protocols),
            "log.dirs": str(self.folder / "data"),
            "auto.create.topics.enable": "false",
            "default.replication.factor": "1",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            # A broker that was killed may come back once its old session has run out.
            "broker.session.timeout.ms": "6000",
            "broker.heartbeat.interval.ms": "500",
            "log.cleaner.dedupe.buffer.size": "16777216",
            **further,
            **self.settings,
        }

    def _secure_settings(self, security: Security) -> dict[str, str]:
        settings: dict[str, str] = {}
        if security.authority:
            identity = security.authority.issue("kafka", self.folder)
            settings |= {
                "ssl.keystore.type": "PEM",
                "ssl.keystore.location": str(identity.both),
                "ssl.truststore.type": "PEM",
                "ssl.truststore.location": str(shutil.copy(security.authority.certificate, self.folder)),
            }
        if security.mechanism:
            listener = f"listener.name.outside.{security.mechanism.lower()}.sasl.jaas.config"
            kind = "plain.Plain" if security.mechanism == "PLAIN" else "scram.Scram"
            users = "".join(f' user_{user}="{password}"' for user, password in security.users.items())
            known = users if security.mechanism == "PLAIN" else ""
            settings |= {
                "sasl.enabled.mechanisms": security.mechanism,
                listener: f"org.apache.kafka.common.security.{kind}LoginModule required{known};",
            }
        return settings
