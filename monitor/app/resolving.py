"""From tokens back to the source's own identifiers, for a local user who holds the vault of a store.

Nothing is claimed, created or cut off, so this works beside a run.
"""

import hmac
import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from monitor.adapters.vault import PlainVault
from monitor.app.store import KEY_VARIABLE, data_folder
from monitor.domain.identifiers import TOKEN_BYTES, IdentifierKind, token_of


class Tokens(Protocol):
    """What tokens stand for."""

    def find(self, token: str) -> tuple[IdentifierKind, str] | None:
        """Kind and text of the identifier with this token (hex); ``None`` where it is not known."""

    def text(self, token: str) -> str | None:
        """The identifier with this token; ``None`` where it is not known."""


class KnownTokens:
    """The identifiers of a vault by token. Tokens are made in the order of the codes, as far as was asked."""

    def __init__(self, vault: PlainVault, key: bytes) -> None:
        self._key = key
        self._kinds, self._offsets, self._texts = vault.identifiers()
        self._by_token: dict[bytes, int] = {}

    def find(self, token: str) -> tuple[IdentifierKind, str] | None:
        """Kind and text of the identifier with this token (hex); ``None`` where the vault holds none."""
        wanted = bytes.fromhex(token)
        code = self._by_token.get(wanted)
        while code is None and len(self._by_token) < len(self._kinds):
            number = len(self._by_token)
            body = bytes([int(self._kinds[number])]) + self._bytes(number)
            made = hmac.digest(self._key, body, sha256)[:TOKEN_BYTES]
            self._by_token[made] = number
            code = number if made == wanted else None
        return None if code is None else (IdentifierKind(int(self._kinds[code])), self._bytes(code).decode())

    def text(self, token: str) -> str | None:
        """The identifier with this token; ``None`` where the vault holds none."""
        found = self.find(token)
        return found[1] if found else None

    def _bytes(self, code: int) -> bytes:
        return self._texts[int(self._offsets[code]) : int(self._offsets[code + 1])]


def stored_token_key(folder: Path) -> bytes | None:
    """The key of the tokens of a store: the environment's, else the store's own; ``None`` without either."""
    given, path = os.environ.get(KEY_VARIABLE), folder / "token.key"
    try:
        return bytes.fromhex(given if given is not None else path.read_text())
    except (OSError, ValueError):
        return None


def open_resolver(db: str | Path) -> Callable[[str], str | None]:
    """A function from a token in hex to the source's identifier, or to ``None`` where it is not known here.

    A store without a vault beside it (a server, a copy of the database alone) resolves nothing.

    >>> open_resolver("postgresql://server/bank")("00112233445566778899aabbccddeeff") is None
    True
    """
    folder = data_folder(Path(db)) if "://" not in str(db) else None
    key = stored_token_key(folder) if folder else None
    if folder is None or key is None:
        return _resolve_nothing
    known: list[KnownTokens] = []

    def resolve(token: str) -> str | None:
        if not known:
            known.append(open_tokens(folder, key))
        return known[0].text(token)

    return resolve if (folder / "vault" / "identifiers.blocks").exists() else _resolve_nothing


def open_namer(db: str | Path) -> Callable[[str], str | None]:
    """A function from a customer's identifier to its token in hex, or to ``None`` where no such customer is known here.

    >>> open_namer("postgresql://server/bank")("C1") is None
    True
    """
    folder = data_folder(Path(db)) if "://" not in str(db) else None
    key, resolve = stored_token_key(folder) if folder else None, open_resolver(db)

    def name(customer: str) -> str | None:
        token = token_of(key, IdentifierKind.CUSTOMER, customer).hex() if key is not None else None
        return token if token is not None and resolve(token) is not None else None

    return name


def open_tokens(folder: Path, key: bytes) -> KnownTokens:
    """The identifiers of the vault in a store's folder, read once."""
    vault = PlainVault(folder / "vault", read_only=True)
    try:
        return KnownTokens(vault, key)
    finally:
        vault.close()


def _resolve_nothing(token: str) -> str | None:
    return None
