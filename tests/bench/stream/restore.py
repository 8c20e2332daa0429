"""How long a worker takes to have the state of a million accounts back, 30 events each.

    python -m tests.bench.stream.restore [--accounts 1000000] [--out restore.json]

States are made as workers make them: a partition of ``legs`` steps over payments, and saves itself into the store
folder. The payments are those of a small simulated bank, over and over with other tokens and other payment ids, so each
partition is a bank of as many customers as are wanted. Then ``aml worker score`` is started on empty topics, and what
is timed is the reading of all states (the worker says so itself, partition by partition), and the time from the start
of the process to its readiness. There are no profiles among them. The files were written a moment ago: they are read
from the machine's memory, not from its disk.
"""

import argparse
import json
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import psutil

from monitor.adapters.kafka.payment_chunks import KIND, ChunkEncoder, SourcedBatch
from monitor.adapters.redis.profiles import ProfileStore
from monitor.adapters.snapshot_objects import FolderObjects
from monitor.adapters.snapshots import SnapshotStore
from monitor.app.inputs import load_inputs
from monitor.app.settings import load_settings
from monitor.app.streaming.announced_profiles import AnnouncedProfiles
from monitor.app.streaming.given import given_inputs
from monitor.app.streaming.partition import LogRecord, Partition
from monitor.domain.identifiers import PERSONAL_KINDS
from monitor.domain.time import UNKNOWN
from monitor.domain.transaction import Bytes16, Int64s, TransactionBatch
from monitor.engine import state
from monitor.intake.identifiers import IdentifierTable
from tests.bench.banks import Bank, Plan, bank
from tests.bench.stream.cluster import Cluster, end_in_order_on_sigterm
from tests.bench.stream.stream_bench import machine
from tests.streaming.legs_stream import LegsStream

PARTITIONS = 16
"""Of ``legs``, all of them that worker's."""
EVENTS = 30
"""Events of an account that windows still reach."""
PLAN = Plan(9_300, 30, 731_404)
"""The small bank."""
ACCOUNTS = 8_950
"""How many accounts it has, about."""
AT_ONCE = 2
"""Partitions that are made at the same time."""
_ROWS = 4_096
FLOOR_SECONDS = 30.0


@dataclass(frozen=True)
class Copied:
    """The identifiers of a bank as those of another: tokens of persons are others, all of them of one partition."""

    table: IdentifierTable
    own: Bytes16
    """Shape (n, 16): the tokens."""

    @classmethod
    def of(cls, table: IdentifierTable, copy: int, partition: int, partitions: int) -> "Copied":
        is_own = np.isin(table.export(0)[0], list(PERSONAL_KINDS))
        tokens = table.tokens.copy()
        own = tokens[is_own]
        own[:, 8:12] ^= np.frombuffer(copy.to_bytes(4, "big"), np.uint8)
        head = own[:, :8].copy().view(">u8").ravel().astype(np.uint64)
        head += np.uint64(partition) - head % np.uint64(partitions)
        own[:, :8] = head.astype(">u8").view(np.uint8).reshape(-1, 8)
        tokens[is_own] = own
        return cls(table, tokens)

    def __len__(self) -> int:
        return len(self.table)

    @property
    def tokens(self) -> Bytes16:
        return self.own

    def export(self, first_code: int) -> tuple[Any, Int64s, bytes]:
        return self.table.export(first_code)


class Banks:
    """A bank many times over, as records of one partition.

    Args:
        stream: The payments of the bank.
        copies: How many banks.
        partition: The partition in which all of their keys live.
        partitions: How many there are.
    """

    def __init__(self, stream: LegsStream, copies: int, partition: int, partitions: int) -> None:
        self._batch = stream.batch
        self._encoders = [
            ChunkEncoder(Copied.of(stream.identifiers, copy, partition, partitions))  # type: ignore[arg-type]
            for copy in range(copies)
        ]

    def records(self, start: int, stop: int) -> list[bytes]:
        """Some payments of every bank, a record each."""
        count = stop - start
        sources = np.zeros(count, np.int32), np.arange(start, stop, dtype=np.int64)
        found = []
        for copy, encoder in enumerate(self._encoders):
            payments = SourcedBatch(_with_other_ids(self._batch.slice(start, stop), copy), *sources)
            found += encoder.encode(payments, np.arange(count), [count])
        return found


def _with_other_ids(batch: TransactionBatch, copy: int) -> TransactionBatch:
    """The same payments under ids of their own."""
    ids = {name: getattr(batch, name) for name in ("id_hi", "reverses_hi")}
    others = {name: np.where(of == UNKNOWN, of, of ^ np.int64(copy << 40)) for name, of in ids.items()}
    return replace(batch, **others)


def write_state(number: int, accounts: int, payments: Path, env: dict[str, str], folder: Path) -> dict[str, int]:
    """Let a partition step over payments until so many accounts have their events, and save it; runs in a process.

    Args:
        number: The partition.
        accounts: How many accounts it has at the end, about.
        payments: The payments of the small bank.
        env: The settings of the workers.
        folder: Where the partition's snapshots lie.
    """
    settings = load_settings(env)
    loaded, kept = load_inputs(given_inputs(settings.inputs)), ProfileStore(settings.redis.url.get_secret_value())
    part = Partition(
        number, PARTITIONS, loaded, settings.store.key(), lambda tokens: AnnouncedProfiles(kept, tokens, wait_seconds=0)
    )
    stream, start = LegsStream.of(payments, loaded), 0
    banks = Banks(stream, max(1, round(accounts / ACCOUNTS)), number, PARTITIONS)
    while start < len(stream.batch) and _events(part) < EVENTS * accounts:
        stop = min(start + _ROWS, len(stream.batch))
        records = [LogRecord(part.offset + n, KIND, value) for n, value in enumerate(banks.records(start, stop))]
        part.step(records)
        start = stop
    arrays = part.save()
    SnapshotStore(FolderObjects(folder)).write(
        arrays, position=part.offset, clock_us=part.clock_us, layout=part.layout, format_version=state.FORMAT
    )  # fmt: skip
    return {
        "accounts": int(part.engine.admission.spaces[1].count),
        "events": _events(part),
        "bytes": sum(each.nbytes for each in arrays.values()),
    }


def _events(part: Partition) -> int:
    return int(max(table.events_held for table in part.engine.tables))


def measured(cluster: Cluster) -> dict[str, Any]:
    """Start a worker and say when it had the states back."""
    start = time.monotonic()
    worker = cluster.start("score")
    cluster.wait("the states", worker.is_ready)
    ready, rss = time.monotonic() - start, psutil.Process(worker.process.pid).memory_info().rss
    said = [msgspec.json.decode(line) for line in worker.said.read_bytes().splitlines() if line.startswith(b"{")]
    worker.kill()
    restored = [each for each in said if each["event"] == "state_restored"]
    return {
        "restore_seconds": round(
            max(map(_ended, restored)) - min(_ended(each) - each["seconds"] for each in restored), 1
        ),
        "restored_offsets": [each["offset"] for each in restored],
        "start_to_ready_seconds": round(ready, 1),
        "rss_bytes": rss,
    }


def _ended(said: dict[str, Any]) -> float:
    return datetime.fromisoformat(said["at"]).timestamp()


def restore(accounts: int, made: Bank, root: Path) -> dict[str, Any]:
    """The states, and how long a worker took to have them back."""
    begun = time.monotonic()
    with Cluster(root, made, legs=PARTITIONS) as cluster:
        payments, env = made.folder / "transactions.jsonl", cluster.env
        with ProcessPoolExecutor(AT_ONCE, mp_context=get_context("spawn")) as pool:
            making = [
                pool.submit(
                    write_state, number, accounts // PARTITIONS, payments, env, cluster.store / f"legs-{number}"
                )
                for number in range(PARTITIONS)
            ]
            states = [each.result() for each in making]
        print(f"{time.monotonic() - begun:5.0f} s  the states are made", file=sys.stderr, flush=True)
        found = measured(cluster)
    total = {name: sum(each[name] for each in states) for name in states[0]}
    return total | found | {
        "events_per_account": round(total["events"] / total["accounts"], 1), "partitions": PARTITIONS,
        "met": found["restore_seconds"] < FLOOR_SECONDS, "machine": machine(),
        "seconds": round(time.monotonic() - begun),
    }  # fmt: skip


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.stream.restore", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--accounts", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="folder in which the simulated bank stays")
    parser.add_argument("--out", type=Path, default=Path("restore.json"))
    given = parser.parse_args()
    end_in_order_on_sigterm()
    with tempfile.TemporaryDirectory(prefix="aml-restore-") as folder:
        made = bank(PLAN, given.keep or Path(folder))
        found = restore(given.accounts, made, Path(folder))
    given.out.write_text(json.dumps(found, indent=2) + "\n")
    gib = 2**30
    print(
        f"{found['accounts']:,} accounts, {found['events_per_account']} events each, {found['bytes'] / gib:.2f} GiB: "
        f"restored in {found['restore_seconds']} s (floor < {FLOOR_SECONDS:g} s),\nready "
        f"{found['start_to_ready_seconds']} s after the start of the process, {found['rss_bytes'] / gib:.2f} GiB of "
        f"memory. All figures in {given.out}"
    )  # fmt: skip


if __name__ == "__main__":
    main()
