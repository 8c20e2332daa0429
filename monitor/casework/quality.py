"""Quality review: a random sample of closed cases is looked at again by somebody who did not decide them.

The sample is a function of its seed. The seed is the journal's last root when it was drawn: nobody knew it when they
decided, and everybody can draw the same sample again afterwards. Each person's decisions are sampled by themselves, so
that a small share reaches everyone.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from monitor.casework.lifecycle import MoveRefused

FINDINGS: Final[Mapping[str, str]] = {
    "agree": "Decided rightly, and the reasons are there.",
    "minor": "Decided rightly; reasons or checks are incomplete.",
    "grave": "Decided wrongly, or without what a decision needs: reopen it.",
}
"""By code: what a review can find."""


@dataclass(frozen=True, slots=True)
class Decided:
    """A closed case: when it was closed, and who decided it."""

    case_id: str
    closed_at_us: int
    decided_by: str


def draw(decided: Iterable[Decided], *, percent: int, seed: str) -> list[Decided]:
    """The sample: of each person's decisions that share, rounded up, with the lowest digests under the seed.

    >>> ten = [Decided(f"C-{n}", n, "ann") for n in range(10)]
    >>> len(draw(ten, percent=25, seed="a")), draw(ten, percent=100, seed="a") == sorted(ten, key=lambda d: d.case_id)
    (3, True)

    Raises:
        MoveRefused: The share is not within 1 to 100 percent.
    """
    if not 1 <= percent <= 100:
        raise MoveRefused(f"a sample of {percent} % cannot be drawn. Choose 1 to 100.")
    by_person: dict[str, list[Decided]] = {}
    for each in decided:
        by_person.setdefault(each.decided_by, []).append(each)
    chosen = []
    for theirs in by_person.values():
        theirs.sort(key=lambda each: sha256(f"{seed}:{each.case_id}:{each.closed_at_us}".encode()).digest())
        chosen += theirs[: -(-len(theirs) * percent // 100)]
    return sorted(chosen, key=lambda each: each.case_id)


def check_review(case_id: str, reviewer: str, involved: Collection[str], finding: str) -> None:
    """Raises :class:`MoveRefused` where the reviewer took part in the decision, or there is no such finding."""
    if finding not in FINDINGS:
        raise MoveRefused(f"there is no finding {finding[:40]!r}. One of: {', '.join(FINDINGS)}.")
    if reviewer in involved:
        raise MoveRefused(
            f"case {case_id}: {reviewer} took part in the decision and cannot review it. Ask a colleague."
        )
