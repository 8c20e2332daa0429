"""Two runs over one log compared: what is new, what is lost, what that means for decided cases, may it go live.

Only alerts that an analyst sees (``new``) count as new, lost or the same. Quiet, shadow and suppressed alerts are
counted apart. A lost alert that goes on as one of these is lost all the same, with that as its reason.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from monitor.app.backtest.decisions import DecidedAlert, Worth, cases_reached, reached, worth
from monitor.app.backtest.match import CLASSES, Matched, Raised, match
from monitor.app.backtest.problem import BacktestError
from monitor.casework.intervals import Share
from monitor.domain.time import DAY_US

UNKNOWN_SEGMENT = "(unknown)"


@dataclass(frozen=True, slots=True)
class Delta:
    """Counts of one rule, segment or customer."""

    name: str
    before: int
    after: int
    same: int
    new: int
    lost: int


@dataclass(frozen=True, slots=True)
class LostAlert:
    """An alert that the change loses: why, and which other rules still name the subject at the same payments."""

    alert: Raised
    reason: str
    still: tuple[str, ...]
    decided: DecidedAlert | None = None


@dataclass(frozen=True, slots=True)
class Override:
    """A person who takes a lost report upon themselves, with the record that says why."""

    by: str
    record: str


@dataclass(slots=True)
class Comparison:
    """Everything that the report shows."""

    by_rule: list[Delta]
    by_segment: list[Delta]
    by_customer: list[Delta]
    totals: Delta
    classes: dict[str, dict[str, tuple[int, int]]]
    """By rule (and ``""`` over all): before and after of each class of alerts."""
    per_day: list[tuple[int, int, int]]
    """Day since 1970, alerts before, alerts after; every day of the range."""
    lost: list[LostAlert]
    new: list[Raised]
    how: dict[str, int]
    """How the same alerts were recognised: by id, by payment, by payments in common."""
    decided: int = 0
    worth: list[Worth] = field(default_factory=list)
    cases_before: Share = field(default_factory=lambda: Share(0, 0))
    cases_after: Share = field(default_factory=lambda: Share(0, 0))
    blocking: list[LostAlert] = field(default_factory=list)
    recorded: Share | None = None
    """Of the alerts that the store holds, those that the run without the change gave again, by id."""

    @property
    def is_unchanged(self) -> bool:
        """Whether analysts see exactly the same alerts, id by id."""
        return not self.totals.new and not self.totals.lost and set(self.how) <= {"id"}


def compare(
    before: Sequence[Raised],
    after: Sequence[Raised],
    *,
    first_us: int,
    last_us: int,
    decided: Sequence[DecidedAlert] = (),
) -> Comparison:
    """Compare two runs within a time of judgement (``last_us`` excluded).

    Decisions are matched with all alerts, whatever the range, so that a case at its edge is not taken for lost.
    """
    seen_before, seen_after = _seen(before, first_us, last_us), _seen(after, first_us, last_us)
    matched = match(seen_before, seen_after)
    lost = _lost(seen_before, matched, after)
    result = Comparison(
        by_rule=_deltas(seen_before, seen_after, matched, lambda alert: alert.rule),
        by_segment=_deltas(seen_before, seen_after, matched, lambda alert: alert.segment or UNKNOWN_SEGMENT),
        by_customer=_deltas(seen_before, seen_after, matched, lambda alert: alert.subject),
        totals=Delta("", len(seen_before), len(seen_after), len(matched.same), len(matched.new), len(matched.lost)),
        classes=_classes(_within(before, first_us, last_us), _within(after, first_us, last_us)),
        per_day=_per_day(seen_before, seen_after, first_us, last_us),
        lost=lost,
        new=[seen_after[index] for index in matched.new],
        how=dict(Counter(_how(seen_before[i], seen_after[j]) for i, j in matched.same)),
    )
    if decided:
        _weigh(result, before, after, decided)
    return result


def _within(alerts: Iterable[Raised], first_us: int, last_us: int) -> list[Raised]:
    return [alert for alert in alerts if first_us <= alert.judged_at_us < last_us]


def _seen(alerts: Iterable[Raised], first_us: int, last_us: int) -> list[Raised]:
    return [alert for alert in _within(alerts, first_us, last_us) if alert.kind == "new"]


def _how(one: Raised, other: Raised) -> str:
    if one.alert_id == other.alert_id:
        return "id"
    return "payment" if (one.position, one.leg_role) == (other.position, other.leg_role) else "payments in common"


def _deltas(
    before: Sequence[Raised], after: Sequence[Raised], matched: Matched, name: Callable[[Raised], str]
) -> list[Delta]:
    """Counts by a name, what changes most first. A pair counts where its former alert does."""
    all_before, all_after = Counter(map(name, before)), Counter(map(name, after))
    same = Counter(name(before[i]) for i, _ in matched.same)
    new, lost = Counter(name(after[i]) for i in matched.new), Counter(name(before[i]) for i in matched.lost)
    found = [Delta(each, all_before[each], all_after[each], same[each], new[each], lost[each])
             for each in all_before.keys() | all_after.keys()]  # fmt: skip
    return sorted(found, key=lambda delta: (-(delta.new + delta.lost), delta.name))


def _classes(before: Sequence[Raised], after: Sequence[Raised]) -> dict[str, dict[str, tuple[int, int]]]:
    one, other = (Counter((alert.rule, alert.kind) for alert in alerts) for alerts in (before, after))
    rules = sorted({rule for rule, _ in one.keys() | other.keys()})
    found = {rule: {kind: (one[rule, kind], other[rule, kind]) for kind in CLASSES} for rule in rules}
    totals = {kind: (sum(found[r][kind][0] for r in rules), sum(found[r][kind][1] for r in rules)) for kind in CLASSES}
    return {"": totals, **found}


def _per_day(
    before: Sequence[Raised], after: Sequence[Raised], first_us: int, last_us: int
) -> list[tuple[int, int, int]]:
    one, other = (Counter(alert.judged_at_us // DAY_US for alert in alerts) for alerts in (before, after))
    first, last = first_us // DAY_US, (last_us - 1) // DAY_US
    return [(day, one[day], other[day]) for day in range(first, last + 1)]


def _lost(before: Sequence[Raised], matched: Matched, after: Sequence[Raised]) -> list[LostAlert]:
    """The lost alerts with their reasons, gravest and newest first."""
    wanted = {before[index].subject for index in matched.lost}
    by_subject: dict[str, list[Raised]] = {}
    for alert in after:
        if alert.subject in wanted:
            by_subject.setdefault(alert.subject, []).append(alert)
    rules = {alert.rule for alert in after}
    lost = [_explain(before[index], by_subject.get(before[index].subject, []), rules) for index in matched.lost]
    return sorted(lost, key=lambda each: (-_GRAVITY.get(each.alert.severity, 0), -each.alert.judged_at_us))


_GRAVITY = {"low": 1, "medium": 2, "high": 3, "critical": 4}


def _explain(alert: Raised, others: Sequence[Raised], rules: set[str]) -> LostAlert:
    payments = frozenset(alert.transactions)
    near = [other for other in others if payments.intersection(other.transactions)]
    own = {other.kind for other in near if other.rule == alert.rule}
    still = tuple(sorted({other.rule for other in near if other.rule != alert.rule and other.kind == "new"}))
    if "new" in own:
        reason = "merged: one alert now stands for several at the same payments"
    elif "suppressed" in own:
        reason = "suppressed: the rule still matches, a suppression holds it back"
    elif "shadow" in own or "shadow_quiet" in own:
        reason = "in shadow: the rule still matches, nobody sees it"
    elif "quiet" in own:
        reason = "quiet: within the quiet period of another alert of the rule"
    elif alert.rule not in rules:
        reason = "the rule raises nothing any more"
    else:
        reason = "the condition does not hold any more"
    return LostAlert(alert, reason, still)


def _weigh(
    result: Comparison, before: Sequence[Raised], after: Sequence[Raised], decided: Sequence[DecidedAlert]
) -> None:
    """Fill in what the decisions say."""
    seen_before, seen_after = ([alert for alert in alerts if alert.kind == "new"] for alerts in (before, after))
    reached_before = reached(decided, seen_before)
    # An alert that the change keeps in substance keeps its decision, also where payments are shared by a detour.
    reached_after = reached(decided, seen_after) | _kept(decided, seen_before, seen_after)
    result.decided = sum(each.is_productive is not None for each in decided)
    result.worth = worth(decided, reached_before, reached_after)
    result.cases_before, result.cases_after = (cases_reached(decided, each) for each in (reached_before, reached_after))
    losses = {each.alert.alert_id: each for each in result.lost}
    rules = {alert.rule for alert in after}
    for index in sorted(reached_before - reached_after):
        each = decided[index]
        if each.is_filed:
            known = losses.get(each.alert.alert_id)
            near = known or _explain(each.alert, [a for a in after if a.subject == each.alert.subject], rules)
            result.blocking.append(LostAlert(near.alert, near.reason, near.still, each))


def _kept(decided: Sequence[DecidedAlert], before: Sequence[Raised], after: Sequence[Raised]) -> set[int]:
    as_before = match([each.alert for each in decided], before)
    kept = {index for index, _ in match(before, after).same}
    return {index for index, other in as_before.same if other in kept}


def read_overrides(texts: Sequence[str]) -> list[Override]:
    """``BY:RECORD`` of each ``--override``.

    Raises:
        BacktestError: One has no person or no record, or a person stands there twice.
    """
    found: list[Override] = []
    for text in texts:
        by, _, record = (part.strip() for part in text.partition(":"))
        if not by or not record:
            raise BacktestError(f"--override {text}: write who and by which record, such as --override ann:CR-118.")
        if by.casefold() in {each.by.casefold() for each in found}:
            raise BacktestError(f"--override {text}: {by} stands there twice. Two different persons must agree.")
        found.append(Override(by, record))
    return found


def is_blocked(result: Comparison, overrides: Sequence[Override]) -> bool:
    """Whether the change may not go live: it loses a report, and fewer than two persons take that upon themselves."""
    return bool(result.blocking) and len({each.by.casefold() for each in overrides}) < 2


def summary(result: Comparison, *, days: float, overrides: Sequence[Override] = ()) -> list[str]:
    """The findings in a few sentences, the most important first."""
    totals, said = result.totals, []
    if result.is_unchanged:
        said.append(f"The change alters no alert: {totals.same} before, the same {totals.same} after, id by id.")
    else:
        more = totals.after - totals.before
        turn = "as many as before" if not more else f"{abs(more)} {'more' if more > 0 else 'fewer'}"
        said.append(
            f"Analysts would see {totals.after} alerts instead of {totals.before} ({turn}): {totals.new} new, "
            f"{totals.lost} lost, {totals.same} the same. That is {_month(totals.after, days)} a month instead of "
            f"{_month(totals.before, days)}."
        )
    if result.cases_before.of:
        said.append(
            f"Of {result.cases_before.of} reported cases {result.cases_after.found} are still reached "
            f"({result.cases_before.found} without the change)."
        )
    said += _verdict(result, overrides)
    if result.recorded is not None and result.recorded.of:
        said.append(f"Without the change, {result.recorded} of the alerts that the store holds come out again by id.")
    return said


def _verdict(result: Comparison, overrides: Sequence[Override]) -> list[str]:
    if not result.blocking:
        return []
    count = len(result.blocking)
    fact = f"{count} lost {'alert' if count == 1 else 'alerts'} had led to a report"
    if is_blocked(result, overrides):
        return [f"BLOCKED: {fact}. The change may go live only if two persons override it."]
    people = " and ".join(f"{each.by} ({each.record})" for each in overrides)
    return [f"OVERRIDDEN: {fact}; {people} take that upon themselves."]


def _month(count: int, days: float) -> str:
    return f"{count / max(days, 1) * 30.4375:.0f}"
