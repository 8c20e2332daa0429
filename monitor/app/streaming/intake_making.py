"""What intake makes of the messages that it reads: chunks of payments, identities, refused records. No Kafka here.

The same messages make the same records, in the order of each source partition; that is what counting rests on
(:mod:`monitor.app.feed_totals`). Only the table of identifiers stays from one read to the next, and which of them were
sent. With more than ``identifiers_max`` it is begun anew: those that come from then on are sent once more.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from monitor.adapters.kafka import feed_records, identity_records, payment_chunks, refused_records
from monitor.adapters.kafka.payment_chunks import ChunkEncoder, SourcedBatch
from monitor.adapters.kafka.record_size import RECORD_BYTES_MAX
from monitor.adapters.kafka.refused_records import RefusedPayment
from monitor.app.feed_totals import RefusedDays
from monitor.app.inputs import LoadedInputs, RunIdentifiers
from monitor.app.streaming.arriving import Arrivals, ArrivedMessage
from monitor.app.streaming.intake_feeds import (
    FeedNames,
    counted_rows,
    feed_of_payments,
    refused_places,
)
from monitor.app.streaming.tracing import Headers
from monitor.domain.feed import FeedRows
from monitor.domain.transaction import Int16s, Int64s
from monitor.engine.binding import bind
from monitor.engine.ownership import destinations
from monitor.intake.identifiers import IdentifierTable

IDENTIFIERS_MAX = 4_000_000
"""Some 100 bytes each: 400 MB."""
_CHUNK_HEADERS = [("kind", payment_chunks.KIND.encode()), ("format", str(payment_chunks.FORMAT).encode())]


@dataclass(frozen=True, slots=True)
class IntakeTopics:
    """Where the worker reads and writes."""

    transactions: str = "transactions"
    legs: str = "legs"
    refused: str = "refused"
    identities: str = "identities"


class Came(NamedTuple):
    """Messages of one read: each with its feed and when the brokers had it, microseconds UTC."""

    messages: Sequence[ArrivedMessage]
    feeds: Sequence[str]
    at_us: Int64s


class Made(NamedTuple):
    """What they led to. ``rows`` are payments sent, once for each partition; ``feeds`` the names that came."""

    payments: int
    rows: int
    refused: Counter[str]
    feeds: tuple[str, ...]


class Send(Protocol):
    """Hands a record to the brokers."""

    def __call__(
        self,
        topic: str,
        value: bytes,
        *,
        headers: Sequence[tuple[str, bytes]] = (),
        key: bytes | None = None,
        partition: int = -1,
    ) -> None: ...


class IntakeMaking:
    """Makes records and sends them.

    Args:
        key: The key of the tokens.
        loaded: The rulebook and the entities.
        topics: Names of the topics.
        partitions: How many partitions ``legs`` has.
        send: Sends a record.
        knows_entities: Whether only the loaded entities exist.
        chunk_rows: Most payments of a chunk.
        identifiers_max: How many identifiers are kept.
    """

    def __init__(
        self,
        key: bytes,
        loaded: LoadedInputs,
        topics: IntakeTopics,
        partitions: int,
        send: Send,
        *,
        knows_entities: bool,
        chunk_rows: int,
        identifiers_max: int = IDENTIFIERS_MAX,
    ) -> None:
        self._key, self._loaded, self._topics, self._partitions = key, loaded, topics, partitions
        self._send, self._knows_entities = send, knows_entities
        self._chunk_rows, self._identifiers_max = chunk_rows, identifiers_max
        self.further_kinds = further_kinds_of(loaded, key)
        self._feeds, self._refused_days = FeedNames(), RefusedDays(loaded.entities)
        self.counts: Counter[str] = Counter()
        """Messages, payments, refused, rows sent, chunks, identifiers, and tables begun."""
        self._trace: Headers = ()
        self._begin_table()

    def _begin_table(self) -> None:
        """An empty table of identifiers, and what reads and writes by it."""
        self.identifiers = IdentifierTable(self._key)
        entities = self._loaded.entities
        self._arrivals = Arrivals(
            self._topics.transactions,
            self.identifiers,
            entities=frozenset(entities.entities) if self._knows_entities else None,
            default_entity=entities.default,
            zone=entities.entities[entities.default].zone,
        )
        self._chunks = ChunkEncoder(self.identifiers)
        self._sent_identifiers = 0
        self.counts["tables"] += 1

    def make(self, came: Came, trace: Headers = ()) -> Made:
        """Make and send everything that comes of some messages; ``trace`` goes into the headers of chunks."""
        if len(self.identifiers) > self._identifiers_max:
            self._begin_table()
        self._trace = trace
        rows = self.counts["rows"]
        feed = np.fromiter(map(self._feeds.number, came.feeds), np.int16, len(came.feeds))
        arrived = self._arrivals.decode(came.messages)
        self._send_identities()
        self._send_payments(arrived.payments, _feeds_of(arrived.payments, came.messages, feed))
        self._send_refused(arrived.refused, came, feed)
        self.counts["messages"] += len(came.messages)
        self.counts["payments"] += len(arrived.payments)
        self.counts["refused"] += len(arrived.refused)
        names = self._feeds.names
        return Made(
            len(arrived.payments),
            self.counts["rows"] - rows,
            Counter(refused.reason for refused in arrived.refused),
            tuple(names[number] for number in np.unique(feed).tolist()),
        )

    def _send_identities(self) -> None:
        count = len(self.identifiers)
        if count == self._sent_identifiers:
            return
        for token, value in identity_records.encode(self.identifiers, self._sent_identifiers):
            self._send(self._topics.identities, value, key=token, headers=identity_records.HEADERS)
        self.counts["identifiers"] += count - self._sent_identifiers
        self._sent_identifiers = count

    def _send_refused(self, refused: Sequence[RefusedPayment], came: Came, feed: Int16s) -> None:
        if not refused:
            return
        names = [self._feeds.names[number] for number in feed.tolist()]
        known = {
            (each.partition, each.offset): (name, us)
            for each, name, us in zip(came.messages, names, came.at_us.tolist(), strict=True)
        }
        for each in refused:
            its_feed, _ = known[each.source_partition, each.source_offset]
            value, headers = refused_records.encode(replace(each, feed=its_feed))
            self._send(self._topics.refused, value, key=each.key, headers=headers)
        headers = feed_records.headers_of(feed_records.REFUSALS)
        for source, value in feed_records.encode_refusals(refused_places(refused, known, self._refused_days)):
            self._send(self._topics.legs, value, partition=source % self._partitions, headers=headers)

    def _send_payments(self, payments: SourcedBatch, feed: Int16s) -> None:
        if not len(payments):
            return
        goes = destinations(
            payments.batch, self.identifiers.tokens, self.further_kinds, self._partitions,
            follows_money=self._loaded.program.follows_money,
        )  # fmt: skip
        order = np.argsort(goes.partition, kind="stable")
        rows, partitions = goes.row[order], goes.partition[order]
        stops = _stops(partitions, self._chunk_rows)
        names, tokens = self._feeds.names, self.identifiers.tokens
        feeds = counted_rows(payments, names, feed, tokens, rows, partitions, self._partitions)
        chunks = self._chunks.encode(payments, rows, stops, feeds)
        for stop, start, value in zip(stops, (0, *stops), chunks, strict=False):
            self._send_chunk(payments, rows[start:stop], feeds.slice(start, stop), int(partitions[start]), value)
        self.counts["rows"] += len(rows)

    def _send_chunk(self, payments: SourcedBatch, rows: Int64s, feeds: FeedRows, partition: int, value: bytes) -> None:
        """Send a chunk, in halves where it is longer than a record may be."""
        if len(value) > RECORD_BYTES_MAX and len(rows) > 1:
            half = len(rows) // 2
            first, second = self._chunks.encode(payments, rows, [half, len(rows)], feeds)
            self._send_chunk(payments, rows[:half], feeds.slice(0, half), partition, first)
            self._send_chunk(payments, rows[half:], feeds.slice(half, len(rows)), partition, second)
            return
        self._send(self._topics.legs, value, partition=partition, headers=[*_CHUNK_HEADERS, *self._trace])
        self.counts["chunks"] += 1


def further_kinds_of(loaded: LoadedInputs, key: bytes) -> tuple[int, ...]:
    """Which kinds of keys besides holders the rulebook aggregates by (:mod:`monitor.engine.further_keys`)."""
    identifiers = RunIdentifiers(IdentifierTable(key))
    return bind(loaded.program, encode=identifiers.code, lists=loaded.lists).extra_kinds


def _feeds_of(payments: SourcedBatch, came: Sequence[ArrivedMessage], feed: Int16s) -> Int16s:
    """The feed of each payment, from those of the records."""
    partition = np.array([each.partition for each in came], np.int64)
    return feed_of_payments(payments, partition, np.array([each.offset for each in came], np.int64), feed)


def _stops(partitions: Any, rows_max: int) -> list[int]:
    """Where chunks end: at each change of partition, and after so many rows."""
    ends = [*(np.flatnonzero(np.diff(partitions)) + 1).tolist(), len(partitions)]
    stops = []
    start = 0
    for end in ends:
        stops += [*range(start + rows_max, end, rows_max), end]
        start = end
    return stops
