"""``aml worker profiles``: profile versions from a topic into Redis, announced to those who score."""

import signal
import sys
from typing import Annotated

import typer

from monitor.cli.stream import SettingsFile, read_settings, told


class SpokenReadiness:
    """Says on stderr when the worker stops going on, and when it goes on again."""

    def __init__(self) -> None:
        self._reason: str | None = ""

    def live(self) -> None:
        """Nothing is said about that."""

    def ready(self, is_ready: bool, reason: str = "") -> None:
        """Say what has changed."""
        now = None if is_ready else reason
        if now != self._reason:
            sys.stderr.write("Ready.\n" if is_ready else f"Not ready: {reason}\n")
            sys.stderr.flush()
            self._reason = now


def profiles(
    settings: SettingsFile = None,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="read the topic from its beginning, to fill an emptied Redis again")
    ] = False,
) -> None:
    """Keep profile versions in Redis and announce them to the scoring workers; ends on SIGTERM or Ctrl-C."""
    with told():
        from monitor.adapters.redis.profiles import ProfileStore
        from monitor.app.streaming.profiles import ProfileWorker

        given = read_settings(settings)
        kept = ProfileStore(given.redis.url.get_secret_value(), ca=given.redis.ca)
        worker = ProfileWorker(
            given.kafka.client(), kept, given.store.key(), SpokenReadiness(), from_start=from_start
        )  # fmt: skip
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: worker.stop())
        worker.run()
        kept.close()
