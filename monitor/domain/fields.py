"""The one list of names that rules can use, with unit and meaning.

A rule sees one *leg*: one payment as one of its parties sees it. ``direction``,
``counterparty`` and ``account`` are those of the leg. A field that
``may_be_missing`` yields *unknown* where the source does not give it; a rule
asks with ``known(field)``.

Three further families are open: ``list.<name>`` (named lists),
``peer.<window>.<measure>.<p50|p90|p95|p99|p999>`` (the segment's quantile in the bank
snapshot in force) and, from the release that brings the models, ``model.*``. ``flow.*`` is what tracing the money
says of the payment (docs/flow.md).
"""

from dataclasses import dataclass

from monitor.domain.units import BOOLEAN, COUNT, DURATION, MONEY, SHARE, Unit, category


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
    ("instrument", category("instrument"), True, "The instrument that the payment buys or pays in."),
    ("merchant_category", category("merchant_category"), True, "Merchant category code of ISO 18245, such as 6051."),
    ("instructing_agent", category("agent"), True, "BIC of the bank that instructed ours, where it is not the other "
     "side's own."),
    ("reason", category("reason"), True, "Why a payment was rejected or returned (ISO 20022, such as AC04), or the "
     "bank's word for why an attempt ended, such as declined_identification."),
    ("goods_country", category("country"), True, "Country that the goods paid for come from or go to."),
    ("wallet", category("wallet"), True, "Whether the other side's wallet is hosted or self_hosted."),
    ("screening", category("screening"), True, "What the bank's screening found of the other side: clear, possible, "
     "confirmed."),
    ("screening_list", category("screening_list"), True, "The list that the screening hit."),
    ("link", category("link"), True, "What the bank says links operations: a contract, an order."),
    ("counterparty_kind", category("party_kind"), True, "What the other side is: person, business, government, bank."),
    ("name_given", BOOLEAN, False, "The record carries a name of the holder's side that says something."),
    ("address_given", BOOLEAN, False, "The record carries an address of the holder's side."),
    ("identification_given", BOOLEAN, False, "The record carries an identity number, or date and place of birth, of "
     "the holder's side."),
    ("counterparty_name_given", BOOLEAN, False, "The record carries a name of the other side that says something."),
    ("counterparty_address_given", BOOLEAN, False, "The record carries an address of the other side."),
    ("counterparty_identification_given", BOOLEAN, False, "The record carries an identity number, or date and place of "
     "birth, of the other side."),
    ("counterparty_account_given", BOOLEAN, False, "The record carries an account of the other side."),
    ("time_of_day", DURATION, False, "Time since local midnight of the booking entity."),
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
    ("profile.expected_monthly_cash", MONEY, True, "Expected cash per month, as declared."),
    ("profile.account_kind", category("account_kind"), True, "Kind of the leg's account, such as savings or "
     "loan."),
    ("profile.is_occasional", BOOLEAN, True, "Served without a lasting relationship."),
    ("profile.screening", category("screening"), True, "What the bank's screening found of the customer."),
    ("profile.credentials_age", DURATION, True, "Time since password, device, telephone or e-mail were last changed."),
    ("profile.exemption_review_age", DURATION, True, "Time since the customer's exemption from currency reports was "
     "last reviewed; unknown where there is none."),
    ("profile.account_age", DURATION, True, "Time since the leg's account was opened."),
    ("profile.relationship_age", DURATION, True, "Time since the customer relationship began."),
    ("profile.age_years", COUNT, True, "Age of a person in full years."),
    ("peer.is_hub", BOOLEAN, True, "The holder was in the hub list of the bank snapshot in force: a payroll "
     "agent, marketplace or the like, recognised by steady behaviour. Unknown before the first snapshot."),
    ("flow.returned_share", SHARE, True, "Of a payment in: the share of it that the holder had paid out within 30 days "
     "and that came back over others."),
    ("flow.return_kept", SHARE, True, "Of money that came back: what arrived of the payment that it began with."),
    ("flow.return_hops", COUNT, True, "Of money that came back: the number of payments on its way."),
    ("flow.return_time", DURATION, True, "Of money that came back: the time since it was paid out."),
    ("flow.middlemen", COUNT, True, "Of a payment in: over how many others, apart at their first and their last hop, "
     "money of the same origin has reached the holder."),
    ("flow.chain_depth", COUNT, True, "How many payments in a row at least half of this money has gone through, this "
     "one included."),
    ("flow.chain_time", DURATION, True, "The time since the first payment of that chain."),
    ("flow.chain_kept", SHARE, True, "What of the first payment of that chain is in this one."),
    ("flow.pass_through", SHARE, True, "Of a payment out: the share of it that is money received within 30 days."),
    ("flow.dwell_time", DURATION, True, "Of a payment out: how long that money had stayed in the account, on average."),
    ("flow.residual", SHARE, True, "Of a payment out: what is left of the account's latest payments in."),
    ("flow.gathered", COUNT, True, "Of a payment out: from how many payers the money came that has been paid on from "
     "the account's latest payments in."),
)  # fmt: skip

PEER_QUANTILES = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99, "p999": 0.999}
"""Suffixes of ``peer.<window>.<measure>.`` and the share of the segment's customers below."""

RESERVED_PREFIXES = ("model.",)
"""Names that belong to parts of the monitor that are not in this release."""
