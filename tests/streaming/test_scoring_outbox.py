"""What a step raises leaves in records that brokers take, however much it is."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from monitor.adapters.kafka.alert_records import decode
from monitor.adapters.kafka.record_size import RECORD_BYTES_MAX
from monitor.app.streaming.partition import Judged, Partition
from monitor.app.streaming.profile_batch import home
from monitor.app.streaming.scoring_outbox import ScoringOutbox, ScoringTopics
from monitor.domain.alert import Alert
from tests.streaming.conftest import Bank
from tests.streaming.legs_stream import KEY
from tests.streaming.no_profiles import NoProfiles


@dataclass
class Taken:
    """A producer that keeps what it is given, as an application has one."""

    records: list[tuple[str, int, bytes]] = field(default_factory=list)

    @property
    def producer(self) -> "Taken":
        return self

    async def send(self, topic: str, _key: Any, value: bytes, partition: int, *_: Any) -> "asyncio.Future[None]":
        self.records.append((topic, partition, value))
        sent: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        sent.set_result(None)
        return sent


def test_alerts_of_a_backlog_leave_in_records_that_brokers_take_and_in_their_order(bank: Bank):
    alerts: list[Alert] = []
    while len(alerts) < 4_000:
        alerts += [alert for step in bank.steps for alert in step]
    taken = Taken()

    async def send() -> None:
        outbox = ScoringOutbox(taken, ScoringTopics(), 2)  # type: ignore[arg-type]
        await outbox.send(Partition(0, 1, bank.loaded, KEY, NoProfiles), Judged(alerts=alerts))

    asyncio.run(send())
    assert len(taken.records) > 2
    assert max(len(value) for _, _, value in taken.records) <= RECORD_BYTES_MAX
    for number in range(2):
        found = [alert for _, partition, value in taken.records if partition == number for alert in decode(value)]
        assert found == [alert for alert in alerts if home(bytes.fromhex(alert.subject.token), 2) == number] != []
