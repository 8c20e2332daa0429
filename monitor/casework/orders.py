"""Orders: what people decide about rules and models while the monitor runs. Suppressions, and switching one off and on.

A model is named where a rule is, by its id; it is a suspicion.

An order is written once and never changed; what takes it back is another order. It has no effect by itself: a run
takes it up at a log position and records it there, and from that position on :mod:`monitor.casework.control`
follows it. So the status of every alert is a function of the log, whenever the order was given.

Obligations are kept apart: no suppression reaches one, and to switch one off needs two persons.
"""

from base64 import b32encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import blake2b, sha256

from monitor.casework.journal import Draft, canonical_json
from monitor.domain.alert import Alert
from monitor.domain.time import DAY_US, format_time

SUPPRESS, END, DISABLE, ENABLE = "suppress", "end_suppression", "disable_rule", "enable_rule"
ORDER_KINDS = (SUPPRESS, END, DISABLE, ENABLE)
ORDERS_CHAIN = "orders"
"""The journal chain of all orders."""
SUPPRESSION_DAYS_MAX = 365
SAMPLE_SHARE_DEFAULT = 0.05
SAMPLED = "suppression_sample"
"""The mark of an alert that a suppression reached and that was drawn for review all the same."""
SAMPLE_PPM_MIN = 10_000
"""At least one in a hundred suppressed alerts is reviewed, in parts per million."""
REASON_CHARACTERS_MAX = 2_000
NAME_CHARACTERS_MAX = 200
OBLIGATION, SUSPICION = "obligation", "suspicion"
_MILLION = 1_000_000
SUPPRESSED_KINDS = ("customer", "account")


class OrderRefused(Exception):
    """The order is not allowed; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Order:
    """One order. ``by`` asked for it; ``second`` approved it.

    Attributes:
        kind: One of :data:`ORDER_KINDS`.
        at_us: When it was given, by the clock on the wall. Decides nothing.
        rule: The rule or model that is meant; ``None`` where a typology is.
        from_us: First judged time that a suppression reaches.
        until_us: First judged time that it no longer reaches.
        sample_ppm: Share of the suppressed alerts that is put into the queue all the same, in parts per million.
        refers_to: The suppression that is ended.
    """

    kind: str
    by: str
    reason: str
    at_us: int
    second: str | None = None
    rule: str | None = None
    typology: str | None = None
    subject_kind: str | None = None
    subject_token: str | None = None
    segment: str | None = None
    from_us: int | None = None
    until_us: int | None = None
    sample_ppm: int | None = None
    refers_to: str | None = None

    @property
    def body(self) -> str:
        """The order as canonical JSON."""
        return canonical_json(asdict(self))

    @property
    def digest(self) -> str:
        """SHA-256 of the body, hex: what the log of inputs and the journal hold."""
        return sha256(self.body.encode()).hexdigest()

    @property
    def order_id(self) -> str:
        """``S-`` for suppressions, ``O-`` for others, and 16 characters of base 32: a hash of the order."""
        text = b32encode(blake2b(self.body.encode(), digest_size=10).digest()).decode()
        return f"{'S' if self.kind == SUPPRESS else 'O'}-{text}"

    def reaches(self, alert: Alert) -> bool:
        """Whether a suppression is meant for this alert, by scope and by judged time."""
        if self.from_us is None or self.until_us is None or not self.from_us <= alert.judged_at_us < self.until_us:
            return False
        scope = (
            (self.rule, alert.source.id),
            (self.typology, alert.typology),
            (self.subject_kind, alert.subject.kind),
            (self.subject_token, alert.subject.token),
            (self.segment, alert.customer_segment),
        )
        return all(wanted is None or wanted == given for wanted, given in scope)

    def samples(self, alert_id: str) -> bool:
        """Whether a suppressed alert belongs to the share that is reviewed: decided by its id alone."""
        number = int.from_bytes(blake2b(alert_id.encode(), digest_size=8, person=b"sample").digest())
        return number % _MILLION < (self.sample_ppm or 0)


def draft_of(order: Order) -> Draft:
    """The journal entry of an order."""
    facts = {"order": order.order_id, "order_sha256": order.digest, "reason": order.reason, "second": order.second,
             "rule": order.rule, "typology": order.typology, "refers_to": order.refers_to}  # fmt: skip
    return Draft(ORDERS_CHAIN, order.at_us, order.by, order.kind, canonical_json(facts))


def sample_ppm(share: float) -> int:
    """A share as parts per million.

    >>> sample_ppm(0.05)
    50000
    """
    return round(share * _MILLION)


def check(order: Order, *, kinds: Mapping[str, str], typologies: frozenset[str]) -> None:
    """Refuse an order that may not be given.

    Args:
        order: The order.
        kinds: ``suspicion`` or ``obligation`` of every rule that is known.
        typologies: All typologies.

    Raises:
        OrderRefused: It may not.
    """
    _check_words(order)
    if order.rule is not None and order.rule not in kinds:
        known = ", ".join(sorted(kinds)[:8]) or "none"
        raise OrderRefused(
            f"There is no rule or model {order.rule} in force; there are {known}, ... Give one of their ids."
        )
    if order.kind == SUPPRESS:
        _check_suppression(order, kinds, typologies)
    elif order.kind in (DISABLE, ENABLE):
        _check_switch(order, kinds)


def _check_words(order: Order) -> None:
    if not order.reason.strip() or len(order.reason) > REASON_CHARACTERS_MAX:
        raise OrderRefused(f"An order needs a reason of 1 to {REASON_CHARACTERS_MAX} characters. Say why.")
    for name in (order.by, order.second):
        if name is not None and not 0 < len(name.strip()) <= NAME_CHARACTERS_MAX:
            raise OrderRefused(f"A name has 1 to {NAME_CHARACTERS_MAX} characters. Name the person.")


def _is_same_person(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()


def _check_suppression(order: Order, kinds: Mapping[str, str], typologies: frozenset[str]) -> None:
    if order.rule is not None and kinds[order.rule] == OBLIGATION:
        raise OrderRefused(
            f"{order.rule} is an obligation: the law asks for each of its reports, so none may be suppressed. "
            "If the rule is wrong, change it or disable it with two persons: aml rules disable."
        )
    if order.typology is not None and order.typology not in typologies:
        raise OrderRefused(f"There is no typology {order.typology}. One of: {', '.join(sorted(typologies))}.")
    has_subject, has_segment = order.subject_token is not None, order.segment is not None
    is_one_of_both = (order.rule is None) != (order.typology is None)
    if not is_one_of_both or has_subject == has_segment or (has_segment and order.rule is None):
        raise OrderRefused(
            "The scope of a suppression is one rule or one typology of one customer or account, or one rule of one "
            "segment. Give --rule or --typology with --customer or --account, or --rule with --segment."
        )
    if has_subject and order.subject_kind not in SUPPRESSED_KINDS:
        raise OrderRefused(f"A suppression names a {' or an '.join(SUPPRESSED_KINDS)}, not a {order.subject_kind}.")
    if order.second is None or _is_same_person(order.by, order.second):
        raise OrderRefused(f"{order.by} asked for it and cannot approve it. Name a second person with --approver.")
    if order.from_us is None or order.until_us is None or order.until_us <= order.from_us:
        raise OrderRefused("A suppression has a first day and a later end. Give --from and --until.")
    if order.until_us - order.from_us > SUPPRESSION_DAYS_MAX * DAY_US:
        latest = format_time(order.from_us + SUPPRESSION_DAYS_MAX * DAY_US)[:10]
        raise OrderRefused(
            f"A suppression lasts at most {SUPPRESSION_DAYS_MAX} days; from that start it may end on {latest} at the "
            "latest. Give an earlier --until, and decide again when it ends."
        )
    if order.sample_ppm is None or not SAMPLE_PPM_MIN <= order.sample_ppm <= _MILLION:
        raise OrderRefused("Between 0.01 and 1 of what is suppressed is reviewed. Give --sample 0.05 for one in 20.")


def _check_switch(order: Order, kinds: Mapping[str, str]) -> None:
    if order.rule is None:
        raise OrderRefused("One rule is switched off or on at a time. Name it.")
    if kinds[order.rule] != OBLIGATION:
        return
    if order.second is None or _is_same_person(order.by, order.second):
        raise OrderRefused(
            f"{order.rule} is an obligation: to switch it off or on needs two persons. Name another one with --second."
        )
