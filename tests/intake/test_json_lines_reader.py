"""The reader hands on whole lines, each once, wherever it starts and however the bytes arrive."""

import gzip
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.domain.refusal import Reason
from monitor.intake.identifiers import IdentifierTable
from monitor.intake.lines import SourceDamaged, read_lines
from monitor.intake.records import RecordChunk, SourcePosition
from tests.intake.json_records import KEY, decoder, plain

BEGIN = SourcePosition(3, 0)
prints_seeds = settings(print_blob=True, deadline=None)


def chunks_of(path: Path | str, chunk_bytes: int = 1 << 20, start: SourcePosition = BEGIN) -> list[RecordChunk]:
    return list(read_lines(path, start=start, chunk_bytes=chunk_bytes))


def text_of(chunks: list[RecordChunk]) -> bytes:
    return b"".join(chunk.lines or b"" for chunk in chunks)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lines")


@given(st.text("ab\n", max_size=80).map(str.encode), st.integers(1, 30), st.booleans())
@prints_seeds
def test_every_line_comes_once_and_every_chunk_is_a_place_to_go_on(
    folder: Path, text: bytes, chunk_bytes: int, is_gzip: bool
) -> None:
    path = folder / "in"
    path.write_bytes(gzip.compress(text[:9]) + gzip.compress(text[9:]) if is_gzip else text)
    chunks = chunks_of(path, chunk_bytes)
    assert text_of(chunks) == text
    assert all((chunk.lines or b"").endswith(b"\n") for chunk in chunks[:-1])
    assert [chunk.start for chunk in chunks] == [BEGIN, *(chunk.after for chunk in chunks)][: len(chunks)]
    for number, chunk in enumerate(chunks):
        assert chunk.first_record == text.count(b"\n", 0, chunk.start.offset) + 1
        again = chunks_of(path, 7, chunk.after)
        assert text_of(again) == text_of(chunks[number + 1 :])
        assert [found.first_record for found in again[:1]] == [c.first_record for c in chunks[number + 1 :][:1]]


def test_a_byte_order_mark_is_no_part_of_the_first_record(folder: Path) -> None:
    path = folder / "bom"
    path.write_bytes(b"\xef\xbb\xbfone\n\xef\xbb\xbftwo\n")
    chunks = chunks_of(path, 5)
    assert text_of(chunks) == b"one\n\xef\xbb\xbftwo\n"
    assert [chunk.after.offset for chunk in chunks][-1] == 14
    assert text_of(chunks_of(path, 5, SourcePosition(3, 7))) == b"\xef\xbb\xbftwo\n"


@pytest.mark.parametrize("chunk_bytes", [1000, 65_536, 65_537, 100_000, 1 << 20])
@pytest.mark.parametrize("size", [65_536, 65_537, 65_538, 300_000])
@pytest.mark.parametrize("filling", [b"x", b" "])
def test_a_record_too_long_is_refused_alike_in_chunks_of_any_size(
    folder: Path, chunk_bytes: int, size: int, filling: bytes
) -> None:
    path = folder / "long"
    path.write_bytes(plain() + filling * size + b"\n" + plain())
    reader, position, refusals = decoder(IdentifierTable(KEY)), 0, []
    for chunk in chunks_of(path, chunk_bytes):
        assert len(chunk.lines or b"") <= max(65_538, chunk_bytes) + chunk_bytes
        decoded = reader.decode(chunk, first_position=position)
        position += decoded.records
        refusals += decoded.refusals
    if size == 65_536:
        assert [refusal.reason for refusal in refusals] == ([Reason.NOT_JSON] if filling == b"x" else [])
    else:
        refusal = refusals[0]
        assert (refusal.reason, refusal.place, refusal.position) == (Reason.TOO_LONG, f"{path}:2", 1)
        assert refusal.original == filling * 65_536
        assert position == 3


def test_standard_input_is_handed_on_as_it_comes() -> None:
    reading, writing = os.pipe()
    chunks = read_lines("-", start=BEGIN, standard_input=reading)
    os.write(writing, b"one\ntw")
    assert next(chunks).lines == b"one\n"
    os.write(writing, b"o\nthree\nfo")
    assert next(chunks).lines == b"two\nthree\n"
    os.write(writing, b"ur")
    os.close(writing)
    last = next(chunks)
    assert (last.lines, last.first_record, last.after) == (b"four", 4, SourcePosition(3, 18))
    assert list(chunks) == []
    os.close(reading)


def test_standard_input_given_again_goes_on_where_it_stopped() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"one\ntwo\n")
    os.close(writing)
    chunk = next(read_lines("-", start=SourcePosition(0, 4), standard_input=reading))
    assert (chunk.lines, chunk.first_record) == (b"two\n", 2)
    os.close(reading)


@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_damaged_gzip_hands_on_its_whole_lines_and_then_says_so(folder: Path, damage: str) -> None:
    path = folder / f"{damage}.gz"
    packed = bytearray(gzip.compress(b"".join(f"{n * 7919 % 10007}\n".encode() for n in range(20_000))))
    if damage == "cut":
        del packed[-100:]
    else:
        packed[-5] ^= 1
    path.write_bytes(packed)
    seen: list[RecordChunk] = []
    with pytest.raises(SourceDamaged, match=f"{damage}.gz: the gzip data"):
        seen.extend(read_lines(path, start=BEGIN, chunk_bytes=1000))
    assert len(seen) > 10
    assert all((chunk.lines or b"").endswith(b"\n") for chunk in seen)


def test_an_empty_file_has_no_chunks(folder: Path) -> None:
    path = folder / "empty"
    path.write_bytes(b"")
    assert chunks_of(path) == []
    path.write_bytes(b"\x1f")
    assert text_of(chunks_of(path)) == b"\x1f"
