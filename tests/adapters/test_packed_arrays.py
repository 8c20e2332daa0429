"""Arrays come back as they were written, whatever their types and shapes; what is not whole is said to be so."""

import io

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from monitor.adapters import packed_arrays
from monitor.adapters.packed_arrays import FAST, SMALL, read_arrays, write_arrays

TYPES = st.sampled_from([np.int64, np.int32, np.int16, np.int8, np.uint8, np.uint64, np.float64, np.float32, np.bool_])
ANY = TYPES.flatmap(lambda dtype: arrays_of.arrays(dtype, arrays_of.array_shapes(min_dims=0, min_side=0, max_side=40)))


def packed(arrays: dict[str, npt.NDArray[np.generic]], codec: str = FAST) -> bytes:
    target = io.BytesIO()
    write_arrays(target, arrays, codec=codec)
    return target.getvalue()


@given(st.dictionaries(st.text(max_size=8), ANY, max_size=5), st.sampled_from([FAST, SMALL]), st.integers(8, 200))
def test_arrays_come_back_bit_for_bit_and_may_be_changed(arrays, codec: str, piece: int):
    whole = packed_arrays.PIECE_BYTES
    packed_arrays.PIECE_BYTES = piece
    try:
        found = read_arrays(io.BytesIO(packed(arrays, codec)))
    finally:
        packed_arrays.PIECE_BYTES = whole
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()
        assert found[name].flags.writeable


def test_room_that_is_not_used_costs_next_to_nothing():
    state = np.zeros((200_000, 4), np.int64)
    state[:1_000] = np.random.default_rng(1).integers(0, 2**62, (1_000, 4))
    assert len(packed({"state": state})) < 0.02 * state.nbytes
    assert len(packed({"state": state}, SMALL)) <= len(packed({"state": state}))


@pytest.mark.parametrize("keep", [0, 7, 300, 0.5, 0.999])
def test_a_stream_that_ends_early_is_an_error(keep: float):
    body = packed({"state": np.random.default_rng(1).integers(0, 2**62, 10_000)})
    size = int(keep * len(body)) if isinstance(keep, float) else keep
    with pytest.raises((ValueError, OSError), match=r"no packed arrays|Expected"):
        read_arrays(io.BytesIO(body[: min(size, len(body) - 40)]))


def test_another_stream_of_arrow_is_said_to_be_no_arrays():
    with pytest.raises(ValueError, match="no packed arrays"):
        read_arrays(io.BytesIO(b"PK\x03\x04 as NumPy's own format begins" * 10))
