"""An intake worker as a process: BOOTSTRAP, GROUP and four names of topics."""

import signal
import sys

from monitor.app.streaming.intake import IntakeTopics, IntakeWorker
from tests.streaming.intake_topics import SESSION_MS, TopicsHere


def main() -> None:
    """Work until SIGTERM."""
    bootstrap, group, *names = sys.argv[1:]
    here = TopicsHere(bootstrap, IntakeTopics(*names))
    worker = IntakeWorker(here.settings(chunk_rows=64), topics=here.topics, group=group, session_ms=SESSION_MS)
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())
    worker.run()


if __name__ == "__main__":
    main()
