"""Requests for information: somebody outside the desk is asked, and a clock runs until they answer."""

from collections.abc import Mapping
from typing import Final

from monitor.casework.lifecycle import NOTE_CHARACTERS_MAX, MoveRefused
from monitor.domain.time import DAY_US

ADDRESSEES: Final[Mapping[str, str]] = {
    "customer": "The customer. Ask nothing that tells of a suspicion.",
    "branch": "The branch.",
    "relationship_manager": "The relationship manager.",
    "other_bank": "Another bank.",
    "authority": "An authority.",
}
"""Who can be asked, by code."""
ANSWER_DAYS: Final = (1, 3, 5, 10, 20, 30)
REQUESTS_MAX: Final = 50
"""Most requests of a case that wait."""


def check_request(case_id: str, addressee: str, question: str, due_at_us: int, now_us: int) -> None:
    """Raises :class:`MoveRefused` where a request is not complete."""
    if addressee not in ADDRESSEES:
        raise MoveRefused(
            f"case {case_id}: there is nobody {addressee[:40]!r} to ask. One of: {', '.join(ADDRESSEES)}."
        )
    check_text(case_id, question, "question")
    if not now_us < due_at_us <= now_us + 90 * DAY_US:
        raise MoveRefused(f"case {case_id}: an answer is due within 1 to 90 days. Choose another day.")


def check_text(case_id: str, text: str, what: str) -> None:
    """Raises :class:`MoveRefused` where a question or an answer is empty or too long."""
    if not text.strip():
        raise MoveRefused(f"case {case_id}: the {what} is empty. Write it.")
    if len(text) > NOTE_CHARACTERS_MAX:
        raise MoveRefused(f"case {case_id}: the {what} has {len(text)} characters; {NOTE_CHARACTERS_MAX} is the limit.")
