"""One act on many cases: what it would do to each, before it is done."""

from dataclasses import dataclass
from typing import Final

from monitor.domain.case import Case

BULK_MAX: Final = 200
"""Most cases of one act."""
BULK_ACTS: Final = ("assign", "unassign", "snooze", "escalate", "tag", "untag", "note")
"""What can be done to several cases at once. Deciding is not among it: each decision rests on a case that was seen."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What an act does to a case. ``refusal`` says why it does nothing; ``after`` is the state that it leads to."""

    case: Case
    version: int
    after: str
    refusal: str | None = None
