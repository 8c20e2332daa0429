"""Topics and records at a real broker: made once, differences named, every record acknowledged, also over TLS."""

import gzip
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import Consumer
from typer.testing import CliRunner

from deploy.servers.certificates import Authority
from deploy.servers.kafka import KafkaServer, Security
from monitor.adapters.kafka.producing import INTENDED, OpenLoop
from monitor.adapters.kafka.topics import KafkaError, Topic, TopicAdmin, read_topics
from monitor.cli import app
from monitor.cli.stream import TOPICS
from tests.conftest import StartServer

pytestmark = pytest.mark.kafka


def aml(*words: str, env: dict[str, str], status: int = 0) -> str:
    result = CliRunner().invoke(app, list(words), env={"COLUMNS": "140", "NO_COLOR": "1", **env})
    assert result.exit_code == status, result.output
    return result.output


def received(client: dict[str, str], topic: str, count: int) -> list[tuple[bytes, int]]:
    """Value and intended time of the first records of a topic."""
    consumer = Consumer({**client, "group.id": uuid4().hex, "auto.offset.reset": "earliest", "log_level": 0})
    consumer.subscribe([topic])
    found = []
    while len(found) < count:
        message = consumer.poll(30)
        assert message is not None, f"{len(found)} of {count} came"
        assert message.error() is None
        found.append((message.value(), int(dict(message.headers())[INTENDED])))
    consumer.close()
    return found


@pytest.fixture
def client(kafka_bootstrap: str) -> dict[str, str]:
    return {"bootstrap.servers": kafka_bootstrap}


def test_topics_are_made_once_and_differences_are_named(client: dict[str, str]):
    some = uuid4().hex[:12]
    wanted = {
        f"{some}-a": Topic(partitions=3, retention_days=7, purpose="x"),
        f"{some}-b": Topic(partitions=2, cleanup="compact", purpose="x"),
    }
    admin = TopicAdmin(client)
    assert [each.can_be_made for each in admin.differences(wanted)] == [True, True]
    assert admin.create(wanted, replication=1) == list(wanted)
    assert admin.create(wanted, replication=1) == []
    assert admin.differences(wanted) == []
    others = {
        f"{some}-a": Topic(partitions=4, retention_days=8, purpose="x"),
        f"{some}-b": Topic(partitions=2, purpose="x"),
    }
    said = [str(each) for each in admin.differences(others)]
    assert said[0].startswith(f"{some}-a: it has 3 partitions, 4 are wanted. Keys would change their partition")
    assert said[1].startswith(f"{some}-a: its retention.ms is 604800000, 691200000 is wanted.")
    assert said[2].startswith(f"{some}-b: its cleanup.policy is compact, delete is wanted.")
    assert len(said) == 3


def test_a_topic_that_was_made_meanwhile_is_no_error(client: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    wanted = {uuid4().hex: Topic(partitions=1, purpose="x")}
    TopicAdmin(client).create(wanted, replication=1)
    late = TopicAdmin(client)
    first: list[dict[str, int]] = [{}]
    there = late._partitions
    monkeypatch.setattr(late, "_partitions", lambda: first.pop() if first else there())
    assert late.create(wanted, replication=1) == list(wanted)


def test_what_the_brokers_refuse_is_said(client: dict[str, str]):
    with pytest.raises(KafkaError, match=r"could not be made: .*replication factor"):
        TopicAdmin(client).create({uuid4().hex: Topic(partitions=1, purpose="x")}, replication=3)


def test_the_commands_make_and_check_the_shipped_topics(own_server: StartServer):
    broker = own_server(KafkaServer)
    env = {"AML_KAFKA_BOOTSTRAP": broker.bootstrap}
    names = list(read_topics(TOPICS))
    assert "transactions: it is not there. Make it:  aml topics create" in aml("topics", "check", env=env, status=1)
    assert aml("topics", "create", env=env) == f"Made {', '.join(names)}.\n"
    assert aml("topics", "create", env=env) == "All topics are there.\n"
    assert aml("topics", "check", env=env) == f"{len(names)} topics are as they should be.\n"


def test_a_file_is_sent_whole_in_its_order_and_at_the_rate(client: dict[str, str], tmp_path: Path):
    topic = uuid4().hex
    TopicAdmin(client).create({topic: Topic(partitions=1, purpose="x")}, replication=1)
    records = [f'{{"transaction_id": "{n}"}}'.encode() for n in range(200)]
    (tmp_path / "payments.jsonl.gz").write_bytes(gzip.compress(b"\n".join(records)))
    env = {"AML_KAFKA_BOOTSTRAP": client["bootstrap.servers"]}
    said = aml("produce", str(tmp_path / "payments.jsonl.gz"), "--topic", topic, "--rate", "1000", env=env)
    assert said.startswith(f"200 records into {topic} in ")
    found = received(client, topic, len(records))
    assert [value for value, _ in found] == records
    times = [intended for _, intended in found]
    assert [later - times[0] for later in times] == pytest.approx([1_000 * n for n in range(200)], abs=2)


def test_a_record_that_is_not_taken_is_an_error(client: dict[str, str]):
    with pytest.raises(KafkaError, match=r"topic no-such-topic: .* 0 were taken"):
        OpenLoop(client, "no-such-topic").send([b"x"])


def test_a_broker_behind_tls_and_a_password_is_reached_by_settings_alone(own_server: StartServer, tmp_path: Path):
    authority = Authority.make(tmp_path)
    security = Security(authority=authority, mechanism="SCRAM-SHA-512", users={"worker": "s3cret"})
    broker = own_server(KafkaServer, security=security)
    (tmp_path / "password").write_text("s3cret\n")
    env = {
        "AML_KAFKA_BOOTSTRAP": broker.secure_bootstrap,
        "AML_KAFKA_PROTOCOL": "SASL_SSL",
        "AML_KAFKA_CA": str(authority.certificate),
        "AML_KAFKA_USER": "worker",
        "AML_KAFKA_PASSWORD_FILE": str(tmp_path / "password"),
    }
    assert aml("topics", "create", env=env).startswith("Made transactions")
    (tmp_path / "one.jsonl").write_text("{}\n")
    assert aml("produce", str(tmp_path / "one.jsonl"), env=env).startswith("1 records into transactions")
    assert "s3cret" not in aml("settings", env=env)
