"""A profile version as bytes: what the engine needs of it, and no text that names a person.

MessagePack, an array: format, customer, version, time of recording, segment, occupation and industry (token and text;
their kinds are not personal), codes of words, 64-bit numbers, accounts with their further holders. Customers and
accounts stand as tokens. Unknown is ``nil``. The order of :data:`_WORDS` and :data:`_WIDE` belongs to
format 1; another order or further values are another format, and a release reads the one before it too.

Measured on a simulated bank: 172 bytes a version on average.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from msgspec import Meta, Struct

from monitor.domain.identifiers import TOKEN_BYTES, IdentifierKind
from monitor.domain.time import UNKNOWN
from monitor.domain.transaction import IDENTIFIER_BYTES_MAX, Bytes16, Int32s
from monitor.intake.profile_columns import ProfileColumns
from monitor.intake.profiles import VERSION_MAX

FORMAT = 1
_NAMED = {
    "segment": IdentifierKind.SEGMENT,
    "occupation": IdentifierKind.OCCUPATION,
    "industry": IdentifierKind.INDUSTRY,
}
_WORDS = ("kind", "risk_rating", "is_pep", "residence", "nationality", "income_currency", "expected_currency",
          "is_occasional", "screening")  # fmt: skip
_WIDE = ("income_minor", "expected_in_minor", "expected_out_minor", "customer_since_us", "birth_day",
         "expected_cash_minor", "credentials_changed_us", "exemption_reviewed_us")  # fmt: skip

Token = Annotated[bytes, Meta(min_length=TOKEN_BYTES, max_length=TOKEN_BYTES)]
_Word = Annotated[int, Meta(ge=0, le=32_767)]
_Wide = Annotated[int, Meta(ge=-(2**63), le=VERSION_MAX)]
_Named = tuple[Token, Annotated[str, Meta(min_length=1, max_length=IDENTIFIER_BYTES_MAX)]]

CodesOfTokens = Callable[[Bytes16, npt.NDArray[np.int8], pa.Array], Int32s]
"""From tokens (n, 16), their kinds (n,) and their texts (strings, null where personal) to codes (n,). New ones are
added; a token may stand several times."""


class ProfileDamaged(ValueError):
    """The bytes are no profile version; the message says what is wrong."""


class StoredAccount(Struct, array_like=True, frozen=True, forbid_unknown_fields=True, gc=False):
    """An account of a version. ``holders`` are those besides the customer."""

    account: Token
    kind: _Word | None
    opened_us: _Wide | None
    closed_us: _Wide | None
    holders: Annotated[list[Token], Meta(max_length=16)]


class StoredProfile(Struct, array_like=True, frozen=True, forbid_unknown_fields=True, gc=False):
    """A profile version as stored."""

    format: int
    customer: Token
    version: Annotated[int, Meta(ge=1, le=VERSION_MAX)]
    recorded_at_us: _Wide
    named: Annotated[list[_Named | None], Meta(min_length=len(_NAMED), max_length=len(_NAMED))]
    words: Annotated[list[_Word | None], Meta(min_length=len(_WORDS), max_length=len(_WORDS))]
    wide: Annotated[list[_Wide | None], Meta(min_length=len(_WIDE), max_length=len(_WIDE))]
    accounts: Annotated[list[StoredAccount], Meta(max_length=256)]


_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder(StoredProfile).decode


def stored_profiles(columns: ProfileColumns, tokens: Bytes16, text: Callable[[int], str]) -> list[StoredProfile]:
    """The versions of some columns, in their order.

    Args:
        columns: Checked versions.
        tokens: The token of each code, shape (k, 16).
        text: The text of a code; asked for segments, occupations and industries only.
    """
    token = [row.tobytes() for row in tokens]
    named = [[None if code < 0 else (token[code], text(code)) for code in _list(columns, name)] for name in _NAMED]
    words = [[None if value < 0 else value for value in _list(columns, name)] for name in _WORDS]
    wide = [[_known(value) for value in _list(columns, name)] for name in _WIDE]
    accounts = _accounts(columns, token)
    found, first = [], 0
    for row, count in enumerate(columns.accounts.tolist()):
        found.append(
            StoredProfile(
                format=FORMAT,
                customer=token[int(columns.customer[row])],
                version=int(columns.version[row]),
                recorded_at_us=int(columns.recorded_at_us[row]),
                named=[each[row] for each in named],
                words=[each[row] for each in words],
                wide=[each[row] for each in wide],
                accounts=accounts[first : first + count],
            )
        )
        first += count
    return found


def _accounts(columns: ProfileColumns, token: Sequence[bytes]) -> list[StoredAccount]:
    holder = columns.holder.tolist()
    found, first = [], 0
    for account, kind, opened_us, closed_us, count in zip(
        *(_list(columns, name) for name in ("account", "account_kind", "opened_us", "closed_us", "holders")),
        strict=True,
    ):
        further = [token[code] for code in holder[first + 1 : first + count]]
        known_kind = None if kind < 0 else kind
        found.append(StoredAccount(token[account], known_kind, _known(opened_us), _known(closed_us), further))
        first += count
    return found


def encode(profile: StoredProfile) -> bytes:
    """The bytes of a version; the same version always gives the same."""
    return _ENCODE(profile)


def decode(value: bytes) -> StoredProfile:
    """The version of some bytes.

    Raises:
        ProfileDamaged: They are none, or of a format that this release does not know.
    """
    try:
        profile = _DECODE(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise ProfileDamaged(f"the bytes are no profile version: {error}") from None
    if profile.format != FORMAT:
        raise ProfileDamaged(f"the profile version is of format {profile.format}; this release knows {FORMAT}")
    return profile


def columns_of(profiles: Sequence[StoredProfile], codes_of: CodesOfTokens) -> ProfileColumns:
    """Versions as columns with codes, in their order; what :func:`stored_profiles` took."""
    asked = _Asked()
    accounts = [account for profile in profiles for account in profile.accounts]
    places = {"customer": asked.add(IdentifierKind.CUSTOMER, [profile.customer for profile in profiles])}
    for at, (name, kind) in enumerate(_NAMED.items()):
        places[name] = asked.add_named(kind, [profile.named[at] for profile in profiles])
    places["account"] = asked.add(IdentifierKind.ACCOUNT, [each.account for each in accounts])
    holders = [holder for each in profiles for account in each.accounts for holder in (each.customer, *account.holders)]
    places["holder"] = asked.add(IdentifierKind.CUSTOMER, holders)
    code = asked.codes(codes_of)
    found: dict[str, Any] = {name: code[place] for name, place in places.items()}
    for at, name in enumerate(_WORDS):
        values = (profile.words[at] for profile in profiles)
        found[name] = np.fromiter((-1 if value is None else value for value in values), np.int16, len(profiles))
    for at, name in enumerate(_WIDE):
        found[name] = _wide([profile.wide[at] for profile in profiles])
    kinds = [-1 if each.kind is None else each.kind for each in accounts]
    return ProfileColumns(
        **found,
        version=_wide([profile.version for profile in profiles]),
        recorded_at_us=_wide([profile.recorded_at_us for profile in profiles]),
        accounts=_wide([len(profile.accounts) for profile in profiles]),
        account_kind=np.array(kinds, np.int16),
        opened_us=_wide([each.opened_us for each in accounts]),
        closed_us=_wide([each.closed_us for each in accounts]),
        holders=_wide([1 + len(each.holders) for each in accounts]),
    )


class _Asked:
    """Tokens that are asked for together: one look-up for all."""

    def __init__(self) -> None:
        self.tokens: list[bytes] = []
        self.kinds: list[int] = []
        self.texts: list[str | None] = []

    def add(self, kind: IdentifierKind, tokens: Sequence[bytes]) -> npt.NDArray[np.int64]:
        """Where their codes will stand."""
        first = len(self.tokens)
        self.tokens += tokens
        self.kinds += [kind] * len(tokens)
        self.texts += [None] * len(tokens)
        return np.arange(first, len(self.tokens))

    def add_named(self, kind: IdentifierKind, named: Sequence[tuple[bytes, str] | None]) -> npt.NDArray[np.int64]:
        """Where their codes will stand; ``-1``, the last place, for none."""
        places = np.full(len(named), -1, np.int64)
        present = [(row, each) for row, each in enumerate(named) if each is not None]
        places[[row for row, _ in present]] = np.arange(len(self.tokens), len(self.tokens) + len(present))
        self.tokens += [token for _, (token, _) in present]
        self.kinds += [kind] * len(present)
        self.texts += [text for _, (_, text) in present]
        return places

    def codes(self, codes_of: CodesOfTokens) -> Int32s:
        """The codes, and ``-1`` behind them."""
        tokens = np.frombuffer(b"".join(self.tokens), np.uint8).reshape(-1, TOKEN_BYTES)
        found = codes_of(tokens, np.array(self.kinds, np.int8), pa.array(self.texts, pa.string()))
        return np.append(found, np.int32(-1)).astype(np.int32)


def _list(columns: ProfileColumns, name: str) -> list[int]:
    values: list[int] = getattr(columns, name).tolist()
    return values


def _known(value: int) -> int | None:
    return None if value == UNKNOWN else value


def _wide(values: Sequence[int | None]) -> npt.NDArray[np.int64]:
    return np.fromiter((UNKNOWN if value is None else value for value in values), np.int64, len(values))
