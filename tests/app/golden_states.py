"""The golden states: what a small partition had saved, in each format of state that must be read, and how one is made.

    python -m tests.app.golden_states

makes that of the present format in ``golden_state/format-N``, next to those of former ones, which stay as they are. Its
payments, profiles and rules in ``golden_state/{bank,rules}`` never change: the states of former formats are of them.
"""

import gzip
import random
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from monitor.adapters.packed_arrays import Arrays
from monitor.adapters.snapshot_objects import FolderObjects
from monitor.adapters.snapshots import SnapshotStore
from monitor.app.inputs import GivenInputs, LoadedInputs, load_inputs
from monitor.app.streaming.partition import LogRecord, Partition
from monitor.domain.alert import Alert
from monitor.engine import state
from tests.streaming.late_versions import LateBank, judged, late_bank
from tests.streaming.legs_stream import LegsStream

FOLDER = Path(__file__).with_name("golden_state")
ROWS, AT_ONCE = 40, 3


def folder_of(of_format: int) -> Path:
    """Where the golden state of a format lies."""
    return FOLDER / f"format-{of_format}"


def inputs(*, models: str = "off") -> LoadedInputs:
    """The rules and tables of the golden partition."""
    bank = FOLDER / "bank"
    return load_inputs(
        GivenInputs(
            rules=(FOLDER / "rules",), rates=bank / "rates.csv", entities=bank / "entities.yaml",
            approve_examples=True, models=models,
        )
    )  # fmt: skip


@cache
def golden_bank() -> LateBank:
    """The log of the golden partition; a third of the profile versions is missing for a while."""
    loaded = inputs()
    with tempfile.TemporaryDirectory() as folder:
        payments = Path(folder, "transactions.jsonl")
        payments.write_bytes(gzip.decompress((FOLDER / "bank" / "transactions.jsonl.gz").read_bytes()))
        stream = LegsStream.of(payments, loaded)
    lines = gzip.decompress((FOLDER / "bank" / "profiles.jsonl.gz").read_bytes()).splitlines()
    return late_bank(loaded, stream, lines, random.Random(7), share=0.3, rows=ROWS)


def until() -> int:
    """The offset up to which the golden states have judged."""
    return 2 * len(golden_bank().records) // 3


def undisturbed(stop: int | None = None) -> tuple[Partition, list[Alert]]:
    """A partition that judged the log itself, up to an offset, and its alerts."""
    part = golden_bank().partition(is_whole=False)
    return part, going_on(part, golden_bank().records[:stop])


def going_on(part: Partition, records: Sequence[LogRecord]) -> list[Alert]:
    """The alerts of a partition over records that follow."""
    alerts, _ = judged(part, records, AT_ONCE)
    return alerts


def saved(part: Partition) -> Arrays:
    """The state of a partition, which stays as it is."""
    return {name: values.copy() for name, values in part.save().items()}


def make(folder: Path) -> None:
    """Save the state of the present format into a folder, packed."""
    part, alerts = undisturbed(until())
    assert alerts, "the golden state has raised nothing"
    store = SnapshotStore(FolderObjects(folder), is_small=True)
    store.write(
        saved(part), position=part.offset, clock_us=part.clock_us, layout=part.layout, format_version=state.FORMAT
    )


def is_equal(one: Arrays, other: Arrays) -> bool:
    """Whether two states hold the same."""
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


if __name__ == "__main__":
    target = folder_of(state.FORMAT)
    make(target)
    print(f"{target}: {sum(path.stat().st_size for path in target.iterdir()):,} bytes")
