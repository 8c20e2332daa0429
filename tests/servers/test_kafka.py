"""A real broker takes topics and messages, keeps what it acknowledged, and lets in whom it should."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from uuid import uuid4

import faust
import pytest
from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from deploy.servers.certificates import Authority
from deploy.servers.kafka import KafkaServer, Security
from tests.conftest import StartServer, needed

pytestmark = pytest.mark.kafka

Settings = dict[str, str | int]


def client(bootstrap: str, **settings: str | int) -> Settings:
    """Settings of a client that does not log; dots are written as underscores."""
    return {"bootstrap.servers": bootstrap, "log_level": 0} | {
        key.replace("_", "."): value for key, value in settings.items()
    }


def new_topic(settings: Settings, partitions: int = 2) -> str:
    """A topic with a name nobody has."""
    name = f"test-{uuid4().hex[:12]}"
    admin = AdminClient(settings)
    for made in admin.create_topics([NewTopic(name, partitions, 1)]).values():
        made.result(30)
    return name


def send(settings: Settings, topic: str, values: Iterable[bytes]) -> None:
    """Send and wait until all are acknowledged."""
    producer = Producer(settings | {"acks": "all"})
    failed: list[object] = []
    for value in values:
        producer.produce(topic, value, on_delivery=lambda error, _: failed.append(error) if error else None)
    assert producer.flush(60) == 0
    assert not failed


def received(settings: Settings, topic: str, n: int) -> list[bytes]:
    """The first ``n`` values of a topic, sorted."""
    consumer = Consumer(settings | {"group.id": uuid4().hex, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    values: list[bytes] = []
    while len(values) < n:
        message = consumer.poll(60)
        assert message is not None, f"{len(values)} of {n} came"
        if not message.error():
            values.append(message.value())
    consumer.close()
    return sorted(values)


def is_refused(settings: Settings) -> bool:
    """Whether this client meets an error before it gets an answer."""
    errors: list[object] = []
    admin = AdminClient(settings | {"error_cb": errors.append})
    for _ in range(60):
        try:
            admin.list_topics(timeout=1)
            return False
        except KafkaException:
            admin.poll(0)
            if errors:
                return True
    raise AssertionError("neither an answer nor an error within a minute")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    with needed():
        return Authority.make(tmp_path)


def test_a_message_goes_round(kafka_bootstrap: str):
    here = client(kafka_bootstrap)
    topic = new_topic(here)
    send(here, topic, [b"one", b"two"])
    assert received(here, topic, 2) == [b"one", b"two"]


def test_a_faust_agent_takes_messages_and_sends_others(kafka_bootstrap: str, tmp_path: Path):
    here = client(kafka_bootstrap)
    source, target = new_topic(here), new_topic(here)
    app = faust.App(
        f"app-{source}", broker=f"kafka://{kafka_bootstrap}", store="memory://", topic_disable_leader=True,
        web_enabled=False, value_serializer="raw", datadir=tmp_path,
    )  # fmt: skip

    async def shout() -> None:
        done = asyncio.Event()

        @app.agent(app.topic(source, value_type=bytes), sink=[app.topic(target, value_type=bytes)])
        async def louder(stream):  # type: ignore[no-untyped-def]
            count = 0
            async for value in stream:
                yield value.upper()
                count += 1
                if count == 3:
                    done.set()

        try:
            async with asyncio.timeout(90):
                await app.start()
                await done.wait()
        finally:
            await asyncio.wait_for(app.stop(), 30)

    send(here, source, [b"a", b"b", b"c"])
    asyncio.run(shout())
    assert received(here, target, 3) == [b"A", b"B", b"C"]


def test_what_was_acknowledged_is_there_after_a_sigkill(own_server: StartServer):
    broker = own_server(KafkaServer)
    here = client(broker.bootstrap)
    topic = new_topic(here)
    values = [b"%05d" % i for i in range(10_000)]
    send(here, topic, values)
    broker.kill()
    assert is_refused(here)
    broker.restart()
    assert received(here, topic, len(values)) == values


def test_the_tls_listener_serves_those_who_trust_its_authority_and_nobody_else(
    own_server: StartServer, authority: Authority, tmp_path: Path
):
    broker = own_server(KafkaServer, security=Security(authority))
    there = broker.secure_bootstrap
    trusting = client(there, security_protocol="ssl", ssl_ca_location=str(authority.certificate))
    topic = new_topic(trusting)
    send(trusting, topic, [b"sealed"])
    assert received(trusting, topic, 1) == [b"sealed"]

    (tmp_path / "other").mkdir()
    other = Authority.make(tmp_path / "other")
    assert is_refused(client(there, security_protocol="ssl", ssl_ca_location=str(other.certificate)))
    assert is_refused(client(there))
    assert not is_refused(client(broker.bootstrap))


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_a_user_needs_the_password(own_server: StartServer, authority: Authority, mechanism: str):
    broker = own_server(KafkaServer, security=Security(authority, mechanism, {"worker": "open-sesame"}))
    there = client(
        broker.secure_bootstrap, security_protocol="sasl_ssl", ssl_ca_location=str(authority.certificate),
        sasl_mechanism=mechanism, sasl_username="worker",
    )  # fmt: skip
    topic = new_topic(there | {"sasl.password": "open-sesame"})
    send(there | {"sasl.password": "open-sesame"}, topic, [b"known"])
    assert received(there | {"sasl.password": "open-sesame"}, topic, 1) == [b"known"]
    assert is_refused(there | {"sasl.password": "open-barley"})
    assert is_refused(there | {"sasl.username": "nobody", "sasl.password": "open-sesame"})
