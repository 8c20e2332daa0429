"""``aml replay``: a change of the rulebook measured on recorded history before it goes live."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from monitor.adapters.sql.ledger import append_entries
from monitor.adapters.sql.store import CaseStore, open_store
from monitor.app.backtest.changes import Change, read_changes
from monitor.app.backtest.comparison import Comparison, Override, compare, is_blocked, read_overrides
from monitor.app.backtest.decisions import DecidedAlert, decided_alerts
from monitor.app.backtest.history import FileHistory, StoreHistory
from monitor.app.backtest.judging import Judged, Progress, Variant, changed, judge
from monitor.app.backtest.match import Raised
from monitor.app.backtest.problem import BacktestError
from monitor.app.embedded import RUN
from monitor.casework.intervals import Share
from monitor.casework.journal import Draft, canonical_json
from monitor.casework.orders import DISABLE, ENABLE, END, SUPPRESS
from monitor.domain.time import DAY_US, UNKNOWN
from monitor.rulebook.lists import NamedList

CHAIN = "backtests"
"""The journal chain in which recorded back-tests and overrides stand."""


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """What ``aml replay`` was asked for."""

    changes: tuple[str, ...] = ()
    days: str | None = None
    overrides: tuple[str, ...] = ()
    as_recorded: bool = False
    as_written: bool = False
    """Leave suppressions, switches and breakers out."""


@dataclass(frozen=True, slots=True)
class Replay:
    """A back-test as made: what was changed, over what, and what came out."""

    history: str
    changes: tuple[str, ...]
    notes: tuple[str, ...]
    payments: int
    first_us: int
    last_us: int
    """The time of judgement compared, the end excluded."""
    digest_before: str
    digest_after: str
    undecided: dict[str, tuple[int, int]]
    comparison: Comparison
    overrides: tuple[Override, ...]
    subject: Callable[[str], str]

    @property
    def days(self) -> float:
        """Length of the time compared."""
        return (self.last_us - self.first_us) / DAY_US

    @property
    def is_blocked(self) -> bool:
        """Whether the change may not go live."""
        return is_blocked(self.comparison, self.overrides)


def replay(
    history: StoreHistory | FileHistory, request: ReplayRequest, on_progress: Progress = lambda payments: None
) -> Replay:
    """Judge a log with and without a change, and compare.

    Raises:
        BacktestError: The change, the days or an override is not understood, or the log is empty.
    """
    overrides = read_overrides(request.overrides)
    span = days_of(request.days)
    lists = history.epochs[-1].lists
    changes = read_changes(request.changes, known=history.known_rules, lists=lists)
    new_lists: dict[str, NamedList] = {name: each for change in changes for name, each in change.new_lists.items()}
    variants = [Variant("in force", changed(())), Variant("with the change", changed(changes), new_lists)]
    judged = judge(
        history,
        variants,
        as_recorded=request.as_recorded,
        is_controlled=not request.as_written,
        on_progress=on_progress,
    )
    if judged.first_us == UNKNOWN:
        raise BacktestError(f"{history.name}: there is no payment in it that could be judged.")
    first_us, last_us = span or whole_days(judged)
    decided, stored = _from_store(history.store_place)
    before, after = judged.alerts
    comparison = compare(before, after, first_us=first_us, last_us=last_us, decided=decided)
    if stored:
        comparison.recorded = Share(len(stored & {alert.alert_id for alert in before}), len(stored))
    notes = [*_notes(history, changes, before, after), *_control_notes(history, request, judged)]
    return Replay(
        history.name, request.changes, tuple(notes), judged.payments, first_us, last_us,
        judged.digests[0], judged.digests[1], _undecided(judged), comparison, tuple(overrides), history.subject,
    )  # fmt: skip


def days_of(text: str | None) -> tuple[int, int] | None:
    """Microseconds of ``FROM..TO``, both days included; ``None`` without.

    >>> days_of("2026-01-01..2026-01-02")
    (1767225600000000, 1767398400000000)
    """
    if text is None:
        return None
    first, dots, last = text.partition("..")
    try:
        begin, end = (
            int(datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC).timestamp())
            for day in (first, last)
        )
    except ValueError:
        begin, end, dots = 1, 0, ""
    if not dots or end < begin:
        raise BacktestError(f"--days {text}: write two days, the earlier first, such as 2026-04-01..2026-04-30.")
    return begin * 1_000_000, end * 1_000_000 + DAY_US


def whole_days(judged: Judged) -> tuple[int, int]:
    """The days of the log, whole ones."""
    return judged.first_us // DAY_US * DAY_US, (judged.last_us // DAY_US + 1) * DAY_US


def _from_store(place: Path | None) -> tuple[list[DecidedAlert], set[str]]:
    """Decisions, and the ids of all alerts that the store holds."""
    if place is None:
        return [], set()
    with open_store(place) as store:
        return decided_alerts(store, RUN), set(store.alert_ids(limit=10_000_000))


def _notes(
    history: StoreHistory | FileHistory, changes: Sequence[Change], before: Sequence[Raised], after: Sequence[Raised]
) -> tuple[str, ...]:
    notes = [*history.notes, *(change.note for change in changes if change.note)]
    if all(alert.kind.startswith("shadow") for alert in (*before, *after)) and (before or after):
        notes.append(
            "every rule runs in shadow, so analysts see nothing before or after. Add --approve-examples to take the "
            "shipped rules' EXAMPLE approval as your own, or RULE@active for one rule"
        )
    return tuple(notes)


def _control_notes(history: StoreHistory | FileHistory, request: ReplayRequest, judged: Judged) -> list[str]:
    """What suppressions, switches and breakers do to the alerts that are compared."""
    if request.as_written:
        return ["rules as written: suppressions, switched-off rules and breakers are left out, before and after"]
    counts = Counter(order.kind for _, order in history.orders)
    notes = []
    if counts:
        said = ", ".join(f"{counts[kind]} {words}" for kind, words in _ORDER_WORDS.items() if counts[kind])
        notes.append(
            f"as decided live, from their log positions on, before and after: {said}. --as-written leaves them out"
        )
    before, after = judged.breakers
    for rule in sorted(before.keys() | after.keys()):
        notes.append(
            f"the breaker of {rule} opens on {before.get(rule, 0)} days before and {after.get(rule, 0)} after; what "
            "comes above its daily limit counts as shadow. --as-written leaves breakers out"
        )
    return notes


_ORDER_WORDS = {SUPPRESS: "suppressions", END: "suppressions ended early", DISABLE: "rules switched off",
                ENABLE: "rules switched on"}  # fmt: skip


def _undecided(judged: Judged) -> dict[str, tuple[int, int]]:
    before, after = judged.undecided
    return {rule: (before.get(rule, 0), after.get(rule, 0)) for rule in sorted(before.keys() | after.keys())}


def record(store: CaseStore, made: Replay, *, by: str, at_us: int) -> None:
    """Write the back-test, and each override in the name of its person, into the journal of the store."""
    totals = made.comparison.totals
    facts = {
        "changes": list(made.changes), "rulebook_before": made.digest_before, "rulebook_after": made.digest_after,
        "first_us": made.first_us, "last_us": made.last_us, "payments": made.payments, "before": totals.before,
        "after": totals.after, "new": totals.new, "lost": totals.lost, "same": totals.same,
        "blocking": [each.alert.alert_id for each in made.comparison.blocking], "blocked": made.is_blocked,
    }  # fmt: skip
    drafts = [Draft(CHAIN, at_us, by, "backtest", canonical_json(facts))]
    for each in made.overrides:
        body = {"record": each.record, "rulebook_after": made.digest_after, "changes": list(made.changes)}
        drafts.append(Draft(CHAIN, at_us, each.by, "override", canonical_json(body)))
    with store.writing() as connection:
        append_entries(connection, drafts, recorded_at_us=at_us)
