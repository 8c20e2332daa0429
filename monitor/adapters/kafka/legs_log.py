"""The log of legs as it stands at the brokers: how many partitions it has, and stretches of one to read again."""

import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka import KafkaError as KafkaErrorCode
from confluent_kafka.admin import AdminClient

from monitor.adapters.kafka.fetching import ends_of
from monitor.adapters.kafka.topics import SECONDS, KafkaError


class LogShorter(Exception):
    """A partition of the log ends before what is known of it."""


KIND, FORMAT = "kind", "format"
"""Headers of each record."""
_RECORDS = 256
_POLL_SECONDS = 0.05
"""A read waits so long for as many records; the clients give them at once only when they are full."""


def partitions_of(client: Mapping[str, str], topic: str) -> int:
    """How many partitions a topic has.

    Raises:
        KafkaError: There is no such topic, or no broker answers.
    """
    where = client["bootstrap.servers"]
    try:
        listed = AdminClient({**client, "log_level": "0"}).list_topics(topic, timeout=SECONDS).topics[topic]
    except KafkaException as error:
        raise KafkaError(f"{where}: no broker answers ({error.args[0].str()}). Correct AML_KAFKA_BOOTSTRAP.") from None
    if listed.error is not None:
        raise KafkaError(f"{where}: topic {topic}: {listed.error.str()}. Make it:  aml topics create")
    return len(listed.partitions)


def stretch(
    client: Mapping[str, str], topic: str, partition: int, start: int, stop: int
) -> Iterator[list[tuple[int, str, bytes]]]:
    """Records of one partition from offset ``start`` to before ``stop``: (offset, kind, value), some at a time.

    What retention has removed is passed over.

    Raises:
        KafkaError: The brokers do not give them.
    """
    reader = Consumer(
        {**client, "group.id": "aml-measuring", "enable.auto.commit": "false", "enable.partition.eof": "true",
         "auto.offset.reset": "earliest", "log_level": "0"}
    )  # fmt: skip
    try:
        reader.assign([TopicPartition(topic, partition, start)])
        at, until = start, time.monotonic() + SECONDS
        while at < stop:
            found: list[tuple[int, str, bytes]] = []
            for message in reader.consume(_RECORDS, timeout=_POLL_SECONDS):
                error, offset = message.error(), message.offset()
                if error is not None and error.code() != KafkaErrorCode._PARTITION_EOF:
                    raise KafkaError(f"{topic}, partition {partition}, offset {at}: {error.str()}")
                if error is not None:
                    at = stop
                    continue
                assert offset is not None
                at = max(at, offset + 1)
                if offset < stop:
                    found.append((offset, kind_of(message.headers()), message.value() or b""))
            if found:
                yield found
                until = time.monotonic() + SECONDS
            elif at < stop and time.monotonic() > until:
                raise KafkaError(f"{topic}, partition {partition}: no record from offset {at} on in {SECONDS:g} s.")
    finally:
        reader.close()


class Extent(NamedTuple):
    """What a partition of the log has: its first offset, the one behind its last record, and up to where a group has
    committed, which is within them."""

    low: int
    end: int
    committed: int


def extent(client: Mapping[str, str], topic: str, partition: int, group: str) -> Extent:
    """The extent of a partition now. A group that has committed nothing, or what retention removed, begins at ``low``.

    Raises:
        KafkaError: The brokers do not say it.
    """
    place = TopicPartition(topic, partition)
    asking = Consumer({**client, "group.id": group, "enable.auto.commit": "false", "log_level": "0"})
    try:
        low, end = ends_of(asking, place)
        (known,) = asking.committed([place], timeout=SECONDS)
        if known.error is not None:
            raise KafkaException(known.error)
    except KafkaException as error:
        raise KafkaError(f"{topic}, partition {partition}: {error.args[0].str()}") from None
    finally:
        asking.close()
    return Extent(low, end, max(low, known.offset))


def of_kind(
    client: Mapping[str, str], topic: str, partition: int, start: int, end: int, kind: str
) -> Iterator[bytes]:  # fmt: skip
    """The values of one kind from an offset to before another one.

    Raises:
        KafkaError: The brokers do not give them.
    """
    if start < end:
        for records in stretch(client, topic, partition, start, end):
            yield from (value for _, each, value in records if each == kind)


def kind_of(headers: object) -> str:
    """The kind that a record's headers name; empty where they name none."""
    for name, value in headers if isinstance(headers, list) else []:
        if name == KIND and isinstance(value, bytes):
            return value.decode("utf-8", "replace")
    return ""
