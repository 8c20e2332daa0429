"""The definition of what a record means, one record at a time, in Python.

The kernels read the plain records and decline the rest; what they decline ends here. This module says what is
accepted, with which value, and which :class:`~monitor.domain.refusal.Reason` a refused record has. Checks come in a
fixed order and the first that fails gives the reason: UTF-8, JSON, an object, unknown or repeated fields in the order
of the record, then each field in the order of the schema (the currency before the amount), then what several
fields must have together.

Defined here, because senders differ:

- ``null`` and an absent field are the same. Words are exact: ``Cash`` is not ``cash``.
- Times are ``YYYY-MM-DDTHH:MM[:SS[.decimals]]`` with ``Z`` or an offset; a space may stand for the ``T``. Decimals
  beyond the sixth must be zeros; leap seconds and ``24:00`` are refused.
- Amounts are digits with a point, as text or as a JSON number. A JSON number may have an exponent.
- Texts may hold any character but NUL and unpaired surrogates, which no store downstream can keep.
- ``NaN`` and ``Infinity`` are not JSON. Nesting deeper than 16 levels is refused before it is parsed.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn

from monitor.domain.countries import COUNTRY_CODE
from monitor.domain.money import AMOUNT_MINOR_MAX, DECIMALS
from monitor.domain.money import CURRENCY_CODE as CODE_OF_CURRENCY
from monitor.domain.refusal import Reason
from monitor.domain.time import HOUR_US, MINUTE_US, SECOND_US, TIME_MAX_US, TIME_MIN_US, UNKNOWN
from monitor.domain.transaction import GIVEN, IDENTIFIER_BYTES_MAX, TEXT_BYTES_MAX
from monitor.domain.vocabulary import CHANNELS, INSTRUMENTS, PARTY_KINDS, SCREENINGS, STATUSES, WALLETS
from monitor.intake.given import says_something
from monitor.intake.json_scan import RECORD_BYTES_MAX
from monitor.intake.record_fields import FIELD_NUMBER, FIELDS, FIRST_FURTHER, IDENTIFIERS, REQUIRED

DEPTH_MAX = 16
SHOWN_MAX = 60
"""Characters of a value that a refusal's detail shows."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(?:(Z)|([+-])(\d\d)(?::?(\d\d))?)?", re.ASCII
)
_DECIMAL = re.compile(r"(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?", re.ASCII)
_MERCHANT_CATEGORY = re.compile(r"[0-9]{4}", re.ASCII)
_COUNTRIES = ("debtor_country", "creditor_country", "goods_country")
_WORDS = {
    "channel": CHANNELS,
    "status": STATUSES,
    "instrument": INSTRUMENTS,
    "wallet": WALLETS,
    "screening": SCREENINGS,
    "debtor_kind": PARTY_KINDS,
    "creditor_kind": PARTY_KINDS,
}
_FURTHER = FIELDS[FIRST_FURTHER:]
_EXPONENT_MAX = 1_000
"""Exponents beyond are taken as this: either way the amount is out of every range."""


class RecordRefused(Exception):
    """The record is refused, for a documented reason and with the field and value in words."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class JsonNumber(str):
    """A number as the sender wrote it."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Expectations:
    """What a record is checked against besides the schema."""

    entities: frozenset[str] | None
    """Booking entities that exist; ``None`` allows any."""
    accounts_are_ours: bool
    """Whether an account makes a side the bank's own, for sources that name no customers."""


@dataclass(frozen=True, slots=True)
class Record:
    """An accepted record: texts by field, and numbers as :mod:`monitor.intake.record_fields` lists them."""

    texts: Mapping[str, bytes]
    values: tuple[int, ...]


def read_json(line: bytes) -> dict[str, object]:
    """The fields of a JSON object, numbers as :class:`JsonNumber`.

    >>> read_json(b'{"amount": 1.50}')
    {'amount': '1.50'}

    Raises:
        RecordRefused: Too long, not UTF-8, not JSON, no object, or a field that is unknown or comes twice.
    """
    if len(line) > RECORD_BYTES_MAX:
        refuse(Reason.TOO_LONG, f"longer than {RECORD_BYTES_MAX} bytes; the first {RECORD_BYTES_MAX} are kept")
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        refuse(Reason.NOT_UTF8, f"byte {error.start + 1} of the record is 0x{line[error.start]:02x}: {error.reason}")
    _check_depth(text)
    try:
        found = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        refuse(Reason.NOT_JSON, f"no JSON from character {error.pos + 1} on: {_shown(text[error.pos :])}")
    if not isinstance(found, _Pairs):
        refuse(Reason.NOT_AN_OBJECT, f"the line is {_kind(found)}: {_shown(found)}")
    fields: dict[str, object] = {}
    for name, value in found.pairs:
        if name not in FIELD_NUMBER:
            refuse(Reason.FIELD_UNKNOWN, f"{_shown(name)} is not a field of a transaction")
        if name in fields:
            refuse(Reason.FIELD_TWICE, f"{name}: comes twice, first {_shown(fields[name])}, then {_shown(value)}")
        fields[name] = value
    return fields


def check_record(fields: Mapping[str, object], expected: Expectations) -> Record:
    """The record that the fields make.

    Args:
        fields: Values by name of the schema: ``str``, :class:`JsonNumber`, ``None`` or what else the source had.
        expected: What else is checked.

    Raises:
        RecordRefused: The first check that failed.
    """
    for name in fields:
        if name not in FIELD_NUMBER:
            refuse(Reason.FIELD_UNKNOWN, f"{_shown(name)} is not a field of a transaction")
    texts: dict[str, bytes] = {}
    numbers = dict.fromkeys((*_COUNTRIES, *_WORDS), -1)
    numbers["received_at"], numbers["status"] = UNKNOWN, 0
    for name in FIELDS:
        value = fields.get(name)
        if value is None:
            if FIELD_NUMBER[name] in REQUIRED:
                refuse(Reason.FIELD_MISSING, f"{name}: {'null' if name in fields else 'absent'}")
        elif name == "amount":
            if fields.get("currency") is None:
                refuse(Reason.FIELD_MISSING, f"currency: {'null' if 'currency' in fields else 'absent'}")
            currency = _code("currency", fields["currency"], CODE_OF_CURRENCY, Reason.CURRENCY_UNKNOWN)
            numbers[name] = _amount_minor(value, currency, str(fields["currency"]))
        elif name in ("booked_at", "received_at"):
            numbers[name] = time_us(name, value)
        elif name == "currency":
            numbers[name] = _code(name, value, CODE_OF_CURRENCY, Reason.CURRENCY_UNKNOWN)
        elif name in _COUNTRIES:
            numbers[name] = _code(name, value, COUNTRY_CODE, Reason.COUNTRY_UNKNOWN)
        elif name in _WORDS:
            codes = {word: code for code, word in enumerate(_WORDS[name])}
            numbers[name] = _code(name, value, codes, Reason.WORD_UNKNOWN)
        elif name == "merchant_category":
            texts[name] = _merchant_category(value)
        else:
            texts[name] = _text(name, value)
    _check_together(texts, numbers, fields, expected)
    return Record(
        texts,
        (
            numbers["booked_at"],
            numbers["received_at"],
            numbers["amount"],
            numbers["currency"],
            numbers["channel"],
            numbers["status"],
            numbers["debtor_country"],
            numbers["creditor_country"],
            sum(1 << bit for bit, name in enumerate(GIVEN) if says_something(texts.get(name, b""))),
            int(any(fields.get(name) is not None for name in _FURTHER)),
            numbers["instrument"],
            numbers["wallet"],
            numbers["screening"],
            numbers["debtor_kind"],
            numbers["creditor_kind"],
            numbers["goods_country"],
        ),
    )


def refuse(reason: Reason, detail: str) -> NoReturn:
    """Raise :class:`RecordRefused`."""
    raise RecordRefused(reason, detail)


def time_us(name: str, value: object) -> int:
    """Microseconds UTC of an ISO 8601 time.

    >>> time_us("booked_at", "1970-01-01T01:00+01:00")
    0

    Raises:
        RecordRefused: No such time, no zone, or out of range.
    """
    text = _string(name, value)
    match = _TIME.fullmatch(text)
    if match is None:
        refuse(Reason.TIME_NOT_ISO, f"{name}: {_shown(text)} is not like 2026-05-04T09:00:00Z")
    *parts, decimals, zulu, sign, hours, minutes = match.groups()
    year, month, day, hour, minute, second = (int(part or 0) for part in parts)
    if zulu is None and sign is None:
        refuse(Reason.TIME_WITHOUT_ZONE, f"{name}: {_shown(text)} names no zone")
    if year < 1970:
        refuse(Reason.TIME_ABSURD, f"{name}: {_shown(text)} is before 1970")
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        refuse(Reason.TIME_NOT_ISO, f"{name}: {_shown(text)} does not exist")
    fraction = (decimals or "").rstrip("0")
    if len(fraction) > 6:
        refuse(Reason.TIME_NOT_ISO, f"{name}: {_shown(text)} is finer than a microsecond")
    offset_hours, offset_minutes = int(hours or 0), int(minutes or 0)
    if offset_hours > 23 or offset_minutes > 59:
        refuse(Reason.TIME_NOT_ISO, f"{name}: {_shown(text)} has an offset that does not exist")
    offset = (offset_hours * 60 + offset_minutes) * MINUTE_US
    since = moment - _EPOCH
    us = (since.days * 86_400 + since.seconds) * SECOND_US + int(fraction.ljust(6, "0"))
    us += offset if sign == "-" else -offset
    if not TIME_MIN_US <= us < TIME_MAX_US:
        refuse(Reason.TIME_ABSURD, f"{name}: {_shown(text)} is not between 1970 and 2099")
    return us


def _amount_minor(value: object, currency: int, currency_name: str) -> int:
    if not isinstance(value, str):
        refuse(Reason.WRONG_TYPE, f"amount: {_shown(value)} is {_kind(value)}, a decimal is expected")
    match = _DECIMAL.fullmatch(value)
    if match is None or (match[4] and not isinstance(value, JsonNumber)):
        refuse(Reason.AMOUNT_NOT_DECIMAL, f"amount: {_shown(value)} is no plain decimal number")
    sign, whole, part, exponent = match[1], match[2], match[3] or "", _small_int(match[4] or "0")
    digits = (whole + part).lstrip("0")
    significant = digits.rstrip("0")
    places = len(part) - exponent - (len(digits) - len(significant))
    decimals = DECIMALS[currency]
    if sign or not significant:
        refuse(Reason.AMOUNT_NOT_POSITIVE, f"amount: {_shown(value)} is not more than zero")
    if places > decimals:
        refuse(
            Reason.AMOUNT_TOO_PRECISE,
            f"amount: {_shown(value)} has {places} decimal{'s' * (places != 1)}, {currency_name} has {decimals}",
        )
    if len(significant) + decimals - places > 18:
        refuse(Reason.AMOUNT_TOO_LARGE, f"amount: {_shown(value)} is above {AMOUNT_MINOR_MAX} minor units")
    minor = int(significant + (decimals - places) * "0")
    if minor > AMOUNT_MINOR_MAX:
        refuse(Reason.AMOUNT_TOO_LARGE, f"amount: {_shown(value)} is above {AMOUNT_MINOR_MAX} minor units")
    return minor


def _small_int(text: str) -> int:
    digits = text.lstrip("+-").lstrip("0")
    size = _EXPONENT_MAX + RECORD_BYTES_MAX if len(digits) > 6 else int(digits or 0)
    return -size if text.startswith("-") else size


def _string(name: str, value: object) -> str:
    if not isinstance(value, str) or isinstance(value, JsonNumber):
        refuse(Reason.WRONG_TYPE, f"{name}: {_shown(value)} is {_kind(value)}, a text is expected")
    return value


def _code(name: str, value: object, codes: Mapping[str, int], reason: Reason) -> int:
    text = _string(name, value)
    if text not in codes:
        refuse(reason, f"{name}: {_shown(text)} is not in the list")
    return codes[text]


def _text(name: str, value: object) -> bytes:
    text = _string(name, value)
    if "\0" in text:
        refuse(Reason.CHARACTER_REFUSED, f"{name}: {_shown(text)} holds the character NUL")
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        refuse(Reason.CHARACTER_REFUSED, f"{name}: {_shown(text)} holds half of a surrogate pair")
    if FIELD_NUMBER[name] in IDENTIFIERS:
        if not encoded:
            refuse(Reason.IDENTIFIER_EMPTY, f"{name}: empty")
        if len(encoded) > IDENTIFIER_BYTES_MAX:
            refuse(Reason.IDENTIFIER_TOO_LONG, f"{name}: {_shown(text)} has {len(encoded)} bytes")
    elif len(encoded) > TEXT_BYTES_MAX:
        refuse(Reason.TEXT_TOO_LONG, f"{name}: {_shown(text)} has {len(encoded)} bytes")
    return encoded


def _merchant_category(value: object) -> bytes:
    text = _string("merchant_category", value)
    if not _MERCHANT_CATEGORY.fullmatch(text):
        refuse(Reason.CODE_MALFORMED, f"merchant_category: {_shown(text)} is not four digits such as 6051")
    return text.encode()


def _check_together(
    texts: Mapping[str, bytes], numbers: Mapping[str, int], fields: Mapping[str, object], expected: Expectations
) -> None:
    entity = fields.get("booking_entity")
    if entity is not None and expected.entities is not None and entity not in expected.entities:
        refuse(Reason.ENTITY_UNKNOWN, f"booking_entity: {_shown(entity)} is not among the booking entities")
    if STATUSES[numbers["status"]] in ("reversed", "returned") and "reverses" not in texts:
        refuse(Reason.REVERSES_MISSING, f"reverses: absent, and status is {_shown(fields['status'])}")
    sides = ["debtor_customer", "creditor_customer"]
    if expected.accounts_are_ours:
        sides += ["debtor_account", "creditor_account"]
    if not any(side in texts for side in sides):
        refuse(Reason.NO_PARTY_OF_OURS, " and ".join(sides) + ": absent")
    received = numbers["received_at"]
    if received != UNKNOWN and numbers["booked_at"] > received + HOUR_US:
        late = (numbers["booked_at"] - received) // SECOND_US
        refuse(Reason.BOOKED_IN_FUTURE, f"booked_at: {_shown(fields['booked_at'])} is {late} s after received_at")


@dataclass(frozen=True, slots=True)
class _Pairs:
    pairs: list[tuple[str, object]]


def _not_a_number(text: str) -> NoReturn:
    refuse(Reason.NOT_JSON, f"{text} is not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_Pairs, parse_float=JsonNumber, parse_int=JsonNumber, parse_constant=_not_a_number
)


def _check_depth(text: str) -> None:
    """Refuse deep nesting before a parser recurses into it; texts may hold any number of brackets."""
    if text.count("{") + text.count("[") <= DEPTH_MAX:
        return
    depth, in_text, escaped = 0, False, False
    for character in text:
        if in_text:
            in_text = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            in_text = True
        elif character in "[{":
            depth += 1
            if depth > DEPTH_MAX:
                refuse(Reason.NOT_JSON, f"nested deeper than {DEPTH_MAX} levels")
        elif character in "]}":
            depth -= 1


def _plain(value: object) -> object:
    if isinstance(value, _Pairs):
        return {name: _plain(inner) for name, inner in value.pairs}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


def _shown(value: object) -> str:
    """A value as JSON, shortened."""
    text = value if isinstance(value, JsonNumber) else json.dumps(_plain(value), ensure_ascii=False)
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= SHOWN_MAX else text[: SHOWN_MAX - 1] + "…"


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, JsonNumber | int | float):
        return "a number"
    if isinstance(value, str):
        return "a text"
    return "an object" if isinstance(value, _Pairs | dict) else "a list"
