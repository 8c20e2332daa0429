"""What was laundering, by account-day: the unit in which alerts are judged.

An account-day is an account and a day of UTC on which it sent or received anything. It is *true* when the account
itself sent or received a laundering row of a case on that day or in the three days before. A case is scored when one
of its rows falls into the scored part. Laundering rows of no case make no account-day true; they are told apart.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from monitor.app.evaluate.stream import Bools, Floats, Int32s, Int64s, Stream

DAYS_BEFORE = 3
"""An alert this many days after a case's row still counts."""


@dataclass(slots=True)
class AccountDays:
    """The active account-days of the scored part, ordered by day and then account text."""

    account: Int32s
    day: Int64s
    of_row: Int64s
    """Shape (n, 2): the account-day of each side of each row of the stream; -1 before the scored part or for nobody."""
    by_account: Int64s
    """The account-days ordered by account text and then day, as the yardstick draws from them."""

    def __len__(self) -> int:
        return len(self.account)


@dataclass(slots=True)
class Truth:
    """Which account-days are true, and for which cases."""

    stream: Stream
    days: AccountDays
    hit_day: Int64s
    """Pairs of (account-day, case) that are true: the account-day ..."""
    hit_case: Int32s
    """... and the case."""
    scored: Int32s
    """The numbers of the cases that are scored."""
    first_us: Int64s = field(default_factory=lambda: np.zeros(0, np.int64))
    """By case: the time of its first row."""
    is_true: Bools = field(default_factory=lambda: np.zeros(0, np.bool_))
    """By account-day."""

    @classmethod
    def of(cls, stream: Stream, start: int | None = None) -> "Truth":
        """The truth of a stream from a day on; without one, of the scored part."""
        start = stream.cut.scored if start is None else start
        days = account_days(stream, start)
        row_day = stream.days
        bad = np.flatnonzero(stream.case >= 0)
        last = np.full(len(stream.cases), -1, np.int64)
        np.maximum.at(last, stream.case[bad], row_day[bad])
        first_us = np.full(len(stream.cases), np.iinfo(np.int64).max)
        np.minimum.at(first_us, stream.case[bad], stream.rows.time_us[bad])
        is_scored = last >= start
        bad = bad[is_scored[stream.case[bad]]]
        key_of = _keys(stream)
        keys = key_of(days.account, days.day)
        found = []
        for side in (stream.rows.source, stream.rows.target):
            for later in range(DAYS_BEFORE + 1):
                wanted = key_of(side[bad], row_day[bad] + later)
                at = np.searchsorted(keys, wanted)
                at[at == len(keys)] = 0
                is_there = keys[at] == wanted if len(keys) else np.zeros(len(wanted), np.bool_)
                found.append(np.stack([at[is_there], stream.case[bad][is_there]], axis=1))
        pairs = np.unique(np.concatenate(found), axis=0) if found else np.zeros((0, 2), np.int64)
        is_true = np.zeros(len(days), np.bool_)
        is_true[pairs[:, 0]] = True
        return cls(
            stream, days, pairs[:, 0], pairs[:, 1].astype(np.int32), np.flatnonzero(is_scored).astype(np.int32),
            first_us, is_true,
        )  # fmt: skip

    def cases_found(self, chosen: Bools) -> Bools:
        """By case: whether one of its account-days is among the chosen ones."""
        found = np.zeros(len(self.stream.cases), np.bool_)
        found[self.hit_case[chosen[self.hit_day]]] = True
        return found

    def without_pattern(self) -> Int64s:
        """The laundering rows of the scored part that belong to no case."""
        stream = self.stream
        return np.flatnonzero(stream.is_laundering & (stream.case < 0) & (stream.days >= stream.cut.scored))


def account_ranks(stream: Stream) -> Int64s:
    """The place of each account among all, ordered by the code points of its text."""
    order = sorted(range(len(stream.accounts)), key=stream.accounts.__getitem__)
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    return ranks


def _keys(stream: Stream) -> Callable[[Int32s, Int64s], Int64s]:
    """From accounts and days to numbers that are ordered by day and then account text."""
    ranks, width = account_ranks(stream), len(stream.accounts)
    return lambda account, day: day * width + ranks[account]


def account_days(stream: Stream, start: int) -> AccountDays:
    """The active account-days from a day on."""
    first = stream.first_row_of_day(start)
    key_of, row_day = _keys(stream), stream.days[first:]
    sides = np.stack([stream.rows.source[first:], stream.rows.target[first:]], axis=1)
    is_party = stream.is_party[sides] if len(stream.is_party) else np.ones(sides.shape, np.bool_)
    keys = np.stack([key_of(sides[:, side], row_day) for side in (0, 1)], axis=1)
    _, once, place = np.unique(keys[is_party], return_index=True, return_inverse=True)
    of_row = np.full((len(stream.rows), 2), -1, np.int64)
    of_row[first:][is_party] = place
    account = sides[is_party][once].astype(np.int32)
    day = np.broadcast_to(row_day[:, None], sides.shape)[is_party][once]
    by_account = np.lexsort((day, account_ranks(stream)[account]))
    return AccountDays(account, day, of_row, by_account)


def by_account_day(days: AccountDays, scores: Floats) -> Floats:
    """The highest score of each account-day; NaN where no row of it has one.

    Args:
        days: The account-days.
        scores: Shape (n, 2): the score of each row and side, NaN where there is none.
    """
    best = np.full(len(days), -np.inf)
    is_given = (days.of_row >= 0) & ~np.isnan(scores)
    np.maximum.at(best, days.of_row[is_given], scores[is_given])
    best[np.isneginf(best)] = np.nan
    return best
