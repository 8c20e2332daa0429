"""``aml worker score``: partitions of the log judged by the engine."""

import sys

from monitor.cli.stream import SettingsFile, read_settings, told


def score(settings: SettingsFile = None) -> None:
    """Judge the partitions that are assigned to this worker, and go on until stopped."""
    with told():
        from monitor.adapters.redis.profiles import ProfileStore
        from monitor.app.streaming.announced_profiles import AnnouncedProfiles
        from monitor.app.streaming.book import Book
        from monitor.app.streaming.recording import ScoringMetrics
        from monitor.app.streaming.scoring import ScoringWorker
        from monitor.app.streaming.watched_profiles import WatchedProfiles

        given = read_settings(settings)
        metrics, wait_seconds = ScoringMetrics(Book()), given.worker.profile_wait_seconds
        kept = ProfileStore(given.redis.url.get_secret_value(), ca=given.redis.ca)
        watched = WatchedProfiles(kept, metrics)
        worker = ScoringWorker(
            given,
            lambda tokens: AnnouncedProfiles(watched, tokens, wait_seconds=wait_seconds),
            metrics=metrics,
            probe=watched.probe,
        )
        worker.restoring.places.check()
        for wrong in worker.loaded.errors:
            sys.stderr.write(f"{wrong}\n")
        worker.run()
        kept.close()
