"""What a consumer group has committed, asked again while the group has no coordinator: it is being made, or its broker
has come back."""

import time
from collections.abc import Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

PASSING = (
    KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS
)  # fmt: skip
PAUSE_SECONDS = 0.2


def committed(reader: Consumer, places: Sequence[TopicPartition], *, seconds: float = 60.0) -> list[TopicPartition]:
    """The committed offsets of partitions, in their order.

    Raises:
        KafkaException: The brokers answer otherwise, or there is no coordinator for so long.
    """
    until = time.monotonic() + seconds
    while True:
        try:
            found: list[TopicPartition] = reader.committed(list(places), timeout=20)
            return found
        except KafkaException as error:
            if error.args[0].code() not in PASSING or time.monotonic() > until:
                raise
        time.sleep(PAUSE_SECONDS)
