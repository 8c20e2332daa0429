"""Closed vocabularies of the transaction and the profile, with stable integer codes.

The position in a tuple is the code that columns hold. New words are appended;
a word is never moved or removed, because saved state holds the codes. Code -1
stands for unknown.
"""

CHANNELS = (
    "cash",
    "wire",
    "transfer",
    "instant",
    "ach",
    "card",
    "cheque",
    "direct_debit",
    "internal",
    "atm",
    "crypto",
    "other",
)
"""How the money moved. ``cash`` is over the counter, ``atm`` is cash at a machine."""

STATUSES = ("booked", "attempted", "rejected", "reversed", "returned")
"""``reversed`` and ``returned`` name an original in ``reverses``: it leaves the windows and the
record itself does not enter. ``booked`` with ``reverses`` is a correction: the original leaves
and the record enters. ``attempted`` and ``rejected`` moved no money: windows and conditions that do not
mention ``status`` pass over them."""

DIRECTIONS = ("credit", "debit")
"""As the holder of the leg sees it: credit is money in."""

INSTRUMENTS = (
    "cashiers_cheque",
    "money_order",
    "travellers_cheque",
    "bank_draft",
    "prepaid_card",
    "voucher",
)
"""Instruments that a payment buys or pays in."""

WALLETS = ("hosted", "self_hosted")
"""Who holds the keys of the other side's crypto-assets: a provider, or nobody but the holder."""

SCREENINGS = ("clear", "possible", "confirmed")
"""What the bank's own screening of names against lists found. ``possible`` is not yet decided by a person."""

PARTY_KINDS = ("person", "business", "government", "bank")
"""What the other side of a payment is. ``government``: organs of state, party, courts, armed forces."""

ACCOUNT_KINDS = ("current", "savings", "term_deposit", "loan", "prepaid", "card", "correspondent", "other")

SELDOM_GIVEN = frozenset({
    "screening", "profile.screening", "goods_country", "instructing_agent", "merchant_category", "wallet", "reason",
    "conductor", "on_behalf_of", "link",
})  # fmt: skip
"""Fields that most payments come without. What says otherwise costs time, never a verdict."""

CUSTOMER_KINDS = ("person", "business")
RISK_RATINGS = ("low", "medium", "high", "prohibited")
SEVERITIES = ("low", "medium", "high", "critical")
ALERT_STATUSES = ("new", "quiet", "shadow", "suppressed")
RULE_STATUSES = ("draft", "shadow", "active", "retired")

SUBJECT_KINDS = (
    "customer",
    "account",
    "conductor",
    "on_behalf_of",
    "counterparty",
    "device",
    "person",
    "link",
    "agent",
)
"""What alerts can be about."""

WINDOW_KEYS = (*SUBJECT_KINDS, "pair")
"""The keys that windows can be kept by. ``pair`` is a holder together with the other side; its alerts are about the
holder."""

MODEL_MODES = ("off", "shadow", "live")
"""What the anomaly models do: nothing; raise alerts in shadow; raise alerts."""

MODELS_OFF, MODELS_SHADOW, MODELS_LIVE = MODEL_MODES

ANOMALY = "anomaly"
"""The typology of what a model raises; the others are those of rules (:mod:`monitor.rulebook.typologies`)."""

CALENDARS = ("day", "month", "date", "static_24h")
"""Calendar periods of a booking entity: business day, its month, calendar date, and fixed days of 24 hours."""

CLOSED = {
    "channel": CHANNELS,
    "status": STATUSES,
    "direction": DIRECTIONS,
    "customer_kind": CUSTOMER_KINDS,
    "risk_rating": RISK_RATINGS,
    "instrument": INSTRUMENTS,
    "wallet": WALLETS,
    "screening": SCREENINGS,
    "party_kind": PARTY_KINDS,
    "account_kind": ACCOUNT_KINDS,
}
"""Vocabularies whose words the rule compiler checks; ``country`` and ``currency`` are in
:mod:`monitor.domain.countries` and :mod:`monitor.domain.money`; all others are open."""
