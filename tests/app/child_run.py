"""An embedded run in a process of its own, for tests that kill it. Not imported by tests.

``python tests/app/child_run.py SETTINGS.json`` runs with ``--resume`` where there is something to resume. It prints
``going`` when the first record is about to be read. ``kill_at`` ends the process without warning at that file
operation, counted from the start of the run, and ``kill_going_at`` counted from the first record. With ``reload`` the
rules lie in a folder of their own, and are others (a rule gone, one changed, a list longer) from the first commit at or
behind that many records on.
"""

import json
import os
import re
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from monitor.adapters.sql.store import open_store
from monitor.app.embedded import Progress, RunError, RunSettings, run
from monitor.app.inputs import GivenInputs
from monitor.intake.lines import read_lines
from monitor.rulebook.load import shipped_rules

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


class Reload:
    """Changes the rules where the run has come to a position, and at a later start has them changed already."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.kill_after = given.get("kill_after_reload")
        self.at, self.folder = given.get("reload"), Path(given["db"]).parent / "rules"
        self.progress: Progress | None = None
        if self.at is not None:
            self.is_done = self._position(Path(given["db"])) >= self.at
            self.write(is_changed=self.is_done)

    def _position(self, db: Path) -> int:
        if not db.exists():
            return 0
        with open_store(db, create=True) as store:
            stored = store.position("embedded")
        return stored.log_position if stored else 0

    def write(self, *, is_changed: bool) -> None:
        """The rules as they are before or after the change."""
        shutil.copytree(shipped_rules(), self.folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__*"))
        if is_changed:
            listed = self.folder / "lists" / "high_risk_countries.yaml"
            listed.write_text(
                listed.read_text().replace("words: [", "words: [CN, DE, FR, GB, ").replace("2026-06\n", "X\n")
            )
            changed = self.folder / "us" / "structuring" / "cash_below_reporting_threshold.yaml"
            changed.write_text(re.sub(r"quiet: \w+", "quiet: 5d", changed.read_text()))
            next(iter(sorted((self.folder / "general" / "round_amount").glob("*.yaml")))).unlink()

    def is_asked(self) -> bool:
        """Whether the rules have changed since the last question; changes them when it is time."""
        if self.at is None or self.is_done or self.progress is None or self.progress.records < self.at:
            return False
        self.is_done = True
        self.write(is_changed=True)
        if self.kill_after is not None:
            kill_at(self.kill_after)
        return True


def main() -> None:
    """Run once; exits with 0 at the end of the input."""
    given = json.loads(Path(sys.argv[1]).read_text())
    told = []
    reload = Reload(given)

    def going(progress: Progress) -> bool:
        reload.progress = progress
        if not told:
            told.append(1)
            print("going", flush=True)
            if "kill_going_at" in given:
                kill_at(given["kill_going_at"])
        return True

    def settings(*, resume: bool) -> RunSettings:
        return RunSettings(
            files=tuple(given["files"]),
            db=Path(given["db"]),
            inputs=GivenInputs(
                rules=(reload.folder,) if reload.at is not None else (),
                rates=Path(given["rates"]),
                entities=Path(given["entities"]),
                approve_examples=True,
                models=given["models"],
            ),
            watch_seconds=None,
            is_reload_asked=reload.is_asked,
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
