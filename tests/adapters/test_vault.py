"""The vault: cut anywhere, torn anywhere, reopened: what was committed is there, once."""

from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.adapters.background import BackgroundWriter
from monitor.adapters.block_log import BlockLog, DamagedError
from monitor.adapters.position_texts import PositionTexts
from monitor.adapters.vault import PlainVault, Texts
from monitor.domain.identifiers import IdentifierKind
from monitor.intake.identifiers import IdentifierTable
from monitor.intake.records import TextColumns

records = st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9), max_size=40)
cuts = st.lists(st.integers(0, 40), max_size=5)


def pieces(values: list[str | None], cuts: list[int]) -> list[tuple[int, int]]:
    edges = sorted({0, len(values), *(cut for cut in cuts if cut < len(values))})
    return [(first, stop) for first, stop in pairwise(edges) if stop > first]


def put(vault: PlainVault, values: list[str | None], first: int, stop: int) -> None:
    """Records with ``None`` stand for refused ones."""
    kept = [position for position in range(first, stop) if values[position] is not None]
    ids = pa.array([values[position] for position in kept], pa.string())
    names = pa.array([f"name {position}" if position % 2 else None for position in kept], pa.string())
    addresses = pa.array([f"road {position}" if position % 7 == 3 else None for position in kept], pa.string())
    none = pa.array([None] * len(kept), pa.string())
    texts = TextColumns(ids, names, none, names, none, addresses, none, addresses)
    vault.append_texts(np.array(kept, np.int64), texts, stop=stop)
    vault.append_raw(first, stop, repr(values[first:stop]).encode())


def expected_texts(values: list[str | None], position: int) -> Texts | None:
    name = f"name {position}" if position % 2 else None
    road = f"road {position}" if position % 7 == 3 else None
    return None if values[position] is None else Texts(name, None, name, None, road, None, road)


def check(vault: PlainVault, values: list[str | None]) -> None:
    for position, value in enumerate(values):
        assert vault.transaction_id(position) == value
        assert vault.texts(position) == expected_texts(values, position)
        chunk = vault.raw(position)
        assert chunk is not None
        assert eval(chunk.data)[position - chunk.first] == value
    assert vault.transaction_id(len(values)) is None
    assert vault.texts(len(values)) is None


@given(records, cuts)
@settings(print_blob=True, deadline=None, max_examples=40)
def test_texts_do_not_depend_on_the_cut_and_survive_a_restart(values: list[str | None], cuts: list[int]) -> None:
    with TemporaryDirectory() as folder:
        vault = PlainVault(Path(folder))
        for first, stop in pieces(values, cuts):
            put(vault, values, first, stop)
        check(vault, values)
        vault.commit()
        vault.close()
        check(PlainVault(Path(folder)), values)


@given(records.filter(len), cuts, st.integers(0, 40), st.integers(0, 400), st.integers(0, 3))
@settings(print_blob=True, deadline=None, max_examples=60)
def test_a_torn_tail_is_forgotten_and_what_was_committed_stays(
    values: list[str | None], cuts: list[int], committed: int, torn_bytes: int, torn_file: int
) -> None:
    committed = min(committed, len(values))
    with TemporaryDirectory() as name:
        folder = Path(name)
        vault = PlainVault(folder)
        edges = pieces(values, [*cuts, committed])
        for first, stop in edges:
            if first == committed:
                vault.commit()
                sizes = {path: path.stat().st_size for path in folder.iterdir()}
            put(vault, values, first, stop)
        vault.commit()
        if committed == len(values):
            sizes = {path: path.stat().st_size for path in folder.iterdir()}
        vault.close()
        path = sorted(folder.glob("t*"))[torn_file % len(list(folder.glob("t*")))]
        # The kill: some bytes behind the committed ones never reached the file.
        with path.open("r+b") as file:
            file.truncate(max(sizes[path], path.stat().st_size - torn_bytes))
        vault = PlainVault(folder)
        vault.truncate_to(committed, 0)
        check_up_to = committed
        for position in range(check_up_to):
            assert vault.transaction_id(position) == values[position]
            assert vault.texts(position) == expected_texts(values, position)
        for first, stop in edges:
            if first >= committed:
                put(vault, values, first, stop)
        check(vault, values)


def test_a_cut_within_a_block_keeps_what_is_in_front(tmp_path: Path) -> None:
    values: list[str | None] = [f"T{number}" for number in range(10)]
    vault = PlainVault(tmp_path)
    put(vault, values, 0, 10)
    vault.commit()
    vault.truncate_to(4, 0)
    assert [vault.transaction_id(position) for position in range(6)] == ["T0", "T1", "T2", "T3", None, None]
    assert vault.texts(3) == expected_texts(values, 3)
    assert vault.texts(5) is None
    put(vault, values, 4, 10)
    check(vault, values)


def test_less_than_was_committed_is_an_error_that_names_the_numbers(tmp_path: Path) -> None:
    vault = PlainVault(tmp_path)
    put(vault, ["T0"], 0, 1)
    with pytest.raises(DamagedError, match="holds 1 records and 0 identifiers, but 2 and 0 were committed"):
        vault.truncate_to(2, 0)


def test_a_changed_byte_within_a_block_is_noticed_when_it_is_read(tmp_path: Path) -> None:
    log = BlockLog(tmp_path / "x.blocks")
    log.append(0, 1, b"first block")
    log.append(1, 2, b"second block")
    log.close()
    body = bytearray((tmp_path / "x.blocks").read_bytes())
    body[body.index(b"first")] ^= 1
    (tmp_path / "x.blocks").write_bytes(body)
    log = BlockLog(tmp_path / "x.blocks")
    assert log.read(log.blocks[1]) == b"second block"
    with pytest.raises(DamagedError, match="positions 0 to 1 is damaged"):
        log.read(log.blocks[0])


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12), unique=True), cuts)
@settings(print_blob=True, deadline=None, max_examples=40)
def test_identifiers_come_back_in_the_order_of_their_codes(texts: list[str], cuts: list[int]) -> None:
    with TemporaryDirectory() as folder:
        vault, table = PlainVault(Path(folder)), IdentifierTable(b"k" * 32)
        for first, stop in pieces(list(texts), cuts):
            table.encode(IdentifierKind.ACCOUNT, texts[first:stop])
            vault.append_identifiers(*table.export(vault.identifier_count))
        assert vault.identifier_count == len(texts)
        keep = len(texts) // 2
        vault.truncate_to(0, keep)
        restored = IdentifierTable(b"k" * 32)
        restored.append(*PlainVault(Path(folder)).identifiers())
        assert [restored.text(code) for code in range(len(restored))] == texts[:keep]
        restored.encode(IdentifierKind.ACCOUNT, texts[keep:])
        vault.append_identifiers(*restored.export(vault.identifier_count))
        assert len(vault.identifiers()[0]) == len(texts)


def test_an_error_of_the_writer_surfaces_at_the_commit_and_stops_later_work() -> None:
    writer, done = BackgroundWriter(), list[int]()

    def fail() -> None:
        raise OSError("disk full")

    writer.hand_over(fail)
    writer._queue.join()
    with pytest.raises(OSError, match="disk full"):
        writer.hand_over(lambda: done.append(1))
    with pytest.raises(OSError, match="disk full"):
        writer.drain()
    assert done == []


def test_transaction_ids_survive_a_half_written_tail(tmp_path: Path) -> None:
    ids = PositionTexts(tmp_path / "ids")
    ids.append(np.array([0, 1, 3]), pa.array(["A", "BB", "CCC"]), stop=5)
    ids.close()
    with (tmp_path / "ids.bytes").open("r+b") as file:
        file.truncate(4)
    ids = PositionTexts(tmp_path / "ids")
    assert [ids.get(position) for position in range(5)] == ["A", "BB", None, None, None]
    assert len(ids) == 3


def test_a_last_block_whose_bytes_never_reached_the_disk_is_cut_off(tmp_path: Path) -> None:
    log = BlockLog(tmp_path / "x.blocks")
    log.append(0, 1, b"first block")
    log.append(1, 2, b"second block")
    log.close()
    body = (tmp_path / "x.blocks").read_bytes()
    (tmp_path / "x.blocks").write_bytes(body[:-6] + bytes(6))
    log = BlockLog(tmp_path / "x.blocks")
    assert (log.stop, log.read(log.blocks[0])) == (1, b"first block")
    assert (tmp_path / "x.blocks").stat().st_size < len(body) - len(b"second block")
