"""Compare the obligations that the law wants with those that the run recorded, and say what is different and why.

``expected`` comes from the raw stream by other code than the engine's; nothing here knows how either side was found.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from monitor.casework.obligations import Cause, Folded, ObligationFacts, fold, withdraw
from monitor.domain.alert import Quantity, Subject
from monitor.domain.obligation import Obligation

MISSING, EXTRA, TOTAL, PAYMENTS = "missing", "extra", "total", "payments"
"""Owed and not recorded; recorded and not owed; other numbers; other payments with the same numbers."""
UNEXPLAINED = "no reason was found in the log: report this as a fault of the program"

Reason = Callable[[int], str | None]
"""Why a log position counts otherwise for the run than for the law; ``None`` where nothing is known."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One obligation on which the two sides differ.

    ``lacking`` are payments that the run did not count, ``beyond`` those that it counted and the law does not.
    """

    kind: str
    obligation_id: str
    rule_id: str
    subject: Subject
    booking_entity: str | None
    period: str
    direction: str
    total: str | None
    recorded: Mapping[str, Quantity]
    owed: Mapping[str, Quantity]
    lacking: tuple[int, ...]
    beyond: tuple[int, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Compared:
    """What was compared: how many of each side, how many are equal, and every difference."""

    expected: int
    found: int
    equal: int
    differences: tuple[Difference, ...]


def compare(
    expected: Iterable[ObligationFacts], recorded: Iterable[Obligation], reason_of: Reason, rules: Mapping[str, str]
) -> Compared:
    """Compare both sides, in the order of their ids. ``rules`` holds the digest in force by rule."""
    wanted = {facts.obligation_id: facts for facts in expected}
    standing = {each.obligation_id: each for each in recorded if each.state != "withdrawn"}
    found: list[Difference] = []
    for key in sorted(wanted.keys() | standing.keys()):
        difference = _difference(wanted.get(key), standing.get(key), reason_of, rules)
        if difference is not None:
            found.append(difference)
    equal = len(wanted.keys() & standing.keys()) - sum(each.kind in (TOTAL, PAYMENTS) for each in found)
    return Compared(len(wanted), len(standing), equal, tuple(found))


def revisions(
    compared: Compared, expected: Iterable[ObligationFacts], known: Mapping[str, Obligation], *, at_us: int,
    position: int, actor: str,
) -> list[Folded]:  # fmt: skip
    """The revision that settles each difference. ``known`` are all recorded obligations, withdrawn ones included."""
    wanted = {facts.obligation_id: facts for facts in expected}
    settled = []
    for each in compared.differences:
        cause = Cause("reconciliation", at_us, position, actor=actor, reason=each.reason)
        before = known.get(each.obligation_id)
        if each.kind == EXTRA and before is not None:
            settled.append(withdraw(before, cause))
        else:
            settled.append(fold(before, wanted[each.obligation_id], cause))
    return settled


def _difference(
    wanted: ObligationFacts | None, standing: Obligation | None, reason_of: Reason, rules: Mapping[str, str]
) -> Difference | None:
    counted = set(standing.transactions) if standing else set()
    due = set(wanted.transactions) if wanted else set()
    # A match names its newest payments only; where some are left out, the numbers have to tell.
    is_cut = standing is not None and standing.transactions_total > len(standing.transactions)
    lacking = () if is_cut else tuple(sorted(due - counted))
    beyond = tuple(sorted(counted - due))
    if wanted is None and standing is not None:
        kind = EXTRA
    elif standing is None:
        kind = MISSING
    elif wanted is not None and any(standing.measures.get(name) != q for name, q in wanted.measures.items()):
        kind = TOTAL
    elif lacking or beyond:
        kind = PAYMENTS
    else:
        return None
    if wanted is not None:
        rule_id, subject, key, total = wanted.rule_id, wanted.subject, wanted.key, wanted.total
        about = (key.booking_entity, key.period, key.direction)
    else:
        assert standing is not None
        rule_id, subject, total = standing.rule_id, standing.subject, standing.total
        about = (standing.booking_entity, standing.period, standing.direction)
    return Difference(
        kind=kind,
        obligation_id=wanted.obligation_id if wanted else standing.obligation_id if standing else "",
        rule_id=rule_id,
        subject=subject,
        booking_entity=about[0],
        period=about[1],
        direction=about[2],
        total=total,
        recorded=standing.measures if standing else {},
        owed=wanted.measures if wanted else {},
        lacking=lacking,
        beyond=beyond,
        reason=_reason(lacking + beyond, reason_of, standing, rules.get(rule_id)),
    )


def _reason(positions: tuple[int, ...], reason_of: Reason, standing: Obligation | None, digest: str | None) -> str:
    """The reasons of the payments on which the sides differ, each once; else what is known of the rule."""
    found = list(dict.fromkeys(reason for reason in map(reason_of, positions) if reason is not None))
    if found:
        return "; ".join(found)
    if digest is None:
        return "the rule is no longer in force"
    if standing is not None and standing.rule_digest != digest:
        return "the rule was another when it was met"
    return UNEXPLAINED
