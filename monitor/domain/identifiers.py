"""Kinds of identifiers. The engine sees a code and a keyed token of each, never the text.

A token is HMAC-SHA-256 under the bank's key over the kind and the text, cut to
128 bits. Codes are dense, in order of first occurrence, over all kinds.
"""

import hmac
from enum import IntEnum
from hashlib import sha256


class IdentifierKind(IntEnum):
    """What an identifier identifies. Two kinds with the same text are two identifiers."""

    CUSTOMER = 1
    ACCOUNT = 2
    AGENT = 3
    DEVICE = 4
    BRANCH = 5
    PURPOSE = 6
    ENTITY = 7
    SEGMENT = 8
    OCCUPATION = 9
    INDUSTRY = 10
    MERCHANT_CATEGORY = 11
    REASON = 12
    SCREENING_LIST = 13
    LINK = 14


PERSONAL_KINDS = frozenset(
    {IdentifierKind.CUSTOMER, IdentifierKind.ACCOUNT, IdentifierKind.DEVICE, IdentifierKind.LINK}
)
"""Kinds whose text is kept in the vault only."""

TOKEN_BYTES = 16


def token_of(key: bytes, kind: IdentifierKind, text: str) -> bytes:
    """The 16-byte token of an identifier.

    >>> token_of(b"k" * 32, IdentifierKind.ACCOUNT, "DE1") == token_of(b"k" * 32, IdentifierKind.CUSTOMER, "DE1")
    False
    """
    return hmac.digest(key, bytes([kind]) + text.encode(), sha256)[:TOKEN_BYTES]
