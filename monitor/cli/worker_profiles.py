"""``aml worker profiles``: profile versions from a topic into Redis, announced to those who score."""

import signal
from typing import Annotated

import typer

from monitor.cli.ending import fail
from monitor.cli.stream import SettingsFile, read_settings, told


def profiles(
    settings: SettingsFile = None,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="read the topic from its beginning, to fill an emptied Redis again")
    ] = False,
) -> None:
    """Keep profile versions in Redis and announce them to the scoring workers; ends on SIGTERM or Ctrl-C."""
    with told():
        from monitor.adapters.redis.profiles import ProfileStore
        from monitor.app.streaming.book import Book
        from monitor.app.streaming.health import Health, HealthError
        from monitor.app.streaming.profiles import ProfileWorker
        from monitor.app.streaming.recording import ProfilesMetrics

        given = read_settings(settings)
        kept = ProfileStore(given.redis.url.get_secret_value(), ca=given.redis.ca)
        book = Book()
        health = Health(given.worker.host, given.worker.port, book.registry)
        worker = ProfileWorker(
            given.kafka.client(), kept, given.store.key(), health, from_start=from_start,
            metrics=ProfilesMetrics(book, health),
        )  # fmt: skip
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: worker.stop())
        try:
            with health:
                worker.run()
        except HealthError as error:
            fail(str(error), 2)
        kept.close()
