"""What the measures of a payment mean, written the slow way: every measure from the whole list of earlier payments."""

from dataclasses import dataclass
from itertools import takewhile
from math import exp, log, nan, sqrt

DAY = 86_400_000_000


@dataclass(frozen=True)
class Payment:
    """A payment, and what was true of it at its time."""

    payer: int
    payee: int
    time_us: int
    amount_log: float
    channel: int
    is_first: bool = False
    links: int = 0
    origin: int = -1
    since_us: int = 0
    fan_out_of_payer: float = 0.0
    fan_in_of_payer: float = 0.0
    fan_in_of_payee: float = 0.0
    source_of_payer: int | None = None


class PlainMeasures:
    """All payments so far in a list."""

    def __init__(self, remembered: int) -> None:
        self.remembered = remembered
        self.past: list[Payment] = []

    def measure(self, payer: int, payee: int, time_us: int, amount_log: float, channel: int) -> dict[str, float]:
        """The measures by name, but those of new edges; then the payment is counted."""
        now = Payment(payer, payee, time_us, amount_log, channel % 8)
        links, origin, since = self.chain(now)
        found = self.of_side(now, payer, "payer") | self.of_side(now, payee, "payee") | self.of_payment(now)
        self.past.append(
            Payment(
                payer, payee, time_us, amount_log, channel % 8,
                is_first=not any((p.payer, p.payee) == (payer, payee) for p in self.past),
                links=links, origin=origin, since_us=since,
                fan_out_of_payer=faded([p for p in self.paid_by(payer) if p.is_first], time_us, 8),
                fan_in_of_payer=faded([p for p in self.paid_to(payer) if p.is_first], time_us, 8),
                fan_in_of_payee=faded([p for p in self.paid_to(payee) if p.is_first], time_us, 8),
                source_of_payer=self.source(payer),
            )
        )  # fmt: skip
        return found

    def paid_by(self, account: int) -> list[Payment]:
        return [p for p in self.past if p.payer == account]

    def paid_to(self, account: int) -> list[Payment]:
        return [p for p in self.past if p.payee == account]

    def latest(self, payments: list[Payment], now: Payment, reach: float) -> list[Payment]:
        """The remembered ones within so many days, the latest first."""
        return list(takewhile(lambda p: age(p, now) <= reach, payments[::-1][: self.remembered]))

    def source(self, account: int) -> int | None:
        firsts = [p for p in self.paid_to(account) if p.is_first]
        return firsts[-1].payer if firsts else None

    def chain(self, now: Payment) -> tuple[int, int, int]:
        best = (0, now.payer, now.time_us)
        for p in self.latest(self.paid_to(now.payer), now, 10):
            if is_link(p, now) and p.is_first and min(p.links + 1, 20) > best[0]:
                best = (min(p.links + 1, 20), p.origin, p.since_us)
        return best

    def of_side(self, now: Payment, account: int, side: str) -> dict[str, float]:
        found: dict[str, float] = {}
        own = [p for p in self.past if account in (p.payer, p.payee)]
        days = (now.time_us - own[0].time_us) / DAY if own else 0.0
        ways = {"in": self.paid_to(account), "out": self.paid_by(account)}
        for way, others in (("in", "payers"), ("out", "payees")):
            payments, firsts = ways[way], [p for p in ways[way] if p.is_first]
            for fade in (2, 8, 32):
                found[f"{side}: payments {way}, {fade} days"] = log(1 + faded(payments, now.time_us, fade))
                found[f"{side}: new {others}, {fade} days"] = log(1 + faded(firsts, now.time_us, fade))
            usual = len(firsts) / (days + 1) * 8
            found[f"{side}: new {others} against its own rate"] = log((faded(firsts, now.time_us, 8) + 1) / (usual + 1))
            found[f"{side}: share of payments {way} with new {others}"] = (
                len(firsts) / len(payments) if payments else nan
            )
            found[f"{side}: payments {way} a day"] = log((len(payments) + 1) / (days + 1))
            found[f"{side}: days since the last payment {way}"] = age(payments[-1], now) if payments else nan
            found[f"{side}: spread of amounts {way}"] = spread(payments, now)
            found[f"{side}: amount against its payments {way}"] = against_habit(
                [p.amount_log for p in payments], now.amount_log, 30
            )
        for fade in (2, 8, 32):
            money = {way: faded_money(payments, now.time_us, fade) for way, payments in ways.items()}
            here = exp(now.amount_log) if side == "payer" else 0.0
            found[f"{side}: money out against in, {fade} days"] = log((money["out"] + here + 1) / (money["in"] + 1))
        like = ways["out"] if side == "payer" else ways["in"]
        alike = [p for p in like if p.channel == now.channel]
        found[f"{side}: the channel's share"] = len(alike) / len(like) if like else nan
        found[f"{side}: age"] = min(days, 90)
        return found

    def of_payment(self, now: Payment) -> dict[str, float]:
        inflows = self.latest(self.paid_to(now.payer), now, 30)
        known = [p for p in inflows if p.amount_log == p.amount_log and now.amount_log == now.amount_log]
        nearest = min(known, key=lambda p: abs(now.amount_log - p.amount_log), default=None)
        links, origin, since = self.chain(now)
        back = next((p for p in inflows if p.payer == now.payee), None)
        paid = self.latest(self.paid_by(now.payer), now, 8)
        got_month = self.latest(self.paid_to(now.payee), now, 30)
        got = [p for p in got_month if age(p, now) <= 8]
        source = self.source(now.payer)
        common = [p for p in got_month if p.payer != now.payer and source is not None and p.source_of_payer == source]
        pairs = [(p.payer, p.payee) for p in self.past]
        return {
            "amount": now.amount_log,
            "amount against the channel": against_habit(
                [p.amount_log for p in self.past if p.channel == now.channel], now.amount_log, 2000
            ),
            "channel": now.channel,
            "earlier payments between the two": log(1 + pairs.count((now.payer, now.payee))),
            "earlier payments the other way": log(1 + pairs.count((now.payee, now.payer))),
            "against the nearest inflow": now.amount_log - nearest.amount_log if nearest else nan,
            "days since the nearest inflow": age(nearest, now) if nearest else nan,
            "inflows of about the amount": log(1 + sum(is_link(p, now) for p in inflows)),
            "links of money carried on": links,
            "days since the links began": (now.time_us - since) / DAY if links else nan,
            "back at the origin": float(links > 0 and origin == now.payee),
            "days since the payee paid the payer": age(back, now) if back else nan,
            "against what the payee paid": now.amount_log - back.amount_log if back else nan,
            "new payees of those who paid the payer": mean([p.fan_out_of_payer for p in inflows]),
            "equal amounts of the payer": log(1 + sum(is_equal(p, now) for p in paid)),
            "new payers of the payer's payees": mean([p.fan_in_of_payee for p in paid]),
            "equal amounts to the payee": log(1 + sum(is_equal(p, now) for p in got)),
            "payers of the payee with the payer's source": log(1 + len(common)),
            "new payees of those who paid the payee": mean([p.fan_out_of_payer for p in got]),
            "new payers of those who paid the payee": mean([p.fan_in_of_payer for p in got]),
        }


def age(p: Payment, now: Payment) -> float:
    return (now.time_us - p.time_us) / DAY


def is_link(p: Payment, now: Payment) -> bool:
    """From three quarters to a tenth of a percent above the inflow, within ten days."""
    return age(p, now) <= 10 and -0.2877 <= now.amount_log - p.amount_log <= 1e-3


def is_equal(p: Payment, now: Payment) -> bool:
    return abs(now.amount_log - p.amount_log) <= 0.1


def mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else nan


def faded(payments: list[Payment], now_us: int, days: float) -> float:
    return sum(exp(-(now_us - p.time_us) / DAY / days) for p in payments)


def faded_money(payments: list[Payment], now_us: int, days: float) -> float:
    return sum(
        exp(p.amount_log) * exp(-(now_us - p.time_us) / DAY / days) for p in payments if p.amount_log == p.amount_log
    )


def spread(payments: list[Payment], now: Payment) -> float:
    """The weighted standard deviation of what is at hand, weights faded over eight days."""
    known = [(exp(-age(p, now) / 8), p.amount_log) for p in payments if p.amount_log == p.amount_log]
    weight = sum(w for w, _ in known)
    if weight < 1.5:
        return nan
    middle = sum(w * a for w, a in known) / weight
    return sqrt(sum(w * (a - middle) ** 2 for w, a in known) / weight)


def against_habit(amounts: list[float], amount: float, longest: int) -> float:
    """Standard deviations above a mean in which the latest amount weighs one over their number, at most ``longest``."""
    middle, variance, count = 0.0, 0.0, 0
    for each in amounts:
        if each == each:
            count += 1
            off = each - middle
            middle += off / min(count, longest)
            variance += (off * off - variance) / min(count, longest) if count > 1 else 0.0
    return (amount - middle) / sqrt(max(variance, 0.05)) if count else nan
