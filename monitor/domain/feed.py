"""Feeds: the systems of the bank that send payments, what came of each, and what the bank says it sent.

A *feed* is named by the header ``feed`` of a record, or for a file by ``aml run --feed``; without a name it is
:data:`FEED`. A *control total* is the bank's own count and sum of a feed, a business day and a currency. Comparing it
with what was counted shows whether something was lost, doubled or changed between the bank and the verdict.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from monitor.domain.transaction import Int16s, Int32s

FEED = "payments"
"""The feed of records that name none."""
OTHER_FEED = "other"
"""What a name becomes that no feed can have, and every name beyond :data:`FEEDS_MAX`."""
FEEDS_MAX = 200
NO_FEED = "can be no name of a feed: a small letter, then at most 23 small letters, digits, - and _"

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,23}")
_SECRET = re.compile(r"[0-9a-f]{16}|[0-9]{5}")
"""What looks like a token or an account number."""

MISSING, TOO_FEW, REFUSED, TOO_MANY, SUM = "missing", "too_few", "refused", "too_many", "sum"
NOT_STATED, AWAITED, EQUAL = "not_stated", "awaited", "equal"
DIFFERENCES = (MISSING, TOO_FEW, REFUSED, TOO_MANY, SUM, NOT_STATED)
"""Findings that are differences. ``awaited``: the time by which it should be there has not come."""


def is_feed(name: str) -> bool:
    """Whether a feed can have this name: a letter, then at most 23 letters, digits, ``-`` and ``_``, all lower case.

    Five digits in a row are not allowed: they could be an account number, and names of feeds are shown on boards.

    >>> is_feed("core-banking"), is_feed("Cards"), is_feed("acc-12345")
    (True, False, False)
    """
    return _NAME.fullmatch(name) is not None and _SECRET.search(name) is None


@dataclass(frozen=True, slots=True)
class FeedRows:
    """Feeds of n payments, and which of these are counted where they are read.

    Attributes:
        feeds: Names of feeds.
        feed: Number in ``feeds``, ``-1`` for a payment that is counted elsewhere, shape (n,).
        part: Number of the payment within its record, shape (n,).
    """

    feeds: tuple[str, ...]
    feed: Int16s
    part: Int32s

    def slice(self, start: int, stop: int) -> "FeedRows":
        """Rows ``start`` to ``stop`` as views."""
        return FeedRows(self.feeds, self.feed[start:stop], self.part[start:stop])


@dataclass(frozen=True, slots=True)
class FeedTotal:
    """What came of a feed, a business day and a currency, as whole numbers that only grow.

    Attributes:
        feed: Its name.
        day: Business day of the booking entity, days since 1970.
        currency: Its code; empty for refused records, whose currency is not known.
        payments: Payments that were judged, each once, however often it came.
        amount_minor: Their sum in minor units.
        refused: Records that were refused.
        repeated: Payments that the bank sent again.
    """

    feed: str
    day: int
    currency: str
    payments: int = 0
    amount_minor: int = 0
    refused: int = 0
    repeated: int = 0


@dataclass(frozen=True, slots=True)
class ControlTotal:
    """What the bank says it sent. ``expected_at_us``: by when it is here, microseconds UTC."""

    feed: str
    day: int
    currency: str
    payments: int
    amount_minor: int
    expected_at_us: int


@dataclass(frozen=True, slots=True)
class Compared:
    """One feed, day and currency: both sides and the finding, one of :data:`DIFFERENCES`, ``awaited`` or ``equal``."""

    received: FeedTotal
    expected: ControlTotal | None
    finding: str

    @property
    def is_difference(self) -> bool:
        """Whether it has to be looked into."""
        return self.finding in DIFFERENCES


def added(totals: Iterable[FeedTotal]) -> list[FeedTotal]:
    """One total for each feed, day and currency, in this order; those of several logs are added."""
    sums: dict[tuple[str, int, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for each in totals:
        kept = sums[each.feed, each.day, each.currency]
        for place, number in enumerate((each.payments, each.amount_minor, each.refused, each.repeated)):
            kept[place] += number
    return [FeedTotal(*key, *sums[key]) for key in sorted(sums)]


def compare(received: Iterable[FeedTotal], expected: Sequence[ControlTotal], *, now_us: int) -> list[Compared]:
    """Compare what came with what the bank says, by feed, day and currency, in this order.

    Only days of a feed for which the bank stated a total are compared. A record that was refused has come: where all
    that is missing was refused, the finding is ``refused`` and not ``too_few``. Which currency a refused record had is
    often unknown, so they are counted for the day as a whole.

    >>> said = ControlTotal("cards", 20_000, "EUR", 3, 700, expected_at_us=0)
    >>> came = [FeedTotal("cards", 20_000, "EUR", 2, 500), FeedTotal("cards", 20_000, "", refused=1)]
    >>> [(each.finding, each.received.payments) for each in compare(came, [said], now_us=1)]
    [('refused', 2)]
    """
    totals = {(each.feed, each.day, each.currency): each for each in added(received)}
    stated = {(each.feed, each.day, each.currency): each for each in expected}
    days = {(each.feed, each.day) for each in expected}
    refused: dict[tuple[str, int], int] = defaultdict(int)
    for (feed, day, _), each in totals.items():
        refused[feed, day] += each.refused
    keys = stated.keys() | {key for key, each in totals.items() if key[:2] in days and each.payments}
    found = []
    for key in sorted(keys):
        own, said = totals.get(key, FeedTotal(*key)), stated.get(key)
        found.append(Compared(own, said, _finding(own, said, refused, now_us)))
    return found


def _finding(own: FeedTotal, said: ControlTotal | None, refused: dict[tuple[str, int], int], now_us: int) -> str:
    if said is None:
        return NOT_STATED
    missing = said.payments - own.payments
    if missing > 0:
        if now_us < said.expected_at_us:
            return AWAITED
        left = refused[own.feed, own.day]
        if left >= missing:
            refused[own.feed, own.day] = left - missing
            return REFUSED
        return TOO_FEW if own.payments or left else MISSING
    if missing < 0:
        return TOO_MANY
    return EQUAL if said.amount_minor == own.amount_minor else SUM
