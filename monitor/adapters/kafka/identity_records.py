"""Identifiers in topic ``identities``: from a token to what it stands for, for who may resolve it.

The key is the token, the value one byte of kind and the identifier in UTF-8. The topic is compacted: an identifier that
is sent again changes nothing.
"""

from collections.abc import Iterator

from monitor.domain.identifiers import TOKEN_BYTES, IdentifierKind
from monitor.intake.identifiers import IdentifierTable

KIND = "identity"
HEADERS = [("kind", KIND.encode()), ("format", b"1")]


def encode(identifiers: IdentifierTable, first_code: int) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of each identifier of a table from a code on.

    >>> table = IdentifierTable(b"k" * 32)
    >>> _ = table.encode(IdentifierKind.ACCOUNT, ["DE1"])
    >>> [(key == table.tokens[0].tobytes(), value) for key, value in encode(table, 0)]
    [(True, b'\\x02DE1')]
    """
    kinds, offsets, texts = identifiers.export(first_code)
    tokens = identifiers.tokens[first_code:].tobytes()
    stops = offsets.tolist()
    for number, kind in enumerate(kinds.tolist()):
        token = tokens[number * TOKEN_BYTES : (number + 1) * TOKEN_BYTES]
        yield token, bytes((kind,)) + texts[stops[number] : stops[number + 1]]


def decode(key: bytes, value: bytes) -> tuple[bytes, IdentifierKind, str]:
    """Token, kind and text of a record.

    Raises:
        ValueError: It is none of an identifier.
    """
    if len(key) != TOKEN_BYTES or not value:
        raise ValueError(f"a key of {len(key)} bytes and a value of {len(value)} are no identifier")
    return key, IdentifierKind(value[0]), value[1:].decode()
