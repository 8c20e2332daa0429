"""Cases in which cash or round sums enter: structuring, smurfing, funnel account, front business, round amounts."""

from monitor.app.simulate.cast import ROUND_THOUSANDS, Cast
from monitor.app.simulate.draws import Int64s
from monitor.app.simulate.world import KIND

BELOW_THRESHOLD = (2_000, 9_900)
"""Dollars of one deposit that stays below a reporting threshold of 10,000 USD."""


def structuring(cast: Cast, people: Int64s) -> None:
    """5 to 15 cash deposits of one customer within 7 days, each below 10,000 USD."""
    length = cast.between(1, 5)
    start = cast.start(length + 2)
    for _ in range(cast.between(5, 15)):
        cast.deposit(start + cast.between(0, length - 1), cast.subject, cast.dollars(*BELOW_THRESHOLD))


def smurfing(cast: Cast, people: Int64s) -> None:
    """Deposits below the threshold into several accounts, which pass the money to one collector."""
    length = cast.between(2, 4)
    start = cast.start(length + 6)
    for _ in range(cast.between(3, 5)):
        helper, total = cast.ours(people), 0
        for _ in range(cast.between(2, 4)):
            cents = cast.dollars(*BELOW_THRESHOLD)
            total += cents
            cast.deposit(start + cast.between(0, length - 1), helper, cents)
        cast.pay(cast.working(start + length + 3), helper, cast.subject, cast.after_fee(total))


def funnel_account(cast: Cast, people: Int64s) -> None:
    """Strangers pay into one account from many places; the sum leaves the country soon after."""
    start, total = cast.start(14), 0
    days = cast.between(3, 7)
    for _ in range(cast.between(8, 15)):
        cents = cast.dollars(1_200, 8_000)
        total += cents
        if cast.chance(40):
            cast.deposit(start + cast.between(0, days - 1), cast.subject, cents)
        else:
            cast.pay(cast.open_day(start + cast.between(0, days - 1)), cast.outsider(), cast.subject, cents)
    for part in cast.split(cast.after_fee(total), cast.between(2, 4)):
        out = cast.working(start + days + cast.between(3, 5))
        cast.pay(out, cast.subject, cast.foreigner(), part, kind=KIND["abroad"])


def front_business(cast: Cast, people: Int64s) -> None:
    """A cash business deposits several times what its peers do, and sends it on to a few accounts."""
    days = min(cast.between(18, 28), max(cast.population.days - 4, 4))
    start, total = cast.start(days + 3), 0
    payees = [cast.outsider("business") for _ in range(3)]
    for _ in range(cast.between(16, 24)):
        cents = cast.dollars(2_400, 12_000)
        total += cents
        cast.deposit(start + cast.between(0, days), cast.subject, cents)
    outs = cast.between(5, 9)
    for part in cast.split(cast.after_fee(total, 80, 95), outs):
        cast.pay(cast.open_day(start + days // 2 + cast.between(0, days // 2 + 2)), cast.subject,
                 payees[cast.between(0, 2)], part)  # fmt: skip


def round_amounts(cast: Cast, people: Int64s) -> None:
    """Payments of whole thousands to a few accounts over some weeks."""
    start = cast.start(18)
    payees = [cast.outsider("business"), cast.ours(people), cast.foreigner()]
    for _ in range(cast.between(6, 10)):
        payee = payees[cast.between(0, 2)]
        kind = KIND["abroad"] if payee == payees[2] else KIND["trade"]
        cast.pay(cast.open_day(start + cast.between(0, 16)), cast.subject, payee, cast.dollars(2_000, 20_000),
                 kind=kind, form=ROUND_THOUSANDS)  # fmt: skip
