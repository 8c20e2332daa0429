"""Feeds at intake: which feed a record is of, where its payments are counted, and what is refused of it.

A record names its feed in the header ``feed``; one that names none is of :data:`monitor.domain.feed.FEED`. Payments are
counted by scoring, which knows what is a repeat (:mod:`monitor.app.feed_totals`): each at the home of its payer if
ours, else of its payee, because a repeat goes there too, whatever rules are in force then. What intake refuses is told
to one partition of ``legs`` for each source partition.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from monitor.adapters.kafka import refused_records
from monitor.adapters.kafka.feed_records import RefusedPlace
from monitor.adapters.kafka.payment_chunks import SourcedBatch
from monitor.adapters.kafka.refused_records import RefusedPayment
from monitor.app.feed_totals import RefusedDays
from monitor.domain.feed import FEED, FEEDS_MAX, OTHER_FEED, FeedRows, is_feed
from monitor.domain.partitions import home_of
from monitor.domain.transaction import Bytes16, Int16s, Int32s, Int64s

_OFFSET_BITS = 43


class FeedNames:
    """Numbers of feeds, in the order in which they were met; at most :data:`FEEDS_MAX` and one for all others."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The names by number."""
        return tuple(self._numbers)

    def number(self, name: str) -> int:
        """The number of a feed; a name that none can have, and one too many, is ``other``."""
        known = self._numbers.get(name)
        if known is not None:
            return known
        if not is_feed(name) or len(self._numbers) >= FEEDS_MAX:
            name = OTHER_FEED
        return self._numbers.setdefault(name, len(self._numbers))


def feed_and_content(headers: Any) -> tuple[str, str]:
    """What the headers of a record say: its feed, and what its bytes are (empty for JSON)."""
    feed, content = FEED, ""
    for name, body in headers or ():
        if name == refused_records.CONTENT:
            content = refused_records.text_of(body)
        elif name == refused_records.FEED:
            feed = refused_records.text_of(body)
    return feed, content


def feed_of_payments(payments: SourcedBatch, partition: Int64s, offset: Int64s, feed: Int16s) -> Int16s:
    """The feed of each payment, from those of the records that it came in, shapes (n,) and (records,)."""
    if not len(feed) or (feed == feed[0]).all():
        return np.full(len(payments), feed[0] if len(feed) else -1, np.int16)
    records = (partition << _OFFSET_BITS) | offset
    order = np.argsort(records)
    places = (payments.source_partition.astype(np.int64) << _OFFSET_BITS) | payments.source_offset
    return feed[order[np.searchsorted(records[order], places)]]


def parts(payments: SourcedBatch) -> Int32s:
    """The number of each payment within its record, from 0; those of one record stand together."""
    row = np.arange(len(payments))
    partition, offset = payments.source_partition, payments.source_offset
    is_next = np.append(True, (partition[1:] != partition[:-1]) | (offset[1:] != offset[:-1]))[: len(row)]
    return (row - np.maximum.accumulate(np.where(is_next, row, 0))).astype(np.int32)


def counted_rows(
    payments: SourcedBatch,
    names: tuple[str, ...],
    feed: Int16s,
    tokens: Bytes16,
    rows: Int64s,
    partitions: Int32s,
    count: int,
) -> FeedRows:
    """Feeds of rows that go to partitions of ``count``: each payment is counted in one of them."""
    batch = payments.batch
    holder = np.where(batch.debtor_holder >= 0, batch.debtor_holder, batch.creditor_holder)
    home = np.where(holder >= 0, home_of(tokens[holder, :8], count), 0) if len(tokens) else np.zeros(len(batch), int)
    here = home[rows] == partitions
    return FeedRows(names, np.where(here, feed[rows], -1).astype(np.int16), parts(payments)[rows])


def refused_places(
    refused: Sequence[RefusedPayment], came: Mapping[tuple[int, int], tuple[str, int]], days: RefusedDays
) -> list[RefusedPlace]:
    """Where refused payments stood, numbered within each record.

    ``came`` has for the partition and offset of each record its feed and when the brokers had it, microseconds UTC.
    """
    found, numbers = [], dict[tuple[int, int], int]()
    for each in refused:
        place = (each.source_partition, each.source_offset)
        numbers[place] = number = numbers.get(place, -1) + 1
        feed, came_us = came[place]
        found.append(RefusedPlace(*place, number, feed, days.day(each.original, came_us=max(came_us, 0))))
    return found
