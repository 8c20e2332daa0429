"""How long pages of the workbench take on a store of 100,000 cases in SQLite.

    python -m tests.bench.web_pages [--cases 100000] [--out web-pages.json]

Pages are asked for in process, by the way that a browser's request goes, journal entry of the look included. Wanted at
the 95th percentile: the queue in 300 ms, any order of it in 200 ms, a case in 500 ms. Each page
is asked for once before it is measured, so that templates are compiled. Let nothing else run meanwhile.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from monitor.adapters.sql.queue import ORDERS
from monitor.adapters.sql.store import open_store
from monitor.casework.evidence import StoredAlert
from monitor.casework.position import RunPosition
from monitor.domain.vocabulary import SEVERITIES
from tests.casework.alert_building import stored
from tests.web.workbench import Workbench, with_people

WANTED_MS = {"queue": 300, "order": 200, "case": 500}
AT_ONCE = 5_000


def alerts(count: int) -> list[StoredAlert]:
    """One alert of each customer; the same each time."""
    draw = random.Random(11)
    return [
        stored(
            n, customer=f"customer {n}", rule=f"AML-STR-{draw.randrange(1, 11):03d}",
            typology=draw.choice(["structuring", "fan_in", "pass_through"]), severity=draw.choice(SEVERITIES),
            score=draw.random(),
        )
        for n in range(count)
    ]  # fmt: skip


def timed(ask: Callable[[], Any], times: int) -> list[float]:
    """Milliseconds of each call, behind one that is not counted."""
    ask()
    found = []
    for _ in range(times):
        start = time.perf_counter()
        ask()
        found.append((time.perf_counter() - start) * 1e3)
    return found


def figures(values: Sequence[float]) -> dict[str, float]:
    """Median, 95th percentile and maximum.

    >>> figures([1.0, 2.0, 3.0])
    {'p50': 2.0, 'p95': 2.9, 'max': 3.0}
    """
    p50, p95 = np.percentile(values, [50, 95]).tolist()
    return {"p50": round(p50, 1), "p95": round(p95, 1), "max": round(max(values), 1)}


def measured(bench: Workbench, times: int) -> dict[str, dict[str, float]]:
    """Each page with its figures."""
    client = bench.signed_in("analyst")

    def get(place: str) -> Callable[[], None]:
        def ask() -> None:
            answer = client.get(place)
            assert answer.status_code == 200, answer.text

        return ask

    found = {"queue": figures(timed(get("/queue"), times))}
    for order in ORDERS:
        for falling in ("", "&falling=1"):
            taken = timed(get(f"/queue?order={order}{falling}"), max(times // 4, 3))
            found[f"order {order}{' falling' if falling else ''}"] = figures(taken)
    found["search"] = figures(timed(get("/queue?q=structuring"), times))
    ids = [case.case_id for case in random.Random(3).sample(bench.cases(), min(200, 4 * times))]
    places = iter(ids + ids[:1])
    found["case"] = figures(timed(lambda: get(f"/cases/{next(places)}")(), len(ids)))
    return found


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.web_pages", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=40)
    parser.add_argument("--out", type=Path, default=None)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="aml-pages-") as folder:
        path = Path(folder) / "bank.db"
        path.write_bytes(with_people())
        with open_store(path) as store:
            everything = alerts(given.cases)
            for first in range(0, given.cases, AT_ONCE):
                position = RunPosition("r", 0, 0, first + AT_ONCE, 0)
                store.commit_batch(everything[first : first + AT_ONCE], position, recorded_at_us=5)
            print(f"{given.cases:,} cases", file=sys.stderr, flush=True)
            found = measured(Workbench(store), given.times)
    for name, each in found.items():
        wanted = WANTED_MS.get(name.split()[0])
        words = "" if wanted is None else f"   wanted p95 {wanted} ms{'' if each['p95'] <= wanted else ': MISSED'}"
        print(f"{name:<24}{each['p50']:8.1f} ms p50 {each['p95']:8.1f} p95 {each['max']:8.1f} max{words}")
    if given.out is not None:
        given.out.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
