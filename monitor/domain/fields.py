"""The one list of names that rules can use, with unit and meaning.

A rule sees one *leg*: one payment as one of its parties sees it. ``direction``,
``counterparty`` and ``account`` are those of the leg. A field that
``may_be_missing`` yields *unknown* where the source does not give it; a rule
asks with ``known(field)``.

Three further families are open: ``list.<name>`` (named lists),
``peer.<window>.<measure>.<p50|p90|p95|p99|p999>`` (the segment's quantile in the bank
snapshot in force) and, from the release that brings the models, ``flow.*`` and ``model.*``.
"""

from dataclasses import dataclass

from monitor.domain.units import BOOLEAN, COUNT, DURATION, MONEY, Unit, category


@dataclass(frozen=True, slots=True)
class Field:
    """One name with its unit, whether it may be missing, and its meaning in words."""

    name: str
    unit: Unit
    may_be_missing: bool
    meaning: str


def _fields(*rows: tuple[str, Unit, bool, str]) -> dict[str, Field]:
    return {name: Field(name, unit, missing, meaning) for name, unit, missing, meaning in rows}


FIELDS = _fields(
    ("amount", MONEY, True, "The amount, in the currency of what it is compared with or added up in. "
     "Unknown where no rate was published before the payment."),
    ("currency", category("currency"), False, "The currency of the payment as booked."),
    ("channel", category("channel"), True, "How the money moved."),
    ("direction", category("direction"), False, "credit: money in for the leg's holder; debit: money out."),
    ("status", category("status"), False, "booked, attempted, rejected. Conditions that do not mention it "
     "see booked payments only."),
    ("purpose", category("purpose"), True, "ISO 20022 purpose code, such as SALA."),
    ("customer", category("customer"), False, "The holder of the leg; the account where the source names none."),
    ("account", category("account"), True, "The holder's account."),
    ("country", category("country"), True, "Country of the holder's side of the payment."),
    ("counterparty", category("account"), True, "The other side's account, or its customer where no account is given."),
    ("counterparty_country", category("country"), True, "Country of the other side."),
    ("counterparty_agent", category("agent"), True, "BIC of the bank on the other side."),
    ("conductor", category("customer"), True, "Who carried the payment out in person."),
    ("on_behalf_of", category("customer"), True, "For whom it was carried out."),
    ("device", category("device"), True, "The device that the payment was ordered from."),
    ("branch", category("branch"), True, "The branch or terminal."),
    ("booking_entity", category("entity"), False, "The booking entity of the bank."),
    ("segment", category("segment"), True, "The customer's segment, the same as profile.segment."),
    ("profile.segment", category("segment"), True, "The customer's segment."),
    ("profile.kind", category("customer_kind"), True, "person or business."),
    ("profile.risk_rating", category("risk_rating"), True, "low, medium, high or prohibited."),
    ("profile.is_pep", BOOLEAN, True, "A politically exposed person, or close to one."),
    ("profile.residence", category("country"), True, "Country of residence or seat."),
    ("profile.nationality", category("country"), True, "Nationality, or country of incorporation."),
    ("profile.occupation", category("occupation"), True, "Occupation of a person."),
    ("profile.industry", category("industry"), True, "Industry of a business."),
    ("profile.declared_monthly_income", MONEY, True, "Declared income or turnover of a year, a twelfth of it."),
    ("profile.expected_monthly_in", MONEY, True, "Expected money in per month, as declared."),
    ("profile.expected_monthly_out", MONEY, True, "Expected money out per month, as declared."),
    ("profile.account_age", DURATION, True, "Time since the leg's account was opened."),
    ("profile.relationship_age", DURATION, True, "Time since the customer relationship began."),
    ("profile.age_years", COUNT, True, "Age of a person in full years."),
    ("peer.is_hub", BOOLEAN, True, "The holder was in the hub list of the bank snapshot in force: a payroll "
     "agent, marketplace or the like, recognised by steady behaviour. Unknown before the first snapshot."),
)  # fmt: skip

PEER_QUANTILES = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99, "p999": 0.999}
"""Suffixes of ``peer.<window>.<measure>.`` and the share of the segment's customers below."""

RESERVED_PREFIXES = ("flow.", "model.")
"""Names that belong to parts of the monitor that are not in this release."""
