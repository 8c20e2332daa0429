"""An embedded run in a process of its own, for tests that kill it. Not imported by tests.

``python tests/app/child_run.py SETTINGS.json`` runs with ``--resume`` where there is something to resume. It prints
``going`` when the first record is about to be read. ``kill_at`` ends the process without warning at that
file operation, counted from the start of the run.
"""

import json
import os
import signal
import sys
from pathlib import Path

from monitor.app.embedded import Progress, RunError, RunSettings, run
from monitor.app.inputs import GivenInputs
from monitor.intake.lines import read_lines

OPERATIONS = (
    "open",
    "os.rename",
    "os.remove",
    "os.mkdir",
    "os.truncate",
    "sqlite3.connect",
    "os.listdir",
    "os.scandir",
)


def kill_at(number: int) -> None:
    """End this process at its ``number``-th file operation from here on."""
    left = [number]

    def hook(event: str, arguments: object) -> None:
        if event in OPERATIONS:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def main() -> None:
    """Run once; exits with 0 at the end of the input."""
    given = json.loads(Path(sys.argv[1]).read_text())
    told = []

    def going(progress: Progress) -> bool:
        if not told:
            told.append(1)
            print("going", flush=True)
        return True

    def settings(*, resume: bool) -> RunSettings:
        return RunSettings(
            files=tuple(given["files"]),
            db=Path(given["db"]),
            inputs=GivenInputs(rates=Path(given["rates"]), entities=Path(given["entities"]), approve_examples=True),
            profiles=Path(given["profiles"]),
            alerts=Path(given["alerts"]),
            resume=resume,
            commit_records=given["commit_records"],
            snapshot_records=given["snapshot_records"],
        )

    # Small pieces, so that many commits lie within a short stream.
    assert read_lines.__kwdefaults__ is not None
    read_lines.__kwdefaults__["chunk_bytes"] = given["chunk_bytes"]
    if "kill_at" in given:
        kill_at(given["kill_at"])
    try:
        run(settings(resume=True), going)
    except RunError:
        run(settings(resume=False), going)


if __name__ == "__main__":
    main()
