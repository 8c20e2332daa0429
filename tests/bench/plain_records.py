"""Records in plain Python: ``json.loads``, the checks that protect the windows, exact amounts, rates and months."""

import json
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, time, timedelta
from fractions import Fraction
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from monitor.domain.countries import COUNTRIES, COUNTRY_CODE
from monitor.domain.money import CURRENCY_CODE, DECIMALS, parse_amount_minor
from monitor.domain.time import parse_time_us
from monitor.domain.transaction import IDENTIFIER_BYTES_MAX, Transaction
from monitor.domain.vocabulary import CHANNELS, INSTRUMENTS, PARTY_KINDS, SCREENINGS, STATUSES, WALLETS
from monitor.intake.entities import Entity

_FIELDS = frozenset(Transaction.model_fields)
_IDENTIFIERS = ("transaction_id", "debtor_account", "debtor_customer", "creditor_account", "creditor_customer",
                "debtor_agent", "creditor_agent", "purpose", "booking_entity", "reverses", "conductor", "on_behalf_of",
                "device", "branch", "instructing_agent", "reason", "screening_list", "link")  # fmt: skip
_CHANNELS, _STATUSES = frozenset((*CHANNELS, None)), frozenset(STATUSES)
_FURTHER_WORDS = {"instrument": INSTRUMENTS, "wallet": WALLETS, "screening": SCREENINGS, "debtor_kind": PARTY_KINDS,
                  "creditor_kind": PARTY_KINDS, "goods_country": COUNTRIES}  # fmt: skip
_FURTHER_NAMES = frozenset((*_FURTHER_WORDS, "merchant_category"))
_COUNTRIES = frozenset((*COUNTRY_CODE, None))
_DECIMALS_OF = {currency: DECIMALS[code] for currency, code in CURRENCY_CODE.items()}
_HOUR_US = 3_600_000_000
_decode = json.JSONDecoder(parse_float=str).decode


class Refused(ValueError):
    """The record is refused; the text says why."""


def record_of(line: bytes) -> dict[str, Any]:
    """The fields of one line; ``booked_us`` and ``amount_minor`` are added.

    Raises:
        Refused: The line is no valid transaction.
    """
    try:
        record: dict[str, Any] = _decode(line.decode())
        if not record.keys() <= _FIELDS:
            raise Refused("field_unknown")
        get = record.get
        if _may_be_ill_sized(record):
            _check_identifiers(record)
        if get("channel") not in _CHANNELS or get("status", "booked") not in _STATUSES:
            raise Refused("word_unknown")
        if get("debtor_country") not in _COUNTRIES or get("creditor_country") not in _COUNTRIES:
            raise Refused("country_unknown")
        if not _FURTHER_NAMES.isdisjoint(record):
            _check_further(record)
        if get("debtor_customer") is None and get("creditor_customer") is None:
            raise Refused("no_party_of_ours")
        record["transaction_id"]
        booked_us = microseconds(record["booked_at"])
        received = get("received_at")
        if received is not None and booked_us > microseconds(received) + _HOUR_US:
            raise Refused("booked_in_future")
        record["booked_us"] = booked_us
        record["amount_minor"] = minor_units(record["amount"], record["currency"])
    except Refused:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Refused(str(error)) from error
    return record


def _may_be_ill_sized(record: dict[str, Any]) -> bool:
    """Whether a text is empty or longer than an identifier may be: two passes in C instead of a loop over names."""
    values = record.values()
    try:
        return "" in values or max(map(len, values)) > IDENTIFIER_BYTES_MAX  # type: ignore[arg-type]
    except TypeError:
        return True


def _check_identifiers(record: dict[str, Any]) -> None:
    for name in _IDENTIFIERS:
        text = record.get(name)
        if text is not None and not 0 < len(text) <= IDENTIFIER_BYTES_MAX:
            raise Refused("identifier")


def _check_further(record: dict[str, Any]) -> None:
    for name, words in _FURTHER_WORDS.items():
        if record.get(name) is not None and record[name] not in words:
            raise Refused("word_unknown")
    category = record.get("merchant_category")
    if category is not None and not (len(category) == 4 and category.isascii() and category.isdigit()):
        raise Refused("code_malformed")


def microseconds(text: str) -> int:
    """Microseconds since 1970. ``timestamp()`` is a float, but exact to a microsecond until the year 2255."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise Refused("time_without_zone")
    return round(moment.timestamp() * 1_000_000)


def minor_units(amount: str | int, currency: str) -> int:
    """Exact minor units. The common form, a text with all decimals, needs no padding."""
    text = amount if amount.__class__ is str else str(amount)
    decimals = _DECIMALS_OF[currency]
    if decimals and text[-decimals - 1 : -decimals] == ".":
        digits = text[: -decimals - 1] + text[-decimals:]
        value = int(digits) if digits.isascii() and digits.isdigit() else parse_amount_minor(text, currency)
    else:
        value = parse_amount_minor(text, currency)
    if value <= 0:
        raise Refused("amount_not_positive")
    return value


class Profile(NamedTuple):
    """What the ten rules ask of a profile; money is (minor units, currency)."""

    segment: str | None = None
    monthly_income: tuple[int, str] | None = None
    expected_monthly_in: tuple[int, str] | None = None


def profiles_of(lines: Iterable[bytes]) -> tuple[dict[str, Profile], dict[str, int]]:
    """The newest profile of each customer, and the opening time of each account, from a profiles file."""
    profiles: dict[str, tuple[int, Profile]] = {}
    opened_us: dict[str, int] = {}
    for line in lines:
        given = json.loads(line)
        if profiles.get(given["customer"], (0,))[0] >= given["version"]:
            continue
        income = expected = None
        if given.get("declared_income") is not None and given.get("income_currency") is not None:
            currency = given["income_currency"]
            income = round(Fraction(parse_amount_minor(given["declared_income"], currency), 12)), currency
        if (given.get("expected") or {}).get("monthly_in") is not None:
            currency = given["expected"]["currency"]
            expected = parse_amount_minor(given["expected"]["monthly_in"], currency), currency
        profiles[given["customer"]] = given["version"], Profile(given.get("segment"), income, expected)
        for account in given.get("accounts", ()):
            if account.get("opened_on") is not None:
                opened_us[account["account"]] = parse_time_us(account["opened_on"] + "T00:00:00Z")
    return {customer: profile for customer, (_, profile) in profiles.items()}, opened_us


class Conversion:
    """Amounts in dollars at the last rate published before the payment."""

    def __init__(self, rates: Iterable[tuple[int, str, str, Fraction]]) -> None:
        """``rates`` are (published, source, target, target units per unit of the source)."""
        self.published: dict[str, list[int]] = {}
        self.rates: dict[str, list[tuple[int, int]]] = {}
        for published_us, source, target, rate in sorted(rates):
            if target == "USD":
                scaled = rate * Fraction(10) ** (_DECIMALS_OF["USD"] - _DECIMALS_OF[source])
                self.published.setdefault(source, []).append(published_us)
                self.rates.setdefault(source, []).append(scaled.as_integer_ratio())

    def dollars(self, amount_minor: int, currency: str, booked_us: int) -> int | None:
        """Minor units of dollars, rounded half to even; ``None`` without a rate."""
        if currency == "USD":
            return amount_minor
        index = bisect_left(self.published.get(currency, ()), booked_us) - 1
        if index < 0:
            return None
        above, below = self.rates[currency][index]
        quotient, rest = divmod(amount_minor * above, below)
        return quotient + (2 * rest > below or (2 * rest == below and quotient % 2))


class Calendar:
    """The business month of a moment, remembered per entity and quarter of an hour (a minute if a cut-off needs it)."""

    def __init__(self, entities: Mapping[str, Entity]) -> None:
        self.entities = entities
        self.known: dict[tuple[str, int], int] = {}
        cut_offs = [time.fromisoformat(one.cut_off) for one in entities.values() if one.cut_off is not None]
        self.step_us = 60_000_000 * (15 if all(not (c.minute % 15 or c.second) for c in cut_offs) else 1)

    def month(self, entity: str, booked_us: int) -> int:
        """``12 x year + month`` of the business date."""
        key = entity, booked_us // self.step_us
        month = self.known.get(key)
        if month is None:
            month = self.known[key] = self._month(self.entities[entity], booked_us)
        return month

    def _month(self, entity: Entity, booked_us: int) -> int:
        moment = datetime.fromtimestamp(booked_us // 1_000_000, UTC).astimezone(ZoneInfo(entity.zone))
        day = moment.date()
        if entity.cut_off is not None and moment.time() >= time.fromisoformat(entity.cut_off):
            day += timedelta(days=1)
        while day.strftime("%a").lower() in entity.weekend or day.isoformat() in entity.holidays:
            day += timedelta(days=1)
        return 12 * day.year + day.month
