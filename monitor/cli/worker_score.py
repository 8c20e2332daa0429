"""``aml worker score``: partitions of the log judged by the engine."""

from monitor.cli.stream import SettingsFile, read_settings, told


def score(settings: SettingsFile = None) -> None:
    """Judge the partitions that are assigned to this worker, and go on until stopped."""
    with told():
        from monitor.adapters.redis.profiles import ProfileStore
        from monitor.app.streaming.announced_profiles import AnnouncedProfiles
        from monitor.app.streaming.scoring import ScoringWorker

        given = read_settings(settings)
        kept = ProfileStore(given.redis.url.get_secret_value(), ca=given.redis.ca)
        wait_seconds = given.worker.profile_wait_seconds
        worker = ScoringWorker(given, lambda tokens: AnnouncedProfiles(kept, tokens, wait_seconds=wait_seconds))
        worker.run()
        kept.close()
