"""What the simulated bank is made of: entities, currencies, corridors, segments and kinds of payment.

All of it is invented for tests and demonstrations. Shares and medians are plausible
orders of magnitude, not estimates of any real bank.
"""

from dataclasses import dataclass

from monitor.domain.vocabulary import CHANNELS

GENERATOR_VERSION = 2


@dataclass(frozen=True, slots=True)
class Entity:
    """A booking entity: its calendar and its money. ``scale_percent`` turns the model's dollars into local money."""

    name: str
    country: str
    zone: str
    cut_off: str
    currency: str
    agent: str
    scale_percent: int
    customer_share: float
    holidays: tuple[str, ...]


ENTITIES = (
    Entity("BANK-US", "US", "America/New_York", "17:00", "USD", "SIMBUS33", 100, 0.60,
           ("01-01", "01-19", "02-16", "05-25", "06-19", "07-03", "09-07", "10-12", "11-11", "11-26", "12-25")),
    Entity("BANK-GB", "GB", "Europe/London", "17:30", "GBP", "SIMBGB2L", 75, 0.25,
           ("01-01", "04-03", "04-06", "05-04", "05-25", "08-31", "12-25", "12-28")),
    Entity("BANK-NO", "NO", "Europe/Oslo", "16:00", "NOK", "SIMBNOKK", 1000, 0.15,
           ("01-01", "04-02", "04-03", "04-06", "05-01", "05-14", "05-25", "12-25")),
)  # fmt: skip
CURRENCY_OF_ROW = ("USD", "GBP", "NOK", "EUR")
SCALE_PERCENT = (100, 75, 1000, 85)
"""Local units per 100 of the model's dollars. With the simulated rates, a scaled amount is never more dollars."""
EURO = 3

FOREIGN = {
    "DE": 7, "FR": 6, "ES": 5, "SE": 5, "PL": 5, "CA": 5, "IE": 4, "NL": 5, "CH": 4, "IN": 6, "CN": 5, "MX": 5,
    "PH": 5, "JP": 4, "HK": 4, "AE": 5, "NG": 4, "VN": 4, "KE": 4, "LB": 4, "VE": 4, "HT": 4, "BG": 4, "PA": 4,
}  # fmt: skip
"""Countries outside the entities' own, with the weights of the corridors."""
HIGH_RISK = ("NG", "VN", "KE", "LB", "VE", "HT", "BG", "PA")
"""The example list ``high_risk_countries`` of the simulated bank. It is no authority's list."""

COUNTRY_NAMES = (*(entity.country for entity in ENTITIES), *FOREIGN)


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment: its share of the customers, its kind and the median of its monthly income in dollars.

    ``turnover_percent`` leads from the income to what a customer declares: a person its income, a business the money
    that its trade brings in.
    """

    name: str
    kind: str
    share: float
    monthly_income: int
    turnover_percent: int = 100


SEGMENTS = (
    Segment("student", "person", 0.09, 900),
    Segment("retail", "person", 0.45, 3600),
    Segment("affluent", "person", 0.07, 11000),
    Segment("retired", "person", 0.12, 2300),
    Segment("self_employed", "person", 0.09, 5200, 500),
    Segment("small_business", "business", 0.09, 45000, 400),
    Segment("cash_business", "business", 0.06, 60000, 400),
    Segment("corporate", "business", 0.025, 700000, 160),
    Segment("agent", "business", 0.005, 900000),
)
STUDENT, RETAIL, AFFLUENT, RETIRED, SELF_EMPLOYED, SMALL, CASH, CORPORATE, AGENT = range(len(SEGMENTS))

PURPOSES = ("SALA", "PENS", "SUPP", "GDDS", "SCVE", "RENT", "TAXS", "SAVG", "INTC", "CASH", "LOAN", "GIFT", "OTHR",
            "TRAD", "BONU", "ELEC", "PHON", "INSU", "FAMI")  # fmt: skip
TEXTS = (
    "invoice", "payment on account", "order", "services rendered", "as agreed", "thank you", "dinner", "share of bill",
    "rent", "salary", "pension", "electricity", "mobile", "insurance", "takings", "savings", "tax", "payout",
    "settlement", "family support", "car", "deposit", "refund", "loan", "consulting", "goods", "trip", "present",
)  # fmt: skip

_T, _P = {text: i for i, text in enumerate(TEXTS)}, {purpose: i for i, purpose in enumerate(PURPOSES)}
_C = {channel: i for i, channel in enumerate(CHANNELS)}
NONE = -1


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of payment: what a row of it looks like beyond its parties.

    ``hours`` names a profile of :mod:`monitor.app.simulate.rhythm`, ``rounding`` one of
    :mod:`monitor.app.simulate.dress`, ``spread`` the heaviness of the amounts. Shares are weights.
    """

    name: str
    channels: dict[int, float]
    purposes: dict[int, float]
    texts: dict[int, float]
    hours: str
    rounding: str
    spread: str
    device_share: float = 0.0
    branch_share: float = 0.0
    conductor_share: float = 0.0


def _channels(**weights: float) -> dict[int, float]:
    return {_C[name]: weight for name, weight in weights.items()}


def _purposes(none: float, **weights: float) -> dict[int, float]:
    return {NONE: none, **{_P[name]: weight for name, weight in weights.items()}}


def _texts(none: float, **weights: float) -> dict[int, float]:
    return {NONE: none, **{_T[name.replace("_", " ")]: weight for name, weight in weights.items()}}


KINDS = (
    Kind("card", _channels(card=1), _purposes(1), _texts(1), "shop", "price", "heavy", 0.35),
    Kind("cash_out", _channels(atm=8, cash=1), _purposes(9, CASH=1), _texts(1), "shop", "notes", "narrow",
         0, 1.0, 0.02),
    Kind("cash_in", _channels(cash=7, atm=3), _purposes(6, CASH=4), _texts(6, takings=3, deposit=2),
         "counter", "notes", "wide", 0, 1.0, 0.30),
    Kind("payroll", _channels(ach=6, transfer=4), _purposes(1, SALA=9, BONU=0.3), _texts(2, salary=8),
         "batch", "price", "steady"),
    Kind("rent", _channels(transfer=7, direct_debit=3), _purposes(5, RENT=5), _texts(4, rent=6),
         "batch", "round", "steady", 0.5),
    Kind("bill", _channels(direct_debit=1), _purposes(2, ELEC=3, PHON=3, INSU=2), _texts(3, electricity=3, mobile=2),
         "batch", "price", "medium"),
    Kind("pension", _channels(ach=5, transfer=5), _purposes(1, PENS=9), _texts(3, pension=7), "batch", "price",
         "steady"),
    Kind("friends", _channels(instant=6, transfer=4), _purposes(7, OTHR=1, GIFT=1, FAMI=1),
         _texts(6, dinner=1, share_of_bill=1, thank_you=1, trip=1, present=0.5, as_agreed=0.5, car=0.2, loan=0.2),
         "evening", "round", "heavy", 0.9),
    Kind("own", _channels(internal=1), _purposes(6, SAVG=4), _texts(7, savings=3), "evening", "round", "heavy", 0.8),
    Kind("trade", _channels(transfer=5, ach=2.5, instant=1.5, wire=1.0, cheque=0.3),
         _purposes(5, SUPP=2, GDDS=1.5, SCVE=1, OTHR=1, TRAD=0.3),
         _texts(4, invoice=4, payment_on_account=1, order=1, services_rendered=1, consulting=0.5, goods=0.7,
                as_agreed=0.5),
         "office", "invoice", "heavy", 0.6),
    Kind("settlement", _channels(ach=6, transfer=4), _purposes(8, GDDS=2), _texts(3, settlement=4, payout=3),
         "batch", "price", "wide"),
    Kind("abroad", _channels(wire=8, transfer=2), _purposes(5, SUPP=1, FAMI=2, GDDS=1, SCVE=0.7, OTHR=1, TRAD=0.3),
         _texts(4, invoice=2, family_support=2, goods=1, consulting=0.5, payment_on_account=0.5, as_agreed=0.5),
         "office", "invoice", "heavy", 0.6),
    Kind("crypto", _channels(crypto=5, instant=3, transfer=2), _purposes(9, OTHR=1), _texts(9, deposit=1),
         "evening", "round", "heavy", 0.95),
    Kind("large", _channels(transfer=5, wire=2, instant=2, cheque=1), _purposes(6, LOAN=1, GDDS=1, OTHR=1, GIFT=0.5),
         _texts(5, car=1, loan=1, as_agreed=1, family_support=0.5, deposit=0.5, refund=0.4, invoice=1),
         "office", "invoice", "heavy", 0.6),
    Kind("tax", _channels(ach=5, transfer=5), _purposes(2, TAXS=8), _texts(4, tax=6), "office", "price", "wide", 0.5),
    Kind("cheque", _channels(cheque=1), _purposes(9, OTHR=1), _texts(9, invoice=1), "counter", "invoice", "heavy", 0.2,
         0.6),
)  # fmt: skip
KIND = {kind.name: code for code, kind in enumerate(KINDS)}
