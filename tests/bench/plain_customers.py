"""What plain Python remembers of a customer and of an account."""

from collections.abc import Iterator, Mapping
from typing import Any

from monitor.domain.time import DAY_US
from tests.bench.plain_windows import Flow, Month, Removable, Sums

HUB_OVER_US = 30 * DAY_US
NEVER = -(2**63)
Lengths = Mapping[str, int]
"""Length in microseconds of every window, by ``rule.window``."""


class Account:
    """The windows of one account."""

    __slots__ = ("activity", "clock_us", "received")

    def __init__(self, lengths: Lengths) -> None:
        self.clock_us = NEVER
        self.activity, self.received = Sums(lengths["AML-NEW-001.activity"]), Sums(lengths["AML-NEW-001.received"])

    def windows(self) -> Iterator[Removable]:
        """Every window, for a reversal."""
        yield self.activity
        yield self.received


class Customer:
    """The windows of one customer. Those in ``others`` are made when first needed: most customers never need them."""

    __slots__ = ("clock_us", "fan_in", "fan_out", "months", "others", "partners", "peer_state", "week")

    def __init__(self, lengths: Lengths) -> None:
        self.clock_us = NEVER
        self.peer_state: tuple[Any, ...] = ()
        self.fan_in, self.fan_out = Flow(lengths["AML-FAN-001.received"]), Flow(lengths["AML-FAN-002.sent"])
        self.partners, self.week = Flow(HUB_OVER_US), Sums(lengths["AML-DOR-001.week"])
        self.others: dict[str, Sums | Flow] = {}
        self.months: dict[tuple[str, int], Month] = {}

    def sums(self, name: str, lengths: Lengths) -> Sums:
        """A window with count and sum."""
        window = self.others.get(name)
        if window is None:
            window = self.others[name] = Sums(lengths[name])
        return window  # type: ignore[return-value]

    def flow(self, name: str, lengths: Lengths) -> Flow:
        """A window with sum and distinct partners."""
        window = self.others.get(name)
        if window is None:
            window = self.others[name] = Flow(lengths[name])
        return window  # type: ignore[return-value]

    def windows(self) -> Iterator[Removable]:
        """Every window, for a reversal."""
        yield from (self.fan_in, self.fan_out, self.partners, self.week)
        yield from self.others.values()
        yield from self.months.values()
