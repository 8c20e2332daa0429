"""A stream of records into a topic at a stated rate, open loop: what is late does not slow down what follows.

Each record has the time at which it should have been sent (header ``intended_us``), so that delays are measured from
there and a slow broker does not hide its own delays.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaException, Producer

from monitor.adapters.kafka.topics import SECONDS, KafkaError

INTENDED = "intended_us"
_QUEUED_MAX = 200_000


@dataclass(slots=True)
class Produced:
    """What became of a stream. ``behind_s`` is the most by which sending lagged behind the rate."""

    sent: int = 0
    acknowledged: int = 0
    seconds: float = 0.0
    behind_s: float = 0.0


class OpenLoop:
    """Sends records to one topic.

    Args:
        client: Settings of the client.
        topic: Where to.
        rate: Records a second; ``None`` as fast as the brokers take them.
        headers: Of every record, besides :data:`INTENDED`.
    """

    def __init__(
        self,
        client: Mapping[str, str],
        topic: str,
        *,
        rate: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._headers: dict[str, str | bytes | None] = dict(headers or {})
        self._where, self._topic, self._rate = client["bootstrap.servers"], topic, rate
        self._failed: str | None = None
        self._producer = Producer(
            {**client, "acks": "all", "enable.idempotence": "true", "linger.ms": "5", "compression.type": "lz4",
             "queue.buffering.max.messages": str(_QUEUED_MAX), "message.timeout.ms": "60000", "log_level": "0"}
        )  # fmt: skip
        self.produced = Produced()

    def send(
        self,
        records: Iterable[bytes | tuple[bytes | None, bytes]],
        on_progress: Callable[[Produced], bool] = lambda done: True,
    ) -> Produced:
        """Send all records and wait until every one is acknowledged; stops where ``on_progress`` answers False.

        A record is its bytes, or its key and its bytes.

        Raises:
            KafkaError: A record was not taken. Those before it may have been.
        """
        done, began = self.produced, time.perf_counter()
        began_us = time.time_ns() // 1_000
        try:
            for number, record in enumerate(records):
                due = number / self._rate if self._rate else time.perf_counter() - began
                if (wait := due - (time.perf_counter() - began)) > 0:
                    self._producer.poll(0)
                    time.sleep(wait)
                else:
                    done.behind_s = max(done.behind_s, -wait)
                key, value = record if isinstance(record, tuple) else (None, record)
                self._put(key, value, began_us + int(due * 1e6))
                done.sent += 1
                if number % 1_000 == 0 and not on_progress(done):
                    break
                if self._failed:
                    break
        finally:  # Where a record cannot be read, those before it are taken too.
            left = self._producer.flush(timeout=4 * SECONDS)
        done.seconds = time.perf_counter() - began
        if self._failed or left:
            why = self._failed or f"{left} records were not acknowledged in time"
            raise KafkaError(f"{self._where}: topic {self._topic}: {why}. {done.acknowledged} were taken.")
        return done

    def _put(self, key: bytes | None, value: bytes, intended_us: int) -> None:
        while True:
            try:
                self._producer.produce(
                    self._topic,
                    value,
                    key,
                    headers=self._headers | {INTENDED: str(intended_us)},
                    on_delivery=self._delivered,
                )
                return
            except BufferError:  # Only this waits: memory does not grow while the brokers are slow.
                self._producer.poll(0.05)
            except KafkaException as error:
                self._failed = error.args[0].str()
                return

    def _delivered(self, error: Any, _message: Any) -> None:
        if error is None:
            self.produced.acknowledged += 1
        elif self._failed is None:
            self._failed = error.str()
