"""Sliding windows as a good Python programmer keeps them: a deque of what is inside and running numbers.

Nothing of NumPy, numba or the monitor's engine is used. An event enters on the right and leaves on the left once it is
as old as the window is long, so that a payment costs the same whatever the length. A reversal searches its
event in the deque, which is rare enough.
"""

from collections import deque


class Sums:
    """How many payments and how much over ``(t - over, t]``. An unknown amount counts but does not add."""

    __slots__ = ("count", "events", "over_us", "total")

    def __init__(self, over_us: int) -> None:
        self.over_us, self.count, self.total = over_us, 0, 0
        self.events: deque[tuple[int, int, int]] = deque()

    def add(self, t: int, position: int, amount: int | None) -> None:
        """Enter a payment; ``t`` never falls."""
        if self.events and self.events[0][0] <= t - self.over_us:
            self.leave(t)
        value = amount or 0
        self.events.append((t, position, value))
        self.count += 1
        self.total += value

    def leave(self, t: int) -> None:
        """Let go of what is too old at ``t``."""
        events, edge = self.events, t - self.over_us
        while events and events[0][0] <= edge:
            self.total -= events.popleft()[2]
            self.count -= 1

    def take_back(self, position: int) -> None:
        """Remove the payment of a log position, if it is inside."""
        for event in self.events:
            if event[1] == position:
                self.events.remove(event)
                self.count -= 1
                self.total -= event[2]
                return


class Flow:
    """How much, and from or to how many different partners; whether an amount or a partner is unknown."""

    __slots__ = ("events", "over_us", "partners", "total", "unknown_amounts", "unknown_partners")

    def __init__(self, over_us: int) -> None:
        self.over_us, self.total = over_us, 0
        self.unknown_amounts = self.unknown_partners = 0
        self.partners: dict[str, int] = {}
        self.events: deque[tuple[int, int, int | None, str | None]] = deque()

    def add(self, t: int, position: int, amount: int | None, partner: str | None) -> None:
        """Enter a payment; ``t`` never falls."""
        if self.events and self.events[0][0] <= t - self.over_us:
            self.leave(t)
        self.events.append((t, position, amount, partner))
        if amount is None:
            self.unknown_amounts += 1
        else:
            self.total += amount
        if partner is None:
            self.unknown_partners += 1
        else:
            self.partners[partner] = self.partners.get(partner, 0) + 1

    def leave(self, t: int) -> None:
        """Let go of what is too old at ``t``."""
        events, edge = self.events, t - self.over_us
        while events and events[0][0] <= edge:
            self._remove(events.popleft())

    def take_back(self, position: int) -> None:
        """Remove the payment of a log position, if it is inside."""
        for event in self.events:
            if event[1] == position:
                self.events.remove(event)
                self._remove(event)
                return

    def _remove(self, event: tuple[int, int, int | None, str | None]) -> None:
        _, _, amount, partner = event
        if amount is None:
            self.unknown_amounts -= 1
        else:
            self.total -= amount
        if partner is None:
            self.unknown_partners -= 1
        elif self.partners[partner] == 1:
            del self.partners[partner]
        else:
            self.partners[partner] -= 1


class Month:
    """Sums of one calendar month of one booking entity, by position so that a reversal finds its payment."""

    __slots__ = ("amounts", "total")

    def __init__(self) -> None:
        self.total = 0
        self.amounts: dict[int, int] = {}

    def add(self, position: int, amount: int | None) -> None:
        """Enter a payment."""
        self.amounts[position] = amount or 0
        self.total += amount or 0

    def take_back(self, position: int) -> None:
        """Remove the payment of a log position, if it is of this month."""
        self.total -= self.amounts.pop(position, 0)


Removable = Sums | Flow | Month
