"""Records of ``alerts`` that casework cannot take: into the topic ``refused``, with the reason and the original bytes.

Headers: ``kind`` is ``refused``, then ``format``, ``reason`` (one word), ``detail`` (a sentence), and where the record
stood: ``topic``, ``partition``, ``offset``. Where the record was so large that the headers do not fit beside it, the
value is empty and ``left_out`` says so; the original is then in its own topic only.
"""

from collections.abc import Mapping
from typing import Any

from confluent_kafka import KafkaError as Code
from confluent_kafka import KafkaException, Message, Producer

from monitor.adapters.kafka.topics import SECONDS, KafkaError

FORMAT = b"1"
_DETAIL_MAX = 1_000
_BYTES_MAX = 100_000_000


class RefusedAlerts:
    """Puts records into the topic and waits until they are there.

    Args:
        client: Settings of the client.
        topic: Where to.
    """

    def __init__(self, client: Mapping[str, str], topic: str) -> None:
        self._where, self._topic = client["bootstrap.servers"], topic
        self._producer = Producer(
            {**client, "acks": "all", "enable.idempotence": "true", "message.timeout.ms": int(SECONDS * 1000),
             "message.max.bytes": _BYTES_MAX, "log_level": 0}
        )  # fmt: skip

    def put(self, value: bytes, *, reason: str, detail: str, topic: str, partition: int, offset: int) -> None:
        """Put one record and wait for it. After a crash it can be there twice.

        Raises:
            KafkaError: The brokers did not take it.
        """
        headers: dict[str, str | bytes | None] = {
            "kind": b"refused", "format": FORMAT, "reason": reason, "detail": detail[:_DETAIL_MAX],
            "topic": topic, "partition": str(partition), "offset": str(offset),
        }  # fmt: skip
        failed = self._put(value, headers)
        if failed is not None and failed.code() == Code.MSG_SIZE_TOO_LARGE:
            failed = self._put(b"", headers | {"left_out": "value"})
        if failed is not None:
            raise KafkaError(f"{self._where}: topic {self._topic}: a refused record was not taken: {failed.str()}.")

    def _put(self, value: bytes, headers: dict[str, str | bytes | None]) -> Code | None:
        outcome: list[Code | None] = []

        def delivered(error: Any, _message: Message) -> None:
            outcome.append(error)

        try:
            self._producer.produce(self._topic, value=value, headers=headers, on_delivery=delivered)
        except KafkaException as error:
            return Code(error.args[0].code())
        self._producer.flush()  # ends with the message's own time limit
        return outcome[0]
