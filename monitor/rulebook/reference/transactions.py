"""Payments as plain values: texts and whole numbers, ``None`` for what is not known."""

from collections.abc import Mapping
from dataclasses import dataclass, field

ProfileValue = str | int | bool | tuple[int, str]


@dataclass(frozen=True, slots=True)
class PlainSide:
    """One side of a payment. ``holder`` is whose legs it joins: ours, or ``None`` for an outside party.

    ``given`` says which of ``name``, ``address`` and ``identification`` the record carries of this side.
    ``profile`` is what was known of the holder when the payment was judged, by the names of the fields after
    ``profile.``: words, truths, lengths in microseconds (``account_age``), years, and money as ``(minor units,
    currency)``. An absent name is unknown. ``joint`` are the further holders of the account with their profiles;
    each has a leg of its own.
    """

    holder: str | None = None
    account: str | None = None
    customer: str | None = None
    country: str | None = None
    agent: str | None = None
    kind: str | None = None
    given: frozenset[str] = frozenset()
    joint: tuple["PlainSide", ...] = ()
    profile: Mapping[str, ProfileValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlainTransaction:
    """One record of the log. ``reverses`` is the ``transaction_id`` of the record that it takes back."""

    position: int
    transaction_id: str
    booked_at_us: int
    amount_minor: int | None
    currency: str
    debtor: PlainSide = PlainSide()
    creditor: PlainSide = PlainSide()
    channel: str | None = None
    purpose: str | None = None
    status: str = "booked"
    reverses: str | None = None
    booking_entity: str | None = None
    conductor: str | None = None
    on_behalf_of: str | None = None
    device: str | None = None
    branch: str | None = None
    instrument: str | None = None
    merchant_category: str | None = None
    instructing_agent: str | None = None
    reason: str | None = None
    goods_country: str | None = None
    wallet: str | None = None
    screening: str | None = None
    screening_list: str | None = None
    link: str | None = None
