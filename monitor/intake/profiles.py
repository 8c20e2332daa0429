"""Customer profiles from JSON lines: strictly checked, refused with reasons.

The published shape is :class:`monitor.domain.profile.CustomerProfile`. The structures here mirror it for a fast
decoder; ``tests/intake/test_profiles.py`` checks that both accept and refuse the same records. Beyond the shape,
a profile's times, dates, currencies, countries and amounts must be real ones, as a transaction's must be. This is the
definition; :mod:`monitor.intake.profile_fast` loads whole files and falls back on it.
"""

import gzip
import zlib
from collections.abc import Iterator
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import IO, Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from monitor.domain.countries import COUNTRY_CODE
from monitor.domain.money import AMOUNT_MINOR_MAX, CURRENCY_CODE, DECIMALS, parse_amount_minor
from monitor.domain.refusal import Reason, Refusal
from monitor.domain.time import DAY_US, UNKNOWN, parse_time_us
from monitor.domain.transaction import IDENTIFIER_BYTES_MAX
from monitor.domain.vocabulary import ACCOUNT_KINDS, CUSTOMER_KINDS, RISK_RATINGS, SCREENINGS
from monitor.intake.lines import SourceDamaged

PROFILE_BYTES_MAX = 1 << 20
"""Longest profile record."""
VERSION_MAX = 2**63 - 1
_LINE_BYTES_MAX = PROFILE_BYTES_MAX + 2

Identifier = Annotated[str, Meta(min_length=1, max_length=IDENTIFIER_BYTES_MAX)]
Text = Annotated[str, Meta(min_length=1, max_length=1_000)]
Date = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}\Z")]
Amount = Annotated[str, Meta(pattern=r"^\d{1,15}(\.\d{1,8})?\Z")]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")]
Country = Annotated[str, Meta(pattern=r"^[A-Z]{2}\Z")]


class _Account(Struct, forbid_unknown_fields=True, gc=False):
    account: Identifier
    kind: Literal["current", "savings", "term_deposit", "loan", "prepaid", "card", "correspondent", "other"] | None = (
        None
    )
    opened_on: Date | None = None
    closed_on: Date | None = None
    currency: Currency | None = None
    holders: Annotated[list[Identifier], Meta(max_length=16)] = []


class _Related(Struct, forbid_unknown_fields=True, gc=False):
    relation: Literal["spouse", "child", "parent", "family", "beneficial_owner", "director", "signatory",
                      "employer", "guarantor", "other"]  # fmt: skip
    customer: Identifier | None = None
    name: Text | None = None
    share: Annotated[float, Meta(ge=0, le=1)] | None = None


class _Contact(Struct, forbid_unknown_fields=True, gc=False):
    email: Text | None = None
    phone: Text | None = None
    address: Text | None = None
    postcode: Text | None = None
    city: Text | None = None
    country: Country | None = None


class _Expected(Struct, forbid_unknown_fields=True, gc=False):
    currency: Currency
    monthly_in: Amount | None = None
    monthly_out: Amount | None = None
    monthly_cash: Amount | None = None
    countries: Annotated[list[Country], Meta(max_length=64)] = []


class _Identity(Struct, forbid_unknown_fields=True, gc=False):
    name: Text
    birth_date: Date | None = None
    document_kind: Text | None = None
    document_number: Text | None = None
    document_country: Country | None = None


class _Exemption(Struct, forbid_unknown_fields=True, gc=False):
    granted_on: Date
    reviewed_on: Date | None = None


class _Source(Struct, forbid_unknown_fields=True, gc=False):
    source: Text
    on: Date


class ProfileShape(Struct, forbid_unknown_fields=True, gc=False):
    """The fields of :class:`monitor.domain.profile.CustomerProfile`."""

    customer: Identifier
    version: Annotated[int, Meta(ge=1, le=VERSION_MAX)]
    recorded_at: str
    kind: Literal["person", "business"]
    segment: Identifier | None = None
    identity: _Identity | None = None
    occupation: Text | None = None
    industry: Text | None = None
    income_currency: Currency | None = None
    declared_income: Amount | None = None
    expected: _Expected | None = None
    residence: Country | None = None
    nationality: Country | None = None
    risk_rating: Literal["low", "medium", "high", "prohibited"] | None = None
    is_pep: bool | None = None
    is_occasional: bool | None = None
    screening: Literal["clear", "possible", "confirmed"] | None = None
    customer_since: Date | None = None
    credentials_changed_at: str | None = None
    report_exemption: _Exemption | None = None
    accounts: Annotated[list[_Account], Meta(max_length=256)] = []
    related: Annotated[list[_Related], Meta(max_length=256)] = []
    contact: _Contact | None = None
    sources: dict[str, _Source] = {}


class AccountRecord(Struct, frozen=True, gc=False):
    """An account of a profile. Times are midnight UTC of the day, ``UNKNOWN`` where not given; the customer is
    the first of ``holders``."""

    account: str
    kind: int
    opened_us: int
    closed_us: int
    holders: tuple[str, ...]


class ProfileRecord(Struct, frozen=True, gc=False):
    """One checked profile version. Codes are ``-1`` and 64-bit values ``UNKNOWN`` where not known."""

    customer: str
    version: int
    recorded_at_us: int
    kind: int
    segment: str | None
    risk_rating: int
    is_pep: int
    """1, 0 or -1, and so ``is_occasional``."""
    is_occasional: int
    screening: int
    residence: int
    nationality: int
    occupation: str | None
    industry: str | None
    income_minor: int
    """A year's, in the currency ``income_currency``."""
    income_currency: int
    expected_in_minor: int
    expected_out_minor: int
    expected_cash_minor: int
    expected_currency: int
    customer_since_us: int
    credentials_changed_us: int
    exemption_reviewed_us: int
    """Midnight UTC of the day; the grant counts as a review."""
    birth_day: int
    """Days since 1970-01-01, negative before."""
    accounts: tuple[AccountRecord, ...]
    original: bytes
    """The record as it was read, for the vault."""


class _ProfileRefusedError(Exception):
    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


def read_profiles(path: Path, *, first_position: int = 0) -> Iterator[ProfileRecord | Refusal]:
    """Profiles of a file (JSON lines, gzip by its first bytes), each checked, or why it is refused.

    Blank lines are no records. Each record has a position, from ``first_position`` on.

    Raises:
        OSError: The file cannot be read.
        SourceDamaged: The gzip data are damaged or cut.
    """
    for position, (number, line) in enumerate(profile_lines(path), first_position):
        yield profile_of(line, place=f"{path}:{number}", position=position)


def profile_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a file that are not blank, with their numbers.

    Of a line beyond the limit the first bytes are handed on, one more than a profile may have.

    Raises:
        OSError: The file cannot be read.
        SourceDamaged: The gzip data are damaged or cut.
    """
    with path.open("rb") as raw:
        is_gzip = raw.peek(2)[:2] == b"\x1f\x8b"
        try:
            yield from _lines(gzip.GzipFile(fileobj=raw) if is_gzip else raw)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise SourceDamaged(f"{path}: the gzip data are damaged ({error}); fetch the file again") from error


def _lines(file: IO[bytes] | gzip.GzipFile) -> Iterator[tuple[int, bytes]]:
    number, line = 0, b" "
    while line:
        number += 1
        line = file.readline(_LINE_BYTES_MAX)
        if len(line) == _LINE_BYTES_MAX and not line.endswith(b"\n"):
            rest = line
            while rest and not rest.endswith(b"\n"):
                rest = file.readline(_LINE_BYTES_MAX)
            # Whatever it ends with: it is not to be taken for a line that fits.
            line = line[:PROFILE_BYTES_MAX] + b"\0"
        if line and not line.isspace():
            yield number, line


def profile_of(line: bytes, *, place: str, position: int) -> ProfileRecord | Refusal:
    """One record, checked, or its refusal.

    >>> line = b'{"customer":"C1","version":1,"recorded_at":"2026-01-01T00:00:00Z","kind":"person","is_pep":false}'
    >>> profile = profile_of(line, place="profiles.jsonl:1", position=0)
    >>> profile.customer, profile.is_pep, profile.risk_rating
    ('C1', 0, -1)
    >>> profile_of(b"{}", place="profiles.jsonl:2", position=1).reason.value
    'field_missing'
    """
    original = line.rstrip(b"\r\n")
    try:
        return _checked(_decoded(original), original)
    except _ProfileRefusedError as refused:
        return Refusal(position, place, refused.reason, refused.detail, original[:PROFILE_BYTES_MAX])


_DECODER = msgspec.json.Decoder(ProfileShape)


def _decoded(original: bytes) -> ProfileShape:
    if len(original) > PROFILE_BYTES_MAX:
        raise _ProfileRefusedError(
            Reason.TOO_LONG, f"longer than {PROFILE_BYTES_MAX} bytes; the first {PROFILE_BYTES_MAX} are kept"
        )
    try:
        return _DECODER.decode(original)
    except msgspec.ValidationError as error:
        raise _ProfileRefusedError(_reason_of(str(error)), str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        try:
            original.decode()
        except UnicodeDecodeError as not_text:
            raise _ProfileRefusedError(Reason.NOT_UTF8, f"at byte {not_text.start}") from error
        raise _ProfileRefusedError(Reason.NOT_JSON, str(error)) from error


def _reason_of(message: str) -> Reason:
    if "missing required field" in message:
        return Reason.FIELD_MISSING
    if "unknown field" in message:
        return Reason.FIELD_UNKNOWN
    if "Invalid enum value" in message:
        return Reason.WORD_UNKNOWN
    if "length >= 1" in message:
        return Reason.IDENTIFIER_EMPTY
    if "`str` of length <=" in message:
        return Reason.IDENTIFIER_TOO_LONG if f"<= {IDENTIFIER_BYTES_MAX}" in message else Reason.TEXT_TOO_LONG
    return Reason.WRONG_TYPE if " - at `$" in message else Reason.NOT_AN_OBJECT


def _checked(shape: ProfileShape, original: bytes) -> ProfileRecord:
    if shape.declared_income is not None and shape.income_currency is None:
        raise _ProfileRefusedError(Reason.FIELD_MISSING, "declared_income needs income_currency")
    for name in ("segment", "occupation", "industry"):
        _identifier(getattr(shape, name), name)
    expected = shape.expected or _Expected("USD")
    identity, since, changed = shape.identity, shape.customer_since, shape.credentials_changed_at
    return ProfileRecord(
        customer=_identifier(shape.customer, "customer") or "",
        version=shape.version,
        recorded_at_us=_moment_us(shape.recorded_at, "recorded_at"),
        kind=CUSTOMER_KINDS.index(shape.kind),
        segment=shape.segment,
        risk_rating=-1 if shape.risk_rating is None else RISK_RATINGS.index(shape.risk_rating),
        is_pep=-1 if shape.is_pep is None else int(shape.is_pep),
        is_occasional=-1 if shape.is_occasional is None else int(shape.is_occasional),
        screening=-1 if shape.screening is None else SCREENINGS.index(shape.screening),
        residence=_country(shape.residence, "residence"),
        nationality=_country(shape.nationality, "nationality"),
        occupation=shape.occupation,
        industry=shape.industry,
        income_minor=_minor(shape.declared_income, shape.income_currency, "declared_income"),
        income_currency=_currency(shape.income_currency, "income_currency"),
        expected_in_minor=_minor(expected.monthly_in, expected.currency, "expected.monthly_in"),
        expected_out_minor=_minor(expected.monthly_out, expected.currency, "expected.monthly_out"),
        expected_cash_minor=_minor(expected.monthly_cash, expected.currency, "expected.monthly_cash"),
        expected_currency=_currency(None if shape.expected is None else expected.currency, "expected.currency"),
        customer_since_us=UNKNOWN if since is None else _day(since, "customer_since") * DAY_US,
        credentials_changed_us=UNKNOWN if changed is None else _moment_us(changed, "credentials_changed_at"),
        exemption_reviewed_us=UNKNOWN if shape.report_exemption is None else _reviewed_us(shape.report_exemption),
        birth_day=UNKNOWN
        if identity is None or identity.birth_date is None
        else _day(identity.birth_date, "birth_date"),
        accounts=tuple(_account(account, shape.customer) for account in shape.accounts),
        original=original,
    )


def _reviewed_us(exemption: _Exemption) -> int:
    granted, reviewed = _day(exemption.granted_on, "report_exemption.granted_on"), exemption.reviewed_on
    return (granted if reviewed is None else _day(reviewed, "report_exemption.reviewed_on")) * DAY_US


def _account(account: _Account, customer: str) -> AccountRecord:
    holders = tuple(dict.fromkeys((customer, *account.holders)))
    for holder in holders:
        _identifier(holder, "accounts.holders")
    return AccountRecord(
        account=_identifier(account.account, "accounts.account") or "",
        kind=-1 if account.kind is None else ACCOUNT_KINDS.index(account.kind),
        opened_us=UNKNOWN if account.opened_on is None else _day(account.opened_on, "accounts.opened_on") * DAY_US,
        closed_us=UNKNOWN if account.closed_on is None else _day(account.closed_on, "accounts.closed_on") * DAY_US,
        holders=holders,
    )


def _identifier(text: str | None, field: str) -> str | None:
    if text is not None and "\0" in text:
        raise _ProfileRefusedError(Reason.CHARACTER_REFUSED, f"{field}: holds NUL")
    if text is not None and not text.isascii() and len(text.encode()) > IDENTIFIER_BYTES_MAX:
        raise _ProfileRefusedError(Reason.IDENTIFIER_TOO_LONG, f"{field}: more than {IDENTIFIER_BYTES_MAX} bytes")
    if text is not None and len(text) > IDENTIFIER_BYTES_MAX:
        raise _ProfileRefusedError(Reason.IDENTIFIER_TOO_LONG, f"{field}: more than {IDENTIFIER_BYTES_MAX} bytes")
    return text


def _country(code: str | None, field: str) -> int:
    if code is not None and code not in COUNTRY_CODE:
        raise _ProfileRefusedError(Reason.COUNTRY_UNKNOWN, f"{field}: {code!r}")
    return -1 if code is None else COUNTRY_CODE[code]


def _currency(code: str | None, field: str) -> int:
    if code is not None and code not in CURRENCY_CODE:
        raise _ProfileRefusedError(Reason.CURRENCY_UNKNOWN, f"{field}: {code!r}")
    return -1 if code is None else CURRENCY_CODE[code]


def _minor(amount: str | None, currency: str | None, field: str) -> int:
    if amount is None or currency is None:
        return UNKNOWN
    _currency(currency, field)
    try:
        minor = parse_amount_minor(amount, currency)
    except ValueError as error:
        digits = len(amount.partition(".")[2].rstrip("0"))
        is_precise = digits > DECIMALS[CURRENCY_CODE[currency]]
        reason = Reason.AMOUNT_TOO_PRECISE if is_precise else Reason.AMOUNT_NOT_DECIMAL
        raise _ProfileRefusedError(reason, f"{field}: {error}") from error
    if minor > AMOUNT_MINOR_MAX:
        raise _ProfileRefusedError(Reason.AMOUNT_TOO_LARGE, f"{field}: {amount!r}")
    return minor


def _moment_us(text: str, field: str) -> int:
    try:
        return moment_us(text)
    except ValueError as error:
        reason = Reason.TIME_WITHOUT_ZONE if "without a zone" in str(error) else Reason.TIME_NOT_ISO
        raise _ProfileRefusedError(reason, f"{field}: {error}") from error


def _day(text: str, field: str) -> int:
    try:
        return day_of(text)
    except ValueError as error:
        raise _ProfileRefusedError(Reason.TIME_NOT_ISO, f"{field}: {error}") from error


@lru_cache(maxsize=65_536)
def moment_us(text: str) -> int:
    """Microseconds since 1970 of a time with a zone.

    Raises:
        ValueError: It is none, or has no zone.
    """
    return parse_time_us(text)


@lru_cache(maxsize=65_536)
def day_of(text: str) -> int:
    """Days since 1970 of a date as ``2026-01-31``, negative before.

    Raises:
        ValueError: There is no such day.
    """
    if not text.isascii():
        raise ValueError(f"{text!r} is no date")
    return (date.fromisoformat(text) - date(1970, 1, 1)).days
