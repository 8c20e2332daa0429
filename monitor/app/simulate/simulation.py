"""One simulation from parameters to files."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path

from monitor.app.simulate import surroundings
from monitor.app.simulate.cases import plan_cases
from monitor.app.simulate.cast import Case
from monitor.app.simulate.labels import write_cases, write_labels
from monitor.app.simulate.names import names_of
from monitor.app.simulate.population import populate
from monitor.app.simulate.profiles import write_profiles
from monitor.app.simulate.rhythm import day
from monitor.app.simulate.rows import NOBODY, Rows, joined_rows
from monitor.app.simulate.stream import in_blocks, in_order_of_arrival
from monitor.app.simulate.world import GENERATOR_VERSION
from monitor.app.simulate.writers import BLOCK_ROWS, JsonLinesWriter, ParquetWriter, RowWriter

DEFAULT_START = date(2026, 1, 5)
CUSTOMERS_MIN, CUSTOMERS_MAX = 100, 20_000_000
DAYS_MAX = 3_660
FORMATS = ("both", "json", "parquet")
WRITTEN = ("transactions.jsonl", "transactions.parquet", "profiles.jsonl", "labels.csv", "cases.csv", "rates.csv",
           "entities.yaml", "lists/high_risk_countries.yaml")  # fmt: skip
"""What a simulation leaves in its folder, with ``manifest.json``."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What was written."""

    transactions: int
    labelled: int
    profiles: int
    cases: dict[str, int]
    rows_by_typology: dict[str, int]


class ParameterError(ValueError):
    """The caller asked for a simulation that cannot be made."""


def simulate(
    *, customers: int, days: int, seed: int, out: Path, start: date = DEFAULT_START, file_format: str = "both",
    days_per_chunk: int = 1, progress: Callable[[int, int], None] | None = None,
) -> Summary:  # fmt: skip
    """Write a simulated bank into the folder ``out``.

    Args:
        customers: From 100 to 20 million.
        days: Length of the stream in days, from 14.
        seed: The same seed gives the same bytes.
        out: A folder; it is made if missing, the files of an earlier simulation are removed.
        start: First day of the stream, from 2000.
        file_format: ``json``, ``parquet`` or ``both``.
        days_per_chunk: Days ordered together; changes memory and speed, never the bytes.
        progress: Called with (rows written, days begun).

    Raises:
        ParameterError: A parameter is outside its range.
    """
    _check(customers, days, seed, start, file_format)
    out.mkdir(parents=True, exist_ok=True)
    for name in (*WRITTEN, "manifest.json"):
        (out / name).unlink(missing_ok=True)
    population = populate(customers, days, seed)
    names = names_of(population)
    calendar = [day(start, number) for number in range(days)]
    cases = plan_cases(population, calendar)
    writers: list[RowWriter] = []
    if file_format != "parquet":
        writers.append(JsonLinesWriter(out / "transactions.jsonl", population, names))
    if file_format != "json":
        writers.append(ParquetWriter(out / "transactions.parquet", population, names))
    labelled: list[Rows] = []
    count = 0
    chunks = in_order_of_arrival(population, calendar, cases, days_per_chunk=days_per_chunk)
    for block in in_blocks(chunks, BLOCK_ROWS):
        for writer in writers:
            writer.write(block)
        is_case = block.case != NOBODY
        labelled.append(block.map(lambda column, chosen=is_case: column[chosen]))  # type: ignore[misc]
        count += len(block)
        if progress is not None:
            progress(count, int(block.number[-1] // 10**9) + 1)
    for writer in writers:
        writer.close()
    truth = joined_rows(labelled)
    rates = surroundings.daily_rates(seed, start, days)
    write_labels(out / "labels.csv", truth, cases)
    midnight = int(datetime(start.year, start.month, start.day, tzinfo=UTC).timestamp()) * 1_000_000
    write_cases(out / "cases.csv", truth, cases, names, rates, midnight)
    surroundings.write_rates(out / "rates.csv", rates)
    surroundings.write_entities(out / "entities.yaml", range(start.year, calendar[-1].on.year + 1))
    surroundings.write_lists(out / "lists", start)
    profiles = write_profiles(out / "profiles.jsonl", population, names, start)
    summary = _summary(count, truth, profiles, cases)
    _write_manifest(out, summary, {"customers": customers, "days": days, "seed": seed, "start": str(start),
                                   "format": file_format})  # fmt: skip
    return summary


def _check(customers: int, days: int, seed: int, start: date, file_format: str) -> None:
    if not CUSTOMERS_MIN <= customers <= CUSTOMERS_MAX:
        raise ParameterError(f"--customers {customers}: give a number from {CUSTOMERS_MIN} to {CUSTOMERS_MAX}")
    if not 14 <= days <= DAYS_MAX:
        raise ParameterError(f"--days {days}: give a number from 14 to {DAYS_MAX}, because a case can take two weeks")
    if seed < 0:
        raise ParameterError(f"--seed {seed}: give a number from 0")
    if not 2000 <= start.year <= 2080:
        raise ParameterError(f"--start {start}: give a day from 2000 to 2080")
    if file_format not in FORMATS:
        raise ParameterError(f"--format {file_format}: give one of {', '.join(FORMATS)}")


def _summary(count: int, truth: Rows, profiles: int, cases: list[Case]) -> Summary:
    by_typology: dict[str, int] = {}
    rows: dict[str, int] = {}
    for case in cases:
        by_typology[case.typology] = by_typology.get(case.typology, 0) + 1
        rows[case.typology] = rows.get(case.typology, 0) + len(case.steps)
    return Summary(count, len(set(truth.number.tolist())), profiles, by_typology, rows)


def _write_manifest(out: Path, summary: Summary, parameters: dict[str, object]) -> None:
    """Parameters, version, counts and the SHA-256 of every file."""
    files = sorted(path for name in WRITTEN for path in out.glob(name))
    digests = {}
    for path in files:
        digest = sha256()
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
        digests[path.relative_to(out).as_posix()] = digest.hexdigest()
    manifest = {"generator": GENERATOR_VERSION, "parameters": parameters, "transactions": summary.transactions,
                "labelled": summary.labelled, "profiles": summary.profiles, "cases": summary.cases,
                "sha256": digests}  # fmt: skip
    (out / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
