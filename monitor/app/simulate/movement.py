"""Cases in which money moves on: fans, pass-through, cycle, scatter and gather, chains, U-turn, corridor."""

from itertools import pairwise

from monitor.app.simulate.cast import Cast
from monitor.app.simulate.draws import Int64s
from monitor.app.simulate.world import FOREIGN, HIGH_RISK, KIND


def _party(cast: Cast, people: Int64s, ours_percent: int) -> int:
    return (
        cast.ours(people) if cast.chance(ours_percent) else cast.outsider("person" if cast.chance(60) else "business")
    )


def fan_in(cast: Cast, people: Int64s) -> None:
    """10 to 30 payers within 5 days, most of whom never paid before."""
    length = cast.between(1, 5)
    start = cast.start(length + 2)
    for _ in range(cast.between(10, 30)):
        cast.pay(cast.working(start + cast.between(0, length - 1)), _party(cast, people, 50), cast.subject,
                 cast.dollars(600, 6_000))  # fmt: skip


def fan_out(cast: Cast, people: Int64s) -> None:
    """10 to 30 payees within 5 days."""
    length = cast.between(1, 5)
    start = cast.start(length + 2)
    for _ in range(cast.between(10, 30)):
        cast.pay(cast.working(start + cast.between(0, length - 1)), cast.subject, _party(cast, people, 50),
                 cast.dollars(600, 6_000))  # fmt: skip


def pass_through(cast: Cast, people: Int64s) -> None:
    """What comes in leaves by the next day, less a few percent."""
    start = cast.start(12)
    for round_number in range(cast.between(1, 3)):
        day = cast.early_week(start + 4 * round_number)
        cents = cast.dollars(3_000, 30_000)
        cast.pay(day, _party(cast, people, 50), cast.subject, cents)
        for part in cast.split(cast.after_fee(cents), cast.between(1, 2)):
            cast.pay(day + 1, cast.subject, _party(cast, people, 40), part)


def cycle(cast: Cast, people: Int64s) -> None:
    """Money returns to its origin over 2 to 5 others within 30 days."""
    others = [cast.ours(people) for _ in range(cast.between(2, 5))]
    day, cents, route = (
        cast.start(4 * len(others) + 5),
        cast.dollars(4_000, 30_000),
        [cast.subject, *others, cast.subject],
    )
    for payer, payee in pairwise(route):
        day = cast.working(day)
        cast.pay(day, payer, payee, cents)
        day, cents = day + cast.between(1, 3), cast.after_fee(cents, 92, 100)


def scatter_gather(cast: Cast, people: Int64s) -> None:
    """One account pays several middlemen; all of them pay one other account."""
    start, target = cast.start(9), cast.ours(people)
    for part in cast.split(cast.dollars(18_000, 50_000), cast.between(4, 8)):
        middleman, day = cast.ours(people), cast.working(start + cast.between(0, 1))
        cast.pay(day, cast.subject, middleman, part)
        cast.pay(cast.working(day + cast.between(1, 3)), middleman, target, cast.after_fee(part, 90, 98))


def gather_scatter(cast: Cast, people: Int64s) -> None:
    """One account collects from many and then pays it out to many."""
    start, total = cast.start(9), 0
    for _ in range(cast.between(6, 12)):
        cents = cast.dollars(900, 7_000)
        total += cents
        cast.pay(cast.working(start + cast.between(0, 1)), _party(cast, people, 60), cast.subject, cents)
    for part in cast.split(cast.after_fee(total), cast.between(6, 12)):
        cast.pay(cast.working(start + cast.between(5, 7)), cast.subject, _party(cast, people, 60), part)


def layering_chain(cast: Cast, people: Int64s) -> None:
    """5 to 8 hops, each a day or two after the one before, each passing on almost everything."""
    route = [cast.subject, *(cast.ours(people) for _ in range(cast.between(4, 7))), cast.outsider("business")]
    day, cents = cast.start(2 * len(route) + 5), cast.dollars(6_000, 40_000)
    for payer, payee in pairwise(route):
        day = cast.working(day)
        cast.pay(day, payer, payee, cents)
        day, cents = day + cast.between(1, 2), cast.after_fee(cents, 91, 99)


def high_risk_corridor(cast: Cast, people: Int64s) -> None:
    """Several payments into countries of the high-risk list, by a customer who never paid there."""
    start = cast.start(16)
    payees = [cast.foreigner(high_risk=True) for _ in range(cast.between(2, 4))]
    for _ in range(cast.between(4, 9)):
        cast.pay(cast.open_day(start + cast.between(0, 14)), cast.subject, payees[cast.between(0, len(payees) - 1)],
                 cast.dollars(1_500, 15_000), kind=KIND["abroad"])  # fmt: skip


def u_turn(cast: Cast, people: Int64s) -> None:
    """Money goes abroad and comes back from another account there, to the payer or to a friend."""
    start, total = cast.start(16), 0
    country = cast.between(0, len(FOREIGN) - len(HIGH_RISK) - 1)
    for _ in range(cast.between(1, 3)):
        cents = cast.dollars(3_000, 25_000)
        total += cents
        cast.pay(cast.open_day(start + cast.between(0, 2)), cast.subject, cast.foreigner(country=country), cents,
                 kind=KIND["abroad"])  # fmt: skip
    target = cast.subject if cast.chance(60) else cast.ours(people)
    for part in cast.split(cast.after_fee(total, 90, 97), cast.between(1, 3)):
        cast.pay(cast.open_day(start + 6 + cast.between(1, 6)), cast.foreigner(country=country), target, part,
                 kind=KIND["abroad"])  # fmt: skip
