"""Where a casework worker reads, and with whom it shares."""

from collections.abc import Mapping
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
