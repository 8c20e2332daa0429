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
    """An account of the customer and the day on which it was opened; ``holders`` names joint holders."""

    account: Identifier
    opened_on: Date | None = None
    closed_on: Date | None = None
    currency: Currency | None = None
    holders: list[Identifier] = Field(default_factory=list, max_length=16)


class RelatedParty(_Strict):
    """Family, owners, directors, signatories: how another party belongs to the customer."""

    relation: Literal["spouse", "child", "parent", "family", "beneficial_owner", "director", "signatory",
                      "employer", "guarantor", "other"]  # fmt: skip
    customer: Identifier | None = None
    name: Text | None = None
    share: float | None = Field(None, ge=0, le=1, description="Share owned, for beneficial owners.")


class Contact(_Strict):
    """Ways to reach the customer."""

    email: Text | None = None
    phone: Text | None = None
    address: Text | None = None
    postcode: Text | None = None
    city: Text | None = None
    country: Country | None = None


class ExpectedActivity(_Strict):
    """What the customer declared to expect, per month, in ``currency``."""

    currency: Currency
    monthly_in: Amount | None = None
    monthly_out: Amount | None = None
    monthly_cash: Amount | None = None
    countries: list[Country] = Field(default_factory=list, max_length=64)


class Identity(_Strict):
    """Names and documents. Kept in the vault, never in the engine."""

    name: Text
    birth_date: Date | None = None
    document_kind: Text | None = None
    document_number: Text | None = None
    document_country: Country | None = None


class Source(_Strict):
    """Where a value comes from and when it was taken over."""

    source: Text
    on: Date


class CustomerProfile(_Strict):
    """One version of what the bank holds about one customer."""

    customer: Identifier
    version: int = Field(ge=1)
    recorded_at: str = Field(description="ISO 8601 with a zone: when this version was recorded.")
    kind: Literal["person", "business"]
    segment: Identifier | None = None
    identity: Identity | None = None
    occupation: Text | None = None
    industry: Text | None = None
    income_currency: Currency | None = None
    declared_income: Amount | None = Field(None, description="Income of a person or turnover of a business, a year.")
    expected: ExpectedActivity | None = None
    residence: Country | None = Field(None, description="Country of residence, or of the seat.")
    nationality: Country | None = Field(None, description="Nationality, or country of incorporation.")
    risk_rating: Literal["low", "medium", "high", "prohibited"] | None = None
    is_pep: bool | None = None
    customer_since: Date | None = None
    accounts: list[AccountOpening] = Field(default_factory=list, max_length=256)
    related: list[RelatedParty] = Field(default_factory=list, max_length=256)
    contact: Contact | None = None
    sources: dict[str, Source] = Field(default_factory=dict, description="By field name.")
