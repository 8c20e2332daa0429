"""The ends of a partition: asked for again while its leader changes, and given up where the fault lasts."""

from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from monitor.adapters.kafka import fetching
from monitor.adapters.kafka.fetching import ends_of


class Consumer:
    """One whose first answers are faults."""

    def __init__(self, *faults: int) -> None:
        self.faults, self.refreshed = list(faults), 0

    def get_watermark_offsets(self, _place: TopicPartition, *, timeout: float, cached: bool) -> tuple[int, int]:
        assert timeout
        assert not cached
        if self.faults:
            raise KafkaException(KafkaError(self.faults.pop(0)))
        return 3, 7

    def list_topics(self, topic: str, *, timeout: float) -> None:
        assert (topic, timeout > 0) == ("legs", True)
        self.refreshed += 1


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "_AGAIN_SECONDS", 0.0)


def test_a_leader_that_changes_is_asked_again():
    consumer: Any = Consumer(KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)
    assert ends_of(consumer, TopicPartition("legs", 2)) == (3, 7)
    assert consumer.refreshed == 2


def test_what_lasts_is_said():
    consumer: Any = Consumer(KafkaError.TOPIC_AUTHORIZATION_FAILED)
    with pytest.raises(KafkaException):
        ends_of(consumer, TopicPartition("legs", 2))
    consumer = Consumer(*[KafkaError.NOT_LEADER_FOR_PARTITION] * 9)
    with pytest.raises(KafkaException):
        ends_of(consumer, TopicPartition("legs", 2), seconds=-1.0)
