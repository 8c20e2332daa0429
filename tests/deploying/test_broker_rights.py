"""Rights at the brokers: those that docs/deploying.md gives each user are enough for its worker, and no more."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import pytest
from confluent_kafka import KafkaError as Code
from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from deploy.servers.kafka import KafkaServer, Security
from monitor.adapters.kafka.topics import read_topics
from monitor.app.settings import load_settings
from tests.app.embedded_stores import simulated
from tests.conftest import needed
from tests.deploying.composed import DEPLOY, ROOT

pytestmark = pytest.mark.kafka

WORKERS = [
    name for name in ("intake", "score", "cases", "profiles", "history") if find_spec(f"monitor.cli.worker_{name}")
]
TOPICS = set(read_topics(DEPLOY / "topics.yaml"))
Rights = dict[str, set[str]]
"""Operation to names."""


def rights(cell: str) -> Rights:
    """What a cell of the table allows.

    >>> rights("Read: legs. Write: alerts, refused")["Write"] == {"alerts", "refused"}
    True
    """
    found: Rights = {}
    for part in filter(None, re.split(r"\. ?", cell.replace("deploy/topics.yaml", "").strip())):
        operations, names = part.split(":")
        named = TOPICS if "all of" in names else {each.strip() for each in names.split(",")}
        for operation in operations.split(","):
            found.setdefault(operation.strip(), set()).update(named)
    return found


def table() -> dict[str, tuple[Rights, Rights]]:
    """The users of the page, with their rights on topics and on groups."""
    page = (ROOT / "docs" / "deploying.md").read_text()
    rows = re.findall(r"^\| `(aml-[a-z]+)`[^|`]* \| ((?:[A-Z][A-Za-z]+[,:] )[^|]*) \| ([^|]*) ?\|$", page, re.MULTILINE)
    return {user: (rights(topics), rights(groups)) for user, topics, groups in rows}


USERS = table()


def broker_name(operation: str) -> str:
    """An operation of the page as brokers call it.

    >>> broker_name("DescribeConfigs")
    'DESCRIBE_CONFIGS'
    """
    return re.sub(r"(?<!^)(?=[A-Z])", "_", operation).upper()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """A broker with its topics. Users have the rights of the table, and who comes by the plain listener has all."""
    security = Security(mechanism="PLAIN", users={user: f"of-{user}" for user in USERS})
    settings = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
    }
    with needed(), KafkaServer(security=security, settings=settings) as server:
        give_rights(server)
        done(server, "aml-topics", "topics", "create", log=tmp_path_factory.mktemp("topics") / "topics.log")
        yield server


def give_rights(server: KafkaServer) -> None:
    """Give every user what the table gives."""
    bindings = [
        AclBinding(kind, name, ResourcePatternType.LITERAL, f"User:{user}", "*",
                   AclOperation[broker_name(operation)], AclPermissionType.ALLOW)
        for user, both in USERS.items()
        for kind, given in zip((ResourceType.TOPIC, ResourceType.GROUP), both, strict=True)
        for operation, names in given.items()
        for name in names
    ]  # fmt: skip
    admin = AdminClient({"bootstrap.servers": server.bootstrap, "log_level": "0"})
    for made in admin.create_acls(bindings).values():
        made.result(30)


def environment(broker: KafkaServer, user: str) -> dict[str, str]:
    """The settings with which a process is this user."""
    return {
        "AML_KAFKA_BOOTSTRAP": broker.secure_bootstrap, "AML_KAFKA_PROTOCOL": "SASL_PLAINTEXT",
        "AML_KAFKA_MECHANISM": "PLAIN", "AML_KAFKA_USER": user, "AML_KAFKA_PASSWORD": f"of-{user}",
    }  # fmt: skip


def client(broker: KafkaServer, user: str) -> dict[str, str]:
    return load_settings(environment(broker, user)).kafka.client()


def aml(broker: KafkaServer, user: str, *words: str, log: Path, **further: str) -> subprocess.Popen[bytes]:
    """Start a command as this user; what it says goes into a file, so that it never waits to be read."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("AML_")}
    with log.open("wb") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "monitor", *words], cwd=ROOT, env=env | environment(broker, user) | further,
            stdout=said, stderr=subprocess.STDOUT,
        )  # fmt: skip


def done(broker: KafkaServer, user: str, *words: str, log: Path, **further: str) -> None:
    """Let a command end as this user."""
    status = aml(broker, user, *words, log=log, **further).wait(120)
    assert status == 0, log.read_text()


def allowed(admin: AdminClient, kind: ResourceType, name: str) -> set[str]:
    """What the broker says that the client may do with a topic or group; nothing where it may not even describe it."""
    for _ in range(120):
        if kind is ResourceType.TOPIC:
            asked = admin.describe_topics(TopicCollection([name]), include_authorized_operations=True)
        else:
            asked = admin.describe_consumer_groups([name], include_authorized_operations=True)
        try:
            return {each.name for each in asked[name].result(30).authorized_operations}
        except KafkaException as error:
            code = error.args[0].code()
        if code in (Code.TOPIC_AUTHORIZATION_FAILED, Code.GROUP_AUTHORIZATION_FAILED):
            return set()
        time.sleep(0.5)  # the first group makes the topic of offsets, which takes a moment
    raise AssertionError(code)


def with_what_they_bring(given: Rights, name: str) -> set[str]:
    """The operations that a cell gives on a name, as brokers call them: reading and writing bring describing."""
    found = {broker_name(operation) for operation, names in given.items() if name in names}
    return found | ({"DESCRIBE"} if found & {"READ", "WRITE"} else set())


def test_a_user_can_do_what_the_page_says_and_no_more(broker: KafkaServer):
    assert {"aml-topics", "aml-lag", *(f"aml-{name}" for name in WORKERS)} == USERS.keys()
    groups = {name for _, given in USERS.values() for names in given.values() for name in names} | {"another"}
    for user, (on_topics, on_groups) in USERS.items():
        admin = AdminClient({**client(broker, user), "log_level": "0"})
        for topic in TOPICS:
            assert allowed(admin, ResourceType.TOPIC, topic) == with_what_they_bring(on_topics, topic), (user, topic)
        for group in groups:
            assert allowed(admin, ResourceType.GROUP, group) == with_what_they_bring(on_groups, group), (user, group)


def surroundings(redis_url: str, folder: Path) -> dict[str, str]:
    """What a worker needs besides brokers."""
    return {
        "AML_REDIS_URL": redis_url, "AML_DATABASE_URL": str(folder / "aml.db"), "AML_STORE_TOKEN_KEY": "0" * 64,
        "AML_STORE_FOLDER": str(folder / "store"), "AML_WORKER_PORT": "0",
    }  # fmt: skip


@pytest.mark.redis
@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_is_given_partitions_as_its_user(broker: KafkaServer, redis_url: str, tmp_path: Path, name: str):
    log = tmp_path / "worker.log"
    worker = aml(broker, f"aml-{name}", "worker", name, log=log, **surroundings(redis_url, tmp_path))
    admin = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": "0"})
    there, held = admin.list_topics(timeout=30).topics, 0
    wanted = sum(len(there[topic].partitions) for topic in USERS[f"aml-{name}"][0]["Read"])
    until = time.monotonic() + 180
    while held < wanted and worker.poll() is None and time.monotonic() < until:
        asked = admin.describe_consumer_groups([f"aml-{name}"], request_timeout=10)[f"aml-{name}"]
        with suppress(KafkaException, TimeoutError):  # the first group makes the topic of offsets
            members = asked.result(30).members
            held = sum(len(member.assignment.topic_partitions) for member in members if member.assignment)
        time.sleep(0.5)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(60) == 0, log.read_text()
    assert held == wanted, log.read_text()


@pytest.mark.redis
@pytest.mark.slow(minutes=3)
def test_a_bank_goes_through_all_workers_with_these_rights_alone(broker: KafkaServer, redis_url: str, tmp_path: Path):
    bank = simulated(tmp_path, customers=150, days=20, seed=9)
    given = surroundings(redis_url, tmp_path) | {
        "AML_INPUTS_APPROVE_EXAMPLES": "true", "AML_INPUTS_MODELS": "off", "AML_INPUTS_RATES": str(bank.rates),
        "AML_INPUTS_ENTITIES": str(bank.entities),
    }  # fmt: skip
    logs = {name: tmp_path / f"{name}.log" for name in WORKERS}
    workers = {name: aml(broker, f"aml-{name}", "worker", name, log=logs[name], **given) for name in WORKERS}
    feed = {"AML_KAFKA_PROTOCOL": "PLAINTEXT", "AML_KAFKA_BOOTSTRAP": broker.bootstrap}
    try:
        for words in ((str(bank.profiles), "--topic", "profiles", "--key", "customer"), (str(bank.payments),)):
            done(broker, "feed", "produce", *words, log=tmp_path / "feed.log", **feed)
        until, alerts = time.monotonic() + 900, 0
        while not alerts and all(each.poll() is None for each in workers.values()) and time.monotonic() < until:
            with suppress(sqlite3.OperationalError), sqlite3.connect(tmp_path / "aml.db") as store:
                alerts = store.execute("select count(*) from alerts").fetchone()[0]
            time.sleep(1)
    finally:
        for each in workers.values():
            each.send_signal(signal.SIGTERM)
        ended = {name: each.wait(120) for name, each in workers.items()}
    said = {name: log.read_text()[-2_000:] for name, log in logs.items()}
    assert alerts > 0, said
    assert ended == dict.fromkeys(WORKERS, 0), said
