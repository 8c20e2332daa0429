"""Reading topic ``refused``, and sending refused payments into ``transactions`` again, each once.

A partition is read from its beginning up to where it ended when reading began, and twice: the marks of what was sent
again (:class:`monitor.adapters.kafka.refused_records.Retried`) come after the records that they are about. A partition
is marked once everything of it is acknowledged. A kill in between sends records again the next time; the duplicate
filter of scoring drops what was accepted twice.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from monitor.adapters.kafka import refused_records
from monitor.adapters.kafka.fetching import ends_of
from monitor.adapters.kafka.outbox import Outbox
from monitor.adapters.kafka.refused_records import RefusedPayment, Retried
from monitor.adapters.kafka.topics import SECONDS, KafkaError, TopicAdmin

_READ_MAX, _READ_SECONDS = 500, 0.05
"""A read waits so long for so many, also at the end of a partition."""
RETRIED_FROM = "retried_from"
"""Header of a record that was sent again: where it stands in topic ``refused``."""


@dataclass(frozen=True, slots=True)
class StoredRefusal:
    """A refused payment, where it stands in topic ``refused``, and whether it was sent again."""

    partition: int
    offset: int
    payment: RefusedPayment
    is_retried: bool


@dataclass(slots=True)
class Retry:
    """What was sent again, and what was not because its bytes were cut (they are whole in ``transactions`` only)."""

    sent: Counter[str] = field(default_factory=Counter)
    cut: int = 0


class RefusedTopic:
    """The topic as it stands at the brokers.

    Args:
        client: Settings of the client.
        topic: Its name.

    Raises:
        KafkaError: There is no such topic, or no broker answers.
    """

    def __init__(self, client: Mapping[str, str], topic: str = "refused") -> None:
        self._client, self._topic = client, topic
        self._where = client["bootstrap.servers"]
        there = TopicAdmin(client).partitions()
        if topic not in there:
            raise KafkaError(f"{self._where}: topic {topic} is not there. Make it:  aml topics create")
        self._partitions = range(there[topic])

    def read(self, reason: str | None = None) -> Iterator[StoredRefusal]:
        """Refused payments by partition and offset, of one reason if given.

        Raises:
            KafkaError: The brokers do not give them, or a record is damaged.
        """
        for partition in self._partitions:
            marks = [mark for message in self._messages(partition) if (mark := self._mark(message)) is not None]
            for message in self._messages(partition):
                payment = self._payment(message)
                if payment is None or (reason is not None and payment.reason != reason):
                    continue
                offset = message.offset()
                assert offset is not None
                is_retried = any(mark.reason in ("", payment.reason) and offset <= mark.through for mark in marks)
                yield StoredRefusal(partition, offset, payment, is_retried)

    def retry(self, transactions: str, reason: str | None = None) -> Retry:
        """Send the bytes of refused payments that were not sent again yet, of one reason or of all.

        Raises:
            KafkaError: The brokers do not give or take a record. What was not marked is sent again next time.
        """
        outbox: Outbox[int] = Outbox(self._client)
        done = Retry()
        last: dict[int, int] = {}
        for stored in self.read(reason):
            if stored.is_retried:
                continue
            if last and stored.partition not in last:
                self._mark_retried(outbox, last, reason)
                last = {}
            last[stored.partition] = stored.offset
            if stored.payment.cut_from:
                done.cut += 1
                continue
            content = stored.payment.content
            headers = [(RETRIED_FROM, f"{self._topic}:{stored.partition}:{stored.offset}".encode())]
            headers += [(refused_records.CONTENT, content.encode())] if content else []
            headers += [(refused_records.FEED, stored.payment.feed.encode())] if stored.payment.feed else []
            outbox.send(transactions, stored.payment.original, headers=headers)
            done.sent[stored.payment.reason] += 1
        self._mark_retried(outbox, last, reason)
        return done

    def _mark_retried(self, outbox: Outbox[int], last: Mapping[int, int], reason: str | None) -> None:
        """Wait until everything is acknowledged; then write down up to where a partition was sent again."""
        outbox.flush()
        for partition, offset in last.items():
            value, headers = refused_records.encode_retried(Retried(reason or "", offset))
            outbox.send(self._topic, value, headers=headers, partition=partition)
        outbox.flush()

    def _mark(self, message: Message) -> Retried | None:
        try:
            return refused_records.decode_retried(message.value(), _headers(message))
        except ValueError as error:
            raise self._damaged(message, error) from None

    def _payment(self, message: Message) -> RefusedPayment | None:
        try:
            return refused_records.decode(message.value(), _headers(message))
        except ValueError as error:
            raise self._damaged(message, error) from None

    def _damaged(self, message: Message, error: ValueError) -> KafkaError:
        place = f"{self._topic}, partition {message.partition()}, offset {message.offset()}"
        return KafkaError(f"{place}: the record is damaged ({error}). Nothing after it was read.")

    def _messages(self, partition: int) -> Iterator[Message]:
        """Everything in a partition that was there when reading began."""
        consumer = Consumer(
            {**self._client, "group.id": f"aml-refused-{uuid4().hex}", "enable.auto.commit": "false",
             "enable.partition.eof": "true", "auto.offset.reset": "earliest", "log_level": "0"}
        )  # fmt: skip
        try:
            at, end = ends_of(consumer, TopicPartition(self._topic, partition))
            if at >= end:
                return
            consumer.assign([TopicPartition(self._topic, partition, at)])
            until = time.monotonic() + SECONDS
            while at < end:
                messages: Sequence[Message] = consumer.consume(_READ_MAX, _READ_SECONDS)
                if messages:
                    until = time.monotonic() + SECONDS
                elif time.monotonic() > until:
                    raise KafkaError(f"{self._where}: {self._topic}, partition {partition}: no record came in time.")
                for message in messages:
                    if (error := message.error()) is None:
                        offset = message.offset()
                        assert offset is not None
                        at = offset + 1
                        if offset < end:
                            yield message
                    elif error.code() == error._PARTITION_EOF:
                        at = end
                    else:
                        raise KafkaError(f"{self._where}: {self._topic}, partition {partition}: {error.str()}.")
        except KafkaException as error:
            raise KafkaError(f"{self._where}: {self._topic}: {error.args[0].str()}.") from None
        finally:
            consumer.close()


def _headers(message: Message) -> list[tuple[str, Any]]:
    headers = message.headers()
    return headers if isinstance(headers, list) else []
