"""The transaction: one published shape, flat names after ISO 20022.

:class:`Transaction` is the shape of one record and the source of the published JSON Schema.
:class:`TransactionBatch` is what the engine works on: the same fields as columns,
with identifiers replaced by codes.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

Int64s = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]
Int16s = npt.NDArray[np.int16]
Bytes16 = npt.NDArray[np.uint8]

IDENTIFIER_BYTES_MAX = 128
"""Longest accepted identifier in UTF-8 bytes."""
TEXT_BYTES_MAX = 1_000
"""Longest accepted name or remittance text in UTF-8 bytes."""

Identifier = Annotated[str, Field(min_length=1, max_length=IDENTIFIER_BYTES_MAX)]
Text = Annotated[str, Field(max_length=TEXT_BYTES_MAX)]
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$", description="ISO 3166-1 alpha-2.")]
Moment = Annotated[str, Field(description="ISO 8601 with a zone, such as 2026-05-04T09:00:00Z.",
                              json_schema_extra={"format": "date-time"})]  # fmt: skip
PartyKind = Literal["person", "business", "government", "bank"]


class Transaction(BaseModel):
    """One payment, as the bank booked it, tried it or was refused it.

    At least one side must be the bank's own: a side is the bank's own where its customer is given.
    ``null`` and an absent field both mean "not known"; an empty identifier is refused.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    transaction_id: Identifier = Field(description="Unique in the bank, for ever.")
    booked_at: Moment = Field(description="When the payment was booked or tried.")
    received_at: Moment | None = Field(None, description="When the record reached the monitor's source.")
    debtor_account: Identifier | None = Field(None, description="Account that pays: IBAN or the bank's own number.")
    debtor_customer: Identifier | None = Field(None, description="Customer number of the payer, if ours.")
    debtor_name: Text | None = Field(None, description="Name of the payer, as given.")
    debtor_country: Country | None = Field(None, description="Country of the payer's side, ISO 3166-1 alpha-2.")
    debtor_agent: Identifier | None = Field(None, description="BIC of the payer's bank.")
    creditor_account: Identifier | None = Field(None, description="Account that is paid.")
    creditor_customer: Identifier | None = Field(None, description="Customer number of the payee, if ours.")
    creditor_name: Text | None = Field(None, description="Name of the payee, as given.")
    creditor_country: Country | None = Field(None, description="Country of the payee's side, ISO 3166-1 alpha-2.")
    creditor_agent: Identifier | None = Field(None, description="BIC of the payee's bank.")
    amount: str | int | float = Field(
        description="More than zero, a plain decimal, as text or number; no more decimals than the currency has."
    )
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = Field(description="ISO 4217.")
    channel: Literal["cash", "wire", "transfer", "instant", "ach", "card", "cheque", "direct_debit",
                     "internal", "atm", "crypto", "other"] | None = Field(
        None, description="How the money moved; cash is over the counter, atm is cash at a machine.")  # fmt: skip
    purpose: Identifier | None = Field(None, description="ISO 20022 purpose code.")
    remittance: Text | None = Field(None, description="What the payer wrote.")
    booking_entity: Identifier | None = Field(
        None,
        description="Entity of the bank that booked; its zone, cut-off and holidays apply. Absent: the default entity.",
    )
    status: Literal["booked", "attempted", "rejected", "reversed", "returned"] | None = Field(
        "booked", description="Absent: booked. attempted and rejected moved no money; reversed and returned take back."
    )
    reverses: Identifier | None = Field(None, description="The transaction_id that this record takes back.")
    conductor: Identifier | None = Field(None, description="Who carried it out in person.")
    on_behalf_of: Identifier | None = Field(None, description="For whom it was carried out.")
    device: Identifier | None = Field(None, description="The device that it was ordered from.")
    branch: Identifier | None = Field(None, description="Branch, terminal or machine.")
    instrument: Literal["cashiers_cheque", "money_order", "travellers_cheque", "bank_draft", "prepaid_card",
                        "voucher"] | None = Field(None, description="What the payment buys or pays in.")  # fmt: skip
    merchant_category: Annotated[str, Field(pattern=r"^[0-9]{4}$")] | None = Field(
        None, description="Merchant category code of ISO 18245, four digits as text."
    )
    instructing_agent: Identifier | None = Field(
        None, description="BIC of the bank that instructed ours, if it is not the other side's own."
    )
    reason: Identifier | None = Field(
        None,
        description="Why it was rejected or returned (ISO 20022, such as AC04), or the bank's word for why an attempt "
        "ended: declined_identification, withdrawn_on_report, reduced_on_report.",
    )
    goods_country: Country | None = Field(None, description="Country that the goods paid for come from or go to.")
    wallet: Literal["hosted", "self_hosted"] | None = Field(
        None, description="Who holds the keys of the other side's crypto-assets: a provider, or their owner alone."
    )
    screening: Literal["clear", "possible", "confirmed"] | None = Field(
        None, description="What the bank's screening of the other side's name found; possible is not decided yet."
    )
    screening_list: Identifier | None = Field(None, description="The list that the screening hit.")
    link: Identifier | None = Field(None, description="What the bank says links payments: a contract, an order.")
    debtor_kind: PartyKind | None = Field(None, description="What the payer is.")
    creditor_kind: PartyKind | None = Field(None, description="What the payee is.")
    debtor_address: Text | None = Field(None, description="Address of the payer, as given.")
    creditor_address: Text | None = Field(None, description="Address of the payee, as given.")
    debtor_identification: Text | None = Field(
        None, description="Identity number of the payer, or date and place of birth, as given."
    )
    creditor_identification: Text | None = Field(
        None, description="Identity number of the payee, or date and place of birth, as given."
    )


GIVEN = ("debtor_name", "debtor_address", "debtor_identification",
         "creditor_name", "creditor_address", "creditor_identification")  # fmt: skip
"""What the law wants to travel with a payment; the position is the bit in ``given``, the debtor's first."""

FILLERS = ("N/A", "N.A.", "NA", "NONE", "NULL", "NIL", "UNKNOWN", "NOT KNOWN", "NOT PROVIDED", "NOT AVAILABLE",
           "NOT APPLICABLE", "NO NAME", "NO ADDRESS", "ANONYMOUS", "TEST", "TBD",
           "未知", "不详", "未提供", "匿名")  # fmt: skip
"""Texts that stand where nothing was given: they set no bit of ``given``. ASCII letters count in either case; the last
four are Chinese for unknown, not clear, not provided and anonymous."""


@dataclass(frozen=True, slots=True)
class TransactionBatch:
    """Accepted transactions as columns of length n, in the order of the log.

    Times are microseconds UTC. ``-1`` in a code column and ``UNKNOWN`` (the smallest integer) in
    a 64-bit column mean "not known". Identifier codes index the identifier table of the run; one
    code space serves all kinds. ``debtor_holder`` is the code whose legs the payment joins: the customer
    if ours, the account where the source names no customers, ``-1`` for an outside party. ``given`` holds a bit for
    each of :data:`GIVEN` that the record carries and that says something (:data:`FILLERS`).
    """

    position: Int64s
    booked_at_us: Int64s
    received_at_us: Int64s
    id_hi: Int64s
    id_lo: Int64s
    digest: Int64s
    amount_minor: Int64s
    currency: Int16s
    channel: Int16s
    status: Int16s
    purpose: Int32s
    debtor_holder: Int32s
    debtor_account: Int32s
    debtor_country: Int16s
    debtor_agent: Int32s
    creditor_holder: Int32s
    creditor_account: Int32s
    creditor_country: Int16s
    creditor_agent: Int32s
    booking_entity: Int32s
    reverses_hi: Int64s
    reverses_lo: Int64s
    conductor: Int32s
    on_behalf_of: Int32s
    device: Int32s
    branch: Int32s
    instrument: Int16s
    wallet: Int16s
    screening: Int16s
    debtor_kind: Int16s
    creditor_kind: Int16s
    goods_country: Int16s
    given: Int16s
    merchant_category: Int32s
    instructing_agent: Int32s
    reason: Int32s
    screening_list: Int32s
    link: Int32s

    def __len__(self) -> int:
        return len(self.position)

    def slice(self, start: int, stop: int) -> "TransactionBatch":
        """Rows ``start`` to ``stop`` as views."""
        return TransactionBatch(*(getattr(self, name)[start:stop] for name in self.__slots__))
