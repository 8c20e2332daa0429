"""What partitions tell of their customers comes out of its records as it went in; other bytes are refused."""

import zlib
from collections.abc import Callable
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.adapters.kafka import bank_records
from monitor.adapters.kafka.bank_records import BankRecord, BankRecordError
from monitor.adapters.kafka.record_size import RECORD_BYTES_MAX
from monitor.domain.bank_part import BUCKETS, WHOLE_BANK, BankPart


def record(buckets: dict[tuple[int, int, int], int], *, segments: int = 3, measures: int = 2) -> BankRecord:
    """A part with so many customers by segment, measure and bucket; the first segment is the whole bank."""
    at = sorted((((s * measures + m) * BUCKETS + b), count) for (s, m, b), count in buckets.items())
    places, counts = (np.array([each[n] for each in at], np.int64) for n in (0, 1))
    names = tuple(bytes([number % 256, number // 256] * 4) for number in range(measures))
    rows = np.array([WHOLE_BANK, *range(segments - 1)], np.int32)
    tokens = np.random.default_rng(1).integers(0, 256, (segments - 1, 16)).astype(np.uint8)
    words = tuple(f"segment {number}" for number in range(segments - 1))
    return BankRecord(3, 70, BankPart(2**39, names, rows, places, counts), tokens, words)


def is_equal(one: BankRecord, other: BankRecord) -> bool:
    return (
        (one.teller, one.began, one.words) == (other.teller, other.began, other.words)
        and np.array_equal(one.tokens, other.tokens)
        and is_equal_part(one.part, other.part)
    )


def is_equal_part(one: BankPart, other: BankPart) -> bool:
    pairs = [(getattr(one, name), getattr(other, name)) for name in ("segments", "places", "counts")]
    return (one.position, one.measures) == (other.position, other.measures) and all(
        np.array_equal(*pair) for pair in pairs
    )


BUCKETS_HELD = st.dictionaries(
    st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(0, BUCKETS - 1)), st.integers(1, 2**32 - 1), max_size=60
)


@given(BUCKETS_HELD)
@settings(deadline=None)
def test_a_record_comes_out_as_it_went_in(buckets: dict[tuple[int, int, int], int]) -> None:
    wanted = record(buckets)
    (value,) = bank_records.encode(wanted)
    assert is_equal(bank_records.decode(value, 4), wanted)


def test_segments_have_the_codes_of_whoever_reads() -> None:
    told = bank_records.decode(bank_records.encode(record({(1, 0, 5): 2}))[0], 4)
    assert told.part_with(np.array([70, 80], np.int32)).segments.tolist() == [WHOLE_BANK, 70, 80]


def test_what_is_too_long_for_a_record_comes_in_pieces() -> None:
    rng = np.random.default_rng(5)
    many = {(s, m, b): int(rng.integers(1, 2**32)) for s in range(40) for m in range(12) for b in range(0, BUCKETS, 2)}
    whole = record(many, segments=40, measures=12)
    values = bank_records.encode(whole)
    assert len(values) > 1
    assert max(map(len, values)) <= RECORD_BYTES_MAX
    pieces, row = [bank_records.decode(value, 4) for value in values], 0
    for piece in pieces:
        stop = row + len(piece.part.segments)
        named = replace(whole.part.of_segments(row, stop), segments=piece.part.segments)
        assert is_equal_part(piece.part, named)
        row = stop
    assert row == 40
    assert sum((piece.words for piece in pieces), ()) == whole.words
    assert [int(piece.part.segments[0]) == WHOLE_BANK for piece in pieces] == [True, *[False] * (len(pieces) - 1)]


def with_sum(body: bytes) -> bytes:
    return bank_records.MAGIC + zlib.crc32(body).to_bytes(4, "big") + body


def other(**changed: object) -> bytes:
    """A record with other content under a sum that is right."""
    value = bank_records.encode(record({(0, 0, 3): 9, (1, 1, 7): 2}))[0]
    names = ("teller", "began", "position", "measures", "tokens", "words", "entries", "buckets")
    body = dict(zip(names, msgspec.msgpack.decode(value[8:]), strict=True)) | changed
    return with_sum(msgspec.msgpack.encode(list(body.values())))


def packed(steps: list[int], counts: list[int]) -> bytes:
    words = np.array([*steps, *counts], "<u4").view(np.uint8)
    return zlib.compress(words.reshape(-1, 4).T.tobytes())


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (lambda: b"AMLT", "does not begin with 'AMB1'"),
        (lambda: b"", "does not begin with 'AMB1'"),
        (lambda: other()[:-1] + b"\0", "check sum"),
        (lambda: with_sum(b"\x80"), "not as this release knows it"),
        (lambda: other(teller=4), "a partition that cannot be"),
        (lambda: other(teller=-1), "a partition that cannot be"),
        (lambda: other(measures=[b"1234567"]), "measures, segments"),
        (lambda: other(measures=[]), "measures, segments"),
        (lambda: other(measures=[b"12345678"] * 257), "measures, segments"),
        (lambda: other(tokens=[b"", b"12"]), "measures, segments"),
        (lambda: other(words=["one"]), "measures, segments"),
        (lambda: other(tokens=[b""] * 257, words=[""] * 257), "measures, segments"),
        (lambda: other(entries=-1), "more buckets than"),
        (lambda: other(entries=3 * 2 * BUCKETS + 1), "more buckets than"),
        (lambda: other(entries=3), "other buckets than it counts"),
        (lambda: other(entries=1), "other buckets than it counts"),
        (lambda: other(buckets=b"none"), "cannot be inflated"),
        (lambda: other(buckets=packed([3, 0], [1, 1])), "none of its histograms, or empty"),
        (lambda: other(buckets=packed([3, 6 * BUCKETS], [1, 1])), "none of its histograms, or empty"),
        (lambda: other(buckets=packed([3, 1], [1, 0])), "none of its histograms, or empty"),
    ],
)
def test_other_bytes_are_refused(value: Callable[[], bytes], says: str) -> None:
    with pytest.raises(BankRecordError, match=says):
        bank_records.decode(value(), 4)


def test_what_is_refused_differs_from_what_is_read_in_that_alone() -> None:
    assert bank_records.decode(other(), 4).teller == 3
    assert bank_records.decode(other(buckets=packed([3, 1], [1, 1])), 4).part.places.tolist() == [3, 4]
