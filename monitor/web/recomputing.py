"""What is computed from the history while somebody waits: few at once, and what was computed is kept for a while.

Computing again reads the recorded payments and takes a core for its time, so that many at once would hold up everybody
who only works the queue. Who finds no free place within some seconds is told so and asks again; nothing is lost by it.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

AT_ONCE_MAX, WAIT_SECONDS = 2, 8.0
KEPT_MAX = 64
_LOCKS = 32

Found = TypeVar("Found")


class Busy(Exception):
    """As many as may are being computed already."""


class Recomputing:
    """Places for computing, and the newest results.

    >>> places = Recomputing()
    >>> [places.once("alert", lambda: 7), places.once("alert", lambda: 8)]
    [7, 7]
    """

    def __init__(self, *, at_once: int = AT_ONCE_MAX, wait_seconds: float = WAIT_SECONDS) -> None:
        self._places = threading.BoundedSemaphore(at_once)
        self._wait_seconds = wait_seconds
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()
        self._guard = threading.Lock()
        self._locks = [threading.Lock() for _ in range(_LOCKS)]

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold a place while something is computed.

        Raises:
            Busy: None became free in time.
        """
        if not self._places.acquire(timeout=self._wait_seconds):
            raise Busy
        try:
            yield
        finally:
            self._places.release()

    def once(self, key: Hashable, compute: Callable[[], Found], *, keep: Callable[[Found], bool] = bool) -> Found:
        """The result by a key that names all it depends on; who asks for the same meanwhile waits for it.

        ``keep`` says of a result whether it holds for later askers too.

        Raises:
            Busy: No place became free in time.
        """
        with self._guard:
            if key in self._kept:
                self._kept.move_to_end(key)
                return cast(Found, self._kept[key])
        with self._locks[hash(key) % _LOCKS], self.turn():
            with self._guard:
                if key in self._kept:
                    return cast(Found, self._kept[key])
            found = compute()
            if keep(found):
                with self._guard:
                    self._kept[key] = found
                    while len(self._kept) > KEPT_MAX:
                        self._kept.popitem(last=False)
        return found
