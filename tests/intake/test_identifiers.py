"""Identifiers: equal bytes give equal codes, in order of first occurrence, and a restart changes nothing."""

import numba
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.domain.identifiers import IdentifierKind, token_of
from monitor.domain.transaction import IDENTIFIER_BYTES_MAX
from monitor.intake.compiled import PADDING_BYTES, address_of
from monitor.intake.identifiers import IdentifierTable, intern_hashed, spans_of_arrow
from monitor.intake.siphash import hash_128, hash_tagged, hash_words, keys_for

KEY = b"a key of the tests, 32 bytes long"
ACCOUNT, CUSTOMER, DEVICE = IdentifierKind.ACCOUNT, IdentifierKind.CUSTOMER, IdentifierKind.DEVICE

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40).filter(
    lambda text: len(text.encode()) <= 128
)
pairs = st.lists(st.tuples(st.sampled_from([ACCOUNT, CUSTOMER, DEVICE]), texts | st.sampled_from("ab")), max_size=60)


def codes_of(table: IdentifierTable, values: list[tuple[IdentifierKind, str]]) -> list[int]:
    return [int(table.encode(kind, [text])[0]) for kind, text in values]


@given(pairs)
@settings(print_blob=True, deadline=None)
def test_codes_are_those_of_a_dictionary(values: list[tuple[IdentifierKind, str]]) -> None:
    table, expected = IdentifierTable(KEY), {}
    for pair in values:
        expected.setdefault(pair, len(expected))
    assert codes_of(table, values) == [expected[pair] for pair in values]
    assert len(table) == len(expected)
    for (kind, text), code in expected.items():
        assert (table.code_of(kind, text), table.text(code)) == (code, text)
        assert table.tokens[code].tobytes() == token_of(KEY, kind, text)
        assert table.code_of_token(token_of(KEY, kind, text)) == code
        assert table.kinds[code] == kind


@given(st.binary(max_size=200))
@settings(print_blob=True, deadline=None, max_examples=20)
def test_a_token_is_the_hmac_of_the_library_at_every_length(key: bytes) -> None:
    # Lengths at which the padding needs one block more are among them.
    table, texts = IdentifierTable(key), ["é" * (n // 2) + "x" * (n % 2) for n in range(1, IDENTIFIER_BYTES_MAX + 1)]
    codes = table.encode(ACCOUNT, texts)
    assert [table.tokens[code].tobytes() for code in codes] == [token_of(key, ACCOUNT, text) for text in texts]


@given(pairs, st.integers(0, 60))
@settings(print_blob=True, deadline=None)
def test_a_saved_table_gives_the_same_codes_after_a_restart(values: list[tuple[IdentifierKind, str]], cut: int) -> None:
    table = IdentifierTable(KEY)
    codes_of(table, values[:cut])
    first = table.export(0)
    saved = len(table)
    codes_of(table, values[cut:])
    second = table.export(saved)
    restored = IdentifierTable(KEY)
    restored.append(*first)
    restored.append(*second)
    assert codes_of(restored, values) == codes_of(table, values)
    assert np.array_equal(restored.tokens, table.tokens)


def test_many_identifiers_keep_their_codes_while_the_table_grows() -> None:
    table = IdentifierTable(KEY)
    values = [f"A{number}" for number in range(40_000)]
    assert table.encode(ACCOUNT, values[:3]).tolist() == [0, 1, 2]
    assert np.array_equal(table.encode(ACCOUNT, values), np.arange(40_000))
    assert np.array_equal(table.encode(ACCOUNT, values[::-1]), np.arange(40_000)[::-1])
    assert table.code_of(ACCOUNT, "A40000") == -1
    assert len(table) == 40_000


def test_rows_are_numbered_from_left_to_right_and_from_top_to_bottom() -> None:
    buffer = np.frombuffer(b"abcd" + bytes(PADDING_BYTES), np.uint8).copy()
    starts = np.array([[0, 1], [-1, 2], [3, 0]])
    codes = IdentifierTable(KEY).encode_spans([ACCOUNT, CUSTOMER], buffer, starts, np.ones_like(starts))
    assert codes.tolist() == [[0, 1], [-1, 2], [3, 4]]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_arrow_arrays_of_every_string_kind_are_encoded(kind: pa.DataType) -> None:
    values = pa.array(["x", "b", None, "ü", "b"], pa.string()).cast(kind)
    table = IdentifierTable(KEY)
    assert table.encode_arrow(ACCOUNT, values.slice(1)).tolist() == [0, -1, 1, 0]
    assert table.encode_arrow(ACCOUNT, pa.chunked_array([values, values.slice(0, 1)])).tolist() == [2, 0, -1, 1, 0, 2]
    assert table.encode_arrow(ACCOUNT, values.slice(0, 0)).tolist() == []


@pytest.mark.parametrize("text", ["", "x" * 129])
def test_an_empty_or_over_long_identifier_is_the_callers_mistake(text: str) -> None:
    table = IdentifierTable(KEY)
    with pytest.raises(ValueError, match="1 to 128 bytes"):
        table.encode(ACCOUNT, ["a", text])
    assert len(table) == 0
    assert table.code_of(ACCOUNT, text) == -1


def test_saved_identifiers_that_repeat_one_are_damage() -> None:
    table = IdentifierTable(KEY)
    table.encode(ACCOUNT, ["a"])
    with pytest.raises(ValueError, match="repeat"):
        table.append(*table.export(0))


@numba.njit
def intern_with_equal_hashes(table, buffer, starts, lengths, codes):  # type: ignore[no-untyped-def]
    at, base = address_of(table), address_of(buffer)
    for row in range(len(codes)):
        codes[row] = intern_hashed(at, np.uint64(7), 1 + row % 2, base + starts[row], lengths[row])


def test_identifiers_with_equal_hashes_stay_apart() -> None:
    values = ["DE1", "DE1", "DE2", "DE2", "DE", "DE", "X longer one", "Y longer one", "Y longer one", "DE1"]
    table, codes = IdentifierTable(KEY), np.empty(10, np.int32)
    intern_with_equal_hashes(table.room(10, 200), *spans_of_arrow(pa.array(values)), codes)
    assert codes.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 1]


def siphash(message: bytes, key: tuple[int, int], rounds: tuple[int, int], words: int) -> list[int]:
    """SipHash as in the paper, slow; the oracle."""
    full = 2**64 - 1
    v = [
        key[0] ^ 0x736F6D6570736575,
        key[1] ^ 0x646F72616E646F6D,
        key[0] ^ 0x6C7967656E657261,
        key[1] ^ 0x7465646279746573,
    ]

    def turn(value: int, by: int) -> int:
        return (value << by | value >> (64 - by)) & full

    def mix(times: int) -> None:
        for _ in range(times):
            v[0] = (v[0] + v[1]) & full
            v[1] = turn(v[1], 13) ^ v[0]
            v[0] = turn(v[0], 32)
            v[2] = (v[2] + v[3]) & full
            v[3] = turn(v[3], 16) ^ v[2]
            v[0] = (v[0] + v[3]) & full
            v[3] = turn(v[3], 21) ^ v[0]
            v[2] = (v[2] + v[1]) & full
            v[1] = turn(v[1], 17) ^ v[2]
            v[2] = turn(v[2], 32)

    v[1] ^= 0xEE if words == 2 else 0
    padded = message + bytes(7 - len(message) % 8) + bytes([len(message) & 0xFF])
    for at in range(0, len(padded), 8):
        word = int.from_bytes(padded[at : at + 8], "little")
        v[3] ^= word
        mix(rounds[0])
        v[0] ^= word
    v[2] ^= 0xEE if words == 2 else 0xFF
    mix(rounds[1])
    out = [v[0] ^ v[1] ^ v[2] ^ v[3]]
    if words == 2:
        v[1] ^= 0xDD
        mix(rounds[1])
        out.append(v[0] ^ v[1] ^ v[2] ^ v[3])
    return out


@numba.njit
def hashes(keys, tag, buffer, start, length):  # type: ignore[no-untyped-def]
    words = np.empty(2, np.int64)
    words[0], words[1] = tag, length
    at = address_of(buffer) + start
    tagged = hash_tagged(keys[0], keys[1], tag, at, length)
    wide = hash_128(keys[0], keys[1], at, length)
    in_words = hash_words(keys[0], keys[1], address_of(words), words.size)
    return tagged, wide, in_words


@given(st.binary(max_size=70), st.integers(0, 11), st.integers(0, 2000))
@settings(print_blob=True, deadline=None)
def test_the_hashes_are_siphash_as_published(message: bytes, start: int, tag: int) -> None:
    keys = keys_for(KEY, "test")
    buffer = np.frombuffer(b"?" * start + message + b"!" * PADDING_BYTES, np.uint8).copy()
    key = (int(keys[0]), int(keys[1]))
    tagged, wide, words = hashes(keys, tag, buffer, start, len(message))
    assert [tagged] == siphash(tag.to_bytes(8, "little") + message, key, (1, 3), 1)
    assert list(wide) == siphash(message, key, (2, 4), 2)
    assert [words] == siphash(tag.to_bytes(8, "little") + len(message).to_bytes(8, "little"), key, (1, 3), 1)


def test_the_oracle_gives_the_published_vector() -> None:
    assert siphash(b"", (0x0706050403020100, 0x0F0E0D0C0B0A0908), (2, 4), 2) == [0xE6A825BA047F81A3, 0x930255C71472F66D]
