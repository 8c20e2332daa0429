"""Peer quantiles and hubs in plain Python: histograms of each customer's latest value, published daily."""

from collections import defaultdict
from math import ceil
from typing import Any

CUSTOMERS_MIN = 30
HUB_PARTNERS_MIN, HUB_DAYS_MIN = 50, 14
Key = tuple[str | None, int]
"""A segment, ``None`` for the whole bank, and the number of a measure."""


def bucket_of(value: int) -> int:
    """The largest value that is counted as the same: exact to 63, then steps of 1/32."""
    if value < 64:
        return value
    step = 1 << (value.bit_length() - 6)
    return value // step * step + step - 1


class Peers:
    """Histograms by segment and measure. Measure 0 is the number of partners in 30 days, which makes a hub."""

    def __init__(self) -> None:
        self.histograms: dict[Key, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        self.many_partners: set[str] = set()
        self.days_with_many: dict[str, int] = {}
        self.hubs: frozenset[str] = frozenset()
        self.p99: dict[Key, int] = {}

    def move(self, customer: str, old: tuple[Any, ...], new: tuple[Any, ...]) -> None:
        """The customer's (segment, values...) changed; ``old`` is empty for a new customer."""
        is_same_segment = bool(old) and old[0] == new[0]
        for number in range(len(new) - 1):
            if is_same_segment and old[number + 1] == new[number + 1]:
                continue
            for sign, state in ((-1, old), (1, new)):
                if state:
                    bucket = bucket_of(state[number + 1])
                    self.histograms[None, number][bucket] += sign
                    if state[0] is not None:
                        self.histograms[state[0], number][bucket] += sign
        if bucket_of(new[1]) >= bucket_of(HUB_PARTNERS_MIN):
            self.many_partners.add(customer)
        else:
            self.many_partners.discard(customer)

    def publish(self) -> None:
        """Take the snapshot that holds for the coming day."""
        self.days_with_many = {one: self.days_with_many.get(one, 0) + 1 for one in self.many_partners}
        self.hubs = frozenset(one for one, days in self.days_with_many.items() if days >= HUB_DAYS_MIN)
        self.p99 = {}
        for (segment, number), histogram in list(self.histograms.items()):
            used = histogram if sum(histogram.values()) >= CUSTOMERS_MIN else self.histograms[None, number]
            customers = sum(used.values())
            if customers >= CUSTOMERS_MIN:
                self.p99[segment, number] = _quantile(used, ceil(customers * 990 / 1000))

    def quantile(self, segment: str | None, number: int) -> int | None:
        """The segment's 99 % quantile in the snapshot in force; the bank's for a segment that was new then."""
        found = self.p99.get((segment, number))
        return self.p99.get((None, number)) if found is None else found


def _quantile(histogram: dict[int, int], rank: int) -> int:
    for value in sorted(histogram):
        rank -= histogram[value]
        if rank <= 0:
            return value
    raise AssertionError("the rank is above the number of customers")
