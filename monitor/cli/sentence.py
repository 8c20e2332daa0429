"""Sentences on a screen: a number keeps its groups of digits and its unit on one line.

Amounts are written ``10 000.00 USD``. Broken at the end of a line they read as two numbers, "10" and "000.00".
"""

import re

from rich.console import Console, JustifyMethod, OverflowMethod
from rich.containers import Lines
from rich.text import Text

_WITHIN_NUMBER = re.compile(r"(?<=\d) (?=\d{3}\b|%|[A-Z]{3}\b)")
_HELD = "\ue000"
"""Stands for such a blank while lines are divided: rich takes every white space for a place to break."""


class Sentence(Text):
    """Text whose numbers are never broken at the end of a line.

    >>> console = Console(width=20)
    >>> [line.plain.rstrip() for line in Sentence("together about 10 000.00 USD").wrap(console, 20)]
    ['together about', '10 000.00 USD']
    """

    def wrap(
        self,
        console: Console,
        width: int,
        *,
        justify: JustifyMethod | None = None,
        overflow: OverflowMethod | None = None,
        tab_size: int = 8,
        no_wrap: bool | None = None,
    ) -> Lines:
        """The lines; the blanks within numbers come back as they were."""
        held = self.copy()
        held.plain = _WITHIN_NUMBER.sub(_HELD, self.plain)
        lines = held.wrap(console, width, justify=justify, overflow=overflow, tab_size=tab_size, no_wrap=no_wrap)
        for line in lines:
            line.plain = line.plain.replace(_HELD, " ")
        return lines
