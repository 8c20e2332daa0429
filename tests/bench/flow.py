"""Flow tracing alone: what it costs a payment, beside its slow definition in plain Python, and what its limits lose.

    python -m tests.bench.flow [PAYMENTS]

The stream is made here: persons with a salary and shops (hubs), payments between persons, and chains of up to eight
hops that keep nine tenths of the money at each. Prints JSON with a hash of all measures, so that a faster wrong answer
shows, and beside it what snapml's GraphFeaturePreprocessor takes for the same payments on one thread, where it is
installed: fan-in, fan-out, cycles and scatter-gather of a day, given in batches.
"""

import json
import sys
import time
from hashlib import sha256
from statistics import median

import numpy as np

from monitor.domain.time import DAY_US, HOUR_US, UNKNOWN
from monitor.engine import trails
from monitor.engine.flow import FlowTable
from monitor.engine.inflows import C_ACCOUNTS, C_INFLOWS_LOST, C_TRAILS_LOST
from monitor.engine.trails import PAYEE_HERE, PAYER_HERE, Payments
from monitor.rulebook.reference.flow import Pay, SlowTracer

SEED = 20_261_124
PAYMENTS, PERSONS, HUBS, DAYS = 1_000_000, 100_000, 500, 60
BATCH = 2_048
SLOW_PAYMENTS = 60_000


def stream(count: int, persons: int = PERSONS, seed: int = SEED) -> Payments:
    """A made-up bank: 45 % spending, 5 % salaries, 40 % between persons of one neighbourhood, 10 % in chains."""
    draw = np.random.default_rng(seed)
    kind = draw.random(count)
    time_us = 400 * DAY_US + np.sort(draw.integers(0, DAYS * DAY_US, count))
    person, hub = draw.integers(HUBS, HUBS + persons, count), draw.integers(0, HUBS, count)
    near = HUBS + (person - HUBS + draw.integers(1, 40, count)) % persons
    payer = np.where((kind >= 0.45) & (kind < 0.5), hub, person)
    payee = np.where(kind < 0.45, hub, np.where(kind < 0.5, person, near))
    amount = draw.integers(1_000, 100_000, count)
    amount[kind < 0.45] //= 10
    chained = np.flatnonzero(kind >= 0.9)
    for hops in np.split(chained, np.arange(5, len(chained), 5)):
        start = time_us[hops[0]]
        along = draw.integers(HUBS, HUBS + persons, len(hops) + 1)
        payer[hops], payee[hops] = along[:-1], along[1:]
        amount[hops] = (amount[hops[0]] * 0.9 ** np.arange(len(hops))).astype(np.int64)
        time_us[hops] = start + np.arange(len(hops)) * 6 * HOUR_US
    order = np.argsort(time_us, kind="stable")
    payer, payee = payer[order].astype(np.int32), payee[order].astype(np.int32)
    return Payments(
        np.arange(count), time_us[order], payer, payer, payee, payee, amount[order], np.zeros(count, np.int16),
        np.ones(count, np.bool_), np.full(count, UNKNOWN), np.full(count, -1, np.int32),
        np.full(count, PAYER_HERE | PAYEE_HERE, np.int8),
    )  # fmt: skip


def part(payments: Payments, start: int, stop: int) -> Payments:
    return Payments(*(column[start:stop] for column in payments))


def fast(payments: Payments) -> tuple[FlowTable, float, list[float], np.ndarray]:
    """The kernel over the stream in batches; nanoseconds a payment, of all and of each batch of the second half, when
    lists are full and memory grows no more; and all measures."""
    table, count, found = FlowTable(), len(payments.position), []
    table.trace(part(payments, 0, 0))
    spent: list[float] = []
    for start in range(0, count, BATCH):
        batch = part(payments, start, start + BATCH)
        begun = time.thread_time()
        traced = table.trace(batch)
        spent.append(time.thread_time() - begun)
        found.append(traced.measures)
    full = [each / BATCH * 1e9 for each in spent[len(spent) // 2 : -1]]
    return table, sum(spent) / count * 1e9, full, np.concatenate(found)


def slow(payments: Payments) -> tuple[float, list[tuple[int, int, int]]]:
    """The definition over the stream: nanoseconds a payment, and (returned share, middlemen, depth) of each."""
    definition = SlowTracer(inflows_max=None, trails_max=None)
    columns = [column.tolist() for column in payments[:7]]
    pays = [Pay(at, when, payer, payee, amount, 0, payer_owner, payee_owner)
            for at, when, payer, payer_owner, payee, payee_owner, amount in zip(*columns, strict=True)]  # fmt: skip
    begun = time.thread_time()
    found = [definition.trace(pay) for pay in pays]
    spent = time.thread_time() - begun
    shown = [(each.returned_share or 0, each.middlemen or 0, each.chain_depth or 0) for each in found]
    return spent / len(pays) * 1e9, shown


def snapml_ns(payments: Payments) -> list[float]:
    """Nanoseconds a payment of snapml's GraphFeaturePreprocessor by batch; empty where it is not installed."""
    try:
        from snapml import GraphFeaturePreprocessor
    except ImportError:
        return []
    graph = GraphFeaturePreprocessor()
    day_s = DAY_US // 1_000_000
    graph.set_params({
        "num_threads": 1, "time_window": day_s, "vertex_stats": False, "fan": True, "fan_tw": day_s, "degree": False,
        "scatter-gather": True, "scatter-gather_tw": day_s, "temp-cycle": True, "temp-cycle_tw": day_s,
        "lc-cycle": False,
    })  # fmt: skip
    rows = np.stack([
        payments.position, payments.payer, payments.payee, payments.time_us // 1_000_000, payments.amount,
    ], axis=1).astype(np.float64)  # fmt: skip
    spent = []
    for start in range(0, len(rows), BATCH):
        batch = np.ascontiguousarray(rows[start : start + BATCH])
        begun = time.process_time()
        graph.transform(batch)
        spent.append((time.process_time() - begun) / len(batch) * 1e9)
    return spent[len(spent) // 2 : -1]


def lost(payments: Payments) -> dict[str, str]:
    """What the limits lose: findings of the definition, and how many of them the kernel has too."""
    table = FlowTable()
    measures = table.trace(payments).measures
    slow_ns, exact = slow(payments)
    told: dict[str, str] = {"plain Python, ns a payment": f"{slow_ns:.0f}"}
    for name, place, column, least in (("returned a tenth or more", 0, trails.RETURNED_SHARE, 100_000),
                                       ("two middlemen or more", 1, trails.MIDDLEMEN, 2),
                                       ("chain of three or more", 2, trails.CHAIN_DEPTH, 3)):  # fmt: skip
        wanted = {row for row, values in enumerate(exact) if values[place] >= least}
        got = {row for row in wanted if measures[row, column] >= least}
        extra = int((measures[:, column] >= least).sum()) - len(got)
        told[name] = f"{len(got)} of {len(wanted)}, {extra} that the definition has not"
    return told


def main() -> None:
    """Measure, and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else PAYMENTS
    payments = stream(count)
    table, fast_ns, full, measures = fast(payments)
    few = stream(SLOW_PAYMENTS, persons=SLOW_PAYMENTS // 10)
    losses = lost(few)
    _, same_ns, _, _ = fast(few)
    graph_ns = snapml_ns(few)
    accounts = int(table.counts[C_ACCOUNTS])
    print(json.dumps({
        "payments": count, "accounts": accounts, "seed": SEED,
        "ns a payment": round(fast_ns),
        "ns a payment when full": {"median": round(median(full)), "least": round(min(full))},
        "ns a payment, stream of the definition": round(same_ns),
        "times faster than plain Python": round(float(losses["plain Python, ns a payment"]) / same_ns),
        "times faster than snapml's features": round(median(graph_ns) / same_ns, 1) if graph_ns else "not installed",
        "bytes an account": round(table.bytes_held / accounts),
        "inflows an account": round(table.inflows_held / accounts, 1),
        "inflows displaced with money left, a payment": round(int(table.counts[C_INFLOWS_LOST]) / count, 4),
        "trails displaced, a payment": round(int(table.counts[C_TRAILS_LOST]) / count, 4),
        "what limits lose": losses,
        "measures": sha256(measures.tobytes()).hexdigest()[:16],
    }, indent=1))  # fmt: skip


if __name__ == "__main__":
    main()
