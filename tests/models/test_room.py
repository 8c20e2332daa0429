"""Room that is taken at once and takes memory as it is written to."""

import numpy as np
import pytest

from models.room import reserved, roomier


def resident_bytes() -> int:
    """How much memory this process takes."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096


@pytest.mark.parametrize("dtype", [np.int32, np.float64])
def test_room_is_zeros_that_begin_a_page(dtype: type) -> None:
    room = reserved((3, 5), dtype)
    assert room.shape == (3, 5)
    assert room.dtype == dtype
    assert not room.any()
    assert room.ctypes.data % 4096 == 0


def test_room_for_a_terabyte_takes_no_memory_until_it_is_written_to() -> None:
    before = resident_bytes()
    room = reserved((1 << 37,), np.int64)
    room[0] = room[-1] = 7
    assert int(room[0] + room[1] + room[-1]) == 14
    assert resident_bytes() - before < 64 << 20


def test_rows_are_moved_only_when_there_is_no_place_left() -> None:
    rows = np.arange(8).reshape(4, 2)
    assert roomier(rows, 3, 4) is rows
    more = roomier(rows, 3, 5)
    assert len(more) >= 80
    assert more[:3].tolist() == rows[:3].tolist()
    assert not more[3:].any()
