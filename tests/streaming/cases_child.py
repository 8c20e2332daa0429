"""A casework worker in a process of its own, for tests that kill it. Not imported by tests.

``python tests/streaming/cases_child.py GIVEN.json`` reads settings, topics, group and the number of records that are
taken at once, and says on standard output what the worker says.
"""

import json
import sys
from pathlib import Path

from monitor.app.settings import Settings
from monitor.app.streaming import cases
from monitor.app.streaming.cases import CasesWorker
from monitor.app.streaming.cases_group import Group


def main() -> None:
    """Work until stopped."""
    given = json.loads(Path(sys.argv[1]).read_text())
    # Few records at a time, so that many commits lie within a short stream.
    cases.RECORDS_MAX = given["records_max"]
    worker = CasesWorker(
        Settings.model_validate(given["settings"]),
        group=Group(**given["group"]),
        say=lambda line: print(line, flush=True),
    )
    worker.run()
    print("stopped", flush=True)


if __name__ == "__main__":
    main()
