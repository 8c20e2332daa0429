"""Snapshots in a folder and in a bucket: whole or absent, the newest that is whole, two kept."""

from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest

from monitor.adapters.packed_arrays import Arrays
from monitor.adapters.s3_objects import PART_BYTES
from monitor.adapters.snapshots import KEPT, Snapshot, SnapshotStore
from tests.adapters.snapshot_places import Place, bucket_place, folder_place

LAYOUT, OTHER = "a" * 64, "b" * 64


@pytest.fixture(params=["folder", pytest.param("bucket", marks=pytest.mark.s3)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "folder":
        yield folder_place(tmp_path)
    else:
        yield bucket_place(request.getfixturevalue("s3_endpoint"))


def arrays(number: int, *, size: int = 1_000) -> Arrays:
    """Arrays of several kinds, other ones for each number."""
    return {
        "space0.clock_us": np.arange(number, number + size, dtype=np.int64),
        "pairs": np.full((3, 2), number, np.int32),
        "kept": np.zeros(0, np.int8),
        "codes": np.array([number], np.int64),
    }


def write(store: SnapshotStore, position: int, *, layout: str = LAYOUT, size: int = 1_000) -> None:
    store.write(arrays(position, size=size), position=position, clock_us=position * 7, layout=layout, format_version=11)


def newest(store: SnapshotStore, *, layout: str = LAYOUT, at_most: int = 1 << 40, at_least: int = 0) -> Snapshot | None:
    return store.newest(layouts=[layout], at_most=at_most, at_least=at_least)


def is_that_of(found: Snapshot | None, position: int, *, size: int = 1_000) -> bool:
    if found is None or (found.position, found.clock_us, found.format) != (position, position * 7, 11):
        return False
    wanted = arrays(position, size=size)
    return found.arrays.keys() == wanted.keys() and all(
        values.dtype == wanted[name].dtype and np.array_equal(values, wanted[name])
        for name, values in found.arrays.items()
    )


def test_what_was_written_comes_back_to_whoever_opens_the_place(place: Place):
    write(SnapshotStore(place.open()), 5)
    assert is_that_of(newest(SnapshotStore(place.open())), 5)
    assert place.open().names() == ["engine-0000000000000005.arrow", "engine-0000000000000005.json"]


def test_a_place_where_nothing_was_written_has_no_snapshot(place: Place):
    assert newest(SnapshotStore(place.open())) is None
    assert place.open().read("engine-0000000000000005.arrow") is None
    place.open().remove("engine-0000000000000005.arrow")


def test_the_newest_two_are_kept_and_the_newest_is_taken(place: Place):
    store = SnapshotStore(place.open())
    for position in (1, 20, 3, 100):
        write(store, position)
    assert [each.position for each in store.manifests()] == [20, 100]
    assert len(place.open().names()) == 2 * KEPT
    assert is_that_of(newest(store), 100)
    assert is_that_of(newest(store, at_most=99), 20)
    assert newest(store, at_most=99, at_least=21) is None


def test_a_snapshot_of_another_layout_is_passed_over(place: Place):
    store = SnapshotStore(place.open())
    write(store, 1)
    write(store, 2, layout=OTHER)
    assert is_that_of(newest(store), 1)
    assert is_that_of(store.newest(layouts=[LAYOUT, OTHER], at_most=9), 2)


@pytest.mark.parametrize("ending", [".arrow", ".json"])
def test_of_a_damaged_snapshot_the_one_before_is_taken(place: Place, ending: str):
    store = SnapshotStore(place.open())
    write(store, 1)
    write(store, 2)
    place.damage(f"engine-{2:016d}{ending}")
    assert is_that_of(newest(store), 1)
    place.damage(f"engine-{2:016d}{ending}")
    assert is_that_of(newest(store), 2)


@pytest.mark.parametrize("content", [b"", b"{", b'{"position": "two"}', b'{"layout": "\xff\xfe"}'])
def test_a_manifest_that_cannot_be_read_is_none(place: Place, content: bytes):
    store = SnapshotStore(place.open())
    write(store, 1)
    write(store, 2)
    place.open().put(f"engine-{2:016d}.json", lambda target: target.write(content))
    assert is_that_of(newest(store), 1)


@pytest.mark.parametrize("ending", [".arrow", ".json"])
def test_a_snapshot_of_which_one_object_is_missing_does_not_exist(place: Place, ending: str):
    store = SnapshotStore(place.open())
    write(store, 1)
    write(store, 2)
    place.open().remove(f"engine-{2:016d}{ending}")
    assert is_that_of(newest(store), 1)


def test_an_object_that_fails_while_it_is_written_is_not_there_and_the_former_one_is_as_it_was(place: Place):
    objects = place.open()
    objects.put("engine", lambda target: target.write(b"former"))
    before = objects.names()

    def fails(target: object) -> None:
        target.write(b"x" * (PART_BYTES + 1))  # type: ignore[attr-defined]
        raise OSError(28, "No space left on device")

    for name in ("engine", "another"):
        with pytest.raises(OSError, match="No space left"):
            objects.put(name, fails)
    assert place.open().names() == before
    stream = objects.read("engine")
    assert stream is not None
    assert stream.read() == b"former"


def test_a_state_of_several_parts_comes_back_whole(place: Place):
    size = (2 * PART_BYTES + 12_345) // 8
    write(SnapshotStore(place.open()), 1, size=size)
    assert is_that_of(newest(SnapshotStore(place.open())), 1, size=size)


def test_a_position_that_is_written_again_is_the_later_one(place: Place):
    store = SnapshotStore(place.open())
    write(store, 1)
    write(store, 1, layout=OTHER, size=10)
    assert newest(store) is None
    assert is_that_of(newest(store, layout=OTHER), 1, size=10)


def test_arrays_whose_manifest_was_never_written_are_removed_with_those_that_are_too_old(place: Place):
    store = SnapshotStore(place.open())
    write(store, 1)
    place.open().remove("engine-0000000000000001.json")
    place.open().put("engine-0000000000000002.arrow", lambda target: target.write(b"half of it"))
    for position in (3, 4, 5):
        write(store, position)
    assert {name.partition(".")[0] for name in place.open().names()} == {
        "engine-0000000000000004", "engine-0000000000000005"
    }  # fmt: skip


def test_who_opens_a_place_while_the_worker_before_still_writes_there_breaks_nothing(place: Place):
    before = place.open()
    write(SnapshotStore(before), 1)

    def slowly(target: BinaryIO) -> None:
        target.write(b"x" * (PART_BYTES + 1))
        next_one = place.open()
        assert is_that_of(newest(SnapshotStore(next_one)), 1)
        next_one.put("engine", lambda other: other.write(b"of the next one"))
        stream = next_one.read("engine")
        assert stream is not None
        with stream:
            assert stream.read() == b"of the next one"
        target.write(b"y")

    before.put("engine", slowly)
    stream = place.open().read("engine")
    assert stream is not None
    with stream:
        assert stream.read() == b"x" * (PART_BYTES + 1) + b"y"


def test_snapshots_that_are_replaced_between_two_reads_are_looked_for_again(place: Place):
    write(SnapshotStore(place.open()), 1)
    objects, reads = place.open(), []
    read = objects.read

    def overtaken(name: str) -> BufferedIOBase | None:
        reads.append(name)
        if len(reads) == 2:  # The manifest is read, and the arrays are not.
            for position in (2, 3):
                write(SnapshotStore(place.open()), position)
        return read(name)

    objects.read = overtaken  # type: ignore[method-assign]
    assert is_that_of(newest(SnapshotStore(objects)), 3)


def test_two_workers_that_write_in_turns_leave_whole_snapshots(place: Place):
    before, next_one = SnapshotStore(place.open()), SnapshotStore(place.open())
    for position in (1, 2, 3):
        write(before, position)
        write(next_one, position + 1)
        assert is_that_of(newest(SnapshotStore(place.open())), position + 1)
    write(before, 2)  # It is late: what the next one wrote stays.
    assert is_that_of(newest(SnapshotStore(place.open())), 4)
    assert [each for each in place.open().names() if each.endswith(".json")] == [
        "engine-0000000000000003.json", "engine-0000000000000004.json",
    ]  # fmt: skip
