"""A Redis that is slow or silent takes a worker at most a fifth of its time; one that answers is asked at once."""

import socket
from threading import Thread
from typing import Any

import pytest

from monitor.adapters.redis.profiles import ProfileStore, ProfilesUnavailable
from monitor.app.streaming.book import Book
from monitor.app.streaming.recording import ScoringMetrics
from monitor.app.streaming.watched_profiles import RESTS, WatchedProfiles

VERSIONS = [(bytes(16), 1)]


class Slow:
    """Answers after some seconds of a made-up clock, or fails after them."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.now, self.asked, self.is_away = seconds, 0.0, 0, True

    def tick(self) -> float:
        return self.now

    def read(self, versions: Any) -> list[bytes | None]:
        self.asked += 1
        self.now += self.seconds
        if self.is_away:
            raise ProfilesUnavailable("redis: no answer.")
        return [None for _ in versions]


def watched(kept: Slow) -> tuple[WatchedProfiles, ScoringMetrics]:
    metrics = ScoringMetrics(Book())
    return WatchedProfiles(kept, metrics, tick=kept.tick), metrics  # type: ignore[arg-type]


def test_a_redis_that_is_silent_takes_a_fifth_of_the_time_however_often_it_is_needed():
    kept = Slow(6.3)
    profiles, _ = watched(kept)
    while kept.now < 600:
        with pytest.raises(ProfilesUnavailable, match="no answer"):
            profiles.read(VERSIONS)
        kept.now += 0.05
    assert kept.asked * kept.seconds <= kept.now / (1 + RESTS) + kept.seconds
    assert kept.asked > 10


def test_what_fails_at_once_is_asked_each_time():
    kept = Slow(0.0)
    profiles, _ = watched(kept)
    for _ in range(5):
        with pytest.raises(ProfilesUnavailable):
            profiles.read(VERSIONS)
    assert kept.asked == 5


def test_the_probe_asks_all_the_same_and_an_answer_ends_the_rest():
    kept = Slow(6.0)
    profiles, _ = watched(kept)
    with pytest.raises(ProfilesUnavailable):
        profiles.read(VERSIONS)
    with pytest.raises(ProfilesUnavailable, match="asked again in 24 s"):
        profiles.read(VERSIONS)
    kept.is_away = False
    profiles.probe()
    assert profiles.read(VERSIONS) == [None]
    assert kept.asked == 3


def test_a_socket_that_accepts_and_says_nothing_is_waited_for_once():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        held: list[Any] = []
        Thread(target=lambda: [held.append(silent.accept()) for _ in range(8)], daemon=True).start()
        store = ProfileStore(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        profiles = WatchedProfiles(store, ScoringMetrics(Book()))
        with pytest.raises(ProfilesUnavailable):
            profiles.read(VERSIONS)
        attempts = len(held)
        for _ in range(20):
            with pytest.raises(ProfilesUnavailable, match="asked again in"):
                profiles.read(VERSIONS)
        assert len(held) == attempts
        store.close()
