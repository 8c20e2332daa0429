"""The breaker: a suspicion rule that raises too many alerts in a day goes into shadow for the rest of that day.

A rule that floods the queue hides what the others found. The limit of a rule and UTC day of the log is a share of the
customers that the bank snapshot of that day counts, and at least a fixed number; a bank can set another for each rule.
Alerts that are new count, repeats within the quiet period do not. What comes beyond the limit is stored as ``shadow``
with the mark ``breaker``, so nothing is lost. Obligations have no breaker.

The day is told by the version of the bank snapshot, of which the log makes one at each change of its UTC day. So where
the breaker opens depends on the log alone and on no clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from monitor.casework.journal import canonical_json
from monitor.domain.alert import Alert

SHARE_DEFAULT_PPM = 10_000
"""One alert a day and rule for each hundred customers."""
LEAST_DEFAULT = 100


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """What a bank may set."""

    share_ppm: int = SHARE_DEFAULT_PPM
    least: int = LEAST_DEFAULT
    by_rule: Mapping[str, int] = field(default_factory=dict)

    def limit(self, rule: str, customers: int) -> int:
        """New alerts that a rule may raise in a day.

        >>> BreakerSettings().limit("AML-STR-001", 50_000), BreakerSettings().limit("AML-STR-001", 10)
        (500, 100)
        """
        return self.by_rule.get(rule, max(self.least, customers * self.share_ppm // 1_000_000))

    @property
    def body(self) -> str:
        """The settings as canonical JSON, for the log of inputs."""
        return canonical_json({"share_ppm": self.share_ppm, "least": self.least, "by_rule": dict(self.by_rule)})


@dataclass(frozen=True, slots=True)
class Tripped:
    """A breaker that opened: for the rule's owner."""

    rule: str
    at_us: int
    position: int
    limit: int
    customers: int


PASS, TRIP, HELD = "pass", "trip", "held"

Counts = dict[str, tuple[int, int, bool]]
"""By rule: the version of the day's bank snapshot, the new alerts raised since, whether the breaker is open."""


@dataclass(slots=True)
class Breaker:
    """Counts new alerts by rule and day, in the order of the log."""

    settings: BreakerSettings
    counts: Counts = field(default_factory=dict)
    customers: dict[int, int] = field(default_factory=dict)
    """Customers of the bank by the version of its snapshot; the versions of today and of this batch."""

    def day_of(self, alert: Alert) -> int:
        """The day to which an alert counts: the version of its bank snapshot."""
        return alert.bank_snapshot or 0

    def customers_on(self, day: int) -> int:
        """How many customers the bank had on a day; 0 where that is not known."""
        return self.customers.get(day, 0)

    def see_bank(self, version: int, customers: int) -> None:
        """A bank snapshot: a day begins. Those before the latest two are forgotten."""
        self.customers[version] = customers
        for old in sorted(self.customers)[:-2]:
            if all(day != old for day, _, _ in self.counts.values()):
                del self.customers[old]

    def limit(self, rule: str, version: int) -> int:
        """New alerts that the rule may raise on the day of a bank snapshot."""
        return self.settings.limit(rule, self.customers_on(version))

    def decide(self, rule: str, *, version: int, is_new: bool) -> str:
        """What becomes of an alert: it passes, it is the one that opens the breaker, or the breaker is open."""
        day, count, is_open = self.counts.get(rule, (version, 0, False))
        if day != version:
            count, is_open = 0, False
        if is_open:
            return HELD
        is_above = is_new and count >= self.limit(rule, version)
        if is_new:
            self.counts[rule] = (version, count + (not is_above), is_above)
        return TRIP if is_above else PASS

    def save(self) -> dict[str, Any]:
        """The counts as JSON values, for the position of the run."""
        return {rule: [day, count, int(is_open)] for rule, (day, count, is_open) in self.counts.items()}

    def load(self, saved: Mapping[str, Any]) -> None:
        """Take over saved counts."""
        self.counts = {rule: (day, count, bool(is_open)) for rule, (day, count, is_open) in saved.items()}
