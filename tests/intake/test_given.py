"""Which texts say something: the kernel is the definition, and both are what the published page says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.domain.transaction import FILLERS, GIVEN
from monitor.intake.given import says_something, says_something_at
from monitor.intake.identifiers import IdentifierTable
from monitor.intake.schema import page
from tests.intake.json_records import KEY, decode, plain

SAYS_NOTHING = ["", " ", "\t\n \r", "X", "XXX", "xXx", ".", "-", "- - -", "é", "ééé", "é é", "李", "李李", "\U0001f600",
                "n/a", " N/A ", "Unknown", "none\n", "Not Applicable", "匿名", " 未提供\t", "0000"]  # fmt: skip
SAYS_SOMETHING = ["Ann", "Li", "李四", "éè", "ééa", "N/A Ltd", "NONES", "Unknown Road 5", "X Y", "未知数", "..-", "10",
                  "Not applicables", "Testa", "\u00a0\u00a0x", "Ω\u03a8", "x" * 30 + "y"]  # fmt: skip


def by_kernel(text: bytes, behind: bytes = b"N/A" * 22) -> bool:
    buffer = np.frombuffer(b"zz" + text + behind, np.uint8).copy()
    found = bool(says_something_at(buffer.ctypes.data + 2, len(text)))
    assert len(buffer)
    return found


@pytest.mark.parametrize("text", SAYS_NOTHING)
def test_a_filler_says_nothing(text: str) -> None:
    assert not says_something(text.encode())
    assert not by_kernel(text.encode())


@pytest.mark.parametrize("text", SAYS_SOMETHING)
def test_a_name_says_something(text: str) -> None:
    assert says_something(text.encode())
    assert by_kernel(text.encode())


def test_every_filler_says_nothing_in_either_case_and_stands_on_the_published_page() -> None:
    for filler in FILLERS:
        for text in (filler, filler.lower(), filler.title(), f"  {filler} "):
            assert not says_something(text.encode())
            assert not by_kernel(text.encode())
        assert f"`{filler}`" in page()


few = st.text(" \tXx-né李N/Ao\u00a0", max_size=6) | st.sampled_from(FILLERS).flatmap(
    lambda filler: st.sampled_from([filler, filler[:-1], filler + "S", filler.swapcase(), filler.replace(" ", "")])
)


@given(few | st.text(st.characters(exclude_categories=["Cs"]), max_size=40), st.binary(min_size=64, max_size=64))
@settings(print_blob=True, deadline=None, max_examples=500)
def test_the_kernel_says_what_the_definition_says(text: str, behind: bytes) -> None:
    assert by_kernel(text.encode(), behind) == says_something(text.encode())


@pytest.mark.parametrize("by_definition", [False, True])
@pytest.mark.parametrize("bit", range(len(GIVEN)))
def test_each_text_sets_its_own_bit(bit: int, by_definition: bool) -> None:
    name = GIVEN[bit]
    lines = plain(**{name: "Ann Lee"}) + plain(**{name: "n/a"}) + plain(**{name: None}) + plain()
    batch = decode(lines, IdentifierTable(KEY), by_definition=by_definition).batch
    assert batch.given.tolist() == [1 << bit, 0, 0, 0]
