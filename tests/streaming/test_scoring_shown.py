"""What a scoring worker shows of itself: reads of profiles, what it awaits and since when, and why it is not ready."""

import io
from types import SimpleNamespace
from typing import Any

import pytest

from monitor import metrics as m
from monitor.adapters.kafka.profile_records import encode
from monitor.adapters.redis.profiles import ProfilesUnavailable
from monitor.app.streaming.announced_profiles import AnnouncedProfiles
from monitor.app.streaming.book import Book
from monitor.app.streaming.partition import Blocked, Judged
from monitor.app.streaming.recording import ScoringMetrics
from monitor.app.streaming.scoring_shown import READY_LAG, ShownScoring
from monitor.app.streaming.telling import telling
from monitor.app.streaming.token_table import TokenTable
from monitor.app.streaming.watched_profiles import WatchedProfiles
from tests.streaming.profile_versions import MemoryProfiles, Version, kept
from tests.watching.running_system import RULE, small_engine, small_step


def held(offset: int = 10, awaited: int = 0) -> Any:
    """A partition as it is looked at."""
    profiles = SimpleNamespace(awaited=awaited, is_degraded=False)
    return SimpleNamespace(number=0, offset=offset, profiles=profiles, engine=small_engine("off"))


def test_reads_of_profiles_are_counted_and_a_redis_that_is_away_is_seen_without_a_read():
    store, metrics = MemoryProfiles(), ScoringMetrics(Book())
    there = kept([Version("C1", 1, 0).line()], store).rows()[0]
    watched = WatchedProfiles(store, metrics)
    assert [value is None for value in watched.read([there[:2], (bytes(16), 7)])] == [False, True]
    book = metrics.book
    assert (book.read(m.PROFILE_READS, "hit"), book.read(m.PROFILE_READS, "miss")) == (1, 1)
    assert book.read(m.DEPENDENCY_UP, "score", "redis") == 1
    store.is_down = True
    watched.probe()
    assert book.read(m.DEPENDENCY_UP, "score", "redis") == 0
    store.is_down = False
    watched.probe()
    assert book.read(m.DEPENDENCY_UP, "score", "redis") == 1
    assert (book.read(m.PROFILE_READS, "hit"), book.read(m.PROFILE_READS, "miss")) == (1, 1)
    store.is_down = True
    with pytest.raises(ProfilesUnavailable):
        watched.read([there[:2]])
    assert book.read(m.DEPENDENCY_UP, "score", "redis") == 0


def test_versions_are_awaited_while_they_block_and_after_they_were_skipped_until_they_are_there():
    store, ticks = MemoryProfiles(), [0.0]
    record = encode(kept([Version("C1", 1, 0).line(), Version("C2", 1, 0).line()], store))
    profiles = AnnouncedProfiles(store, TokenTable(bytes(32)), wait_seconds=60, tick=lambda: ticks[0])
    assert profiles.awaited == 0
    store.is_down = True
    with pytest.raises(Blocked):
        profiles.apply(record, 0)
    assert profiles.awaited == 2
    ticks[0] = 60.0
    profiles.apply(record, 0)
    assert profiles.awaited == 2
    store.is_down = False
    profiles.apply(record, 1)
    assert profiles.awaited == 0


def test_how_long_is_waited_is_that_of_the_partition_that_waits_longest():
    ticks = [100.0]
    metrics = ScoringMetrics(Book())
    shown = ShownScoring(metrics, tick=lambda: ticks[0])
    seen = []
    for ticks[0], first, second in ((100.0, 2, 0), (130.0, 1, 3), (140.0, 0, 3), (150.0, 0, 0)):
        shown.lags({0: (held(awaited=first), 10), 1: (held(awaited=second), 10)})
        seen.append((metrics.book.read(m.PROFILES_AWAITED), metrics.book.read(m.STALENESS)))
    assert seen == [(2, 0), (4, 30), (3, 10), (0, 0)]


def test_a_worker_that_does_not_know_the_end_of_a_log_or_is_far_from_it_is_not_ready():
    metrics = ScoringMetrics(Book())
    shown = ShownScoring(metrics)
    assert "not known yet" in shown.lags({0: (held(), None), 1: (held(), 10)})
    assert metrics.book.read(m.LAG, "score", "0") is None
    assert shown.lags({0: (held(), 10 + READY_LAG)}) == ""
    assert shown.lags({0: (held(), 11 + READY_LAG)}) == f"{READY_LAG + 1} records wait"
    assert metrics.book.read(m.LAG, "score", "0") == READY_LAG + 1


def test_a_rule_that_raises_is_told_with_its_place_and_without_what_the_payment_was():
    said = io.StringIO()
    shown = ShownScoring(ScoringMetrics(Book()))
    shown._say = telling("score", said)
    step = small_step()
    step.raised[RULE].error.args = ("4111 1111 1111 1111",)  # type: ignore[index]
    judged = Judged(steps=[step], payments=6, booked_us=[step.outcome.astype("int64")])
    shown.step(held(), judged, [], [], 0.1)
    assert '"event": "rule_raised"' in said.getvalue()
    assert f'"rule": "{RULE}"' in said.getvalue()
    assert "4111" not in said.getvalue()
