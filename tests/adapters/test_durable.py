"""Files that are replaced are whole or absent, and what could not be written takes no room."""

from pathlib import Path

import pytest

from monitor.adapters.durable import remove_unfinished, replace_file


def test_what_cannot_be_written_leaves_what_was_there_and_nothing_else(tmp_path: Path):
    state = tmp_path / "state"
    replace_file(state, lambda target: target.write_bytes(b"whole"))

    def write(target: Path) -> None:
        target.write_bytes(b"a half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        replace_file(state, write)
    assert [path.name for path in tmp_path.iterdir()] == ["state"]
    assert state.read_bytes() == b"whole"


def test_what_a_killed_process_left_is_removed_at_any_depth(tmp_path: Path):
    deep = tmp_path / "one" / "two"
    deep.mkdir(parents=True)
    (deep / ".writing-state").write_bytes(b"a half")
    (deep / "state").write_bytes(b"whole")
    assert remove_unfinished(tmp_path) == 1
    assert [path.name for path in deep.iterdir()] == ["state"]


def test_what_another_process_is_writing_is_not_taken_for_a_leftover(tmp_path: Path):
    state = tmp_path / "state"

    def write(target: Path) -> None:
        target.write_bytes(b"whole")
        assert remove_unfinished(tmp_path) == 0

    replace_file(state, write, is_shared=True)
    assert state.read_bytes() == b"whole"
    assert remove_unfinished(tmp_path) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["state"]
