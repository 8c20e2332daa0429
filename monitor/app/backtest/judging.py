"""The recorded log judged by several rulebooks at once, in memory, by the same engine that runs live.

Each payment is read once; each variant of the rulebook has an engine of its own. Where the log records other inputs, an
engine goes on with its state if its rules stay, and measures the history anew if they change: as the live run did.
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from monitor.app.backtest.changes import Change, RulesInForce
from monitor.app.backtest.history import Epoch, History
from monitor.app.backtest.match import Raised, raised
from monitor.app.backtest.problem import BacktestError
from monitor.app.inputs import LoadedInputs, engine_inputs
from monitor.app.profiles import ProfileTimeline
from monitor.casework.control import Control
from monitor.domain.alert import Alert
from monitor.domain.time import UNKNOWN
from monitor.domain.transaction import TransactionBatch
from monitor.domain.vocabulary import MODELS_OFF
from monitor.engine import state
from monitor.engine.binding import NamedList as BoundList
from monitor.engine.engine import Engine, Step
from monitor.engine.findings import Findings, falls_quiet, subjects_of
from monitor.rulebook.lists import NamedList
from monitor.rulebook.plan import plan

ALERTS_MAX = 2_000_000
"""Most alerts of one back-test, over all variants; beyond, it stops and says so."""

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Variant:
    """A rulebook to judge by: from the rules in force at an epoch to those of the variant.

    ``only_new`` leaves out what falls into a quiet period, and the anomaly models, for walks over many thresholds.
    """

    name: str
    rules: Callable[[RulesInForce], RulesInForce]
    lists: Mapping[str, NamedList] = field(default_factory=dict)
    only_new: bool = False


@dataclass(slots=True)
class Judged:
    """What came out: the alerts of each variant in the order of the log, and what the log held."""

    alerts: list[list[Raised]]
    payments: int = 0
    first_us: int = UNKNOWN
    last_us: int = UNKNOWN
    undecided: list[dict[str, int]] = field(default_factory=list)
    """Per variant and rule, how many verdicts a missing field left open, at the end of the log."""
    digests: list[str] = field(default_factory=list)
    """The digest of each variant's last rulebook."""
    breakers: list[dict[str, int]] = field(default_factory=list)
    """Per variant and rule, on how many days its breaker opened."""


def changed(changes: Sequence[Change]) -> Callable[[RulesInForce], RulesInForce]:
    """The rules after all changes, in their order."""

    def after(rules: RulesInForce) -> RulesInForce:
        for change in changes:
            rules = change.apply(rules)
        return rules

    return after


def epochs_of(history: History, *, as_recorded: bool) -> list[Epoch]:
    """The inputs at their positions. Unless ``as_recorded``, the last rulebook is in force over the whole log."""
    epochs, last = history.epochs, history.epochs[-1]
    if as_recorded:
        return epochs
    return [
        replace(e, rules=last.rules, lists={**last.lists, **e.lists}, breaker=last.breaker, models=last.models)
        for e in epochs
    ]


def judge(
    history: History, variants: Sequence[Variant], *, as_recorded: bool = False, is_controlled: bool = True,
    on_progress: Progress = lambda n: None,
) -> Judged:  # fmt: skip
    """Judge the whole log by each variant.

    Args:
        history: The log.
        variants: The rulebooks.
        as_recorded: Each rulebook at its own positions, instead of the last one over all.
        is_controlled: Suppressions, switches and breaker decide what becomes of an alert, as they did live.
        on_progress: Told how many payments were judged.

    Raises:
        BacktestError: There is no rule to judge by, or there are too many alerts.
        PlanError: A rule asks for something the engine does not do.
        ListMissing: A rule uses a list that nobody gave.
    """
    epochs = epochs_of(history, as_recorded=as_recorded)
    tracks = [_Track(history, variant, is_controlled=is_controlled and not variant.only_new) for variant in variants]
    result = Judged([track.found for track in tracks])
    timeline, clock_us = ProfileTimeline(), UNKNOWN
    for number, epoch in enumerate(epochs):
        stop = epochs[number + 1].position if number + 1 < len(epochs) else None
        timeline = _timeline(history, epoch, clock_us)
        for track in tracks:
            track.enter(epoch)
        for batch in history.batches(epoch.position, stop):
            _note_times(result, batch)
            for run, after_us in timeline.runs(batch, clock_us):
                for track in tracks:
                    track.step(run, timeline)
                clock_us = after_us
            on_progress(result.payments)
            if sum(len(track.found) for track in tracks) > ALERTS_MAX:
                raise BacktestError(
                    f"{history.name}: more than {ALERTS_MAX} alerts after {result.payments} payments. Raise the "
                    "thresholds of the change, or cut the rulebook down with --with -RULE."
                )
    result.undecided = [track.undecided() for track in tracks]
    result.breakers = [dict(track.opened) for track in tracks]
    result.digests = [track.engine.program.rulebook.digest if track.engine else "" for track in tracks]
    return result


def _note_times(result: Judged, batch: TransactionBatch) -> None:
    first, last = int(batch.booked_at_us.min()), int(batch.booked_at_us.max())
    result.first_us = first if result.first_us == UNKNOWN else min(first, result.first_us)
    result.last_us = max(last, result.last_us)
    result.payments += len(batch)


def _timeline(history: History, epoch: Epoch, clock_us: int) -> ProfileTimeline:
    timeline = ProfileTimeline()
    if epoch.profiles is not None:
        timeline.load(epoch.profiles, history.identifiers)
    timeline.advance(clock_us)
    return timeline


class _Track:
    """One variant on its way through the log."""

    def __init__(self, history: History, variant: Variant, *, is_controlled: bool) -> None:
        self.history, self.variant = history, variant
        self.engine: Engine | None = None
        self.found: list[Raised] = []
        self.control = Control(frozenset()) if is_controlled else None
        self.waiting = deque(history.orders)
        self.opened: Counter[str] = Counter()
        self.last_raised: dict[tuple[str, str], int] = {}
        """By rule and token of the subject, when its quiet period last began."""

    def enter(self, epoch: Epoch) -> None:
        """Take the inputs of an epoch into use."""
        before, self.engine = self.engine, self._engine(epoch)
        if self.control is not None:
            rules = self.engine.program.rulebook.rules
            self.control.obligations = frozenset(rule.id for rule in rules if rule.kind == "obligation")
            self.control.breaker.settings = epoch.breaker
        if before is None:
            if epoch.position:
                self._measure(epoch)
        elif state.layout_key(before) == state.layout_key(self.engine):
            state.load(self.engine, state.save(before))
        else:
            self._measure(epoch)
            self._take_over_quiet_periods(self.engine)

    def step(self, run: TransactionBatch, timeline: ProfileTimeline) -> None:
        """Judge payments."""
        if self.engine is None:
            return
        step = self.engine.step(run, timeline.table)
        for alert in step.alerts:
            if alert.status != "quiet" and "quiet" not in alert.marks:
                key = (alert.source.id, alert.subject.token)
                self.last_raised[key] = max(alert.judged_at_us, self.last_raised.get(key, UNKNOWN))
        self.found += [raised(alert) for alert in self._controlled(step)]

    def _controlled(self, step: Step) -> list[Alert]:
        """The alerts as the orders of their positions, and the breaker, leave them."""
        if self.control is None:
            return step.alerts
        for snapshot in step.snapshots:
            self.control.breaker.see_bank(snapshot.version, snapshot.customers)
        found: list[Alert] = []
        for alert in step.alerts:
            while self.waiting and self.waiting[0][0] <= alert.position:
                self.control.take(self.waiting.popleft()[1])
            decided, tripped = self.control.decide([alert])
            found += decided
            self.opened.update(each.rule for each in tripped)
        return found

    def undecided(self) -> dict[str, int]:
        """Undecided verdicts by rule."""
        counts = self.engine.undecided_by_field() if self.engine is not None else {}
        return {rule: sum(names.values()) for rule, names in counts.items()}

    def _engine(self, epoch: Epoch) -> Engine:
        rules = self.variant.rules(epoch.rules)
        if not rules.rules:
            raise BacktestError(f"{self.history.name}: no rule is left to judge by ({self.variant.name}).")
        named = {**epoch.lists, **self.variant.lists}
        lists = {name: BoundList(name, str(each.version), tuple(each.words)) for name, each in named.items()}
        loaded = LoadedInputs(plan(rules.rulebook()), rules.live, lists, epoch.rates, epoch.entities,
                              models=MODELS_OFF if self.variant.only_new else epoch.models)  # fmt: skip
        engine = Engine(loaded.program, engine_inputs(loaded, self.history.identifiers))
        if self.variant.only_new:
            engine.findings = OnlyNew(engine)
        return engine

    def _measure(self, epoch: Epoch) -> None:
        """Measure the history up to the epoch with its inputs; what it raises was raised before."""
        assert self.engine is not None
        timeline, clock_us = _timeline(self.history, epoch, UNKNOWN), UNKNOWN
        for batch in self.history.batches(0, epoch.position):
            for run, after_us in timeline.runs(batch, clock_us):
                self.engine.step(run, timeline.table)
                clock_us = after_us
        self.engine.undecided[:] = 0
        self.engine.hits[:] = 0

    def _take_over_quiet_periods(self, engine: Engine) -> None:
        """Quiet periods follow the alerts that were raised, not those that other rules would have raised."""
        code = self.history.identifiers.code_of_token
        engine.findings.last_alert_us = {
            (rule, code(bytes.fromhex(token))): judged_us for (rule, token), judged_us in self.last_raised.items()
        }


class OnlyNew(Findings):
    """Findings that makes no alert of what falls into a quiet period.

    A loose threshold hits a subject again and again; telling that the quiet period goes on needs three columns, an
    alert with its payments and numbers needs all of them.
    """

    def alerts(self, rows: "np.ndarray", scene, *, is_again=False) -> list[Alert]:  # type: ignore[no-untyped-def]
        if not len(rows):
            return []
        rules, last, wanted = self.engine.program.rulebook.rules, dict[tuple[str, int], int](), []
        subjects, judged = subjects_of(self.engine, rows, scene), scene.legs.judged_us[rows[:, 0]].tolist()
        for number, subject, judged_us in zip(rows[:, 1].tolist(), subjects, judged, strict=True):
            rule = rules[number]
            key = (rule.id, subject)
            is_quiet = falls_quiet(rule, judged_us, last.get(key, self.last_alert_us.get(key)))
            wanted.append(not is_quiet)
            if not is_quiet and subject >= 0:
                last[key] = judged_us
        return super().alerts(rows[np.array(wanted)], scene, is_again=is_again)
