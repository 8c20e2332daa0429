"""Records on their way to the brokers, in rounds: what a round came from may be committed once all of it is taken.

A round is everything that was made from one read of the input. Rounds are reported in the order in which they began,
each when the brokers have acknowledged all its records and those of every round before. So an offset that is
committed never leaves anything behind it that could still be lost.

Limits: at most ``queued_bytes_max`` wait to be sent; then :meth:`Outbox.send` waits, and whoever reads the input waits
with it. A record that is not taken within ``DELIVERY_SECONDS`` ends the work with an error.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

from confluent_kafka import KafkaException, Producer

from monitor.adapters.kafka.topics import KafkaError

DELIVERY_SECONDS = 120
_QUEUED_BYTES_MAX = 64 << 20
_QUEUED_MAX = 500_000
_CLIENT_BYTES_MAX = 8 << 20

Mark = TypeVar("Mark")


class _Round(Generic[Mark]):
    """Records of one read. ``mark`` says what may be committed when none is left."""

    __slots__ = ("left", "mark", "outbox")

    def __init__(self, outbox: "Outbox[Mark]") -> None:
        self.outbox, self.left = outbox, 0
        self.mark: Mark | None = None

    def delivered(self, error: Any, message: Any) -> None:
        self.outbox.queued_bytes -= len(message.value() or b"")
        if error is None:
            self.left -= 1
        else:
            self.outbox.fail(message.topic(), error.str())


class Outbox(Generic[Mark]):
    """Sends records: idempotent, acknowledged by all replicas, compressed.

    Args:
        client: Settings of the client.
        queued_bytes_max: How much may wait.
        delivery_seconds: How long a record may wait.
    """

    def __init__(
        self,
        client: Mapping[str, str],
        *,
        queued_bytes_max: int = _QUEUED_BYTES_MAX,
        delivery_seconds: float = DELIVERY_SECONDS,
    ) -> None:
        self._where = client["bootstrap.servers"]
        self._seconds = delivery_seconds
        self._failed: str | None = None
        self._rounds: deque[_Round[Mark]] = deque()
        self._round = _Round(self)
        self.waits = 0
        """How often there was no room, for metrics."""
        self.queued_bytes = 0
        """Bytes of values that are not acknowledged yet."""
        self._producer = Producer(
            {**client, "acks": "all", "enable.idempotence": "true", "compression.type": "lz4", "linger.ms": "1",
             "message.max.bytes": str(_CLIENT_BYTES_MAX), "queue.buffering.max.messages": str(_QUEUED_MAX),
             "queue.buffering.max.kbytes": str(max(1, queued_bytes_max >> 10)),
             "message.timeout.ms": str(int(delivery_seconds * 1_000)), "log_level": "0"}
        )  # fmt: skip

    @property
    def open_rounds(self) -> int:
        """Rounds that are not acknowledged yet."""
        return len(self._rounds)

    def send(
        self,
        topic: str,
        value: bytes,
        *,
        headers: Sequence[tuple[str, bytes]] = (),
        key: bytes | None = None,
        partition: int = -1,
    ) -> None:
        """Put a record into the round that is being made; waits while there is no room.

        Raises:
            KafkaError: This record or one before was not taken.
        """
        while True:
            try:
                self._producer.produce(
                    topic, value, key, partition=partition, headers=list(headers), on_delivery=self._round.delivered
                )
                self._round.left += 1
                self.queued_bytes += len(value)
                return
            except BufferError:
                self.waits += 1
                self._producer.poll(0.05)
                self._check()
            except KafkaException as error:
                self.fail(topic, error.args[0].str())
                self._check()

    def end_round(self, mark: Mark) -> None:
        """The round is whole; ``mark`` is reported once it is acknowledged."""
        self._round.mark = mark
        self._rounds.append(self._round)
        self._round = _Round(self)

    def settled(self, wait_seconds: float = 0.0) -> list[Mark]:
        """Marks of the rounds that were acknowledged since the last call, in order.

        Raises:
            KafkaError: A record was not taken.
        """
        self._producer.poll(wait_seconds)
        self._check()
        marks = []
        while self._rounds and self._rounds[0].left == 0:
            mark = self._rounds.popleft().mark
            assert mark is not None
            marks.append(mark)
        return marks

    def flush(self) -> list[Mark]:
        """Wait until all rounds are acknowledged; their marks.

        Raises:
            KafkaError: A record was not taken in time.
        """
        left = self._producer.flush(self._seconds + 5)
        if left:
            self.fail("of any kind", f"{left} records were not acknowledged in {self._seconds:g} s")
        return self.settled()

    def fail(self, topic: str, why: str) -> None:
        """Note the first reason why nothing more can be promised."""
        self._failed = self._failed or f"topic {topic}: {why}"

    def _check(self) -> None:
        if self._failed:
            raise KafkaError(
                f"{self._where}: {self._failed}. What was made from this is not committed and is made again at "
                "the next start."
            )
