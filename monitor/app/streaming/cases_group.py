"""Where a casework worker reads, with whom it shares, and what stops it."""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

GROUP = "aml-cases"
ALERTS, REFUSED = "alerts", "refused"
QUEUE_KBYTES = 16_384
"""What the client reads ahead, over all partitions, KiB."""


@dataclass(frozen=True, slots=True)
class Group:
    """The consumer group and its topics.

    Attributes:
        instance: A name that the worker keeps over restarts; it then gets its partitions back at once. Two living
            workers must not have the same.
        session_seconds: After how long a worker that died loses its partitions.
    """

    alerts: str = ALERTS
    refused: str = REFUSED
    name: str = GROUP
    instance: str | None = None
    session_seconds: float = 10.0

    def consumer(self, client: Mapping[str, str]) -> dict[str, Any]:
        """The settings of the consumer."""
        session_ms = int(self.session_seconds * 1000)
        named = {} if self.instance is None else {"group.instance.id": self.instance}
        return {
            **client, **named, "group.id": self.name, "partition.assignment.strategy": "cooperative-sticky",
            "enable.auto.commit": False, "auto.offset.reset": "error", "queued.max.messages.kbytes": QUEUE_KBYTES,
            "session.timeout.ms": session_ms, "heartbeat.interval.ms": session_ms // 4, "fetch.wait.max.ms": 100,
            "log_level": 0,
        }  # fmt: skip


@contextmanager
def stopping_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Inside, SIGTERM and SIGINT call ``stop``; nothing changes outside the main thread, which alone gets signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = {each: signal.signal(each, lambda *_: stop()) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for each, handler in former.items():
            signal.signal(each, handler)
