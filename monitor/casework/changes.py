"""What happened to a case while somebody had its page open.

The version of a case is the number of the last entry of its chain. Whoever decides says which version they saw;
what came since from others is told instead of being decided over.
"""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Final

from monitor.casework.journal import Entry
from monitor.domain.time import format_time

NEUTRAL: Final = frozenset({"skipped", "tagged", "untagged", "checked", "unchecked"})
"""Entries that change nothing on which a decision rests."""
_WORDS: Final = {
    "alert_joined": "an alert joined", "alert_after_closing": "a repeat came", "note": "wrote a note",
    "assign": "assigned it", "unassign": "put it back", "start": "began to work on it", "snooze": "put it aside",
    "wake": "took it up again", "close": "closed it", "propose": "proposed a decision", "approve": "approved it",
    "reject": "rejected the proposal", "withdraw": "withdrew the proposal", "escalate": "escalated it",
    "return": "handed it back", "reopen": "reopened it", "undone": "took something back",
    "asked": "asked for information",
    "answered": "recorded an answer", "attached": "attached a file", "merged": "merged a case into it",
    "merged_into": "merged it into another case", "split_off": "split alerts off",
}  # fmt: skip
_TOLD_MAX: Final = 6


def since(entries: Sequence[Entry], version: int, name: str) -> list[Entry]:
    """Entries after a version that a decision of ``name`` may not pass over: what others did, and new alerts."""
    return [each for each in entries if each.seq > version and each.action not in NEUTRAL and each.actor != name]


def in_words(entries: Sequence[Entry]) -> str:
    """Who did what when, the newest last; several alerts at once are counted.

    >>> in_words([])
    ''
    """
    alerts = Counter(each.action for each in entries if each.action in ("alert_joined", "alert_after_closing"))
    told = [f"{count} alerts joined" if count > 1 else _WORDS[action] for action, count in alerts.items()]
    for each in entries:
        if each.action not in alerts:
            told.append(f"{each.actor} {_one(each)} at {format_time(each.at_us)[11:16]} UTC")
    return "; ".join(told[-_TOLD_MAX:])


def _one(entry: Entry) -> str:
    words = _WORDS.get(entry.action, entry.action.replace("_", " "))
    if entry.action == "assign":
        return f"assigned it to {json.loads(entry.payload).get('assignee')}"
    return words
