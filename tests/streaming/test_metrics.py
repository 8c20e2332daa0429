"""Metrics: names, units, labels and the page; histograms equal those of prometheus-client; no token becomes a label."""

import re
import time
from hashlib import sha256
from pathlib import Path

import numpy as np
import prometheus_client
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from monitor import metrics as m
from monitor.adapters.sql.store import open_store
from monitor.app.streaming.book import Book
from monitor.app.streaming.recording import PARTITION_METRICS, ScoringMetrics, WorkerMetrics
from monitor.domain.refusal import Reason
from monitor.engine import admitting
from monitor.metrics_page import page
from tests.watching.running_system import RULE, RunningSystem, small_engine, small_step

ROOT = Path(__file__).parents[2]
UNITS = ("_seconds", "_bytes", "_records", "_total")
COUNTS = {  # gauges that count things: the thing is the unit
    m.READY, m.DEGRADED, m.PAUSED, m.DEPENDENCY_UP, m.STORE_UP, m.PROFILES_AWAITED, m.CONTROL_SUMS, m.CONTROL_MISSING,
    m.STABILITY, m.FROZEN, m.MODELS, m.MODELS_READY, m.CASES, m.CASE_AGES, m.ALERT_AGES, m.UNASSIGNED, m.CASES_DUE,
    m.OBLIGATIONS_DUE, m.RULES_LEFT_OUT,
}  # fmt: skip
TOKEN = sha256(b"customer 1").hexdigest()[:32]


def samples(registry: CollectorRegistry) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = generate_latest(registry).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_every_name_has_its_unit_and_every_help_says_it():
    assert len({metric.name for metric in m.METRICS}) == len(m.METRICS) > 40
    for metric in m.METRICS:
        assert re.fullmatch("aml_[a-z_]+", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == m.COUNTER), metric.name
        assert metric.name.endswith(UNITS) or metric in COUNTS, metric.name
        assert re.search(r"second|byte|[Nn]umber|1 (when|while)", metric.help), metric.name
        assert metric.help.endswith(".")
        assert metric.promise.endswith(".")
        assert set(metric.labels) <= set(m.LABELS)
        assert bool(metric.buckets) == (metric.kind == m.HISTOGRAM)


def test_the_page_is_printed_from_the_module():
    assert (ROOT / "docs" / "metrics.md").read_text("utf-8") == page()


def test_delays_are_told_apart_from_half_a_millisecond_on():
    assert m.DELAY.buckets[0] == 0.0005
    assert list(m.DELAY.buckets) == sorted(m.DELAY.buckets)


def test_words_of_labels_are_those_of_the_code():
    assert all(m.LABELS["reason"].allows(reason) for reason in Reason)
    assert len(Reason) < m.LABELS["reason"].values_max
    codes = [admitting.JUDGED, admitting.DUPLICATE, admitting.DIFFERS, admitting.TOO_LATE, admitting.TAKEN_BACK]
    assert codes == list(range(len(m.OUTCOMES)))
    anomalies = small_engine().anomalies
    assert anomalies is not None
    assert all(m.LABELS["signal"].allows(drift.name) for drift in anomalies.drift)


@pytest.mark.parametrize("secret", [TOKEN, "DE89370400440532013000", "4111111111111111", "Anna Larsson", "12345678"])
@pytest.mark.parametrize("name", sorted(m.LABELS))
def test_what_looks_like_a_person_or_an_account_becomes_no_label(name: str, secret: str):
    metric = m.Metric("aml_test", m.GAUGE, (name,), "", "")
    book = Book()
    book.put(metric, 1, secret)
    assert book.read(metric, "other") == 1
    assert book.read(metric, secret) is None


def test_more_values_than_the_limit_are_counted_together():
    book, most = Book(), m.LABELS["source"].values_max
    for n in range(most + 5):
        book.put(m.FEED_LAST, 1, f"feed-{n}")
    text = generate_latest(book.registry).decode()
    assert text.count("aml_feed_last_record_timestamp_seconds{") == most + 1
    assert 'source="other"' in text


@given(st.lists(st.floats(-1, 1000) | st.sampled_from(m.DELAY_BUCKETS), max_size=40))
def test_a_column_counts_as_its_values_one_by_one(values: list[float]):
    book, theirs = Book(), CollectorRegistry()
    plain = prometheus_client.Histogram(
        m.DELAY.name, m.DELAY.help, m.DELAY.labels, buckets=m.DELAY.buckets, registry=theirs
    )
    book.observe(m.DELAY, np.array(values), "score", "wall")
    for value in values:
        plain.labels("score", "wall").observe(max(value, 0.0))
    plain.labels("score", "wall")
    ours = samples(book.registry)
    expected = {key: value for key, value in samples(theirs).items() if not key[0].endswith("_created")}
    assert ours.keys() == expected.keys()
    assert ours == pytest.approx(expected)


def test_a_counter_never_falls_and_labels_are_complete():
    with pytest.raises(ValueError, match="only rises"):
        Book().add(m.LATE, -1)
    with pytest.raises(ValueError, match="labels"):
        Book().put(m.LAG, 1, "score")


def test_a_step_counts_what_it_led_to():
    book = Book()
    ScoringMetrics(book).step(small_step(), taken=6, seconds=0.5)
    counted = samples(book.registry)
    outcomes = {outcome: counted["aml_payments_total", (("outcome", outcome),)] for outcome in m.OUTCOMES}
    assert outcomes == {"judged": 2, "duplicate": 1, "differs": 1, "too_late": 1, "taken_back": 1}
    assert counted["aml_late_total", ()] == 1
    assert counted["aml_legs_total", ()] == 5
    assert counted["aml_without_profile_total", ()] == 1
    assert counted["aml_rule_errors_total", (("rule", RULE),)] == 1
    assert counted["aml_records_in_total", (("worker", "score"),)] == 6
    assert counted["aml_busy_seconds_total", (("worker", "score"),)] == 0.5


def test_hits_count_from_where_a_partition_came_and_add_up_over_partitions():
    book = Book()
    metrics = ScoringMetrics(book, verdict_seconds=0)
    for partition in range(2):
        engine = small_engine("off")
        engine.hits[0], engine.undecided[0, 0] = 100, 50  # as its snapshot says
        metrics.began(partition, engine, seconds=1)
        engine.hits[0] += 2 + partition
        engine.undecided[0, 0] += 1
        metrics.verdicts(partition, engine)
        metrics.verdicts(partition, engine)
    assert book.read(m.HITS, RULE) == 5
    assert book.read(m.UNDECIDED, RULE) == 2
    metrics.verdicts(0, small_engine("off"))  # another rulebook, from zero
    assert book.read(m.HITS, RULE) == 5


def test_an_engine_is_looked_at_once_a_second():
    ticks = [10.0]
    book, engine = Book(), small_engine("off")
    metrics = ScoringMetrics(book, tick=lambda: ticks[0])
    metrics.began(0, engine, seconds=1)
    shown = []
    for ticks[0] in (10.0, 10.9, 11.0):
        engine.hits[0] += 1
        metrics.verdicts(0, engine)
        shown.append(book.read(m.HITS, RULE))
    assert shown == [1, 1, 3]


def test_models_show_the_worst_partition_and_who_is_frozen():
    book = Book()
    metrics = ScoringMetrics(book)
    for partition, stability in enumerate((0.05, 0.4)):
        engine = small_engine()
        assert engine.anomalies is not None
        engine.anomalies.ensemble.watch.stability[:] = stability
        engine.anomalies.began_us, engine.anomalies.clock_us = 0, 40 * 86_400_000_000
        if partition:
            engine.anomalies.broken = "broken: ValueError: a fact"
        metrics.verdicts(partition, engine)
    assert book.read(m.STABILITY, "combined score") == 0.4
    assert (book.read(m.MODELS), book.read(m.MODELS_READY)) == (2, 1)
    assert book.read(m.FROZEN, "payment-ensemble") == 1
    metrics.gone(1)
    assert book.read(m.STABILITY, "combined score") == 0.05
    assert (book.read(m.MODELS), book.read(m.FROZEN, "payment-ensemble")) == (1, 0)


def test_a_partition_that_went_away_is_shown_no_longer():
    book = Book()
    metrics = ScoringMetrics(book)
    metrics.lag(3, 10)
    metrics.degraded(3, True)
    metrics.paused(3, True)
    metrics.saved(3, seconds=1, size_bytes=1, at_seconds=1)
    metrics.gone(3)
    assert all(book.read(metric, "score", "3") is None for metric in PARTITION_METRICS)
    assert book.read(m.SAVED_AT, "3") is None
    assert 'partition="3"' not in generate_latest(book.registry).decode()


def test_delay_is_the_time_since_and_clocks_that_disagree_count_as_nothing():
    book = Book()
    WorkerMetrics(book, "intake").delay_since("broker", [1_000_000, 9_000_000], now_us=3_000_000)
    counted = samples(book.registry)
    labels = (("clock", "broker"), ("worker", "intake"))
    assert counted["aml_delay_seconds_sum", labels] == 2.0
    assert counted["aml_delay_seconds_count", labels] == 2
    assert counted["aml_delay_seconds_bucket", (labels[0], ("le", "0.0005"), labels[1])] == 1


def test_a_running_system_shows_every_metric(tmp_path: Path):
    with open_store(tmp_path / "cases.db", create=True) as store:
        shown: set[str] = set()
        system = RunningSystem(store)
        system.step(time.time())
        for book in system.books.values():
            shown |= {name for name, _ in samples(book.registry)}
    missing = [each.name for each in m.METRICS if not shown & {each.name, f"{each.name}_bucket"}]
    assert missing == []
