"""Simulated banks for the bench: made once a run, or kept in a folder between runs.

A bank is a folder as ``aml simulate`` leaves it. Its stream may stop early, after ``rows_max`` payments: a million
customers over the fourteen days that the simulator asks for would be 7 GB of JSON.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import file_digest, sha256
from pathlib import Path

from monitor.app.simulate import surroundings
from monitor.app.simulate.cases import plan_cases
from monitor.app.simulate.names import names_of
from monitor.app.simulate.population import populate
from monitor.app.simulate.profiles import write_profiles
from monitor.app.simulate.rhythm import day
from monitor.app.simulate.rows import Rows
from monitor.app.simulate.simulation import DEFAULT_START
from monitor.app.simulate.stream import in_blocks, in_order_of_arrival
from monitor.app.simulate.writers import BLOCK_ROWS, JsonLinesWriter
from monitor.intake.lines import CHUNK_BYTES, read_lines
from monitor.intake.records import RecordChunk, SourcePosition

_START = SourcePosition(0, 0)


@dataclass(frozen=True, slots=True)
class Plan:
    """Which bank. ``seed`` belongs to the bench alone: no rule or threshold was chosen by looking at it."""

    customers: int
    days: int
    seed: int
    rows_max: int | None = None


@dataclass(frozen=True, slots=True)
class Bank:
    """A bank on disk."""

    plan: Plan
    folder: Path

    def chunks(self, chunk_bytes: int = CHUNK_BYTES) -> Iterator[RecordChunk]:
        """The stream in chunks, as a run reads it."""
        yield from read_lines(self.folder / "transactions.jsonl", start=_START, chunk_bytes=chunk_bytes)

    def digest(self) -> str:
        """SHA-256 of the stream and the profiles."""
        parts = []
        for name in ("transactions.jsonl", "profiles.jsonl"):
            with (self.folder / name).open("rb") as file:
                parts.append(file_digest(file, "sha256").digest())
        return sha256(b"".join(parts)).hexdigest()


def bank(plan: Plan, root: Path) -> Bank:
    """The bank of a plan under ``root``; made if it is not there."""
    folder = root / f"{plan.customers}-{plan.days}-{plan.seed}-{plan.rows_max or 'all'}-{_simulator_digest()[:12]}"
    if not (folder / "whole").exists():
        folder.mkdir(parents=True, exist_ok=True)
        _write(plan, folder)
        (folder / "whole").touch()
    return Bank(plan, folder)


def _simulator_digest() -> str:
    """A kept bank is used again only by the simulator that made it."""
    files = sorted(Path(surroundings.__file__).parent.glob("*.py"))
    return sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def _write(plan: Plan, folder: Path) -> None:
    """What :func:`monitor.app.simulate.simulate` writes, without labels, and no more than ``rows_max`` payments."""
    population = populate(plan.customers, plan.days, plan.seed)
    names = names_of(population)
    calendar = [day(DEFAULT_START, number) for number in range(plan.days)]
    writer, left = JsonLinesWriter(folder / "transactions.jsonl", population, names), plan.rows_max
    for block in in_blocks(in_order_of_arrival(population, calendar, plan_cases(population, calendar)), BLOCK_ROWS):
        writer.write(block if left is None else _first(block, left))
        left = None if left is None else left - min(left, len(block))
        if left == 0:
            break
    writer.close()
    surroundings.write_rates(folder / "rates.csv", surroundings.daily_rates(plan.seed, DEFAULT_START, plan.days))
    surroundings.write_entities(folder / "entities.yaml", range(DEFAULT_START.year, calendar[-1].on.year + 1))
    write_profiles(folder / "profiles.jsonl", population, names, DEFAULT_START)


def _first(rows: Rows, count: int) -> Rows:
    return rows.map(lambda column: column[:count])


def first_day_us() -> int:
    """Midnight of the first day of every stream, UTC."""
    return int(datetime(DEFAULT_START.year, DEFAULT_START.month, DEFAULT_START.day, tzinfo=UTC).timestamp()) * 1_000_000
