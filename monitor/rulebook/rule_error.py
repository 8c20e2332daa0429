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


class RuleError(Exception):
    """One mistake in one rule file.

    >>> print(RuleError(Place("a.yaml", 3), "'severity' is 'urgent'", "No such severity.", "Write high."))
    a.yaml:3: 'severity' is 'urgent'
    <BLANKLINE>
    No such severity. Write high.
    """

    def __init__(self, place: Place, fact: str, reason: str, remedy: str, snippet: str = "") -> None:
        super().__init__(place, fact, reason, remedy, snippet)
        self.place = place
        self.fact = fact
        self.reason = reason
        self.remedy = remedy
        self.snippet = snippet

    def __str__(self) -> str:
        advice = fill(f"{self.reason} {self.remedy}".strip(), _WIDTH, break_on_hyphens=False)
        parts = [f"{self.place}: {self.fact}", indent(self.snippet, "    "), advice]
        return "\n\n".join(part for part in parts if part)
