"""State of the release before is read: a golden one goes on as a partition that judged everything itself."""

import re
from collections.abc import Collection
from pathlib import Path

import pytest

from monitor.adapters.packed_arrays import Arrays
from monitor.adapters.snapshot_objects import FolderObjects
from monitor.adapters.snapshots import SnapshotStore
from monitor.app import state_formats
from monitor.app.state_formats import UPGRADES, newest, readable
from monitor.app.streaming.partition import Partition
from monitor.engine import state
from tests.app.golden_states import (
    FOLDER,
    folder_of,
    going_on,
    golden_bank,
    inputs,
    is_equal,
    make,
    saved,
    undisturbed,
    until,
)
from tests.streaming.legs_stream import KEY
from tests.streaming.no_profiles import NoProfiles

FIRST_KEPT = 11
"""The format from which on the one before is read."""
MADE = sorted(int(path.name.removeprefix("format-")) for path in FOLDER.glob("format-*"))
OLDER = state.FORMAT - 1


def complaints(present: int, upgrades: Collection[int], made: Collection[int]) -> list[str]:
    """What is missing for the promise that the present release reads the state of the one before."""
    found = []
    before = present - 1
    if present not in made:
        found.append(
            f"The format of state is {present} (monitor/engine/state.py), and there is no golden state of it. Make it "
            f"with  python -m tests.app.golden_states  and commit it; keep that of {before}."
        )
    if before >= FIRST_KEPT and before not in upgrades:
        found.append(
            f"State of format {before} is not read. Write the function that makes format {present} of its arrays into "
            f"monitor/app/state_formats.py, and enter it in UPGRADES under {before}."
        )
    if before >= FIRST_KEPT and before not in made:
        found.append(f"The golden state of format {before} is gone, which shows that it is read. Bring it back.")
    return found


def taken_over(folder: Path) -> Partition | None:
    """A partition that begins with the newest state in a folder; None where none fits."""
    part = golden_bank().partition(is_whole=False)
    found = newest(SnapshotStore(FolderObjects(folder)), part.engine)
    if found is None:
        return None
    part.load(found.arrays, offset=found.position, clock_us=found.clock_us)
    return part


def test_the_format_of_the_release_before_can_be_read_and_a_golden_state_shows_it():
    assert not complaints(state.FORMAT, UPGRADES, MADE)


def test_who_raises_the_format_is_told_what_to_do():
    assert complaints(11, (), (11,)) == []
    assert complaints(12, (11,), (11, 12)) == []
    first, second = complaints(12, (), (11,))
    assert "python -m tests.app.golden_states" in first
    assert re.search(r"makes format 12 of its arrays into monitor/app/state_formats.py.* UPGRADES under 11", second)
    assert complaints(13, (12,), (11, 13)) == [
        "The golden state of format 12 is gone, which shows that it is read. Bring it back."
    ]


@pytest.mark.parametrize("of_format", [each for each in MADE if each >= OLDER])
def test_a_golden_state_goes_on_exactly_as_a_partition_that_judged_everything_itself(of_format: int):
    part = taken_over(folder_of(of_format))
    assert part is not None, (
        f"The golden state of format {of_format} no longer fits the same rules: the layout has changed and the format "
        "has not, or has no upgrade. Raise FORMAT in monitor/engine/state.py and see monitor/app/state_formats.py."
    )
    first, before = undisturbed(until())
    assert part.offset == until()
    later = golden_bank().records[until() :]
    alerts = going_on(first, later)
    assert len({each.source.id for each in before}) == len({each.source.id for each in alerts}) == 4
    assert going_on(part, later) == alerts
    # Rings lie elsewhere in their pool after a load; the alerts show that they hold the same.
    one, other = ({n: a for n, a in saved(each).items() if not n.startswith("engine.table")} for each in (part, first))
    assert is_equal(one, other)


def test_the_golden_state_of_the_present_format_is_what_is_saved_today(tmp_path: Path):
    make(tmp_path)
    again, kept = (SnapshotStore(FolderObjects(each)) for each in (tmp_path, folder_of(state.FORMAT)))
    engine = golden_bank().partition(is_whole=False).engine
    one, other = newest(again, engine), newest(kept, engine)
    assert one is not None
    assert other is not None
    assert is_equal(one.arrays, other.arrays), (
        "A partition saves other arrays than before under the same format. Raise FORMAT in monitor/engine/state.py and "
        "see monitor/app/state_formats.py; where what it judges has changed, make the golden state anew."
    )


def renamed(arrays: Arrays, old: str, new: str) -> Arrays:
    return {new if name == old else name: values for name, values in arrays.items()}


def older_state(folder: Path, part: Partition, *, of_format: int) -> None:
    """Save a partition's state in a made-up older format, in which pairs have another name and count from one."""
    arrays = renamed(saved(part), "engine.pairs", "engine.couples")
    arrays["engine.day"] = arrays["engine.day"] + 1
    SnapshotStore(FolderObjects(folder)).write(
        arrays, position=part.offset, clock_us=part.clock_us, layout=state.layout_key(part.engine, of_format),
        format_version=of_format,
    )  # fmt: skip


def second_step(arrays: Arrays) -> Arrays:
    return renamed(arrays, "engine.couples", "engine.pairs")


def first_step(arrays: Arrays) -> Arrays:
    return arrays | {"engine.day": arrays["engine.day"] - 1}


def test_state_of_a_made_up_older_format_is_upgraded_step_by_step_and_goes_on(tmp_path: Path):
    first, _ = undisturbed(until())
    older_state(tmp_path, first, of_format=OLDER - 1)
    part = golden_bank().partition(is_whole=False)
    store = SnapshotStore(FolderObjects(tmp_path))
    assert newest(store, part.engine) is None
    assert newest(store, part.engine, upgrades={OLDER: second_step}) is None
    found = newest(store, part.engine, upgrades={OLDER - 1: first_step, OLDER: second_step})
    assert found is not None
    assert is_equal(found.arrays, saved(first))
    part.load(found.arrays, offset=found.position, clock_us=found.clock_us)
    later = golden_bank().records[until() :]
    alerts = going_on(first, later)
    assert alerts
    assert going_on(part, later) == alerts


def test_of_two_formats_the_newest_state_is_taken_and_that_of_other_rules_never(tmp_path: Path):
    first, _ = undisturbed(until())
    make(tmp_path)
    going_on(first, golden_bank().records[until() : until() + 5])
    older_state(tmp_path, first, of_format=OLDER)
    engine, upgrades = (
        golden_bank().partition(is_whole=False).engine,
        {OLDER: lambda arrays: first_step(second_step(arrays))},
    )
    store = SnapshotStore(FolderObjects(tmp_path))
    now, then = newest(store, engine, upgrades={}), newest(store, engine, upgrades=upgrades)
    assert now is not None
    assert then is not None
    assert (now.position, then.position) == (until(), until() + 5)
    other = Partition(3, 8, inputs(), KEY, NoProfiles).engine
    assert newest(store, other, upgrades=upgrades) is None


def test_an_embedded_state_is_upgraded_by_the_same_functions(tmp_path: Path):
    first, _ = undisturbed(until())
    own = {f"engine.{name}": values.copy() for name, values in state.save(first.engine).items()}
    arrays = {
        name.removeprefix("engine."): values for name, values in renamed(own, "engine.pairs", "engine.couples").items()
    }
    store = SnapshotStore(FolderObjects(tmp_path))
    store.write(arrays, position=1, clock_us=2, layout=state.layout_key(first.engine, OLDER), format_version=OLDER)
    found = newest(store, first.engine, prefix=state_formats.ENGINE, upgrades={OLDER: second_step})
    assert found is not None
    assert is_equal(found.arrays, state.save(first.engine))


def test_formats_are_read_as_far_back_as_upgrades_lead_without_a_gap():
    assert readable({}, 11) == [11]
    assert readable({9: dict, 10: dict, 7: dict}, 11) == [11, 10, 9]
