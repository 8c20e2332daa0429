"""How brokers answer those who read: seldom and with much, as each answer costs both sides processor time."""

import time

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka import KafkaError as Code

from monitor.adapters.kafka.topics import SECONDS

FETCH_MIN_BYTES = 1 << 20
"""Brokers answer once they have so much, or ``worker.fetch_wait_ms`` after they were asked."""
_AGAIN_SECONDS = 0.1
_PASSING = (Code.NOT_LEADER_FOR_PARTITION, Code.LEADER_NOT_AVAILABLE, Code.UNKNOWN_TOPIC_OR_PART)


def ends_of(consumer: Consumer, place: TopicPartition, *, seconds: float = SECONDS) -> tuple[int, int]:
    """The first offset of a partition and the one behind its last, as the brokers say it now.

    A partition that is new, or whose leader changes, is asked for again for some seconds.

    Raises:
        KafkaException: The brokers do not say it.
    """
    until = time.monotonic() + seconds
    while True:
        try:
            low, end = consumer.get_watermark_offsets(place, timeout=seconds, cached=False)
            return low, end
        except KafkaException as error:
            if error.args[0].code() not in _PASSING or time.monotonic() > until:
                raise
            time.sleep(_AGAIN_SECONDS)
            consumer.list_topics(place.topic, timeout=seconds)
