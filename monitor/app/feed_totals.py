"""Counts and sums by feed, business day and currency of one log, made where duplicates are known.

What is counted is what the engine said of each payment, in the one partition that is the home of the payment's holder.
So a payment counts once, however often it was delivered, by the bank or by an intake worker that was killed. The
figures are a function of the log: they are part of its state, only grow, and are handed out as they stand, never as
what was added. Handing them out twice changes nothing.

What the engine does not remember (refusals and repeats) is counted by its place in topic ``transactions``: intake sends
what it reads in the order of each source partition, and what a new worker repeats begins at a place that was sent
before. So whatever stands at or before the last place that was counted has been counted.

At :data:`ROWS_MAX` rows, the one that has not changed for longest is left out of the state; what was handed out stays.
If its day comes again it is counted from 0 on, and the larger figure stays, so it shows as too few and never as well.
"""

import re
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from monitor.adapters.kafka.feed_records import RefusedPlace
from monitor.domain.feed import FeedRows, FeedTotal
from monitor.domain.money import CURRENCIES
from monitor.domain.time import parse_time_us
from monitor.domain.transaction import Int64s, TransactionBatch
from monitor.engine.admitting import DIFFERS, DUPLICATE, JUDGED, TAKEN_BACK, TOO_LATE
from monitor.intake.entities import BusinessCalendar, Entities

ROWS_MAX = 20_000
_BOOKED_AT = re.compile(rb'"booked_at"\s*:\s*"([^"]{10,40})"')
NO_CURRENCY = -1
_HALF_BITS = 32

Key = tuple[str, int, int]
"""Feed, day, code of the currency."""
_DAYS, _CURRENCIES = 1 << 24, 1 << 12
PARTS = 1 << 20
"""More payments than a record of a source can hold. A place in a source partition is ``offset * PARTS + part``."""


class _State(msgspec.Struct, array_like=True):
    rows: list[tuple[str, int, int, int, str, int, int]]
    """Key, payments, sum as text since it can be longer than 64 bits, refused, repeated."""
    counted: dict[int, int]
    refused: dict[int, int]


class FeedTotals:
    """The figures of one log."""

    def __init__(self) -> None:
        self._rows: dict[Key, list[int]] = {}
        """Payments, sum, refused, repeated; in the order of their last change."""
        self._changed: set[Key] = set()
        self._counted: dict[int, int] = {}
        """By source partition the last place of a payment that was counted, and of a refused record."""
        self._refused: dict[int, int] = {}

    def add(
        self, batch: TransactionBatch, outcome: npt.NDArray[np.int8], day: Int64s, feeds: FeedRows, sources: Int64s
    ) -> None:
        """Count payments of a batch by what the engine said of them.

        Args:
            batch: The payments, n of them.
            outcome: What admission said of each, shape (n,).
            day: The business day of each, days since 1970, shape (n,).
            feeds: The feed of each, of length n.
            sources: Partition and offset of each in the source, shape (n, 2).
        """
        here = np.flatnonzero(feeds.feed >= 0)
        if not len(here):
            return
        outcome = outcome[here]
        is_payment = (outcome == JUDGED) | (outcome == TAKEN_BACK)
        is_first = self._is_first(sources[here, 0], sources[here, 1] * PARTS + feeds.part[here])
        is_refused = ((outcome == DIFFERS) | (outcome == TOO_LATE)) & is_first
        is_repeated = (outcome == DUPLICATE) & is_first
        which = is_payment | is_refused | is_repeated
        # One number of feed, day and currency: to sort numbers is cheap.
        feed_and_day = feeds.feed[here].astype(np.int64) * _DAYS + day[here] + _DAYS // 2
        key = feed_and_day * _CURRENCIES + batch.currency[here]
        found, group = np.unique(key[which], return_inverse=True)
        amount = np.where(is_payment, batch.amount_minor[here], 0)[which]
        count = len(found)
        high, low = _summed(group, amount >> _HALF_BITS, count), _summed(group, amount & ((1 << _HALF_BITS) - 1), count)
        columns = [np.bincount(group, each[which], count).astype(np.int64)
                   for each in (is_payment, is_refused, is_repeated)]  # fmt: skip
        for number, each in enumerate(found.tolist()):
            (feed, its_day), currency = divmod(each // _CURRENCIES, _DAYS), each % _CURRENCIES
            payments, refused, repeated = (int(column[number]) for column in columns)
            total = (int(high[number]) << _HALF_BITS) + int(low[number])
            self._count((feeds.feeds[feed], its_day - _DAYS // 2, currency), payments, total, refused, repeated)

    def refuse(self, records: Iterable[RefusedPlace]) -> None:
        """Count records that intake refused, each once, however often they are handed in."""
        for each in records:
            place = each.source_offset * PARTS + each.part
            if place <= self._refused.get(each.source_partition, -1):
                continue
            self._refused[each.source_partition] = place
            self._count((each.feed, each.day, NO_CURRENCY), 0, 0, 1, 0)

    def refuse_all(self, feed: str, days: Iterable[int]) -> None:
        """Count refused records of a log that holds each once."""
        for day in days:
            self._count((feed, day, NO_CURRENCY), 0, 0, 1, 0)

    def take_changed(self) -> list[FeedTotal]:
        """The figures that changed since the last call, as they stand."""
        changed, self._changed = self._changed, set()
        return [_total(key, self._rows[key]) for key in sorted(changed) if key in self._rows]

    def all(self) -> list[FeedTotal]:
        """All figures, in the order of feed, day and currency."""
        return [_total(key, self._rows[key]) for key in sorted(self._rows)]

    def take_up(self, totals: Iterable[FeedTotal]) -> None:
        """Go on from figures that were handed out."""
        code = {name: number for number, name in enumerate(CURRENCIES)}
        for each in totals:
            key = (each.feed, each.day, code.get(each.currency, NO_CURRENCY))
            self._rows[key] = [each.payments, each.amount_minor, each.refused, each.repeated]

    def save(self) -> npt.NDArray[np.uint8]:
        """The whole state as bytes."""
        rows = [(*key, row[0], str(row[1]), row[2], row[3]) for key, row in self._rows.items()]
        return np.frombuffer(msgspec.msgpack.encode(_State(rows, self._counted, self._refused)), np.uint8)

    def load(self, saved: npt.NDArray[np.uint8]) -> None:
        """Take over what :meth:`save` gave."""
        state = msgspec.msgpack.decode(saved.tobytes(), type=_State)
        self._rows = {
            (feed, day, currency): [payments, int(amount), refused, repeated]
            for feed, day, currency, payments, amount, refused, repeated in state.rows
        }
        self._changed = set()
        self._counted, self._refused = state.counted, state.refused

    def _is_first(self, source: Int64s, place: Int64s) -> npt.NDArray[np.bool_]:
        """Which rows stand behind all that was counted of their source partition; then they are counted too."""
        is_first = np.zeros(len(source), np.bool_)
        for number in np.unique(source).tolist():
            rows = np.flatnonzero(source == number)
            latest = np.maximum.accumulate(np.concatenate([[self._counted.get(number, -1)], place[rows]]))
            is_first[rows] = place[rows] > latest[:-1]
            self._counted[number] = int(latest[-1])
        return is_first

    def _count(self, key: Key, payments: int, amount_minor: int, refused: int, repeated: int) -> None:
        row = self._rows.pop(key, None) or [0, 0, 0, 0]
        for place, more in enumerate((payments, amount_minor, refused, repeated)):
            row[place] += more
        self._rows[key] = row
        self._changed.add(key)
        if len(self._rows) > ROWS_MAX:
            oldest = next((each for each in self._rows if each not in self._changed), None)
            if oldest is not None:
                del self._rows[oldest]


def _summed(group: npt.NDArray[np.int64], values: Int64s, count: int) -> Int64s:
    """Sums of whole numbers below 2**32 by group; exact, because a batch has fewer than 2**31 rows."""
    sums = np.zeros(count, np.int64)
    np.add.at(sums, group, values)
    return sums


def _total(key: Key, row: Sequence[int]) -> FeedTotal:
    feed, day, currency = key
    return FeedTotal(feed, day, CURRENCIES[currency] if currency >= 0 else "", *row)


class RefusedDays:
    """The business day of a refused record: by the time that stands in it, else by when it came.

    >>> bank = {"B": {"country": "DE", "zone": "UTC"}}
    >>> days = RefusedDays(Entities.model_validate({"default": "B", "entities": bank}))
    >>> days.day(b'{"booked_at": "2026-05-04T09:00:00Z", "amount": "x"}', came_us=0)
    20577
    >>> days.day(b"garbage", came_us=86_400_000_000)
    1
    """

    def __init__(self, entities: Entities) -> None:
        self._calendar = BusinessCalendar(entities.entities, {entities.default: 0})

    def day(self, original: bytes, *, came_us: int) -> int:
        """Days since 1970."""
        said = _BOOKED_AT.search(original)
        try:
            at_us = parse_time_us(said[1].decode("ascii")) if said is not None else came_us
        except ValueError:
            at_us = came_us
        return int(self._calendar.periods(np.zeros(1, np.int32), np.array([at_us], np.int64))[0, 0])
