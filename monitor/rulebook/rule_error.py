"""A mistake in a rule file: where it stands, what is there, why that is wrong, what to do.

The text has one form everywhere, so that a compliance officer learns to read it once::

    rules/structuring/cash.yaml:54: cannot compare a count with money

        small_cash.deposits > total_above
        count                 USD

    'total_above' is an amount. Compare it with an amount.
"""

from textwrap import fill, indent

from monitor.rulebook.rule import Place

_WIDTH = 88
_ROW_MAX = 110


class RuleError(Exception):
    """One mistake in one rule file.

    ``snippet`` is what to look at; ``None`` lets :meth:`with_line` fill in the line of the file, and ``""`` shows
    none, because what is missing stands nowhere.

    >>> print(RuleError(Place("a.yaml", 3), "'severity' is 'urgent'", "No such severity.", "Write high."))
    a.yaml:3: 'severity' is 'urgent'
    <BLANKLINE>
    No such severity. Write high.
    """

    def __init__(self, place: Place, fact: str, reason: str, remedy: str, snippet: str | None = None) -> None:
        super().__init__(place, fact, reason, remedy, snippet)
        self.place = place
        self.fact = fact
        self.reason = reason
        self.remedy = remedy
        self.snippet = snippet

    def __str__(self) -> str:
        advice = fill(f"{self.reason} {self.remedy}".strip(), _WIDTH, break_on_hyphens=False)
        parts = [f"{self.place}: {self.fact}", indent(self.snippet or "", "    "), advice]
        return "\n\n".join(part for part in parts if part)

    def with_line(self, text: str) -> "RuleError":
        """The error with the line of the file as its snippet, if it has none of its own."""
        if self.snippet is None:
            rows = text.split("\n")
            row = rows[self.place.line - 1].strip() if 0 < self.place.line <= len(rows) else ""
            self.snippet = row if len(row) <= _ROW_MAX else row[: _ROW_MAX - 4] + " ..."
        return self
