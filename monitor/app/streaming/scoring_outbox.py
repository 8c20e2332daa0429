"""What scoring hands to the brokers: alerts, payments for other partitions, and what it refuses."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Iterator, Sequence
from typing import Any

import faust
import msgspec

from monitor.adapters.kafka import alert_records, feed_records, refused_records
from monitor.adapters.kafka.legs_log import FORMAT, KIND
from monitor.adapters.kafka.missing_profiles import LATE, MISSING, encode_late, headers_of
from monitor.adapters.kafka.record_size import values_within
from monitor.adapters.kafka.refused_records import RefusedPayment
from monitor.app.engine_refusals import DETAILS
from monitor.app.streaming.partition import PAYMENTS, Judged, Partition
from monitor.app.streaming.profile_batch import home
from monitor.app.streaming.tracing import Headers
from monitor.domain.alert import Alert

UNSENT_MAX = 1_000
"""Most records that the brokers have not acknowledged; judging waits where there are more."""
UNREADABLE = "record_unreadable"
"""Reason of a record of the log that cannot be read."""

Future = asyncio.Future[Any]


class ScoringTopics(msgspec.Struct, frozen=True):
    """Names of the topics that a scoring worker uses."""

    legs: str = "legs"
    alerts: str = "alerts"
    refused: str = "refused"


class ScoringOutbox:
    """Sends through the producer of an application, and knows what is not acknowledged.

    A record that the brokers do not take ends the application: what was judged is not known outside, and the next
    worker begins again at the last snapshot.
    """

    def __init__(self, app: faust.App, topics: ScoringTopics, alert_partitions: int) -> None:
        self._app, self._topics, self._alert_partitions = app, topics, alert_partitions
        self._unsent: set[Future] = set()
        self._crash: asyncio.Task[None] | None = None

    def unsent(self) -> list[Future]:
        """What was handed over and is not acknowledged."""
        return list(self._unsent)

    async def send(self, partition: Partition, judged: Judged, trace: Headers = ()) -> None:
        """Hand over all that a step of a partition raised; waits only where too much is not acknowledged.

        ``trace`` are headers by which a trace goes on (:mod:`monitor.app.streaming.tracing`).
        """
        await self.decided(partition.number, judged.missing)
        by_home: dict[int, list[Alert]] = defaultdict(list)
        for alert in judged.alerts:
            by_home[home(bytes.fromhex(alert.subject.token), self._alert_partitions)].append(alert)
        headers = [(KIND, alert_records.KIND.encode()), (FORMAT, alert_records.FORMAT)]
        if (bank := partition.engine.peers.snapshot) is not None:
            headers.append((alert_records.BANK_CUSTOMERS, str(bank.customers).encode()))
        headers += trace
        for number, alerts in by_home.items():
            for value in values_within(alerts, alert_records.encode):
                await self._produce(self._topics.alerts, value, headers, partition=number)
        for number, value in judged.forwards:
            headers = [(KIND, PAYMENTS.encode()), (FORMAT, b"1"), *trace]
            await self._produce(self._topics.legs, value, headers, partition=number)
        for number, kind, value in judged.messages:
            await self._produce(self._topics.legs, value, [(KIND, kind.encode()), (FORMAT, b"1")], partition=number)
        for refused in self._refusals(partition.number, judged):
            value, headers = refused_records.encode(refused)
            await self._produce(self._topics.refused, value, headers, key=refused.key)
        while len(self._unsent) > UNSENT_MAX:
            await asyncio.wait(self._unsent, return_when=asyncio.FIRST_COMPLETED)

    async def send_totals(self, partition: Partition) -> None:
        """Hand over the totals of feeds that changed, as they stand, to the partition of alerts that keeps them."""
        number, changed = partition.number, partition.feeds.take_changed()
        for value in feed_records.encode_totals(f"{self._topics.legs}-{number}", changed) if changed else ():
            headers = feed_records.headers_of(feed_records.TOTALS)
            await self._produce(self._topics.alerts, value, headers, partition=number % self._alert_partitions)

    async def decided(self, number: int, missing: Sequence[bytes]) -> None:
        """Write into a partition's log what it goes on without; waits until the brokers have it."""
        for value in missing:
            await self._produce(self._topics.legs, value, headers_of(MISSING), partition=number)
        if missing and self._unsent:
            await asyncio.wait(self._unsent)

    async def late(self, number: int, versions: Sequence[bytes]) -> None:
        """Write versions that were missing into a partition's log."""
        for value in encode_late(versions):
            await self._produce(self._topics.legs, value, headers_of(LATE), partition=number)

    def _refusals(self, number: int, judged: Judged) -> Iterator[RefusedPayment]:
        """Payments that only the engine could refuse, and records of the log that cannot be read."""
        for each in judged.refused:
            place = f"transactions {each.source_partition}:{each.source_offset}"
            reason, detail = each.reason.value, DETAILS[each.reason]
            yield RefusedPayment(each.source_partition, each.source_offset, place, reason, detail, b"")
        for offset, fact in judged.damaged:
            yield RefusedPayment(number, offset, f"{self._topics.legs} {number}:{offset}", UNREADABLE, fact, b"")

    async def _produce(
        self, topic: str, value: bytes, headers: Any, *, partition: int | None = None, key: bytes | None = None
    ) -> None:
        sent: Awaitable[Any] = await self._app.producer.send(topic, key, value, partition, None, headers)
        future = asyncio.ensure_future(sent)
        self._unsent.add(future)
        future.add_done_callback(self._sent)

    def _sent(self, future: Future) -> None:
        self._unsent.discard(future)
        if not future.cancelled() and (error := future.exception()) is not None:
            self._crash = asyncio.ensure_future(self._app.crash(error))
