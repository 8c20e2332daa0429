"""Who a case is about: the customer's profile as it was at the alert and as it is now, and who belongs to them.

Profiles are read from what the run kept of them, for one customer. A version is shown as the bank recorded it; what the
product does not know a word for is left out of the comparison of fields and stays in the record.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monitor.app.rerun_inputs import InputsThen
from monitor.app.rerun_profiles import KeptVersion, ProfileVersions
from monitor.app.rerunning import Evidence, Rerunner
from monitor.domain.countries import COUNTRIES
from monitor.domain.identifiers import IdentifierKind
from monitor.domain.money import CURRENCIES, CURRENCY_CODE, format_amount, format_amount_for_reading, parse_amount_minor
from monitor.domain.time import UNKNOWN, format_time
from monitor.domain.vocabulary import ACCOUNT_KINDS, CUSTOMER_KINDS, RISK_RATINGS, SCREENINGS
from monitor.intake.profiles import ProfileRecord

VERSIONS_MAX = 50
_MONEY = {"declared_income": "income_currency", "expected.monthly_in": "expected.currency",
          "expected.monthly_out": "expected.currency", "expected.monthly_cash": "expected.currency"}  # fmt: skip
_APART = ("customer", "version", "recorded_at", "accounts", "related", "sources", "income_currency")
_NEVER = ("document_number",)
"""Shown to nobody here: it takes no part in a decision."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the profile then and now; ``None`` where it was not known. ``source`` says whence it comes now."""

    name: str
    then: str | None
    now: str | None
    source: str | None

    @property
    def is_changed(self) -> bool:
        return self.then != self.now


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the customer as it is now, with its other holders."""

    account: str
    kind: str | None
    opened_on: str | None
    closed_on: str | None
    holders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Related:
    """Somebody who belongs to the customer. ``token`` (hex) is given where they are a customer too."""

    relation: str
    customer: str | None
    name: str | None
    share: str | None
    token: str | None


@dataclass(frozen=True, slots=True)
class Customer:
    """What the bank holds. Versions are numbers, with the time of recording in µs UTC.

    ``then`` is the version in force at the alert, ``now`` the newest; ``None`` where there was none.
    """

    identifier: str
    then: tuple[int, int] | None
    now: tuple[int, int] | None
    fields: tuple[Field, ...]
    accounts: tuple[Account, ...]
    related: tuple[Related, ...]
    versions: tuple[tuple[int, int], ...]


def customer_at(evidence: Evidence, rerunner: Rerunner, *, now_us: int) -> Customer | None:
    """The customer behind an alert; ``None`` where the payment names none.

    Args:
        evidence: The alert as stored.
        rerunner: The files of the store.
        now_us: Versions recorded later do not count as known now, µs UTC.

    Raises:
        HistoryLost: The payment is not in the history.
        InputNotKept: The profiles were not kept.
    """
    token = _holder(evidence, rerunner)
    name = None if token is None else rerunner.name(token)
    if name is None:
        return None
    held = rerunner.profiles(rerunner.then(evidence))
    then = _version(held[-1][1] if held else None, name, int(evidence["position"]), evidence["profile_version"])
    newest = _newest_profiles(rerunner, evidence)
    known = [] if newest is None else _read(newest, name)
    known = [each for each in known if each.recorded_at_us <= now_us]
    now = known[-1] if known else None
    return _customer(_readable(name, rerunner), then, now, known, rerunner)


def _holder(evidence: Evidence, rerunner: Rerunner) -> bytes | None:
    """The token of the customer whom the alert is about, or whose account it is about."""
    if evidence["subject"]["kind"] == "customer":
        return bytes.fromhex(evidence["subject"]["id"])
    found = rerunner.row(int(evidence["position"]))
    side = "creditor" if str(evidence["leg_role"]).startswith("creditor") else "debtor"
    holder = found[f"{side}_holder"] or found["debtor_holder"] or found["creditor_holder"]
    return None if holder is None else bytes(holder)


def _newest_profiles(rerunner: Rerunner, evidence: Evidence) -> ProfileVersions | None:
    """The profiles that the log took up last."""
    last = rerunner.profiles(InputsThen.of(rerunner.archive, rerunner.noted, evidence | {"position": 2**62}))
    return last[-1][1] if last else None


def _read(kept: ProfileVersions, name: str) -> list[KeptVersion]:
    kept.read({name}, set())
    return list(kept.versions.get(name, ()))


def _version(kept: ProfileVersions | None, name: str, position: int, version: int | None) -> KeptVersion | None:
    """The version that the alert names."""
    if kept is None or version is None:
        return None
    named = [each for each in _read(kept.at(position), name) if each.version == version]
    return named[-1] if named else None


def _customer(
    name: str, then: KeptVersion | None, now: KeptVersion | None, known: list[KeptVersion], rerunner: Rerunner
) -> Customer:
    before, after = _record(then), _record(now)
    told = dict(_said(before)), dict(_said(after))
    sources = after.get("sources") or {}
    names = [*told[1], *(each for each in told[0] if each not in told[1])]
    return Customer(
        identifier=name,
        then=None if then is None else (then.version, then.recorded_at_us),
        now=None if now is None else (now.version, now.recorded_at_us),
        fields=tuple(Field(each, told[0].get(each), told[1].get(each), _source(sources.get(each))) for each in names),
        accounts=tuple(_account(each, rerunner) for each in after.get("accounts") or ()),
        related=tuple(_related(each, rerunner) for each in after.get("related") or ()),
        versions=tuple((each.version, each.recorded_at_us) for each in known[-VERSIONS_MAX:]),
    )


def _record(kept: KeptVersion | None) -> Mapping[str, Any]:
    if kept is None:
        return {}
    return dict(json.loads(kept.profile.original)) if kept.profile.original else _coded(kept.profile)


def _coded(profile: ProfileRecord) -> Mapping[str, Any]:
    """The record as far as logs carry it: without names and related parties."""

    def word(words: Sequence[str], code: int) -> str | None:
        return None if code < 0 else words[code]

    def amount(amount_minor: int, currency: int) -> str | None:
        return None if amount_minor == UNKNOWN or currency < 0 else format_amount(amount_minor, CURRENCIES[currency])

    def day(time_us: int) -> str | None:
        return None if time_us == UNKNOWN else format_time(time_us)[:10]

    expected = profile.expected_currency
    return {
        "kind": word(CUSTOMER_KINDS, profile.kind),
        "segment": profile.segment,
        "occupation": profile.occupation,
        "industry": profile.industry,
        "income_currency": word(CURRENCIES, profile.income_currency),
        "declared_income": amount(profile.income_minor, profile.income_currency),
        "expected": {
            "currency": word(CURRENCIES, expected),
            "monthly_in": amount(profile.expected_in_minor, expected),
            "monthly_out": amount(profile.expected_out_minor, expected),
            "monthly_cash": amount(profile.expected_cash_minor, expected),
        },
        "residence": word(COUNTRIES, profile.residence),
        "nationality": word(COUNTRIES, profile.nationality),
        "risk_rating": word(RISK_RATINGS, profile.risk_rating),
        "is_pep": None if profile.is_pep < 0 else bool(profile.is_pep),
        "is_occasional": None if profile.is_occasional < 0 else bool(profile.is_occasional),
        "screening": word(SCREENINGS, profile.screening),
        "customer_since": day(profile.customer_since_us),
        "accounts": [
            {"account": each.account, "kind": word(ACCOUNT_KINDS, each.kind), "opened_on": day(each.opened_us),
             "closed_on": day(each.closed_us), "holders": each.holders[1:]}
            for each in profile.accounts
        ],
    }  # fmt: skip


def _said(record: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Fields by their dotted names, amounts with their currency."""
    for name, value in record.items():
        full = before + name
        if full in _APART or name in _NEVER or value is None:
            continue
        if isinstance(value, Mapping):
            yield from _said({f"{each}": inner for each, inner in value.items()}, f"{full}.")
        elif full in _MONEY:
            yield full, _money(str(value), record.get(_MONEY[full].rpartition(".")[2]))
        elif full not in _MONEY.values():
            yield full, _words(value)


def _money(text: str, currency: object) -> str:
    if not isinstance(currency, str) or currency not in CURRENCY_CODE:
        return text
    try:
        return format_amount_for_reading(parse_amount_minor(text, currency), currency)
    except ValueError:
        return f"{text} {currency}"


def _words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _source(given: Mapping[str, Any] | None) -> str | None:
    return None if not given else f"{given['source']}, {given['on']}"


def _readable(name: str, rerunner: Rerunner) -> str:
    """A name as people know it: logs of workers name customers and accounts by their tokens."""
    try:
        return rerunner.tokens.text(name) or name
    except ValueError:
        return name


def _account(given: Mapping[str, Any], rerunner: Rerunner) -> Account:
    return Account(
        _readable(str(given["account"]), rerunner), given.get("kind"), given.get("opened_on"), given.get("closed_on"),
        tuple(_readable(each, rerunner) for each in given.get("holders") or ()),
    )  # fmt: skip


def _related(given: Mapping[str, Any], rerunner: Rerunner) -> Related:
    customer, share = given.get("customer"), given.get("share")
    token = rerunner.token_of_name(IdentifierKind.CUSTOMER, customer) if customer else None
    return Related(
        str(given["relation"]), customer, given.get("name"), None if share is None else f"{share:.0%}", token
    )
