"""The fields of a record as numbers, for kernels, in the order of :class:`monitor.domain.transaction.Transaction`.

The number is the field's place in every table of spans: ``spans[row, 2 * field]`` is where the field's bytes start
in the chunk's buffer, ``-1`` where it is absent, and ``spans[row, 2 * field + 1]`` is their number.
"""

import numpy as np

from monitor.domain.identifiers import IdentifierKind
from monitor.intake.compiled import kernel, load_i32

FIELDS = (
    "transaction_id",
    "booked_at",
    "received_at",
    "debtor_account",
    "debtor_customer",
    "debtor_name",
    "debtor_country",
    "debtor_agent",
    "creditor_account",
    "creditor_customer",
    "creditor_name",
    "creditor_country",
    "creditor_agent",
    "amount",
    "currency",
    "channel",
    "purpose",
    "remittance",
    "booking_entity",
    "status",
    "reverses",
    "conductor",
    "on_behalf_of",
    "device",
    "branch",
    "instrument",
    "merchant_category",
    "instructing_agent",
    "reason",
    "goods_country",
    "wallet",
    "screening",
    "screening_list",
    "link",
    "debtor_kind",
    "creditor_kind",
    "debtor_address",
    "creditor_address",
    "debtor_identification",
    "creditor_identification",
)
FIELD_NUMBER = {name: number for number, name in enumerate(FIELDS)}
(
    TRANSACTION_ID,
    BOOKED_AT,
    RECEIVED_AT,
    DEBTOR_ACCOUNT,
    DEBTOR_CUSTOMER,
    DEBTOR_NAME,
    DEBTOR_COUNTRY,
    DEBTOR_AGENT,
    CREDITOR_ACCOUNT,
    CREDITOR_CUSTOMER,
    CREDITOR_NAME,
    CREDITOR_COUNTRY,
    CREDITOR_AGENT,
    AMOUNT,
    CURRENCY,
    CHANNEL,
    PURPOSE,
    REMITTANCE,
    BOOKING_ENTITY,
    STATUS,
    REVERSES,
    CONDUCTOR,
    ON_BEHALF_OF,
    DEVICE,
    BRANCH,
    INSTRUMENT,
    MERCHANT_CATEGORY,
    INSTRUCTING_AGENT,
    REASON,
    GOODS_COUNTRY,
    WALLET,
    SCREENING,
    SCREENING_LIST,
    LINK,
    DEBTOR_KIND,
    CREDITOR_KIND,
    DEBTOR_ADDRESS,
    CREDITOR_ADDRESS,
    DEBTOR_IDENTIFICATION,
    CREDITOR_IDENTIFICATION,
) = range(len(FIELDS))

REQUIRED = (TRANSACTION_ID, BOOKED_AT, AMOUNT, CURRENCY)
FIRST_FURTHER = INSTRUMENT
"""Most records carry none of the fields from here on, so a kernel looks at their spans only where one is named
(``FURTHER``), and the spans are not even set otherwise."""

TEXTS = (TRANSACTION_ID, DEBTOR_NAME, CREDITOR_NAME, REMITTANCE,
         DEBTOR_ADDRESS, CREDITOR_ADDRESS, DEBTOR_IDENTIFICATION, CREDITOR_IDENTIFICATION)  # fmt: skip
"""Fields whose text is handed on, in the order of :class:`monitor.intake.records.TextColumns`."""

INTERNED = (
    (DEBTOR_ACCOUNT, IdentifierKind.ACCOUNT),
    (DEBTOR_CUSTOMER, IdentifierKind.CUSTOMER),
    (DEBTOR_AGENT, IdentifierKind.AGENT),
    (CREDITOR_ACCOUNT, IdentifierKind.ACCOUNT),
    (CREDITOR_CUSTOMER, IdentifierKind.CUSTOMER),
    (CREDITOR_AGENT, IdentifierKind.AGENT),
    (PURPOSE, IdentifierKind.PURPOSE),
    (BOOKING_ENTITY, IdentifierKind.ENTITY),
    (CONDUCTOR, IdentifierKind.CUSTOMER),
    (ON_BEHALF_OF, IdentifierKind.CUSTOMER),
    (DEVICE, IdentifierKind.DEVICE),
    (BRANCH, IdentifierKind.BRANCH),
    (MERCHANT_CATEGORY, IdentifierKind.MERCHANT_CATEGORY),
    (INSTRUCTING_AGENT, IdentifierKind.AGENT),
    (REASON, IdentifierKind.REASON),
    (SCREENING_LIST, IdentifierKind.SCREENING_LIST),
    (LINK, IdentifierKind.LINK),
)
"""Fields that become codes, in the order in which a row's codes are given; further ones last."""

IDENTIFIERS = frozenset({TRANSACTION_ID, REVERSES, *(field for field, _ in INTERNED)})

(
    BOOKED_US,
    RECEIVED_US,
    MINOR,
    CURRENCY_CODE,
    CHANNEL_CODE,
    STATUS_CODE,
    DEBTOR_COUNTRY_CODE,
    CREDITOR_COUNTRY_CODE,
    GIVEN_BITS,
    FURTHER,
    INSTRUMENT_CODE,
    WALLET_CODE,
    SCREENING_CODE,
    DEBTOR_KIND_CODE,
    CREDITOR_KIND_CODE,
    GOODS_COUNTRY_CODE,
) = range(16)
"""Columns of ``values``, the table of what is converted to numbers row by row. ``FURTHER`` is not zero where the
record names a further field; else neither the spans of these fields nor the columns behind are set."""
VALUES = 16

FAST, SLOW, MENDED, REFUSED = range(4)
"""States of a row: understood by the kernel, to be read slowly, understood slowly, refused."""


@kernel
def start_of(spans, field):  # type: ignore[no-untyped-def]
    """Where a field's bytes start, ``-1`` where absent; ``spans`` is the address of the row's spans."""
    return np.int64(load_i32(spans + 8 * field))


@kernel
def length_of(spans, field):  # type: ignore[no-untyped-def]
    """The number of a field's bytes."""
    return np.int64(load_i32(spans + 8 * field + 4))
