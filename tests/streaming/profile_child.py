"""A profile worker in a process of its own, for tests that kill it. Not imported by tests.

``python tests/streaming/profile_child.py SETTINGS.json`` works on the topics named there until it is ended. ``kill_at``
ends it without warning at that step, counted over what it does with Redis and with the brokers.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from monitor.adapters.redis.profiles import ProfileStore
from monitor.app.streaming import profiles
from monitor.app.streaming.health import Health
from monitor.app.streaming.profiles import ProfileTopics, ProfileWorker

STEPS = ("_flush", "_commit")


def killing(owner: Any, names: tuple[str, ...], left: list[int]) -> None:
    """Count calls, and end this process at the last one."""

    def counted(step: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return step(*given, **named)

        return call

    for name in names:
        setattr(owner, name, counted(getattr(owner, name)))


def main(given: dict[str, Any]) -> None:
    profiles.BATCH_MAX = given["batch"]
    kept = ProfileStore(given["redis"])
    worker = ProfileWorker(
        given["client"], kept, bytes.fromhex(given["key"]), Health("127.0.0.1", 0),
        topics=ProfileTopics(**given["topics"]), group=given["group"],
    )  # fmt: skip
    if given.get("kill_at"):
        left = [given["kill_at"]]
        killing(kept, ("write", "known", "note_homes"), left)
        killing(worker, STEPS, left)
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())
    worker.run()


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
