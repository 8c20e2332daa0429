"""What scoring hands to the brokers stands in the right partition, and is waited for before a state is saved."""

import asyncio
from types import SimpleNamespace
from typing import Any

from monitor.app.streaming.partition import FLOW, PAYMENTS, Judged
from monitor.app.streaming.scoring_outbox import ScoringOutbox, ScoringTopics


class Brokers:
    """Stands for the producer of a Faust application: keeps what is sent, and acknowledges when it is told to."""

    def __init__(self) -> None:
        self.producer = self
        self.sent: list[tuple[str, bytes, int | None, dict[str, bytes]]] = []
        self.futures: list[asyncio.Future[Any]] = []

    async def send(
        self, topic: str, _key: bytes | None, value: bytes, partition: int | None, _time: object, headers: Any
    ) -> "asyncio.Future[Any]":
        self.sent.append((topic, value, partition, dict(headers)))
        self.futures.append(asyncio.get_running_loop().create_future())
        return self.futures[-1]


def test_what_other_partitions_are_told_goes_into_their_logs_and_is_acknowledged_like_payments_that_go_on():
    async def told() -> None:
        brokers: Any = Brokers()
        outbox = ScoringOutbox(brokers, ScoringTopics(legs="l"), 4)
        partition: Any = SimpleNamespace(number=0, engine=SimpleNamespace(peers=SimpleNamespace(snapshot=None)))
        judged = Judged(forwards=[(2, b"payments")], messages=[(1, FLOW, b"money"), (3, FLOW, b"more")])
        await outbox.send(partition, judged)
        assert brokers.sent == [
            ("l", b"payments", 2, {"kind": PAYMENTS.encode(), "format": b"1"}),
            ("l", b"money", 1, {"kind": b"flow", "format": b"1"}),
            ("l", b"more", 3, {"kind": b"flow", "format": b"1"}),
        ]
        unsent = outbox.unsent()
        assert len(unsent) == 3
        for each in brokers.futures:
            each.set_result(None)
        await asyncio.gather(*unsent)
        assert outbox.unsent() == []

    asyncio.run(told())
