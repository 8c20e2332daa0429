"""Profiles from lines to columns, fast; whatever this path is not certain of goes to the slow definition.

The definition of a profile is :func:`monitor.intake.profiles.profile_of`. Two thirds of its time are regular
expressions and objects that nobody keeps. Here a line is decoded into the same shape without patterns, and each value
is looked up among those known to be right: currencies, countries, days seen before. A value that is not found is not
refused here: the line goes to the definition, which accepts it or says why not. So both agree on every line, which
``tests/intake/test_profile_fast.py`` checks on mutated profiles and random bytes.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from msgspec import Struct
from msgspec.structs import astuple, fields

from monitor.domain.countries import COUNTRY_CODE
from monitor.domain.money import AMOUNT_MINOR_MAX, CURRENCIES, CURRENCY_CODE, DECIMALS, parse_amount_minor
from monitor.domain.refusal import Refusal
from monitor.domain.time import DAY_US, UNKNOWN
from monitor.domain.transaction import IDENTIFIER_BYTES_MAX
from monitor.domain.vocabulary import ACCOUNT_KINDS, CUSTOMER_KINDS, RISK_RATINGS, SCREENINGS
from monitor.intake.identifiers import IdentifierTable
from monitor.intake.profile_columns import Account, ProfileColumns, ProfileRows, Row
from monitor.intake.profiles import (
    PROFILE_BYTES_MAX,
    ProfileShape,
    day_of,
    moment_us,
    profile_lines,
    profile_of,
)

COLUMNS_ROWS = 4_096
"""Profiles that become columns at once."""


def read_profile_columns(path: Path, identifiers: IdentifierTable) -> Iterator[tuple[ProfileColumns, list[Refusal]]]:
    """All profiles of a file as columns, and the refused ones; new identifiers are added to the table.

    Raises:
        OSError: The file cannot be read, or is damaged.
    """
    rows, refusals = ProfileRows(), list[Refusal]()
    for position, (number, line) in enumerate(profile_lines(path)):
        if not add_line(rows, line):
            given = profile_of(line, place=f"{path}:{number}", position=position)
            if isinstance(given, Refusal):
                refusals.append(given)
            else:
                rows.add(given)
        if len(rows) + len(refusals) >= COLUMNS_ROWS:
            yield rows.columns(identifiers), refusals
            rows, refusals = ProfileRows(), []
    yield rows.columns(identifiers), refusals


def _plain(kind: Any) -> Any:
    """A type without its patterns."""
    parts = get_args(kind)
    if isinstance(kind, type) and issubclass(kind, Struct):
        named = [(each.name, _plain(each.type), *_default_of(each)) for each in fields(kind)]
        return msgspec.defstruct(f"Plain{kind.__name__}", named, forbid_unknown_fields=True, gc=False)
    if get_origin(kind) is Annotated:
        has_pattern = any(getattr(meta, "pattern", None) is not None for meta in kind.__metadata__)
        return parts[0] if has_pattern else Annotated[(_plain(parts[0]), *kind.__metadata__)]
    if get_origin(kind) in (Union, UnionType):
        return Union[tuple(_plain(part) for part in parts)]  # noqa: UP007
    if get_origin(kind) in (list, dict):
        return get_origin(kind)[tuple(_plain(part) for part in parts)]
    return kind


def _default_of(field: msgspec.structs.FieldInfo) -> tuple[Any, ...]:
    if field.default_factory is not msgspec.NODEFAULT:
        return (msgspec.field(default_factory=field.default_factory),)
    return () if field.required else (field.default,)


_DECODE = msgspec.json.Decoder(_plain(ProfileShape)).decode
_CURRENCY: dict[str | None, int] = dict(CURRENCY_CODE) | {None: -1}
_COUNTRY: dict[str | None, int] = dict(COUNTRY_CODE) | {None: -1}
_KIND = {word: code for code, word in enumerate(CUSTOMER_KINDS)}
_RATING: dict[str | None, int] = {None: -1, **{word: code for code, word in enumerate(RISK_RATINGS)}}
_SCREENING: dict[str | None, int] = {None: -1, **{word: code for code, word in enumerate(SCREENINGS)}}
_ACCOUNT_KIND: dict[str | None, int] = {None: -1, **{word: code for code, word in enumerate(ACCOUNT_KINDS)}}
_TRUTH = {None: -1, False: 0, True: 1}
_SCALE: list[int] = [10 ** DECIMALS[code] for code in range(len(CURRENCIES))]
_SHORT = IDENTIFIER_BYTES_MAX // 4
"""A text of so many characters is within the bytes of an identifier, whatever they are."""
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_AMOUNT = re.compile(r"[0-9]{1,15}(\.[0-9]{1,8})?")
_DIGITS_MAX = 15


class _Uncertain(Exception):
    """Not known to be right here."""


def add_line(rows: ProfileRows, line: bytes) -> bool:
    """Add a profile that is certainly right; False, and nothing is added, where the definition must decide."""
    # NUL is refused in identifiers; the definition knows in which.
    if len(line) > PROFILE_BYTES_MAX or rb"\u0000" in line:
        return False
    try:
        row, accounts = _values_of(_DECODE(line))
    except (msgspec.MsgspecError, KeyError, ValueError, _Uncertain):
        return False
    rows.append(row, accounts)
    return True


def _values_of(shape: Struct) -> tuple[Row, list[Account]]:
    """A profile in the order of :data:`monitor.intake.profile_columns.ROW`, and its accounts."""
    (customer, version, recorded_at, kind, segment, identity, occupation, industry, income_currency, income, expected,
     residence, nationality, rating, is_pep, is_occasional, screening, since, changed_at, exemption, accounts, _,
     contact, sources) = astuple(shape)  # fmt: skip
    for text in (customer, segment, occupation, industry):
        if text is not None and len(text) > _SHORT:
            _check_identifier(text)
    currency_of_income = _CURRENCY[income_currency]
    if income is not None and currency_of_income < 0:
        raise _Uncertain
    currency, monthly_in, monthly_out, monthly_cash = (
        (-1, UNKNOWN, UNKNOWN, UNKNOWN) if expected is None else _expected(expected)
    )
    if contact is not None:
        _COUNTRY[contact.country]
    for source in sources.values():
        _day(source.on)
    row = (
        customer,
        segment,
        occupation,
        industry,
        _KIND[kind],
        _RATING[rating],
        _TRUTH[is_pep],
        _COUNTRY[residence],
        _COUNTRY[nationality],
        currency_of_income,
        currency,
        _TRUTH[is_occasional],
        _SCREENING[screening],
        version,
        moment_us(recorded_at),
        UNKNOWN if income is None else _minor(income, currency_of_income),
        monthly_in,
        monthly_out,
        UNKNOWN if since is None else _day(since) * DAY_US,
        UNKNOWN if identity is None else _birth_day(identity),
        monthly_cash,
        UNKNOWN if changed_at is None else moment_us(changed_at),
        UNKNOWN if exemption is None else _reviewed_us(exemption),
    )
    return row, [_account(each, customer) for each in accounts]


def _expected(expected: Any) -> tuple[int, int, int, int]:
    """Currency, money in, money out and cash."""
    currency, monthly_in, monthly_out, monthly_cash, countries = astuple(expected)
    code = CURRENCY_CODE[currency]
    for country in countries:
        COUNTRY_CODE[country]
    return (
        code,
        UNKNOWN if monthly_in is None else _minor(monthly_in, code),
        UNKNOWN if monthly_out is None else _minor(monthly_out, code),
        UNKNOWN if monthly_cash is None else _minor(monthly_cash, code),
    )


def _reviewed_us(exemption: Any) -> int:
    granted, reviewed = _day(exemption.granted_on), exemption.reviewed_on
    return (granted if reviewed is None else _day(reviewed)) * DAY_US


def _birth_day(identity: Any) -> int:
    _COUNTRY[identity.document_country]
    return UNKNOWN if identity.birth_date is None else _day(identity.birth_date)


def _account(account: Struct, customer: str) -> Account:
    name, kind, opened_on, closed_on, currency, further = astuple(account)
    holders: tuple[str, ...] = (customer,)
    if len(name) > _SHORT:
        _check_identifier(name)
    if further:
        for each in further:
            _check_identifier(each)
        holders = tuple(dict.fromkeys((customer, *further)))
    _CURRENCY[currency]
    return (
        name,
        _ACCOUNT_KIND[kind],
        UNKNOWN if opened_on is None else _day(opened_on) * DAY_US,
        UNKNOWN if closed_on is None else _day(closed_on) * DAY_US,
        holders,
    )


def _check_identifier(text: str) -> None:
    if len(text) > _SHORT and not (text.isascii() and len(text) <= IDENTIFIER_BYTES_MAX):
        raise _Uncertain


def _minor(amount: str, currency: int) -> int:
    if len(amount) <= _DIGITS_MAX and amount.isdigit() and amount.isascii():
        minor: int = int(amount) * _SCALE[currency]
    else:
        minor = _with_decimals(amount, currency)
    if minor > AMOUNT_MINOR_MAX:
        raise _Uncertain
    return minor


def _with_decimals(amount: str, currency: int) -> int:
    if not _AMOUNT.fullmatch(amount):
        raise _Uncertain
    return parse_amount_minor(amount, CURRENCIES[currency])


@lru_cache(maxsize=65_536)
def _day(text: str) -> int:
    if not _DATE.fullmatch(text):
        raise _Uncertain
    return day_of(text)
