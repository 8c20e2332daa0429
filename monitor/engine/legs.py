"""The leg matrix: what each leg shows to rules, one row per leg, one column per field in use.

Unknown is ``UNKNOWN``. Words and identifiers are codes, amounts are in the currency the column
names, ages are microseconds at the payment's own time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from monitor.domain.money import CURRENCY_CODE
from monitor.domain.time import DAY_US, UNKNOWN
from monitor.domain.transaction import Int32s, Int64s, TransactionBatch
from monitor.domain.vocabulary import DIRECTIONS
from monitor.engine.admission import CREDITOR, DEBTOR, NEVER, Legs
from monitor.engine.conversion import Rates, convert_with, no_rates
from monitor.engine.profiles import COLUMN, ProfileTable
from monitor.rulebook.plan import FieldUse

_PER_TRANSACTION = {
    "currency": "currency",
    "channel": "channel",
    "status": "status",
    "purpose": "purpose",
    "conductor": "conductor",
    "on_behalf_of": "on_behalf_of",
    "device": "device",
    "branch": "branch",
    "booking_entity": "booking_entity",
}
_OWN_SIDE = {"account": "account", "country": "country"}
_OTHER_SIDE = {"counterparty_country": "country", "counterparty_agent": "agent"}
_PROFILE = {
    "segment": "segment",
    "profile.segment": "segment",
    "profile.kind": "kind",
    "profile.risk_rating": "risk_rating",
    "profile.is_pep": "is_pep",
    "profile.residence": "residence",
    "profile.nationality": "nationality",
    "profile.occupation": "occupation",
    "profile.industry": "industry",
}
_PROFILE_MONEY = {
    "profile.declared_monthly_income": ("declared_monthly_income", "income_currency"),
    "profile.expected_monthly_in": ("expected_monthly_in", "expected_currency"),
    "profile.expected_monthly_out": ("expected_monthly_out", "expected_currency"),
}
_YEAR_US = 31_556_952_000_000
"""A mean Gregorian year; full years of age are taken from it, exact to a day."""


@dataclass(frozen=True, slots=True)
class LegContext:
    """What the fields of a batch of legs are drawn from."""

    batch: TransactionBatch
    legs: Legs
    holder: Int32s
    profiles: ProfileTable
    profile_row: Int32s
    rates: Mapping[str, Rates]
    is_hub: Int64s
    first_seen: Callable[[FieldUse, Int64s], Int64s]

    def of_transaction(self, name: str) -> Int64s:
        """A column of the batch, per leg; -1 becomes UNKNOWN."""
        return _known(getattr(self.batch, name)[self.legs.transaction])

    def of_side(self, name: str, *, other: bool) -> Int64s:
        """The debtor's or creditor's column, as the leg's own or the other side."""
        side = self.legs.side if not other else 1 - self.legs.side
        debtor = getattr(self.batch, f"debtor_{name}")[self.legs.transaction]
        creditor = getattr(self.batch, f"creditor_{name}")[self.legs.transaction]
        return _known(np.where(side == DEBTOR, debtor, creditor))

    def of_profile(self, name: str) -> Int64s:
        """A profile column; UNKNOWN without a profile."""
        if not len(self.profiles.values):
            return np.full(len(self.legs), UNKNOWN, np.int64)
        values = self.profiles.values[np.maximum(self.profile_row, 0), COLUMN[name]]
        return np.where(self.profile_row >= 0, values, UNKNOWN)

    def since(self, started_us: Int64s) -> Int64s:
        """Time from ``started_us`` to the payment."""
        booked = self.batch.booked_at_us[self.legs.transaction]
        return np.where(
            started_us == UNKNOWN, UNKNOWN, np.maximum(booked - np.where(started_us == UNKNOWN, 0, started_us), 0)
        )

    def in_currency(self, amount_minor: Int64s, currency: Int64s, target: str) -> Int64s:
        """Amounts converted at the payment's own time."""
        rates = self.rates.get(target) or no_rates(CURRENCY_CODE[target])
        booked = self.batch.booked_at_us[self.legs.transaction]
        return convert_with(rates, amount_minor, currency.astype(np.int64), booked)


def _known(values: npt.NDArray[np.signedinteger]) -> Int64s:
    wide = values.astype(np.int64)
    wide[wide == -1] = UNKNOWN
    return wide


def build_fields(uses: tuple[FieldUse, ...], context: LegContext) -> npt.NDArray[np.int64]:
    """The leg matrix, shape (legs, fields), row by row in memory."""
    matrix = np.empty((len(context.legs), max(len(uses), 1)), np.int64)
    for number, use in enumerate(uses):
        matrix[:, number] = _column(use, context)
    return matrix


def _column(use: FieldUse, c: LegContext) -> Int64s:
    name = use.name
    if name == "amount":
        assert use.currency is not None
        amount = c.batch.amount_minor[c.legs.transaction]
        return c.in_currency(amount, c.batch.currency[c.legs.transaction].astype(np.int64), use.currency)
    if name in _PER_TRANSACTION:
        return c.of_transaction(_PER_TRANSACTION[name])
    if name in _OWN_SIDE:
        return c.of_side(_OWN_SIDE[name], other=False)
    if name in _OTHER_SIDE:
        return c.of_side(_OTHER_SIDE[name], other=True)
    if name in _PROFILE:
        return c.of_profile(_PROFILE[name])
    if name in _PROFILE_MONEY:
        assert use.currency is not None
        amount_of, currency_of = _PROFILE_MONEY[name]
        return c.in_currency(c.of_profile(amount_of), c.of_profile(currency_of), use.currency)
    return _special(use, c)


def _special(use: FieldUse, c: LegContext) -> Int64s:
    match use.name:
        case "customer":
            return _known(c.holder)
        case "direction":
            credit, debit = DIRECTIONS.index("credit"), DIRECTIONS.index("debit")
            return np.where(c.legs.side == CREDITOR, credit, debit).astype(np.int64)
        case "counterparty":
            account = c.of_side("account", other=True)
            return np.where(account != UNKNOWN, account, c.of_side("holder", other=True))
        case "profile.account_age":
            account = c.of_side("account", other=False)
            known = (account >= 0) & (account < len(c.profiles.opened_us))
            opened = c.profiles.opened_us[np.where(known, account, 0)] if len(c.profiles.opened_us) else UNKNOWN
            return c.since(np.where(known, opened, UNKNOWN))
        case "profile.relationship_age":
            return c.since(c.of_profile("customer_since_us"))
        case "profile.age_years":
            born = c.of_profile("birth_us")
            age_us = c.batch.booked_at_us[c.legs.transaction] - np.where(born == UNKNOWN, 0, born)
            return np.where(born == UNKNOWN, UNKNOWN, age_us // _YEAR_US)
        case "peer.is_hub":
            return c.is_hub
        case "since_last()":
            return np.where(c.legs.before_us == NEVER, UNKNOWN, c.legs.judged_us - c.legs.before_us)
    argument = use.name.removeprefix("first_seen(").removesuffix(")")
    return c.first_seen(use, _column(FieldUse(argument), c))


def day_of(time_us: Int64s) -> Int64s:
    """Days since 1970, UTC."""
    return time_us // DAY_US
