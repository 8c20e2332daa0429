"""What workers record, one line per step: a class per kind of worker, over one :class:`.book.Book`.

The core returns counts and knows no metrics; these classes read its results.

    book = Book()
    with Health(settings.worker.host, settings.worker.port, book.registry) as health:
        metrics = ScoringMetrics(book, health)
        ...
        metrics.lag(partition, 120)
        metrics.step(engine.step(batch, profiles), taken=len(batch), seconds=0.004)
        metrics.verdicts(partition, engine)

Readiness and lag go to the health server too, where one is given.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from math import inf

import numpy as np
import numpy.typing as npt

from models.drift import Drift
from monitor import metrics as m
from monitor.adapters.sql.commit import CommitResult
from monitor.app.engine_refusals import REASONS
from monitor.app.streaming.book import Book
from monitor.app.streaming.health import Health
from monitor.domain.refusal import Reason
from monitor.domain.time import DAY_US, SECOND_US
from monitor.engine.anomalies import MODEL_ID, WARM_UP_DAYS, Anomalies
from monitor.engine.engine import Engine, Step

VERDICT_SECONDS = 1.0
"""How often the counts by rule of a partition are read."""
PARTITION_METRICS = (m.LAG, m.DEGRADED, m.PAUSED)


class WorkerMetrics:
    """What every worker records. ``worker`` is one of :data:`monitor.metrics.WORKERS`."""

    def __init__(self, book: Book, worker: str, health: Health | None = None) -> None:
        self.book, self.worker = book, worker
        self.health = health
        book.put(m.READY, 0, worker)
        # From zero on, so that the first of anything is an increase.
        for counter in (m.RECORDS_IN, m.RECORDS_OUT, m.BUSY, m.QUARANTINED):
            book.add(counter, 0, worker)
        for clock in m.CLOCKS:
            book.observe(m.DELAY, [], worker, clock)

    def ready(self, is_ready: bool, reason: str = "") -> None:
        """Whether the worker has its partitions and has caught up, and if not, what it waits for."""
        self.book.put(m.READY, is_ready, self.worker)
        if self.health is not None:
            self.health.ready(is_ready, reason)

    def passed(self, *, taken: int, given: int, seconds: float) -> None:
        """A step: records taken in and passed on, and the seconds that it took."""
        self.book.add(m.RECORDS_IN, taken, self.worker)
        self.book.add(m.RECORDS_OUT, given, self.worker)
        self.book.add(m.BUSY, seconds, self.worker)

    def delay(self, clock: str, seconds: npt.ArrayLike) -> None:
        """How long records took until they were done, one or a column; ``clock``: event, broker or wall."""
        self.book.observe(m.DELAY, seconds, self.worker, clock)

    def delay_since(self, clock: str, since_us: npt.ArrayLike, *, now_us: int) -> None:
        """The same, from times in microseconds since 1970 UTC."""
        self.delay(clock, (now_us - np.asarray(since_us, np.int64)) / SECOND_US)

    def lag(self, partition: int, records: int) -> None:
        """Records of a partition that wait."""
        self.book.put(m.LAG, records, self.worker, str(partition))
        if self.health is not None:
            self.health.lag(partition, records)

    def degraded(self, partition: int, is_degraded: bool) -> None:
        """Whether a partition judges without profiles that it should have."""
        self.book.put(m.DEGRADED, is_degraded, self.worker, str(partition))

    def paused(self, partition: int, is_paused: bool) -> None:
        """Whether a partition waits for something it needs."""
        self.book.put(m.PAUSED, is_paused, self.worker, str(partition))

    def dependency(self, name: str, is_up: bool) -> None:
        """Whether the last attempt to use one of :data:`monitor.metrics.DEPENDENCIES` went well."""
        self.book.put(m.DEPENDENCY_UP, is_up, self.worker, name)

    def quarantined(self, messages: int = 1) -> None:
        """Messages that could not be read and were put aside."""
        self.book.add(m.QUARANTINED, messages, self.worker)

    def refused(self, reasons: Mapping[str, int]) -> None:
        """Refused records by reason."""
        for reason, records in reasons.items():
            self.book.add(m.REFUSED, records, reason)

    def gone(self, partition: int) -> None:
        """A partition went to another worker; what is said of it here ends."""
        for metric in PARTITION_METRICS:
            self.book.forget(metric, self.worker, str(partition))
        if self.health is not None:
            self.health.forget(partition)


class IntakeMetrics(WorkerMetrics):
    """What intake records besides: feeds. Control totals come from the store: :mod:`.store_metrics`."""

    def __init__(self, book: Book, health: Health | None = None) -> None:
        super().__init__(book, "intake", health)
        for reason in Reason:
            book.add(m.REFUSED, 0, reason.value)

    def feed(self, source: str, *, last_seconds: float, silent_after_seconds: float | None) -> None:
        """A feed: Unix time of its last record, and how long it may be silent, if somebody said.

        At the start of the worker give the time of the start, so that a feed that never comes is seen.
        """
        self.book.put(m.FEED_LAST, last_seconds, source)
        if silent_after_seconds is not None:
            self.book.put(m.FEED_LIMIT, silent_after_seconds, source)


class ScoringMetrics(WorkerMetrics):
    """What scoring records besides: verdicts, profiles, models, state."""

    def __init__(
        self,
        book: Book,
        health: Health | None = None,
        *,
        verdict_seconds: float = VERDICT_SECONDS,
        tick: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(book, "score", health)
        self._verdict_seconds, self._tick = verdict_seconds, tick
        self._looked_at: dict[int, float] = {}
        for outcome in m.OUTCOMES:
            book.add(m.OUTCOME, 0, outcome)
        for counter in (m.LATE, m.LEGS, m.WITHOUT_PROFILE, m.LEGS_AGAIN, m.LEGS_LEFT_OUT, m.STEP_ERRORS):
            book.add(counter, 0)
        for result in ("hit", "miss"):
            book.add(m.PROFILE_READS, 0, result)
        for histogram in (m.PROFILE_SECONDS, m.SAVE_SECONDS, m.RESTORE_SECONDS):
            book.observe(histogram, [])
        for refusal in REASONS.values():
            book.add(m.REFUSED, 0, refusal.value)
        self.awaited(0, oldest_seconds=0.0)
        self._counted: dict[int, tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]] = {}
        self._kept: dict[int, tuple[int, int]] = {}
        self._drift: dict[int, tuple[Drift, ...]] = {}
        self._frozen: dict[int, frozenset[str]] = {}
        self._is_ready: dict[int, bool] = {}
        self._snapshots: dict[int, int] = {}
        self._show_models()

    def step(self, step: Step, *, taken: int, seconds: float) -> None:
        """What a step of the engine led to, and the seconds that it took."""
        self.passed(taken=taken, given=len(step.alerts), seconds=seconds)
        counts = np.bincount(step.outcome, minlength=len(m.OUTCOMES)).tolist()
        for outcome, payments in zip(m.OUTCOMES, counts, strict=True):
            if payments:
                self.book.add(m.OUTCOME, payments, outcome)
        self.book.add(m.LATE, int(np.count_nonzero(step.is_late)))
        self.book.add(m.LEGS, step.legs)
        self.book.add(m.WITHOUT_PROFILE, sum("no_profile" in alert.marks for alert in step.alerts))
        for rule, raised in step.raised.items():
            self.book.add(m.RULE_ERRORS, raised.alerts, rule)

    def began(self, partition: int, engine: Engine, *, seconds: float) -> None:
        """A partition came, and its state was restored in so many seconds. Hits count from here."""
        for rule in engine.program.rulebook.rules:
            self.book.add(m.HITS, 0, rule.id)
            self.book.add(m.UNDECIDED, 0, rule.id)
            self.book.add(m.RULE_ERRORS, 0, rule.id)
        self._counted[partition] = (engine.hits.copy(), engine.undecided.sum(axis=1))
        self._kept[partition] = (engine.kept.decided, engine.kept.left_out)
        self.book.observe(m.RESTORE_SECONDS, seconds)
        self._models(partition, engine.anomalies)

    def verdicts(self, partition: int, engine: Engine) -> None:
        """Hits and undecided verdicts of a partition's engine since the last look, by rule; legs that lacked a profile;
        and its models.

        Call it after each step: it looks at an engine at most once in :data:`VERDICT_SECONDS`, because a look goes
        through all rules.
        """
        if self._tick() - self._looked_at.get(partition, -inf) < self._verdict_seconds:
            return
        self._looked_at[partition] = self._tick()
        now = (engine.hits.copy(), engine.undecided.sum(axis=1))
        before = self._counted.get(partition, (np.zeros_like(now[0]), np.zeros_like(now[1])))
        self._counted[partition] = now
        ids = [rule.id for rule in engine.program.rulebook.rules]
        for metric, latest, former in zip((m.HITS, m.UNDECIDED), now, before, strict=True):
            # Another rulebook starts at zero.
            more = latest - former if len(latest) == len(former) and (latest >= former).all() else latest
            for rule in np.flatnonzero(more).tolist():
                self.book.add(metric, int(more[rule]), ids[rule])
        kept = (engine.kept.decided, engine.kept.left_out)
        for metric, number, before_it in zip((m.LEGS_AGAIN, m.LEGS_LEFT_OUT), kept, self._kept.get(partition, (0, 0)),
                                             strict=True):  # fmt: skip
            self.book.add(metric, number - before_it)
        self._kept[partition] = kept
        self._models(partition, engine.anomalies)

    def step_raised(self) -> None:
        """A step of a partition raised as a whole."""
        self.book.add(m.STEP_ERRORS, 1)

    def profiles(self, *, hits: int, misses: int, seconds: float) -> None:
        """One request to Redis: versions that were there and were not, and the seconds that it took."""
        self.book.add(m.PROFILE_READS, hits, "hit")
        self.book.add(m.PROFILE_READS, misses, "miss")
        self.book.observe(m.PROFILE_SECONDS, seconds)

    def awaited(self, versions: int, *, oldest_seconds: float) -> None:
        """Announced profile versions that could not be read yet, and how long a partition has waited for some."""
        self.book.put(m.PROFILES_AWAITED, versions)
        self.book.put(m.STALENESS, oldest_seconds if versions else 0.0)

    def saved(self, partition: int, *, seconds: float, size_bytes: int, at_seconds: float) -> None:
        """A partition's state was saved whole, at a Unix time."""
        self.book.observe(m.SAVE_SECONDS, seconds)
        self.book.put(m.STATE_BYTES, size_bytes, str(partition))
        self.book.put(m.SAVED_AT, at_seconds, str(partition))

    def unchanged(self, partition: int, *, at_seconds: float) -> None:
        """The saved state is all that a partition knows, at a Unix time."""
        self.book.put(m.SAVED_AT, at_seconds, str(partition))

    def bank_snapshot(self, partition: int, day: int) -> None:
        """The bank snapshot in force in a partition: its day since 1970."""
        self._snapshots[partition] = day
        self.book.put(m.BANK_SNAPSHOT, min(self._snapshots.values()) * DAY_US / SECOND_US)

    def left_out(self, mistakes: int) -> None:
        """Mistakes in rules, lists, approvals and typologies, for each of which something was left out."""
        self.book.put(m.RULES_LEFT_OUT, mistakes)

    def rates(self, published_us: int) -> None:
        """When the newest rate in use was published."""
        self.book.put(m.RATES, published_us / SECOND_US)

    def gone(self, partition: int) -> None:
        super().gone(partition)
        for metric in (m.STATE_BYTES, m.SAVED_AT):
            self.book.forget(metric, str(partition))
        counts = (self._counted, self._kept, self._looked_at)
        for kept in (*counts, self._drift, self._frozen, self._is_ready, self._snapshots):
            kept.pop(partition, None)
        self._show_models()

    def _models(self, partition: int, anomalies: Anomalies | None) -> None:
        if anomalies is None:
            return
        self._drift[partition], self._frozen[partition] = anomalies.drift, frozenset(anomalies.flags)
        began, clock = anomalies.began_us, anomalies.clock_us
        is_old = began is not None and clock is not None and clock // DAY_US - began // DAY_US >= WARM_UP_DAYS
        self._is_ready[partition] = is_old and not anomalies.flags
        self._show_models()

    def _show_models(self) -> None:
        """Indexes are the highest of the partitions; all else is a number of partitions."""
        self.book.put(m.MODELS, len(self._is_ready))
        self.book.put(m.MODELS_READY, sum(self._is_ready.values()))
        drifts = [each for drift in self._drift.values() for each in drift]
        for name in {each.name for each in drifts}:
            values = [each.stability for each in drifts if each.name == name and not np.isnan(each.stability)]
            if values:
                self.book.put(m.STABILITY, max(values), name)
            else:
                self.book.forget(m.STABILITY, name)
        frozen = Counter(model for models in self._frozen.values() for model in models)
        of_signals = {each.name.partition(": ")[0] for each in drifts if ": " in each.name}
        for model in {MODEL_ID} | of_signals | set(frozen):
            self.book.put(m.FROZEN, frozen[model], model)


class CasesMetrics(WorkerMetrics):
    """What casework records besides. Backlogs come from the store: :mod:`monitor.app.streaming.store_metrics`."""

    def __init__(self, book: Book, health: Health | None = None) -> None:
        super().__init__(book, "cases", health)
        for counter in (m.ALERTS_STORED, m.ALERTS_KNOWN, m.CASES_OPENED):
            book.add(counter, 0)

    def committed(
        self, result: CommitResult, decided: Mapping[tuple[str, str], int], *, taken: int, seconds: float
    ) -> None:
        """What a commit changed, of so many alerts taken in, and the seconds that it took.

        ``decided`` are the alerts that were stored for the first time, by rule and status.
        """
        for (rule, status), alerts in decided.items():
            self.book.add(m.ALERTS, alerts, rule, status)
        self.passed(taken=taken, given=result.alerts_stored, seconds=seconds)
        self.book.add(m.ALERTS_STORED, result.alerts_stored)
        self.book.add(m.ALERTS_KNOWN, result.alerts_passed_over)
        self.book.add(m.CASES_OPENED, result.cases_opened)


class HistoryMetrics(WorkerMetrics):
    """What the history worker records besides."""

    def __init__(self, book: Book, health: Health | None = None) -> None:
        super().__init__(book, "history", health)
        book.add(m.VERSIONS_NOT_RECORDED, 0)
        self.identities_lag(0)

    def recorded(self, partition: int, *, rows: int) -> None:
        """How many rows of a partition are durable."""
        self.book.put(m.HISTORY_ROWS, rows, str(partition))

    def not_recorded(self, *, damaged: int, absent: int) -> None:
        """Records that could not be read, and announced profile versions that Redis did not hold."""
        self.quarantined(damaged)
        self.book.add(m.VERSIONS_NOT_RECORDED, absent)

    def identities_lag(self, records: int) -> None:
        """Identifiers that wait to be read, over all partitions of the worker."""
        self.book.put(m.IDENTITIES_LAG, records)

    def gone(self, partition: int) -> None:
        super().gone(partition)
        self.book.forget(m.HISTORY_ROWS, str(partition))


class ProfilesMetrics(WorkerMetrics):
    """What the profile loader records besides."""

    def __init__(self, book: Book, health: Health | None = None) -> None:
        super().__init__(book, "profiles", health)

    def written(self, versions: int, *, taken: int, seconds: float, at_seconds: float) -> None:
        """Profile versions written to Redis at a Unix time, of so many taken in, and the seconds that it took."""
        self.passed(taken=taken, given=versions, seconds=seconds)
        if versions:
            self.book.put(m.PROFILES_WRITTEN, at_seconds)
