"""``aml worker history``: the log of legs into files, so that its alerts can be explained later."""

from monitor.cli.ending import fail
from monitor.cli.stream import SettingsFile, read_settings, told
from monitor.cli.worker_cases import Instance


def history(settings: SettingsFile = None, instance: Instance = None) -> None:
    """Record the partitions that are assigned to this worker, and go on until stopped."""
    with told():
        from monitor.adapters.redis.profiles import ProfileStore
        from monitor.app.streaming.cases_group import Group
        from monitor.app.streaming.health import HealthError
        from monitor.app.streaming.history import GROUP, HistoryWorker

        given = read_settings(settings)
        kept = ProfileStore(given.redis.url.get_secret_value(), ca=given.redis.ca)
        try:
            HistoryWorker(given, kept, group=Group(name=GROUP, instance=instance)).run()
        except HealthError as error:
            fail(str(error), 2)
        kept.close()
