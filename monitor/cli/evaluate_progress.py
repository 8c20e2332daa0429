"""What ``aml evaluate`` tells on stderr while it runs.

On a terminal one line moves: which method is at which row. Where many streams are measured, each method also leaves a
line with how long it took, and a long one says once a minute how far it is, so that a log of a run over night can be
read.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status

from monitor.app.evaluate.evaluation import EvaluateRequest, Figures
from monitor.app.evaluate.wording import spaced

LINE_SECONDS = 60
"""How often a method that is not done leaves a line."""


class Watch:
    """The callbacks of one evaluation."""

    def __init__(self, name: str, console: Console, status: Status | None, *, leaves_lines: bool) -> None:
        self._name, self._console, self._status, self._leaves_lines = name, console, status, leaves_lines
        self._method, self._rows = "", 0
        self._begun = self._told = time.monotonic()

    def method(self, name: str) -> None:
        """A method begins."""
        self._method, self._rows = name, 0
        self._begun = self._told = time.monotonic()
        self._move(f"{name} gets ready; the first start compiles, which takes a minute or two")

    def progress(self, rows: int) -> None:
        """It was shown so many rows."""
        self._rows, now = rows, time.monotonic()
        self._move(f"{self._method}, {spaced(rows)} rows")
        if now - self._told >= LINE_SECONDS:
            self._told = now
            self._leave(f"  {self._method}: {spaced(rows)} rows so far, {in_words(now - self._begun)}")

    def measured(self, figures: Figures) -> None:
        """Its figures are there."""
        self._leave(f"  {self._method}: {spaced(self._rows)} rows in {in_words(time.monotonic() - self._begun)}")

    def _move(self, words: str) -> None:
        if self._status is not None:
            self._status.update(f"{self._name}: {words}")

    def _leave(self, line: str) -> None:
        if self._leaves_lines:
            self._console.print(line, highlight=False, soft_wrap=True)


@contextmanager
def showing(request: EvaluateRequest, *, leaves_lines: bool = False) -> Iterator[Watch]:
    """Callbacks that tell about one evaluation while it runs."""
    console, name = Console(stderr=True), request.place.name
    if not console.is_terminal:
        yield Watch(name, console, None, leaves_lines=leaves_lines)
        return
    with console.status(f"reading {name}") as status:
        yield Watch(name, console, status, leaves_lines=leaves_lines)


def in_words(seconds: float) -> str:
    """A time as people say it.

    >>> in_words(9.6), in_words(150), in_words(7320)
    ('10 s', '2 min 30 s', '2 h 2 min')
    """
    whole = round(seconds)
    minutes, hours = whole // 60 % 60, whole // 3600
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"
