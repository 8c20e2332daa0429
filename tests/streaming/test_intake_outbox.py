"""Rounds are reported in order and only when all their records are taken; what is not taken is an error."""

import pytest

from deploy.servers.kafka import KafkaServer
from monitor.adapters.kafka.outbox import Outbox
from monitor.adapters.kafka.topics import KafkaError, Topic, TopicAdmin
from tests.conftest import StartServer
from tests.streaming.intake_topics import wait_until

pytestmark = pytest.mark.kafka


def test_a_round_is_reported_once_it_and_all_before_it_are_taken(own_server: StartServer):
    broker = own_server(KafkaServer)
    client = {"bootstrap.servers": broker.bootstrap}
    TopicAdmin(client).create({"t": Topic(partitions=1, purpose="x")}, replication=1)
    outbox: Outbox[str] = Outbox(client)
    outbox.send("t", b"1")
    outbox.end_round("first")
    assert outbox.flush() == ["first"]
    broker.stop()
    outbox.send("t", b"2")
    outbox.end_round("second")
    outbox.end_round("empty")
    assert outbox.settled(0.5) == []
    assert (outbox.open_rounds, outbox.queued_bytes) == (2, 1)
    broker.restart()
    found: list[str] = []
    wait_until(lambda: bool(found.extend(outbox.settled(0.1)) or len(found) == 2))
    assert found == ["second", "empty"]
    assert (outbox.open_rounds, outbox.queued_bytes) == (0, 0)


def test_what_is_not_taken_in_time_is_an_error_and_its_round_is_never_reported(own_server: StartServer):
    broker = own_server(KafkaServer)
    client = {"bootstrap.servers": broker.bootstrap}
    TopicAdmin(client).create({"t": Topic(partitions=1, purpose="x")}, replication=1)
    outbox: Outbox[str] = Outbox(client, delivery_seconds=1)
    broker.stop()
    outbox.send("t", b"1")
    outbox.end_round("lost")
    with pytest.raises(KafkaError, match=r"topic t: .*What was made from this is not committed"):
        outbox.flush()
    with pytest.raises(KafkaError, match="topic t: "):
        outbox.settled()


def test_no_room_waits_and_a_wait_without_end_is_an_error(own_server: StartServer):
    broker = own_server(KafkaServer)
    client = {"bootstrap.servers": broker.bootstrap}
    TopicAdmin(client).create({"t": Topic(partitions=1, purpose="x")}, replication=1)
    outbox: Outbox[str] = Outbox(client, queued_bytes_max=64 << 10, delivery_seconds=2)
    broker.stop()

    def send_much() -> None:
        for _ in range(100):
            outbox.send("t", bytes(10_000))

    with pytest.raises(KafkaError, match="topic t: "):
        send_much()
    assert outbox.waits > 0
    assert outbox.queued_bytes < 80_000


def test_a_topic_that_is_not_there_is_an_error(kafka_bootstrap: str):
    outbox: Outbox[str] = Outbox({"bootstrap.servers": kafka_bootstrap}, delivery_seconds=20)
    outbox.send("no-such-topic-at-all", b"1")
    outbox.end_round("never")
    with pytest.raises(KafkaError, match="topic no-such-topic-at-all: "):
        outbox.flush()
