"""The metrics of a system that runs: every method of the recording classes called as the workers call it."""

import numpy as np

from monitor import metrics as m
from monitor.adapters.sql.feed_totals import write_control_totals, write_totals
from monitor.adapters.sql.store import CaseStore
from monitor.app.streaming.book import Book
from monitor.app.streaming.recording import CasesMetrics, HistoryMetrics, IntakeMetrics, ProfilesMetrics, ScoringMetrics
from monitor.app.streaming.store_metrics import StoreMetrics
from monitor.app.table_engine import PlainIdentifiers, UtcEntities
from monitor.casework.position import RunPosition
from monitor.domain.feed import ControlTotal, FeedTotal
from monitor.domain.time import DAY_US, SECOND_US
from monitor.domain.vocabulary import MODELS_LIVE
from monitor.engine.admitting import DIFFERS, DUPLICATE, JUDGED, TAKEN_BACK, TOO_LATE
from monitor.engine.anomalies import WARM_UP_DAYS
from monitor.engine.engine import Engine, EngineInputs, Step
from monitor.engine.rule_errors import Raised
from monitor.rulebook.plan import plan
from monitor.rulebook.rule import Rulebook
from tests.casework.alert_building import alert, stored
from tests.rulebook.small_rules import parameter, rule, window

RULE = "AML-TST-001"


def small_engine(models: str = MODELS_LIVE) -> Engine:
    """A real engine that has judged nothing yet."""
    two = parameter("two", "count", ("2",))
    made = rule("w.n >= two", window("24h", {"n": "count"}, parameters=(two,)), parameters=(two,), rule_id=RULE)
    identifiers = PlainIdentifiers()
    inputs = EngineInputs(identifiers, UtcEntities(identifiers), live=frozenset({RULE}), models=models)
    return Engine(plan(Rulebook((made,), made.digest)), inputs)


def small_step() -> Step:
    """Six payments, one late, one without a profile; one alert of each of two statuses."""
    outcome = np.array([JUDGED, JUDGED, DUPLICATE, DIFFERS, TOO_LATE, TAKEN_BACK], np.int8)
    alerts = [alert(0, rule=RULE, marks=("no_profile",)), alert(1, rule=RULE, status="quiet")]
    raised = {RULE: Raised(ValueError("a fact"), 1)}
    return Step(outcome, np.arange(6) == 1, alerts, [], 5, 0, 0, raised=raised)


def intake(book: Book, now: float) -> None:
    """What intake records."""
    metrics = IntakeMetrics(book)
    metrics.ready(True)
    metrics.passed(taken=4096, given=8000, seconds=0.02)
    metrics.delay("wall", 0.004)
    metrics.delay_since("broker", [int((now - 0.01) * SECOND_US)], now_us=int(now * SECOND_US))
    metrics.delay_since("event", [int((now - 2.0) * SECOND_US)], now_us=int(now * SECOND_US))
    metrics.refused({"field_missing": 2, "not_json": 1})
    metrics.quarantined(0)
    metrics.feed("core-banking", last_seconds=now - 5, silent_after_seconds=3600)
    for partition in range(2):
        metrics.lag(partition, 10 * partition)
    for name in ("kafka", "disk"):
        metrics.dependency(name, True)


def score(book: Book, now: float) -> None:
    """What scoring records."""
    engine = small_engine()
    metrics = ScoringMetrics(book)
    assert engine.anomalies is not None
    engine.anomalies.began_us, engine.anomalies.clock_us = 0, WARM_UP_DAYS * DAY_US
    engine.anomalies.ensemble.watch.stability[:] = 0.05
    metrics.began(0, engine, seconds=1.5)
    engine.hits[0] += 3
    engine.undecided[0, 0] += 2
    metrics.verdicts(0, engine)
    metrics.step(small_step(), taken=6, seconds=0.004)
    metrics.ready(True)
    metrics.delay("wall", [0.004, 0.005])
    metrics.delay("broker", [0.02, 0.03])
    metrics.delay("event", [1.0, 1.5])
    metrics.refused({"duplicate_differs": 1, "too_late": 1})
    metrics.profiles(hits=99, misses=1, seconds=0.001)
    metrics.awaited(1, oldest_seconds=2.0)
    metrics.saved(0, seconds=0.3, size_bytes=2_000_000, at_seconds=now - 20)
    metrics.bank_snapshot(0, int(now // 86_400))
    metrics.left_out(0)
    metrics.rates(int((now - 3600) * SECOND_US))
    metrics.lag(0, 7)
    metrics.degraded(0, False)
    metrics.paused(0, False)
    for name in ("kafka", "redis", "snapshots", "inputs"):
        metrics.dependency(name, True)


def cases(book: Book, now: float, store: CaseStore) -> None:
    """What casework records."""
    metrics = CasesMetrics(book)
    matches = [stored(n, customer=f"customer {n}") for n in range(3)]
    result = store.commit_batch(matches, RunPosition("alerts-0", 0, 0, 3, 0), recorded_at_us=int(now * SECOND_US))
    metrics.committed(result, {(RULE, "new"): 3, (RULE, "suppressed"): 1}, taken=3, seconds=0.01)
    day = int(now // 86_400)
    stated = ControlTotal("core-banking", day, "EUR", 1, 100, expected_at_us=0)
    with store.writing() as connection:
        write_totals(connection, [("legs-0", FeedTotal("core-banking", day, "EUR", 1, 100))], recorded_at_us=0)
        write_control_totals(connection, [(stated, "a test")], recorded_at_us=0)
    metrics.ready(True)
    metrics.delay("wall", 0.01)
    metrics.delay("broker", 0.02)
    metrics.delay("event", 2.0)
    metrics.lag(0, 0)
    for name in ("kafka", "postgres"):
        metrics.dependency(name, True)


def profiles(book: Book, now: float) -> None:
    """What the profile loader records."""
    metrics = ProfilesMetrics(book)
    metrics.written(3, taken=3, seconds=0.01, at_seconds=now - 60)
    metrics.ready(True)
    metrics.delay("wall", 0.01)
    metrics.delay("broker", 0.02)
    metrics.lag(0, 0)
    for name in ("kafka", "redis"):
        metrics.dependency(name, True)


def history(book: Book) -> None:
    """What the history worker records."""
    metrics = HistoryMetrics(book)
    metrics.recorded(0, rows=int(book.read(m.HISTORY_ROWS, "0") or 0) + 3)
    metrics.passed(taken=3, given=3, seconds=0.001)
    metrics.not_recorded(damaged=0, absent=1)
    metrics.ready(True)
    metrics.delay("broker", 0.02)
    metrics.lag(0, 0)
    for name in ("kafka", "redis", "disk"):
        metrics.dependency(name, True)


class RunningSystem:
    """The books of all five kinds of worker."""

    def __init__(self, store: CaseStore) -> None:
        self.store = store
        self.books = {worker: Book() for worker in ("intake", "score", "cases", "profiles", "history")}
        self.books["cases"].registry.register(StoreMetrics(store))

    def step(self, now: float) -> None:
        """Every worker does one step, at a Unix time."""
        intake(self.books["intake"], now)
        score(self.books["score"], now)
        cases(self.books["cases"], now, self.store)
        profiles(self.books["profiles"], now)
        history(self.books["history"])
