"""How fast the case store takes alerts, lists its queue and verifies its journal, on SQLite.

    python -m tests.bench.case_store [ALERTS] [ALERTS_PER_COMMIT]

Figures are per second of this process's CPU, so that a busy machine gives the same ones.
A quarter as many subjects as alerts; half of the alerts are new, four in ten quiet, one in ten shadow.
"""

import random
import sys
import tempfile
import time
from pathlib import Path

from monitor.adapters.sql.queue import QueueFilter, list_cases, queue_totals
from monitor.adapters.sql.store import CaseStore, open_store
from monitor.casework.evidence import StoredAlert
from monitor.casework.position import RunPosition
from monitor.domain.vocabulary import SEVERITIES
from tests.casework.alert_building import START_US, stored


def stream_of(count: int) -> list[StoredAlert]:
    """The same alerts each time."""
    draw = random.Random(7)
    return [
        stored(
            n,
            customer=str(draw.randrange(max(count // 4, 1))),
            rule=f"AML-STR-{draw.randrange(1, 11):03d}",
            typology=draw.choice(["structuring", "fan_in", "pass_through"]),
            severity=draw.choice(SEVERITIES),
            score=draw.random(),
            status=draw.choices(["new", "quiet", "shadow"], [5, 4, 1])[0],
        )
        for n in range(count)
    ]


def timed_commits(store: CaseStore, stream: list[StoredAlert], size: int) -> float:
    """Seconds for all commits."""
    start = time.process_time()
    for first in range(0, len(stream), size):
        position = RunPosition("embedded", 0, first, first + size, 0)
        store.commit_batch(stream[first : first + size], position, counters={"records": first}, recorded_at_us=first)
    return time.process_time() - start


def main(count: int, size: int) -> None:
    """Print one line per figure."""
    start = time.process_time()
    stream = stream_of(count)
    print(f"evidence           {count / (time.process_time() - start):10,.0f} alerts a second made into stored alerts")
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "cases.db", create=True) as store:
        seconds = timed_commits(store, stream, size)
        print(f"commit             {count / seconds:10,.0f} alerts a second, {size} per commit")
        again = timed_commits(store, stream, size)
        print(f"commit again       {count / again:10,.0f} alerts a second passed over")
        start = time.process_time()
        with store.reading() as connection:
            rows = list_cases(connection, QueueFilter(), now_us=START_US, viewer="ann")
            listed = time.process_time() - start
            totals = queue_totals(connection, now_us=START_US)
        print(f"queue              {listed * 1000:10,.1f} ms for the first {len(rows)} of {totals.open} cases")
        start = time.process_time()
        verified = store.verify()
        seconds = time.process_time() - start
        rate, wrong = verified.entries / seconds, len(verified.findings)
        print(f"verify             {rate:10,.0f} entries a second, {wrong} findings")
        print(f"cases fingerprint  {store.fingerprint()['cases'][:16]}")


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    main(*given, *(20_000, 4_096)[len(given) :])
