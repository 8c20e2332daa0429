"""Layouts of public data sets, as mappings: tables, no code.

A layout has variants, because the same data set circulates in several forms; the first whose columns are all
in the file is taken. Labels (laundering or not, typology, case) are always dropped: the monitor never sees them.

Three liberties, which a bank's own mapping does not take, and why:

- Every account is its own subject, because the sources name no customers.
- Times without a zone are read as UTC.
- ``amount_decimals: round``: simulated amounts have more decimals than their currency (170.25 yen), so they are
  rounded half to even to the currency's minor unit. Amounts that round to zero are refused like any zero.
"""

from monitor.intake.iso20022.meaning import Books
from monitor.intake.mapping import FieldRule, Mapping

_LABELS = ["is_laundering", "typology", "case_id"]
_UTC = "UTC"
_ROUNDED = FieldRule(column="amount", amount_decimals="round")

_CHANNEL_WORDS = {
    "CASH": "cash",
    "DEPOSIT": "cash",
    "WITHDRAWAL": "cash",
    "TRANSFER": "transfer",
    "PAYMENT": "transfer",
    "WIRE": "wire",
    "CREDIT": "transfer",
    "DEBIT": "transfer",
    "CHECK": "cheque",
    "CHEQUE": "cheque",
    "CARD": "card",
    "ACH": "ach",
}

_CURRENCY_NAMES = {
    "US Dollar": "USD",
    "Euro": "EUR",
    "Yuan": "CNY",
    "UK Pound": "GBP",
    "UK pounds": "GBP",
    "Yen": "JPY",
    "Saudi Riyal": "SAR",
    "Swiss Franc": "CHF",
    "Swiss franc": "CHF",
    "Ruble": "RUB",
    "Rupee": "INR",
    "Indian rupee": "INR",
    "Pakistani rupee": "PKR",
    "Australian Dollar": "AUD",
    "Mexican Peso": "MXN",
    "Canadian Dollar": "CAD",
    "Shekel": "ILS",
    "Bitcoin": "XBT",
    "Brazil Real": "BRL",
    "Dirham": "AED",
    "Moroccan dirham": "MAD",
    "Naira": "NGN",
    "Turkish lira": "TRY",
    "Albanian lek": "ALL",
}

_COUNTRY_NAMES = {
    "UK": "GB",
    "USA": "US",
    "UAE": "AE",
    "Albania": "AL",
    "Austria": "AT",
    "France": "FR",
    "Germany": "DE",
    "India": "IN",
    "Italy": "IT",
    "Japan": "JP",
    "Mexico": "MX",
    "Morocco": "MA",
    "Netherlands": "NL",
    "Nigeria": "NG",
    "Pakistan": "PK",
    "Spain": "ES",
    "Switzerland": "CH",
    "Turkey": "TR",
}

_PAYMENT_FORMATS = {
    "Reinvestment": "internal",
    "ACH": "ach",
    "Cash": "cash",
    "Bitcoin": "crypto",
    "Cheque": "cheque",
    "Credit Card": "card",
    "Wire": "wire",
}

_PAYMENT_TYPES = {
    "Credit card": "card",
    "Debit card": "card",
    "Cheque": "cheque",
    "ACH": "ach",
    "Cross-border": "wire",
    "Cash Withdrawal": "cash",
    "Cash Deposit": "cash",
}


def _words(column: str, words: dict[str, str], otherwise: str | None = None) -> FieldRule:
    return FieldRule(column=column, words=words, otherwise=otherwise)


def _layout(name: str, fields: dict[str, FieldRule], drop: list[str]) -> Mapping:
    return Mapping(name=f"the layout {name}", subject="account", fields=fields, drop=drop)


_CANONICAL = _layout(
    "canonical",
    {
        "transaction_id": FieldRule(column="tx_id"),
        "booked_at": FieldRule(column="ts", zone=_UTC),
        "debtor_account": FieldRule(column="src"),
        "creditor_account": FieldRule(column="dst"),
        "amount": _ROUNDED,
        "currency": FieldRule(column="currency"),
        "channel": _words("tx_type", _CHANNEL_WORDS, "other"),
    },
    _LABELS,
)

_AMLWORLD = _layout(
    "amlworld",
    {
        "transaction_id": FieldRule(column="tx_id"),
        "booked_at": FieldRule(column="ts", zone=_UTC),
        "debtor_account": FieldRule(column="src"),
        "debtor_agent": FieldRule(column="src_bank"),
        "creditor_account": FieldRule(column="dst"),
        "creditor_agent": FieldRule(column="dst_bank"),
        "amount": _ROUNDED,
        "currency": _words("currency", _CURRENCY_NAMES),
        "channel": _words("tx_type", _PAYMENT_FORMATS, "other"),
    },
    ["amount_received", "currency_received", *_LABELS],
)

_AMLWORLD_PUBLISHED = _layout(
    "amlworld",
    {
        "transaction_id": FieldRule(row="T"),
        "booked_at": FieldRule(column="Timestamp", format="%Y/%m/%d %H:%M", zone=_UTC),
        "debtor_account": FieldRule(column="Account"),
        "debtor_agent": FieldRule(column="From Bank"),
        "creditor_account": FieldRule(column="Account.1"),
        "creditor_agent": FieldRule(column="To Bank"),
        "amount": FieldRule(column="Amount Paid", amount_decimals="round"),
        "currency": _words("Payment Currency", _CURRENCY_NAMES),
        "channel": _words("Payment Format", _PAYMENT_FORMATS, "other"),
    },
    ["Amount Received", "Receiving Currency", "Is Laundering"],
)

_AMLSIM_SAMPLE = _layout(
    "amlsim",
    {
        "transaction_id": FieldRule(row="T"),
        "booked_at": FieldRule(column="time", step="1d", origin="2016-12-31T00:00:00Z"),
        "debtor_account": FieldRule(column="sourceNodeId"),
        "creditor_account": FieldRule(column="targetNodeId"),
        "amount": FieldRule(column="value", amount_decimals="round"),
        "currency": FieldRule(constant="USD"),
        "channel": FieldRule(constant="transfer"),
    },
    [],
)

_AMLSIM_CONVERTED = _layout(
    "amlsim",
    {
        "transaction_id": FieldRule(column="tran_id"),
        "booked_at": FieldRule(column="tran_timestamp", zone=_UTC),
        "debtor_account": FieldRule(column="orig_acct"),
        "creditor_account": FieldRule(column="bene_acct"),
        "amount": FieldRule(column="base_amt", amount_decimals="round"),
        "currency": FieldRule(constant="USD"),
        "channel": _words("tx_type", _CHANNEL_WORDS, "other"),
    },
    ["is_sar", "alert_id"],
)

_SAML_D = _layout(
    "saml-d",
    {
        "transaction_id": FieldRule(row="T"),
        "booked_at": FieldRule(columns=["Date", "Time"], zone=_UTC),
        "debtor_account": FieldRule(column="Sender_account"),
        "debtor_country": _words("Sender_bank_location", _COUNTRY_NAMES),
        "creditor_account": FieldRule(column="Receiver_account"),
        "creditor_country": _words("Receiver_bank_location", _COUNTRY_NAMES),
        "amount": FieldRule(column="Amount", amount_decimals="round"),
        "currency": _words("Payment_currency", _CURRENCY_NAMES),
        "channel": _words("Payment_type", _PAYMENT_TYPES, "other"),
    },
    ["Received_currency", "Is_laundering", "Laundering_type"],
)

LAYOUTS: dict[str, tuple[Mapping, ...]] = {
    "canonical": (_CANONICAL,),
    "amlworld": (_AMLWORLD, _AMLWORLD_PUBLISHED),
    "amlsim": (_AMLSIM_SAMPLE, _AMLSIM_CONVERTED, _CANONICAL),
    "saml-d": (_SAML_D,),
}
"""The words of ``--format`` and their variants, in the order in which they are tried.

``canonical``: ``tx_id,ts,src,dst,amount,currency,tx_type`` and labels. ``amlworld``: that with banks and the received
amount, or the published file. ``amlsim``: IBM AMLSim's samples (day numbers from 1, read as days of 2017, and
US dollars), its converted logs, or the canonical form. ``saml-d``: the published file; the sender's currency counts."""


MESSAGE_LAYOUTS: dict[str, Books] = {"iso20022": "settlement", "iso20022-entries": "entry"}
"""Further words of ``--format``, for messages of ISO 20022, and which message books a credit transfer there."""


def layout_for(name: str, columns: list[str]) -> Mapping:
    """The variant of a layout that fits the columns, or the first one.

    >>> layout_for("amlsim", ["sourceNodeId", "targetNodeId", "value", "time"]).fields["amount"].column
    'value'
    """
    variants = LAYOUTS[name]
    fitting = (variant for variant in variants if set(variant.source_columns()) <= set(columns))
    return next(fitting, variants[0])
