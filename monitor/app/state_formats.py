"""Formats of saved state: that of the release before is read, by a function that makes the present one of it.

``monitor.engine.state.FORMAT`` numbers the form of the arrays, those of a partition around the engine's included. Who
raises it from N to N+1, in this order:

1. writes a function over arrays here and enters it in :data:`UPGRADES` under N; it is given the arrays of a state under
   the names that a partition saves them by (``engine.pairs``, ``tokens.kinds``, ``rows``) and returns those of N+1; of
   an embedded run only those of the engine are there;
2. makes a golden state of N+1 with ``python -m tests.app.golden_states`` and leaves that of N where it is.

``tests/app/test_state_formats.py`` fails until both are done.
"""

from collections.abc import Callable, Mapping

import numpy as np

from monitor.adapters.packed_arrays import Arrays
from monitor.adapters.snapshots import Snapshot, SnapshotStore
from monitor.engine import state
from monitor.engine.engine import Engine
from monitor.engine.hashing import EMPTY

Upgrade = Callable[[Arrays], Arrays]
_POSITION_OF_ID = 3


def _ids_in_dense_rows(arrays: Arrays) -> Arrays:
    """Format 13: ids of payments in dense rows, in the order of their log positions; format 12 kept a hash table."""
    table, spaces = arrays["engine.seen"], arrays["engine.spaces"]
    ids = table[table[:, 0] != EMPTY]
    ids = ids[np.argsort(ids[:, _POSITION_OF_ID], kind="stable")]
    marks = np.array([0, 0, 0, len(ids), 0], np.int64)
    others = {name: values for name, values in arrays.items() if name != "engine.seen"}
    return others | {"engine.ids": ids, "engine.ids.marks": marks, "engine.spaces": np.delete(spaces, -2)}


UPGRADES: dict[int, Upgrade] = {12: _ids_in_dense_rows}
"""By format, what makes the next one of its arrays."""
ENGINE = "engine."
NO_LIMIT = 1 << 62


def readable(upgrades: Mapping[int, Upgrade], present: int) -> list[int]:
    """The formats whose states can be read: the present one, and those from which upgrades lead to it.

    >>> readable({4: dict, 5: dict, 2: dict}, 6)
    [6, 5, 4]
    """
    found = [present]
    while found[-1] - 1 in upgrades:
        found.append(found[-1] - 1)
    return found


def upgraded(arrays: Arrays, of_format: int, *, upgrades: Mapping[int, Upgrade], present: int) -> Arrays:
    """The arrays of an older format in the present one."""
    for each in range(of_format, present):
        arrays = upgrades[each](arrays)
    return arrays


def newest(
    snapshots: SnapshotStore,
    engine: Engine,
    *,
    at_most: int = NO_LIMIT,
    at_least: int = 0,
    prefix: str = "",
    upgrades: Mapping[int, Upgrade] = UPGRADES,
    present: int = state.FORMAT,
) -> Snapshot | None:
    """The newest whole snapshot that fits an engine, its arrays in the present format.

    Args:
        snapshots: Where to look.
        engine: The engine, whose rules, models and partition must be those of the snapshot.
        at_most: The last log position it may be of.
        at_least: The first one.
        prefix: What the names of the engine's arrays lack there: ``engine.`` in the store of an embedded run.
        upgrades: Functions by the format they begin with.
        present: The format of the program.

    Raises:
        OSError: The snapshots cannot be read.
    """
    layouts = [state.layout_key(engine, each) for each in readable(upgrades, present)]
    found = snapshots.newest(layouts=layouts, at_most=at_most, at_least=at_least)
    if found is None or found.format == present:
        return found
    named = {prefix + name: values for name, values in found.arrays.items()}
    arrays = upgraded(named, found.format, upgrades=upgrades, present=present)
    own = {name.removeprefix(prefix): values for name, values in arrays.items() if name.startswith(prefix)}
    return Snapshot(found.position, found.clock_us, own, present)
