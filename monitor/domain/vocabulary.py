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

CUSTOMER_KINDS = ("person", "business")
RISK_RATINGS = ("low", "medium", "high", "prohibited")
SEVERITIES = ("low", "medium", "high", "critical")
ALERT_STATUSES = ("new", "quiet", "shadow")
RULE_STATUSES = ("draft", "shadow", "active", "retired")

SUBJECT_KINDS = ("customer", "account", "conductor", "on_behalf_of", "counterparty", "device")
"""The keys that windows and alerts can be kept by."""

CLOSED = {
    "channel": CHANNELS,
    "status": STATUSES,
    "direction": DIRECTIONS,
    "customer_kind": CUSTOMER_KINDS,
    "risk_rating": RISK_RATINGS,
}
"""Vocabularies whose words the rule compiler checks; ``country`` and ``currency`` are in
:mod:`monitor.domain.countries` and :mod:`monitor.domain.money`; all others are open."""
