"""Brokers behind TLS are reached by settings alone, by both clients that workers use: librdkafka and that of Faust."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import Consumer

from deploy.servers.certificates import Authority
from deploy.servers.kafka import KafkaServer, Security
from monitor.adapters.kafka.producing import OpenLoop
from monitor.adapters.kafka.topics import KafkaError, Topic, TopicAdmin
from monitor.app.settings import KafkaSettings, WorkerSettings, load_settings
from monitor.app.streaming.faust_app import make_app
from tests.conftest import StartServer, needed

pytestmark = pytest.mark.kafka


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    with needed():
        return Authority.make(tmp_path)


def settings(broker: KafkaServer, authority: Authority, **further: str) -> KafkaSettings:
    """The settings that these variables give, without ``AML_KAFKA_`` in their names."""
    given = {"BOOTSTRAP": broker.secure_bootstrap, "CA": str(authority.certificate), **further}
    return load_settings({f"AML_KAFKA_{name}": value for name, value in given.items()}).kafka


def by_librdkafka(client: Mapping[str, str], topic: str) -> bytes:
    """Make a topic and send a record; the record as it is read."""
    TopicAdmin(client).create({topic: Topic(partitions=1, purpose="x")}, replication=1)
    assert OpenLoop(client, topic).send([b"sealed"]).acknowledged == 1
    consumer = Consumer({**client, "group.id": uuid4().hex, "auto.offset.reset": "earliest", "log_level": 0})
    consumer.subscribe([topic])
    message = consumer.poll(60)
    consumer.close()
    assert message is not None
    assert message.error() is None
    return bytes(message.value())


def by_faust(kafka: KafkaSettings, topic: str, target: str) -> None:
    """Take one record of a topic and send it on, as a scoring worker would."""
    app = make_app(uuid4().hex, kafka, WorkerSettings(), commit_seconds=0.5)

    async def go() -> None:
        done = asyncio.Event()

        @app.agent(app.topic(topic, value_serializer="raw", value_type=bytes))
        async def passing(stream):  # type: ignore[no-untyped-def]
            async for value in stream:
                await (await app.send(target, value=value.upper()))
                done.set()

        try:
            async with asyncio.timeout(90):
                await app.start()
                await done.wait()
        finally:
            await asyncio.wait_for(app.stop(), 30)

    asyncio.run(go())


def goes_round(kafka: KafkaSettings) -> None:
    """A record goes in by librdkafka, through Faust and out by librdkafka."""
    client, topic, target = kafka.client(), uuid4().hex, uuid4().hex
    assert by_librdkafka(client, topic) == b"sealed"
    TopicAdmin(client).create({target: Topic(partitions=1, purpose="x")}, replication=1)
    by_faust(kafka, topic, target)
    consumer = Consumer({**client, "group.id": uuid4().hex, "auto.offset.reset": "earliest", "log_level": 0})
    consumer.subscribe([target])
    message = consumer.poll(60)
    consumer.close()
    assert message is not None
    assert message.value() == b"SEALED"


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_with_a_password(own_server: StartServer, authority: Authority, tmp_path: Path, mechanism: str):
    broker = own_server(KafkaServer, security=Security(authority, mechanism, {"worker": "open-sesame"}))
    (tmp_path / "password").write_text("open-sesame\n")
    (tmp_path / "other").write_text("open-barley\n")
    who = {"PROTOCOL": "SASL_SSL", "MECHANISM": mechanism, "USER": "worker"}
    goes_round(settings(broker, authority, **who, PASSWORD_FILE=str(tmp_path / "password")))
    stranger = settings(broker, authority, **who, PASSWORD_FILE=str(tmp_path / "other"))
    with pytest.raises(KafkaError, match="no broker answers"):
        TopicAdmin(stranger.client()).create({"x": Topic(partitions=1, purpose="x")}, replication=1)


def test_with_a_certificate_of_ones_own(own_server: StartServer, authority: Authority, tmp_path: Path):
    asks = {"listener.name.outside.ssl.client.auth": "required"}
    broker = own_server(KafkaServer, security=Security(authority), settings=asks)
    mine = authority.issue("worker", tmp_path)
    goes_round(
        settings(broker, authority, PROTOCOL="SSL", CERTIFICATE=str(mine.certificate), KEY=str(mine.key))
    )  # fmt: skip
    stranger = settings(broker, authority, PROTOCOL="SSL")
    with pytest.raises(KafkaError, match="no broker answers"):
        TopicAdmin(stranger.client()).create({"x": Topic(partitions=1, purpose="x")}, replication=1)
