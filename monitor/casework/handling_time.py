"""How long people worked on cases, from what the journal says of their acts.

The time from an act to the same person's next one belongs to the case of the first, but at most
:data:`PAUSE_US`: who goes to lunch over an open case has not worked on it. Acts without a case (the queue, leaving)
end a stretch and begin none. It is an estimate from clicks, the same for everyone, and no attendance record.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from monitor.domain.time import MINUTE_US

PAUSE_US: Final = 15 * MINUTE_US


@dataclass(frozen=True, slots=True)
class Act:
    """That somebody did or looked at something; ``case_id`` is ``None`` for what is about no case."""

    name: str
    at_us: int
    case_id: str | None


def time_on_cases(acts: Iterable[Act]) -> dict[tuple[str, str], int]:
    """Microseconds by person and case. Acts come by person, then by time.

    >>> minute = 60_000_000
    >>> acts = [Act("ann", 0, "C-1"), Act("ann", 4 * minute, "C-1"), Act("ann", 99 * minute, None)]
    >>> {key: time // minute for key, time in time_on_cases(acts).items()}
    {('ann', 'C-1'): 19}
    """
    spent: dict[tuple[str, str], int] = {}
    before: Act | None = None
    for act in acts:
        if before is not None and before.name == act.name and before.case_id is not None:
            key = (before.name, before.case_id)
            spent[key] = spent.get(key, 0) + min(max(act.at_us - before.at_us, 0), PAUSE_US)
        before = act
    return spent
