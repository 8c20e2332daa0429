"""The breaker of one partition of the alerts: it counts its own alerts and holds its own part of the limit.

Alerts of a rule are spread over the partitions by their subjects. A count that all partitions share would depend on
which of them was read first, which no log tells; so each partition decides by its log alone, and a limit ``L`` is
divided. Subjects are spread by a hash, so a partition of ``P`` gets ``L / P`` alerts and some more or fewer: its part
is that number and three times its square root. A rule that stays below the limit of the bank is so held back in no
partition, or hardly ever, and one that floods is held back in all of them, at the latest when it has raised the sum of
all parts: 133 % of a limit of 1,000 in 12 partitions, 216 % of 100.

The day is the UTC day of the alert's judged time: the partitions of the payments that lead to one partition of alerts
do not change their day together. The latest :data:`DAYS_KEPT` days of a rule are counted apart; what is older counts
to the oldest of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isqrt
from typing import Any

from monitor.casework.breaker import HELD, PASS, TRIP, Breaker
from monitor.domain.alert import Alert
from monitor.domain.time import DAY_US

DAYS_KEPT = 8


def part_of(limit: int, partitions: int) -> int:
    """The part of a limit that one of several partitions holds.

    >>> part_of(100, 1), part_of(100, 12), part_of(1_000, 12), part_of(0, 12)
    (100, 18, 111, 0)
    """
    if partitions == 1:
        return limit
    mean = -(-limit // partitions)
    return mean + 3 * isqrt(mean)


@dataclass(slots=True)
class PartitionBreaker(Breaker):
    """Counts new alerts by rule and day, in the order of the partition's log."""

    partitions: int = 1
    bank_customers: int = 0
    """Customers of the bank as the scoring last told; 0 before it did."""
    days: dict[str, dict[int, tuple[int, bool]]] = field(default_factory=dict)
    """By rule and day: the new alerts raised, and whether the breaker is open."""

    def day_of(self, alert: Alert) -> int:
        """The UTC day of the judged time, in days since 1970."""
        return alert.judged_at_us // DAY_US

    def customers_on(self, day: int) -> int:
        """How many customers the bank has, the same for every day."""
        return self.bank_customers

    def limit(self, rule: str, version: int) -> int:
        """New alerts that the rule may raise on a day in this partition."""
        return part_of(self.settings.limit(rule, self.bank_customers), self.partitions)

    def decide(self, rule: str, *, version: int, is_new: bool) -> str:
        """What becomes of an alert of a day: it passes, it opens the breaker, or the breaker is open."""
        days = self.days.setdefault(rule, {})
        day = max(version, max(days, default=version) - DAYS_KEPT + 1)
        count, is_open = days.get(day, (0, False))
        if is_open:
            return HELD
        is_above = is_new and count >= self.limit(rule, day)
        if is_new:
            days[day] = count + (not is_above), is_above
            for old in sorted(days)[:-DAYS_KEPT]:
                del days[old]
        return TRIP if is_above else PASS

    def save(self) -> dict[str, Any]:
        """The counts as JSON values, for the position of the run."""
        counts = {
            rule: [[day, count, int(is_open)] for day, (count, is_open) in sorted(days.items())]
            for rule, days in sorted(self.days.items())
            if days
        }
        return {"customers": self.bank_customers, "counts": counts}

    def load(self, saved: Mapping[str, Any]) -> None:
        """Take over saved counts."""
        self.bank_customers = saved.get("customers", 0)
        self.days = {
            rule: {day: (count, bool(is_open)) for day, count, is_open in days}
            for rule, days in saved.get("counts", {}).items()
        }
