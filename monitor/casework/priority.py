"""Priority = risk x urgency x novelty, each in 0..1, each in words.

**Risk** asks how bad it is if it is true. Four sources of suspicion are joined as independent
chances: ``risk = 1 - (1 - S)(1 - B)(1 - R)(1 - A)`` with

- ``S``, the strongest alert: weight of its severity x (0.6 + 0.4 x its score). Weights: low 0.15,
  medium 0.35, high 0.60, critical 0.85;
- ``B``, breadth: ``1 - 0.85^(n - 1)`` for n different rules, counted up to 12;
- ``R``, the customer's rating: low 0, unknown and medium 0.10, high 0.25, prohibited 0.40;
- ``A``, agreement: 0.30 x what the rules after the heaviest gave to the score of the case's typology
  (:mod:`monitor.casework.typologies`). Rules of one pattern confirm one another; one rule alone has none.

Once enough was decided, what decisions taught (:mod:`monitor.casework.learned`) raises or lowers it within bounds:
``risk = 1 - (1 - risk)^lift`` with the lift in 0.5..2.

**Urgency** asks how little time is left. It runs from 0.2 when the case opens to 0.9 at the due date, in
proportion to the time gone, and is 1 from the due date on: an overdue case is before every equal one.

**Novelty** asks whether anything is there that nobody has judged. It is 1 for a case that nobody has
looked at and when a new typology came since; otherwise ``0.4 + 0.6 x (1 - 0.5^k)`` for k alerts since the
last look. Each earlier case in a row that was dismissed with these same typologies takes a quarter away
(at most four count). So it never falls below 0.12, and no case sinks out of sight.

Risk and novelty change only with events and are stored; urgency depends on the clock. So the order of a
queue is one expression in SQL: stored x stored x a linear function of now.
"""

from collections.abc import Iterable
from typing import Final

from monitor.casework.wording import Told, english, told
from monitor.domain.case import Case, CaseTypology
from monitor.domain.time import DAY_US, HOUR_US, MINUTE_US

SEVERITY_WEIGHT: Final = {"low": 0.15, "medium": 0.35, "high": 0.60, "critical": 0.85}
RATING_WEIGHT: Final = {None: 0.10, "low": 0.0, "medium": 0.10, "high": 0.25, "prohibited": 0.40}
BREADTH_BASE: Final = 0.85
RULES_COUNTED_MAX: Final = 12
AGREEMENT_WEIGHT: Final = 0.30
URGENCY_AT_OPENING: Final = 0.2
URGENCY_AT_DUE: Final = 0.9
NOVELTY_SEEN: Final = 0.4
DISMISSED_FACTOR: Final = 0.75
DISMISSED_COUNTED_MAX: Final = 4
UNSEEN_COUNTED_MAX: Final = 16
_DECIMALS: Final = 6


def strength(severity: str, score: float) -> float:
    """How strong one alert is, 0..1. A score outside 0..1 counts as the nearer end.

    >>> strength("high", 1.0), strength("high", 0.0)
    (0.6, 0.36)
    """
    bounded = min(max(score, 0.0), 1.0)
    return round(SEVERITY_WEIGHT[severity] * (0.6 + 0.4 * bounded), _DECIMALS)


def risk(strongest: float, rules: int, rating: str | None, agreed: float = 0.0, lift: float | None = None) -> float:
    """Risk in 0..1 of a case with ``rules`` different rules and the strongest alert's strength.

    ``agreed`` is how far its rules speak for one typology, 0..1; ``lift`` what decisions on cases like it taught.

    >>> risk(0.6, 1, "low"), risk(0.6, 3, "high"), risk(0.6, 1, "low", lift=2.0), risk(0.6, 1, "low", lift=0.5)
    (0.6, 0.78325, 0.84, 0.367544)
    """
    breadth = 1 - BREADTH_BASE ** (min(rules, RULES_COUNTED_MAX) - 1)
    rated = RATING_WEIGHT.get(rating, RATING_WEIGHT[None])
    confirmed = AGREEMENT_WEIGHT * agreed
    innocent = (1 - strongest) * (1 - breadth) * (1 - rated) * (1 - confirmed)
    return round(1 - (innocent if lift is None else innocent**lift), _DECIMALS)


def novelty(
    *,
    alert_count: int,
    alerts_seen: int,
    typologies: Iterable[str],
    typologies_seen: Iterable[str],
    dismissed_cases: int,
    dismissed_typologies: Iterable[str],
) -> float:
    """Novelty in 0.12..1.

    A case that someone has looked at and one quiet repeat since:

    >>> novelty(alert_count=3, alerts_seen=2, typologies=["cash"], typologies_seen=["cash"],
    ...         dismissed_cases=0, dismissed_typologies=[])
    0.7
    """
    there = set(typologies)
    if alerts_seen == 0 or there - set(typologies_seen):
        fresh = 1.0
    else:
        fresh = 1 - 0.5 ** min(alert_count - alerts_seen, UNSEEN_COUNTED_MAX)
    value = NOVELTY_SEEN + (1 - NOVELTY_SEEN) * fresh
    if there <= set(dismissed_typologies):
        value *= DISMISSED_FACTOR ** min(dismissed_cases, DISMISSED_COUNTED_MAX)
    return round(value, _DECIMALS)


def urgency(opened_at_us: int, due_at_us: int, now_us: int) -> float:
    """Urgency in 0.2..1: linear to 0.9 until the due date, 1 from then on.

    >>> urgency(0, 100, 0), urgency(0, 100, 50), urgency(0, 100, 100)
    (0.2, 0.55, 1.0)
    """
    if now_us >= due_at_us:
        return 1.0
    if now_us <= opened_at_us:
        return URGENCY_AT_OPENING
    gone = (now_us - opened_at_us) / (due_at_us - opened_at_us)
    return URGENCY_AT_OPENING + (URGENCY_AT_DUE - URGENCY_AT_OPENING) * gone


def priority(case: Case, now_us: int) -> float:
    """Risk x urgency x novelty, 0..1."""
    return case.risk * urgency(case.opened_at_us, case.due_at_us, now_us) * case.novelty


def time_in_words(length_us: int) -> str:
    """The two largest units of a length: ``2d 4h``, ``3h 5m``, ``12m``.

    >>> time_in_words(52 * HOUR_US), time_in_words(60 * DAY_US), time_in_words(5)
    ('2d 4h', '60d', '0m')
    """
    days, rest = divmod(length_us, DAY_US)
    hours, rest = divmod(rest, HOUR_US)
    minutes = rest // MINUTE_US
    if days >= 10 or (days and not hours):
        return f"{days}d"
    if days:
        return f"{days}d {hours}h"
    if hours:
        return f"{hours}h {minutes}m" if minutes else f"{hours}h"
    return f"{minutes}m"


def due_in_words(due_at_us: int, now_us: int) -> str:
    """``in 2d 4h`` or ``overdue 3h``.

    >>> due_in_words(2 * DAY_US, 0), due_in_words(0, 3 * HOUR_US)
    ('in 2d', 'overdue 3h')
    """
    if now_us >= due_at_us:
        return "overdue " + time_in_words(now_us - due_at_us)
    return "in " + time_in_words(due_at_us - now_us)


SENTENCES = (
    RISK := "Risk {share}: strongest alert is {severity}, {fired}, {rating}.",
    RULE_FIRED := "1 rule fired",
    RULES_FIRED := "{n} rules fired",
    RATED := "customer rated {rating}",
    UNRATED := "customer without a rating",
    URGENT := "Urgency {share}: {left}.",
    DUE := "due {left}",
    NOVEL := "Novelty {share}: {seen}.",
    DISMISSED_ONE := "{seen}; the same was dismissed in 1 earlier case",
    DISMISSED := "{seen}; the same was dismissed in {n} earlier cases",
    UNSEEN := "nobody has looked yet",
    NEW_NAMES := "new since the last look: {names}",
    NEW_ALERT := "1 alert since the last look",
    NEW_ALERTS := "{n} alerts since the last look",
    NOTHING_NEW := "nothing new since the last look",
)
"""All sentences of a priority, for whoever says them in another language."""


def reasons(case: Case, now_us: int) -> list[str]:
    """The priority in words, one sentence for each of its three parts, and one for the typology."""
    return [english(each) for each in reasons_told(case, now_us)]


def reasons_told(case: Case, now_us: int) -> list[Told]:
    """The same as sentences apart from their values."""
    rating = told(RATED, rating=case.risk_rating) if case.risk_rating else told(UNRATED)
    fired = _counted(len(case.rules), RULE_FIRED, RULES_FIRED)
    share, left = urgency(case.opened_at_us, case.due_at_us, now_us), due_in_words(case.due_at_us, now_us)
    due = left if left.startswith("overdue") else told(DUE, left=left)
    named = [told(typology_words(case.typology))] if case.typology is not None else []
    learned = [told(lift_words(case.lift))] if case.lift is not None else []
    return [
        told(RISK, share=f"{case.risk:.2f}", severity=case.severity, fired=fired, rating=rating),
        *learned,
        told(URGENT, share=f"{share:.2f}", left=due),
        told(NOVEL, share=f"{case.novelty:.2f}", seen=_novelty(case)),
        *named,
    ]


def _counted(number: int, one: str, more: str) -> Told:
    return told(one) if number == 1 else told(more, n=number)


def lift_words(lift: float) -> str:
    """What decisions taught about cases like this one, in words.

    >>> lift_words(1.6)
    'Learned 1.60: cases like this one were decided as suspicious more often than others; it raises the risk.'
    """
    if lift == 1.0:
        return "Learned 1.00: cases like this one were decided as others were."
    often, does = ("more", "raises") if lift > 1.0 else ("less", "lowers")
    return (
        f"Learned {lift:.2f}: cases like this one were decided as suspicious {often} often than others; it {does} "
        "the risk."
    )


def typology_words(typology: CaseTypology) -> str:
    """A typology in words: its name, its score and what each rule gave.

    >>> typology_words(CaseTypology("Money mule", 0.76, (("AML-MUL-001", 0.6), ("AML-PAS-001", 0.16))))
    'Typology Money mule 0.76: AML-MUL-001 gave 0.60, AML-PAS-001 gave 0.16.'
    """
    gave = ", ".join(f"{rule} gave {part:.2f}" for rule, part in typology.parts)
    return f"Typology {typology.name} {typology.score:.2f}: {gave}."


def _novelty(case: Case) -> Told:
    unseen = case.alert_count - case.alerts_seen
    new = sorted(set(case.typologies) - set(case.typologies_seen))
    if case.alerts_seen == 0:
        words = told(UNSEEN)
    elif new:
        words = told(NEW_NAMES, names=", ".join(name.replace("_", " ") for name in new))
    elif unseen:
        words = _counted(unseen, NEW_ALERT, NEW_ALERTS)
    else:
        words = told(NOTHING_NEW)
    if case.dismissed_cases and set(case.typologies) <= set(case.dismissed_typologies):
        text = DISMISSED_ONE if case.dismissed_cases == 1 else DISMISSED
        return told(text, seen=words, n=case.dismissed_cases)
    return words
