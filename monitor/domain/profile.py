"""The customer profile: who the customer is and what is expected of them.

:class:`CustomerProfile` is the shape of one record of a profiles file (JSON
lines) and the source of the published JSON Schema. A profile has a version;
the engine uses the newest version recorded before the payment.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from monitor.domain.transaction import Country, Identifier

Text = Annotated[str, Field(min_length=1, max_length=1_000)]
Date = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$", json_schema_extra={"format": "date"})]
Amount = Annotated[str, Field(pattern=r"^\d{1,15}(\.\d{1,8})?$", description="A plain decimal as text.")]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class AccountOpening(_Strict):
    """An account of the customer: its kind, the day on which it was opened, and in ``holders`` its joint holders."""

    account: Identifier = Field(description="IBAN or the bank's own number, as in transactions.")
    kind: Literal["current", "savings", "term_deposit", "loan", "prepaid", "card", "correspondent",
                  "other"] | None = Field(None, description="What account it is.")  # fmt: skip
    opened_on: Date | None = Field(None, description="Day on which it was opened.")
    closed_on: Date | None = Field(None, description="Day on which it was closed.")
    currency: Currency | None = Field(None, description="Currency of the account, ISO 4217.")
    holders: list[Identifier] = Field(
        default_factory=list, max_length=16, description="Customer numbers of the further holders of a joint account."
    )


class RelatedParty(_Strict):
    """Family, owners, directors, signatories: how another party belongs to the customer."""

    relation: Literal["spouse", "child", "parent", "family", "beneficial_owner", "director", "signatory",
                      "employer", "guarantor", "other"] = Field(
        description="What the other party is to the customer.")  # fmt: skip
    customer: Identifier | None = Field(None, description="Customer number of the other party, if ours.")
    name: Text | None = Field(None, description="Name of the other party.")
    share: float | None = Field(None, ge=0, le=1, description="Share owned, for beneficial owners.")


class Contact(_Strict):
    """Ways to reach the customer."""

    email: Text | None = Field(None, description="Address for e-mail.")
    phone: Text | None = Field(None, description="Telephone number.")
    address: Text | None = Field(None, description="Street and house, in one line.")
    postcode: Text | None = Field(None, description="Postal code.")
    city: Text | None = Field(None, description="City or town.")
    country: Country | None = Field(None, description="Country of the address, ISO 3166-1 alpha-2.")


class ExpectedActivity(_Strict):
    """What the customer declared to expect, per month, in ``currency``."""

    currency: Currency = Field(description="Currency of the three amounts, ISO 4217.")
    monthly_in: Amount | None = Field(None, description="Money in per month.")
    monthly_out: Amount | None = Field(None, description="Money out per month.")
    monthly_cash: Amount | None = Field(None, description="Cash per month, as declared.")
    countries: list[Country] = Field(
        default_factory=list, max_length=64, description="Countries of expected payments. No rule reads them yet."
    )


class Identity(_Strict):
    """Names and documents. Kept in the vault, never in the engine."""

    name: Text = Field(description="Full name of the person or business.")
    birth_date: Date | None = Field(None, description="Date of birth. The age of rules is taken from it.")
    document_kind: Text | None = Field(None, description="Kind of the document, such as passport.")
    document_number: Text | None = Field(None, description="Number of the document.")
    document_country: Country | None = Field(None, description="Country that issued it, ISO 3166-1 alpha-2.")


class ReportExemption(_Strict):
    """The customer is exempt from reports of large cash payments, and since when the reason has held."""

    granted_on: Date = Field(description="Day on which the exemption was granted.")
    reviewed_on: Date | None = Field(
        None, description="Day of the last review. Absent: none yet, so that the grant counts as one."
    )


class Source(_Strict):
    """Where a value comes from and when it was taken over."""

    source: Text = Field(description="Where the value comes from, such as onboarding or a register.")
    on: Date = Field(description="Day on which it was taken over.")


class CustomerProfile(_Strict):
    """One version of what the bank holds about one customer."""

    customer: Identifier = Field(description="Customer number, as in transactions.")
    version: int = Field(ge=1, le=2**63 - 1, description="Number of this version; alerts name it.")
    recorded_at: str = Field(description="ISO 8601 with a zone: when this version was recorded.")
    kind: Literal["person", "business"] = Field(description="A natural person, or a business of any form.")
    segment: Identifier | None = Field(None, description="Segment that parameters and peer groups go by.")
    identity: Identity | None = Field(None, description="Names and documents.")
    occupation: Text | None = Field(None, description="Occupation of a person.")
    industry: Text | None = Field(None, description="Industry of a business.")
    income_currency: Currency | None = Field(
        None, description="Currency of `declared_income`, which needs it; ISO 4217."
    )
    declared_income: Amount | None = Field(None, description="Income of a person or turnover of a business, a year.")
    expected: ExpectedActivity | None = Field(None, description="Expected activity, as declared.")
    residence: Country | None = Field(None, description="Country of residence, or of the seat.")
    nationality: Country | None = Field(None, description="Nationality, or country of incorporation.")
    risk_rating: Literal["low", "medium", "high", "prohibited"] | None = Field(
        None, description="The bank's own rating."
    )
    is_pep: bool | None = Field(None, description="A politically exposed person, or close to one.")
    is_occasional: bool | None = Field(None, description="Served without a lasting relationship.")
    screening: Literal["clear", "possible", "confirmed"] | None = Field(
        None, description="What the bank's screening of the customer against lists found; possible is not decided yet."
    )
    customer_since: Date | None = Field(None, description="Day on which the relationship began.")
    credentials_changed_at: str | None = Field(
        None,
        description="ISO 8601 with a zone: when password, device, telephone or e-mail were last changed.",
        json_schema_extra={"format": "date-time"},
    )
    report_exemption: ReportExemption | None = Field(
        None, description="Exemption from reports of large cash payments, if the customer has one."
    )
    accounts: list[AccountOpening] = Field(
        default_factory=list, max_length=256, description="Accounts with their opening days and joint holders."
    )
    related: list[RelatedParty] = Field(
        default_factory=list, max_length=256, description="Family, owners, directors and others."
    )
    contact: Contact | None = Field(None, description="Ways to reach the customer.")
    sources: dict[str, Source] = Field(default_factory=dict, description="By field name.")
