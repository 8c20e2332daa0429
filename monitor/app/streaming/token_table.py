"""Codes for the identifiers of one partition, which come as tokens: dense, in the order of the partition's log.

The engine works with codes of four bytes; the log carries tokens, which all processes share. A table gives each token
its code and keeps the token and kind of each code, and the text of identifiers that are not personal (segments,
purposes, entities), which alerts name. Words of rules and lists get their token by the bank's key.

A snapshot of the partition holds the table, so codes after a restart are the same.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from models import compiled
from monitor.domain.identifiers import PERSONAL_KINDS, TOKEN_BYTES, IdentifierKind, token_of
from monitor.domain.transaction import Bytes16, Int32s, Int64s
from monitor.engine.compiled import source_digest
from monitor.engine.hashing import find, is_full, new_table, regrown

UNKNOWN_CODE = -1
_CODE = 2
_IS_PERSONAL = np.array([kind in PERSONAL_KINDS for kind in range(max(IdentifierKind) + 1)])
_COLUMNS = 3


@cache
def _digest() -> str:
    return sha256(source_digest().encode() + Path(__file__).read_bytes()).hexdigest()


def _kernel(function: Any) -> Any:
    return compiled.kernel(function, _digest)


@_kernel
def _codes(table: npt.NDArray[np.int64], halves: Int64s, count: int, codes: Int32s, is_added: bool) -> int:
    """The code of each token (n, 2); unknown ones get the next, or -1. Returns how many codes there are then."""
    for i in range(len(halves)):
        at = find(table, halves[i, 0], halves[i, 1])
        if at >= 0:
            codes[i] = table[at, _CODE]
        elif is_added:
            at = -1 - at
            table[at, 0], table[at, 1], table[at, _CODE] = halves[i, 0], halves[i, 1], count
            codes[i] = count
            count += 1
        else:
            codes[i] = UNKNOWN_CODE
    return count


class TokenTable:
    """Codes by token, and what stands behind each code.

    >>> table = TokenTable(b"k" * 32)
    >>> table.encode(IdentifierKind.SEGMENT, ["retail", None, "retail"]).tolist()
    [0, -1, 0]
    >>> table.text(0), table.kind(0).name
    ('retail', 'SEGMENT')
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._table = new_table(1 << 12, _COLUMNS)
        self._tokens: Bytes16 = np.zeros((1 << 11, TOKEN_BYTES), np.uint8)
        self._kinds = np.zeros(1 << 11, np.int8)
        self._count = 0
        self._words: dict[int, str] = {}

    def __len__(self) -> int:
        return self._count

    @property
    def tokens(self) -> Bytes16:
        """The token of each code, shape (n, 16). A view; it holds until identifiers are added."""
        return self._tokens[: self._count]

    @property
    def kinds(self) -> npt.NDArray[np.int8]:
        """The kind of each code, shape (n,)."""
        return self._kinds[: self._count]

    def kind(self, code: int) -> IdentifierKind:
        """What a code identifies; IndexError where there is no such code."""
        self._must_be(code)
        return IdentifierKind(int(self._kinds[code]))

    def text(self, code: int) -> str:
        """The text of an identifier that is not personal; its token in hex where the text did not come with it."""
        self._must_be(code)
        return self._words.get(code) or self._tokens[code].tobytes().hex()

    def add(self, tokens: Bytes16, kinds: npt.NDArray[np.int8], text_of: Callable[[int], str | None]) -> Int32s:
        """The code of each token, new ones included.

        Args:
            tokens: Shape (n, 16).
            kinds: The kind of each, shape (n,).
            text_of: Gives the text of a row; asked for new ones that are not personal.
        """
        n, before = len(tokens), self._count
        if is_full(self._table, before, n):
            self._table, _ = regrown(self._table, before, n)
        if before + n > len(self._tokens):
            self._tokens = _longer(self._tokens, 2 * (before + n))
            self._kinds = _longer(self._kinds, 2 * (before + n))
        codes: Int32s = np.empty(n, np.int32)
        self._count = int(_codes(self._table, _halves(tokens), before, codes, True))
        is_new = codes >= before
        self._tokens[codes[is_new]], self._kinds[codes[is_new]] = tokens[is_new], kinds[is_new]
        for row in np.flatnonzero(is_new & ~_IS_PERSONAL[kinds]).tolist():
            if (text := text_of(row)) is not None:
                self._words[int(codes[row])] = text
        return codes

    def add_texts(self, tokens: Bytes16, kinds: npt.NDArray[np.int8], texts: pa.Array) -> Int32s:
        """The same with the texts as a column, null where personal."""
        return self.add(tokens, kinds, lambda row: texts[row].as_py())

    def codes_of_tokens(self, tokens: Bytes16) -> Int32s:
        """The code of each token, shape (n,); -1 where there is none."""
        codes: Int32s = np.empty(len(tokens), np.int32)
        _codes(self._table, _halves(tokens), self._count, codes, False)
        return codes

    def code_of_token(self, token: bytes) -> int:
        """The code of a token, or -1."""
        return int(self.codes_of_tokens(np.frombuffer(token, np.uint8).reshape(1, TOKEN_BYTES))[0])

    def encode(self, kind: IdentifierKind, values: Sequence[str | None]) -> Int32s:
        """Codes of texts of one kind, new ones included; -1 where a value is None."""
        codes: Int32s = np.full(len(values), UNKNOWN_CODE, np.int32)
        rows = [row for row, value in enumerate(values) if value is not None]
        given = [str(values[row]) for row in rows]
        tokens = np.frombuffer(b"".join(token_of(self._key, kind, text) for text in given), np.uint8)
        codes[rows] = self.add(tokens.reshape(-1, TOKEN_BYTES), np.full(len(given), kind, np.int8), given.__getitem__)
        return codes

    def export(self, first_code: int) -> tuple[npt.NDArray[np.int8], Int64s, bytes]:
        """Kinds, offsets and texts of the codes from ``first_code`` on; the text of a personal one is empty."""
        texts = [self._words.get(code, "").encode() for code in range(first_code, self._count)]
        offsets = np.cumsum([0, *(len(text) for text in texts)]).astype(np.int64)
        return self._kinds[first_code : self._count].copy(), offsets, b"".join(texts)

    def save(self) -> dict[str, npt.NDArray[Any]]:
        """The table as arrays, valid until identifiers are added."""
        words = json.dumps(list(self._words.items()), ensure_ascii=False).encode()
        return {"tokens": self.tokens, "kinds": self.kinds, "words": np.frombuffer(words, np.uint8)}

    def load(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take over what :meth:`save` made, in place of all that is here."""
        fresh = TokenTable(self._key)
        fresh.add(arrays["tokens"], arrays["kinds"], lambda row: None)
        self._table, self._tokens, self._kinds = fresh._table, fresh._tokens, fresh._kinds
        self._count = fresh._count
        self._words = {int(code): text for code, text in json.loads(arrays["words"].tobytes())}

    def _must_be(self, code: int) -> None:
        if not 0 <= code < self._count:
            raise IndexError(f"no identifier has code {code}; the table holds {self._count}")


def _halves(tokens: Bytes16) -> Int64s:
    """Tokens as two integers each, shape (n, 2)."""
    return np.ascontiguousarray(tokens).view(np.int64).reshape(-1, 2)


def _longer(array: npt.NDArray[Any], length: int) -> npt.NDArray[Any]:
    longer = np.zeros((length, *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer
