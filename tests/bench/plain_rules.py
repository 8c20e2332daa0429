"""The ten rules by hand: one function each over one leg, cheapest question first."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tests.bench.plain_customers import Account, Customer
from tests.bench.plain_peers import Peers
from tests.bench.plain_records import Conversion, Profile

Share = tuple[int, int]
"""An exact share as numerator and denominator."""


class Leg(NamedTuple):
    """One payment as one customer sees it, with all that the rules ask for. ``dollars`` is ``None`` without a rate."""

    holder: str
    is_credit: bool
    partner: str | None
    partner_country: str | None
    channel: str | None
    is_round: bool
    dollars: int | None
    booked_us: int
    judged_us: int
    month: int
    entity: str
    account_opened_us: int | None
    profile: Profile
    customer: Customer
    account: Account | None
    values: Mapping[str, Mapping[str, Any]]
    lists: Mapping[str, frozenset[str]]
    peers: Peers
    conversion: Conversion


def corridor(leg: Leg) -> bool:
    """AML-COR-001: a month's payments with listed countries exceed a sum."""
    country = leg.partner_country
    if country not in leg.lists["high_risk_countries"] and country not in leg.lists["call_for_action_countries"]:
        return False
    values, others = leg.values["AML-COR-001"], leg.customer.others
    listed, called = others.get("AML-COR-001.listed"), others.get("AML-COR-001.called")
    if country in leg.lists["high_risk_countries"] and listed is not None and listed.total >= values["total_min"]:
        return True
    is_called = country in leg.lists["call_for_action_countries"] and called is not None
    return is_called and called.total >= values["called_total_min"]  # type: ignore[union-attr]


def dormant(leg: Leg) -> bool:
    """AML-DOR-001: woken within a week, and large sums."""
    woken = leg.customer.others.get("AML-DOR-001.woken")
    if woken is None:
        return False
    woken.leave(leg.judged_us)
    return bool(woken.events) and leg.customer.week.total >= leg.values["AML-DOR-001"]["turnover_min"]


def fan_in(leg: Leg) -> bool:
    """AML-FAN-001: more payers than the rule and the peers allow."""
    return leg.is_credit and _is_fan(leg, leg.customer.fan_in, "AML-FAN-001", "payers_min", 1)


def fan_out(leg: Leg) -> bool:
    """AML-FAN-002: more payees than the rule and the peers allow."""
    if leg.is_credit or leg.channel in ("card", "direct_debit"):
        return False
    return _is_fan(leg, leg.customer.fan_out, "AML-FAN-002", "payees_min", 2)


def _is_fan(leg: Leg, flow: Any, rule: str, least: str, measure: int) -> bool:
    partners = len(flow.partners)
    values = leg.values[rule]
    if leg.partner is None or not (partners >= values[least] and flow.total >= values["total_min"]):
        return False
    usual = leg.peers.quantile(leg.profile.segment, measure)
    return (usual is None or partners > usual) and leg.holder not in leg.peers.hubs


def income(leg: Leg) -> bool:
    """AML-INC-001: a month's credits far above the declared income."""
    if not leg.is_credit or leg.channel == "internal" or leg.profile.monthly_income is None:
        return False
    values, month = leg.values["AML-INC-001"], leg.customer.months[leg.entity, leg.month]
    if not month.total >= values["total_min"]:
        return False
    declared = leg.conversion.dollars(*leg.profile.monthly_income, leg.booked_us)
    above, below = values["income_times"]
    return bool(declared) and month.total * below > declared * above  # type: ignore[operator]


def new_account(leg: Leg) -> bool:
    """AML-NEW-001: a young account turns over large sums."""
    if leg.account is None or leg.account_opened_us is None or leg.channel == "internal":
        return False
    values = leg.values["AML-NEW-001"]
    if not max(leg.booked_us - leg.account_opened_us, 0) < values["age_max"]:
        return False
    leg.account.activity.leave(leg.judged_us)
    if leg.account.activity.total >= values["turnover_min"]:
        return True
    leg.account.received.leave(leg.judged_us)
    received = leg.account.received.total
    if leg.profile.expected_monthly_in is None or not received >= values["received_min"]:
        return False
    expected = leg.conversion.dollars(*leg.profile.expected_monthly_in, leg.booked_us)
    above, below = values["expected_times_min"]
    return bool(expected) and received * below >= expected * above  # type: ignore[operator]


def rapid_pass_through(leg: Leg) -> bool:
    """AML-PAS-001: money of few payers leaves within two days."""
    if leg.is_credit or leg.channel == "internal" or leg.holder in leg.peers.hubs:
        return False
    others, values = leg.customer.others, leg.values["AML-PAS-001"]
    received, sent = others.get("AML-PAS-001.received"), others["AML-PAS-001.sent"]
    if received is None:
        return False
    received.leave(leg.judged_us)
    if not received.total >= values["inflow_min"] or received.unknown_amounts or sent.unknown_amounts:  # type: ignore[union-attr]
        return False
    if received.unknown_partners or not len(received.partners) <= values["payers_max"]:  # type: ignore[union-attr]
        return False
    (least, least_of), (most, most_of) = values["passed_on_min"], values["passed_on_max"]
    return sent.total * least_of >= received.total * least and sent.total * most_of <= received.total * most


def funnel(leg: Leg) -> bool:
    """AML-PAS-002: a young account collects from several and passes on."""
    if leg.is_credit or leg.account_opened_us is None:
        return False
    others, values = leg.customer.others, leg.values["AML-PAS-002"]
    received, sent = others.get("AML-PAS-002.received"), others["AML-PAS-002.sent"]
    if received is None or not max(leg.booked_us - leg.account_opened_us, 0) < values["age_max"]:
        return False
    received.leave(leg.judged_us)
    if not received.total >= values["inflow_min"] or not len(received.partners) >= values["senders_min"]:  # type: ignore[union-attr]
        return False
    least, least_of = values["passed_on_min"]
    is_exact = not received.unknown_amounts and received.total > 0  # type: ignore[union-attr]
    return is_exact and sent.total * least_of >= received.total * least


def round_amounts(leg: Leg) -> bool:
    """AML-RND-001: several large round transfers."""
    if not leg.is_round:
        return False
    window, values = leg.customer.others["AML-RND-001.round"], leg.values["AML-RND-001"]
    return window.count >= values["payments_min"] and window.total >= values["total_min"]  # type: ignore[union-attr]


def structuring(leg: Leg) -> bool:
    """AML-STR-001: small cash deposits that together exceed the threshold."""
    if not leg.is_credit or leg.channel != "cash":
        return False
    window = leg.customer.others.get("AML-STR-001.small_cash")
    if window is None:
        return False
    window.leave(leg.judged_us)
    return window.total > leg.values["AML-STR-001"]["total_above"]  # type: ignore[no-any-return]


RULES: dict[str, Callable[[Leg], bool]] = {
    "AML-COR-001": corridor,
    "AML-DOR-001": dormant,
    "AML-FAN-001": fan_in,
    "AML-FAN-002": fan_out,
    "AML-INC-001": income,
    "AML-NEW-001": new_account,
    "AML-PAS-001": rapid_pass_through,
    "AML-PAS-002": funnel,
    "AML-RND-001": round_amounts,
    "AML-STR-001": structuring,
}
FOR_CREDITS = ("AML-COR-001", "AML-DOR-001", "AML-FAN-001", "AML-INC-001", "AML-NEW-001", "AML-STR-001")
FOR_DEBITS = ("AML-COR-001", "AML-DOR-001", "AML-FAN-002", "AML-NEW-001", "AML-PAS-001", "AML-PAS-002", "AML-RND-001")
