"""Taking back the last act, where nothing else happened to the case since.

What can be taken back leads nowhere outside: who has a case, whether it sleeps, its tags. A decision is not taken back
but reopened or withdrawn, with a reason; a note stays, since others may have read it. Taking back is an entry of its
own that names the entry it takes back: the journal forgets nothing.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from monitor.casework.changes import NEUTRAL
from monitor.casework.journal import Draft, Entry, canonical_json
from monitor.casework.lifecycle import Decision
from monitor.domain.case import Actor, Case
from monitor.domain.time import MINUTE_US

UNDO_US: Final = 10 * MINUTE_US
"""How long an act can be taken back by who did it."""
UNDOABLE: Final = frozenset({"assign", "unassign", "start", "snooze", "wake"})
"""Moves that can be taken back; setting and removing a tag can too."""


@dataclass(frozen=True, slots=True)
class Before:
    """What a move changed, as it was; ``seq`` is the entry of the move in the chain of the case."""

    case_id: str
    seq: int
    state: str
    assignee: str | None
    snoozed_until_us: int | None


def before(case: Case, seq: int) -> Before:
    """What has to be kept of a case to take back a move that is written as entry ``seq``."""
    return Before(case.case_id, seq, case.state, case.assignee, case.snoozed_until_us)


def is_untouched(entries: Sequence[Entry], seq: int) -> bool:
    """Whether nothing that counts came after an entry of a chain; what came and was taken back does not count."""
    after = [each for each in entries if each.seq > seq and each.action not in NEUTRAL]
    back = {json.loads(each.payload)["undoes"] for each in after if each.action == "undone"}
    return all(each.action == "undone" or each.seq in back for each in after)


def take_back(case: Case, kept: Before, actor: Actor, at_us: int) -> Decision:
    """The case as it was before the move, and the entry that says so."""
    after = replace(case, state=kept.state, assignee=kept.assignee, snoozed_until_us=kept.snoozed_until_us)
    facts: dict[str, object] = {
        "state": after.state,
        "state_before": case.state,
        "role": actor.role,
        "undoes": kept.seq,
    }
    if after.assignee is not None:
        facts["assignee"] = after.assignee
    return Decision(after, Draft(case.case_id, at_us, actor.name, "undone", canonical_json(facts)))
