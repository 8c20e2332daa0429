"""Identifiers become dense codes: exact, in order of first occurrence, the same after every restart.

The engine compares customers, accounts and devices a thousand million times; it does so by a code of four
bytes. The table behind it maps ``(kind, text)`` to a code over all kinds. Two identifiers share a code only if
their bytes are equal: the hash finds the place, the bytes decide. The hash is keyed, so that nobody who can choose
account numbers can choose collisions.

**Order.** Codes are given row by row, and within a row in the order of the schema's fields. Refused rows give none.
So the codes depend on the accepted rows alone, never on how the stream was cut into chunks.

**Tokens.** Each new identifier gets its 16-byte token (:func:`monitor.domain.identifiers.token_of`) once.

Cost per identifier: 16 bytes of hash slots at most half full, 8 of entry, 16 of token, and its text once.
A look-up touches three cache lines, slot, entry and text, which lie all over the memory; kernels that look up many
ask for them in three rounds ahead (:func:`ask_for_slot`, :func:`ask_for_entry`, :func:`ask_for_text`).
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from monitor.domain.identifiers import TOKEN_BYTES, IdentifierKind
from monitor.domain.transaction import IDENTIFIER_BYTES_MAX, Int32s, Int64s
from monitor.intake.compiled import (
    PADDING_BYTES,
    address_of,
    kernel,
    load_i64,
    load_u8,
    load_u64,
    prefetch,
    store_i64,
    store_u8,
    store_u64,
)
from monitor.intake.sha256 import key_states, write_tokens
from monitor.intake.siphash import hash_tagged, keys_for, last_word

Uint8s = npt.NDArray[np.uint8]
Uint64s = npt.NDArray[np.uint64]

UNKNOWN_CODE = -1
CODES_MAX = 2**31 - 1
"""Number of identifiers that a table can hold; more raise :class:`OverflowError`."""

_SLOTS_FIRST = 1 << 12
_LOW_32 = np.uint64(0xFFFFFFFF)
_TAG = np.uint64(0xFFFFFFFF00000000)
_BYTE = np.uint64(0xFF)
_LENGTH_AND_KIND = np.uint64(0xFFFF)
_U1, _S3, _S8, _S16 = np.uint64(1), np.uint64(3), np.uint64(8), np.uint64(16)


(
    _SLOTS,
    _MASK,
    _ENTRIES,
    _ARENA,
    _COUNT,
    _USED,
    _KEY_0,
    _KEY_1,
) = range(0, 64, 8)
"""Places in the header that kernels see the table through: three addresses, the mask of the slots, the number of
codes, the bytes of text, and the hash key."""


class IdentifierTable:
    """Exact interning of identifiers under the bank's secret key.

    >>> table = IdentifierTable(b"k" * 32)
    >>> table.encode(IdentifierKind.ACCOUNT, ["DE1", None, "DE2", "DE1"]).tolist()
    [0, -1, 1, 0]
    >>> table.code_of(IdentifierKind.CUSTOMER, "DE1"), table.text(1)
    (-1, 'DE2')

    An identifier has 1 to 128 bytes of UTF-8; whoever calls has refused others before.
    """

    def __init__(self, key: bytes) -> None:
        self.key = key
        self._slots = np.zeros(_SLOTS_FIRST, np.uint64)
        """Open addressing: ``hash_high_32 << 32 | code + 1``, zero where free."""
        self._entries: Uint64s = np.zeros(_SLOTS_FIRST // 2, np.uint64)
        """Per code: ``offset << 16 | length << 8 | kind``."""
        self._arena: Uint8s = np.zeros(1 << 16, np.uint8)
        """The texts, one behind the other."""
        self._header = np.zeros(8, np.int64)
        self._header[_KEY_0 // 8 :] = keys_for(key, "identifier table").view(np.int64)
        self._point()
        self._token_states = key_states(key)
        self._tokens: Uint8s = np.zeros((_SLOTS_FIRST // 2, TOKEN_BYTES), np.uint8)
        self._tokens_done = 0
        self._code_by_token: dict[bytes, int] = {}

    def __len__(self) -> int:
        return int(self._header[_COUNT // 8])

    @property
    def kinds(self) -> npt.NDArray[np.int8]:
        """The kind of each code, shape (n,)."""
        return (self._entries[: len(self)] & _BYTE).astype(np.int8)

    def kind(self, code: int) -> IdentifierKind:
        """What a code identifies.

        Raises:
            IndexError: There is no such code.
        """
        if not 0 <= code < len(self):
            raise IndexError(f"no identifier has code {code}; the table holds {len(self)}")
        return IdentifierKind(int(self._entries[code]) & 0xFF)

    @property
    def tokens(self) -> Uint8s:
        """The token of each code, shape (n, 16). A view; it holds until identifiers are added."""
        self._make_tokens()
        return self._tokens[: len(self)]

    def encode(self, kind: IdentifierKind, values: Sequence[str | None]) -> Int32s:
        """Codes of ``values``, shape (n,), new ones included; ``-1`` where a value is ``None``.

        Raises:
            ValueError: A value is empty or has more than 128 bytes.
        """
        return self.encode_arrow(kind, pa.array(values, pa.string()))

    def encode_arrow(self, kind: IdentifierKind, values: pa.Array) -> Int32s:
        """Like :meth:`encode` for a pyarrow array of strings (plain, large or dictionary)."""
        buffer, starts, lengths = spans_of_arrow(values)
        column = (len(starts), 1)
        return self.encode_spans([kind], buffer, starts.reshape(column), lengths.reshape(column)).reshape(-1)

    def encode_spans(self, kinds: Sequence[IdentifierKind], buffer: Uint8s, starts: Int64s, lengths: Int64s) -> Int32s:
        """Codes of whole rows of identifiers, given row by row and within a row from left to right.

        Args:
            kinds: The kind of each of the f fields.
            buffer: Bytes that the spans point into, with 64 more bytes behind the last span.
            starts: Shape (n, f): where each identifier starts; ``-1`` means absent.
            lengths: Shape (n, f): its bytes, 1 to 128.

        Returns:
            Codes, shape (n, f); ``-1`` where absent.

        Raises:
            ValueError: A length is outside 1 to 128.
        """
        present = lengths[starts >= 0]
        if len(present) and (present.min() < 1 or present.max() > IDENTIFIER_BYTES_MAX):
            raise ValueError(f"an identifier must have 1 to {IDENTIFIER_BYTES_MAX} bytes; refuse the record before")
        codes = np.empty(starts.shape, np.int32)
        header = self.room(present.size, int(present.sum()))
        _intern_rows(header, np.array(kinds, np.int64), buffer, starts, lengths, codes)
        return codes

    def text(self, code: int) -> str:
        """The identifier of a code.

        Raises:
            IndexError: There is no such code.
        """
        if not 0 <= code < len(self):
            raise IndexError(f"no identifier has code {code}; the table holds {len(self)}")
        return self._bytes(code).decode()

    def code_of(self, kind: IdentifierKind, text: str) -> int:
        """The code of an identifier, or ``-1``; nothing is added."""
        encoded = text.encode()
        if not 1 <= len(encoded) <= IDENTIFIER_BYTES_MAX:
            return UNKNOWN_CODE
        buffer = np.zeros(len(encoded) + PADDING_BYTES, np.uint8)
        buffer[: len(encoded)] = np.frombuffer(encoded, np.uint8)
        return int(_find_in(self._header, int(kind), buffer, len(encoded)))

    def code_of_token(self, token: bytes) -> int:
        """The code whose token it is, or ``-1``."""
        for code in range(len(self._code_by_token), len(self)):
            self._code_by_token[self.tokens[code].tobytes()] = code
        return self._code_by_token.get(token, UNKNOWN_CODE)

    def export(self, first_code: int) -> tuple[npt.NDArray[np.int8], Int64s, bytes]:
        """All identifiers from ``first_code`` on, for the vault: kinds (m,), offsets (m + 1,) and their bytes.

        >>> table = IdentifierTable(b"k" * 32)
        >>> _ = table.encode(IdentifierKind.ACCOUNT, ["DE1", "DE22"])
        >>> kinds, offsets, texts = table.export(1)
        >>> kinds.tolist(), offsets.tolist(), texts
        ([2], [0, 4], b'DE22')
        """
        kinds, offsets, texts = self._from(first_code)
        return kinds, offsets, texts.tobytes()

    def _from(self, first_code: int) -> tuple[npt.NDArray[np.int8], Int64s, Uint8s]:
        """Kinds, offsets and a view of the texts of all identifiers from ``first_code`` on."""
        entries = self._entries[first_code : len(self)]
        offsets = np.zeros(len(entries) + 1, np.int64)
        np.cumsum((entries >> _S8) & _BYTE, out=offsets[1:])
        start = int(entries[0] >> _S16) if len(entries) else 0
        return (entries & _BYTE).astype(np.int8), offsets, self._arena[start : start + int(offsets[-1])]

    def append(self, kinds: npt.NDArray[np.int8], offsets: Int64s, texts: bytes) -> None:
        """Add what :meth:`export` gave, behind what is there; codes continue in the same order.

        Raises:
            ValueError: One of them is in the table already, or the lengths do not fit. The table is then
                not to be used: it does not hold the codes that were saved.
        """
        before, lengths = len(self), np.diff(offsets)
        if len(kinds) != len(lengths) or (len(lengths) and (lengths.min() < 1 or int(offsets[-1]) > len(texts))):
            raise ValueError(f"saved identifiers are damaged: {len(kinds)} kinds, {len(offsets)} offsets")
        buffer = np.zeros(len(texts) + PADDING_BYTES, np.uint8)
        buffer[: len(texts)] = np.frombuffer(texts, np.uint8)
        codes = np.empty(len(kinds), np.int32)
        header = self.room(len(kinds), len(texts))
        _intern_pairs(header, kinds.astype(np.int64), buffer, offsets[:-1], lengths, codes)
        if not np.array_equal(codes, np.arange(before, before + len(kinds), dtype=np.int32)):
            raise ValueError(f"saved identifiers repeat one that has a code below {before + len(kinds)} already")

    def room(self, codes: int, arena_bytes: int) -> Int64s:
        """The header, with room for that many new codes and bytes, for a kernel that interns by itself.

        The header holds addresses of the table's arrays; it is valid until the next call.
        """
        count, used = len(self), int(self._header[_USED // 8])
        if count + codes > CODES_MAX:
            raise OverflowError(f"the identifier table is full: {count} of {CODES_MAX} codes are in use")
        if used + arena_bytes + PADDING_BYTES > len(self._arena):
            self._arena = _grown(self._arena, used + arena_bytes + PADDING_BYTES)
        size = len(self._slots)
        while 2 * (count + codes) > size:
            size *= 2
        if size > len(self._slots):
            self._slots = np.zeros(size, np.uint64)
            self._entries = _grown(self._entries, size // 2)
            self._point()
            _fill_slots(self._header)
        self._point()
        return self._header

    def _point(self) -> None:
        for place, array in ((_SLOTS, self._slots), (_ENTRIES, self._entries), (_ARENA, self._arena)):
            self._header[place // 8] = array.ctypes.data
        self._header[_MASK // 8] = len(self._slots) - 1

    def _bytes(self, code: int) -> bytes:
        entry = int(self._entries[code])
        start = entry >> 16
        return self._arena[start : start + (entry >> 8 & 0xFF)].tobytes()

    def _make_tokens(self) -> None:
        first, stop = self._tokens_done, len(self)
        if first == stop:
            return
        if stop > len(self._tokens):
            self._tokens = _grown(self._tokens, stop)
        kinds, offsets, texts = self._from(first)
        write_tokens(self._token_states, kinds, offsets, texts, IDENTIFIER_BYTES_MAX, self._tokens[first:stop])
        self._tokens_done = stop


def spans_of_arrow(values: pa.Array) -> tuple[Uint8s, Int64s, Int64s]:
    """A padded copy of the bytes of a string array, and where each value starts (``-1``: null) and its length."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    values = values.cast(pa.large_string())
    _, offsets_buffer, data = values.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int64)[values.offset : values.offset + len(values) + 1]
    if len(offsets) == 0:
        offsets = np.zeros(1, np.int64)
    size = int(offsets[-1] - offsets[0])
    buffer = np.zeros(size + PADDING_BYTES, np.uint8)
    if size:
        buffer[:size] = np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]]
    starts = (offsets[:-1] - offsets[0]).astype(np.int64)
    if values.null_count:
        starts[np.asarray(values.is_null())] = UNKNOWN_CODE
    return buffer, starts, np.diff(offsets)


_Word = TypeVar("_Word", np.uint8, np.uint64)


def _grown(array: npt.NDArray[_Word], size: int) -> npt.NDArray[_Word]:
    grown = np.zeros((max(size, 2 * len(array)), *array.shape[1:]), array.dtype)
    grown[: len(array)] = array
    return grown


@kernel
def equal_bytes(one, other, length):  # type: ignore[no-untyped-def]
    """Are ``length`` bytes at two addresses equal?"""
    whole = length & ~7
    for step in range(0, whole, 8):
        if load_u64(one + step) != load_u64(other + step):
            return False
    return last_word(one + whole, length & 7) == last_word(other + whole, length & 7)


@kernel
def hash_identifier(table, kind, start, length):  # type: ignore[no-untyped-def]
    """The keyed hash of an identifier; ``table`` is the address of a header."""
    return hash_tagged(load_u64(table + _KEY_0), load_u64(table + _KEY_1), kind, start, length)


@kernel
def probe(table, hashed, kind, start, length):  # type: ignore[no-untyped-def]
    """The slot of an identifier and its code, or the free slot where it belongs and ``-1``."""
    slots, mask = load_i64(table + _SLOTS), load_u64(table + _MASK)
    index = hashed & mask
    wanted = (np.uint64(length) << _S8) | np.uint64(kind)
    while True:
        place = slots + np.int64(index << _S3)
        slot = load_u64(place)
        if slot == 0:
            return place, np.int64(-1)
        if (slot ^ hashed) & _TAG == 0:
            code = np.int64(slot & _LOW_32) - 1
            entry = load_u64(load_i64(table + _ENTRIES) + 8 * code)
            text = load_i64(table + _ARENA) + np.int64(entry >> _S16)
            if entry & _LENGTH_AND_KIND == wanted and equal_bytes(text, start, length):
                return place, code
        index = (index + _U1) & mask


@kernel
def ask_for_slot(table, hashed):  # type: ignore[no-untyped-def]
    """First round ahead of a look-up: the slot where the hash would stand."""
    prefetch(load_i64(table + _SLOTS) + np.int64((hashed & load_u64(table + _MASK)) << _S3))


@kernel
def ask_for_entry(table, hashed):  # type: ignore[no-untyped-def]
    """Second round: the entry that the slot names, if the slot may be the right one."""
    slot = load_u64(load_i64(table + _SLOTS) + np.int64((hashed & load_u64(table + _MASK)) << _S3))
    if slot != 0 and (slot ^ hashed) & _TAG == 0:
        prefetch(load_i64(table + _ENTRIES) + 8 * (np.int64(slot & _LOW_32) - 1))


@kernel
def ask_for_text(table, hashed):  # type: ignore[no-untyped-def]
    """Third round: the text that the entry names."""
    slot = load_u64(load_i64(table + _SLOTS) + np.int64((hashed & load_u64(table + _MASK)) << _S3))
    if slot != 0 and (slot ^ hashed) & _TAG == 0:
        entry = load_u64(load_i64(table + _ENTRIES) + 8 * (np.int64(slot & _LOW_32) - 1))
        prefetch(load_i64(table + _ARENA) + np.int64(entry >> _S16))


@kernel
def find(table, kind, start, length):  # type: ignore[no-untyped-def]
    """The code of an identifier, or ``-1``."""
    return probe(table, hash_identifier(table, kind, start, length), kind, start, length)[1]


@kernel
def intern_hashed(table, hashed, kind, start, length):  # type: ignore[no-untyped-def]
    """The code of an identifier whose hash is known, added if it is new; the caller has made room."""
    place, code = probe(table, hashed, kind, start, length)
    if code >= 0:
        return code
    code, used = load_i64(table + _COUNT), load_i64(table + _USED)
    text = load_i64(table + _ARENA) + used
    for step in range(length):
        store_u8(text + step, load_u8(start + step))
    entry = (np.uint64(used) << _S16) | (np.uint64(length) << _S8) | np.uint64(kind)
    store_u64(load_i64(table + _ENTRIES) + 8 * code, entry)
    store_u64(place, (hashed & _TAG) | np.uint64(code + 1))
    store_i64(table + _COUNT, code + 1)
    store_i64(table + _USED, used + length)
    return code


@kernel
def intern(table, kind, start, length):  # type: ignore[no-untyped-def]
    """The code of an identifier, added if it is new; the caller has made room."""
    return intern_hashed(table, hash_identifier(table, kind, start, length), kind, start, length)


@kernel
def _find_in(header, kind, buffer, length):  # type: ignore[no-untyped-def]
    return find(address_of(header), kind, address_of(buffer), length)


@kernel
def _intern_rows(header, kinds, buffer, starts, lengths, codes):  # type: ignore[no-untyped-def]
    table, base = address_of(header), address_of(buffer)
    for row in range(codes.shape[0]):
        for field in range(codes.shape[1]):
            start, length = np.int64(starts[row, field]), np.int64(lengths[row, field])
            codes[row, field] = intern(table, kinds[field], base + start, length) if start >= 0 else np.int64(-1)


@kernel
def _intern_pairs(header, kinds, buffer, starts, lengths, codes):  # type: ignore[no-untyped-def]
    table, base = address_of(header), address_of(buffer)
    for row in range(len(codes)):
        codes[row] = intern(table, kinds[row], base + starts[row], lengths[row])


@kernel
def _fill_slots(header):  # type: ignore[no-untyped-def]
    table = address_of(header)
    slots, mask = load_i64(table + _SLOTS), load_u64(table + _MASK)
    for code in range(load_i64(table + _COUNT)):
        entry = load_u64(load_i64(table + _ENTRIES) + 8 * code)
        start, length = load_i64(table + _ARENA) + np.int64(entry >> _S16), np.int64((entry >> _S8) & _BYTE)
        hashed = hash_identifier(table, np.int64(entry & _BYTE), start, length)
        index = hashed & mask
        while load_u64(slots + np.int64(index << _S3)) != 0:
            index = (index + _U1) & mask
        store_u64(slots + np.int64(index << _S3), (hashed & _TAG) | np.uint64(code + 1))
