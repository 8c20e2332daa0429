"""Which alert of one run is which of another: by id, by completing payment, by payments in common.

An alert's id contains the digest of its rule, so a moved threshold gives every alert another id. What an analyst would
call the same alert is the same rule about the same subject at the same payment; where a moved threshold brings it
earlier or later, it rests on some of the same payments. Each alert is matched with at most one.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field

from monitor.domain.alert import Alert

CLASSES = ("new", "quiet", "shadow", "shadow_quiet", "suppressed")
"""Seen by an analyst, within the quiet period, on trial, on trial and within the quiet period, suppressed."""


@dataclass(frozen=True, slots=True)
class Raised:
    """An alert, as far as comparing it needs. ``kind`` is one of :data:`CLASSES`."""

    alert_id: str
    rule: str
    subject: str
    position: int
    leg_role: str
    judged_at_us: int
    kind: str
    transactions: tuple[int, ...]
    segment: str | None = None
    severity: str = ""
    text: str = ""


def raised(alert: Alert) -> Raised:
    """What of an alert is compared."""
    is_quiet = "quiet" in alert.marks
    kind = alert.status if alert.status != "shadow" or not is_quiet else "shadow_quiet"
    return Raised(
        alert.alert_id, alert.source.id, alert.subject.token, alert.position, alert.leg_role, alert.judged_at_us, kind,
        alert.transactions, alert.customer_segment, alert.severity, alert.text,
    )  # fmt: skip


@dataclass(slots=True)
class Matched:
    """``same`` are pairs of indexes (before, after); ``lost`` and ``new`` indexes of what is left on each side."""

    same: list[tuple[int, int]] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    new: list[int] = field(default_factory=list)


def subject_and_rule(alert: Raised) -> Hashable:
    """Alerts are matched within one rule and subject."""
    return alert.rule, alert.subject


def subject_alone(alert: Raised) -> Hashable:
    """For variants of one rule, which have names of their own."""
    return alert.subject


def match(
    before: Sequence[Raised], after: Sequence[Raised], *, within: Callable[[Raised], Hashable] = subject_and_rule
) -> Matched:
    """Pair the alerts of two runs.

    >>> one = Raised("A-1", "R", "ann", 5, "debtor", 0, "new", (3, 5))
    >>> later = Raised("A-2", "R", "ann", 9, "debtor", 0, "new", (5, 9))
    >>> other = Raised("A-3", "R", "bob", 5, "debtor", 0, "new", (5,))
    >>> match([one], [later, other])
    Matched(same=[(0, 0)], lost=[], new=[1])
    """
    result = Matched()
    left, right = _pair(result, before, after, lambda a: a.alert_id, range(len(before)), range(len(after)))
    left, right = _pair(result, before, after, lambda a: (within(a), a.position, a.leg_role), left, right)
    left, right = _pair_by_overlap(result, before, after, within, left, right)
    result.same.sort()
    result.lost, result.new = sorted(left), sorted(right)
    return result


def _pair(
    result: Matched, before: Sequence[Raised], after: Sequence[Raised], key: Callable[[Raised], Hashable],
    left: Iterable[int], right: Iterable[int],
) -> tuple[list[int], list[int]]:  # fmt: skip
    """Pair what has an equal key; what is left of both."""
    waiting: dict[Hashable, list[int]] = defaultdict(list)
    for index in reversed(list(right)):
        waiting[key(after[index])].append(index)
    unpaired = []
    for index in left:
        fitting = waiting.get(key(before[index]))
        if fitting:
            result.same.append((index, fitting.pop()))
        else:
            unpaired.append(index)
    return unpaired, sorted(index for rest in waiting.values() for index in rest)


def _pair_by_overlap(
    result: Matched, before: Sequence[Raised], after: Sequence[Raised], within: Callable[[Raised], Hashable],
    left: list[int], right: list[int],
) -> tuple[list[int], list[int]]:  # fmt: skip
    """Pair what rests on payments in common: the pair with the most first, of equals the earlier."""
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for index in right:
        groups[within(after[index])].append(index)
    payments = {index: frozenset(after[index].transactions) for index in right}
    wishes = []
    for index in left:
        for other in groups.get(within(before[index]), ()):
            common = len(payments[other].intersection(before[index].transactions))
            if common:
                wishes.append((-common, index, other))
    gone, taken = set(), set()
    for _, index, other in sorted(wishes):
        if index not in gone and other not in taken:
            gone.add(index)
            taken.add(other)
            result.same.append((index, other))
    return [index for index in left if index not in gone], [index for index in right if index not in taken]
