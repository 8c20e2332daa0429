"""From nothing to the first verdict: ``aml run`` over a short file, in a process of its own.

    python -m tests.bench.startup FOLDER     (a bank; prints seconds by step as JSON)

Run twice by :func:`measure_startup`: with an empty folder for numba's machine code, and again with the full one.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.banks import Bank

LINES = 2_000
LIMIT_SECONDS = 400


def measure_startup(bank: Bank, *, cold: bool) -> dict[str, dict[str, float]]:
    """Seconds to the first verdict with a cold and a warm cache, by the wall, and the child's processor seconds."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        with (bank.folder / "transactions.jsonl").open("rb") as stream:
            (place / "first.jsonl").write_bytes(b"".join(stream.readline() for _ in range(LINES)))
        environment = dict(os.environ)
        if cold:
            environment["NUMBA_CACHE_DIR"] = str(place / "numba")
        for name in ("cold", "warm") if cold else ("warm",):
            found[name] = _child(bank, place, name, environment)
    return found


def _child(bank: Bank, place: Path, name: str, environment: dict[str, str]) -> dict[str, float]:
    spawned = time.monotonic()
    command = [sys.executable, "-m", "tests.bench.startup", str(bank.folder), str(place / "first.jsonl"),
               str(place / f"{name}.db")]  # fmt: skip
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
    if done.returncode:
        raise SystemExit(f"the start-up child failed:\n{done.stderr[-2000:]}")
    told = json.loads(done.stdout)
    return {
        "first_verdict_seconds": round(told["first_verdict_at"] - spawned, 2),
        "imports_seconds": round(told["imported_at"] - spawned, 2),
        "cpu_seconds": round(told["cpu_seconds"], 2),
    }


def main() -> None:
    """The child: an embedded run that stops at its first chunk of verdicts."""
    from monitor.app.embedded import Progress, RunSettings, run
    from monitor.app.inputs import GivenInputs

    imported_at, folder = time.monotonic(), Path(sys.argv[1])
    given = GivenInputs(rates=folder / "rates.csv", entities=folder / "entities.yaml", approve_examples=True)
    first: list[tuple[float, float]] = []

    def on_progress(progress: Progress) -> bool:
        if progress.records and not first:
            first.append((time.monotonic(), time.process_time()))
        return not first

    run(RunSettings((sys.argv[2],), Path(sys.argv[3]), inputs=given), on_progress)
    print(json.dumps({"imported_at": imported_at, "first_verdict_at": first[0][0], "cpu_seconds": first[0][1]}))


if __name__ == "__main__":
    main()
