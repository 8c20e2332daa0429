"""How fast somebody may ask: so many at once, then evenly, for each key, person and address.

The generic cell rate algorithm (ITU-T I.371, annex A): one number for each who asks, the time by which all that was
asked would have come if it had come evenly. It is kept in this process: of several processes each counts its own.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

KNOWN_MAX = 20_000
"""Most askers that are remembered; whoever asked longest ago is forgotten first, and begins anew."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Requests a minute; as many may come at once."""

    per_address: int = 1200
    per_person: int = 600
    per_key: int = 1200
    payments: int = 60_000
    """Of a key and of an address. Requests with payments are counted apart from others."""


class TooFast(Exception):
    """Too many requests; ``seconds`` from now one is answered again."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many requests. Go on in {seconds} s.")
        self.seconds = seconds


class Pace:
    """One limit, for any number of askers.

    >>> now = [0.0]
    >>> pace = Pace(2, clock=lambda: now[0])
    >>> [pace.seconds_to_wait("a") for _ in range(3)], pace.seconds_to_wait("b")
    ([0, 0, 30], 0)
    >>> now[0] = 30.0
    >>> pace.seconds_to_wait("a")
    0
    """

    def __init__(self, per_minute: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._apart, self._burst, self._clock = 60 / per_minute, 60.0, clock
        self._even: OrderedDict[str, float] = OrderedDict()

    def seconds_to_wait(self, who: str) -> int:
        """Count a request: 0 where it may pass, else after how many whole seconds one will; that is not counted."""
        now = self._clock()
        even = max(self._even.pop(who, now), now)
        wait = even + self._apart - self._burst - now
        is_let_in = wait <= 1e-9
        self._even[who] = even + self._apart if is_let_in else even
        while len(self._even) > KNOWN_MAX:
            self._even.popitem(last=False)
        return 0 if is_let_in else max(1, -int(-wait // 1))

    def check(self, who: str) -> None:
        """Count a request. Raises :class:`TooFast`."""
        seconds = self.seconds_to_wait(who)
        if seconds:
            raise TooFast(seconds)


class Paces:
    """All limits of a workbench."""

    def __init__(self, limits: Limits) -> None:
        self.address, self.person = Pace(limits.per_address), Pace(limits.per_person)
        self.key = Pace(limits.per_key)
        self.payments_of_key, self.payments_of_address = Pace(limits.payments), Pace(limits.payments)
